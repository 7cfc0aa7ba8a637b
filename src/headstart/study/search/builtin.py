"""The built-in grids as spaces, and any list of heads as few tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from headstart.heads import HeadSpec, grid
from headstart.heads.settings import Scalar
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import HeadTable, Space

PAPER_BACKBONES = ("vgg19", "resnet50", "xception", "densenet121")


def built_in_space(
    name: str, sources: Sequence[FeatureSourceSpec] = (), *, ordered: bool = False, n_classes: int = 2
) -> Space:
    """A built-in grid of heads as a space.

    Parameters
    ----------
    name : {"quick", "wide", "paper"}
    sources : sequence of FeatureSourceSpec
        None given: the default backbone; for ``paper`` the paper's four networks.
    ordered : bool
        Whether the classes are ordered.
    n_classes : int
        Their number, which the quick grid heeds.

    Raises
    ------
    InputError
        When the name is unknown.
    """
    heads = grid(name, ordered=ordered, n_classes=n_classes)
    usual = (
        tuple(FeatureSourceSpec(backbone) for backbone in PAPER_BACKBONES)
        if name == "paper"
        else (FeatureSourceSpec(),)
    )
    return Space(tuple(sources) or usual, tables_of(heads), name=f"grid {name!r}")


def tables_of(heads: Iterable[HeadSpec]) -> tuple[HeadTable, ...]:
    """Tables that together hold these heads, each once: few, by splitting on the setting that leaves full tables."""
    kinds: dict[str, list[HeadSpec]] = {}
    for head in heads:
        kinds.setdefault(head.kind, []).append(head)
    return tuple(table for kind, found in kinds.items() for table in _tables(kind, found))


def _tables(kind: str, heads: list[HeadSpec]) -> Iterator[HeadTable]:
    values = _values(heads)
    if _is_full(heads):
        yield HeadTable.of(kind, values)
        return
    splits = [_split(heads, name) for name, listed in values.items() if len(listed) > 1]
    fewest = min(splits, key=lambda parts: (sum(not _is_full(part) for part in parts), len(parts)))
    for part in fewest:
        yield from _tables(kind, part)


def _values(heads: Sequence[HeadSpec]) -> dict[str, list[Scalar]]:
    """Values of every setting, in the order met."""
    return {name: list(dict.fromkeys(head.settings[name] for head in heads)) for name in heads[0].settings}


def _is_full(heads: Sequence[HeadSpec]) -> bool:
    """Whether the heads are every combination of their values."""
    return math.prod(map(len, _values(heads).values())) == len(heads)


def _split(heads: Sequence[HeadSpec], name: str) -> list[list[HeadSpec]]:
    """The heads by their value of one setting."""
    parts: dict[Scalar, list[HeadSpec]] = {}
    for head in heads:
        parts.setdefault(head.settings[name], []).append(head)
    return list(parts.values())
