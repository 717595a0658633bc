"""Methods: one file a recipe; the file name is the name."""
