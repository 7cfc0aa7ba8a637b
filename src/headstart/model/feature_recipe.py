"""Features of a model: blocks of its network, and the views that they are the mean over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headstart.augment import View, view_from_json
from headstart.backbones.feature_block import DESCRIPTORS, HANDCRAFTED, LAST, FeatureBlock, parse_features
from headstart.errors import InputError
from headstart.features.descriptors.handcrafted import handcrafted_version
from headstart.features.extractor import Extractor


@dataclass(frozen=True)
class FeatureRecipe:
    """Features that a head takes, so that they can be computed again.

    Attributes
    ----------
    blocks : tuple of FeatureBlock
    beside : tuple of FeatureBlock
        Further blocks of the forward pass, of which a quantised or compiled network is made too.
    averaged : tuple of View
        Views that features are the mean over; empty: the image alone.
    """

    blocks: tuple[FeatureBlock, ...] = (LAST,)
    beside: tuple[FeatureBlock, ...] = ()
    averaged: tuple[View, ...] = ()

    @classmethod
    def of(cls, extractor: Extractor) -> FeatureRecipe:
        """Features of an extractor."""
        return cls(extractor.blocks, extractor.beside, extractor.averaged)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "blocks": [block.name for block in self.blocks],
            "beside": [block.name for block in self.beside],
            "averaged": [view.to_json() for view in self.averaged],
            "handcrafted": {block.name: handcrafted_version(block) for block in self._handcrafted},
        }

    @property
    def _handcrafted(self) -> list[FeatureBlock]:
        """Blocks that are measured in the pixels, by a version of this program."""
        return [block for block in (*self.blocks, *self.beside) if block in HANDCRAFTED]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FeatureRecipe:
        """The features that `to_json` described.

        Raises
        ------
        InputError
            When a block is not understood, or a handcrafted one was measured by another version of it.
        KeyError, TypeError
            When it is something else.
        """
        blocks = tuple(_block(str(name)) for name in value["blocks"])
        beside = tuple(_block(str(name)) for name in value["beside"])
        found = cls(blocks, beside, tuple(view_from_json(view) for view in value["averaged"]))
        for block in found._handcrafted:
            _check_version(block, value.get("handcrafted", _FIRST_VERSIONS))
        return found


LAST_STAGE: Final = FeatureRecipe()
"""The pooled output of the last stage."""


_FIRST_VERSIONS: Final = {DESCRIPTORS.name: "descriptors 1 at 128 px"}
"""Of blocks that were kept without a version."""


def _check_version(block: FeatureBlock, versions: Mapping[str, str]) -> None:
    current = handcrafted_version(block)
    if (stored := versions.get(block.name, current)) != current:
        raise InputError(f"its features are {stored!r}, and this version measures {current!r}: other numbers")


def _block(name: str) -> FeatureBlock:
    found = parse_features(name)
    if found.rule is not None or len(found.blocks) != 1:
        raise InputError(f"{name!r} is no feature block.")
    return found.blocks[0]
