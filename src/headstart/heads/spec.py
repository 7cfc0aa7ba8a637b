"""Description of a head before it is fitted: its kind, registered by a file in `heads/kinds`, and its settings."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from headstart.errors import InputError, unknown_name
from headstart.heads.arithmetic import Arrays, BlockPredictor, Floats
from headstart.heads.scores import ClassScores
from headstart.heads.settings import Scalar, Setting, completed_settings, shown
from headstart.heads.training_rows import TrainingRows
from headstart.runtime.registry import Registry
from headstart.storage import canonical_json

Layout = Mapping[str, tuple[str, str]]
"""Type and shape of every array by name: ``("float64", "Pd")``.

Letters of a shape stand for lengths that must agree: K classes, P of them seen in training, d features, n stored
training rows; any other letter for a length of the kind's own. "" is a single number.
"""


@dataclass(frozen=True)
class FitSize:
    """Sizes that the cost of fitting a head depends on.

    Attributes
    ----------
    n_rows : int
        Number of training rows.
    n_features, n_classes : int
    precision : {"fp32", "bf16"}
        Precision of the large products in training dense heads.
    """

    n_rows: int
    n_features: int
    n_classes: int
    precision: str = "fp32"

    @property
    def n_machines(self) -> int:
        """Number of one-against-the-rest problems: one for two classes."""
        return 1 if self.n_classes == 2 else self.n_classes


@dataclass(frozen=True)
class FitCost:
    """Rough seconds to fit a head: its own work, and the work that heads fitted in one call share.

    Attributes
    ----------
    own_s : float
        Seconds of work that no other head has a part in.
    shared_s : float
        Seconds of work that is done once for all heads of the kind with the same `shared_by`.
    shared_by : str
        Name of the shared work.
    """

    own_s: float
    shared_s: float = 0.0
    shared_by: str = ""


class FitHeads(Protocol):
    """Function that fits heads of one kind on the same rows."""

    def __call__(
        self, specs: Sequence[HeadSpec], rows: TrainingRows, *, precision: str = "fp32"
    ) -> list[dict[str, npt.NDArray[Any]]]:
        """Arrays of every head, in the order of the specs; only dense heads heed the precision."""


def _linear_products(spec: HeadSpec, size: FitSize) -> float:
    return float(size.n_features * size.n_classes)


def _always_padded(arrays: Arrays) -> int:
    return 0


def _no_damage(arrays: Arrays) -> str:
    return ""


@dataclass(frozen=True, eq=False)
class HeadKind:
    """A kind of head: its settings, how it is fitted, stored, predicts, what it costs and how it is called.

    Parameters
    ----------
    name : str
        Name in specs, study files and results.
    title : str
        Name in reports.
    headline : str
        First words of a head's label, with the settings they name in braces: ``"logistic C = {C}"``.
    settings : mapping of str to Setting
        In the order in which they are described and searched.
    layout : callable
        Function from a spec to the arrays that a fitted head is made of, beside those common to all.
    fit : callable
        Function from (specs, rows, precision) to the arrays of every head; `FitHeads`.
    predictor : callable
        Function from (spec, arrays) to one that turns a block of standardised features into probabilities of the
        classes seen in training, in plain numpy.
    cost : callable
        Function from (spec, FitSize) to the FitCost.
    scores : callable, optional
        Function from (spec, arrays) to the `ClassScores` that explanations speak of. Default: the probabilities of
        `predictor`, without a gradient.
    predictors : callable, optional
        Function from (specs, arrays of each) to one that gives the probabilities of several heads that were fitted
        together for a block, each as `predictor` does: what they have in common is computed once. Default: head after
        head.
    n_unpadded : callable
        Function from arrays to the greatest number of rows of a block, where the predictor gives a row the same bits
        in blocks of every size. Default: 0, it does not, and blocks are padded to BLOCK_ROWS rows.
    n_products : callable
        Function from (spec, FitSize) to the multiply-adds in float64 to predict one row; those in float32 count half.
        Kinds with `predictors` do the most of their heads' for all. Default: those of one linear map.
    lengths : mapping of str to str
        Letter of a shape to the setting that holds the length.
    damage : callable
        Function from loaded arrays, of the right types and shapes, to a clause on what is wrong with their values;
        empty where nothing is.
    grids : mapping of str to sequence of dict
        Name of a built-in grid to the settings of the heads that this kind adds to it.
    needs_order : bool
        Whether it is for ordered classes alone.
    is_baseline : bool
        Whether it is only what other heads are compared with: fitted like the others, never searched.
    order : int
        Place among the kinds in lists, tables and grids; equal ones by name.

    Raises
    ------
    ValueError
        When the headline names a setting that there is not.
    """

    name: str
    title: str
    headline: str
    settings: Mapping[str, Setting]
    layout: Callable[[HeadSpec], Layout]
    fit: FitHeads
    predictor: Callable[[HeadSpec, Arrays], BlockPredictor]
    cost: Callable[[HeadSpec, FitSize], FitCost]
    scores: Callable[[HeadSpec, Arrays], ClassScores] | None = None
    predictors: Callable[[Sequence[HeadSpec], Sequence[Arrays]], Callable[[Floats], list[Floats]]] | None = None
    n_unpadded: Callable[[Arrays], int] = _always_padded
    n_products: Callable[[HeadSpec, FitSize], float] = _linear_products
    lengths: Mapping[str, str] = field(default_factory=dict)
    damage: Callable[[Arrays], str] = _no_damage
    grids: Mapping[str, Sequence[Mapping[str, Scalar]]] = field(default_factory=dict)
    needs_order: bool = False
    is_baseline: bool = False
    order: int = 100

    def __post_init__(self) -> None:
        unknown = [name for name in (*self.named_settings, *self.lengths.values()) if name not in self.settings]
        if unknown:
            raise ValueError(
                f"The kind of head {self.name!r} names the setting {unknown[0]!r}, which it does not have."
            )

    @property
    def named_settings(self) -> tuple[str, ...]:
        """Settings that the headline names."""
        return tuple(name for _, name, _, _ in string.Formatter().parse(self.headline) if name)

    @property
    def holds_rows(self) -> bool:
        """Whether a fitted head holds features of training rows (kNN), support vectors or landmarks (SVM)."""
        return any(shape == "nd" for _, shape in self.layout(HeadSpec(self.name)).values())


KINDS: Registry[HeadKind] = Registry(
    "kind of head", "headstart.heads.kinds", order=lambda kind: (kind.is_baseline, kind.order, kind.name)
)
"""Every kind of head by name: those that can be searched, then those that are baselines only."""


def register_head(kind: HeadKind) -> HeadKind:
    """Make a kind of head known to specs, searches, study files, bundles and reports; gives it back.

    Raises
    ------
    ValueError
        When there is a kind of that name already.
    """
    KINDS.add(kind.name, kind)
    return kind


def check_order(specs: Iterable[HeadSpec], ordered: bool) -> None:
    """Refuse heads of ordered classes where the classes have no order.

    Raises
    ------
    InputError
    """
    named = next((spec for spec in specs if KINDS[spec.kind].needs_order and not ordered), None)
    if named is not None:
        raise InputError(
            f"The head '{named.label}' needs ordered classes. Name their order, from the lowest to the highest "
            "(--ordinal low,middle,high), or take a head of another kind."
        )


def searchable_kinds() -> list[str]:
    """Kinds of head that can be searched, in the order they are described in.

    >>> searchable_kinds()
    ['dense', 'logistic', 'knn', 'svm', 'ridge', 'lda', 'cumulative', 'corn']
    """
    return [name for name, kind in KINDS.items() if not kind.is_baseline]


@dataclass(frozen=True)
class HeadSpec:
    """A kind of head and its settings, checked and completed with the defaults.

    Parameters
    ----------
    kind : str
        What is trained on the frozen features: "dense", "logistic", "knn", "svm", "ridge" or "lda", of
        ordered classes also "cumulative" or "corn", which `docs/heads.md` describes, or any other of `KINDS`. Baselines
        may also be "majority" or "forest".
    settings : mapping of str to str, int or float
        Settings that differ from the defaults of the kind.

    Raises
    ------
    InputError
        When the kind or a setting is unknown or a value is out of its range.

    Examples
    --------
    >>> HeadSpec("dense").label
    'dense 256 relu, dropout 0.5, 20 epochs'
    >>> HeadSpec("logistic", {"C": 1}).to_json()
    {'kind': 'logistic', 'settings': {'C': 1.0}}
    """

    kind: str
    settings: Mapping[str, Scalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(unknown_name("kind of head", self.kind, searchable_kinds()))
        completed = completed_settings(self.kind, KINDS[self.kind].settings, self.settings)
        object.__setattr__(self, "settings", completed)

    def __hash__(self) -> int:
        return hash(canonical_json(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        """Kind and all settings, defaults included, as JSON values."""
        return {"kind": self.kind, "settings": dict(self.settings)}

    @classmethod
    def from_json(cls, value: Any) -> HeadSpec:
        """The spec that `to_json` wrote.

        Raises
        ------
        InputError
            When `value` does not have that form.
        """
        if not isinstance(value, dict) or set(value) != {"kind", "settings"} or not isinstance(value["settings"], dict):
            raise InputError(f"A head is described by an object with 'kind' and 'settings', not by {value!r:.200}.")
        return cls(str(value["kind"]), value["settings"])

    @property
    def label(self) -> str:
        """One line for people, naming every setting that is not at its default."""
        kind = KINDS[self.kind]
        headline = kind.headline.format(**{name: shown(value) for name, value in self.settings.items()})
        rest = [
            f"{name.replace('_', ' ')} {shown(value)}"
            for name, value in self.settings.items()
            if name not in kind.named_settings and value != kind.settings[name].default
        ]
        return ", ".join([headline, *rest])

    def number(self, name: str) -> float:
        """Value of a setting that is a number."""
        return float(self.settings[name])

    def whole(self, name: str) -> int:
        """Value of a setting that is a whole number."""
        return int(self.settings[name])
