"""What a DataLoader is made of: collating, fetching, and the worker processes."""
