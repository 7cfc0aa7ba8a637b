"""The learning curve: subsets of the training rows, and the law that their losses follow."""
