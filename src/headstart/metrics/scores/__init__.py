"""Scores by what decides them: the predicted classes, the order of the probabilities, the probabilities themselves.

To add a metric write a function from a `Tally` to scores of shape (batch,) under ``@register_metric(...)``, in one of
these files or in a new one; evaluations, ``--metric``, ``results.json`` and reports find it by that alone. Metrics are
shown in the order of registration, files in alphabetical order.
"""
