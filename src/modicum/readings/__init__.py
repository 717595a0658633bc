"""Readings, one a file: what is said of a subject's stored outcomes."""
