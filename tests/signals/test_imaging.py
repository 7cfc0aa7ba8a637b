"""Pictures of windows are what the obvious computation gives, and tell nothing of where a window lies."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_recordings import recording, write_folder

from headstart import signals
from headstart.errors import DataError, InputError
from headstart.signals.imaging import IMAGINGS, register_imaging
from headstart.signals.imaging.level import level
from headstart.signals.imaging.pairs import gramian, markov
from headstart.signals.pictures import grey_levels
from headstart.signals.recipe import SignalRecipe
from headstart.signals.source import WindowPictures
from headstart.signals.span import Span
from headstart.signals.standardise import reference_scale, standardised
from headstart.signals.statistics import statistics
from headstart.signals.windows import Windowing, Windows, cut_windows
from headstart.workflow.options.signals import imaging_names


def windows(reference: int = 20, **about: object) -> Windows:
    recordings = tuple(recording(60, name=str(number), seed=number, **about) for number in range(3))
    return cut_windows(recordings, Windowing(Span(16, True), Span(7, True), reference=Span(reference, True)))


def recipe(**about: object) -> SignalRecipe:
    given = {"channels": ("pressure", "speed"), "period_s": 1.0, "length": 16, "stride": 7, "reference": 20}
    return SignalRecipe(**(given | {"standardise": "reference"} | about))


@pytest.mark.parametrize("robust", [False, True])
def test_the_reference_stretch_sets_centre_and_spread(robust: bool) -> None:
    found = windows()
    z = standardised(found, "robust" if robust else "reference")
    for row, (place, start) in enumerate(zip(found.recording, found.start, strict=True)):
        values = found.recordings[place].values
        stretch = values[:20]
        centre = np.median(stretch, axis=0) if robust else stretch.mean(axis=0)
        spread = 1.4826 * np.median(abs(stretch - centre), axis=0) if robust else stretch.std(axis=0)
        np.testing.assert_allclose(z[row], (values[start : start + 16] - centre) / spread, rtol=1e-5)


def test_a_window_by_itself_has_mean_nought_and_spread_one() -> None:
    z = standardised(windows(), "window")
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(z.std(axis=1), 1, rtol=1e-5)


def test_a_constant_reference_gives_finite_values() -> None:
    found = windows()
    found.recordings[0].values[:, 1] = 7.0
    z = standardised(found, "reference")
    assert np.isfinite(z).all()
    assert not z[found.recording == 0, :, 1].any()


def test_a_reference_too_short_is_refused() -> None:
    with pytest.raises(DataError, match=r"0: the reference stretch has 0 samples.*--standardise window"):
        reference_scale(windows(reference=0))
    with pytest.raises(DataError, match="has 5 samples"):
        reference_scale(windows(reference=5))


@pytest.mark.parametrize("image", IMAGINGS)
def test_one_window_is_drawn_as_among_many(image: str) -> None:
    source = WindowPictures(windows(), recipe(image=image))
    many = source.pictures()
    assert many.dtype == np.uint8
    assert many.shape[3] == 3
    for row in (0, 4):
        one = source.open(row, "w")
        np.testing.assert_array_equal(one.picture(), many[row])
        np.testing.assert_array_equal(np.asarray(one.decoded().image), many[row])
    assert len({one.tobytes() for one in many}) == len(many), "windows differ"


def test_scalogram_draws_and_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    source = WindowPictures(windows(), recipe(image="scalogram"))
    assert source.pictures().shape[1:] == (24, 2 * 16, 3)
    monkeypatch.setitem(sys.modules, "pywt", None)
    with pytest.raises(InputError, match=r'pip install "headstart\[signals\]"'):
        source.pictures()


@pytest.mark.parametrize("image", IMAGINGS)
def test_a_window_moved_in_time_is_the_same_picture(image: str) -> None:
    early, late = recording(100), recording(100)
    late.values[70:86] = early.values[30:46]
    both = [
        cut_windows((one,), Windowing(Span(16, True), Span(1, True), reference=Span(20, True), parts=1))
        for one in (early, late)
    ]
    pictures = [
        WindowPictures(found, recipe(image=image)).pictures(np.flatnonzero(found.start == start))
        for found, start in zip(both, (30, 70), strict=True)
    ]
    np.testing.assert_array_equal(*pictures)


def test_level_is_two_means_and_the_log_of_a_spread() -> None:
    z = np.random.default_rng(0).normal(size=(2, 40, 3)).astype(np.float32)
    found = level(z, 1.0)[:, :: 40 // 3 if 40 // 3 < 8 else 8]  # one row of each band
    assert found.shape == (2, 3, 40, 3)
    for n, channel, t in [(0, 0, 0), (1, 2, 20), (0, 1, 39)]:
        row = z[n, :, channel].astype(float)
        around = [row[max(0, t - half) : t + half + 1].mean() for half in (2, 15)]
        smooth = np.array([row[max(0, k - 2) : k + 3].mean() for k in range(40)])
        spread = np.sqrt(np.mean(((row - smooth) ** 2)[max(0, t - 2) : t + 3]))
        expected = grey_levels(np.array([*around, 4 * np.log10(spread + 0.05)]))
        np.testing.assert_allclose(found[n, channel, t].astype(int), expected.astype(int), atol=1)


def test_gramian_and_markov_by_hand() -> None:
    z = np.array([[[0.0], [30.0], [-30.0]]], dtype=np.float32)
    angles = np.arccos([0.0, 1.0, -1.0])
    sums = np.cos(angles[:, None] + angles)
    np.testing.assert_allclose(gramian(z, 1.0)[0, ..., 0], (sums + 1) / 2 * 255, atol=1)
    steps = np.array([[[-30.0], [30.0], [-30.0], [-30.0]]], dtype=np.float32)
    low, high = 128, 255  # half of the steps from below lead up, all from above lead down
    row = [low, low, low, low]
    assert markov(steps, 1.0)[0, :, :, 0].tolist() == [row, [high, 0, high, high], row, row]


def test_pictures_fill_the_scale_and_matrix_and_level_are_quick() -> None:
    z = np.random.default_rng(0).normal(size=(400, 60, 8)).astype(np.float32)
    for name in ("matrix", "level"):
        start = time.process_time()
        found = IMAGINGS[name].render(z, 1.0)
        assert time.process_time() - start < 0.4, f"{name}: 1,000 windows a second"
        assert found.shape == (400, 64, 60, 3)


def test_statistics_by_the_obvious_computation() -> None:
    values = np.random.default_rng(0).normal(size=(4, 30, 2))
    found = statistics(values).reshape(4, 2, 7)
    row = values[1, :, 1]
    slope = np.polyfit(np.arange(30), row, 1)[0] * 29
    steps = abs(np.diff(row))
    expected = [row.mean(), row.std(), row.min(), row.max(), slope, steps.mean(), steps.max()]
    np.testing.assert_allclose(found[1, 1], expected)


def test_a_recipe_survives_its_file_and_refuses_a_damaged_one() -> None:
    whole = recipe(statistics=True)
    assert SignalRecipe.from_json(whole.to_json()) == whole
    with pytest.raises(DataError, match="Install a newer"):
        SignalRecipe.from_json(whole.to_json() | {"version": 99})
    for damaged in ({}, whole.to_json() | {"image": "cube"}, whole.to_json() | {"colour": 1}):
        with pytest.raises(DataError, match="fit the model again"):
            SignalRecipe.from_json(damaged)
    with pytest.raises(InputError, match="imaging 'cube'"):
        replace(whole, image="cube")


def test_read_gives_a_data_set_grouped_by_recording(tmp_path: Path) -> None:
    dataset = signals.read(write_folder(tmp_path), window="20s", reference="30s", statistics=True)
    assert dataset.group_names == tuple(f"{number}.csv" for number in range(6))
    assert dataset.classes == ("anomaly", "normal")
    assert len(dataset.columns) == 14
    assert dataset.columns[0].name == "pressure mean"
    again = signals.read(tmp_path, window="20s", reference="30s", statistics=True)
    assert dataset.fingerprint() == again.fingerprint()
    some = dataset.subset([5, 2])
    np.testing.assert_array_equal(np.asarray(some.load(1)), np.asarray(dataset.load(2)))
    other = signals.read(tmp_path, window="20s", reference="30s", image="matrix")
    assert other.content_hash(0) != dataset.content_hash(0)


def test_what_is_the_same_of_many_recordings_is_told_once(tmp_path: Path) -> None:
    values = [",".join(str((n * k) % 7) for k in range(12)) for n in range(1, 9)]
    cases = "\n".join(f"{one}:{label}" for one, label in zip(values, ["calm", "rough"] * 4, strict=True))
    path = tmp_path / "cases.ts"
    path.write_text(f"@classLabel true calm rough\n@data\n{cases}\n", encoding="utf-8")
    dataset = signals.read(path, window=12)
    assert (len(dataset), dataset.classes) == (8, ("calm", "rough"))
    rates = [note for note in dataset.notes if "State the rate" in note]
    assert len(rates) == 1
    assert rates[0].endswith("The same of 7 other recordings, with numbers of their own.")


def test_a_way_to_show_windows_from_outside_is_found(tmp_path: Path) -> None:
    @register_imaging("toy", "all in one grey")
    def toy(windows: np.ndarray, period_s: float) -> np.ndarray:
        return np.full((len(windows), 4, 4, 3), 99, dtype=np.uint8)

    try:
        dataset = signals.read(write_folder(tmp_path, 2), window="20s", image="toy")
        assert (np.asarray(dataset.load(0)) == 99).all()
        assert "toy" in imaging_names()
    finally:
        IMAGINGS.discard("toy")
