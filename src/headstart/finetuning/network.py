"""The part of a backbone that is trained, with pooling and a linear head: stage maps in, logits out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from headstart.errors import InputError
from headstart.finetuning.batch_norm_folding import fold_for_training
from headstart.heads import FittedHead, HeadSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone

Tensors = dict[str, torch.Tensor]


class UnlockedNetwork(nn.Module):
    """Copies of the last stages of a backbone, its pooling, and a linear head on standardised features.

    The backbone itself is never changed.

    Parameters
    ----------
    backbone : Backbone
    stage : str or None
        Last stage that stays frozen; None: none does, and the input are normalised images.
    head : FittedHead
        A logistic head on the pooled features, from which the training starts.
    adapt_norms : bool
        Batch normalisation takes the statistics of the batches in training.
    device : torch.device

    Raises
    ------
    InputError
        When the head is no logistic one, or knows one class only.
    """

    mean: torch.Tensor
    inverse_scale: torch.Tensor

    def __init__(
        self, backbone: Backbone, stage: str | None, head: FittedHead, *, adapt_norms: bool, device: torch.device
    ) -> None:
        super().__init__()
        if head.spec.kind != "logistic" or "coefficients" not in head.arrays:
            raise InputError(
                "Fine-tuning starts from a logistic head that has seen two classes or more, not from "
                f"{head.spec.label}."
            )
        self.start = head
        self.backbone = [backbone]  # in a list: no part of this module
        self.stage = stage
        backbone.module.to(device)  # some hold their network out of reach of a later move of the copies
        self.trained = _copied(backbone, stage, adapt_norms=adapt_norms)
        self.pool = copy.deepcopy(backbone.staged.pool).eval()
        arrays = {name: torch.tensor(head.arrays[name], dtype=torch.float32) for name in _HEAD}
        self.register_buffer("mean", arrays["mean"])
        self.register_buffer("inverse_scale", arrays["inverse_scale"])
        self.coefficients = nn.Parameter(arrays["coefficients"])
        self.intercepts = nn.Parameter(arrays["intercepts"])
        self.adapt_norms = adapt_norms
        self.to(device)
        self._tensors = dict(self.trained.state_dict(keep_vars=True))

    def fold(self, sample: torch.Tensor) -> bool:
        """Multiply batch normalisations into kernels, where their statistics stay; see `fold_for_training`."""
        return not self.adapt_norms and fold_for_training(self.trained, sample)

    def features(self, maps: torch.Tensor) -> torch.Tensor:
        """Pooled features (n, feature_width), float32, from stage maps (n, *row_shape)."""
        pooled: torch.Tensor = self.pool(self.trained(maps))
        return pooled.float()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Logits (n, n_present) of the classes the head knows."""
        standard = (self.features(maps) - self.mean) * self.inverse_scale
        return nn.functional.linear(standard, self.coefficients, self.intercepts)

    def groups(self) -> Iterator[tuple[int, str, nn.Parameter]]:
        """Every parameter with the distance of its stage from the last one (the head: -1) and its name."""
        stages = list(dict.fromkeys(name.split(".")[1] for name in self._tensors))
        for name, tensor in self._tensors.items():
            if isinstance(tensor, nn.Parameter):
                yield len(stages) - 1 - stages.index(name.split(".")[1]), name, tensor
        yield -1, "head.coefficients", self.coefficients
        yield -1, "head.intercepts", self.intercepts

    def live(self) -> Tensors:
        """Tensors that training changes, by name, not copied: parameters, and statistics where they adapt."""
        found = {
            name: tensor
            for name, tensor in self._tensors.items()
            if tensor.is_floating_point() and (isinstance(tensor, nn.Parameter) or self.adapt_norms)
        }
        return found | {f"head.{name}": getattr(self, name) for name in _HEAD}

    def start_from(self, head: FittedHead) -> None:
        """Take over another logistic head, fitted on the features that these stages give now."""
        with torch.no_grad():
            for name in _HEAD:
                getattr(self, name).copy_(torch.tensor(head.arrays[name], dtype=torch.float32))

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Copies of the tensors that training changes, by name."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.live().items()}

    def load(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Take over the tensors of `to_arrays`, adapted statistics too where this network keeps its own."""
        own = self._tensors | {f"head.{name}": getattr(self, name) for name in _HEAD}
        with torch.no_grad():
            for name in dict.fromkeys([*self.live(), *arrays]):
                own[name].copy_(torch.from_numpy(np.ascontiguousarray(arrays[name])))

    def head(self) -> FittedHead:
        """The head as it is now."""
        return head_of(self.start, self.to_arrays())


_HEAD = ("mean", "inverse_scale", "coefficients", "intercepts")


def head_of(start: FittedHead, arrays: Mapping[str, NDArray[np.float32]]) -> FittedHead:
    """The head that training made of the one it started from."""
    changed = {name: arrays[f"head.{name}"].astype(np.float64) for name in _HEAD}
    return FittedHead(HeadSpec("logistic", start.spec.settings), {**start.arrays, **changed})


def _copied(backbone: Backbone, stage: str | None, *, adapt_norms: bool) -> Any:
    """The stages after `stage`, copied, trainable; the backbone is as frozen as it was."""
    _, trainable = backbone.staged.cut(stage, update_norms=adapt_norms)
    copied = copy.deepcopy(trainable)
    backbone.module.requires_grad_(False)
    return copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def tuned_backbone(backbone: Backbone, stage: str | None, arrays: Mapping[str, NDArray[np.float32]]) -> Backbone:
    """A copy of a backbone with the stages after `stage` as they were trained.

    Parameters
    ----------
    backbone : Backbone
        The one that the training started from.
    stage : str or None
        Last stage that stayed frozen.
    arrays : mapping of str to ndarray
        As `UnlockedNetwork.to_arrays` gave them; those of the head are left aside.
    """
    from dataclasses import replace

    from headstart.backbones.weights import hash_tensors

    module = copy.deepcopy(backbone.module)
    _, trainable = module.staged.cut(stage)
    own = trainable.state_dict(keep_vars=True)
    with torch.no_grad():
        for name, array in arrays.items():
            if not name.startswith("head."):
                own[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))
    module.eval().requires_grad_(False)
    return replace(backbone, module=module, tensors_sha256=hash_tensors(module.state_dict()))
