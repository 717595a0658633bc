"""A small built-in model whose abilities are known by construction."""
