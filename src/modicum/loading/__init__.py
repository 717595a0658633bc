"""Models from files: looked at, placed, loaded."""
