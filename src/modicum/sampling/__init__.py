"""One batched sampler over any transformers causal model: prefix, cache, draw, loop."""
