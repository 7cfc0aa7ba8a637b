"""Threads, batch size and cache of predictions and of scores on a test set."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner, Result

from headstart.cli import main
from headstart.engines.engine import Engine
from headstart.errors import DataError, InputError
from headstart.features.cache import FeatureCache
from headstart.features.extractor import Extractor
from headstart.workflow import evaluate
from headstart.workflow.run import Run


def headstart(*words: object, code: int = 0) -> Result:
    found = CliRunner().invoke(main, [str(word) for word in words])
    assert found.exit_code == code, found.output
    return found


def predicted(run: Run, *words: object, code: int = 0) -> list[dict[str, str]]:
    text = headstart("predict", run.folder, *words, "-q", code=code).stdout
    return list(csv.DictReader(io.StringIO(text)))


def n_kept(cache: Path) -> int:
    """Number of images of which a cache holds features."""
    return max(place.n_images for place in FeatureCache(cache).info().settings)


@pytest.fixture
def nothing_computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No image may go through a network."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a forward pass was made")

    with monkeypatch.context() as patch:
        patch.setattr(Extractor, "compute", refuse)
        yield


@pytest.fixture
def seen_engines(monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
    """Engine of every forward pass."""
    seen: list[Engine] = []
    compute = Extractor.compute

    def noted(self: Extractor, pixels: Any) -> Any:
        seen.append(self.engine)
        return compute(self, pixels)

    monkeypatch.setattr(Extractor, "compute", noted)
    return seen


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 labelled images that no model knows."""
    return helpers.write_folders(tmp_path_factory.mktemp("outside") / "data", 24, seed=77)


@pytest.fixture
def mixed(outside: Path, tmp_path: Path) -> Path:
    """Five images, among them a broken one, a copy of it, and a copy of a whole one."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for row, path in enumerate(sorted((outside / "calm").iterdir())[:2]):
        shutil.copy(path, folder / f"{row}.png")
    shutil.copy(folder / "0.png", folder / "2.png")
    (folder / "3.png").write_bytes((folder / "0.png").read_bytes()[:200])
    shutil.copy(folder / "3.png", folder / "4.png")
    return folder


# The cache ------------------------------------------------------------------------------------------------------------


def test_rows_are_the_same_with_a_cache_and_computed_once(
    run: Run, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = (mixed, mixed / "missing.png")
    plain = predicted(run, *inputs, "--no-cache", code=1)
    assert [row["status"] == "ok" for row in plain] == [True, True, True, False, False, False]
    assert predicted(run, *inputs, "--cache", tmp_path / "cache", code=1) == plain
    assert n_kept(tmp_path / "cache") == 2
    monkeypatch.setattr(Extractor, "compute", lambda *_: pytest.fail("a forward pass was made"))
    assert predicted(run, *inputs, "--cache", tmp_path / "cache", code=1) == plain


def test_without_a_cache_nothing_is_kept(
    run: Run, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    predicted(run, mixed / "0.png", "--no-cache")
    assert not (tmp_path / "cache").exists()
    predicted(run, mixed / "0.png")
    assert n_kept(tmp_path / "cache") == 1


def test_a_damaged_picture_that_was_kept_once_is_refused_as_before(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    from PIL import Image

    Image.fromarray(helpers.noise(1, side=64)[0]).save(folder / "half.jpg", quality=95)
    encoded = (folder / "half.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(encoded[: len(encoded) // 2] + b"\xff\xd9")
    shutil.copy(folder / "half.jpg", folder / "other.jpg")
    where = ("--cache", tmp_path / "cache")
    for _ in range(2):
        kept = predicted(run, folder, "--accept-damaged", *where)
        assert all(row["status"].startswith("damaged, kept as asked") for row in kept)
        assert all(row["predicted"] for row in kept)
    assert not any(row["predicted"] for row in predicted(run, folder, *where, code=1))


def test_a_cache_and_none_exclude_each_other(run: Run, mixed: Path, tmp_path: Path) -> None:
    for verb in ("predict", "evaluate"):
        found = headstart(verb, run.folder, mixed, "--cache", tmp_path / "cache", "--no-cache", code=2)
        assert "exclude each other" in found.stderr
        assert "many" in headstart(verb, run.folder, mixed, "--cache-limit", "many", code=2).stderr


def test_a_cache_that_cannot_be_written_is_said_and_stops_nothing(run: Run, mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    found = headstart("predict", run.folder, mixed / "0.png", "--cache", tmp_path / "file", "-q")
    assert "The work goes on without the cache" in found.stderr
    assert ",ok," in found.stdout


# Threads and batch size -----------------------------------------------------------------------------------------------


def test_threads_and_batch_size_are_those_that_were_named(run: Run, mixed: Path, seen_engines: list[Engine]) -> None:
    plain = predicted(run, mixed, "--no-cache", code=1)
    named = predicted(run, mixed, "--no-cache", "--threads", 2, "--batch-size", 2, code=1)
    assert {(engine.n_threads, engine.batch_size) for engine in seen_engines[-2:]} == {(2, 2)}
    for one, other in zip(plain[:3], named[:3], strict=True):
        assert float(other["probability:calm"]) == pytest.approx(float(one["probability:calm"]), abs=1e-5)


def test_an_engine_keeps_a_stream_for_each_thread_of_openvino() -> None:
    engine = Engine(name="openvino", n_threads=4, n_streams=4, batch_size=4)
    assert engine.resized() == engine
    assert engine.resized(n_threads=2) == Engine(name="openvino", n_threads=2, n_streams=2, batch_size=4)
    assert Engine(n_threads=4).resized(n_threads=2, batch_size=3) == Engine(n_threads=2, batch_size=3)


def test_a_quantised_network_has_one_batch_size() -> None:
    engine = Engine(name="openvino", precision="int8", batch_size=4, network_sha256="0" * 64)
    assert engine.resized(batch_size=4) == engine
    with pytest.raises(InputError, match=r"takes 4 images per forward pass, never 8\. Leave --batch-size out"):
        engine.resized(batch_size=8)


@pytest.mark.parametrize("option", [("--threads", 0), ("--threads", 257), ("--batch-size", 0), ("--batch-size", 1025)])
@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_numbers_out_of_range_leave_with_2(run: Run, mixed: Path, verb: str, option: tuple[str, int]) -> None:
    assert "range" in headstart(verb, run.folder, mixed, *option, code=2).stderr


# A test set -----------------------------------------------------------------------------------------------------------


def test_a_test_set_is_computed_once_and_judged_alike(
    run: Run, outside: Path, tmp_path: Path, seen_engines: list[Engine]
) -> None:
    plain = json.loads(headstart("evaluate", run.folder, outside, "--no-cache", "--json", "-q").stdout)
    where = ("--cache", tmp_path / "cache", "--threads", 1, "--batch-size", 8)
    first = json.loads(headstart("evaluate", run.folder, outside, *where, "--json", "-q").stdout)
    n_passes = len(seen_engines)
    assert (seen_engines[-1].batch_size, n_kept(tmp_path / "cache")) == (8, 24)
    assert json.loads(headstart("evaluate", run.folder, outside, *where, "--json", "-q").stdout) == first
    assert len(seen_engines) == n_passes
    assert first["confusion"] == plain["confusion"]
    assert first["metrics"]["log_loss"]["value"] == pytest.approx(plain["metrics"]["log_loss"]["value"], abs=1e-5)


def test_the_call_takes_what_the_command_takes(
    run: Run, outside: Path, tmp_path: Path, seen_engines: list[Engine]
) -> None:
    found = evaluate(run.folder, outside, threads=1, batch_size=8, cache=str(tmp_path / "cache"))
    assert {engine.batch_size for engine in seen_engines} == {8}
    assert n_kept(tmp_path / "cache") == found.n_images == 24
    for name, value, words in (("threads", 0, "threads"), ("batch_size", "8", "batch"), ("cache_limit", "8x", "size")):
        with pytest.raises(InputError, match=words):
            evaluate(run.folder, outside, **{name: value})  # type: ignore[arg-type]


def test_options_of_a_test_set_may_stand_in_a_file(
    run: Run, outside: Path, tmp_path: Path, seen_engines: list[Engine]
) -> None:
    named = helpers.write_text(tmp_path / "named.toml", "[evaluate]\nbatch_size = 6\n")
    headstart("evaluate", run.folder, outside, "--config", named, "--no-cache", "-q")
    assert {engine.batch_size for engine in seen_engines} == {6}
    placed = helpers.write_text(tmp_path / "placed.toml", '[evaluate]\ncache = "here"\n')
    assert "where files are written" in headstart("evaluate", run.folder, outside, "--config", placed, code=2).stderr


@pytest.mark.usefixtures("nothing_computed")
def test_training_images_are_refused_before_anything_is_computed(
    run: Run, folders: Path, outside: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(outside, data)
    shutil.copy(folders / "calm" / "004.png", data / "rough" / "renamed.png")
    (data / "calm" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1 of 26 images was used to train this model \(rough/renamed\.png\)"):
        evaluate(run.model(), data, cache=None)


def test_features_in_memory_are_kept_too(run: Run, tmp_path: Path, seen_engines: list[Engine]) -> None:
    model = run.model().on_machine(cache=FeatureCache(tmp_path / "cache"))
    images = helpers.noise(5, seed=3)
    first = model.predict_proba(images)
    n_passes = len(seen_engines)
    assert np.array_equal(model.predict_proba(images), first)
    assert len(seen_engines) == n_passes
    assert np.array_equal(run.model().predict_proba(images), first)


def test_scores_that_one_class_does_not_define_are_said_to_be_undefined(
    run: Run, outside: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(outside / "calm", data / "calm")
    shown = headstart("evaluate", run.folder, data, "-q", "--no-cache").stdout
    rows = {line.split("  ")[0]: line.split()[-2:] for line in shown.splitlines()}
    for title in ("Matthews correlation", "ROC AUC", "Balanced accuracy"):
        assert rows[title] == ["undefined", "undefined"]
    assert "nan" not in shown
    document = json.loads(headstart("evaluate", run.folder, data, "-q", "--no-cache", "--json").stdout)
    assert document["metrics"]["mcc"] == {"value": None, "ci95": None, "fold_sd": None}
