"""Content of a cache, setting by setting."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.images.decode import WHITE_LEVEL
from headstart.features.cache import cache_files as files
from headstart.features.cache.shard import DamagedShardError, read_head
from headstart.storage import file_bytes, parsed_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNKNOWN = "unknown"


@dataclass(frozen=True)
class SettingInfo:
    """Content of a cache for one backbone, stage, view and engine.

    Attributes
    ----------
    key : str
        Name of its folder.
    backbone, stage, view, precision : str
        ``unknown`` where the description of the settings is lost; the rows still serve.
    input : str
        How images were prepared: height and width in pixels, and what differs from the defaults, such as
        ``224 x 224, decode fast``.
    row : str
        Shape of one image's row: ``1280`` or ``512 x 14 x 14``.
    n_images : int
        Distinct images.
    n_bytes : int
        Size on disk in bytes.
    last_used : str
        Date and time, UTC, ISO 8601.
    """

    key: str
    backbone: str
    stage: str
    input: str
    view: str
    precision: str
    row: str
    n_images: int
    n_bytes: int
    last_used: str


@dataclass(frozen=True)
class CacheInfo:
    """Content of a cache folder.

    Attributes
    ----------
    folder : str
    limit : int
        Bytes that features and stage maps may take.
    settings : tuple of SettingInfo
        Last used first.
    n_bytes : int
        Size of features and stage maps on disk in bytes.
    other : dict of str to int
        Bytes of what else headstart keeps in the folder: ``weights`` that were added, converted ``networks``,
        measured ``speeds``.
    """

    folder: str
    limit: int
    settings: tuple[SettingInfo, ...]
    n_bytes: int
    other: dict[str, int]

    @property
    def n_settings(self) -> int:
        """Distinct combinations of backbone, preparation, stage, view and engine."""
        return len(self.settings)

    @property
    def n_rows(self) -> int:
        """Rows of features and stage maps over all settings; an image has one in each setting that saw it."""
        return sum(setting.n_images for setting in self.settings)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {**asdict(self), "n_settings": self.n_settings, "n_rows": self.n_rows}


def survey_place(place: Path) -> SettingInfo | None:
    """Content of one setting's folder; None when there is no shard in it."""
    shards = files.shards(place)
    keys: list[NDArray[np.uint8]] = []
    row: tuple[int, ...] = ()
    for shard in shards:
        with contextlib.suppress(DamagedShardError, OSError):  # counted in bytes alone; `verify` removes it
            layout, found = read_head(shard.path)
            keys.append(found)
            row = layout.row_shape
    if not shards:
        return None
    n_images = len(np.unique(np.concatenate(keys), axis=0)) if keys else 0
    used_at = datetime.fromtimestamp(max(shard.used_at for shard in shards), UTC)
    return SettingInfo(
        key=place.name,
        **_described(place),
        row=" x ".join(str(length) for length in row),
        n_images=n_images,
        n_bytes=sum(shard.n_bytes for shard in shards),
        last_used=used_at.isoformat(timespec="seconds"),
    )


def _described(place: Path) -> dict[str, str]:
    """Backbone, stage, view and precision, as the place's description says; its name is the hash of that."""
    try:
        settings = parsed_json(file_bytes(place / files.SETTINGS_FILE).decode())
        if files.place_name(settings) != place.name:
            raise ValueError("damaged")
        engine = settings["engine"]
        return {
            "backbone": str(settings["backbone"]),
            "stage": str(settings["stage"]),
            "input": _input_in_words(settings["preparation"]),
            "view": _view_in_words(settings["view"]),
            "precision": _engine_in_words(engine),
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return dict.fromkeys(("backbone", "stage", "input", "view", "precision"), _UNKNOWN)


def _input_in_words(preparation: Any) -> str:
    """Size in pixels, and what differs from the defaults: rows that differ in nothing else are told apart by it."""
    size = " x ".join(str(side) for side in preparation["size"])
    usual = {"resize": "squash", "decode": "exact", "white_level": WHITE_LEVEL, "pixels": "uint8"}
    unusual = [name for name, value in usual.items() if preparation.get(name, value) != value]
    words = [f"{name.replace('_', ' ')} {preparation[name]}" for name in unusual]
    fitted = [str(preparation["name"]).replace("_", " ")] if "name" in preparation else []
    channels = [f"channels {'/'.join(preparation['channels'])}"] if "channels" in preparation else []
    return ", ".join([size, *words, *channels, *fitted])


def _engine_in_words(engine: Any) -> str:
    """Library and precision, and what else of the engine changes the last digits."""
    details = [word for word in ("folded", "compiled") if engine.get(word)]
    return f"{engine['name']} {engine['precision']}" + (f" ({', '.join(details)})" if details else "")


def _view_in_words(view: Any) -> str:
    """``identity``, the name of an exact symmetry, or policy, number and seed of a random view."""
    if not isinstance(view, dict):
        return str(view)
    if "symmetry" in view:
        return str(view["symmetry"])
    return f"{view['policy']} {view['index']} (seed {view['seed']})"
