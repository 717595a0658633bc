"""Verbs: one file each with a click command named `command`; found by the catalogue."""
