"""Checkpoints of a fine-tuning: everything that the next epoch depends on, as named arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from headstart.errors import StorageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.finetuning.averaging import Average
    from headstart.finetuning.network import UnlockedNetwork

    Arrays = dict[str, NDArray[Any]]


def training_state(
    network: UnlockedNetwork,
    average: Average,
    optimizer: torch.optim.Optimizer,
    *,
    best: Mapping[str, NDArray[np.float32]] | None,
    columns: Mapping[str, Sequence[float]],
) -> Arrays:
    """State of a training after an epoch, as named arrays.

    Parameters
    ----------
    network, average, optimizer
        As they are in training.
    best : mapping of str to ndarray, or None
        Weights with the lowest validation loss so far.
    columns : mapping of str to sequence of float
        History, one value per epoch.
    """
    live = list(network.live())
    state: Arrays = {f"live.{name}": array for name, array in network.to_arrays().items()}
    state |= {f"kept.{name}": kept.numpy(force=True) for name, kept in zip(live, average.kept, strict=False)}
    state |= {f"best.{name}": array for name, array in (best or {}).items()}
    state |= {f"column.{name}": np.array(values) for name, values in columns.items()}
    for number, moments in enumerate(optimizer.state_dict()["state"].values()):
        state |= {f"moment.{number}.{name}": value.numpy(force=True) for name, value in moments.items()}
    return state


def restore_training(
    state: Arrays,
    network: UnlockedNetwork,
    average: Average,
    optimizer: torch.optim.Optimizer,
    *,
    device: torch.device,
) -> Arrays | None:
    """Put network, average and optimizer back to a state, and give the best weights so far, if it holds any.

    Raises
    ------
    StorageError
        When the state is that of another network.
    """
    network.load(_under(state, "live."))
    kept, live = _under(state, "kept."), network.live()  # by name: files keep no order
    average.kept = [_laid_out(kept[name], live[name]).to(device) for name in live] if kept else []
    saved = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    saved["state"] = {
        number: {name: _laid_out(value, like) for name, value in _under(state, f"moment.{number}.").items()}
        for number, like in enumerate(parameters)
    }
    optimizer.load_state_dict(saved)
    return _under(state, "best.") or None


def _under(state: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _laid_out(values: NDArray[Any], like: torch.Tensor) -> torch.Tensor:
    """Values in the memory order of a tensor, which the fused update takes for granted."""
    found = torch.from_numpy(np.array(values, order="C"))
    if found.ndim and found.shape != like.shape:
        raise StorageError(f"A checkpoint holds {tuple(found.shape)} where the network has {tuple(like.shape)}.")
    return found.clone() if found.ndim == 0 else torch.empty_like(like.detach(), device="cpu").copy_(found)
