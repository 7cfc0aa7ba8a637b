"""Ensembles of candidates: greedy selection on inner predictions, acceptance on others, members fitted and averaged."""
