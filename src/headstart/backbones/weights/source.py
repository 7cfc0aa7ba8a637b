"""Where a backbone's weights came from, as it stands in results, bundles and reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

RANDOM = "random"


@dataclass(frozen=True)
class WeightsSource:
    """Where a backbone's weights came from.

    Attributes
    ----------
    source : str
        In words: a package, a file's name, a hub id, or ``random``.
    sha256 : str
        Hash of the file; for random weights of the tensors.
    licence : str
        As far as the publisher names one.
    file : str
        Name of the file; empty for random weights.
    layout : str
        Whose names the file's tensors bore, when they had to be translated; empty where they were the network's own.
    note : str
        What of the file was not used, in words; empty where all was.
    pretraining : dict or None
        What a file of `headstart pretrain` says of its source images, task, held-out score and settings.
    """

    source: str
    sha256: str
    licence: str
    file: str = ""
    layout: str = ""
    note: str = ""
    pretraining: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary for results and bundles, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value or name in _ALWAYS}


_ALWAYS = ("source", "sha256", "licence")
