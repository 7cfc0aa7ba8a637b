"""Activation maps: each equals the stage's own output, the strongest first, from the first stage to the last."""

from __future__ import annotations

from typing import Any

import helpers
import numpy as np
import pytest
import torch
from PIL import Image

from headstart.backbones.backbone import Backbone, load_backbone
from headstart.errors import InputError
from headstart.explain.activation import activation_maps, activation_page, stages_with_maps

SIDE = 48


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("test_resnet", weights="random")


def pixels(n_images: int = 2) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (n_images, SIDE, SIDE, 3), dtype=np.uint8)


def test_maps_are_the_outputs_of_the_stages(backbone: Backbone) -> None:
    images = pixels()
    found = list(activation_maps(backbone, images, n_channels=3))
    assert len(found) == 2
    with torch.inference_mode():
        given = backbone.normalise(images[:1], torch.device("cpu"))
        for name, stage in zip(stages_with_maps(backbone, (SIDE, SIDE)), found[0], strict=True):
            output = backbone.staged.forward_features(given, until=name)[0].numpy()
            assert (stage.stage, stage.n_channels) == (name, len(output))
            np.testing.assert_allclose(stage.maps, output[stage.channels], rtol=1e-6, atol=1e-6)


def test_the_strongest_channels_vary_most_and_come_first(backbone: Backbone) -> None:
    (stages,) = activation_maps(backbone, pixels(1), n_channels=10_000)
    for stage in stages:
        spread = stage.maps.reshape(stage.n_channels, -1).std(axis=1)
        assert (np.diff(spread) <= 1e-7).all()
        assert sorted(stage.channels.tolist()) == list(range(stage.n_channels))
        np.testing.assert_allclose(stage.strengths, spread, rtol=1e-5)


def test_stages_asked_for_come_in_the_order_of_the_network(backbone: Backbone) -> None:
    names = stages_with_maps(backbone, (SIDE, SIDE))
    (found,) = activation_maps(backbone, pixels(1), stages=(names[2], names[0]))
    assert [stage.stage for stage in found] == [names[0], names[2]]


def test_an_image_is_the_same_in_any_company(backbone: Backbone) -> None:
    images = pixels(3)
    together = list(activation_maps(backbone, images, n_channels=2))
    for image, stages in zip(images, together, strict=True):
        (alone,) = activation_maps(backbone, image[None], n_channels=2)
        assert [one.maps.tobytes() for one in alone] == [one.maps.tobytes() for one in stages]


def test_patches_of_a_transformer_lie_as_in_the_picture() -> None:
    vit = load_backbone("test_vit", weights="random")
    height, width = vit.input_size
    image = np.zeros((1, height, width, 3), dtype=np.uint8)
    image[:, : height // 2, : width // 2] = 255
    (stages,) = activation_maps(vit, image, stages=("embedding",), n_channels=1)
    rows, columns = stages[0].maps.shape[1:]
    assert rows == columns
    bright = stages[0].maps[0][: rows // 2, : columns // 2]
    rest = stages[0].maps[0][rows // 2 + 1 :]
    assert abs(bright.mean() - rest.mean()) > 0


def test_stages_that_are_not_there_or_see_no_places_are_refused(backbone: Backbone) -> None:
    with pytest.raises(InputError, match=r"Unknown stage 'layer9'\. Did you mean 'layer"):
        next(activation_maps(backbone, pixels(1), stages=("layer9",)))
    small = pixels(1)[:, :32, :32]
    with pytest.raises(InputError, match=r"has no map: it sees the picture as a whole\. Stages that have one: stem"):
        next(activation_maps(backbone, small, stages=(backbone.staged.names[-1],)))
    with pytest.raises(InputError, match="0 channels of a stage cannot be shown"):
        next(activation_maps(backbone, pixels(1), n_channels=0))


def test_the_page_shows_a_row_a_stage_and_is_the_same_every_time(backbone: Backbone) -> None:
    image = helpers.noise(1)[0]
    (stages,) = activation_maps(backbone, pixels(1), n_channels=3)
    pages = [activation_page(Image.fromarray(image), stages, title="an image") for _ in range(2)]
    assert pages[0].tobytes() == pages[1].tobytes()
    fewer = activation_page(Image.fromarray(image), stages[:1], title="an image")
    assert pages[0].height > fewer.height
    assert pages[0].width == fewer.width
