"""What a user may ask of a fit, checked once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from headstart.data import ImageDataset, ManifestColumns, read_dataset
from headstart.data.images.decode import WHITE_LEVEL
from headstart.decisions import DecisionRules, parse_rule
from headstart.decisions.calibration import CHOICES
from headstart.decisions.conformal import check_level
from headstart.engines.engine import MAX_BATCH, MAX_THREADS, available_processors
from headstart.errors import InputError, RunError, unknown_name
from headstart.features.cache import parse_size
from headstart.heads import grid
from headstart.metrics import find_metric
from headstart.study.search.space import Space

SEARCHES = ("all", "halving")
LIMITS = {
    "repeats": (1, 1000),
    "seed": (0, 2**32 - 1),
    "batch_size": (1, MAX_BATCH),
    "n_threads": (1, MAX_THREADS),
    "input_size": (16, 4096),
    "n_views": (2, 64),
}
"""Smallest and largest value of the options that are numbers."""


@dataclass(frozen=True)
class DataSource:
    """Where a data set comes from, so that it can be opened again for a report.

    Attributes
    ----------
    path : str
        Folder, manifest or archive.
    group_from, columns, root, partition, classes, votes, allow_outside
        As for `headstart.data.read_dataset`.
    """

    path: str
    group_from: str | None = None
    columns: dict[str, str] | None = None
    root: str | None = None
    partition: str | None = None
    classes: tuple[str, ...] | None = None
    votes: str | None = None
    allow_outside: bool = False

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise InputError("The path of the data is empty. Give a folder, a manifest or an archive.")

    def open(self) -> ImageDataset:
        """The data set; see `headstart.data.read_dataset` for the errors."""
        return read_dataset(
            self.path,
            group_from=self.group_from,
            columns=None if self.columns is None else ManifestColumns.of(self.columns),
            root=self.root,
            partition=self.partition,
            classes=self.classes,
            votes=self.votes,
            allow_outside=self.allow_outside,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary with absolute paths."""
        root = None if self.root is None else str(Path(self.root).resolve())
        classes = None if self.classes is None else list(self.classes)
        return {**asdict(self), "path": str(Path(self.path).resolve()), "root": root, "classes": classes}

    @classmethod
    def from_json(cls, value: Any) -> DataSource:
        """The source that `to_json` wrote.

        Raises
        ------
        RunError
            When `value` is something else: the run was made from arrays in memory, say.
        """
        known = {item.name for item in fields(cls)}
        if not isinstance(value, dict) or set(value) != known or not isinstance(value["path"], str):
            raise RunError("The run does not say where its images lie (it was made from data in memory).")
        classes = None if value["classes"] is None else tuple(str(name) for name in value["classes"])
        return cls(**{**value, "classes": classes})


@dataclass(frozen=True)
class FitOptions:
    """What a user may ask of `fit`.

    Attributes
    ----------
    backbone : str or None
        A name that ``headstart backbones`` lists, or any timm name; or several, separated by commas, which then
        compete. None: those of the study or the grid, else EfficientNet-Lite0, never downloaded.
    weights : str or None
        File of weights, or ``random``. None: shipped, then cached, then (for a named backbone) downloaded.
    input_size : int or None
        Side of the square input in pixels. None: what the weights were trained at.
    resize : {"squash", "crop", "pad"}
        How an image is brought to a square.
    white_level : int
        The 16-bit value shown as white.
    decode : {"exact", "fast"}
        ``fast`` lets the JPEG decoder leave out detail that the network's input is too small to show.
    grid : {"quick", "wide", "paper"} or None
        Which heads are tried; ``paper`` on the paper's four backbones unless others are named. None: what the study
        says, else ``quick``.
    study : path, Space or None
        The search space: a ``study.toml`` (docs/search.md), or what `headstart.study.search.space` makes. Not with a
        grid.
    search : {"all", "halving"} or None
        Try every candidate to the end, or drop the weaker ones early. None: as the study says, else all.
    balance : str or None
        What is done about uneven classes in a training fold: a method of `headstart.balance`, or several, separated by
        commas, which compete. None: what the study says, else nothing.
    augment : str or None
        Views that heads are trained on beside the images: a policy of `headstart.augment`, ``auto`` (that of
        `image_kind`, competing with none) or the path of a policy's TOML file; or several, separated by commas, which
        compete. None: what the study says, else ``none``.
    image_kind : str or None
        What the images show, for ``auto``: a key of `headstart.augment.KINDS`.
    n_views : int or None
        Views of each image under each policy, the image itself among them. None: 4 of ``flips``, 8 of ``dihedral``, 4
        of the others.
    tta : bool or None
        Candidates trained on views predict the mean over the views of an image (test-time augmentation). None: what
        the study says, else False.
    strategy : str
        ``feature-extraction``, ``fine-tune`` (unlocked stages, trained on from a linear head, compete with the heads on
        frozen features), ``scratch`` (the same network trained from random weights does), or several, separated by
        commas. With a budget that leaves room, training from scratch is a rival of fine-tuning unasked.
    unlock : int, str or None
        How many of the last stages are unlocked: a number, ``all``, or several, separated by commas, which compete.
        None: as many as hold half of the network's parameters.
    fine_tuning : str, mapping or None
        Settings of `headstart.finetuning.FineTuneSpec`, such as ``epochs=20,mix=mixup``. None: the defaults.
    budget : float or None
        Minutes that fine-tuning may take; what takes longer is trimmed, and said. None: as long as it takes.
    metric : str
        Score that the inner folds choose by.
    calibrate : {"auto", "none", "temperature", "platt", "isotonic"}
        How probabilities are calibrated, on inner predictions. ``auto``: by the size of the data, none where none
        helps.
    operating_point : str or None
        Rule for the threshold of two classes: ``youden``, ``sensitivity>=0.95``, ``specificity>=0.95``, ``cost:10``
        (of a missed positive, in false alarms). None: the most probable class.
    conformal : float or None
        Share of each class's images whose prediction set is to hold their class, such as 0.9. None: no sets.
    positive : str or None
        Positive class of a two-class task. None: the rarer one.
    split : str
        ``nested:5x4``, ``holdout:60/20/20``, or the path of a split.json.
    repeats : int
        Draw the outer folds so many times.
    seed : int >= 0
        Of the split, the heads and the resampling.
    n_threads : int or None
        Threads and worker processes. None: all processors.
    device : {"auto", "cpu", "cuda", "mps"}
    engine : {"auto", "torch", "openvino", "measure"}
        Library that runs the network. ``auto``: by a rule from facts of the machine (docs/speed.md). ``measure``: the
        fastest by a short trial, which decides the precision of fine-tuning too; its answer is written into the run.
    precision : {"auto", "fp32", "bf16", "int8"}
        ``auto``: by the rule, where the features agree with fp32 on these images.
    batch_size : int or None
        Images per forward pass. None: what suits the engine.
    offline : bool
        Never touch the network.
    cache : str or None
        Folder of the feature cache, ``default``, or None to keep features in the run only.
    cache_limit : str or None
        Size such as ``20GB`` beyond which the least recently used features are removed. None:
        ``$HEADSTART_CACHE_LIMIT``, else 20 GB or half of the room on the disk, whichever is less.
    skip_unreadable : bool
        Leave unreadable images out instead of stopping.
    leakage_tax : bool
        Measure also what a split that ignores the groups would have claimed.
    baselines : bool
        Judge simple rivals on the same folds, and say whether transfer helped.
    images : bool
        Whether the report may show pictures.
    """

    backbone: str | None = None
    weights: str | None = None
    input_size: int | None = None
    resize: str = "squash"
    white_level: int = WHITE_LEVEL
    decode: str = "exact"
    grid: str | None = None
    study: str | os.PathLike[str] | Space | None = None
    search: str | None = None
    balance: str | None = None
    augment: str | None = None
    image_kind: str | None = None
    n_views: int | None = None
    tta: bool | None = None
    strategy: str = "feature-extraction"
    unlock: int | str | None = None
    fine_tuning: str | Mapping[str, Any] | None = None
    budget: float | None = None
    metric: str = "log_loss"
    calibrate: str = "auto"
    operating_point: str | None = None
    conformal: float | None = None
    positive: str | None = None
    split: str = "nested:5x4"
    repeats: int = 1
    seed: int = 0
    n_threads: int | None = None
    device: str = "auto"
    engine: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    offline: bool = False
    cache: str | None = "default"
    cache_limit: str | None = None
    skip_unreadable: bool = False
    leakage_tax: bool = False
    baselines: bool = True
    images: bool = True

    def __post_init__(self) -> None:
        find_metric(self.metric)
        self._check_search()
        if self.calibrate not in CHOICES:
            raise InputError(unknown_name("calibration", self.calibrate, CHOICES))
        if self.conformal is not None:
            check_level(self.conformal)
        _ = self.decision_rules
        if self.cache_limit is not None:
            parse_size(self.cache_limit)
        if self.metric == "ece":
            raise InputError("The calibration error alone is no score to choose by. Use log_loss or brier.")
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise InputError(f"{name} is {value}; expected {least} to {most:,}.")

    def _check_search(self) -> None:
        if self.grid is not None:
            grid(self.grid)
        if self.grid is not None and self.study is not None:
            raise InputError(
                "--grid and --study exclude each other; give one of the two. A study.toml takes the heads of a "
                f'built-in grid with the line grid = "{self.grid}".'
            )
        if self.search not in (None, *SEARCHES):
            raise InputError(unknown_name("search", self.search, SEARCHES))
        if not all(self.backbones) or len(set(self.backbones)) < len(self.backbones):
            raise InputError(
                f"--backbone {self.backbone!r} should name each backbone once, separated by single commas, as in "
                "vgg19,resnet50."
            )

    @property
    def backbones(self) -> tuple[str, ...]:
        """Names of the backbones asked for; none where that is left open."""
        return () if self.backbone is None else tuple(name.strip() for name in self.backbone.split(","))

    @property
    def n_worker_processes(self) -> int:
        """Number of worker processes of the study: as many as threads asked for, else one for each processor."""
        return self.n_threads or available_processors()

    @property
    def split_file(self) -> Path | None:
        """Path of the split.json asked for, if one is."""
        return Path(self.split) if self.split.endswith(".json") else None

    @property
    def decision_rules(self) -> DecisionRules:
        """What is decided from probabilities, and how.

        Raises
        ------
        InputError
            When the operating point is no rule.
        """
        rule = None if self.operating_point is None else parse_rule(self.operating_point)
        return DecisionRules(self.calibrate, rule, self.conformal)

    def identity(self) -> dict[str, Any]:
        """The options that decide the results beside data, search space and sources; others change where work runs."""
        names = ("metric", "positive", "split", "repeats", "seed", "skip_unreadable", "leakage_tax", "n_views")
        costly = ("strategy", "unlock", "fine_tuning", "budget")
        tuned = {name: getattr(self, name) for name in costly if self.strategy != FitOptions.strategy}
        kept = {name: dict(value) if isinstance(value, Mapping) else value for name, value in tuned.items()}
        asked = {name: getattr(self, name) for name in (*names, "baselines")}
        return asked | {"decisions": self.decision_rules.to_json()} | kept


def as_source(data: str | os.PathLike[str] | DataSource) -> DataSource:
    """A path as a source of data."""
    return data if isinstance(data, DataSource) else DataSource(os.fspath(data))
