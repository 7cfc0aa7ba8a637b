"""Configuration of a network named by its hub id: what timm builds it from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from headstart.backbones.entry import Entry
from headstart.backbones.registry import HUB_FAMILY
from headstart.backbones.weights.download import Limits, fetch_hub
from headstart.backbones.weights.local_store import find_carried
from headstart.backbones.weights.locate import hub_file
from headstart.errors import WeightsError
from headstart.progress import Silent
from headstart.storage import parsed_json

_HUB_CONFIG = "config.json"


def with_hub_config(entry: Entry, *, offline: bool) -> Entry:
    """The entry of a hub network with its ``config.json``, from the local cache or, unless `offline`, the hub.

    Raises
    ------
    WeightsError
        When it cannot be had, is damaged, or describes no timm model.
    """
    if entry.hub_id is None or entry.hub_config is not None or entry.family != HUB_FAMILY:
        return entry
    text = _hub_config(entry.name, entry.hub_id, offline=offline)
    try:
        config = parsed_json(text)
    except ValueError as error:
        raise WeightsError(
            f"{entry.name}: its config.json is damaged ({error}). Remove it and fetch it again."
        ) from error
    if not isinstance(config, Mapping) or not isinstance(config.get("architecture"), str):
        raise WeightsError(f"{entry.name}: its config.json names no architecture; it is no model of timm's.")
    return replace(entry, hub_config=config)


def _hub_config(name: str, hub_id: str, *, offline: bool) -> str:
    """Content of a hub network's configuration: as carried here, from the local cache, or from the hub."""
    carried = find_carried(name)
    if carried is not None and carried[1].config:
        return carried[1].config
    path = hub_file(hub_id, _HUB_CONFIG)
    if path is None and offline:
        raise WeightsError(
            f"{name}: its {_HUB_CONFIG} is not in the local Hugging Face cache, and --offline forbids to ask the hub. "
            f"Carry it here: `headstart backbones fetch {name} --to DIR` where there is a network, then `headstart "
            "backbones add DIR` here."
        )
    if path is None:
        path = fetch_hub(hub_id, _HUB_CONFIG, limits=Limits(), progress=Silent())
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}). Remove it and fetch it again.") from error
