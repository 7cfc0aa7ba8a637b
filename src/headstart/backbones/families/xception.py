"""Xception, the original one of 2016."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.backbones.entry import TIMM_FILES, Entry
from headstart.backbones.families import key_layout, register_backbone

if TYPE_CHECKING:
    from headstart.backbones.stages import StageLayout

FROM_CADENE = key_layout("Cadene", (r"last_linear\.", "fc."))
XCEPTION = Entry(
    name="xception",
    library="timm",
    library_name="legacy_xception.tf_in1k",
    family="Xception",
    year=2016,
    paper="Chollet 2016, arXiv:1610.02357",
    n_parameters=22_855_952,
    multiply_adds=8_357_403_496,
    input_size=299,
    feature_width=2048,
    licence="apache-2.0",
    weights_url=f"{TIMM_FILES}v0.1-cadene/xception-43020ad28.pth",
    sha256_prefix="43020ad28",
)


@register_backbone(XCEPTION, network=("timm", "Xception"), key_layouts=(FROM_CADENE,))
def xception_layout(network: Any) -> StageLayout:
    """The 14 modules of the paper's Figure 5: two plain convolutions, twelve residual blocks, two separable ones."""
    from headstart.backbones.parts import sequence, timm_layout

    first = ("module1", sequence(network, "conv1 bn1 act1 conv2 bn2 act2"))
    blocks = [(f"module{number + 1}", getattr(network, f"block{number}")) for number in range(1, 13)]
    last = ("module14", sequence(network, "conv3 bn3 act3 conv4 bn4 act4"))
    return timm_layout(network, [first, *blocks, last])
