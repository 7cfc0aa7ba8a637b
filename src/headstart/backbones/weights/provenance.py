"""Provenance of weights: where they came from, and what a file says of its own pretraining.

That is source images, classes, held-out score and settings. `headstart pretrain` writes it as JSON into the header of
the safetensors file; whoever takes the file reads it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from headstart.errors import WeightsError
from headstart.storage import canonical_json, parsed_json

RANDOM: Final = "random"
NO_NETWORK: Final = "no network"
KEY: Final = "headstart.pretraining"
FORMAT: Final = 1
MARK_LENGTH: Final = 16
"""Hexadecimal digits of each source image's content hash; the marks stand sorted, one after the other."""
_IMAGES: Final = "images"
_LOWEST, _HIGHEST = 16, 4096  # side of an input in pixels
_ALWAYS: Final = ("source", "sha256", "licence")


def is_absent(source: str) -> bool:
    """Whether words on the source of weights say that there is no network."""
    return source == NO_NETWORK


def is_random(source: str) -> bool:
    """Whether words on the source of weights are those of weights drawn at random."""
    return source.startswith(RANDOM)


@dataclass(frozen=True)
class WeightsSource:
    """Source of a backbone's weights.

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

    @property
    def is_random(self) -> bool:
        """Whether the network was never trained on any image."""
        return is_random(self.source)

    @property
    def is_absent(self) -> bool:
        """Whether there is no network that could have weights."""
        return is_absent(self.source)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary for results and bundles, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value or name in _ALWAYS}


def header_of(pretraining: Mapping[str, Any], images: str) -> dict[str, str]:
    """Metadata for the header of a safetensors file: one entry, since safetensors writes several in any order."""
    return {KEY: canonical_json({**pretraining, _IMAGES: images})}


def read_pretraining(path: Path) -> dict[str, Any] | None:
    """Description of the pretraining in a file of weights; None where there is none, as in files of others.

    Parameters
    ----------
    path : Path
        A whole file of weights, which was checked before.

    Raises
    ------
    WeightsError
        When what it says is damaged, or of a format that this version does not read.
    """
    value = _read(path)
    if value is not None:
        del value[_IMAGES]
    return value


def read_image_marks(path: Path) -> frozenset[str]:
    """Marks of the images that the weights were pretrained on, held-out ones among them; empty where none are kept."""
    value = _read(path)
    text = "" if value is None else value[_IMAGES]
    return frozenset(text[at : at + MARK_LENGTH] for at in range(0, len(text), MARK_LENGTH))


def image_marks_text(hashes: Any) -> str:
    """Marks of images by their content hashes, for the header."""
    return "".join(sorted({str(one)[:MARK_LENGTH] for one in hashes}))


def in_words(pretraining: Mapping[str, Any]) -> str:
    """Source domain, task and score in a clause, for reports and methods."""
    source, heldout = pretraining["source"], pretraining["heldout"]
    return (
        f"pretrained by headstart on {source['domain']}: {source['n_images']:,} images of {len(source['classes'])} "
        f"classes, held-out accuracy {heldout['metrics']['accuracy']['value']:.3f}"
    )


def _read(path: Path) -> dict[str, Any] | None:
    text = _metadata(path).get(KEY)
    if text is None:
        return None
    try:
        value = parsed_json(text)
        _check(value)
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{path}: what it says of its pretraining is damaged ({error}). Run `headstart pretrain` again."
        ) from error
    if value["format"] != FORMAT:
        raise WeightsError(
            f"{path}: its pretraining has format {value['format']!r}, but this headstart reads {FORMAT}. Install the "
            "version that wrote it, or pretrain again."
        )
    return dict(value)


def _metadata(path: Path) -> dict[str, str]:
    if path.suffix != ".safetensors":
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as handle:
            return dict(handle.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}).") from error


def _check(value: Any) -> None:
    """Everything that is relied on is there and of its type."""
    source, heldout, size = value["source"], value["heldout"], value["input_size"]
    required = (
        (value["format"], int),
        (value["backbone"], str),
        (value[_IMAGES], str),
        (source["domain"], str),
        (source["classes"], list),
        (source["n_images"], int),
        (source["data_sha256"], str),
        (heldout["n_images"], int),
        (heldout["metrics"]["accuracy"]["value"], float),
    )
    for found, kind in required:
        if not isinstance(found, kind):
            raise TypeError(f"{found!r:.60} where {kind.__name__} was expected")
    if len(size) != 2 or not all(isinstance(side, int) and _LOWEST <= side <= _HIGHEST for side in size):
        raise ValueError(f"input size {size!r:.60}")
