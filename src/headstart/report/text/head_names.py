"""Kinds of heads as a sentence names them."""

from __future__ import annotations

from typing import Final

from headstart.report.locale.messages import mark, tr
from headstart.report.text import format as text

_HEADS: Final = {
    "corn": mark("CORN"),
    "cumulative": mark("cumulative logit"),
    "dense": mark("dense network"),
    "forest": mark("random forest"),
    "knn": mark("nearest neighbours"),
    "lda": mark("linear discriminant analysis"),
    "logistic": mark("logistic regression"),
    "majority": mark("majority class"),
    "ridge": mark("ridge classifier"),
    "svm": mark("support vector machine"),
}


def head_in_sentence(kind: str) -> str:
    """Name of a kind of head; of one that was added from outside its own.

    >>> head_in_sentence("logistic"), head_in_sentence("my_head")
    ('logistic regression', 'my head')
    """
    return tr(_HEADS[kind]) if kind in _HEADS else text.words(kind)
