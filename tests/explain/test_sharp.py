"""Sharp maps of every family of backbones, and what no sharp map can be made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from toy_network import backbone_of, logistic_head, model_of

from headstart.backbones.backbone import Backbone, load_backbone
from headstart.backbones.families.vgg import _dense_layout, vgg_layout
from headstart.backbones.feature_block import FeatureBlock
from headstart.backbones.lazy_imports import import_timm
from headstart.data import ImageResize
from headstart.errors import InputError
from headstart.explain import explain
from headstart.model import FeatureRecipe, Model

FAMILIES: dict[str, tuple[int, str]] = {
    "alexnet": (96, "conv4"),
    "vgg": (64, "block4"),
    "googlenet": (64, "inception4e"),
    "resnet18": (96, "layer3"),
    "xception": (96, "module12"),
    "densenet121": (64, "denseblock3"),
    "efficientnet_lite0": (64, "block5"),
    "inception_v3": (128, "mixed_6e"),
    "test_convnext": (96, "stage3"),
    "test_mambaout": (96, "stage3"),
    "test_nfnet": (96, "stage3"),
    "test_vit": (160, "block5"),
}
"""Side of the input, and the last stage of stride 16; of a transformer the last block but one."""


def narrow_vgg(side: int, width: int, split: Any) -> Backbone:
    """A VGG of few channels: the published ones take seconds to draw weights for."""
    torch.manual_seed(0)
    cfg = [8, "M", 8, "M", 16, "M", 16, "M", 16, "M"]
    whole = import_timm().models.vgg.VGG(cfg=cfg, mlp_ratio=0.01)
    layout = split(whole)
    layout.drop_classifier(whole)
    return backbone_of(whole, layout, side, width)


def network(name: str, side: int) -> Backbone:
    return narrow_vgg(side, 16, vgg_layout) if name == "vgg" else load_backbone(name, weights="random", seed=1)


def model_for(backbone: Backbone, side: int, **changes: Any) -> Model:
    width = backbone.feature_width
    weights = np.random.default_rng(2).standard_normal((2, width)) / np.sqrt(width)
    found = model_of(backbone, logistic_head(weights), **changes)
    return Model(backbone, ImageResize((side, side), interpolation="bilinear"), found.engine, found.head, found.classes)


def patched(side: int, place: int) -> np.ndarray:
    """A flat grey image with a patch of noise, a quarter of the side long, on its diagonal."""
    pixels = np.full((side, side, 3), 128, dtype=np.uint8)
    size = side // 4
    pixels[place : place + size, place : place + size] = np.random.default_rng(3).integers(0, 256, (size, size, 3))
    return pixels


@pytest.mark.parametrize("name", FAMILIES)
def test_maps_of_every_family_move_with_what_is_in_the_image(name: str) -> None:
    side, stage = FAMILIES[name]
    model = model_for(network(name, side), side)
    images = np.stack([patched(side, side // 16), patched(side, side * 11 // 16), np.full((side, side, 3), 128)])
    found = explain(model, images.astype(np.uint8), target="a")
    assert found.stage == stage
    assert found.maps.shape == (3, side, side)
    assert np.isfinite(found.maps).all()
    strength = np.abs(found.maps[:2] - found.maps[2])
    assert strength.max() > 0
    above = strength[:, : side // 2, : side // 2].sum(axis=(1, 2))
    below = strength[:, side // 2 :, side // 2 :].sum(axis=(1, 2))
    assert above[0] * below[1] > above[1] * below[0], "the patch is above on the left, then below on the right"


def test_gradients_go_back_through_dense_layers_that_have_no_map() -> None:
    model = model_for(narrow_vgg(224, 4096, _dense_layout), 224)
    images = np.stack([patched(224, 20)])
    found = explain(model, images, target="a")
    assert found.stage == "block4"
    assert found.maps.any()
    with pytest.raises(InputError, match="Stage 'fc' of toy gives one row of numbers an image, not a map"):
        explain(model, images, stage="fc")
    with pytest.raises(InputError, match="has a single place at 224 x 224 pixels"):
        explain(model, images, method="exact")


def test_a_class_token_knows_no_places() -> None:
    model = model_for(network("test_vit", 160), 160)
    images = np.stack([patched(160, 20)])
    with pytest.raises(InputError, match="not the mean of its last map"):
        explain(model, images, method="exact")
    with pytest.raises(InputError, match="Nothing that comes after stage 'norm' looks at its places"):
        explain(model, images, stage="norm")


def test_earlier_blocks_show_by_their_own_maps() -> None:
    backbone = load_backbone("test_resnet", weights="random", seed=1)
    blocks = (FeatureBlock("layer2", "mean"), FeatureBlock("layer4", "max"))
    widths = [backbone.staged.describe((64, 64))[place].channels for place in (2, 4)]
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((2, sum(widths)))
    images = np.stack([patched(64, 8)])

    def maps(weights: np.ndarray) -> np.ndarray:
        model = model_for(backbone, 64)
        whole = Model(
            backbone,
            model.preparation,
            model.engine,
            logistic_head(weights),
            model.classes,
            features=FeatureRecipe(blocks),
        )
        return explain(whole, images, target="a", stage="layer3").maps

    early, late = weights.copy(), weights.copy()
    early[:, widths[0] :] = 0
    late[:, : widths[0]] = 0
    np.testing.assert_allclose(maps(early) + maps(late), maps(weights), atol=1e-4 * np.abs(maps(weights)).max())
    assert maps(early).any()
