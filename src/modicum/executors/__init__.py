"""Executors, one a file: where trials run."""
