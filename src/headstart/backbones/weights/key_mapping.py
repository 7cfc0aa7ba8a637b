"""Key layouts: the tensors of other libraries' checkpoints under the names of the network in use.

The same network goes by several lists of names: timm's, torchvision's (and those of its older checkpoints), those of
Cadene's and of lukemelas' collections. Each is told in the file of its family, and all are tried. A layout renames and
changes no value. Shapes change in one place only: a dense layer and the convolution over the whole map that computes
the same are each other's reshaped form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headstart.backbones.families import key_layouts

if TYPE_CHECKING:
    import torch

_WRAPPERS = ("module.", "_orig_mod.", "network.", "model.")
_AUXILIARY = re.compile(r"(aux1|aux2|AuxLogits|aux_logits)\.")
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True, eq=False)
class Translated:
    """A checkpoint under the network's own names.

    Attributes
    ----------
    state : dict of str to Tensor
        Tensors by the network's names; names that no rule explains stand as they came, to be refused.
    without : frozenset of str
        Names of the network for which nothing is needed: auxiliary heads, and a classifier that does not fit.
    layout : str
        Whose names they were; empty for the network's own.
    note : str
        What was left out, in words; empty when nothing was.
    """

    state: dict[str, torch.Tensor]
    without: frozenset[str]
    layout: str = ""
    note: str = ""


def translate(
    state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], *, classifier: str = ""
) -> Translated:
    """Tensors of a checkpoint under the names of a network.

    Parameters
    ----------
    state : mapping of str to Tensor
        As the file holds them.
    expected : mapping of str to Tensor
        The network's state dictionary; only names and shapes are looked at.
    classifier : str
        Name of the network's last layer, which a checkpoint need not have, or may have for other classes.

    Returns
    -------
    Translated
        What fits under the right name, and all that does not fit as it came.
    """
    found, layout = _renamed(_unwrapped(state, expected), expected)
    found = {name: _reshaped(tensor, expected.get(name)) for name, tensor in found.items()}
    found.update(_counters(found, expected))
    found, auxiliary = _without_auxiliary(found, expected)
    found, classes, note = _without_classifier(found, expected, classifier)
    return Translated(found, auxiliary | classes, layout, note)


def _unwrapped(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names without what wrappers such as DataParallel put before all of them."""
    names = list(state)
    for prefix in _WRAPPERS * 2:
        if names and all(name.startswith(prefix) for name in names) and not any(name in expected for name in names):
            names = [name.removeprefix(prefix) for name in names]
    return dict(zip(names, state.values(), strict=True))


def _renamed(
    state: dict[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], str]:
    """The state under the names of the one layout that explains more of the network than the names as they came."""
    best, layout = state, ""
    for known in key_layouts():
        candidate = _rename(state, expected, known.renaming(expected))
        if _n_explained(candidate, expected) > _n_explained(best, expected):
            best, layout = candidate, known.name
    return best, layout


def _n_explained(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> int:
    return sum(name in expected for name in state)


def _rename(
    state: dict[str, torch.Tensor], expected: Mapping[str, torch.Tensor], rename: Callable[[str], str]
) -> dict[str, torch.Tensor]:
    """Rename what the network does not know; a new name that is already taken is not given twice."""
    renamed: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        new = name if name in expected else rename(name)
        renamed[name if new in state or new in renamed else new] = tensor
    return renamed


def _reshaped(tensor: torch.Tensor, like: torch.Tensor | None) -> torch.Tensor:
    """A dense layer's weights as those of the convolution over the whole map, or the other way round."""
    if like is None or tensor.shape == like.shape or {tensor.ndim, like.ndim} != {2, 4}:
        return tensor
    flat, whole = sorted((tensor.shape, like.shape), key=len)
    same = flat[0] == whole[0] and flat[1] == whole[1] * whole[2] * whole[3]
    return tensor.reshape(like.shape) if same else tensor


def _counters(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Counters of batch normalisation at zero, where a checkpoint from before torch 0.4.1 has none; unused when frozen.

    The same stands in torch's own ``_NormBase._load_from_state_dict``.
    """
    import torch

    return {
        name: torch.zeros_like(tensor, device="cpu")
        for name, tensor in expected.items()
        if name.endswith(_COUNTER) and name not in state and name.removesuffix(_COUNTER) + ".running_mean" in state
    }


def _without_auxiliary(
    state: dict[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], frozenset[str]]:
    """Leave out auxiliary classifiers, which take part in training only, unless file and network have the same."""
    own = frozenset(name for name in expected if _AUXILIARY.match(name))
    if own and all(name in state and state[name].shape == expected[name].shape for name in own):
        return state, frozenset()
    return {name: tensor for name, tensor in state.items() if not _AUXILIARY.match(name)}, own


def _without_classifier(
    state: dict[str, torch.Tensor], expected: Mapping[str, torch.Tensor], classifier: str
) -> tuple[dict[str, torch.Tensor], frozenset[str], str]:
    """Leave out a classifier that the checkpoint does not have or has for another number of classes."""
    own = [name for name in expected if classifier and name.startswith(f"{classifier}.")]
    held = [name for name in own if name in state]
    if not own or (len(held) == len(own) and all(state[name].shape == expected[name].shape for name in own)):
        return state, frozenset(), ""
    if not held:
        return state, frozenset(own), "the file has no classifier; only its features are used"
    width = state[held[0]].shape[0] if state[held[0]].ndim else 0
    kept = {name: tensor for name, tensor in state.items() if name not in held}
    return kept, frozenset(own), f"the file's classifier for {width:,} classes was left out; only its features are used"
