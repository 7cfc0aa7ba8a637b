"""Many dense heads trained in one pass: stacked weights, shared batches, snapshots along one trajectory."""
