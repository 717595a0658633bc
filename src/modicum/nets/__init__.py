"""Nets of our own, beside the language models that transformers brings."""
