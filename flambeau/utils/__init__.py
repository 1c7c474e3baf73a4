"""Tools around training: hooks, data loading, checkpointing."""
