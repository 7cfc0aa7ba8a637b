"""Maps of toy networks, worked out by hand, and by captum where it has the method."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from toy_network import logistic_head, model_of, toy_backbone

from headstart.explain import explain
from headstart.explain.input_grid import on_input_grid
from headstart.model import Model

COEFFICIENTS = [[0.5, -1.0], [-1.5, 2.0]]
MEAN, INVERSE_SCALE = np.array([0.3, -0.2]), np.array([2.0, 0.5])
IMAGES = np.random.default_rng(4).integers(0, 256, size=(2, 4, 4, 3), dtype=np.uint8)


@pytest.fixture
def model() -> Model:
    return model_of(toy_backbone(), logistic_head(COEFFICIENTS, mean=MEAN, inverse_scale=INVERSE_SCALE))


def first_map(image: np.ndarray) -> np.ndarray:
    """Output (2, 4, 4) of the first stage."""
    colours = image.astype(np.float64) / 127.5 - 1.0
    mixed = colours @ np.array([[1.0, -0.5, 0.0], [0.25, 0.0, 1.0]]).T + [0.1, -0.2]
    return mixed.transpose(2, 0, 1)


def second_map(image: np.ndarray) -> np.ndarray:
    """Output (2, 2, 2) of the second."""
    return np.maximum(first_map(image), 0).reshape(2, 2, 2, 2, 2).mean(axis=(2, 4))


def coefficients(target: int) -> np.ndarray:
    """Weight of every feature in the score of a class less that of the other."""
    return (np.array(COEFFICIENTS[target]) - COEFFICIENTS[1 - target]) * INVERSE_SCALE


@pytest.mark.parametrize("target", [0, 1])
def test_sharp_map(model: Model, target: int) -> None:
    found = explain(model, IMAGES, target="ab"[target], stage="first")
    for image, values in zip(IMAGES, found.maps, strict=True):
        output = first_map(image)
        gradient = coefficients(target)[:, None, None] * (output > 0) / 16
        np.testing.assert_allclose(values, 16 * (np.maximum(gradient, 0) * output).sum(axis=0), atol=1e-6)


@pytest.mark.parametrize("target", [0, 1])
def test_exact_map(model: Model, target: int) -> None:
    found = explain(model, IMAGES, target="ab"[target], method="exact")
    for row, image in enumerate(IMAGES):
        shares = coefficients(target)[:, None, None] * (second_map(image) - MEAN[:, None, None])
        expected = shares.sum(axis=0)
        np.testing.assert_allclose(found.maps[row], on_input_grid(expected[None], (4, 4))[0], atol=1e-6)
        assert found.attributed[row] == pytest.approx(expected.mean(), abs=1e-6)
        assert found.references[row] == pytest.approx(0.1 if target else -0.1)
    assert (found.distances < 1e-9).all()


def test_interpolation_by_hand() -> None:
    found = on_input_grid(np.array([[[0.0, 4.0]]]), (1, 4))
    np.testing.assert_allclose(found[0, 0], [0, 1, 3, 4])


def test_occlusion_map(model: Model) -> None:
    found = explain(model, IMAGES[:1], target="a", method="occlusion")
    image = IMAGES[0].astype(np.float64) / 127.5 - 1.0
    colour = image.mean(axis=(0, 1))

    def score(pixels: np.ndarray) -> float:
        features = np.maximum(first_map((pixels + 1) * 127.5), 0).mean(axis=(1, 2))
        return float(coefficients(0) @ (features - MEAN)) - 0.1

    assert found.scores[0] == pytest.approx(score(image), abs=1e-6)
    corner = np.zeros((4, 4))
    for down in (slice(0, 1), slice(0, 2)):
        for along in (slice(0, 1), slice(0, 2)):
            covered = image.copy()
            covered[down, along] = colour
            corner[0, 0] += (score(image) - score(covered)) * 16 / (down.stop * along.stop) / 4
    assert found.maps[0, 0, 0] == pytest.approx(corner[0, 0], abs=1e-5)


class Scored(torch.nn.Module):
    """The whole toy as captum takes it: images to the scores of two classes."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.features = model.backbone.module
        self.first = model.backbone.staged.stages[0].module
        self.weights = torch.from_numpy(np.stack([coefficients(0), coefficients(1)])).float()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (self.features(images) - torch.tensor(MEAN, dtype=torch.float32)) @ self.weights.T


@pytest.mark.parametrize("target", [0, 1])
def test_captum_has_the_same_integrated_gradients(model: Model, target: int) -> None:
    found = explain(model, IMAGES, target="ab"[target], method="integrated-gradients")
    images = model.backbone.normalise(IMAGES, torch.device("cpu"))
    theirs = captum.attr.IntegratedGradients(Scored(model)).attribute(
        images, target=target, n_steps=32, method="gausslegendre"
    )
    np.testing.assert_allclose(found.maps, 16 * theirs.sum(dim=1).numpy(), atol=1e-5)


def test_captum_has_the_same_gradient_times_output(model: Model) -> None:
    """Where no gradient is negative LayerCAM is the gradient times the output."""
    head = logistic_head([[0.5, 1.0], [-0.5, 0.0]], mean=MEAN)
    found = explain(model_of(model.backbone, head), IMAGES, target="a", stage="first")
    whole = Scored(model)
    whole.weights = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    images = model.backbone.normalise(IMAGES, torch.device("cpu"))
    theirs = captum.attr.LayerGradientXActivation(whole, whole.first).attribute(images, target=0)
    np.testing.assert_allclose(found.maps, 16 * theirs.detach().sum(dim=1).numpy(), atol=1e-5)
