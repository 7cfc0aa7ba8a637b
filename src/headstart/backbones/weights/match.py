"""Tensors held against a network: every name, every shape, every value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headstart.errors import WeightsError

if TYPE_CHECKING:
    import torch

_SHOWN = 3


def fit_state(
    module: torch.nn.Module, state: Mapping[str, torch.Tensor], *, source: str, without: frozenset[str] = frozenset()
) -> None:
    """Load tensors into a network after checking every name, shape and value.

    Parameters
    ----------
    module : torch.nn.Module
        The network, changed in place, and only when everything fits.
    state : dict of str to Tensor
        Tensors by the network's own names; see `key_mapping.translate` for files with other names.
    source : str
        The file or package, for messages.
    without : frozenset of str
        Names of the network that keep what they hold: a classifier that the file does not have.

    Raises
    ------
    WeightsError
        Naming what is missing, what is extra and which shapes differ, or when a value is not finite.
    """
    own = module.state_dict()
    check_tensor_names(state, {name: tensor for name, tensor in own.items() if name not in without}, source=source)
    check_values(state, source=source)
    module.load_state_dict({**own, **state})


def check_tensor_names(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], *, source: str) -> None:
    """Hold names, shapes and types against those expected; reads no value.

    Raises
    ------
    WeightsError
        Naming what is missing, what is extra and which shapes or types differ.
    """
    missing = [name for name in expected if name not in state]
    extra = [name for name in state if name not in expected]
    shapes = [
        f"{name}: {_shape(state[name])} instead of {_shape(expected[name])}"
        for name in expected
        if name in state and state[name].shape != expected[name].shape
    ]
    kinds = [
        f"{name}: {state[name].dtype}" for name in expected if name in state and not _is_kind(state, expected, name)
    ]
    found = [("missing", missing), ("extra", extra), ("of another shape", shapes), ("of another type", kinds)]
    listed = "; ".join(f"{len(names)} {what} ({_some(names)})" for what, names in found if names)
    if listed:
        raise WeightsError(f"{source}: the weights do not fit this network: {listed}. Was the right backbone named?")


def _is_kind(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], name: str) -> bool:
    """Whether a tensor's type can be turned into the network's without a loss: quantised weights cannot."""
    import torch

    usual = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    given, required = state[name].dtype, expected[name].dtype
    return given in usual if required.is_floating_point else given in {required, torch.int64, torch.int32}


def _some(names: list[str]) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return ", ".join(name[:120] for name in names[:_SHOWN]) + more


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(str(length) for length in tensor.shape) or "a single number"


def check_values(state: Mapping[str, torch.Tensor], *, source: str) -> None:
    """Hold values against NaN, infinity (also once they are float32) and variances below zero.

    Raises
    ------
    WeightsError
        Naming the first such tensor.
    """
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.float().isfinite().all()):
            raise WeightsError(
                f"{source}: tensor {name!r} holds NaN or infinity, or numbers too large for float32. "
                "Use another copy of the weights."
            )
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise WeightsError(f"{source}: the variances {name!r} are below zero. Use another copy of the weights.")


def hash_tensors(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, the same however the tensors were stored."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
