"""Files of weights: looked over before they are opened, and read without running anything in them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backbones.weights.torch_file_guard import UNREADABLE, SuspiciousError, check_torch_file
from headstart.errors import WeightsError
from headstart.storage import hash_file

if TYPE_CHECKING:
    import torch

_HEADER_LIMIT = 16 << 20  # bytes; the header of the largest networks holds less than 1 MiB
_CHECKPOINT_FACTOR = 6  # a training checkpoint holds the weights, their average and two or three moments of each
_SPARE = 64 << 20  # bytes
_NESTED = ("state_dict_ema", "model_ema", "state_dict", "model")


def read_state(path: Path, *, sha256: str | None = None, expected_bytes: int | None = None) -> dict[str, torch.Tensor]:
    """Tensors of a ``.safetensors`` or ``.pth`` file by name; nothing in the file is ever executed.

    What a file claims to hold is bounded by its size before anything is allocated for it.

    Parameters
    ----------
    path : Path
    sha256 : str, optional
        Hash of the content in hexadecimal, or its beginning, where one is known beside the one in the file's name.
    expected_bytes : int, optional
        Bytes of the network's own tensors; files many times larger are refused unread.

    Raises
    ------
    WeightsError
        When the file is missing, truncated, far too large, holds something other than tensors, or does not match its
        hash.
    """
    return read_checked(path, sha256=sha256, expected_bytes=expected_bytes)[0]


def read_checked(
    path: Path, *, sha256: str | None = None, expected_bytes: int | None = None
) -> tuple[dict[str, torch.Tensor], str]:
    """Tensors of a file of weights, checked as by `read_state`, and the file's SHA-256."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file of weights. Check the path given to --weights.")
    _check_size(path, expected_bytes)
    found = check_hash(path, sha256)
    loaded = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    return _only_tensors(path, loaded), found


def _check_size(path: Path, expected_bytes: int | None) -> None:
    size = path.stat().st_size
    if expected_bytes is not None and size > expected_bytes * _CHECKPOINT_FACTOR + _SPARE:
        raise WeightsError(
            f"{path}: {size / 1e6:,.0f} MB, but this network's weights are {expected_bytes / 1e6:,.0f} MB. "
            "Was the right backbone named?"
        )


def check_hash(path: Path, sha256: str | None = None) -> str:
    """SHA-256 of a file, held against the hash that is known of it and the one that its name carries.

    A name like ``name-1a2b3c4d.pth`` carries the first digits, as torch.hub's convention says; files of the Hugging
    Face cache are links to files named by their whole hash.

    Raises
    ------
    WeightsError
        When they differ.
    """
    found = hash_file(path)
    named = re.search(r"-([0-9a-f]{8,64})\.(pth|pt|safetensors)$", path.name)
    blob = re.fullmatch(r"[0-9a-f]{64}", path.resolve().name)
    known = {
        "the hash in the file's name": named.group(1) if named else None,
        "the hash that the hub's cache names it by": blob.group() if blob else None,
        "the hash recorded for it": sha256,
    }
    for where, prefix in known.items():
        if prefix and not found.startswith(prefix):
            raise WeightsError(
                f"{path}: the content does not match {where} ({prefix}). "
                "The file is damaged or was changed; install or download it again."
            )
    return found


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        _check_header(path)
        return load_file(path)
    except (SafetensorError, OSError, SuspiciousError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}). Download it again.") from error


def _check_header(path: Path) -> None:
    """Bound the header before it is parsed; that shapes and offsets agree with the file's size is safetensors' work."""
    with path.open("rb") as handle:
        claimed = int.from_bytes(handle.read(8), "little")
    if claimed > min(_HEADER_LIMIT, path.stat().st_size):
        raise SuspiciousError(f"its header claims {claimed:,} bytes")


def _read_torch(path: Path) -> Any:
    import warnings

    import torch

    try:
        check_torch_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # of an uncommon pickle protocol: what cannot be read is refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"{path}: cannot be read as plain weights ({first[:200]}). Expected a whole .pth file of tensors or a "
            ".safetensors file; files that carry code are refused."
        ) from error


def _only_tensors(path: Path, loaded: Any) -> dict[str, torch.Tensor]:
    for key in _NESTED:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
            break
    if not isinstance(loaded, Mapping) or not all(_is_plain(value) for value in loaded.values()):
        raise WeightsError(f"{path}: holds something other than named tensors. Expected a network's state dictionary.")
    return {str(name): tensor.detach() for name, tensor in loaded.items()}


def _is_plain(value: Any) -> bool:
    """Whether a value is a dense tensor whose elements are all there (a view may claim more than its storage holds)."""
    import torch

    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return not value.is_quantized and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
