"""The report: one self-contained offline page that only reads."""
