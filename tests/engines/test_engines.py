"""Engines: all equal to the plain forward pass, chosen as said, guarded by parity, kept in run and bundle."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import torch
import warm
from torch import nn

from headstart.backbones.backbone import Backbone, load_backbone
from headstart.data import ImageDataset, ImageResize
from headstart.engines import capabilities, make_runner
from headstart.engines.batch_norm_folding import fold_batch_norms
from headstart.engines.engine import Engine, engine_for, reference_engine
from headstart.engines.fallback import nearest_engine
from headstart.engines.frozen_network import FrozenPass
from headstart.engines.network_cache import MAX_NETWORKS, NetworkCache
from headstart.errors import BundleError, EngineError, InputError, RunError
from headstart.features.cache import FeatureCache
from headstart.features.engine_selection import benchmark as trial
from headstart.features.engine_selection import request, rule, select
from headstart.features.engine_selection.benchmark import CLEARLY_FASTER, fastest, measure_engines
from headstart.features.engine_selection.int8 import accuracy_cost, quantise
from headstart.features.engine_selection.parity import (
    Parity,
    Tolerance,
    compare_features,
    cross_probe,
    probe,
    sample_rows,
)
from headstart.features.engine_selection.request import ASKED, AUTO, EngineRequest
from headstart.features.engine_selection.select import EngineSelector
from headstart.features.extractor import Extractor
from headstart.model import load_model
from headstart.storage import hash_bytes
from headstart.workflow import fit

SIDE = helpers.SIDE
needs_openvino = pytest.mark.skipif(bool(capabilities.openvino_absence()), reason="openvino is not installed")
bf16 = pytest.mark.skipif("bf16" not in capabilities.openvino_precisions(), reason="no bf16 arithmetic here")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(helpers.BACKBONE, weights="random")


@pytest.fixture(scope="module")
def resnet18() -> Backbone:
    return load_backbone("resnet18", weights="random")


def extractor(backbone: Backbone, engine: Engine, side: int = SIDE, **more: Any) -> Extractor:
    return Extractor(backbone, ImageResize((side, side)), engine, **more)


def pixels(n_images: int, side: int = SIDE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n_images, side, side, 3), dtype=np.uint8)


def in_batches(found: Extractor, images: np.ndarray) -> np.ndarray:
    size = found.engine.batch_size
    return np.concatenate([found.compute(images[start : start + size]) for start in range(0, len(images), size)])


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def engine(name: str, precision: str, **changes: Any) -> Engine:
    return engine_for(name, precision, device="cpu", **({"n_threads": 2} | changes))


def labelled(n_images: int = 48, *, seed: int = 0) -> ImageDataset:
    images = helpers.noise(n_images, seed=seed, spread=(10, 60))
    dataset = ImageDataset.from_arrays(images, labels=helpers.labels_of(n_images))
    return dataset.with_hashes([dataset.content_hash(row) for row in range(n_images)])


# Equal to the plain forward pass --------------------------------------------------------------------------------------


def plain_features(backbone: Backbone, images: np.ndarray, stage: str | None = None) -> np.ndarray:
    """The slow, obvious way: one image after the other, nothing folded, fp32."""
    rows = []
    for image in images:
        normal = (image / 255.0 - np.array(backbone.mean)) / np.array(backbone.std)
        tensor = torch.from_numpy(normal.astype(np.float32).transpose(2, 0, 1))[None]
        with torch.inference_mode():
            output = backbone.staged.forward_features(tensor, stage)
            rows.append((backbone.staged.pool(output) if stage is None else output).numpy()[0])
    return np.stack(rows)


ENGINES = [
    ("torch", "fp32", 1e-5),
    ("torch", "bf16", 0.05),
    pytest.param("openvino", "fp32", 1e-4, marks=needs_openvino),
    pytest.param("openvino", "bf16", 0.05, marks=bf16),
]


@pytest.mark.parametrize(("name", "precision", "tolerance"), ENGINES)
def test_floats_that_equal_bytes_give_the_same_rows(
    backbone: Backbone, name: str, precision: str, tolerance: float
) -> None:
    images, one = pixels(3), engine(name, precision, batch_size=4)
    floats = make_runner(backbone, one, (SIDE, SIDE), dtype=np.dtype(np.float32))
    expected = make_runner(backbone, one, (SIDE, SIDE)).compute(images)
    found = floats.compute(images.astype(np.float32))
    assert relative(found, expected) <= tolerance
    if name == "torch":
        assert found.tobytes() == expected.tobytes()
    outside = floats.compute(images.astype(np.float32) * 3 - 400)  # beyond 0..255 nothing is cut off
    assert relative(outside, plain_features(backbone, images.astype(np.float32) * 3 - 400)) <= tolerance


@needs_openvino
def test_a_network_quantised_for_floats_takes_bytes_too(backbone: Backbone) -> None:
    pytest.importorskip("nncf")
    if "int8" not in capabilities.openvino_precisions():
        pytest.skip("no int8 arithmetic here")
    images, size = pixels(4), (SIDE, SIDE)
    network = quantise(backbone, size, 2, images.astype(np.float32))
    one = replace(engine("openvino", "int8", batch_size=2), network_sha256=hash_bytes(network))
    runner = make_runner(backbone, one, size, network=network, dtype=np.dtype(np.float32))
    found = runner.compute(images[:2].astype(np.float32))
    assert runner.compute(images[:2]).tobytes() == found.tobytes()
    assert relative(found, plain_features(backbone, images[:2])) < 0.5
    assert network != quantise(backbone, size, 2, images)


def test_a_network_for_floats_is_kept_beside_that_for_bytes(backbone: Backbone) -> None:
    pytest.importorskip("openvino")
    from headstart.engines.openvino_convert import network_facts

    plain = network_facts(backbone, (SIDE, SIDE), 2, None)
    assert network_facts(backbone, (SIDE, SIDE), 2, None, np.dtype(np.uint8)) == plain
    assert network_facts(backbone, (SIDE, SIDE), 2, None, np.dtype(np.float32)) == {**plain, "input": "f32"}


@pytest.mark.parametrize(("name", "precision", "tolerance"), ENGINES)
def test_every_engine_gives_the_plain_features(
    name: str, precision: str, tolerance: float, backbone: Backbone, resnet18: Backbone
) -> None:
    for network, side in ((backbone, SIDE), (resnet18, 64)):
        images = pixels(5, side)
        found = in_batches(extractor(network, engine(name, precision), side), images)
        assert found.dtype == np.float32
        assert relative(found, plain_features(network, images)) < tolerance


@pytest.mark.parametrize(
    ("name", "precision"), [("torch", "fp32"), ("torch", "bf16"), ("openvino", "fp32"), ("openvino", "bf16")]
)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_no_engine_lets_an_image_see_its_company_or_its_stream(
    name: str, precision: str, batch_size: int, backbone: Backbone
) -> None:
    """To the last bit: in another place of the batch, alone, and from several threads at once."""
    if name == "openvino" and precision not in capabilities.openvino_precisions():
        pytest.skip("not on this machine")
    found = extractor(backbone, engine(name, precision, batch_size=batch_size))
    images = pixels(9)
    together = in_batches(found, images)
    order = np.random.default_rng(1).permutation(9)
    assert in_batches(found, images[order]).tobytes() == together[order].tobytes()
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda row: found.compute(images[row : row + 1]), list(range(9)) * 3))
    assert np.concatenate(alone).tobytes() == np.concatenate([together] * 3).tobytes()


@pytest.mark.parametrize("name", ["torch", pytest.param("openvino", marks=needs_openvino)])
def test_stage_maps_are_what_the_stage_puts_out(name: str, backbone: Backbone) -> None:
    images = pixels(3)
    for stage in backbone.staged.names[1:3]:
        found = extractor(backbone, engine(name, "fp32"), stage=stage)
        expected = plain_features(backbone, images, stage)
        assert (found.row_shape, found.dtype) == (expected.shape[1:], np.float16)
        maps = found.compute(images)
        assert (maps.shape, maps.dtype) == (expected.shape, np.float16)
        assert relative(maps.astype(np.float32), expected) < 2e-3  # half precision has 11 bits


def test_stage_maps_too_large_for_half_precision_are_refused(backbone: Backbone) -> None:
    loud = replace(backbone, std=tuple(value * 1e-6 for value in backbone.std))
    with pytest.raises(EngineError, match=r"output of stage 'layer1' reaches .*, more than 16-bit floats hold"):
        extractor(loud, reference_engine(), stage="layer1").compute(pixels(1))


def test_stages_and_pooled_features_have_cache_keys_of_their_own(backbone: Backbone) -> None:
    found = [extractor(backbone, reference_engine(), stage=stage).settings() for stage in (None, "layer1", "layer4")]
    assert len({json.dumps(settings, sort_keys=True) for settings in found}) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.05), ("fp16", 0.01)])
def test_cuda_gives_the_plain_features(precision: str, tolerance: float) -> None:
    images = pixels(5)
    expected = plain_features(load_backbone(helpers.BACKBONE, weights="random"), images)
    there = load_backbone(helpers.BACKBONE, weights="random")
    found = extractor(there, Engine(device="cuda", precision=precision, batch_size=4))
    assert relative(in_batches(found, images), expected) < tolerance
    assert found.compute(images[:1]).tobytes() == found.compute(images[:3])[:1].tobytes()


# Folding --------------------------------------------------------------------------------------------------------------


def test_folding_removes_every_batch_norm_after_a_convolution_and_nothing_else(resnet18: Backbone) -> None:
    plain = FrozenPass(resnet18.staged)
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    folded = fold_batch_norms(plain, (64, 64))
    assert sum(isinstance(module, nn.BatchNorm2d) for module in plain.modules()) == 20
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in plain.state_dict().items())
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(folded(images), plain(images), rtol=1e-4, atol=1e-5)


class _Branched(nn.Module):
    """The convolution's output is read twice, so its batch norm must not be folded into it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.norm.running_mean += 0.7

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.convolution(images)
        return self.norm(maps) + 3 * maps


class _Shared(nn.Module):
    """One convolution, two batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.first, self.second = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.first.running_mean += 0.7

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.first(self.convolution(images)) + self.second(self.convolution(images * 2))


@pytest.mark.parametrize("network", [_Branched, _Shared])
def test_what_cannot_be_folded_rightly_is_left(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    module = network().eval()
    assert fold_batch_norms(module, (8, 8)) is module


# Parity ---------------------------------------------------------------------------------------------------------------


def test_relative_error_by_hand() -> None:
    reference = np.zeros((8, 2))
    reference[:, 0] = [1, -1] * 4
    found = reference + np.array([0.0, 0.1])
    parity = compare_features(reference + 100, found + 100, np.array([0, 0, 1, 1] * 2))
    assert parity.relative_error == pytest.approx(0.1)  # the common 100 does not make it small
    assert parity.probe == "labels"


def test_probe_is_ridge_regression_on_columns_of_classes() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    rows, labels, asked = rng.normal(size=(30, 50)), rng.integers(0, 3, 30) * 2, rng.normal(size=(40, 50))
    centred = rows - rows.mean(axis=0)
    strength = 0.1 * np.mean(np.sum(centred**2, axis=1))
    columns = (labels[:, None] == [0, 2, 4]).astype(float)
    expected = np.array([0, 2, 4])[np.argmax(Ridge(strength).fit(rows, columns).predict(asked), axis=1)]
    assert probe(rows, labels, asked).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        (np.ones((20, 3)), np.ones((20, 3))),
        (np.eye(7), np.eye(7)),
        (np.random.default_rng(0).normal(size=(20, 3)), np.full((20, 3), np.nan)),
    ],
    ids=["all alike", "too few", "not finite"],
)
def test_what_cannot_be_judged_is_not_tolerated(reference: np.ndarray, found: np.ndarray) -> None:
    parity = compare_features(reference, found)
    assert (parity.relative_error, parity.agreement) == (None, None)
    assert not parity.within(Tolerance(10, 0))


def test_without_labels_principal_components_are_distinguished() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 6)) * [9, 5, 1, 1, 1, 1]
    same = compare_features(rows, rows)
    assert (same.probe, same.agreement, same.relative_error) == ("principal components", 1.0, 0.0)
    shuffled = compare_features(rows, rows[::-1])
    assert shuffled.agreement < 0.6
    one_class = compare_features(rows, rows, np.zeros(40, np.int64))
    assert one_class.probe == "principal components"


@pytest.mark.parametrize(
    ("error", "agreement", "n_images", "within"),
    [
        (0.05, 63 / 64, 64, True),
        (0.0501, 1.0, 64, False),
        (0.01, 63 / 64, 64, True),
        (0.01, 62 / 64, 64, False),
        (0.01, 9 / 10, 10, True),
        (0.01, 8 / 10, 10, False),
        (0.01, 97 / 100, 100, True),
        (0.01, 96 / 100, 100, False),
    ],
)
def test_tolerance_allows_one_image_or_the_share(error: float, agreement: float, n_images: int, within: bool) -> None:
    assert Parity(error, agreement, n_images, "labels").within(Tolerance(0.05, 0.97)) is within


def test_sample_is_drawn_by_content_and_hardly_changes_when_images_are_added() -> None:
    dataset = ImageDataset.from_arrays(helpers.noise(100, side=6)[[*range(100), 3, 3]])
    few = sample_rows(dataset, 30, 0)
    assert len(set(few)) == 30
    assert {100, 101}.isdisjoint(few)
    fewer = sample_rows(dataset.subset(list(range(90))), 30, 0)
    assert len(set(few) & set(fewer)) >= 25
    assert set(sample_rows(dataset, 30, 1)) != set(few)


# Choice ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def worth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece of work is worth another engine."""
    monkeypatch.setattr(select, "WORTH_AN_ENGINE", 0.0)


def fake_speeds(monkeypatch: pytest.MonkeyPatch, **speeds: float) -> list[str]:
    """Trial with made-up speeds by label; hands back the labels that were asked for, call after call."""
    asked: list[str] = []

    def measured(engines: Any, make: Any, images: Any, **_: Any) -> tuple[dict[str, float], dict[str, str]]:
        asked.extend(engine.label for engine in engines)
        return {engine.label: speeds.get(f"{engine.name}_{engine.precision}", 1.0) for engine in engines}, {}

    monkeypatch.setattr(select, "measure_engines", measured)
    return asked


def selector(
    backbone: Backbone, notes: helpers.Notes | None = None, folder: Path | None = None, **asked: Any
) -> EngineSelector:
    cache = None if folder is None else FeatureCache(folder)
    preparation = ImageResize((SIDE, SIDE), interpolation=backbone.interpolation)
    found = EngineRequest(**({"n_threads": 2} | asked))
    return EngineSelector(backbone, preparation, labelled(), found, cache=cache, progress=notes)


def test_a_later_engine_wins_only_if_clearly_faster() -> None:
    first, second, third = (engine("torch", "bf16"), engine("torch", "fp32"), reference_engine())
    speeds = {first.label: 100.0, second.label: 124.0, third.label: 60.0}
    assert fastest([first, second, third], speeds) is first
    assert fastest([first, second, third], {**speeds, second.label: 100 * CLEARLY_FASTER}) is second


def test_little_work_takes_the_plain_engine_without_reading_an_image(backbone: Backbone) -> None:
    broken = ImageDataset.from_files(["missing.png"])
    choice = EngineSelector(backbone, ImageResize((SIDE, SIDE)), broken, EngineRequest()).select()
    assert choice.engine == reference_engine()
    assert choice.record["reason"] == "too little work for another engine to pay"


def poisoned(monkeypatch: pytest.MonkeyPatch, label: str) -> None:
    """Make one engine give features of another image."""
    plain = Extractor.compute

    def wrong(self: Extractor, images: np.ndarray) -> np.ndarray:
        rows = plain(self, images)
        return rows[:, ::-1].copy() if self.engine.label == label else rows

    monkeypatch.setattr(Extractor, "compute", wrong)


@bf16
def test_guard_falls_back_from_an_engine_that_gives_other_features(
    resnet18: Backbone, worth: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_speeds(monkeypatch, openvino_bf16=100, openvino_fp32=50)
    assert selector(resnet18).select().engine == engine("openvino", "bf16")
    poisoned(monkeypatch, "OpenVINO bf16")
    notes = helpers.Notes()
    choice = selector(resnet18, notes).select()
    assert choice.engine == engine("openvino", "fp32")
    assert [row["within"] for row in choice.record["tried"]] == [False, True]
    assert choice.record["tried"][0]["tolerance"] == {"relative_error": 0.05, "agreement": 0.97}
    assert choice.record["parity"]["relative_error"] < AUTO["fp32"].relative_error
    assert notes.texts[0].startswith("OpenVINO bf16 is not used: its features differ too much from fp32 on your images")
    assert "images_per_second" not in json.dumps(choice.record)


@needs_openvino
def test_where_every_engine_fails_the_plain_one_is_left(
    resnet18: Backbone, worth: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_speeds(monkeypatch)
    monkeypatch.setattr(select, "compare_blocks", lambda *_: Parity(0.9, 0.5, 48, "labels"))
    choice = selector(resnet18).select()
    assert choice.engine == reference_engine(n_threads=2)
    assert choice.record["reason"] == "no faster engine agreed with it"
    assert len(choice.record["tried"]) >= (3 if "bf16" in capabilities.openvino_precisions() else 2)


@bf16
def test_a_named_precision_is_held_to_the_wider_limit_and_falls_back_beyond_it(
    resnet18: Backbone, worth: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_speeds(monkeypatch)
    monkeypatch.setattr(select, "compare_blocks", lambda *_: Parity(0.2, 0.95, 48, "labels"))
    assert selector(resnet18, precision="bf16").select().engine.precision == "bf16"
    assert selector(resnet18).select().engine.precision == "fp32"
    monkeypatch.setattr(select, "compare_blocks", lambda *_: Parity(0.26, 0.95, 48, "labels"))
    notes = helpers.Notes()
    assert selector(resnet18, notes, precision="bf16").select().engine.is_reference
    assert "at most 0.25 and at least 0.9 are tolerated" in notes.texts[0]
    assert ASKED["bf16"] == Tolerance(0.25, 0.90)


@needs_openvino
def test_the_measured_choice_is_remembered(
    resnet18: Backbone, worth: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = fake_speeds(monkeypatch, torch_fp32=500)
    first = selector(resnet18, folder=tmp_path, library="measure").select()
    assert first.engine.label == "torch fp32 (folded)"
    n_asked = len(asked)
    fake_speeds(monkeypatch, openvino_bf16=10**6, openvino_fp32=10**6)
    again = selector(resnet18, folder=tmp_path, library="measure").select()
    assert again.engine == first.engine
    assert again.record == first.record
    assert (n_asked, len(asked)) == (n_asked, n_asked)
    (kept,) = (tmp_path / "speeds").iterdir()
    kept.write_text("{")
    assert selector(resnet18, folder=tmp_path, library="measure").select().engine.name == "openvino"
    fake_speeds(monkeypatch, torch_fp32=10**9)
    ruled = selector(resnet18, folder=tmp_path).select()
    assert (ruled.engine.name, ruled.speeds) == ("openvino", {})  # by the rule nothing is timed or looked up


@needs_openvino  # without it there may be nothing to choose
def test_speeds_of_another_processor_are_not_believed(
    backbone: Backbone, worth: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of a cache folder that several machines share."""
    for name in ("one", "another"):
        monkeypatch.setattr(select, "processor_name", lambda name=name: name)
        for _ in range(2):
            asked = fake_speeds(monkeypatch)
            selector(backbone, folder=tmp_path, library="measure").select()
        assert asked == []
    assert len(list((tmp_path / "speeds").iterdir())) == 2


def test_a_machine_with_no_other_engine_says_so(
    backbone: Backbone, worth: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineSelector, "_candidates", lambda self, work: [])
    choice = selector(backbone).select()
    assert choice.engine.is_reference
    assert choice.record["reason"] == "no other engine runs here"


@needs_openvino
def test_a_cache_that_cannot_be_written_does_not_stop_the_choice(
    resnet18: Backbone, worth: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_speeds(monkeypatch, openvino_fp32=500)
    (tmp_path / "file").write_text("no folder")
    assert selector(resnet18, folder=tmp_path / "file").select().engine.name == "openvino"


@pytest.mark.parametrize(("device", "batch_size"), [("cpu", 4), ("cuda", 64)])
def test_trial_takes_small_batches_only_where_they_show_the_speed(device: str, batch_size: int) -> None:
    tried: list[Engine] = []

    class Idle:
        n_streams = 1

        def __init__(self, one: Engine) -> None:
            tried.append(one)
            self.engine = one

        def compute(self, images: np.ndarray) -> np.ndarray:
            return images

    measure_engines([reference_engine(device=device, batch_size=64)], Idle, pixels(8))
    assert [one.batch_size for one in tried] == [batch_size]


def test_trial_leaves_out_what_cannot_run_and_gives_up_the_hopeless(backbone: Backbone) -> None:
    ticks = iter(np.cumsum(np.r_[0, np.tile([0.0, 0.01, 0.0], 200)]))
    calls: dict[str, int] = {}

    class Counted(Extractor):
        def compute(self, images: np.ndarray) -> np.ndarray:
            calls[self.engine.label] = calls.get(self.engine.label, 0) + 1
            if self.engine.precision == "bf16":
                raise EngineError("no such arithmetic")
            return np.zeros((len(images), 1), np.float32)

    engines = [engine("torch", "bf16"), reference_engine()]
    speeds, refusals = measure_engines(
        engines,
        lambda one: Counted(backbone, ImageResize((SIDE, SIDE)), one),
        pixels(8),
        clock=lambda: float(next(ticks)),
    )
    assert refusals == {"torch bf16 (folded)": "no such arithmetic"}
    assert list(speeds) == ["torch fp32"]
    assert calls["torch fp32"] == 1 + trial._MAX_ROUNDS


# Machines that lack something -----------------------------------------------------------------------------------------


@pytest.fixture
def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise ModuleNotFoundError("No module named 'openvino'", name="openvino")

    monkeypatch.setattr(capabilities, "import_openvino", refuse)
    caches = (capabilities.openvino_absence, capabilities.openvino_precisions, capabilities.processor_name)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_without_openvino_torch_computes_and_it_is_reported_once(
    resnet18: Backbone, worth: None, no_openvino: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_speeds(monkeypatch)
    notes = helpers.Notes()
    choice = selector(resnet18, notes).select()
    assert choice.engine.name == "torch"
    said = [text for text in notes.texts if "OpenVINO" in text]
    assert said == [
        'OpenVINO is not installed (pip install "headstart[fast]"); torch computes the features, more slowly.'
    ]
    with pytest.raises(EngineError, match=r"OpenVINO is not installed .* Use --engine torch"):
        extractor(resnet18, engine("openvino", "fp32")).compute(pixels(1))
    assert selector(resnet18, library="openvino").select().engine.name == "torch"
    with pytest.raises(EngineError, match=r'int8 needs OpenVINO: .* Run: pip install "headstart\[int8\]"'):
        selector(resnet18, precision="int8").select()


def test_without_bf16_fp32_computes(resnet18: Backbone, worth: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, "openvino_precisions", lambda: ("fp32",) if not capabilities.openvino_absence() else ())
    monkeypatch.setattr(rule, "torch_precisions", lambda device: ("fp32",))
    fake_speeds(monkeypatch)
    assert selector(resnet18).select().engine.precision == "fp32"
    notes = helpers.Notes()
    assert selector(resnet18, notes, precision="bf16").select().engine.precision == "fp32"
    assert "This machine has no bf16 arithmetic; fp32 is used instead." in notes.texts


def test_nearest_engine_of_a_machine_that_lacks_it(no_openvino: None) -> None:
    there = reference_engine(n_threads=2)
    assert nearest_engine(there) == (there, "")
    found, why = nearest_engine(engine("openvino", "bf16"))
    assert found == Engine(n_threads=2, batch_size=4)
    assert "OpenVINO is not installed" in why
    assert "instead of OpenVINO bf16" in why


def test_impossible_requests_are_refused_in_words() -> None:
    with pytest.raises(InputError, match="Unknown precision 'fp8'"):
        EngineRequest(precision="fp8")
    with pytest.raises(InputError, match="Unknown engine 'onnx'"):
        EngineRequest(library="onnx")
    with pytest.raises(InputError, match="--engine openvino runs on the CPU, not on 'cuda'"):
        EngineRequest(library="openvino", device="cuda")
    with pytest.raises(InputError, match="--precision int8 runs with OpenVINO on the CPU"):
        EngineRequest(precision="int8", library="torch")
    with pytest.raises(InputError, match="'torch' has no precision 'int8' on the device 'cpu'; it has fp32, bf16"):
        Engine(precision="int8")
    with pytest.raises(InputError, match="'openvino' does not run on the device 'cuda'"):
        Engine(name="openvino", device="cuda")
    with pytest.raises(InputError, match="4 for streams is out of range; expected 1 to 2"):
        Engine(n_threads=2, n_streams=4)


def test_engines_of_older_runs_are_read() -> None:
    written = {"engine": "torch", "precision": "fp32", "device": "cpu", "n_threads": 3, "batch_size": 16}
    assert Engine.from_json(written) == Engine(n_threads=3)
    newest = engine("openvino", "bf16")
    assert Engine.from_json(json.loads(json.dumps(newest.to_json()))) == newest


# Networks kept --------------------------------------------------------------------------------------------------------


@needs_openvino
def test_a_converted_network_is_read_back_and_a_damaged_one_made_again(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.engines import openvino_convert as module

    made = []
    plain = module.convert
    monkeypatch.setattr(module, "convert", lambda *arguments, **named: made.append(1) or plain(*arguments, **named))
    store, fast, images = NetworkCache(tmp_path), engine("openvino", "fp32"), pixels(4)
    first = extractor(backbone, fast, network_cache=store).compute(images)
    assert extractor(backbone, fast, network_cache=store).compute(images).tobytes() == first.tobytes()
    assert len(made) == 1
    (kept,) = (tmp_path / "networks").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1] + b"\x01")
    assert extractor(backbone, fast, network_cache=store).compute(images).tobytes() == first.tobytes()
    assert len(made) == 2


def test_the_store_keeps_the_last_used_and_bears_a_folder_that_refuses(tmp_path: Path) -> None:
    store = NetworkCache(tmp_path)
    for number in range(MAX_NETWORKS + 3):
        store.store({"number": number}, b"network %d" % number)
    assert len(list((tmp_path / "networks").iterdir())) == MAX_NETWORKS
    assert store.load({"number": MAX_NETWORKS + 2}) == b"network %d" % (MAX_NETWORKS + 2)
    (tmp_path / "file").write_text("")
    refused = NetworkCache(tmp_path / "file")
    refused.store({}, b"network")
    assert refused.load({}) is None
    assert NetworkCache(None).load({}) is None


SILENT = """
import sys
reached = []
sys.addaudithook(lambda event, found: reached.append((event, found)) if event.startswith("socket.") else None)
sys.path.insert(0, {tests!r})
{before}
import numpy as np, helpers
from headstart.engines.engine import engine_for
from headstart.features.extractor import Extractor
from headstart.features.engine_selection.int8 import quantise
plain = helpers.extractor()
fast = Extractor(plain.backbone, plain.preparation, engine_for("openvino", "fp32", device="cpu", n_threads=1))
fast.compute(np.zeros((1, 32, 32, 3), np.uint8))
quantise(plain.backbone, (32, 32), 4, np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8))
print([event for event in reached if event[0] in ("socket.connect", "socket.getaddrinfo", "socket.sendto")])
"""


@needs_openvino
def test_nothing_is_reported_to_anyone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO and nncf report their use unless told not to; their telemetry also leaves files in the home folder."""
    pytest.importorskip("nncf")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    code = SILENT.format(tests=str(Path(__file__).parents[1]), before="")
    done = warm.run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert not (tmp_path / "intel").exists()


@needs_openvino
def test_telemetry_imported_before_is_muted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    sender = pytest.importorskip("openvino_telemetry.utils.sender").TelemetrySender
    monkeypatch.setattr(sender, "send", sender.send)
    capabilities.silence_telemetry()

    class Backend:
        def send(self, message: object) -> None:
            raise AssertionError("reported")

    assert sender.send(sender(), Backend(), "message") is None
    for name in [name for name in sys.modules if name.startswith("openvino_telemetry")]:
        monkeypatch.delitem(sys.modules, name)


# Runs and bundles -----------------------------------------------------------------------------------------------------


WIDE = {"backbone": "test_vit", "batch_size": 2, "engine": "openvino"}


@pytest.fixture(scope="module")
def fast_run(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run in bf16; read only."""
    with helpers.no_figures():
        return fit(folders, tmp_path_factory.mktemp("runs") / "fast", helpers.options(precision="bf16", **WIDE))


@pytest.mark.usefixtures("no_figures")
@bf16
def test_a_run_keeps_its_engine_and_the_bundle_uses_it(folders: Path, tmp_path: Path, fast_run: Any) -> None:
    record = fast_run.results.engine
    assert record.used.precision == "bf16"
    assert record.requested.to_json() == {"engine": "openvino", "precision": "bf16"}
    assert record.parity.relative_error <= ASKED["bf16"].relative_error
    again = fit(folders, tmp_path / "again", helpers.options(precision="bf16", **WIDE))
    assert (fast_run.folder / "results.json").read_bytes() == (again.folder / "results.json").read_bytes()
    model = fast_run.model()
    assert model.engine == Engine.from_json(record.used.to_json())
    assert model.notes == ()


@bf16
def test_a_resumed_run_goes_on_with_its_engine_and_refuses_another(folders: Path, fast_run: Any) -> None:
    before = helpers.tree(fast_run.folder)
    for named in ({"engine": "auto"}, {"precision": "bf16"}):
        fit(folders, fast_run.folder, helpers.options(**(WIDE | named)))
    with pytest.raises(RunError, match="precision is bf16 there, fp32 here"):
        fit(folders, fast_run.folder, helpers.options(precision="fp32", **WIDE))
    with pytest.raises(RunError, match="engine is openvino there, torch here"):
        fit(folders, fast_run.folder, helpers.options(**(WIDE | {"engine": "torch"})))
    assert helpers.tree(fast_run.folder) == before


@bf16
def test_a_machine_without_the_engine_predicts_in_fp32_and_says_so(
    folders: Path, fast_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = sorted((folders / "calm").iterdir())[:4]
    expected = fast_run.model().predict_proba(images)
    monkeypatch.setattr("headstart.engines.fallback.openvino_precisions", lambda: ("fp32",))
    elsewhere = load_model(fast_run.folder)
    assert elsewhere.engine == Engine(n_threads=1, batch_size=2)
    with pytest.warns(UserWarning, match="This machine has no bf16 arithmetic, so torch fp32 computes the features"):
        found = elsewhere.predict_proba(images)
    np.testing.assert_allclose(found, expected, atol=0.05)
    notes = helpers.Notes()
    list(elsewhere.predict_each(ImageDataset.from_files(images), progress=notes))
    assert len(notes.texts) == 1


@needs_openvino
def test_a_converted_network_that_is_missing_arithmetic_is_refused(backbone: Backbone) -> None:
    with pytest.raises(EngineError, match=r"quantised network of int8 is missing"):
        extractor(backbone, engine("openvino", "int8")).compute(pixels(1))
    wrong = replace(engine("openvino", "int8"), network_sha256="0" * 64)
    with pytest.raises(EngineError, match="not the one the features were computed with"):
        extractor(backbone, wrong, network=b"another").compute(pixels(1))


# int8 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_figures")
@needs_openvino
def test_int8_goes_round_through_run_and_bundle(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nncf")
    monkeypatch.setitem(request.ASKED, "int8", Tolerance(10.0, 0.0))  # a network of random weights bears it badly
    run = fit(folders, tmp_path / "run", helpers.options(precision="int8"))
    record = run.results.engine
    assert record.used.precision == "int8"
    cost = record.accuracy_cost
    assert cost.ci95[0] <= cost.difference <= cost.ci95[1]
    network = run.folder / "model" / "network.safetensors"
    assert network.is_file()
    images = sorted((folders / "calm").iterdir())[:3]
    model = run.model()
    features = model.extractor.compute(
        np.stack([model.preparation.read(path.read_bytes(), path.name) for path in images])
    )
    assert len(np.unique(features)) > 3
    assert model.predict_proba(images).tobytes() == load_model(run.folder).predict_proba(images).tobytes()
    assert not (run.folder / "work").exists()
    network.write_bytes(network.read_bytes()[:-1] + b"\x07")
    with pytest.raises(BundleError, match=r"network\.safetensors: the content was changed or damaged"):
        load_model(run.folder)


@needs_openvino
def test_int8_is_near_fp32_and_the_same_every_time(resnet18: Backbone) -> None:
    """That the network has the same bytes every time is tested in `test_engine_faults`."""
    pytest.importorskip("nncf")
    images = pixels(8, 64)
    network = quantise(resnet18, (64, 64), 4, images)
    fast, rows = replace(engine("openvino", "int8"), network_sha256=hash_bytes(network)), []
    for _ in range(2):
        rows.append(in_batches(extractor(resnet18, fast, 64, network=network), images))
    assert rows[0].tobytes() == rows[1].tobytes()
    assert relative(rows[0], plain_features(resnet18, images)) < 0.15


def test_int8_gives_no_stage_maps(backbone: Backbone) -> None:
    """The quantised network ends in pooled features; they must not be kept as the output of a stage."""
    fast = replace(engine("openvino", "int8"), network_sha256="0" * 64)
    with pytest.raises(EngineError, match="int8 gives pooled features only, not the output of stage 'layer2'"):
        extractor(backbone, fast, stage="layer2", network=b"")


@needs_openvino
def test_int8_is_not_made_where_too_few_images_could_judge_it(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    monkeypatch.setattr(select, "quantise", None)
    notes = helpers.Notes()
    few = EngineSelector(
        backbone, ImageResize((SIDE, SIDE)), labelled(23), EngineRequest(precision="int8"), progress=notes
    ).select()
    assert few.engine.precision == "fp32"
    assert few.record["reason"] == "too few images to judge int8"
    assert notes.texts[0].startswith("int8 is not used: it is judged on a third of the images, and 7 of 23 cannot show")


def test_accuracy_cost_by_hand() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0, 0, 1, 1] * 10)
    rows = labels[:, None] * 4.0 + rng.normal(size=(40, 3))
    same = accuracy_cost(rows, rows, labels)
    assert (same["difference"], same["n_images"]) == (0.0, 40)
    worse = rows.copy()
    worse[:8] = rows[[2, 3, 0, 1, 6, 7, 4, 5]]  # eight images take each other's class
    found = accuracy_cost(rows, worse, labels)
    lost = 8 - int((cross_probe(rows, rows, labels)[:8] != labels[:8]).sum())
    assert found["difference"] == pytest.approx(-lost / 40, abs=1 / 40)
    total, more, less = 42.0, 0.5, 8.5  # Agresti and Min 2005, eight lost and none gained
    reach = 1.959964 * np.sqrt(more + less - (more - less) ** 2 / total) / total
    assert found["ci95"] == pytest.approx([(more - less) / total - reach, (more - less) / total + reach], abs=2e-3)
