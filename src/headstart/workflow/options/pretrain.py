"""Options of a pretraining, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from headstart.errors import InputError
from headstart.pretraining import PretrainSettings
from headstart.pretraining.settings import PRECISIONS, TrainingPrecision
from headstart.runtime.limits import limits_of
from headstart.workflow.options.machine import DEVICES, NETWORK_ACCESS, OFFLINE, SKIP_UNREADABLE, THREADS, Device
from headstart.workflow.options.names import backbone_names, policy_names
from headstart.workflow.options.network import INPUT_SIZES, RESIZES, WHITE_LEVEL, Resize
from headstart.workflow.options.option import Option, Options, option


def _setting(name: str, help: str, **about: Any) -> Option:
    """Option for a field of the settings, which state their ranges themselves."""
    return Option(help=help, **limits_of(PretrainSettings, name), **about)


_SETTINGS: Final[Mapping[str, Option]] = {
    "epochs": _setting("epochs", "Passes over the training images.", matters=True),
    "batch_size": _setting("batch_size", "Images per step."),
    "learning_rate": _setting("learning_rate", "Highest learning rate of AdamW."),
    "warmup": _setting("warmup", "Share of the steps in which the rate rises."),
    "weight_decay": _setting("weight_decay", "Weight decay of AdamW."),
    "label_smoothing": _setting("label_smoothing", "Share of a label spread over all."),
    "augment": _setting(
        "augment",
        "Views: none, flips, dihedral, geometric, photometric, strong or a TOML file.",
        metavar="POLICY",
        offered=lambda: [name for name in policy_names() if name != "auto"],
        or_path=True,
        matters=True,
    ),
    "views": _setting("views", "Fixed views of each image."),
    "seed": _setting("seed", "Random seed."),
}


@dataclass(frozen=True)
class PretrainOptions(Options):
    """Options of `pretrain`.

    Attributes
    ----------
    backbone : str
        A name that ``headstart backbones`` lists, or any timm name.
    weights : str or None
        A file to start from; None or ``random``: weights drawn by the seed.
    input_size : int or None
        Side of the square input in pixels. None: the network's own. Later fits take it as their default.
    resize : {"squash", "crop", "pad"}
        How an image becomes square.
    white_level : int
        The 16-bit value shown as white.
    holdout : float in (0, 0.5]
        Share of the images, groups whole, that is kept out of training for the score.
    domain : str or None
        What the source images show, in words, for reports of later fits. None: the name of the data.
    settings : PretrainSettings
        Settings of the training.
    precision : {"auto", "fp32", "bf16", "measure"}
        ``auto``: bf16 where the hardware has it. ``measure``: the faster of those that it has, by a few steps; the
        answer is kept for the whole training and written into the file.
    skip_unreadable : bool
        Leave unreadable images out instead of stopping.
    device : {"auto", "cpu", "cuda", "mps"}
        Where the network runs.
    threads : int or None
        Threads and worker processes. None: all processors.
    offline : bool
        Never touch the network.

    Raises
    ------
    InputError
        When a value is out of range.
    """

    group: ClassVar[str] = "Training"

    backbone: str = field(
        metadata=option(
            "Network to train: see headstart backbones.",
            metavar="NAME",
            offered=backbone_names,
            group="Network",
            matters=True,
        )
    )
    weights: str | None = field(
        default=None,
        metadata=option(
            "File of weights to start from.",
            is_path=True,
            by_hand="which weights are read",
            unset="random weights",
            offered=lambda: ("random",),
            group="Network",
        ),
    )
    input_size: int | None = field(
        default=None,
        metadata=option(
            "Side of the network's input in pixels; later fits take it over.",
            unset="the network's own",
            group="Network",
            matters=True,
            **INPUT_SIZES,
        ),
    )
    resize: Resize = field(
        default="squash", metadata=option("How an image becomes square.", choices=RESIZES, group="Network")
    )
    white_level: int = field(
        default=WHITE_LEVEL,
        metadata=option("16-bit value shown as white.", at_least=1, at_most=WHITE_LEVEL, group="Network"),
    )
    holdout: float = field(
        default=0.1,
        metadata=option(
            "Share kept out of training for the score.",
            above=0,
            at_most=0.5,
            noun="The held-out share",
            group="Data",
            matters=True,
        ),
    )
    domain: str | None = field(
        default=None,
        metadata=option("What the images show, for reports.", metavar="TEXT", unset="DATA", group="Data", matters=True),
    )
    settings: PretrainSettings = field(
        default_factory=PretrainSettings, metadata=option("Settings of the training.", parts=_SETTINGS)
    )
    precision: TrainingPrecision = field(
        default="auto",
        metadata=option(
            "Of the arithmetic. auto: bf16 where the hardware has it; measure: the faster, by a few steps.",
            choices=PRECISIONS,
            group="Machine",
        ),
    )
    skip_unreadable: bool = field(default=False, metadata=option(SKIP_UNREADABLE, group="Data"))
    device: Device = field(default="auto", metadata=option("Where the network runs.", choices=DEVICES, group="Machine"))
    threads: int | None = field(
        default=None,
        metadata=option("Threads and worker processes.", unset="all processors", group="Machine", **THREADS),
    )
    offline: bool = field(
        default=False, metadata=option(OFFLINE, by_hand=NETWORK_ACCESS, group="Machine", matters=True)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if "," in self.backbone:
            raise InputError(f"One backbone is pretrained at a time, not {self.backbone}. Name one.")

    def identity(self) -> dict[str, Any]:
        """Options that decide the weights; the file to start from stands by its content."""
        from headstart.backbones.weights import RANDOM

        start = RANDOM if self.weights in (None, RANDOM) else f"file {_hash(Path(str(self.weights)))}"
        names = ("backbone", "input_size", "resize", "white_level", "holdout", "domain", "precision", "device")
        deciding = {name: getattr(self, name) for name in names}
        return {**deciding, "weights": start, "settings": self.settings.to_json(), "skip": self.skip_unreadable}


def _hash(path: Path) -> str:
    from headstart.storage import hash_file

    if not path.is_file():
        raise InputError(f"{path}: no such file of weights. Check the path given to --weights.")
    return hash_file(path)
