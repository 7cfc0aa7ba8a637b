"""Pictures that are no files go the whole way: fit, cache, report, resuming, prediction."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import helpers
import numpy as np
import pandas as pd
import pytest
import windows
from PIL import Image

import headstart
from headstart.errors import DataError, ImageError
from headstart.features import pipeline
from headstart.workflow.run import rewrite_report


@pytest.fixture(scope="module")
def trace_run(tmp_path_factory: pytest.TempPathFactory) -> headstart.workflow.run.Run:
    """A finished fit of windows of one array, with a cache; read only."""
    folder = tmp_path_factory.mktemp("windows")
    with helpers.empty_figures():
        return headstart.fit(
            windows.trace_dataset(), folder / "run", helpers.cheap_options(cache=str(folder / "cache"))
        )


def test_a_fit_of_windows_gives_the_numbers_of_the_same_pixels_in_an_array(
    trace_run: headstart.workflow.run.Run, tmp_path: Path, no_figures: None
) -> None:
    arrays = headstart.ImageDataset.from_arrays(
        helpers.noise(48),
        helpers.labels_of(48),
        names=windows.trace_dataset().names,
        groups=[f"recording {row // 4}" for row in range(48)],
    )
    plain = headstart.fit(arrays, tmp_path / "run", helpers.cheap_options())
    for name in ("predictions.csv", "split.json"):
        assert (trace_run.folder / name).read_bytes() == (plain.folder / name).read_bytes()


def test_a_fit_of_a_frame_gives_the_numbers_of_the_same_pixels(tmp_path: Path, no_figures: None) -> None:
    """Options name its columns, as those of a manifest; a test set in memory is judged and training images refused."""
    pixels, labels = helpers.noise(24), helpers.labels_of(24)
    frame = pd.DataFrame({"image": [Image.fromarray(one) for one in pixels], "dx": labels})
    found = headstart.fit(frame, tmp_path / "frame", helpers.cheap_options(), label_column="dx")
    plain = headstart.fit(headstart.ImageDataset.from_arrays(pixels, labels), tmp_path / "run", helpers.cheap_options())
    for name in ("predictions.csv", "split.json"):
        assert (found.folder / name).read_bytes() == (plain.folder / name).read_bytes()
    model = headstart.load_model(found.folder)
    others = frame.assign(image=[Image.fromarray(255 - one) for one in pixels], label=labels)
    assert headstart.evaluate(model, others).n_images == 24
    with pytest.raises(DataError, match="24 of 24 images were used to train this model"):
        headstart.evaluate(model, frame.rename(columns={"dx": "label"}))
    with pytest.raises(DataError, match=r"no labels.*ImageDataset\.from_images\(images, labels\)"):
        headstart.fit(list(pixels), tmp_path / "other", helpers.cheap_options())
    assert not (tmp_path / "other").exists()


def test_proposed_groups_are_kept_together_and_named_in_results_and_report(
    trace_run: headstart.workflow.run.Run,
) -> None:
    split = json.loads((trace_run.folder / "split.json").read_text())
    folds = np.array(split["outer"][0])
    assert all(len(set(folds[start : start + 4])) == 1 for start in range(0, 48, 4))
    told = [text for text in trace_run.results.warnings if "as their source proposes: 12 groups" in text]
    assert len(told) == 1
    assert "as their source proposes: 12 groups" in trace_run.report.read_text()


def test_the_report_shows_windows_and_is_written_again_without_them(trace_run: headstart.workflow.run.Run) -> None:
    page = trace_run.report.read_text()
    assert page.count("data:image/jpeg;base64,") > 0 and ">window " in page
    notes = helpers.Notes()
    with helpers.empty_figures():
        rewrite_report(trace_run.folder, progress=notes)
    assert any("it was made from data in memory" in text for text in notes.texts)
    trace_run.report.write_text(page)


def test_a_second_fit_takes_the_features_of_windows_from_the_cache(
    trace_run: headstart.workflow.run.Run, tmp_path: Path, no_figures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    plain = pipeline.read_prepared
    monkeypatch.setattr(pipeline, "read_prepared", lambda data, row, how: computed.append(row) or plain(data, row, how))
    cache = str(trace_run.folder.parent / "cache")
    again = headstart.fit(windows.trace_dataset(), tmp_path / "run", helpers.cheap_options(cache=cache))
    assert computed == []
    assert (again.folder / "predictions.csv").read_bytes() == (trace_run.folder / "predictions.csv").read_bytes()


def test_the_same_windows_go_on_with_their_run_and_others_are_refused(
    trace_run: headstart.workflow.run.Run,
) -> None:
    options = helpers.cheap_options(cache=str(trace_run.folder.parent / "cache"))
    before = helpers.tree(trace_run.folder)
    assert headstart.fit(windows.trace_dataset(), trace_run.folder, options).headline == trace_run.headline
    assert helpers.tree(trace_run.folder) == before
    with pytest.raises(headstart.errors.RunError, match="differs in: the data set"):
        headstart.fit(windows.trace_dataset(seed=1), trace_run.folder, options)


def test_the_bundle_predicts_new_windows_as_it_predicts_their_pixels(trace_run: headstart.workflow.run.Run) -> None:
    model = trace_run.model()
    new = windows.trace_dataset(8, n_recordings=2, seed=7)
    found = model.predict_proba(new)
    assert np.array_equal(found, model.predict_proba(helpers.noise(8, seed=7)))
    with (trace_run.folder / "predictions.csv").open() as handle:
        assert next(csv.DictReader(handle))["image"].startswith("window ")


def test_a_source_that_gives_other_pixels_the_second_time_stops_the_fit_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    plain = windows.TraceWindows.open

    def unsteady(source: windows.TraceWindows, row: int, name: str) -> windows.ArrayImage:
        asked.append(row)
        image = plain(source, row, name)
        return image if asked.count(row) == 1 or row != 7 else windows.ArrayImage(name, 255 - image.pixels)

    monkeypatch.setattr(windows.TraceWindows, "open", unsteady)
    with pytest.raises(ImageError, match=r"window 168: its pixels are not those that were read at first"):
        headstart.fit(windows.trace_dataset(), tmp_path / "run", helpers.cheap_options())
    assert not (tmp_path / "run" / "results.json").exists()
