"""Adds directions to the activations of any transformers causal model, and finds them from pairs."""
