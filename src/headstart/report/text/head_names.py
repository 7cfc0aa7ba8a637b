"""Kinds of heads as a sentence names them."""

from __future__ import annotations

from typing import Final

from headstart.report.text import format as text

_HEADS: Final = {
    "corn": "CORN",
    "cumulative": "cumulative logit",
    "dense": "dense network",
    "forest": "random forest",
    "knn": "nearest neighbours",
    "lda": "linear discriminant analysis",
    "logistic": "logistic regression",
    "majority": "majority class",
    "ridge": "ridge classifier",
    "svm": "support vector machine",
}


def head_in_sentence(kind: str) -> str:
    """Name of a kind of head; of one that was added from outside its own.

    >>> head_in_sentence("logistic"), head_in_sentence("my_head")
    ('logistic regression', 'my head')
    """
    return _HEADS.get(kind, text.words(kind))
