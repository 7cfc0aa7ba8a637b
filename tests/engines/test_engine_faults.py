"""Engines where something is broken: damaged files, full disks, lost networks, machines that lack what a run needs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import helpers
import numpy as np
import pytest

from headstart.backbones.backbone import Backbone, load_backbone
from headstart.data import ImageResize
from headstart.engines import capabilities
from headstart.engines import fallback as machine
from headstart.engines import openvino as openvino_cpu
from headstart.engines import openvino_convert as convert
from headstart.engines.engine import Engine, engine_for, reference_engine
from headstart.engines.fallback import nearest_engine
from headstart.engines.network_cache import NetworkCache
from headstart.errors import EngineError, InputError
from headstart.features.engine_selection import request, select
from headstart.features.engine_selection.benchmark import Speeds, measure_engines
from headstart.features.engine_selection.int8 import quantise
from headstart.features.engine_selection.parity import Tolerance, compare_features
from headstart.features.engine_selection.request import EngineRequest
from headstart.features.engine_selection.select import EngineSelector
from headstart.features.extractor import Extractor
from headstart.storage import hash_bytes, json_bytes
from headstart.workflow import fit
from headstart.workflow.job.sources import open_cache

SIDE = helpers.SIDE
needs_openvino = pytest.mark.skipif(bool(capabilities.openvino_absence()), reason="openvino is not installed")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(helpers.BACKBONE, weights="random")


def engine(name: str, precision: str, **changes: Any) -> Engine:
    return engine_for(name, precision, device="cpu", **({"n_threads": 1} | changes))


def extractor(backbone: Backbone, one: Engine) -> Extractor:
    return Extractor(backbone, ImageResize((SIDE, SIDE)), one)


def blank(n_images: int = 2) -> np.ndarray:
    return np.zeros((n_images, SIDE, SIDE, 3), np.uint8)


# What is remembered and compared --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        '{"images_per_second": {"another": 1.0}}',
        '{"images_per_second": {"a": 1.0}}',
        '{"images_per_second": {"a": 1.0, "b": 1e999}}',
        '{"images_per_second": {"a": 1.0, "b": NaN}}',
        '{"images_per_second": {"a": 1.0, "b": -3}}',
        '{"images_per_second": {"a": 1.0, "b": 1' + "0" * 400 + "}}",
        '{"images_per_second": [1, 2]}',
        "[" * 100_000,
        "\udcff",
    ],
)
def test_speeds_that_cannot_have_been_measured_count_as_none(content: str, tmp_path: Path) -> None:
    kept = Speeds(tmp_path, {}, ["a", "b"])
    kept.store({"a": 1.0, "b": 2.5})
    assert kept.load() == {"a": 1.0, "b": 2.5}
    (file,) = (tmp_path / "speeds").iterdir()
    file.write_bytes(content.encode(errors="surrogateescape"))
    assert kept.load() == {}


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("labels", [None, np.arange(16) % 4 // 2])
def test_a_reference_that_is_not_finite_cannot_be_compared(value: float, labels: np.ndarray | None) -> None:
    found = np.random.default_rng(0).normal(size=(16, 5))
    reference = found.copy()
    reference[3, 2] = value
    parity = compare_features(reference, found, labels)
    assert not parity.within(Tolerance(1e9, 0.0))
    assert b'"relative_error": null' in json_bytes(parity.to_json())


def test_one_feature_is_enough_to_compare() -> None:
    column = np.random.default_rng(0).normal(size=(16, 1))
    assert compare_features(column, column).within(Tolerance(1e-9, 1.0))


def test_an_engine_that_fails_on_the_compared_images_is_not_used(
    backbone: Backbone, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As fp16 does, whose numbers end at 65,504; the trial may not have met the image that shows it."""
    from headstart.data import read_dataset

    def refuse(self: EngineSelector, one: Engine, rows: Any = None) -> Any:
        raise EngineError("Features leave the range of fp16 numbers.")

    monkeypatch.setattr(select, "WORTH_AN_ENGINE", 0.0)
    monkeypatch.setattr(EngineSelector, "_candidates", lambda self, work: [engine("torch", "bf16")])
    monkeypatch.setattr(EngineSelector, "_parity", refuse)
    notes = helpers.Notes()
    choice = EngineSelector(
        backbone, ImageResize((SIDE, SIDE)), read_dataset(folders), EngineRequest(), progress=notes
    ).select()
    assert choice.engine.is_reference
    assert notes.texts == ["torch bf16 (folded) is not used: Features leave the range of fp16 numbers."]


# Broken tools ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own, on its first compilation
def test_a_compiler_that_does_not_work_is_an_error_in_words(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", (None, "/bin/false"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    with pytest.raises(
        EngineError, match=r"torch\.compile cannot build 'test_resnet' on this machine .*Python's header"
    ):
        extractor(backbone, engine("torch", "fp32", compiled=True)).compute(blank())


def test_without_a_compiler_a_compiled_engine_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = engine("torch", "fp32", compiled=True)
    monkeypatch.setattr(machine, "has_compiler", lambda: True)
    assert nearest_engine(compiled) == (compiled, "")
    monkeypatch.setattr(machine, "has_compiler", lambda: False)
    found, why = nearest_engine(compiled)
    assert found == reference_engine()
    assert why.startswith("torch.compile needs a C++ compiler (g++ or clang++), which is not there, so torch fp32")


@pytest.mark.parametrize("error", [RuntimeError("DefaultCPUAllocator: can't allocate memory\nat 0x1"), MemoryError()])
def test_a_batch_that_memory_cannot_hold_is_an_error_in_words(
    error: Exception, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr("headstart.engines.make_runner", refuse)
    found = extractor(backbone, engine("torch", "bf16"))
    with pytest.raises(
        EngineError, match=r"torch bf16 .* cannot compute 'test_resnet' .* 16 images .*--batch-size"
    ) as it:
        found.compute(blank())
    assert (str(error).splitlines() or ["MemoryError"])[0] in str(it.value)
    speeds, refusals = measure_engines([found.engine], lambda one: found, blank())  # so it is left out of the choice
    assert (speeds, list(refusals)) == ({}, [found.engine.label])


@needs_openvino
def test_a_network_made_for_another_size_is_an_error_in_words(backbone: Backbone) -> None:
    pytest.importorskip("nncf")
    network = quantise(backbone, (SIDE, SIDE), 4, blank(4))
    fast = replace(engine("openvino", "int8"), network_sha256=hash_bytes(network))
    wider = Extractor(backbone, ImageResize((SIDE, 2 * SIDE)), fast, network=network)
    with pytest.raises(EngineError, match=r"OpenVINO int8 cannot compute 'test_resnet' .* 32 x 64 pixels"):
        wider.compute(np.zeros((2, SIDE, 2 * SIDE, 3), np.uint8))


@needs_openvino
def test_a_full_disk_for_temporary_files_is_an_error_in_words(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("basic_ios::clear: iostream error")  # OpenVINO's words for it

    monkeypatch.setattr(convert, "import_openvino", lambda: _with_save(full))
    with pytest.raises(EngineError, match=r"cannot be written to the folder for temporary files .*TMPDIR"):
        convert.converted(backbone, (SIDE, SIDE), 2)


def _with_save(save: Any) -> Any:
    openvino = capabilities.import_openvino()
    names = {name: getattr(openvino, name) for name in ("convert_model", "Type", "Layout")}
    return SimpleNamespace(**names, save_model=save)


@needs_openvino
def test_a_network_that_openvino_cannot_make_ready_is_an_error_in_words(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_cpu, "_settings", lambda one: {"NUM_STREAMS": "many"})
    with pytest.raises(
        EngineError, match=r"OpenVINO cannot make the backbone 'test_resnet' ready in fp32 .*number of streams .*torch"
    ):
        extractor(backbone, engine("openvino", "fp32")).compute(blank())


def test_a_store_that_is_only_read_gives_its_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    store = NetworkCache(tmp_path)
    store.store({"made": "from"}, b"network")
    monkeypatch.setattr(Path, "touch", refuse)
    assert store.load({"made": "from"}) == b"network"


def test_a_limit_in_the_environment_that_is_none_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE_LIMIT", "much")
    with pytest.raises(InputError, match=r"HEADSTART_CACHE_LIMIT: 'much' is no size"):
        open_cache("default")
    assert open_cache("default", limit="1GB").limit.n_bytes == 10**9


# Runs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_figures")
@needs_openvino
def test_a_run_on_a_machine_without_its_engine_says_so(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = helpers.cheap_options(engine="openvino", precision="fp32", batch_size=2)
    run = fit(folders, tmp_path / "run", options)
    assert run.results.engine.used.engine == "openvino"
    before = helpers.tree(run.folder)
    monkeypatch.setattr(machine, "openvino_absence", lambda: "OpenVINO is not installed (pip install it)")
    with pytest.raises(EngineError, match=r"begun with the engine OpenVINO fp32\. OpenVINO is not installed .*folder"):
        fit(folders, run.folder, options)
    assert helpers.tree(run.folder) == before


@needs_openvino
def test_int8_makes_the_same_bytes_whatever_was_made_before(backbone: Backbone) -> None:
    pytest.importorskip("nncf")
    images = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)
    first = quantise(backbone, (SIDE, SIDE), 2, images)
    converted = convert.converted(backbone, (SIDE, SIDE), 3)
    assert quantise(backbone, (SIDE, SIDE), 2, images) == first
    assert convert.converted(backbone, (SIDE, SIDE), 3) == converted


@pytest.fixture
def bears_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of random weights bears it badly."""
    monkeypatch.setitem(request.ASKED, "int8", Tolerance(10.0, 0.0))


@pytest.fixture(scope="module")
def int8_run(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished run in int8; read only."""
    pytest.importorskip("nncf")
    with pytest.MonkeyPatch.context() as patch, helpers.no_figures():
        patch.setitem(request.ASKED, "int8", Tolerance(10.0, 0.0))
        return fit(folders, tmp_path_factory.mktemp("int8") / "run", helpers.cheap_options(precision="int8"))


@pytest.mark.usefixtures("bears_int8", "no_figures")
@needs_openvino
def test_an_int8_run_stopped_before_its_network_was_written_goes_on(
    int8_run: Any, folders: Path, tmp_path: Path
) -> None:
    whole, begun = int8_run, tmp_path / "begun"
    begun.mkdir()
    shutil.copy(whole.folder / "run.json", begun)
    resumed = fit(folders, begun, helpers.cheap_options(precision="int8"))
    for name in ("results.json", "predictions.csv", "model/network.safetensors"):
        assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    assert hash_bytes((begun / "model" / "network.safetensors").read_bytes()) == resumed.model().engine.network_sha256


@pytest.mark.usefixtures("bears_int8", "no_figures")
@needs_openvino
def test_a_lost_network_that_cannot_be_made_again_is_refused(
    int8_run: Any, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Path(shutil.copytree(int8_run.folder, tmp_path / "run"))
    (lost / "model" / "network.safetensors").unlink()
    monkeypatch.setattr(select, "MAX_CALIBRATION", 4)  # as a later version might
    with pytest.raises(EngineError, match=r"network\.safetensors is missing: .* make another one\. Remove the folder"):
        fit(folders, lost, helpers.cheap_options(precision="int8"))
