"""AlexNet, in torchvision's one-column variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.backbones.entry import TORCH_FILES, Entry, Pixels
from headstart.backbones.families import register_backbone

if TYPE_CHECKING:
    from torch import nn

    from headstart.backbones.stages import StageLayout, Stages


def _build() -> Any:
    from headstart.backbones.lazy_imports import import_torchvision

    return import_torchvision().models.get_model("alexnet", weights=None)


ALEXNET = Entry(
    name="alexnet",
    library="torchvision",
    library_name="alexnet",
    family="AlexNet",
    year=2012,
    paper="Krizhevsky et al. 2012, doi:10.1145/3065386; this one-column variant: Krizhevsky 2014, arXiv:1404.5997",
    n_parameters=61_100_840,
    multiply_adds=714_188_480,
    input_size=224,
    feature_width=256,
    licence="bsd-3-clause",
    weights_url=f"{TORCH_FILES}alexnet-owt-7be5be79.pth",
    sha256_prefix="7be5be79",
    build=_build,
    pixels=Pixels((224, 224), "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224 / 256),
)


def _dense_layout(network: Any) -> StageLayout:
    """The convolutional stages, and the two dense layers before the logits as one more."""
    from torch import nn

    from headstart.backbones.parts import SpatialMean
    from headstart.backbones.stages import StageLayout

    dense = nn.Sequential(network.avgpool, nn.Flatten(), *network.classifier[:6])
    stages: Stages = [*_convolutions(network), ("fc", dense)]
    return StageLayout(stages, SpatialMean(), nn.Sequential(network.classifier[6]), _drop_logits)


@register_backbone(ALEXNET, network=("torchvision", "AlexNet"), dense_split=_dense_layout, dense_width=4096)
def alexnet_layout(network: Any) -> StageLayout:
    """Five stages, one for each convolution with its ReLU and, where one follows, its pooling."""
    from torch import nn

    from headstart.backbones.parts import SpatialMean
    from headstart.backbones.stages import StageLayout

    classifier = nn.Sequential(network.avgpool, nn.Flatten(), network.classifier)
    return StageLayout(_convolutions(network), SpatialMean(), classifier, _drop_classifier)


def _convolutions(network: Any) -> list[tuple[str, nn.Module]]:
    from torch import nn

    starts = [place for place, module in enumerate(network.features) if isinstance(module, nn.Conv2d)]
    ends = [*starts[1:], len(network.features)]
    parts = [network.features[first:last] for first, last in zip(starts, ends, strict=True)]
    return [(f"conv{number}", part) for number, part in enumerate(parts, 1)]


def _drop_logits(network: Any) -> None:
    network.classifier = network.classifier[:6]


def _drop_classifier(network: Any) -> None:
    from torch import nn

    network.classifier = nn.Identity()
