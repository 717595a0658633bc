"""Whole studies of made worlds, whose truth is known: what the rules of a verdict are proved on."""
