"""What the outcomes of a study mean: nulls, ceiling, gap, threshold, ability, what to ship."""
