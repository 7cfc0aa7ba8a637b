"""Weights into a network: found or named, checked, translated, loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backbones.entry import Entry
from headstart.backbones.weights.key_mapping import translate
from headstart.backbones.weights.locate import LocatedWeights, find_weights
from headstart.backbones.weights.match import fit_state
from headstart.backbones.weights.provenance import WeightsSource, in_words, read_pretraining
from headstart.backbones.weights.read import read_checked
from headstart.progress import Progress

if TYPE_CHECKING:
    import torch

_OF_A_FILE = "as stated by whoever provided the file"


def load_into(
    module: torch.nn.Module,
    entry: Entry,
    path: str | Path | None,
    offline: bool,
    *,
    progress: Progress | None = None,
) -> WeightsSource:
    """Load pretrained weights into a network.

    Parameters
    ----------
    module : torch.nn.Module
        The architecture of `entry` with its original classifier; changed in place, and only when everything fits.
    entry : Entry
    path : path or None
        A file that the user names. None: looked for, see `find_weights`.
    offline : bool
        Never touch the network.
    progress : Progress, optional
        Told of a download, and of what in the file was not used.

    Returns
    -------
    WeightsSource
        Where they came from; its note says when the file's classifier was not used.

    Raises
    ------
    WeightsError
        When they are nowhere to be had, damaged, or do not fit.
    """
    if path is None:
        found = find_weights(entry, offline=offline, progress=progress)
    else:
        found = LocatedWeights(Path(path), f"file {Path(path).name}", _OF_A_FILE)
    source = load_found(module, found)
    if source.note and progress is not None:
        progress.note(f"Weights: {source.note}.")
    return source


def load_found(module: torch.nn.Module, found: LocatedWeights) -> WeightsSource:
    """Load one file into a network after checking it; see `load_into`."""
    own = module.state_dict()
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in own.values())
    state, sha256 = read_checked(found.path, sha256=found.sha256, expected_bytes=n_bytes)
    translated = translate(state, own, classifier=classifier_name(module))
    fit_state(module, translated.state, source=str(found.path), without=translated.without)
    pretraining = read_pretraining(found.path)
    return WeightsSource(
        found.source if pretraining is None else f"{found.source}, {in_words(pretraining)}",
        sha256,
        found.licence,
        file=found.path.name,
        layout=translated.layout,
        note=translated.note,
        pretraining=pretraining,
    )


def classifier_name(module: torch.nn.Module) -> str:
    """Name of a network's last layer: what timm says of it, else the last dense layer; empty without any."""
    import torch

    config: Any = getattr(module, "pretrained_cfg", None)
    named = dict(config or {}).get("classifier") if config else None
    if isinstance(named, str):
        return named
    dense = [name for name, part in module.named_modules() if isinstance(part, torch.nn.Linear)]
    return dense[-1] if dense and not named else ""
