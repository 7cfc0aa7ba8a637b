"""A detector of what is not normal running: honest scores, a file that is kept whole, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.errors import BundleError, DataError, InputError
from headstart.heads.one_class import fit_one_class
from headstart.model.detector import Detector, fit_detector, left_out_scores, load_detector
from headstart.model.watcher import find_detector
from headstart.model.window_features import STATISTICS, WindowStatistics
from headstart.signals.dataset import recipe_of
from headstart.signals.recording import Recording
from headstart.signals.span import Span
from headstart.signals.standardise import standardised
from headstart.signals.windows import Windowing, Windows, cut_windows


def recording(name: str = "a", *, n: int = 900, seed: int = 0, labels: tuple[str, ...] | None = None) -> Recording:
    values = np.random.default_rng(seed).normal(loc=[5, -3], size=(n, 2))
    return Recording(name, ("p", "q"), values, 1.0, labels=labels)


def windows_of(*recordings: Recording, reference: int = 0) -> tuple[Windows, Any]:
    how = Windowing(Span(20, True), Span(10, True), reference=Span(reference, True), parts=1)
    windows = cut_windows(recordings, how)
    return windows, recipe_of(windows, how, standardise=None, image="level", with_statistics=True)


def fitted(**about: Any) -> Detector:
    return fit_detector(*windows_of(recording()), block_s=60, **about)


def test_the_rate_rests_on_scores_of_heads_that_saw_nothing_near() -> None:
    windows, recipe = windows_of(recording())
    features = STATISTICS.of(standardised(windows, recipe.standardise))
    scores = left_out_scores(features, windows, "knn")
    for row in (0, 40, len(windows) - 1):
        fold = np.arange(len(windows)) * 5 // len(windows)
        own = windows.start[fold == fold[row]]
        apart = (windows.start >= own.max() + 20) | (windows.start <= own.min() - 20)
        assert scores[row] == fit_one_class("knn", features[apart]).distances(features[row : row + 1])[0]
    assert scores.min() > 0, "no window is its own neighbour"


def test_a_window_of_another_fold_does_not_move_a_score_of_its_own_head() -> None:
    windows, recipe = windows_of(*(recording(f"{seed}", n=200, seed=seed) for seed in range(5)))
    features = STATISTICS.of(standardised(windows, recipe.standardise))
    changed = features.copy()
    changed[windows.recording == 2] += 50
    before, after = left_out_scores(features, windows, "knn"), left_out_scores(changed, windows, "knn")
    strange = windows.recording == 2
    assert (after[strange] > 5 * before[strange]).all()
    others = fit_one_class("knn", changed[~strange]).distances(changed[strange])
    assert np.array_equal(after[strange], others)


def test_windows_that_are_not_normal_are_left_out() -> None:
    labels = tuple("leak" if 300 <= place < 400 else "normal" for place in range(900))
    one = recording(labels=labels)
    one.values[300:400] += 40
    windows, recipe = windows_of(one)
    found = fit_detector(windows, recipe, block_s=60)
    assert found.n_windows == sum(label == "normal" for label in windows.labels or ())
    scores = found.scores(standardised(windows, recipe.standardise))
    assert scores[np.array(windows.labels) == "leak"].min() > found.rate.maxima[-1]
    with pytest.raises(DataError, match="No window is 'normal'"):
        fit_detector(*windows_of(recording(labels=("leak",) * 900)))


def test_a_detector_is_kept_and_the_same_again(tmp_path: Path) -> None:
    first, second = fitted(), fitted()
    assert first.identity == second.identity != fitted(kind="knn").identity
    first.save(tmp_path / "a")
    second.save(tmp_path / "b")
    for name in ("detector.json", "detector.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    again = load_detector(tmp_path / "a")
    assert again.identity == first.identity
    window = np.random.default_rng(1).normal(size=(3, 20, 2)).astype(np.float32)
    assert np.array_equal(again.scores(window), first.scores(window))


def _changed(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 99, "headstart": "9.9"}, r"headstart 9\.9, which is newer"),
        ({"head": "forest"}, "no one-class head"),
        ({"centre": [0.0]}, "centre, spread and sizes"),
        ({"rate": {"maxima": [], "block_s": 1, "per_day": None}}, "finite maxima"),
        ({"recipe": {}}, "recipe"),
        ({"arrays": "0"}, "changed or damaged"),
    ],
)
def test_a_damaged_detector_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    fitted().save(tmp_path)
    _changed(tmp_path / "detector.json", **changes)
    with pytest.raises(BundleError, match=words):
        load_detector(tmp_path)


def test_what_holds_no_detector_is_none_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    assert find_detector(tmp_path) is None
    (tmp_path / "detector.json").write_bytes(b"\xff")
    with pytest.raises(BundleError, match="cannot be used"):
        find_detector(tmp_path)


def test_too_little_normal_running_is_refused() -> None:
    with pytest.raises(DataError, match="at least 40 are needed"):
        fit_detector(*windows_of(recording(n=300)))
    with pytest.raises(InputError, match=r"at least 7\. Record on"):
        fitted(per_day=1)
    with pytest.raises(InputError, match="mahalanobi"):
        fitted(kind="mahalanobi")


class _Centred(WindowStatistics):
    """Statistics in units of what was seen of normal running; it notes what it was shown."""

    def __init__(self, shown: list[Any], scale: float = 1.0) -> None:
        self.shown, self.scale = shown, scale

    @property
    def learns(self) -> bool:
        return True

    def fitted(self, windows: Any) -> _Centred:
        self.shown.append(windows)
        return _Centred(self.shown, float(windows.std()))

    def of(self, windows: Any) -> Any:
        return super().of(windows / self.scale)


def test_what_features_learn_is_learned_without_the_part_that_is_scored() -> None:
    windows, recipe = windows_of(recording())
    shown: list[Any] = []
    fit_detector(windows, recipe, block_s=60, seen=_Centred(shown))
    assert len(shown[0]) == len(windows) and len(shown) == 1 + 5
    values = standardised(windows, recipe.standardise)
    for part, seen in enumerate(shown[1:]):
        own = np.arange(len(windows)) * 5 // len(windows) == part
        scored = windows.start[own]
        apart = (windows.start >= scored.max() + 20) | (windows.start <= scored.min() - 20)
        np.testing.assert_array_equal(seen, values[apart])
