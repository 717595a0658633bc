"""Probes, one a file: readings of trials of their own, over paired variants of a task."""
