"""Backbones: weights that fit or are refused, nothing executed, the same network restored, the broken torchvision."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import helpers
import numpy as np
import pytest
import torch
import warm

from headstart.backbones.backbone import Backbone, load_backbone, restore_backbone
from headstart.backbones.build import build
from headstart.backbones.describe import list_backbones
from headstart.backbones.lazy_imports import import_timm
from headstart.backbones.registry import ENTRIES, find_entry
from headstart.errors import InputError, WeightsError


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return dict(build(find_entry(helpers.BACKBONE), seed=7).state_dict())


@pytest.fixture
def images() -> np.ndarray:
    return helpers.noise(3, side=28)[:, :, :28]


def features(backbone: Backbone, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return backbone.module(backbone.normalise(images, torch.device("cpu"))).numpy()


# The broken torchvision -----------------------------------------------------------------------------------------------

TRAP = """
import sys
from headstart.backbones.lazy_imports import import_timm
from headstart.backbones.build import build
timm = import_timm()
import torchvision
assert timm.is_model("resnet18")
print(getattr(torchvision._meta_registrations, "__file__", None) is None, torchvision.__path__[0])
"""


def python(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process that has loaded torch but no torchvision, with folders before all others on its path."""
    first = f"import sys; sys.path[:0] = {[str(path) for path in paths]!r}\n"
    return warm.run(first + "assert 'torchvision' not in sys.modules\n" + code)


def test_timm_loads_beside_a_torchvision_whose_operators_cannot(tmp_path: Path) -> None:
    installed = Path(next(iter(importlib.util.find_spec("torchvision").submodule_search_locations)))
    broken = tmp_path / "torchvision"
    shutil.copytree(installed, broken, ignore=shutil.ignore_patterns("*.so", "*.pyd", "*.dylib", "*.dll", "*.dist"))
    (broken / "_C.so").write_bytes(b"made for another torch")
    plain = python("import torchvision", tmp_path)
    assert plain.returncode != 0
    assert "torchvision::nms does not exist" in plain.stderr
    mended = python(TRAP, tmp_path)
    assert mended.stdout.split() == ["True", str(broken)], mended.stderr


def test_the_empty_module_is_placed_only_where_operators_cannot_load() -> None:
    works = python("import torchvision").returncode == 0
    found = python(TRAP)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split()[0] == str(not works)


def test_an_import_of_torchvision_by_the_caller_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import_timm()
    monkeypatch.delitem(sys.modules, "torchvision._meta_registrations")
    import_timm()
    assert "torchvision._meta_registrations" not in sys.modules


# The compiler, loaded where something is compiled ---------------------------------------------------------------------

DEFERRED = """
import sys
from headstart.backbones.lazy_imports import import_timm
assert "torch._dynamo" not in sys.modules
timm = import_timm()
import torch
from headstart.backbones.complexity import count_multiply_adds
network, image = timm.create_model("test_vit").eval(), torch.zeros(1, 3, 160, 160)
found, _ = count_multiply_adds(network, image)
assert not any(name.startswith("torch._dynamo") for name in sys.modules)

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
    network(image)
assert found == counter.get_total_flops() // 2
from timm.models.naflexvit import NaFlexRopeIterator

rows = object.__new__(NaFlexRopeIterator)
rows.depth = 0
assert list(rows) == []  # marks its method as not to be compiled
assert isinstance(sys.modules["torchvision.ops.roi_align"].is_compile_supported("cpu"), bool)
real = sys.modules["torch._dynamo"]
assert real.__file__ and torch._dynamo is real
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)) == 2
"""
ASKS = """
import torch
assert torch._dynamo.__dict__.get("__file__") is None
assert torch._dynamo.is_compiling() is False
import sys
assert sys.modules["torch._dynamo"].__file__
"""
LOADED = """
import sys
from headstart.backbones.lazy_imports import import_timm
assert "torch._dynamo" not in sys.modules
assert import_timm().__file__.startswith(sys.path[0])
import torch._dynamo
assert torch._dynamo.__file__ and torch._dynamo.utils.__file__
"""
MEANWHILE = """
import importlib.util, sys
import torch
import headstart.backbones.lazy_imports as lazy
with lazy._compiler_deferred():
    assert importlib.util.find_spec("torch._dynamo").name == "torch._dynamo"
    marked = lazy._never_compiled(lambda x: x + 1)
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
torch.optim.SGD([weight], lr=0.1).step()
assert marked(1) == 2 and marked(2) == 3
assert sys.modules["torch._dynamo"].__file__
"""


def test_opening_a_network_does_not_load_the_compiler_which_is_found_when_it_is_used() -> None:
    found = python(DEFERRED)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("code", [ASKS, "import torch._dynamo.config"])
def test_a_timm_that_asks_the_compiler_for_more_gets_the_real_one(code: str, tmp_path: Path) -> None:
    (tmp_path / "timm.py").write_text(code)
    found = python(LOADED, tmp_path)
    assert found.returncode == 0, found.stderr


def test_another_thread_may_train_while_timm_is_imported() -> None:
    found = python(MEANWHILE)
    assert found.returncode == 0, found.stderr


# Networks -------------------------------------------------------------------------------------------------------------


def test_features_are_the_mean_of_the_last_map(images: np.ndarray) -> None:
    backbone = load_backbone(helpers.BACKBONE, weights="random", seed=3)
    network = build(find_entry(helpers.BACKBONE), seed=3)
    scaled = (images / 255.0 - np.array(backbone.mean)) / np.array(backbone.std)
    with torch.inference_mode():
        maps = network.forward_features(torch.from_numpy(scaled.transpose(0, 3, 1, 2)).float())
    found = features(backbone, images)
    assert found.shape == (3, backbone.feature_width)
    np.testing.assert_allclose(found, maps.mean(dim=(2, 3)).numpy(), atol=1e-5)


@pytest.mark.parametrize("name", ["test_vit", "test_mambaout", "test_efficientnet", "test_convnext"])
def test_every_layout_of_maps_gives_one_row_per_image(name: str) -> None:
    backbone = load_backbone(name, weights="random")
    side = backbone.input_size[0]
    found = features(backbone, helpers.noise(2, side=side)[:, :, :side])
    assert found.shape == (2, backbone.feature_width)
    assert np.isfinite(found).all()
    assert np.abs(found[0] - found[1]).max() > 0


def test_a_frozen_network_neither_learns_nor_drops() -> None:
    module = load_backbone("test_efficientnet", weights="random").module
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert not any(part.training for part in module.modules())


def test_random_weights_are_seeded_and_leave_torch_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first, again, other = (load_backbone(helpers.BACKBONE, weights="random", seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.rand(1), expected)
    assert first.tensors_sha256 == again.tensors_sha256 != other.tensors_sha256
    assert first.weights.sha256 == again.weights.sha256 != other.weights.sha256
    assert first.weights.source == "random (seed 5)"


@pytest.mark.parametrize("name", [helpers.BACKBONE, "test_efficientnet", "test_vit"])
def test_restored_equals_original(name: str) -> None:
    original = load_backbone(name, weights="random", seed=9)
    restored = restore_backbone(name, original.state(), original.weights, source="bundle")
    side = original.input_size[0]
    images = helpers.noise(2, side=side)[:, :, :side]
    assert features(restored, images).tobytes() == features(original, images).tobytes()
    assert restored.tensors_sha256 == original.tensors_sha256
    assert (restored.mean, restored.std, restored.weights) == (original.mean, original.std, original.weights)


def test_restoring_foreign_tensors_is_refused() -> None:
    original = load_backbone(helpers.BACKBONE, weights="random")
    with pytest.raises(WeightsError, match=r"bundle: the weights do not fit this network"):
        restore_backbone("test_efficientnet", original.state(), original.weights, source="bundle")


def test_unknown_name_lists_the_close_matches() -> None:
    expected = (
        r"Unknown backbone 'eficientnet_lite0'\. Did you mean 'efficientnet_lite0', .*`headstart backbones` lists"
    )
    with pytest.raises(InputError, match=expected) as caught:
        load_backbone("eficientnet_lite0")
    assert len(str(caught.value)) < 250  # not timm's whole list


def test_list_says_where_weights_come_from() -> None:
    rows = {row["name"]: row for row in list_backbones()}
    assert set(rows) == set(ENTRIES)
    for name, row in rows.items():
        shipped = ENTRIES[name].shipped_weights() is not None
        assert row["weights"] == ("shipped" if shipped else "downloadable")
