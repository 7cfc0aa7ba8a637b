"""The search space: sources of features times heads, counted without listing it, its candidates in one order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import InputError, plural, unknown_name
from headstart.heads import HeadSpec, searchable_kinds
from headstart.heads.settings import Scalar
from headstart.heads.spec import KINDS
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.search.halving.plan import HalvingPlan
from headstart.study.training_set.spec import PLAIN, TrainingSetSpec

MAX_CANDIDATES = 20_000
MAX_HALVED = 100_000
MAX_POINTS = 2**63 - 1


@dataclass(frozen=True)
class HeadTable:
    """Heads of one kind: every combination of the values listed for its settings.

    Attributes
    ----------
    kind : str
    values : tuple of (str, tuple)
        Settings in the kind's own order, each with its values; settings not named keep their default.

    Examples
    --------
    >>> table = HeadTable.of("dense", {"epochs": [10, 20], "dropout": [0.3, 0.5, 0.7]})
    >>> table.count(), table.head(1).label
    (6, 'dense 256 relu, dropout 0.3, 20 epochs')
    """

    kind: str
    values: tuple[tuple[str, tuple[Scalar, ...]], ...]

    @classmethod
    def of(cls, kind: str, values: Mapping[str, Sequence[Scalar]]) -> HeadTable:
        """Table of a kind, its settings and values checked.

        Raises
        ------
        InputError
            For an unknown kind or setting, a value out of range or given twice, or a setting without values.
        """
        if kind not in searchable_kinds():
            raise InputError(unknown_name("kind of head", kind, searchable_kinds()))
        for name, listed in values.items():
            if not listed:
                raise InputError(f"{name!r} of the {kind} heads lists no value. Give one or leave {name!r} out.")
            made = [HeadSpec(kind, {name: value}).settings[name] for value in listed]
            if len(set(made)) < len(made):
                raise InputError(f"{name!r} of the {kind} heads lists a value twice: {', '.join(map(str, made))}.")
        ordered = {name: tuple(values[name]) for name in KINDS[kind].settings if name in values}
        return cls(kind, tuple(ordered.items()))

    def count(self) -> int:
        """Number of heads."""
        return math.prod(len(listed) for _, listed in self.values)

    def head(self, index: int) -> HeadSpec:
        """The head of this number; the last setting changes fastest."""
        settings = {}
        for name, listed in reversed(self.values):
            index, place = divmod(index, len(listed))
            settings[name] = listed[place]
        return HeadSpec(self.kind, settings)


@dataclass(frozen=True)
class Sample:
    """A random part of the space: `n` different candidates, all equally likely, drawn with `seed`.

    References
    ----------
    J. Bergstra, Y. Bengio, "Random search for hyper-parameter optimization", JMLR 13, 2012, 281-305.
    """

    n: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < 1 or self.seed < 0:
            raise InputError(f"A sample of n = {self.n} with seed {self.seed}; expected n >= 1 and a seed >= 0.")


@dataclass(frozen=True)
class Space:
    """Everything a study may try: every source with every training set and every head of every table.

    Attributes
    ----------
    sources : tuple of FeatureSourceSpec
    tables : tuple of HeadTable
    training_sets : tuple of TrainingSetSpec
        What may be done to the training rows of a fold before a head is fitted on them.
    sample : Sample or None
        Try a random part only.
    halving : HalvingPlan or None
        Drop the weaker candidates early.
    name : str
        How messages call it: the file it was read from, or the built-in grid.

    Raises
    ------
    InputError
        When it is empty, names a source twice, or holds more than 20,000 candidates (100,000 with halving).
    """

    sources: tuple[FeatureSourceSpec, ...]
    tables: tuple[HeadTable, ...]
    training_sets: tuple[TrainingSetSpec, ...] = (PLAIN,)
    sample: Sample | None = None
    halving: HalvingPlan | None = None
    name: str = "the search space"

    def __post_init__(self) -> None:
        if not self.sources or not self.tables:
            what = "heads" if self.sources else "sources of features"
            raise InputError(f"{self.name} names no {what}, so there is nothing to try. Name at least one.")
        if not self.training_sets or len(set(self.training_sets)) < len(self.training_sets):
            raise InputError(f"{self.name} should name each training set once, at least one.")
        if len(set(self.sources)) < len(self.sources):
            twice = next(source for source in self.sources if self.sources.count(source) > 1)
            raise InputError(f"{self.name} names the source '{twice.label}' twice. Name each once.")
        self._check_size()

    def count(self) -> int:
        """Number of candidates that would be tried, without listing them."""
        return self.n_points() if self.sample is None else min(self.sample.n, self.n_points())

    def n_points(self) -> int:
        """Number of candidates there are."""
        return len(self.sources) * len(self.training_sets) * self._heads_per_source()

    def candidates(self) -> tuple[Candidate, ...]:
        """Every candidate to be tried: by source, then training set, table, settings in the kind's order.

        Raises
        ------
        InputError
            When two tables hold the same head.
        """
        if self.sample is None:
            heads = self._heads()
            return tuple(
                Candidate(source, head, training_set)
                for source in self.sources
                for training_set in self.training_sets
                for head in heads
            )
        generator = np.random.default_rng(self.sample.seed)
        chosen = generator.choice(self.n_points(), size=self.count(), replace=False)
        drawn = tuple(self._candidate(int(index)) for index in np.sort(chosen))
        self._check_heads_differ([candidate.to_json() for candidate in drawn])
        return drawn

    def _heads(self) -> list[HeadSpec]:
        heads = [table.head(index) for table in self.tables for index in range(table.count())]
        self._check_heads_differ(heads)
        return heads

    def _check_heads_differ(self, found: list[Any]) -> None:
        seen: set[str] = set()
        for item in found:
            key = str(item.to_json() if isinstance(item, HeadSpec) else item)
            if key in seen:
                label = item.label if isinstance(item, HeadSpec) else HeadSpec.from_json(item["head"]).label
                raise InputError(
                    f"{self.name} holds the head '{label}' twice: two of its tables overlap. Take it out of one of "
                    "them."
                )
            seen.add(key)

    def _candidate(self, index: int) -> Candidate:
        block, place = divmod(index, self._heads_per_source())
        source, training_set = divmod(block, len(self.training_sets))
        for table in self.tables:
            if place < table.count():
                return Candidate(self.sources[source], table.head(place), self.training_sets[training_set])
            place -= table.count()
        raise IndexError(index)

    def _heads_per_source(self) -> int:
        return sum(table.count() for table in self.tables)

    def _check_size(self) -> None:
        if self.sample is not None and self.n_points() > MAX_POINTS:
            raise InputError(
                f"{self.name} holds {self.n_points():.1e} candidates, more than the {MAX_POINTS:.1e} that a sample can "
                "be drawn from. List fewer values."
            )
        limit = MAX_CANDIDATES if self.halving is None else MAX_HALVED
        if self.count() <= limit:
            return
        longest = max(((name, len(listed)) for table in self.tables for name, listed in table.values), key=_length)
        remedies = [f"list fewer values ({longest[0]!r} has {longest[1]})"]
        if self.halving is None and self.count() <= MAX_HALVED:
            remedies.append(f"drop the weaker ones early with a [halving] table (up to {MAX_HALVED:,} candidates)")
        remedies.append("try a random part of it with a [sample] table, n = 2000 say")
        training_sets = f"{len(self.training_sets):,} training sets x " if len(self.training_sets) > 1 else ""
        raise InputError(
            f"{self.name} holds {self.count():,} candidates ({plural(len(self.sources), 'source')} x {training_sets}"
            f"{self._heads_per_source():,} heads); at most {limit:,} are tried. Either {', or '.join(remedies)}."
        )


def _length(named: tuple[str, int]) -> int:
    return named[1]


def expanded_sources(values: Mapping[str, Sequence[Any]]) -> tuple[FeatureSourceSpec, ...]:
    """Every combination of the values listed for the attributes of a source; the last attribute changes fastest.

    >>> [source.label for source in expanded_sources({"backbone": ["vgg19", "vgg16"], "input_size": [224]})]
    ['vgg19, 224 px', 'vgg16, 224 px']
    """
    return tuple(
        FeatureSourceSpec(**dict(zip(values, point, strict=True))) for point in itertools.product(*values.values())
    )
