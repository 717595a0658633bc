"""Tasks: one file a plug-in; the file name is the name."""
