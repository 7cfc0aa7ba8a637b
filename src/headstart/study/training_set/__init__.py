"""The training set of a head: balancing and views of the training rows of a fold."""
