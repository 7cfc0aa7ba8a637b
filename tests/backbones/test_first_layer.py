"""Networks for another number of channels than three."""

from __future__ import annotations

import helpers
import numpy as np
import pytest
import torch

from headstart.backbones.backbone import load_backbone, restore_backbone
from headstart.backbones.first_layer import adapt_first_layer
from headstart.backbones.lazy_imports import import_timm
from headstart.errors import InputError


@pytest.mark.parametrize("n_channels", [1, 2, 4, 7])
def test_the_first_layer_is_what_timm_itself_builds(n_channels: int) -> None:
    state = load_backbone(helpers.BACKBONE, weights="random", seed=3).module.state_dict()
    first = next(name for name, tensor in state.items() if tensor.ndim == 4)
    adapted = load_backbone(helpers.BACKBONE, weights="random", seed=3, n_channels=n_channels)
    expected = import_timm().models.adapt_input_conv(n_channels, state[first])
    found = adapted.module.state_dict()
    assert torch.equal(found.pop(first), expected)
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())


def test_a_grey_picture_on_all_channels_is_seen_as_by_three() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), dtype=np.uint8)
    cpu = torch.device("cpu")
    plain = load_backbone(helpers.BACKBONE, weights="random")
    expected = plain.module(plain.normalise(np.repeat(pixels, 3, axis=3), cpu))
    for n_channels in (1, 6):
        adapted = load_backbone(helpers.BACKBONE, weights="random", n_channels=n_channels)
        found = adapted.module(adapted.normalise(np.repeat(pixels, n_channels, axis=3), cpu))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_mean_and_deviation_go_in_step_with_the_weights() -> None:
    plain = load_backbone("densenet121", weights="random")
    adapted = load_backbone("densenet121", weights="random", n_channels=4)
    assert adapted.mean == (*plain.mean, plain.mean[0]) and adapted.std == (*plain.std, plain.std[0])
    assert adapted.n_channels == 4 and adapted.staged.describe((32, 32))[0].name == plain.staged.names[0]
    assert adapted.tensors_sha256 != plain.tensors_sha256


def test_a_bundles_tensors_come_back_with_their_channels() -> None:
    adapted = load_backbone(helpers.BACKBONE, weights="random", n_channels=5)
    again = restore_backbone(adapted.name, adapted.state(), adapted.weights, source="model", n_channels=5)
    assert again.tensors_sha256 == adapted.tensors_sha256 and again.mean == adapted.mean


def test_networks_without_such_a_layer_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"'toy' has no first convolution that could take 4 channels\. Choose three"):
        adapt_first_layer(torch.nn.Linear(3, 3), 4, name="toy")


def test_networks_that_look_at_red_green_and_blue_one_by_one_are_refused_by_name() -> None:
    from headstart.backbones.first_layer import check_adapted

    class ByColour(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images[:, 2]

    with pytest.raises(InputError, match=r"'toy' cannot take 2 channels \(index 2 is out of bounds"):
        check_adapted(ByColour(), 2, (8, 8), name="toy")
