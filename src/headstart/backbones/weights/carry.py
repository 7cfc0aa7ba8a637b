"""Weights brought to a machine without a network: fetched into a folder on one machine, added from it on another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headstart.backbones.entry import Entry
from headstart.backbones.registry import find_entry
from headstart.backbones.weights.download import Limits
from headstart.backbones.weights.load import load_found
from headstart.backbones.weights.local_store import Carried, pack, read_weights_manifest, unpack, weights_name
from headstart.backbones.weights.locate import find_weights
from headstart.progress import Progress
from headstart.storage import canonical_json, storage_error


def fetch_weights(
    names: Sequence[str],
    folder: Path,
    *,
    offline: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> list[Carried]:
    """Copy or download weights into a folder that can be carried to a machine without a network.

    Each file is loaded into its network once, so that nothing unfit is carried. What is done stays in the folder and
    its manifest when a later one fails.

    Parameters
    ----------
    names : sequence of str
        Backbones.
    folder : Path
        Made when it is not there; gets ``manifest.json`` with hashes, licences and sources.
    offline : bool
        Copy what is on this machine only.
    limits : Limits, optional
        Bounds of time and size for every download.
    progress : Progress, optional

    Returns
    -------
    list of Carried
        What was put into the folder, in the order of the names.

    Raises
    ------
    InputError
        For an unknown name.
    WeightsError
        When weights cannot be had or do not fit.
    StorageError
        When the disk refuses.
    """
    entries = [find_entry(weights_name(name)) for name in dict.fromkeys(names)]
    _make(folder)
    return [_fetch(entry, folder, offline=offline, limits=limits, progress=progress) for entry in entries]


def _make(folder: Path) -> None:
    """Make the folder before a long download, not after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error


def _fetch(entry: Entry, folder: Path, *, offline: bool, limits: Limits | None, progress: Progress | None) -> Carried:
    from headstart.backbones.build import build
    from headstart.backbones.weights.hub_config import with_hub_config

    entry = with_hub_config(entry, offline=offline)
    found = find_weights(entry, offline=offline, progress=progress, limits=limits)
    load_found(build(entry), found)
    config = "" if entry.hub_config is None else canonical_json(entry.hub_config)
    return pack(
        entry.name, found.path, folder, source=found.source, licence=found.licence, config=config, progress=progress
    )


def add_weights(folder: Path, *, progress: Progress | None = None) -> list[Carried]:
    """Put the weights that a folder carries where every later run finds them; all are checked before one is copied.

    Parameters
    ----------
    folder : Path
        What `fetch_weights` made.
    progress : Progress, optional

    Returns
    -------
    list of Carried
        What was added.

    Raises
    ------
    InputError
        When it is no such folder, or carries weights of a backbone that this headstart does not know.
    WeightsError
        When the manifest is damaged, a path leads out of the folder, or a file is missing or changed.
    StorageError
        When the disk refuses.
    """
    for item in read_weights_manifest(folder):
        find_entry(item.name)
    return unpack(folder, progress=progress)
