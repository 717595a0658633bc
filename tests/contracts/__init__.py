"""Tests that every plug-in of a folder must pass; a new file is tested the moment it exists."""
