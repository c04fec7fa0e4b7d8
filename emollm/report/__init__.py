"""What people look at: tables, and later a self-contained HTML report."""
