"""Names of the parts of a split, of folders and in columns: ``train``, ``validation``, ``Test_set``, ``fold_3``."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"
FOLD: Final = "fold"
POOL: Final = "pool"
"""What a user says of parts that are to be put together."""
_WORDS: Final = {
    TRAIN: "train|training|trn",
    VALIDATION: "val|valid|validation|validate|dev",
    TEST: "test|testing|tst|eval|evaluation|holdout",
}
_FILLERS: Final = "set|sets|data|dataset|image|images|img|imgs|split|folder|part|samples"
_NAMED: Final = {part: re.compile(rf"(?:{words})(?:{_FILLERS})?") for part, words in _WORDS.items()}
_FOLD: Final = re.compile(r"(?:[a-z]+[ _-])?(?:k|cv)?[ _-]?fold[ _-]?(\d{1,4})", re.IGNORECASE)


class SplitName(NamedTuple):
    """Part of a split that a name stands for.

    Attributes
    ----------
    part : str
        ``train``, ``validation``, ``test`` or ``fold``.
    number : int
        Of a fold; 0 of others.
    rest : tuple of str
        Other words of the name, which the parts of one split have in common: ``seg`` of ``seg_train``.
    """

    part: str
    number: int
    rest: tuple[str, ...]


def split_name(name: str) -> SplitName | None:
    """Part of a split that a name stands for, or None.

    >>> split_name("Test_set"), split_name("fold_3"), split_name("trainers")
    (SplitName(part='test', number=0, rest=()), SplitName(part='fold', number=3, rest=()), None)
    """
    fold = _FOLD.fullmatch(name)
    if fold is not None:
        return SplitName(FOLD, int(fold[1]), ())
    words = re.findall(r"[^\W_]+", name.casefold())
    parts = [part for word in words for part, pattern in _NAMED.items() if pattern.fullmatch(word)]
    if len(parts) != 1:
        return None
    rest = [word for word in words if not _NAMED[parts[0]].fullmatch(word) and not re.fullmatch(_FILLERS, word)]
    return SplitName(parts[0], 0, tuple(rest))


def roles_in_words(counts: Counter[str]) -> str:
    """Part that trains, chooses and judges, in words; `counts` are the images of every part."""
    judge = TEST if counts[TEST] else VALIDATION
    says = [f"{counts[TRAIN]:,} images train", f"{counts[judge]:,} ({judge}) judge"]
    if counts[TEST] and counts[VALIDATION]:
        says.insert(1, f"{counts[VALIDATION]:,} (validation) choose")
    else:
        says[0] += ", a quarter of which is drawn to choose"
    return ", ".join(says)
