"""Report: figures, tables and the page."""
