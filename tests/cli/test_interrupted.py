"""Ctrl-C says what is true of the command that was interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helpers
import pytest
from click.testing import CliRunner, Result

from headstart.cli import main
from headstart.features.cache import FeatureCache
from headstart.features.extractor import Extractor
from headstart.workflow.run import Run

GOES_ON = "Interrupted; what was finished is kept. The same command goes on from there."
KEPT = "Features computed so far are kept in the cache; the same command goes on from there."
ANEW = "The same command begins anew."


def headstart(*words: object, code: int) -> Result:
    found = CliRunner().invoke(main, [str(word) for word in words])
    assert found.exit_code == code, found.output
    return found


def last_line(found: Result) -> str:
    return found.stderr.rstrip().splitlines()[-1]


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real SIGINT while the third batch is computed; later batches wait for it to arrive.

    The handler is set here: where the tests were started in the background, SIGINT is ignored.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    compute, calls, sent = Extractor.compute, [], threading.Event()

    def interrupted(self: Extractor, pixels: Any) -> Any:
        calls.append(len(pixels))
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            sent.set()
        if len(calls) >= 3:
            sent.wait(5)
            threading.Event().wait(0.2)
        return compute(self, pixels)

    monkeypatch.setattr(Extractor, "compute", interrupted)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 labelled images: ten batches."""
    return helpers.write_folders(tmp_path_factory.mktemp("many") / "data", 160, seed=78)


@pytest.mark.usefixtures("ctrl_c")
def test_predictions_are_not_written_and_features_are_kept(run: Run, many: Path, tmp_path: Path) -> None:
    rows, cache = tmp_path / "rows.csv", tmp_path / "cache"
    found = headstart("predict", run.folder, many, "-o", rows, "--cache", cache, "-q", code=130)
    assert last_line(found) == f"Interrupted. {rows} was not written. {KEPT}"
    assert not rows.exists()
    assert max(place.n_images for place in FeatureCache(cache).info().settings) >= 16


@pytest.mark.usefixtures("ctrl_c")
def test_without_a_cache_nothing_is_said_to_be_kept(run: Run, many: Path, tmp_path: Path) -> None:
    found = headstart("predict", run.folder, many, "--no-cache", "-q", "--json", code=130)
    assert last_line(found) == f"Interrupted. {ANEW}"
    assert json.loads(found.stdout) == {"error": f"Interrupted. {ANEW}", "exit_code": 130}


@pytest.mark.usefixtures("ctrl_c")
def test_a_test_set_keeps_its_features(run: Run, many: Path, tmp_path: Path) -> None:
    found = headstart("evaluate", run.folder, many, "--cache", tmp_path / "cache", "-q", code=130)
    assert last_line(found) == f"Interrupted. {KEPT}"


@pytest.mark.usefixtures("ctrl_c")
def test_a_cache_that_refused_keeps_nothing(run: Run, many: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    found = headstart("predict", run.folder, many, "--cache", tmp_path / "file", "-q", code=130)
    assert last_line(found) == f"Interrupted. {ANEW}"


@pytest.mark.parametrize(
    ("verb", "patched", "words"),
    [
        (["fit", "{data}", "-o", "{new}"], "headstart.workflow.job.audit.audit_dataset", GOES_ON),
        (["fit", "{data}", "-o", "{new}", "--estimate"], "headstart.workflow.job.audit.audit_dataset", ANEW),
        (["curve", "{data}", "-o", "{new}"], "headstart.workflow.job.audit.audit_dataset", GOES_ON),
        (["check", "{data}"], "headstart.workflow.check.audit_dataset", KEPT),
        (["check", "{data}", "--no-features"], "headstart.workflow.check.audit_dataset", ANEW),
        (["report", "{run}"], "headstart.workflow.run.rewrite_report", ANEW),
        (["signals", "simulate", "-o", "{new}"], "headstart.signals.simulated_files.recording_csv", ANEW),
    ],
    ids=["fit", "estimate", "curve", "check", "files", "report", "simulate"],
)
def test_every_verb_says_what_is_true(
    verb: list[str], patched: str, words: str, run: Run, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(patched, interrupted)
    named = {"data": folders, "new": tmp_path / "new", "run": run.folder}
    assert last_line(headstart(*(word.format(**named) for word in verb), code=130)).endswith(words)
    if words == ANEW:
        assert not any(tmp_path.iterdir())


def test_pictures_of_an_interrupted_explanation_do_not_stand_in_the_way(
    run: Run, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    shutil.copytree(folders / "calm", images)
    from headstart.workflow import explain as module

    draw, drawn = module._draw, []

    def interrupted(path: Path, *given: Any) -> Any:
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(path)
        return draw(path, *given)

    command = (
        "explain",
        run.folder,
        images / "000.png",
        images / "002.png",
        images / "004.png",
        "-o",
        tmp_path / "out",
    )
    with monkeypatch.context() as patch:
        patch.setattr(module, "_draw", interrupted)
        assert last_line(headstart(*command, "-q", code=130)) == f"Interrupted. {ANEW}"
    assert not any((tmp_path / "out").iterdir())
    assert "Wrote" in headstart(*command, "-q", code=0).stdout
