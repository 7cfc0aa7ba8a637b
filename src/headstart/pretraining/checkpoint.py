"""The state of an unfinished pretraining: whole or absent, so that a killed one goes on with the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from headstart.storage import file_bytes, hash_bytes, write_bytes

CHECKPOINT_FILE: Final = "checkpoint.safetensors"
_DIGEST_LENGTH: Final = 32
_NETWORK, _OPTIMIZER, _RECORD = "network.", "optimizer.", "record."


def save_checkpoint(
    path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, record: dict[str, torch.Tensor]
) -> None:
    """Write the tensors of network and optimizer, and a record of small ones, under one hash.

    Raises
    ------
    StorageError
        When the disk refuses; the checkpoint before stays.
    """
    from safetensors.torch import save

    tensors = {f"{_NETWORK}{name}": tensor for name, tensor in network.state_dict().items()}
    for place, state in optimizer.state_dict()["state"].items():
        tensors |= {f"{_OPTIMIZER}{place}.{name}": value for name, value in state.items()}
    tensors |= {f"{_RECORD}{name}": tensor for name, tensor in record.items()}
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    write_bytes(path, bytes.fromhex(hash_bytes(content)) + content)


def load_checkpoint(
    path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, torch.Tensor] | None:
    """Put a checkpoint into network and optimizer; its record, or None where there is none, or a damaged one."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = file_bytes(path)
        if content[:_DIGEST_LENGTH] != bytes.fromhex(hash_bytes(content[_DIGEST_LENGTH:])):
            return None
        tensors = load(content[_DIGEST_LENGTH:])
    except (OSError, SafetensorError):
        return None
    network.load_state_dict(_under(tensors, _NETWORK))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in _under(tensors, _OPTIMIZER).items():
        place, _, key = name.partition(".")
        states.setdefault(int(place), {})[key] = _laid_out(tensor, parameters[int(place)])
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    return _under(tensors, _RECORD)


def _laid_out(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A moment in the memory order of its parameter: fused kernels walk both as they lie."""
    if tensor.shape != parameter.shape:
        return tensor
    return torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False).copy_(tensor)


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
