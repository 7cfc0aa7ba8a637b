"""Tensors of an ensemble's members as files of its bundle: what members share is written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from headstart.model.bundle import BACKBONE, MEMBER_PREFIX, NETWORK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class MemberTensors:
    """Everything of a member that a bundle stores as tensors.

    Attributes
    ----------
    backbone : mapping of str to Tensor
    head, preparation : mapping of str to ndarray
        The preparation's are empty where nothing of it is fitted.
    network : bytes or None
        The quantised network of an int8 engine.
    """

    backbone: Tensors
    head: Mapping[str, NDArray[Any]]
    preparation: Mapping[str, NDArray[Any]]
    network: bytes | None = None


@dataclass(frozen=True, eq=False)
class StoredMembers:
    """Files of the further members of an ensemble.

    Attributes
    ----------
    content : dict of str to bytes
        Content of every file that only they need, by its name.
    places : list of dict
        For each further member the names of its files: ``head``, ``preparation`` and ``network`` (None where it has
        none), and ``backbone``: files of tensors, of which a later one replaces those of an earlier one.
    """

    content: dict[str, bytes]
    places: list[dict[str, Any]]


def store_members(members: Sequence[MemberTensors]) -> StoredMembers:
    """The further members as files; the first one's tensors stand in the bundle's own.

    A network that several members share is stored once. One that was fine-tuned is stored as the tensors in which it
    differs from another of the same layers.
    """
    from safetensors.numpy import save as save_numpy
    from safetensors.torch import save as save_torch

    content: dict[str, bytes] = {}
    places: list[dict[str, Any]] = []
    backbones: list[tuple[list[str], Tensors]] = [([BACKBONE], members[0].backbone)]
    networks: list[tuple[str, bytes | None]] = [(NETWORK, members[0].network)]
    for number, one in enumerate(members[1:], start=1):
        head = f"{MEMBER_PREFIX}{number}.head.safetensors"
        content[head] = save_numpy(dict(one.head))
        files, changed = _difference(backbones, one.backbone, f"{MEMBER_PREFIX}{number}.backbone.safetensors")
        if changed:
            content[files[-1]] = save_torch(changed)
            backbones.append((files, one.backbone))
        network = next((name for name, other in networks if one.network is not None and other == one.network), None)
        if one.network is not None and network is None:
            network = f"{MEMBER_PREFIX}{number}.network.safetensors"
            content[network] = one.network
            networks.append((network, one.network))
        preparation = f"{MEMBER_PREFIX}{number}.preparation.safetensors" if one.preparation else None
        if preparation is not None:
            content[preparation] = save_numpy(dict(one.preparation))
        places.append({"head": head, "backbone": files, "network": network, "preparation": preparation})
    return StoredMembers(content, places)


def _difference(
    stored: Sequence[tuple[list[str], Tensors]], backbone: Tensors, name: str
) -> tuple[list[str], dict[str, torch.Tensor]]:
    """Files that hold a backbone, and the tensors of the last of them; none where all is stored already."""
    best: tuple[list[str], dict[str, torch.Tensor]] = ([name], dict(backbone))
    for files, other in stored:
        if other.keys() != backbone.keys():
            continue
        changed = {key: tensor for key, tensor in backbone.items() if not _same(tensor, other[key])}
        if not changed:
            return files, {}
        if len(changed) < len(best[1]):
            best = ([*files, name], changed)
    return best


def _same(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    return tensor.dtype == other.dtype and tensor.shape == other.shape and torch.equal(tensor, other)
