"""Parts that the commands share which call a gateway: resumable uploads, tables of its lists."""
