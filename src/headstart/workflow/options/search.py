"""Options of the search of a fit: heads, training sets and fine-tuning."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, get_args

from headstart.errors import InputError
from headstart.workflow.options.names import DEPTHS, balance_names, policy_names
from headstart.workflow.options.option import Options, option

if TYPE_CHECKING:
    from headstart.study.search.space import Space

Grid = Literal["quick", "wide", "paper"]
Search = Literal["all", "halving"]
ImageKind = Literal[
    "micrograph", "dermoscopy", "aerial", "solar-cell", "photograph", "face", "signal", "digit", "document"
]
FEATURE_EXTRACTION: Final = "feature-extraction"
FINE_TUNE: Final = "fine-tune"
SCRATCH: Final = "scratch"
STRATEGIES: Final = (FEATURE_EXTRACTION, FINE_TUNE, SCRATCH)


@dataclass(frozen=True)
class SearchOptions(Options):
    """The candidates of a fit.

    Attributes
    ----------
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
    views : int or None
        Views of each image under each policy, the image itself among them. None: 4 of ``flips``, 8 of ``dihedral``, 4
        of the others.
    ensemble : bool
        Average the probabilities of several of the candidates tried, where that is better on inner rows that took no
        part in their selection (docs/ensemble.md).
    tta : bool or None
        Candidates trained on views predict the mean over the views of an image (test-time augmentation). None: what
        the study says, else False.
    strategy : str
        ``feature-extraction``, ``fine-tune`` (unlocked stages, trained on from a linear head, compete with the heads on
        frozen features), ``scratch`` (the same network trained from random weights does), or several, separated by
        commas. With a budget that leaves room, training from scratch is a baseline of fine-tuning without being named.
    unlock : int, str or None
        How many of the last stages are unlocked: a number, ``all``, or several, separated by commas, which compete.
        None: as many as hold half of the network's parameters.
    fine_tuning : str, mapping or None
        Settings of `headstart.finetuning.FineTuneSpec`, such as ``epochs=20,mix=mixup``. None: the defaults.
    budget : float or None
        Minutes that fine-tuning may take; what takes longer is trimmed, with a note. None: as long as it takes.
    """

    group: ClassVar[str] = "Search"

    grid: Grid | None = field(
        default=None,
        metadata=option(
            "Which heads are tried; paper: 324, on the paper's four networks.",
            choices=get_args(Grid),
            unset="quick",
            matters=True,
        ),
    )
    study: str | os.PathLike[str] | Space | None = field(
        default=None,
        metadata=option("File that says what is tried, a study.toml; not with --grid.", is_path=True),
    )
    search: Search | None = field(
        default=None,
        metadata=option(
            "Try every candidate to the end, or drop the weaker ones early.",
            choices=get_args(Search),
            unset="as the study says, or all",
        ),
    )
    ensemble: bool = field(
        default=False,
        metadata=option("Average up to 8 of the candidates tried, where inner rows show a gain (docs/ensemble.md)."),
    )
    balance: str | None = field(
        default=None,
        metadata=option(
            "Uneven classes: none, weights, oversample, undersample, smote, borderline-smote, views or a sampler of "
            "imbalanced-learn; several compete.",
            metavar="METHOD[,...]",
            several=True,
            offered=balance_names,
            group="Training",
            unset="none",
        ),
    )
    augment: str | None = field(
        default=None,
        metadata=option(
            "Train on views: none, flips, dihedral, geometric, photometric, strong, auto or a TOML file; several "
            "compete.",
            metavar="POLICY[,...]",
            several=True,
            offered=policy_names,
            or_path=True,
            group="Training",
            unset="none",
        ),
    )
    image_kind: ImageKind | None = field(
        default=None,
        metadata=option(
            f"What the images show, for --augment auto: {', '.join(get_args(ImageKind)[:-1])} or "
            f"{get_args(ImageKind)[-1]}.",
            metavar="KIND",
            choices=get_args(ImageKind),
            noun="image kind",
            group="Training",
        ),
    )
    views: int | None = field(
        default=None,
        metadata=option(
            "Views of each image, itself among them.",
            at_least=2,
            at_most=64,
            unset="8 of dihedral, 4 of others",
            decides=True,
            recorded_as="n_views",
            group="Training",
        ),
    )
    tta: bool | None = field(
        default=None, metadata=option("Predict the mean over the views of an image.", group="Training")
    )
    strategy: str = field(
        default=FEATURE_EXTRACTION,
        metadata=option(
            "fine-tune: unlocked stages compete with heads on frozen features; scratch: training from random weights.",
            metavar="NAME[,NAME...]",
            choices=STRATEGIES,
            several=True,
            group="Training",
            matters=True,
        ),
    )
    unlock: int | str | None = field(
        default=None,
        metadata=option(
            "How many last stages fine-tuning unlocks: numbers, or all.",
            metavar="K[,K...]",
            several=True,
            offered=lambda: DEPTHS,
            group="Training",
            unset="half of the parameters",
        ),
    )
    fine_tuning: str | Mapping[str, Any] | None = field(
        default=None,
        metadata=option(
            "Settings of fine-tuning, such as epochs=20,mix=mixup (docs/finetune.md).",
            metavar="NAME=VALUE,...",
            group="Training",
        ),
    )
    budget: float | None = field(
        default=None,
        metadata=option(
            "Minutes that fine-tuning may take; the rest is trimmed.",
            metavar="MINUTES",
            above=0,
            noun="--budget",
            unit="minutes",
            group="Training",
            unset="as long as it takes",
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grid is not None and self.study is not None:
            raise InputError(
                "--grid and --study exclude each other; give one of the two. A study.toml takes the heads of a "
                f'built-in grid with the line grid = "{self.grid}".'
            )

    def ensemble_identity(self) -> dict[str, Any]:
        """The option of an ensemble, which decides the results; nothing where none is requested."""
        return {"ensemble": True} if self.ensemble else {}

    def fine_tuning_identity(self) -> dict[str, Any]:
        """The options of fine-tuning that decide the results; none where nothing is fine-tuned."""
        if self.strategy == SearchOptions.strategy:
            return {}
        settings = dict(self.fine_tuning) if isinstance(self.fine_tuning, Mapping) else self.fine_tuning
        return {"strategy": self.strategy, "unlock": self.unlock, "fine_tuning": settings, "budget": self.budget}
