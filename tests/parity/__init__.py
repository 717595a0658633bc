"""Our formulas beside other libraries."""
