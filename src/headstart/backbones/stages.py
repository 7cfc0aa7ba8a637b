"""One view of every network: a chain of named stages, then pooling, then the original classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from headstart.backbones.complexity import StageInfo, stage_facts
from headstart.errors import InputError, unknown_name

Stages = list[tuple[str, nn.Module]]
_NORMS = (nn.modules.batchnorm._BatchNorm,)


@dataclass(frozen=True, eq=False)
class StageLayout:
    """Stages of a network, and what comes after the last.

    Attributes
    ----------
    stages : list of (name, module)
    pool : torch.nn.Module
        Last output to features.
    classifier : torch.nn.Module
        Last output to logits.
    drop_classifier : callable
        Removes from the network what only its classifier needs.
    n_channels : int
        Channels of an image: another number where the first layer was adapted to it.
    natural : bool
        False for the last resort of a single stage.
    """

    stages: Stages
    pool: nn.Module
    classifier: nn.Module
    drop_classifier: Callable[[Any], None]
    natural: bool = True


@dataclass(frozen=True, eq=False)
class Stage:
    """A named part of a network.

    Attributes
    ----------
    name : str
    module : torch.nn.Module
        Output of the stage before it to its own; shares its parameters with the network.
    """

    name: str
    module: nn.Module


class StagedNetwork:
    """A network seen as a chain of stages.

    It shares all parameters with the network and copies nothing. A stage never changes the tensor it is given, so the
    output of any stage may be kept.

    Attributes
    ----------
    network : torch.nn.Module
        As its library built it.
    stages : tuple of Stage
        Run one after another they give what the library calls the network's features.
    pool : torch.nn.Module
        Output of the last stage to features of shape (n_images, width).
    classifier : torch.nn.Module or None
        Output of the last stage to logits, as the library computes them; None once dropped.
    natural : bool
        False where the architecture gives no chain and the stages are merely ``body``.
    """

    def __init__(self, network: nn.Module, layout: StageLayout) -> None:
        self.network = network
        self.stages = tuple(Stage(name, module) for name, module in layout.stages)
        self.pool = layout.pool
        self.classifier: nn.Module | None = layout.classifier
        self.natural = layout.natural
        self.n_channels = 3
        self._drop = layout.drop_classifier
        self._described: dict[tuple[int, int], tuple[StageInfo, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the stages, in order."""
        return tuple(stage.name for stage in self.stages)

    def forward_features(self, images: torch.Tensor, until: str | None = None) -> torch.Tensor:
        """Output of a stage.

        Parameters
        ----------
        images : Tensor of shape (n_images, 3, height, width)
            Normalised.
        until : str, optional
            Last stage to run. Default: all of them.

        Raises
        ------
        InputError
            For an unknown stage.
        """
        last = len(self.stages) - 1 if until is None else self.index(until)
        for stage in self.stages[: last + 1]:
            images = stage.module(images)
        return images

    def index(self, name: str) -> int:
        """Place of a stage in the chain.

        Raises
        ------
        InputError
            For an unknown stage, with the close matches.
        """
        if name not in self.names:
            raise InputError(unknown_name("stage", name, self.names))
        return self.names.index(name)

    def drop_classifier(self) -> None:
        """Remove the original classifier from the network, so that its tensors are neither kept nor saved."""
        if self.classifier is not None:
            self._drop(self.network)
            self.classifier = None

    def cut(self, stage: str | None, *, update_norms: bool = False) -> tuple[FrozenPart, TrainablePart]:
        """The network in two: what stays as it is, and what is trained.

        Sets ``requires_grad`` of every parameter of the network: true in the trainable part, false elsewhere. Both
        parts are handed back in evaluation mode.

        Parameters
        ----------
        stage : str or None
            Last stage of the frozen part; None: nothing is frozen.
        update_norms : bool
            Let batch normalisation learn its statistics in the trainable part when that is put in training mode.
            Default: they stay those of the pretraining, since small batches estimate them badly.

        Returns
        -------
        frozen, trainable : torch.nn.Module
            ``trainable(frozen(images))`` equals `forward_features`.

        Raises
        ------
        InputError
            For an unknown stage.
        """
        first = 0 if stage is None else self.index(stage) + 1
        frozen = FrozenPart(self.stages[:first])
        trainable = TrainablePart(self.stages[first:], update_norms=update_norms)
        self.network.requires_grad_(False)
        trainable.requires_grad_(True)
        return frozen.eval(), trainable.eval()

    def describe(self, input_size: tuple[int, int]) -> tuple[StageInfo, ...]:
        """Output, stride, parameters and multiply-adds of every stage for one image of (height, width) pixels.

        Raises
        ------
        InputError
            When the network cannot take such images.
        """
        size = (int(input_size[0]), int(input_size[1]))
        if size not in self._described:
            self._described[size] = self._measured(size)
        return self._described[size]

    def _measured(self, input_size: tuple[int, int]) -> tuple[StageInfo, ...]:
        stages = [(stage.name, stage.module) for stage in self.stages]
        try:
            return stage_facts(stages, input_size, self.network, n_channels=self.n_channels)
        except REFUSALS as error:
            raise InputError(f"{size_refused('This network', input_size, error)} Leave the input size out.") from error


REFUSALS = (RuntimeError, AssertionError, ValueError, InputError)
"""Exceptions that networks raise for images of a size they cannot take."""


def size_refused(what: str, size: tuple[int, int], error: Exception) -> str:
    """A network's refusal of a size, in words."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return f"{what} cannot take images of {size[0]} x {size[1]} pixels ({reason})."


class _Chain(nn.Module):
    """Stages one after another under their names."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        super().__init__()
        self.stages = nn.ModuleDict({stage.name: stage.module for stage in stages})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Output of the last stage; of no stage at all: the input."""
        for stage in self.stages.values():
            images = stage(images)
        return images


class FrozenPart(_Chain):
    """Stages that stay as they are: always in evaluation mode, whatever is asked of the network around them."""

    def train(self, mode: bool = True) -> FrozenPart:
        """Evaluation mode, also when training is asked for."""
        super().train(False)
        return self


class TrainablePart(_Chain):
    """Stages that are trained; batch normalisation keeps its statistics unless told to update them."""

    def __init__(self, stages: Iterable[Stage], *, update_norms: bool) -> None:
        super().__init__(stages)
        self.update_norms = update_norms

    def train(self, mode: bool = True) -> TrainablePart:
        """Training mode, with batch normalisation left in evaluation mode unless its statistics are to be updated."""
        super().train(mode)
        if mode and not self.update_norms:
            for module in self.modules():
                if isinstance(module, _NORMS):
                    module.eval()
        return self
