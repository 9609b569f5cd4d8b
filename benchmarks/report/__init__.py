"""Results as tables, JSON and plots."""
