"""Tensor, dtypes, devices, the graph, the registry of operations, errors."""
