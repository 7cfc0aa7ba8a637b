"""Inception: GoogLeNet and its later versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.backbones.entry import TORCH_FILES, Entry, Pixels, timm_entry
from headstart.backbones.families import key_layout, register_backbone

if TYPE_CHECKING:
    from headstart.backbones.stages import StageLayout, Stages

FROM_CADENE = key_layout("Cadene", (r"last_linear\.", "classif."))
_HALVES = (0.5, 0.5, 0.5)


def _build_googlenet() -> Any:
    from headstart.backbones.lazy_imports import import_torchvision

    return import_torchvision().models.googlenet(weights=None, aux_logits=False, init_weights=True)


GOOGLENET = Entry(
    name="googlenet",
    library="torchvision",
    library_name="googlenet",
    family="Inception",
    year=2014,
    paper="Szegedy et al. 2014, arXiv:1409.4842",
    n_parameters=6_624_904,
    multiply_adds=1_498_376_192,
    input_size=224,
    feature_width=1024,
    licence="bsd-3-clause",
    weights_url=f"{TORCH_FILES}googlenet-1378be20.pth",
    sha256_prefix="1378be20",
    build=_build_googlenet,
    # torchvision turns its own normalisation into this one inside the network (`transform_input`)
    pixels=Pixels((224, 224), "bilinear", _HALVES, _HALVES, 224 / 256),
)
INCEPTION_V3 = timm_entry(
    "inception_v3",
    "inception_v3.tv_in1k",
    family="Inception",
    year=2015,
    paper="Szegedy et al. 2015, arXiv:1512.00567",
    counts=(23_834_568, 5_713_216_096),
    size=299,
    width=2048,
    licence="apache-2.0",
    url=f"{TORCH_FILES}inception_v3_google-1a9a5a14.pth",
    digits="1a9a5a14",
)


def _of_2016(name: str, counts: tuple[int, int]) -> Entry:
    return timm_entry(
        name,
        f"{name}.tf_in1k",
        family="Inception",
        year=2016,
        paper="Szegedy et al. 2016, arXiv:1602.07261",
        counts=counts,
        size=299,
        width=1536,
        licence="apache-2.0",
    )


@register_backbone(GOOGLENET, network=("torchvision", "GoogLeNet"))
def googlenet_layout(network: Any) -> StageLayout:
    """Stages named as in Table 1 of the paper; the pooling before 4a and 5a belongs to these."""
    from torch import nn

    from headstart.backbones.parts import GoogLeNetInput, SpatialMean, sequence
    from headstart.backbones.stages import StageLayout

    stem = sequence(network, "conv1 maxpool1 conv2 conv3 maxpool2")
    if network.transform_input:
        stem.insert(0, GoogLeNetInput(network))
    stages: Stages = [("stem", stem)]
    for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        pooling = {"4a": "maxpool3 ", "5a": "maxpool4 "}.get(name, "")
        stages.append((f"inception{name}", sequence(network, f"{pooling}inception{name}")))
    classifier = nn.Sequential(network.avgpool, nn.Flatten(), network.dropout, network.fc)
    return StageLayout(stages, SpatialMean(), classifier, _drop_googlenet_classifiers)


def _drop_googlenet_classifiers(network: Any) -> None:
    from torch import nn

    network.fc = nn.Identity()
    network.aux_logits, network.aux1, network.aux2 = False, None, None


@register_backbone(INCEPTION_V3, network=("timm", "InceptionV3"))
def inception_v3_layout(network: Any) -> StageLayout:
    """The stem, and every mixed module."""
    from headstart.backbones.parts import sequence, timm_layout

    mixed = [name for name in network.layer_names if name.startswith("Mixed")]
    stem = network.layer_names[: network.layer_names.index(mixed[0])]
    modules = [(name.lower(), getattr(network, name)) for name in mixed]
    return timm_layout(network, [("stem", sequence(network, " ".join(stem))), *modules])


@register_backbone(_of_2016("inception_v4", (42_679_816, 12_253_974_624)), network=("timm", "InceptionV4"))
def inception_v4_layout(network: Any) -> StageLayout:
    """The stem, and every module under the paper's name of its kind."""
    from headstart.backbones.parts import timm_layout

    kinds = [("inception_a", 4), ("reduction_a", 1), ("inception_b", 7), ("reduction_b", 1), ("inception_c", 3)]
    names = [f"{kind}{number}" if many > 1 else kind for kind, many in kinds for number in range(1, many + 1)]
    stem, rest = network.features[:6], network.features[6:]
    return timm_layout(network, [("stem", stem), *zip(names, rest, strict=True)])


@register_backbone(
    _of_2016("inception_resnet_v2", (55_843_464, 13_155_794_016)),
    network=("timm", "InceptionResnetV2"),
    key_layouts=(FROM_CADENE,),
)
def inception_resnet_v2_layout(network: Any) -> StageLayout:
    """The stem, the modules, and each run of equal blocks as one stage."""
    from headstart.backbones.parts import sequence, timm_layout

    stages: Stages = [
        ("stem", sequence(network, "conv2d_1a conv2d_2a conv2d_2b maxpool_3a conv2d_3b conv2d_4a maxpool_5a")),
        ("mixed_5b", network.mixed_5b),
        ("block35", network.repeat),
        ("mixed_6a", network.mixed_6a),
        ("block17", network.repeat_1),
        ("mixed_7a", network.mixed_7a),
        ("block8", sequence(network, "repeat_2 block8")),
        ("conv2d_7b", network.conv2d_7b),
    ]
    return timm_layout(network, stages)
