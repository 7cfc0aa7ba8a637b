"""What a user may ask of a pretraining, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from headstart.backbones.weights import RANDOM
from headstart.errors import InputError
from headstart.pretraining import PretrainSettings
from headstart.storage import hash_file

PRECISIONS: Final = ("auto", "fp32", "bf16", "measure")


@dataclass(frozen=True)
class PretrainOptions:
    """What a user may ask of `pretrain`.

    Attributes
    ----------
    backbone : str
        A name that ``headstart backbones`` lists, or any timm name.
    weights : str or None
        A file to start from; None or ``random``: weights drawn by the seed.
    input_size : int or None
        Side of the square input in pixels. None: the network's own. Later fits take it as their default.
    resize : {"squash", "crop", "pad"}
    white_level : int
        The 16-bit value shown as white.
    holdout : float in (0, 0.5]
        Share of the images, groups whole, that is kept out of training for the score.
    domain : str or None
        What the source images show, in words, for reports of later fits. None: the name of the data.
    settings : PretrainSettings
        Of the training itself.
    precision : {"auto", "fp32", "bf16", "measure"}
        ``auto``: bf16 where the hardware has it. ``measure``: the faster of those that it has, by a few steps; the
        answer is kept for the whole training and written into the file.
    n_threads : int or None
        None: all processors.
    device : {"auto", "cpu", "cuda", "mps"}
    offline : bool
        Never touch the network.
    skip_unreadable : bool
        Leave unreadable images out instead of stopping.

    Raises
    ------
    InputError
        When a value is out of range.
    """

    backbone: str
    weights: str | None = None
    input_size: int | None = None
    resize: str = "squash"
    white_level: int = 65535
    holdout: float = 0.1
    domain: str | None = None
    settings: PretrainSettings = field(default_factory=PretrainSettings)
    precision: str = "auto"
    n_threads: int | None = None
    device: str = "auto"
    offline: bool = False
    skip_unreadable: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.holdout <= 0.5:
            raise InputError(f"The held-out share is {self.holdout:g}; expected more than 0, and 0.5 at the most.")
        if self.precision not in PRECISIONS:
            raise InputError(f"Unknown precision {self.precision!r}. Expected {', '.join(PRECISIONS)}.")
        if "," in self.backbone:
            raise InputError(f"One backbone is pretrained at a time, not {self.backbone}. Name one.")

    def identity(self) -> dict[str, Any]:
        """What of the options decides the weights; the file to start from by its content."""
        start = RANDOM if self.weights in (None, RANDOM) else f"file {_hash(Path(str(self.weights)))}"
        names = ("backbone", "input_size", "resize", "white_level", "holdout", "domain", "precision", "device")
        asked = {name: getattr(self, name) for name in names}
        return {**asked, "weights": start, "settings": self.settings.to_json(), "skip": self.skip_unreadable}


def _hash(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights. Check the path given to --weights.")
    return hash_file(path)
