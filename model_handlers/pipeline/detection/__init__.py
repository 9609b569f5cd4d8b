"""Face detection by MTCNN."""
