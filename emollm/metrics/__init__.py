"""Pure numpy metrics, one family a file."""
