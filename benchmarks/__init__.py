"""Rows of figures: flambeau beside torch, measured in one run."""
