"""A forward pass for feature blocks: which it gives, where their columns lie, and what of it is kept together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.backbones.feature_block import HANDCRAFTED, LAST, FeatureBlock, resolved_block, standard_blocks
from headstart.backbones.stage_outputs import stage_outputs
from headstart.features.protocol import RowPart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.backbones.backbone import Backbone

VERSION: Final = 1
"""Changes whenever the numbers of a block change; part of the cache key."""


@dataclass(frozen=True, eq=False)
class FeaturePass:
    """Blocks that one forward pass gives, side by side.

    Every pass gives mean and max of every stage and the pooled output of the last, whichever blocks are asked for: they
    cost next to nothing, and a later run that asks for others of them finds them.

    Attributes
    ----------
    standard : tuple of FeatureBlock
        Mean and max of every stage, kept together.
    others : tuple of FeatureBlock
        Blocks pooled in another way, `LAST`, and handcrafted ones behind all others, each kept apart.
    widths : mapping of FeatureBlock to int
        Number of columns of every block.
    """

    standard: tuple[FeatureBlock, ...]
    others: tuple[FeatureBlock, ...]
    widths: Mapping[FeatureBlock, int]

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        size: tuple[int, int],
        blocks: Sequence[FeatureBlock],
        *,
        handcrafted: Mapping[FeatureBlock, int] = MappingProxyType({}),
        is_trimmed: bool = False,
    ) -> FeaturePass:
        """The pass in which some blocks are computed.

        Parameters
        ----------
        backbone : Backbone
        size : (int, int)
            Height and width of the network's input in pixels.
        blocks : sequence of FeatureBlock
            Stages by their names.
        handcrafted : mapping of FeatureBlock to int
            Width of every handcrafted block among them.
        is_trimmed : bool
            Compute these blocks and no other.

        Raises
        ------
        InputError
            When a stage or its pooling does not fit the network.
        """
        outputs = stage_outputs(backbone.staged, size)
        standard = () if is_trimmed else standard_blocks(outputs)
        requested = [resolved_block(block, outputs, backbone=backbone.name) for block in blocks]
        needs_last = not is_trimmed or all(block in HANDCRAFTED for block in requested)  # a network gives something
        apart = {block for block in requested if block not in standard} | ({LAST} if needs_last else set())
        by_name = {output.name: output for output in outputs}
        others = tuple(sorted(apart, key=lambda block: (block in HANDCRAFTED, block == LAST, block.name)))
        own = {LAST: backbone.feature_width, **handcrafted}
        widths = {
            block: own[block] if block in own else by_name[block.stage].width(block.pooling)
            for block in (*standard, *others)
        }
        return cls(standard, others, widths)

    @property
    def of_network(self) -> tuple[FeatureBlock, ...]:
        """Every block that the network computes, in the order of the columns."""
        return tuple(block for block in self.blocks if block not in HANDCRAFTED)

    @property
    def blocks(self) -> tuple[FeatureBlock, ...]:
        """Every block, in the order of the columns."""
        return (*self.standard, *self.others)

    def columns(self, blocks: Sequence[FeatureBlock]) -> NDArray[np.int64]:
        """Columns of the pass that hold some blocks, in the order of the blocks."""
        places = self._places(self.blocks)
        return _joined([places[block] for block in blocks])

    def parts(
        self,
        blocks: Sequence[FeatureBlock],
        settings: Mapping[str, Any],
        backbone: Backbone,
        own: Mapping[FeatureBlock, Mapping[str, Any]],
    ) -> tuple[RowPart, ...]:
        """Parts that the rows of the pass are kept in, each with the columns that some blocks take from it.

        Parameters
        ----------
        blocks : sequence of FeatureBlock
            Blocks that the features are made of.
        settings : mapping
            Everything beside the blocks that shapes them.
        backbone : Backbone
        own : mapping of FeatureBlock to mapping
            Settings of blocks that are the same when computed elsewhere, and are kept where they would be then.
        """
        common = {**settings, "blocks": VERSION}
        stages = list(backbone.staged.names)
        together = {**common, "stage": f"mean and max of {len(stages)} stages", "stages": stages}
        found = [self._part(self.standard, blocks, together)]
        for block in self.others:
            apart = {**common, "stage": backbone.stage if block == LAST else block.name}
            found.append(self._part((block,), blocks, dict(own.get(block, apart))))
        return tuple(found)

    def _part(self, group: Sequence[FeatureBlock], blocks: Sequence[FeatureBlock], settings: dict[str, Any]) -> RowPart:
        within, features = self._places(group), self._places(blocks)
        shared = [block for block in blocks if block in within]
        taken, placed = ([places[block] for block in shared] for places in (within, features))
        return RowPart(settings, self.columns(group), _joined(taken), _joined(placed))

    def _places(self, blocks: Sequence[FeatureBlock]) -> dict[FeatureBlock, NDArray[np.int64]]:
        """Columns of every block where they stand side by side."""
        ends = np.cumsum([self.widths[block] for block in blocks]).tolist()
        return {
            block: np.arange(end - self.widths[block], end, dtype=np.int64)
            for block, end in zip(blocks, ends, strict=True)
        }


def _joined(numbers: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, dtype=np.int64), *numbers])
