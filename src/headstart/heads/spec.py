"""What a head is before it is fitted: its kind and its settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headstart.errors import InputError, unknown_name
from headstart.storage import canonical_json

Scalar = str | int | float

LARGEST_WHOLE = 2**53
"""Beyond it tables of candidates and costs, which hold floating-point numbers, would tell of another one."""


@dataclass(frozen=True)
class Setting:
    """One setting of a kind of head: its default, whose type it keeps, and the values it may take.

    A number with a `word` may be that word instead: shrinkage is a share, or 'auto'.
    """

    default: Scalar
    low: float = 0.0
    high: float = math.inf
    choices: tuple[str, ...] = ()
    may_be_low: bool = False
    word: str = ""

    def accepts(self, value: Any) -> bool:
        """Whether `value` has the right type and lies in the range."""
        if self.word and value == self.word:
            return True
        if self.choices:
            return isinstance(value, str) and value in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float) or _too_large(value):
            return False
        if not math.isfinite(value) or (isinstance(self.default, int) and not isinstance(value, int)):
            return False
        return (value >= self.low if self.may_be_low else value > self.low) and value < self.high

    @property
    def expected(self) -> str:
        """The values it may take, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        number = "a whole number" if isinstance(self.default, int) else "a number"
        below = "" if math.isinf(self.high) else f" and < {self.high:g}"
        word = f", or {self.word!r}" if self.word else ""
        return f"{number} {'>=' if self.may_be_low else '>'} {self.low:g}{below}{word}"

    def completed(self, value: Scalar) -> Scalar:
        """An accepted value in the setting's own type: 3 for a number becomes 3.0."""
        if self.word:
            return value if value == self.word else float(value)
        return type(self.default)(value)


SETTINGS: dict[str, dict[str, Setting]] = {
    "dense": {
        "layers": Setting(1, high=4, may_be_low=True),
        "units": Setting(256),
        "activation": Setting("relu", choices=("relu", "sigmoid", "tanh", "gelu", "selu")),
        "dropout": Setting(0.5, high=1.0, may_be_low=True),
        "optimizer": Setting("adam", choices=("sgd", "momentum", "rmsprop", "adam", "adamw", "adamax", "nadam")),
        "learning_rate": Setting(1e-4),
        "weight_decay": Setting(0.0, may_be_low=True),
        "batch_size": Setting(128),
        "epochs": Setting(20),
        "label_smoothing": Setting(0.0, high=1.0, may_be_low=True),
        "class_weight": Setting("none", choices=("none", "balanced")),
    },
    "logistic": {"C": Setting(0.01)},
    "knn": {
        "k": Setting(15),
        "votes": Setting("distance", choices=("distance", "uniform")),
        "smoothing": Setting(1.0),
    },
    "svm": {"C": Setting(3.0), "gamma": Setting(0.5)},
    "ridge": {"alpha": Setting(3000.0)},
    "lda": {"shrinkage": Setting("auto", high=1.0, word="auto")},
}
BASELINE_SETTINGS: dict[str, dict[str, Setting]] = {
    "majority": {},
    "forest": {"trees": Setting(50), "leaf": Setting(3)},
}
"""Kinds that transfer is judged against: fitted like the others, never searched."""


@dataclass(frozen=True)
class HeadSpec:
    """A kind of head and its settings, checked and completed with the defaults.

    Parameters
    ----------
    kind : {"dense", "logistic", "knn", "svm", "ridge", "lda"}
        What is trained on the frozen features; `docs/heads.md` describes each. Rivals may also be "majority" or
        "forest".
    settings : mapping of str to str, int or float
        Settings that differ from the defaults of the kind (`SETTINGS`, `BASELINE_SETTINGS`).

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
        if self.kind not in (*SETTINGS, *BASELINE_SETTINGS):
            raise InputError(unknown_name("kind of head", self.kind, SETTINGS))
        object.__setattr__(self, "settings", _completed(self.kind, self.settings))

    def __hash__(self) -> int:
        return hash(canonical_json(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        """Kind and all settings, defaults included, as JSON values."""
        return {"kind": self.kind, "settings": dict(self.settings)}

    @classmethod
    def from_json(cls, value: Any) -> HeadSpec:
        """Spec from what `to_json` gave.

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
        headline, named = _headline(self.kind, self.settings)
        rest = [
            f"{name.replace('_', ' ')} {_shown(value)}"
            for name, value in self.settings.items()
            if name not in named and value != _known(self.kind)[name].default
        ]
        return ", ".join([headline, *rest])

    def number(self, name: str) -> float:
        """Value of a setting that is a number."""
        return float(self.settings[name])

    def whole(self, name: str) -> int:
        """Value of a setting that is a whole number."""
        return int(self.settings[name])


def kinds() -> list[str]:
    """Kinds of head that can be searched, in the order they are described in.

    >>> kinds()
    ['dense', 'logistic', 'knn', 'svm', 'ridge', 'lda']
    """
    return list(SETTINGS)


def _known(kind: str) -> dict[str, Setting]:
    """Settings of a kind."""
    return SETTINGS[kind] if kind in SETTINGS else BASELINE_SETTINGS[kind]


def _completed(kind: str, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    known = _known(kind)
    for name, value in given.items():
        if name not in known:
            raise InputError(unknown_name(f"setting of a {kind} head", name, known))
        if not known[name].accepts(value):
            most = " and at most 2**53" if _too_large(value) else ""
            raise InputError(f"{name!r} of a {kind} head must be {known[name].expected}{most}, not {value!r:.80}.")
    return {name: setting.completed(given.get(name, setting.default)) for name, setting in known.items()}


def _too_large(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > LARGEST_WHOLE


def _headline(kind: str, settings: Mapping[str, Scalar]) -> tuple[str, tuple[str, ...]]:
    """First words of the label and the settings they name."""
    shown = {name: _shown(value) for name, value in settings.items()}
    if kind == "dense":
        text = f"dense {shown['units']} {shown['activation']}, dropout {shown['dropout']}, {shown['epochs']} epochs"
        return text, ("units", "activation", "dropout", "epochs")
    if kind == "knn":
        return f"kNN k = {shown['k']}, {shown['votes']} votes", ("k", "votes")
    text, named = _HEADLINES[kind]
    return text.format(**shown), named


_HEADLINES: dict[str, tuple[str, tuple[str, ...]]] = {
    "logistic": ("logistic C = {C}", ("C",)),
    "svm": ("RBF SVM C = {C}, gamma x {gamma}", ("C", "gamma")),
    "ridge": ("ridge alpha = {alpha}", ("alpha",)),
    "lda": ("LDA shrinkage {shrinkage}", ("shrinkage",)),
    "majority": ("majority class", ()),
    "forest": ("random forest, {trees} trees", ("trees",)),
}


def _shown(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
