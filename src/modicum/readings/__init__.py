"""Readings, one a file: what is said of what is stored of a model on a task."""
