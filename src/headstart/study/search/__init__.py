"""The search: the space of candidates, their costs, and the choice on inner folds."""
