"""Names of backbones: headstart's own short names, every name that timm knows, and ids of the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from headstart.backbones.entry import Entry
from headstart.backbones.families import dense_width, entries
from headstart.errors import InputError, unknown_name

ENTRIES = entries()
"""Named backbones by their names; a family registered later is among them."""
DEFAULT_BACKBONE = "efficientnet_lite0"
HUB_PREFIX = "hf-hub:"
HUB_FAMILY = "Hugging Face hub"
_DENSE_SUFFIX = ":fc"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w.-]+)?")


def find_entry(name: str) -> Entry:
    """Registry entry of a backbone. Touches neither disk nor network beyond importing timm for a name of its own.

    Parameters
    ----------
    name : str
        A name that ``headstart backbones`` lists; any timm name, with or without a tag (``resnet50.a1_in1k``);
        ``hf-hub:OWNER/MODEL``; or ``alexnet:fc``, ``vgg16:fc``, ``vgg19:fc`` for the 4,096 numbers of the old
        dense layers.

    Raises
    ------
    InputError
        For an unknown name, with the close matches.
    """
    if name.startswith(HUB_PREFIX):
        return _hub_entry(name)
    base = name.removesuffix(_DENSE_SUFFIX)
    entry = ENTRIES[base] if base in ENTRIES else _timm_entry(base)
    return entry if base == name else _with_dense_layers(entry)


def _with_dense_layers(entry: Entry) -> Entry:
    width = dense_width(entry)
    if width is None:
        ready = ", ".join(f"{name}{_DENSE_SUFFIX}" for name, other in ENTRIES.items() if dense_width(other))
        raise InputError(
            f"{entry.name!r} has no dense layers between its convolutional base and its classifier, so there is no "
            f"'{entry.name}:fc'. There is {ready}; use --backbone {entry.name}."
        )
    return replace(entry, name=f"{entry.name}{_DENSE_SUFFIX}", feature_width=width, dense=True)


def _hub_entry(name: str) -> Entry:
    hub_id = name.removeprefix(HUB_PREFIX)
    if not _HUB_ID.fullmatch(hub_id):
        raise InputError(
            f"{name!r} is no hub id. Expected {HUB_PREFIX}OWNER/MODEL, for example hf-hub:timm/vgg19.tv_in1k."
        )
    return _unlisted(name, family=HUB_FAMILY, hub_id=hub_id, licence="as the hub's page of the model states")


def _timm_entry(name: str) -> Entry:
    """Entry made from timm's own facts."""
    from headstart.backbones.lazy_imports import import_timm

    timm = import_timm()
    if not timm.is_model(name):
        raise InputError(_unknown_backbone(name, {*ENTRIES, *timm.list_models()}))
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:  # the architecture is known, its tag is not
        tagged = timm.list_pretrained(name.partition(".")[0] + ".*")
        raise InputError(_unknown_backbone(name, tagged)) from error
    if config is None:
        return _unlisted(name)
    return _unlisted(
        name,
        input_size=int(config.input_size[-1]),
        licence=config.license or "not stated",
        hub_id=config.hf_hub_id or None,
        weights_url=config.url or None,
    )


def _unlisted(name: str, *, family: str = "timm", licence: str = "not stated", **facts: Any) -> Entry:
    unknown = {"n_parameters": None, "multiply_adds": None, "input_size": None, "feature_width": None}
    return Entry(name, "timm", name, family, None, "", licence=licence, **{**unknown, **facts})


def _unknown_backbone(name: str, known: Iterable[str]) -> str:
    """Message with the close matches; timm's more than a thousand names are not listed."""
    hint = unknown_name("backbone", name, known).partition(" Known: ")[0]
    return f"{hint} `headstart backbones` lists the ready ones; any other name of timm's works too."
