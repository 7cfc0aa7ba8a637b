"""Feature blocks: the output of one stage of a network, pooled in one way to a row of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headstart.errors import InputError, unknown_name

POOLINGS: Final = ("mean", "max", "gem", "rows", "rowmax", "columns", "grid2")
"""Ways to pool a map, of which tokens of a transformer take the first three.

``gem`` is the generalised mean with exponent 3 (Radenović, Tolias and Chum 2019, DOI 10.1109/TPAMI.2018.2846566);
``rows`` and ``columns`` are the mean of every row and column of the map, ``rowmax`` is the maximum of every row,
``grid2`` the mean of each of 2 x 2 cells.
"""
MULTI: Final = "multi"
BEST: Final = "best"
JOIN: Final = "+"
_OWN: Final = "own"
_OF_TOKENS: Final = POOLINGS[:3]


@dataclass(frozen=True)
class FeatureBlock:
    """The output of one stage, pooled in one way.

    Attributes
    ----------
    stage : str
        Name of a stage as ``headstart backbones show`` lists it; as it is asked for also its number there, from 1, or
        ``last``.
    pooling : str
        One of `POOLINGS`, or ``own``: the pooling that the network itself has after its last stage.
    """

    stage: str
    pooling: str

    @property
    def name(self) -> str:
        """The block as a user writes it.

        >>> FeatureBlock("block5", "max").name, LAST.name
        ('block5:max', 'last')
        """
        return self.stage if self.pooling == _OWN else f"{self.stage}:{self.pooling}"

    def __str__(self) -> str:
        return self.name


LAST: Final = FeatureBlock("last", _OWN)
"""Pooled output of the last stage."""
DESCRIPTORS: Final = FeatureBlock("descriptors", _OWN)
"""Handcrafted descriptors of colour, texture and edges, which need no network."""
LESION: Final = FeatureBlock("lesion", _OWN)
"""Asymmetry, border, colours and size of the lesion in a dermoscopic image, which need no network."""
HANDCRAFTED: Final = (DESCRIPTORS, LESION)
"""Blocks that are measured in the picture by rules, not by a network."""
ARRAY: Final = "array"
"""The user's own array as all of the features: no network is opened, and nothing is computed of the pictures."""
_BY_NAME: Final = {block.name: block for block in (LAST, *HANDCRAFTED)}


def default_features(backbone: str | None) -> str:
    """Features of a network unless asked otherwise, as a user writes them.

    Several stages see more than the last alone (``benchmarks/block_defaults.py``); who names the old dense layers of a
    network gets these.

    >>> default_features("resnet50"), default_features("vgg19:fc")
    ('multi', 'last')
    """
    return LAST.name if (backbone or "").endswith(":fc") else MULTI


@dataclass(frozen=True)
class FeatureRequest:
    """Features as a user asks for them, before any network is known.

    Attributes
    ----------
    rule : {"multi", "best", "array"} or None
        Rule that chooses blocks of the network; of ``array`` there is no network.
    blocks : tuple of FeatureBlock
        Blocks that are named, their stages not looked up yet; they stand behind those of the rule.
    """

    rule: str | None
    blocks: tuple[FeatureBlock, ...]

    @property
    def is_averaged(self) -> bool:
        """Whether features are means over views."""
        return self.rule == BEST


@dataclass(frozen=True)
class StageOutput:
    """Output of a stage as pooling sees it.

    Attributes
    ----------
    name : str
    channels : int
    sides : (int, int) or None
        Height and width of a map; None for tokens and for rows that are flat already.
    is_flat : bool
        One row of numbers, which leaves nothing to pool.
    stride : int or None
        Side of the input over side of the map, to the nearest power of two; None for tokens and flat rows.
    is_pointwise : bool
        The stage looks at every place by itself (convolutions of one pixel, normalisation), so it sees nothing that
        the stage before it does not.
    """

    name: str
    channels: int
    sides: tuple[int, int] | None
    is_flat: bool
    stride: int | None
    is_pointwise: bool

    def width(self, pooling: str) -> int:
        """Number of columns of a block of this stage."""
        height, width = self.sides or (1, 1)
        cells = {"rows": height, "rowmax": height, "columns": width, "grid2": 4}
        return self.channels * cells.get(pooling, 1)


def parse_features(text: str) -> FeatureRequest:
    """Features as a user writes them: ``multi`` or ``best``, or blocks, or both, joined by ``+``.

    >>> [block.name for block in parse_features("last+block5:max").blocks]
    ['last', 'block5:max']
    >>> parse_features("multi+descriptors").rule
    'multi'

    Raises
    ------
    InputError
        When a pooling is unknown, or something is named twice.
    """
    parts = [part.strip() for part in text.split(JOIN)]
    if ARRAY in parts:
        if len(parts) > 1:
            raise InputError(
                f"Features {text!r}: {ARRAY} is the array of --feature-array alone, and other features have it beside "
                f"them in any case. Leave {ARRAY} out, or the others."
            )
        return FeatureRequest(ARRAY, ())
    rules = [part for part in parts if part in (MULTI, BEST)]
    blocks = tuple(_parsed(part, text) for part in parts if part not in (MULTI, BEST))
    if len(set(blocks)) < len(blocks):
        raise InputError(f"Features {text!r} name a block twice. Name each once.")
    if len(rules) > 1:
        raise InputError(f"Features {text!r} name {' and '.join(rules)}. Name one, since best holds multi.")
    return FeatureRequest(rules[0] if rules else None, blocks)


def _parsed(part: str, text: str) -> FeatureBlock:
    stage, colon, pooling = (piece.strip() for piece in part.partition(":"))
    if part in _BY_NAME:
        return _BY_NAME[part]
    if not stage or not colon or not pooling:
        raise InputError(
            f"Features {text!r} are not understood. Expected last, multi, best, descriptors, lesion, array, or "
            f"STAGE:POOLING such as block5:mean, several joined by {JOIN}; poolings are {', '.join(POOLINGS)}."
        )
    if pooling not in POOLINGS:
        raise InputError(f"{unknown_name('pooling', pooling, POOLINGS)} It stands in the features {text!r}.")
    return FeatureBlock(stage, pooling)


def resolved_block(block: FeatureBlock, outputs: tuple[StageOutput, ...], *, backbone: str) -> FeatureBlock:
    """The block with the name of its stage.

    Parameters
    ----------
    block : FeatureBlock
        Its stage by name, by number, or ``last``.
    outputs : tuple of StageOutput
        Of every stage of the network.
    backbone : str
        For errors.

    Raises
    ------
    InputError
        When there is no such stage, its output is no map, or the pooling does not fit it.
    """
    if block in _BY_NAME.values():
        return block
    names = [output.name for output in outputs]
    if block.stage == LAST.stage and LAST.stage not in names:
        maps = [output for output in outputs if not output.is_flat]
        found = maps[-1] if maps else outputs[-1]
    elif block.stage.isdecimal() and len(block.stage) < 10 and 1 <= int(block.stage) <= len(names):
        found = outputs[int(block.stage) - 1]
    elif block.stage in names:
        found = outputs[names.index(block.stage)]
    else:
        raise InputError(
            f"{unknown_name('stage', block.stage, names)} `headstart backbones show {backbone}` lists the stages."
        )
    _check_fits(found, block.pooling, backbone)
    return FeatureBlock(found.name, block.pooling)


def _check_fits(output: StageOutput, pooling: str, backbone: str) -> None:
    if output.is_flat:
        raise InputError(
            f"Stage {output.name!r} of {backbone} gives no map but one row of {output.channels:,} numbers: nothing to "
            f"pool. Choose an earlier stage: `headstart backbones show {backbone}`."
        )
    if output.sides is None and pooling not in _OF_TOKENS:
        raise InputError(
            f"Stage {output.name!r} of {backbone} gives tokens, not a map with rows and columns, so {pooling!r} does "
            f"not fit it. Expected {', '.join(_OF_TOKENS)}."
        )
    if output.sides is not None and pooling == "grid2" and min(output.sides) < 2:
        height, width = output.sides
        raise InputError(
            f"The map of stage {output.name!r} of {backbone} is {height} x {width} pixels, too small for 2 x 2 cells. "
            "Choose an earlier stage or a larger --input-size."
        )


def standard_blocks(outputs: tuple[StageOutput, ...]) -> tuple[FeatureBlock, ...]:
    """Mean and max of every stage: what every pass for blocks computes, whichever of them are asked for."""
    pooled = [output for output in outputs if not output.is_flat]
    return tuple(FeatureBlock(output.name, pooling) for output in pooled for pooling in POOLINGS[:2])


MIN_STRIDE: Final = 8
MAX_PER_STRIDE: Final = 2


def multi_blocks(outputs: tuple[StageOutput, ...], *, backbone: str) -> tuple[FeatureBlock, ...]:
    """Blocks of ``multi``: mean and max of the last two stages of every stride from 8 up.

    Stages that look at every place by itself are left out: a convolution of one pixel before the pooling, transitions,
    a last normalisation. Of EfficientNet-Lite0 these are blocks 3 to 7, of a ResNet its last three layers, of a
    transformer its last two blocks. Where a network has no such stage, its last one with a map stands alone.

    Parameters
    ----------
    outputs : tuple of StageOutput
    backbone : str
        For errors.

    Raises
    ------
    InputError
        When no stage gives a map or tokens.
    """
    pooled = [output for output in outputs if not output.is_flat]
    if not pooled:
        raise InputError(
            f"No stage of {backbone} gives a map, so it has no blocks to choose from. Use --features last."
        )
    by_stride: dict[int | None, list[StageOutput]] = {}
    for output in pooled:
        if not output.is_pointwise and (output.stride is None or output.stride >= MIN_STRIDE):
            by_stride.setdefault(output.stride, []).append(output)
    chosen = {output.name for same in by_stride.values() for output in same[-MAX_PER_STRIDE:]} or {pooled[-1].name}
    return standard_blocks(tuple(output for output in pooled if output.name in chosen))
