"""What comes from elsewhere, looked at before it is used: names, paths, JSON, code files."""
