"""Data rooms: from what a user names to records."""
