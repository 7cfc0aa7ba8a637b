"""Averages of the weights over a training, which are judged and kept in place of the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from headstart.finetuning.spec import FineTuneSpec

Tensors = dict[str, torch.Tensor]

_SWA_SHARE = 0.25  # of the epochs, the last ones


class Average:
    """Moving average, mean over the last epochs, or nothing, of some tensors.

    Parameters
    ----------
    live : dict of str to Tensor
        What is averaged; training changes them in place.
    spec : FineTuneSpec
    steps_per_epoch : int
    """

    def __init__(self, live: Tensors, spec: FineTuneSpec, steps_per_epoch: int) -> None:
        self.live = live
        self.kind = spec.average
        self._first_epoch = spec.epochs - max(1, round(_SWA_SHARE * spec.epochs))
        self._share = 1.0 / max(spec.ema_epochs * steps_per_epoch, 1.0)
        self.kept = [tensor.detach().clone() for tensor in live.values()] if self.kind != "none" else []

    def after_step(self, step: int) -> None:
        """Take in the weights after a step, counted from 0; at first all weights count alike."""
        if self.kind == "ema":
            share = max(self._share, 1.0 / (step + 2))
            torch._foreach_lerp_(self.kept, [tensor.detach() for tensor in self.live.values()], share)

    def after_epoch(self, epoch: int) -> None:
        """Take in the weights after an epoch, counted from 0."""
        if self.kind == "swa":
            share = 1.0 / max(epoch - self._first_epoch + 1, 1)  # until then the last weights stand
            torch._foreach_lerp_(self.kept, [tensor.detach() for tensor in self.live.values()], share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The averages in place of the live weights, which come back afterwards."""
        if self.kind == "none":
            yield
            return
        before = [tensor.detach().clone() for tensor in self.live.values()]
        self._write(self.kept)
        try:
            yield
        finally:
            self._write(before)

    def _write(self, values: list[torch.Tensor]) -> None:
        with torch.no_grad():
            torch._foreach_copy_([tensor.data for tensor in self.live.values()], values)
