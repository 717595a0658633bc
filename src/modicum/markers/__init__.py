"""Markers: each file is one way to read and compare an answer."""
