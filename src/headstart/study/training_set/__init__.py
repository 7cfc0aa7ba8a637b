"""What is done to the training rows before a head is fitted: balancing and views."""
