"""The process itself: its signals, its orphans and its memory."""
