"""The class that is decided on where not every mistake is alike: of the least expected cost, or the expected class."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError, first_few, plural, unknown_name
from headstart.metrics import Correction, Estimate, Metric, OutOfFold, evaluate
from headstart.metrics.bootstrap import Column, resample
from headstart.metrics.evaluate import estimates_of
from headstart.metrics.intervals import variance_factor
from headstart.metrics.tally import Tally
from headstart.metrics.validation import FloatArray, ratio

RuleKind = Literal["expected", "costs"]

_SCORES: Final = ("accuracy", "balanced_accuracy", "mcc", "cohen_kappa")
_ORDERED_SCORES: Final = ("linear_kappa", "quadratic_kappa", "class_error", "adjacent_accuracy")
_FORM: Final = (
    "The first line names the predicted classes after an empty cell, each further line a true class and what each "
    "prediction of it costs, as in docs/ordinal.md."
)


@dataclass(frozen=True)
class CostTable:
    """Cost of every prediction by the true class.

    Attributes
    ----------
    classes : tuple of str
    values : tuple of tuple of float
        Rows true, columns predicted, both in the order of `classes`; finite and >= 0.

    Raises
    ------
    InputError
        When the table is not square, a class is named twice, or a cost is negative or not finite.
    """

    classes: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        n_classes = len(self.classes)
        if len(self.values) != n_classes or any(len(row) != n_classes for row in self.values):
            shape = f"{len(self.values)} x {max(map(len, self.values), default=0)}"
            raise InputError(f"The costs of {n_classes} classes are {n_classes} x {n_classes} numbers, not {shape}.")
        twice = [name for name in dict.fromkeys(self.classes) if self.classes.count(name) > 1]
        if twice:
            raise InputError(f"The costs name the class {twice[0]!r} twice. Give each class one row and one column.")
        table = self.array
        if not np.isfinite(table).all() or (table < 0).any():
            row, column = np.argwhere(~np.isfinite(table) | (table < 0))[0]
            raise InputError(
                f"The cost of predicting {self.classes[column]!r} for {self.classes[row]!r} is {table[row, column]:g}; "
                "expected a finite number >= 0. Costs that are gains become costs by adding one number to their row."
            )
        if not (table > table.diagonal()[:, None]).any():
            raise InputError("No mistake costs more than the right answer. Give at least one a higher cost.")

    @property
    def array(self) -> FloatArray:
        """The costs, shape (n_classes, n_classes)."""
        return np.array(self.values, dtype=np.float64).reshape(len(self.values), -1)

    def in_order(self, classes: Sequence[str]) -> CostTable:
        """The same costs with the classes in the order of the data.

        Raises
        ------
        InputError
            When the table is of other classes.
        """
        for name in self.classes:
            if name not in classes:
                raise InputError(f"--costs: {unknown_name('class', name, classes)}")
        missing = [name for name in classes if name not in self.classes]
        if missing:
            raise InputError(
                f"--costs has {len(self.classes)} of {len(classes)} classes; {first_few(map(repr, missing))} "
                f"{'is' if len(missing) == 1 else 'are'} missing. Give every class of the data a row and a column."
            )
        place = [self.classes.index(name) for name in classes]
        return CostTable(tuple(classes), tuple(tuple(self.values[row][column] for column in place) for row in place))


def read_costs(path: Path) -> CostTable:
    """Costs from a CSV file: a line of the predicted classes, then one for each true class, in any order.

    Raises
    ------
    InputError
        When the file cannot be read or holds something else; the message names it.
    """
    try:
        lines = [line for line in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read as a CSV file of costs ({reason}). {_FORM}") from error
    try:
        return _table(lines)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _table(lines: Sequence[Sequence[str]]) -> CostTable:
    if len(lines) < 2 or len(lines[0]) < 2:
        raise InputError(f"there is no table of costs, with commas between its cells. {_FORM}")
    predicted = tuple(name.strip() for name in lines[0][1:])
    true = tuple(line[0].strip() for line in lines[1:])
    if sorted(true) != sorted(predicted):
        raise InputError(
            f"the lines are of the classes {first_few(map(repr, true))}, the columns of "
            f"{first_few(map(repr, predicted))}; expected the same. {_FORM}"
        )
    uneven = next((line for line in lines[1:] if len(line) != len(lines[0])), None)
    if uneven is not None:
        raise InputError(
            f"the line of {uneven[0].strip()!r} holds {plural(len(uneven) - 1, 'cost')}, but there are "
            f"{len(predicted)} classes. {_FORM}"
        )
    rows = tuple(tuple(_cost(cell, line[0]) for cell in line[1:]) for line in lines[1:])
    by_line = [rows[true.index(name)] for name in predicted]
    return CostTable(predicted, tuple(by_line))


def _cost(cell: str, line: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise InputError(f"the line of {line.strip()!r} holds {cell!r}; expected a number. {_FORM}") from None


@dataclass(frozen=True)
class ClassRule:
    """Rule by which a class is decided on from calibrated probabilities.

    Attributes
    ----------
    kind : {"expected", "costs"}
        The class nearest to the mean over ordered classes, or the one of the least expected cost.
    costs : CostTable or None
        For ``costs``.
    """

    kind: RuleKind
    costs: CostTable | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(RuleKind) or (self.kind == "costs") != (self.costs is not None):
            raise InputError("A rule of classes is 'expected', or 'costs' with a table of them.")

    def for_classes(self, classes: Sequence[str]) -> ClassRule:
        """The rule with its costs in the order of the classes; InputError where they are of others."""
        return self if self.costs is None else ClassRule(self.kind, self.costs.in_order(classes))

    def check_classes(self, n_classes: int) -> None:
        """Refuse costs of another number of classes.

        Raises
        ------
        InputError
        """
        if self.costs is not None and len(self.costs.classes) != n_classes:
            raise InputError(f"There are costs of {len(self.costs.classes)} classes, but {n_classes} classes.")

    def predicted(self, probabilities: FloatArray) -> npt.NDArray[np.int64]:
        """Number of the class decided on for every row of shape (n, n_classes).

        Of two classes of equal cost the first is taken; a mean half-way between two classes goes to the more probable
        of them, the lower one where both are equally probable.

        >>> probabilities = np.array([[0.4, 0.25, 0.35], [0.1, 0.3, 0.6]])
        >>> ClassRule("expected").predicted(probabilities).tolist()
        [1, 2]
        """
        if self.costs is not None:
            return np.asarray((probabilities @ self.costs.array).argmin(axis=1), dtype=np.int64)
        mean = probabilities @ np.arange(probabilities.shape[1])
        lower = np.clip(np.floor(mean), 0, probabilities.shape[1] - 2).astype(np.int64)
        rows, beyond = np.arange(len(mean)), mean - lower
        is_upper = beyond > 0.5 + _HALF
        is_tie = np.abs(beyond - 0.5) <= _HALF
        prefers_upper = probabilities[rows, lower + 1] > probabilities[rows, lower]
        return np.asarray(lower + (is_upper | (is_tie & prefers_upper)), dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        costs = self.costs
        if costs is None:
            return {"kind": self.kind, "costs": None}
        values = [list(row) for row in costs.values]
        return {"kind": self.kind, "costs": {"classes": list(costs.classes), "values": values}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ClassRule:
        """The rule that `to_json` wrote; InputError, KeyError, TypeError or ValueError for something else."""
        found = value["costs"]
        if found is None:
            return cls(value["kind"])
        rows = tuple(tuple(float(cost) for cost in row) for row in found["values"])
        return cls(value["kind"], CostTable(tuple(map(str, found["classes"])), rows))


_HALF: Final = 1e-12
"""Distance from one half below which a mean lies half-way: rounding must not decide."""


@dataclass(frozen=True, eq=False)
class ClassRuleEvaluation:
    """Scores of the classes decided on by a rule.

    Attributes
    ----------
    metrics : dict of str to Estimate
        Scores by name.
    confusion : tuple of tuple of float
        Rows true, columns predicted.
    mean_cost, most_probable_cost : Estimate or None
        Mean cost of an image by the rule, and where the most probable class is predicted; None without costs.
    """

    metrics: dict[str, Estimate]
    confusion: tuple[tuple[float, ...], ...]
    mean_cost: Estimate | None
    most_probable_cost: Estimate | None


def evaluate_class_rule(
    rule: ClassRule,
    oof: OutOfFold,
    predicted: npt.NDArray[np.int64],
    *,
    seed: int,
    correction: Correction = "nadeau-bengio",
) -> ClassRuleEvaluation:
    """Scores of classes decided on by a rule, on images that nothing was fitted on.

    Parameters
    ----------
    rule : ClassRule
    oof : OutOfFold
        Labels and calibrated probabilities.
    predicted : ndarray of shape (n_repeats, n_images), int64
        Number of the class decided on.
    seed : int
        Random seed of the resampling.
    correction : {"nadeau-bengio", "none"}
        As `headstart.metrics.evaluate` takes it.
    """
    decided = oof.with_predicted(predicted)
    names = (*_SCORES, *(_ORDERED_SCORES if oof.ordered else ()))
    found = evaluate(decided, metrics=names, per_class=False, correction=correction, seed=seed)
    mean_cost = most_probable = None
    if rule.costs is not None:
        mean_cost = _mean_cost(rule.costs, decided, seed, correction)
        most_probable = _mean_cost(rule.costs, oof, seed, correction)
    return ClassRuleEvaluation(
        found.metrics, tuple(tuple(row) for row in found.confusion.tolist()), mean_cost, most_probable
    )


def _mean_cost(costs: CostTable, oof: OutOfFold, seed: int, correction: Correction) -> Estimate:
    """Mean cost of the most probable class."""
    table = costs.array

    def compute(tally: Tally) -> FloatArray:
        return ratio((tally.confusion * table).sum(axis=(-2, -1)), tally.total)

    metric = Metric(
        name="mean_cost",
        title="Mean cost",
        compute=compute,
        evidence="all",
        greater_is_better=False,
        bounds=(float(table.min()), float(table.max())),
        uses_probabilities=False,
    )
    replicates = resample(oof, (Column(metric),), n_resamples=1000, seed=seed)
    return estimates_of(oof, replicates, variance_factor(oof, correction))[0]
