"""A classifier of windows judges recordings and streams alike, with p from its own out-of-fold predictions."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "signals"))
from made_recordings import csv_text, recording, write, write_folder

from headstart.engines.capabilities import openvino_absence
from headstart.engines.engine import Engine, engine_for
from headstart.errors import BundleError, EngineError, InputError
from headstart.model import load_model
from headstart.model.watched_bundle import BundleWatcher
from headstart.model.window_network import live_engine
from headstart.signals.live.sources import Chunk
from headstart.workflow.options.signals import SignalOptions
from headstart.workflow.signals import fit_signals
from headstart.workflow.signals_model import open_stream_model
from headstart.workflow.signals_predict import predict_recordings
from headstart.workflow.signals_watch import WatchOptions, watch


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Recordings, and a run on them with statistics beside the picture; read only."""
    root = tmp_path_factory.mktemp("classifier")
    ring = write_folder(root / "ring", 9)
    options = SignalOptions(window="20s", reference="30s", statistics=True)
    with helpers.no_figures():
        fit_signals(ring, root / "run", options, helpers.options(split="nested:3x2"))
    return ring, root / "run"


def lines_of(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_a_stream_is_judged_as_the_recording_is(fitted: tuple[Path, Path], tmp_path: Path) -> None:
    ring, run = fitted
    recording = sorted(ring.glob("*.csv"))[0]
    whole = predict_recordings(run, str(recording))
    options = WatchOptions(source=str(recording), output=tmp_path / "out.jsonl", follow=False)
    counts = watch(open_stream_model(run), options, say=lambda sentence: None)
    live = lines_of(tmp_path / "out.jsonl")
    explained = [one for one in live if one["change"] == "explained"]
    live = [one for one in live if one["change"] != "explained"]
    assert counts.windows == len(live) == len(whole.windows)
    assert whole.probabilities is not None and whole.p_values is not None
    np.testing.assert_allclose([one["probability"] for one in live], whole.probabilities, atol=1e-6)
    np.testing.assert_allclose([one["p"] for one in live], whole.p_values, atol=1e-6)
    assert whole.judged is not None and whole.judged.detection.n_found == whole.judged.detection.n_events > 0
    raised = [one for one in live if one["change"] == "raised"]
    assert raised and all(one["channels"] for one in raised)
    assert [one["alarm"] for one in explained] == [one["alarm"] for one in raised]


def test_p_is_the_share_of_normal_running_that_scored_as_high_out_of_fold(fitted: tuple[Path, Path]) -> None:
    _, run = fitted
    rate = open_stream_model(run).rate
    assert rate.per_day is None and len(rate.maxima) == 9, "a block for each recording, which are short"
    assert rate.p_values([2.0]).tolist() == [0.1]
    with pytest.raises(InputError, match="cannot be promised"):
        open_stream_model(run, alarms_per_day=1)


def test_a_window_alone_scores_as_among_others_and_as_the_model_says(fitted: tuple[Path, Path]) -> None:
    _, run = fitted
    watcher = open_stream_model(run)
    windows = np.random.default_rng(0).normal(size=(7, 20, 2)).astype(np.float32)
    together = watcher.judge(windows, windows.astype(float)).scores
    alone = [watcher.judge(one[None], one[None].astype(float)).scores[0] for one in windows]
    np.testing.assert_allclose(alone, together, atol=1e-6)
    assert watcher.model.engine.batch_size == 1
    whole = replace(watcher.model, engine=load_model(run).engine)
    np.testing.assert_allclose(
        replace(watcher, model=whole).judge(windows, windows.astype(float)).scores, together, atol=1e-4
    )


@pytest.mark.parametrize(
    ("fitted_by", "live"),
    [
        (Engine(n_threads=2), engine_for("openvino", "fp32", device="cpu", n_threads=2, batch_size=1)),
        (Engine(precision="bf16", folded=True), Engine(precision="bf16", folded=True, batch_size=1)),
        (Engine(name="openvino", precision="int8", batch_size=8, network_sha256="a"), None),
        (Engine(device="cuda", batch_size=64), Engine(device="cuda", batch_size=4)),
        (Engine(compiled=True, batch_size=2), None),
    ],
)
def test_engines_of_streams(fitted_by: Engine, live: Engine | None) -> None:
    if live is not None and live.name == "openvino" and openvino_absence():
        live = replace(fitted_by, batch_size=1)
    assert live_engine(fitted_by) == (live or fitted_by)


def test_a_network_that_openvino_cannot_express_is_run_by_torch(
    fitted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> bytes:
        raise EngineError("cannot run")

    monkeypatch.setattr("headstart.engines.openvino.converted", refuse)
    watcher = open_stream_model(fitted[1])
    assert isinstance(watcher, BundleWatcher) and watcher.model.engine == replace(
        load_model(fitted[1]).engine, batch_size=4
    )


def test_a_bundle_alone_judges_without_p(fitted: tuple[Path, Path]) -> None:
    ring, run = fitted
    found = predict_recordings(run / "model", str(sorted(ring.glob("*.csv"))[0]))
    assert found.p_values is None and found.probabilities is not None
    with pytest.raises(InputError, match="model alone"):
        open_stream_model(run / "model", alarms_per_day=1)


def test_what_was_fitted_on_images_or_is_damaged_is_refused(
    fitted: tuple[Path, Path], run: Any, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="not fitted on recordings"):
        open_stream_model(run.folder)
    copied = tmp_path / "copy"
    shutil.copytree(fitted[1] / "model", copied)
    (copied / "signals.json").write_text('{"recipe": {}, "sizes": [1]}')
    with pytest.raises(BundleError, match="cannot be understood"):
        open_stream_model(copied)


def test_an_alarm_names_the_planted_channel_and_time(fitted: tuple[Path, Path], tmp_path: Path) -> None:
    one = recording(120, seed=77)
    one.values[95:] += [8, 0]
    one.values[40:50, 1] += 4  # a little odd, and no anomaly by what was learned
    planted = write(tmp_path / "planted.csv", csv_text(list(range(120)), values=one.values))
    options = WatchOptions(source=str(planted), output=tmp_path / "out.jsonl", follow=False)
    watcher = open_stream_model(fitted[1])
    watch(watcher, options, say=lambda sentence: None)
    lines = lines_of(tmp_path / "out.jsonl")
    (raised,) = [line for line in lines if line["change"] == "raised"]
    (told,) = [line for line in lines if line["change"] == "explained"]
    assert {**told, "change": "raised", "channels": 0, "evidence": 0} == {**raised, "channels": 0, "evidence": 0}
    assert next(iter(told["channels"])) == "pressure" and told["channels"]["pressure"] > 0.5
    first, last = told["evidence"][0].removeprefix("pressure, ").split(" s, ")[0].split(" s to ")
    assert float(first) >= 90 and float(last) <= told["time"], told
    whole = predict_recordings(fitted[1], str(planted))
    row = int(np.flatnonzero(whole.beyond)[0])
    assert [(named.channel, round(named.share, 4)) for named in whole.evidence[row]] == list(told["channels"].items())


@pytest.fixture(scope="module")
def quick(fitted: tuple[Path, Path]) -> BundleWatcher:
    """The model on a stream in which every sample ends a window."""
    watcher = open_stream_model(fitted[1])
    assert isinstance(watcher, BundleWatcher)
    return replace(watcher, recipe=replace(watcher.recipe, stride=1))


def alarming(path: Path) -> Path:
    """A recording with three alarms."""
    one = recording(230, seed=78)
    for start in (60, 110, 160):
        one.values[start : start + 12, 0] += 12
    return write(path, csv_text(list(range(230)), values=one.values))


def test_an_alarm_does_not_wait_for_its_explanation_which_comes_at_its_place(
    quick: BundleWatcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, asked = alarming(tmp_path / "in.csv"), list[int]()
    judge = BundleWatcher._predicted
    monkeypatch.setattr(
        BundleWatcher, "_predicted", lambda self, *pair: asked.append(len(pair[0])) or judge(self, *pair)
    )
    options = WatchOptions(source=str(source), output=tmp_path / "out.jsonl", follow=False)
    watch(quick, options, say=lambda sentence: None)
    changes = [line["change"] for line in lines_of(tmp_path / "out.jsonl")]
    raised = [place for place, change in enumerate(changes) if change == "raised"]
    explained = [place for place, change in enumerate(changes) if change == "explained"]
    assert len(raised) == len(explained) == 3
    n_turns = {after - before for before, after in zip(raised, explained, strict=True)}
    assert n_turns <= {3, 4, 5}, "1 + 2 channels in one turn, 9 or 18 places in turns of 8"
    assert max(one for one in asked if one < 180) <= 8, "never more than a turn"


def test_killed_at_any_line_the_explanations_come_once_and_at_the_same_place(
    quick: BundleWatcher, tmp_path: Path
) -> None:
    class KilledError(Exception):
        """Stands for a kill at any moment."""

    content = alarming(tmp_path / "in.csv").read_text().splitlines(keepends=True)
    whole = WatchOptions(source=str(tmp_path / "in.csv"), output=tmp_path / "whole.jsonl", follow=False)
    watch(quick, whole, say=lambda sentence: None)
    about = WatchOptions(
        source=str(tmp_path / "in.csv"), output=tmp_path / "out.jsonl", state=tmp_path / "state.json", follow=False
    )
    rng = np.random.default_rng(1)

    def chunks_until(n_chunks: int) -> Any:
        def given(source: str, *, offset: int, **_: Any) -> Any:
            for number in range(n_chunks):
                known = len((tmp_path / "in.csv").read_bytes()[:offset].decode().splitlines())
                lines = content[known : known + 7]
                offset += sum(map(len, lines))
                if lines:
                    yield Chunk([line.rstrip("\n") for line in lines], offset)
                if number == n_chunks - 1 and lines:
                    raise KilledError

        return given

    for _ in range(60):
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(KilledError):
            patch.setattr("headstart.workflow.signals_watch.chunks_of", chunks_until(int(rng.integers(1, 4))))
            watch(quick, about, say=lambda sentence: None)
            with open(tmp_path / "out.jsonl", "ab") as handle:
                handle.write(b'{"what a kill')
    assert (tmp_path / "out.jsonl").read_bytes().removesuffix(b'{"what a kill') == (
        tmp_path / "whole.jsonl"
    ).read_bytes()
