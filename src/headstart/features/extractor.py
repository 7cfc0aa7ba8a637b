"""The frozen part of a backbone with its preparation and engine: prepared pixels in, features out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.backbone import Backbone
from headstart.backbones.feature_block import HANDCRAFTED, JOIN, LAST, FeatureBlock, resolved_block
from headstart.backbones.stage_outputs import stage_outputs
from headstart.data.preparation import Preparation
from headstart.engines.engine import Engine
from headstart.errors import EngineError, InputError
from headstart.features.descriptors.handcrafted import handcrafted_extractor, handcrafted_names
from headstart.features.feature_pass import VERSION, FeaturePass
from headstart.features.lazy_runner import LazyRunner, half_precision
from headstart.features.plain_settings import plain_settings

if TYPE_CHECKING:
    from headstart.augment import View
    from headstart.engines.network_cache import NetworkCache
    from headstart.features.protocol import RowPart

Rows = NDArray[np.floating[Any]]
"""float32 for pooled features, float16 for stage maps."""


class Extractor:
    """The frozen part of a backbone, ready to turn images into features.

    Nothing is converted or moved to a device before the first image comes, so an extractor costs nothing where the
    cache has all features.

    Parameters
    ----------
    backbone : Backbone
    preparation : Preparation
        From image to pixels of one size.
    engine : Engine
        Where and how the forward pass runs.
    stage : str, optional
        Give the output of this stage (its *stage map*) as float16. Default: the globally pooled output of the last
        stage as float32.
    blocks : sequence of FeatureBlock
        Blocks that the features are made of, side by side. Default: the globally pooled output of the last stage.
    beside : sequence of FeatureBlock
        Further blocks that the same forward pass computes, for others to take.
    averaged : sequence of View
        Features are the mean over these views of an image. Default: those of the image itself.
    view : View, optional
        The version of every image that is looked at. Default: the image itself.
    is_trimmed : bool
        Give the blocks that are named and no other, by the stages that they need: quicker, and of no use to the cache.
        Not for int8 and compiled networks, which are made of the whole pass.
    network : bytes, optional
        The quantised network, which an int8 engine needs.
    network_cache : NetworkCache, optional
        Where converted networks are kept between runs.

    Raises
    ------
    InputError
        When the backbone has no such stage, or a block does not fit it.
    EngineError
        For a stage in int8: the network is quantised as a whole, and gives pooled features only.
    """

    def __init__(
        self,
        backbone: Backbone,
        preparation: Preparation,
        engine: Engine,
        *,
        stage: str | None = None,
        blocks: Sequence[FeatureBlock] = (LAST,),
        beside: Sequence[FeatureBlock] = (),
        averaged: Sequence[View] = (),
        view: View | None = None,
        is_trimmed: bool = False,
        network: bytes | None = None,
        network_cache: NetworkCache | None = None,
    ) -> None:
        if stage is not None and engine.precision == "int8":
            raise EngineError(
                f"int8 gives pooled features only, not the output of stage {stage!r}. Use another precision for stage "
                "maps, such as bf16."
            )
        self.backbone = backbone
        self.preparation = preparation
        self.engine = engine
        self.stage = stage
        self.blocks = tuple(blocks)
        self.beside = tuple(beside)
        self.averaged = tuple(averaged)
        self.view = view
        self.is_trimmed = is_trimmed and engine.precision != "int8" and not engine.compiled
        self.network = network
        self.network_cache = network_cache
        self._describers = {
            block: handcrafted_extractor(block, preparation, n_threads=1)
            for block in HANDCRAFTED
            if block in (*self.blocks, *self.beside)
        }
        self._pass = None if stage is not None or self.is_plain else self._find_pass()
        self._row_shape = self._find_row_shape()
        self._runner = LazyRunner(
            backbone,
            engine,
            preparation.size,
            stage=stage,
            blocks=self.of_network,
            network=network,
            network_cache=network_cache,
        )

    @property
    def label(self) -> str:
        """Name of the backbone."""
        return self.backbone.name

    @property
    def is_plain(self) -> bool:
        """Whether features are the pooled output of the last stage, computed by itself."""
        return self.blocks == (LAST,) and not self.beside

    @property
    def n_streams(self) -> int:
        """Calls of `compute` that run side by side when made from several threads."""
        return self.engine.n_streams

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of the row of one image: (n_features,), or that of the stage map."""
        return self._row_shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 for pooled features, float16 for stage maps."""
        return np.dtype(np.float32 if self.stage is None else np.float16)

    @property
    def block_widths(self) -> tuple[int, ...]:
        """Number of features of every block."""
        if self._pass is None:
            return self._row_shape
        return tuple(self._pass.widths[block] for block in self.blocks)

    @property
    def stage_widths(self) -> tuple[int, ...]:
        """Number of features of every stage, whose blocks side by side are weighed as one."""
        named = zip(self.blocks, self.block_widths, strict=True)
        return tuple(sum(width for _, width in of_stage) for _, of_stage in groupby(named, lambda item: item[0].stage))

    def column_names(self) -> list[str]:
        """Name of every feature: backbone, block where it is not the pooled output of the last stage, and number."""
        name, names = self.label, []
        for block, width in zip(self.blocks, self.block_widths, strict=True):
            prefix = name if block == LAST else f"{name}_{block.name}"
            described = handcrafted_names(block) * width if block in HANDCRAFTED else []
            names += described[:width] or [f"{prefix}_{number}" for number in range(width)]
        return names

    @cached_property
    def columns(self) -> NDArray[np.int64] | None:
        """Columns of the forward pass that are the features; None where they are all that it gives."""
        return None if self._pass is None else self._pass.columns(self.blocks)

    def parts(self) -> tuple[RowPart, ...]:
        """Parts that the rows of the forward pass are kept in; none where the features are all that it gives."""
        if self._pass is None:
            return ()
        settings = self._plain_settings()
        own: dict[FeatureBlock, dict[str, Any]] = {}
        if self.engine.is_eager:  # what else the pass gives changes no bit of it
            own[LAST] = settings
        for block, describer in self._describers.items():
            own[block] = {**describer.settings(), "preparation": settings["preparation"]}
        if self.engine.compiled:  # as a whole: what else it gives may change the last bit of a block
            settings = {**settings, "beside": [block.name for block in self.of_network if block in self._pass.others]}
        return self._pass.parts(self.blocks, settings, self.backbone, own)

    def settings(self) -> dict[str, Any]:
        """Everything beside the image that shapes its features: the cache key's second half."""
        found = self._plain_settings()
        if self._pass is not None:
            found |= {"stage": JOIN.join(block.name for block in self.blocks), "blocks": VERSION}
        if self.averaged:
            found["averaged"] = [view.settings() for view in self.averaged]
        return found

    def _plain_settings(self) -> dict[str, Any]:
        """Settings of features that are the pooled output of the last stage, or a stage map."""
        return plain_settings(self.backbone, self.preparation, self.engine, stage=self.stage, view=self.view)

    def compute(self, pixels: NDArray[Any]) -> Rows:
        """Features of prepared images.

        The batch is filled up to the engine's batch size, so an image's features do not depend on its company. May be
        called from several threads; `n_streams` calls run side by side.

        Parameters
        ----------
        pixels : ndarray of shape (n_images, height, width, 3), uint8 or float32
            At most one batch.

        Returns
        -------
        ndarray of shape (n_images, *row_shape), of `dtype`
            Features of these pixels as they are: the mean over views is made of several such rows.

        Raises
        ------
        EngineError
            When the machine lacks what the engine needs, memory for a batch above all, or values leave the range of
            the engine's numbers.
        """
        rows = self._runner.compute(pixels, self.preparation.dtype)
        if self._describers:
            rows = np.concatenate([rows, *(one.compute(pixels) for one in self._describers.values())], axis=1)
        columns = self.columns
        if columns is not None and not np.array_equal(columns, np.arange(rows.shape[1])):
            rows = np.ascontiguousarray(rows[:, columns])
        return rows if self.stage is None else half_precision(rows, self.stage)

    def release(self) -> None:
        """Let go of the network that was made ready; it is made ready anew when another image comes."""
        self._runner.release()

    def with_preparation(self, preparation: Preparation) -> Extractor:
        """The same with another preparation of the same size; where pixels are of one type, one network serves both."""
        other = self._changed(preparation=preparation)
        return self._sharing(other) if preparation.size == self.preparation.size else other

    def with_blocks(
        self, blocks: Sequence[FeatureBlock], *, beside: Sequence[FeatureBlock] = (), averaged: Sequence[View] = ()
    ) -> Extractor:
        """The same network with other features; where the forward pass is the same, one serves both."""
        other = self._changed(blocks=blocks, beside=beside, averaged=averaged)
        return self._sharing(other) if other.of_network == self.of_network else other

    def with_engine(self, engine: Engine, *, network: bytes | None, network_cache: NetworkCache | None) -> Extractor:
        """The same features by another engine."""
        return self._changed(engine=engine, network=network, network_cache=network_cache)

    def whole(self) -> Extractor:
        """An extractor of all that the forward pass gives."""
        return self if self._pass is None else self.with_blocks(self.computed, beside=self.beside)

    @property
    def computed(self) -> tuple[FeatureBlock, ...]:
        """Blocks that are computed together, in order; none where nothing but the features is."""
        return () if self._pass is None else self._pass.blocks

    @property
    def of_network(self) -> tuple[FeatureBlock, ...]:
        """Those of them that the network gives."""
        return () if self._pass is None else self._pass.of_network

    def shares_pass(self, other: Extractor) -> bool:
        """Whether the forward pass of another extractor gives what this one needs: images go through it once."""
        mine, theirs = (one._plain_settings() for one in (self, other))
        return self.stage is None and self.computed == other.computed and mine == theirs

    def _changed(self, **changes: Any) -> Extractor:
        """The same but for some arguments, with a network that is made ready anew."""
        given: dict[str, Any] = {
            "backbone": self.backbone,
            "preparation": self.preparation,
            "engine": self.engine,
            "stage": self.stage,
            "blocks": self.blocks,
            "beside": self.beside,
            "averaged": self.averaged,
            "view": self.view,
            "is_trimmed": self.is_trimmed,
            "network": self.network,
            "network_cache": self.network_cache,
        }
        return Extractor(**(given | changes))

    def _sharing(self, other: Extractor) -> Extractor:
        """The other with the network that is ready here."""
        other._runner = self._runner
        return other

    def _find_pass(self) -> FeaturePass:
        """The forward pass of the blocks, whose stages are called by their names from here on."""
        size = self.preparation.size
        widths = {block: describer.row_shape[0] for block, describer in self._describers.items()}
        named = self.blocks if self.is_trimmed else (*self.blocks, *self.beside)
        found = FeaturePass.of(self.backbone, size, named, handcrafted=widths, is_trimmed=self.is_trimmed)
        outputs = stage_outputs(self.backbone.staged, size)
        name = self.backbone.name
        self.blocks = tuple(resolved_block(block, outputs, backbone=name) for block in self.blocks)
        self.beside = tuple(resolved_block(block, outputs, backbone=name) for block in self.beside)
        if len(set(self.blocks)) < len(self.blocks):
            listed = JOIN.join(map(str, self.blocks))
            raise InputError(f"Features of {name} name a block twice: {listed}. Name each once.")
        return found

    def _find_row_shape(self) -> tuple[int, ...]:
        if self._pass is not None:
            return (sum(self.block_widths),)
        if self.stage is None:
            return (self.backbone.feature_width,)
        place = self.backbone.staged.index(self.stage)
        return self.backbone.staged.describe(self.preparation.size)[place].output_shape
