"""Windows are cut, labelled and grouped as asked for, and none shares a sample with another group."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from made_recordings import recording

from headstart.errors import DataError, InputError
from headstart.signals import Windowing, cut_windows
from headstart.signals.span import Span


def how(length: int = 10, stride: int = 5, **about: object) -> Windowing:
    spans = {
        name: Span(value, True)
        for name, value in about.items()
        if isinstance(value, int) and name not in ("parts", "seed")
    }
    return Windowing(Span(length, True), Span(stride, True), **(about | spans))


def test_windows_hold_the_samples_of_their_recording() -> None:
    recordings = (recording(60), recording(40, name="b", seed=1))
    windows = cut_windows(recordings, how(reference=20))
    assert windows.groups == ("a",) * 7 + ("b",) * 3
    assert windows.names[:2] == ["a@20s", "a@25s"]
    for values, place, start in zip(windows.values(), windows.recording, windows.start, strict=True):
        np.testing.assert_array_equal(values, recordings[place].values[start : start + 10])
    assert windows.start.min() == 20, "the reference stretch is never judged"
    assert windows.values(np.array([], dtype=np.int64)).shape == (0, 10, 2)


@pytest.mark.parametrize(
    ("rule", "expected"), [("any", "nnaaaaann"), ("majority", "nnnaaannn"), ("centre", "nnnaaannn")]
)
def test_label_rules(rule: str, expected: str) -> None:
    windows = cut_windows((recording(50, anomaly=slice(18, 32)),), how(parts=1, rule=rule))
    assert "".join(label[0] for label in windows.labels or ()) == expected


def test_of_several_classes_any_takes_the_most_frequent_that_is_not_normal() -> None:
    labels = ("normal",) * 7 + ("leak",) * 2 + ("burst",)
    windows = cut_windows((recording(10, labels=labels),), how(parts=1))
    assert windows.labels == ("leak",)
    assert cut_windows((recording(10, labels=None),), how(parts=1)).labels is None


def test_parts_of_one_recording_share_no_sample_and_keep_a_purge_between_them() -> None:
    windows = cut_windows((recording(600),), how(reference=50, purge=15))
    assert len(set(windows.groups)) == 10
    assert "scores may flatter" in windows.notes[0]
    ends: dict[str, list[int]] = {}
    for group, start in zip(windows.groups, windows.start.tolist(), strict=True):
        ends.setdefault(group, []).extend([start, start + 10])
    stretches = sorted((min(found), max(found)) for found in ends.values())
    assert all(after[0] - before[1] >= 15 for before, after in pairwise(stretches))


def test_gaps_are_skipped_filled_or_refused() -> None:
    one = recording(60)
    one.values[30:33] = np.nan
    skipped = cut_windows((one,), how(parts=1))
    assert not np.isnan(skipped.values()).any()
    assert "left out in 1 of 1 recordings" in skipped.notes[-1]
    filled = cut_windows((one,), how(parts=1, gaps="fill"))
    assert len(filled) > len(skipped)
    np.testing.assert_allclose(np.diff(filled.recordings[0].values[29:34], n=2, axis=0), 0, atol=1e-9)
    with pytest.raises(DataError, match=r"a has a gap at 30 s.*--gaps skip"):
        cut_windows((one,), how(parts=1, gaps="refuse"))
    one.values[::5] = np.nan
    with pytest.raises(DataError, match="No window is left"):
        cut_windows((one,), how(parts=1))


def test_random_starts_are_fixed_by_the_seed_and_lie_within_the_limit() -> None:
    recordings = tuple(recording(80, name=str(number)) for number in range(20))
    first = cut_windows(recordings, how(reference=10, random_start=30, seed=3))
    again = cut_windows(recordings, how(reference=10, random_start=30, seed=3))
    crops = first.reference[:, 0]
    assert crops.tolist() == again.reference[:, 0].tolist()
    assert len(set(crops.tolist())) > 5
    assert 0 <= crops.min() <= crops.max() <= 30
    assert (first.start >= first.reference[first.recording, 1]).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"length": 70}, "a: 70 s of a window do not fit into its 60 s. Take a shorter window"),
        ({"reference": 55}, "behind the first 55 s"),
        ({"parts": 5}, "for each of 5 parts with 10 s between them"),
    ],
)
def test_a_window_longer_than_its_recording_is_refused(given: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        cut_windows((recording(60), recording(60, name="b")), how(**given))


def test_spans_and_rules_are_checked() -> None:
    assert Span.parse("500ms").samples(0.1) == 5
    assert str(Span.parse("2min")) == "120s"
    for text in ("soon", "-3s", "1.5"):
        with pytest.raises(InputError, match="window is"):
            Span.parse(text)
    with pytest.raises(InputError, match="label rule 'most'"):
        how(rule="most")
    with pytest.raises(InputError, match="gap policy"):
        how(gaps="ignore")
    with pytest.raises(InputError, match="longer than nothing"):
        how(stride=0)
    with pytest.raises(InputError, match="less than one sample"):
        cut_windows((recording(60),), Windowing(Span(0.001), Span(1, True)))
