"""Texts that nets learn from and are measured on, with shifts of known distance."""
