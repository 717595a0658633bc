"""From an answer's text to its mark, whatever a marker does."""
