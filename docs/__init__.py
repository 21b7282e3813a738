"""Documentation. ``python -m docs`` (``make docs``) writes the pages that are generated; the others are written by hand."""
