"""What the commands that call a gateway share: resumable uploads, and tables of its lists."""
