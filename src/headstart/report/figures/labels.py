"""Labels short enough for an axis that can still be told from one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["middle_cut", "told_apart"]


def told_apart(labels: Sequence[str], longest: int) -> list[str]:
    """Labels cut in the middle where they are long, all in one way that leaves no two alike.

    Where the middle is what they differ in, the words that all begin or end with are left out instead; where that is
    not enough, longer labels are let through.

    Parameters
    ----------
    labels : sequence of str
    longest : int
        Number of characters that an axis carries.

    Examples
    --------
    >>> told_apart(["relu", "densenet121, 300 px, best"], 16)
    ['relu', 'densenet1…, best']
    >>> told_apart(["resnet50, 300 px, last, mean squash", "resnet50, 300 px, multi, mean squash"], 16)
    ['…last,…', '…multi,…']
    """
    return next((way for way in _ways(labels, longest) if len(set(way)) == len(set(labels))), list(labels))


def _ways(labels: Sequence[str], longest: int) -> Iterator[list[str]]:
    apart = _without_common_words(labels)
    yield [middle_cut(label, longest) for label in labels]
    yield [middle_cut(label, longest) for label in apart]
    for factor in (1.5, 2, 3):
        yield [middle_cut(label, round(factor * longest)) for label in labels]


def middle_cut(label: str, longest: int) -> str:
    """A label with its middle left out where it is too long: often only the ends of two differ.

    >>> middle_cut("dense head, 256 ReLU, dropout 0.5, Adam 0.001", 34)
    'dense head, 256 R… 0.5, Adam 0.001'
    """
    if len(label) <= longest:
        return label
    n_last = (longest - 1) // 2 if longest > 20 else longest * 3 // 8
    return f"{label[: longest - 1 - n_last]}…{label[len(label) - n_last :]}"


def _without_common_words(labels: Sequence[str]) -> list[str]:
    """The labels without the words that all of them begin or end with; every one keeps a word."""
    words = [label.split(" ") for label in labels]
    spare = min(map(len, words), default=1) - 1
    front = _n_common(words, spare)
    back = _n_common([one[::-1] for one in words], spare - front)
    ends = ("…" if front else "", "…" if back else "")
    return [f"{ends[0]}{' '.join(one[front : len(one) - back])}{ends[1]}" for one in words]


def _n_common(words: Sequence[Sequence[str]], at_most: int) -> int:
    """Number of first words that all have in common."""
    columns = list(zip(*words, strict=False))[:at_most]
    return next((place for place, column in enumerate(columns) if len(set(column)) > 1), len(columns))
