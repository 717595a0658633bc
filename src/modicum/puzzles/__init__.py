"""Puzzles with exact rules: what may be asked, what is right, and every right answer."""
