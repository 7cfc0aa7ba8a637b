"""A family of backbones is one registration: a toy of this file is listed, loads, and shows its stages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from headstart.backbones import families
from headstart.backbones.backbone import load_backbone
from headstart.backbones.build import build
from headstart.backbones.describe import list_backbones
from headstart.backbones.entry import Entry, Pixels
from headstart.backbones.families import key_layout, register_backbone
from headstart.backbones.registry import ENTRIES, find_entry
from headstart.backbones.stages import StageLayout
from headstart.backbones.weights.key_mapping import translate
from headstart.cli.main import main
from headstart.data.image_resize import ImageResize
from headstart.engines.engine import reference_engine
from headstart.features.extractor import Extractor

SIDE = 32


class ToyNetwork(nn.Module):
    """Two convolutions, a mean over space, ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.fc = nn.Linear(6, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.fc(self.second(self.first(images)).mean(dim=(2, 3))))


TOY = Entry(
    name="toy",
    library="toys",
    library_name="toy",
    family="Toy",
    year=2026,
    paper="",
    n_parameters=3 * 4 * 9 + 4 + 4 * 6 * 9 + 6 + 6 * 10 + 10,
    multiply_adds=None,
    input_size=SIDE,
    feature_width=6,
    licence="none",
    build=ToyNetwork,
    pixels=Pixels((SIDE, SIDE), "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 1.0),
)


class _Mean(nn.Module):
    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.mean(dim=(2, 3))


def _drop(network: Any) -> None:
    network.fc = nn.Identity()


@pytest.fixture
def toy() -> Iterator[str]:
    """Name of the toy, registered as a family's own file registers its networks."""
    before = dict(families._NETWORKS), list(families._KEY_LAYOUTS)

    @register_backbone(
        TOY,
        network=(__name__.partition(".")[0], "ToyNetwork"),
        key_layouts=[key_layout("toy shop", (r"shelf\.", "first."))],
    )
    def toy_layout(network: Any) -> StageLayout:
        classifier = nn.Sequential(_Mean(), network.fc)
        return StageLayout([("first", network.first), ("second", network.second)], _Mean(), classifier, _drop)

    yield TOY.name
    del ENTRIES[TOY.name]
    families._NETWORKS.clear()
    families._NETWORKS.update(before[0])
    families._KEY_LAYOUTS[:] = before[1]


def test_a_registered_toy_is_listed_with_its_facts(toy: str) -> None:
    assert find_entry(toy) is TOY
    assert list_backbones()[-1]["name"] == toy  # the newest family
    shown = CliRunner().invoke(main, ["backbones"])
    assert shown.exit_code == 0
    assert toy in shown.output


def test_a_registered_toy_shows_its_stages(toy: str) -> None:
    shown = CliRunner().invoke(main, ["backbones", "show", toy, "--json"])
    facts = json.loads(shown.output)
    assert facts["natural"]
    assert [stage["name"] for stage in facts["stages"]] == ["first", "second"]
    assert [stage["output_shape"] for stage in facts["stages"]] == [[4, 16, 16], [6, 8, 8]]
    assert facts["stages"][0]["multiply_adds"] == 16 * 16 * 3 * 4 * 9


def test_a_registered_toy_gives_the_features_of_its_own_network(toy: str) -> None:
    backbone = load_backbone(toy, weights="random", seed=7)
    network: Any = build(TOY, seed=7)
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    found = Extractor(backbone, ImageResize((SIDE, SIDE)), reference_engine()).compute(pixels)
    with torch.inference_mode():
        maps = network.second(network.first(backbone.normalise(pixels, torch.device("cpu"))))
    np.testing.assert_allclose(found, maps.mean(dim=(2, 3)).numpy(), atol=1e-6)


def test_other_names_of_a_registered_toys_tensors_are_understood(toy: str) -> None:
    own = build(TOY).state_dict()
    foreign = {name.replace("first.", "shelf."): tensor for name, tensor in own.items()}
    translated = translate(foreign, own, classifier="fc")
    assert translated.layout == "toy shop"
    assert list(translated.state) == list(own)
