"""The first words of a warning, for a screen that must be taken in at once."""

from __future__ import annotations

import re
from typing import Final

_SENTENCE_ENDS: Final = re.compile(r"(?<=[.!?]) (?=[A-Z])")
_PAIRS_IN_BRACKETS: Final = re.compile(r" \([^()]* = [^()]*\)")
_LIST_AT_THE_END: Final = re.compile(r": [^:]*(?: = | and [\d,]+ more)[^:]*$")


def in_short(words: str) -> str:
    """The first sentence, without the images that it lists as examples.

    >>> in_short("2 pairs are copies: a.png = b.png, c.png = d.png. They count double.")
    '2 pairs are copies.'
    >>> in_short("3 of 9 images have a near-duplicate (a.png = b.png and 2 more). Name what belongs together.")
    '3 of 9 images have a near-duplicate.'
    """
    first = _SENTENCE_ENDS.split(words, maxsplit=1)[0]
    return _LIST_AT_THE_END.sub(".", _PAIRS_IN_BRACKETS.sub("", first))
