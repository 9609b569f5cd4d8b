"""Work that is answered later: kept, handed to workers, taken up again when a worker is lost."""
