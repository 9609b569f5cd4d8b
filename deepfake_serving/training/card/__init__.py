"""The model card: what was measured, put into words and tables; nothing typed by hand."""
