"""How each family of networks falls into stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

from headstart.backbones.families.generic import prove_layout
from headstart.backbones.layout import LibraryHead, SpatialMean, StageLayout, Stages, reset_classifier, sequence


def lay_out(network: nn.Module, *, dense: bool = False) -> StageLayout:
    """Stages of a network, by its family; of an unknown one by its parts, if these prove to be a chain.

    Parameters
    ----------
    network : torch.nn.Module
        Of timm, or AlexNet or GoogLeNet of torchvision, with its original classifier.
    dense : bool
        Count the old dense layers of AlexNet and VGG among the stages.
    """
    library, kind = type(network).__module__.partition(".")[0], type(network).__name__
    if (library, kind) in _WHOLE:
        return _WHOLE[library, kind](network, dense)
    if (library, kind) in _FAMILIES:
        return StageLayout(
            _FAMILIES[library, kind](network), SpatialMean(), LibraryHead(network), _drop_timm_classifier
        )
    return prove_layout(network)


def _drop_timm_classifier(network: Any) -> None:
    network.reset_classifier(0)
    if getattr(network, "AuxLogits", None) is not None:  # Inception-v3 built with its auxiliary classifier
        network.AuxLogits, network.aux_logits = None, False


def _groups(modules: Iterable[nn.Module], *, ends: type[nn.Module]) -> Iterator[nn.Sequential]:
    """Modules in groups that each end with a module of the given kind; what follows the last makes one more."""
    group: list[nn.Module] = []
    for module in modules:
        group.append(module)
        if isinstance(module, ends):
            yield nn.Sequential(*group)
            group = []
    if group:
        yield nn.Sequential(*group)


def _alexnet(network: Any, dense: bool) -> StageLayout:
    """Five stages, one for each convolution with its ReLU and, where one follows, its pooling."""
    starts = [place for place, module in enumerate(network.features) if isinstance(module, nn.Conv2d)]
    ends = [*starts[1:], len(network.features)]
    parts = [network.features[first:last] for first, last in zip(starts, ends, strict=True)]
    stages: Stages = [(f"conv{number}", part) for number, part in enumerate(parts, 1)]
    before = [network.avgpool, nn.Flatten()]
    if dense:
        stages.append(("fc", nn.Sequential(*before, *network.classifier[:6])))
        return StageLayout(stages, SpatialMean(), nn.Sequential(network.classifier[6]), _drop_alexnet_logits)
    return StageLayout(stages, SpatialMean(), nn.Sequential(*before, network.classifier), _drop_alexnet_classifier)


def _drop_alexnet_logits(network: Any) -> None:
    network.classifier = network.classifier[:6]


def _drop_alexnet_classifier(network: Any) -> None:
    network.classifier = nn.Identity()


def _googlenet(network: Any, dense: bool) -> StageLayout:
    """Stages named as in Table 1 of the paper; the pooling before 4a and 5a belongs to these."""
    stem = sequence(network, "conv1 maxpool1 conv2 conv3 maxpool2")
    if network.transform_input:
        stem.insert(0, _TransformInput(network))
    stages: Stages = [("stem", stem)]
    for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        pooling = {"4a": "maxpool3 ", "5a": "maxpool4 "}.get(name, "")
        stages.append((f"inception{name}", sequence(network, f"{pooling}inception{name}")))
    classifier = nn.Sequential(network.avgpool, nn.Flatten(), network.dropout, network.fc)
    return StageLayout(stages, SpatialMean(), classifier, _drop_googlenet_classifiers)


class _TransformInput(nn.Module):
    """torchvision's change of normalisation, for a GoogLeNet that was built with it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        object.__setattr__(self, "network", network)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        network: Any = self.network
        return torch.as_tensor(network._transform_input(images))


def _drop_googlenet_classifiers(network: Any) -> None:
    network.fc = nn.Identity()
    network.aux_logits, network.aux1, network.aux2 = False, None, None


def _vgg(network: Any, dense: bool) -> StageLayout:
    """Blocks of convolutions, each with the pooling that ends it."""
    blocks = _groups(network.features, ends=nn.MaxPool2d)
    stages: Stages = [(f"block{number}", block) for number, block in enumerate(blocks, 1)]
    if dense:
        return StageLayout([*stages, ("fc", network.pre_logits)], SpatialMean(), network.head, reset_classifier)
    return StageLayout(stages, SpatialMean(), LibraryHead(network), _drop_vgg_dense_layers)


def _drop_vgg_dense_layers(network: Any) -> None:
    network.reset_classifier(0)
    network.pre_logits = nn.Identity()


def _resnet(network: Any) -> Stages:
    layers = [(f"layer{number}", getattr(network, f"layer{number}")) for number in range(1, 5)]
    return [("stem", sequence(network, "conv1 bn1 act1 maxpool")), *layers]


def _densenet(network: Any) -> Stages:
    """Dense blocks and the transitions between them; the norm and ReLU after the last block belong to that."""
    parts = dict(network.features.named_children())
    first = list(parts).index("denseblock1")
    stem, rest = list(parts.values())[:first], list(parts.items())[first:]
    last_block, last_norm = rest[-2], rest[-1]
    stages: Stages = [("stem", nn.Sequential(*stem)), *rest[:-2]]
    return [*stages, (last_block[0], nn.Sequential(last_block[1], last_norm[1]))]


def _xception(network: Any) -> Stages:
    """The 14 modules of the paper's Figure 5: two plain convolutions, twelve residual blocks, two separable ones."""
    blocks = [(f"module{number + 1}", getattr(network, f"block{number}")) for number in range(1, 13)]
    first = sequence(network, "conv1 bn1 act1 conv2 bn2 act2")
    return [("module1", first), *blocks, ("module14", sequence(network, "conv3 bn3 act3 conv4 bn4 act4"))]


def _inception_v3(network: Any) -> Stages:
    mixed = [name for name in network.layer_names if name.startswith("Mixed")]
    stem = network.layer_names[: network.layer_names.index(mixed[0])]
    return [("stem", sequence(network, " ".join(stem))), *((name.lower(), getattr(network, name)) for name in mixed)]


def _inception_v4(network: Any) -> Stages:
    kinds = [("inception_a", 4), ("reduction_a", 1), ("inception_b", 7), ("reduction_b", 1), ("inception_c", 3)]
    names = [f"{kind}{number}" if many > 1 else kind for kind, many in kinds for number in range(1, many + 1)]
    stem, rest = network.features[:6], network.features[6:]
    return [("stem", stem), *zip(names, rest, strict=True)]


def _inception_resnet_v2(network: Any) -> Stages:
    return [
        ("stem", sequence(network, "conv2d_1a conv2d_2a conv2d_2b maxpool_3a conv2d_3b conv2d_4a maxpool_5a")),
        ("mixed_5b", network.mixed_5b),
        ("block35", network.repeat),
        ("mixed_6a", network.mixed_6a),
        ("block17", network.repeat_1),
        ("mixed_7a", network.mixed_7a),
        ("block8", sequence(network, "repeat_2 block8")),
        ("conv2d_7b", network.conv2d_7b),
    ]


def _efficientnet(network: Any) -> Stages:
    blocks = [(f"block{number}", block) for number, block in enumerate(network.blocks, 1)]
    return [("stem", sequence(network, "conv_stem bn1")), *blocks, ("conv_head", sequence(network, "conv_head bn2"))]


_WHOLE: dict[tuple[str, str], Callable[[Any, bool], StageLayout]] = {
    ("torchvision", "AlexNet"): _alexnet,
    ("torchvision", "GoogLeNet"): _googlenet,
    ("timm", "VGG"): _vgg,
}
_FAMILIES: dict[tuple[str, str], Callable[[Any], Stages]] = {
    ("timm", "ResNet"): _resnet,
    ("timm", "DenseNet"): _densenet,
    ("timm", "Xception"): _xception,
    ("timm", "InceptionV3"): _inception_v3,
    ("timm", "InceptionV4"): _inception_v4,
    ("timm", "InceptionResnetV2"): _inception_resnet_v2,
    ("timm", "EfficientNet"): _efficientnet,
}
