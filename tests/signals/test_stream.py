"""A live stream: the same windows as of the whole recording, through gaps, restarts and disorder."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from headstart.errors import DataError, InputError
from headstart.signals.live.alarms import AlarmState, Hysteresis
from headstart.signals.live.sample import Sample
from headstart.signals.live.state import read_state, write_state
from headstart.signals.live.stream import Stream
from headstart.signals.live.windows import LiveWindow, StreamShape
from headstart.signals.units import changed_units, typical_sizes

SHAPE = StreamShape(("a", "b"), period_s=1.0, length=6, stride=4, reference=5)


def lines_of(times: Any, values: np.ndarray) -> list[str]:
    return ["time,a,b", *(f"{time},{row[0]!r},{row[1]!r}" for time, row in zip(times, values.tolist(), strict=True))]


def pushed(stream: Stream, lines: list[str]) -> list[LiveWindow]:
    return [window for line in lines for window in stream.push(line)]


def stream(said: list[str] | None = None, **about: Any) -> Stream:
    return Stream(SHAPE, say=(said.append if said is not None else lambda sentence: None), **about)


def signal(n: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2))


def test_windows_are_those_of_the_recording() -> None:
    values = signal(60)
    found = pushed(stream(), lines_of(range(60), values))
    starts = range(5, 60 - 6 + 1, 4)
    assert [one.start_s for one in found] == list(starts)
    for one, start in zip(found, starts, strict=True):
        assert one.end_s == start + 5
        assert np.array_equal(one.values, values[start : start + 6])
        assert np.array_equal(one.reference, values[:5])


def test_irregular_samples_are_on_straight_lines_between_those_there_are() -> None:
    rng = np.random.default_rng(3)
    times = np.concatenate([[0.0], np.sort(rng.uniform(0.2, 59, 80)), [60.0]])
    values = signal(len(times))
    found = pushed(stream(), lines_of(times.tolist(), values))
    grid = np.arange(61.0)
    expected = np.stack([np.interp(grid, times, column) for column in values.T], axis=1)
    assert len(found) == 13
    for place, one in enumerate(found):
        start = 5 + 4 * place
        assert one.start_s == pytest.approx(start, abs=0.02)
        np.testing.assert_allclose(one.values, expected[start : start + 6], atol=0.06)


def test_windows_after_a_gap_stand_where_they_would_without_it() -> None:
    values, kept = signal(80), [*range(30), *range(47, 80)]
    said: list[str] = []
    found = pushed(stream(said), lines_of(kept, values[kept]))
    starts = [start for start in range(5, 75, 4) if not set(range(start, start + 6)) & set(range(30, 47))]
    assert [one.start_s for one in found] == starts
    assert all(np.array_equal(one.values, values[int(one.start_s) : int(one.start_s) + 6]) for one in found)
    assert said == ["A gap of 17 s until 47.0: windows that touch it are not judged."]


def test_a_gap_in_the_reference_counts_as_time() -> None:
    kept = [0, 1, *range(30, 60)]
    found = pushed(stream(), lines_of(kept, signal(60)[kept]))
    assert np.isnan(found[0].reference).any(axis=1).tolist() == [False, False, True, True, True]
    assert all((one.start_s - 5) % 4 == 0 for one in found)


def test_short_gaps_are_bridged_and_a_silent_channel_is_not_held_for_ever() -> None:
    values = signal(40)
    kept = [*range(20), *range(23, 40)]
    assert len(pushed(stream(), lines_of(kept, values[kept]))) == len(pushed(stream(), lines_of(range(40), values)))
    silent = values.copy()
    silent[20:, 0] = np.nan
    found = pushed(stream(), lines_of(range(40), silent))
    assert found[-1].end_s <= 25
    assert all(one.values[-1, 0] == silent[19, 0] for one in found if one.end_s > 19)


@pytest.mark.parametrize("cut", [0, 1, 4, 11, 33, 34, 60])
def test_a_restart_anywhere_gives_the_same_windows(cut: int) -> None:
    kept = [*range(30), *range(41, 70)]
    lines = lines_of([0.1 * (time % 3) + time for time in kept], signal(70)[kept])
    whole = pushed(stream(), lines)
    first = stream()
    before = pushed(first, lines[:cut])
    second = stream()
    second.restore(json.loads(json.dumps(first.state())))
    after = pushed(second, lines[cut:])
    assert [(one.start_s, one.values.tolist()) for one in before + after] == [
        (one.start_s, one.values.tolist()) for one in whole
    ]


def test_what_is_sent_again_after_a_restart_is_passed_over() -> None:
    lines, said = lines_of(range(40), signal(40)), list[str]()
    first = stream()
    before = pushed(first, lines[:25])
    second = stream(said)
    second.restore(first.state())
    assert len(before + pushed(second, lines)) == len(pushed(stream(), lines))
    assert said == []


def test_time_that_runs_backwards_is_left_out_and_said() -> None:
    values, said = signal(40), list[str]()
    lines = lines_of(range(40), values)
    disorder = [*lines[:20], "3,99,99", "18,99,99", lines[20], "1,99,99", *lines[21:]]
    found, expected = pushed(stream(said), disorder), pushed(stream(), lines)
    assert [one.values.tolist() for one in found] == [one.values.tolist() for one in expected]
    assert said == ["Line 21 is left out: its time 3.0 is not later than 18.0 (1 such so far)."]


def test_damaged_lines_are_left_out_and_said_now_and_then() -> None:
    said: list[str] = []
    lines = lines_of(range(40), signal(40))
    found = pushed(stream(said), [*lines[:20], *["1,x,2"] * 12, *lines[20:]])
    assert len(found) == len(pushed(stream(), lines))
    assert [one.split(":")[0] for one in said] == ["Line 21 is left out", "Line 30 is left out"]
    assert "'a' holds 'x', which is no number (10 such so far)" in said[1]


def test_channels_of_one_time_may_come_in_parts_and_any_order() -> None:
    values = signal(30)
    parts = [
        line
        for time, (a, b) in enumerate(values.tolist())
        for line in (f'{{"time": {time}, "b": {b!r}}}', f'{{"time": {time}, "a": {a!r}}}')
    ]
    found = pushed(stream(), parts)
    assert [one.values.tolist() for one in found] == [
        one.values.tolist() for one in pushed(stream(), lines_of(range(30), values))
    ]


def test_a_channel_that_never_comes_is_refused() -> None:
    one = stream()
    with pytest.raises(DataError, match="never told of"):
        pushed(one, [f'{{"time": {time}, "a": 1}}' for time in range(40)])


def test_samples_without_a_time_are_a_period_apart() -> None:
    lines = ["a,b", *(f"{row[0]!r},{row[1]!r}" for row in signal(30).tolist())]
    found = pushed(stream(), lines)
    assert [one.start_s for one in found] == list(range(5, 25, 4))


def test_alarms_are_raised_and_cleared_by_windows_in_a_row() -> None:
    state = AlarmState(Hysteresis(raise_after=2, clear_after=3), "model", ("a",))
    beyond = [0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 1]
    changes = []
    for place, one in enumerate(beyond):
        alarm, change = state.update(float(place), bool(one))
        changes.append((alarm.start_s if alarm else None, change))
    assert [change for change in changes if change[1]] == [(3.0, "raised"), (3.0, "cleared"), (13.0, "raised")]
    assert changes[11] == (3.0, "cleared")
    assert changes[12] == (None, None)
    with pytest.raises(InputError, match="at least 1 window"):
        Hysteresis(0, 1)


def test_an_alarm_keeps_its_id_over_a_restart() -> None:
    first = AlarmState(Hysteresis(), "model", ("a",))
    raised, _ = first.update(10.0, True)
    second = AlarmState(Hysteresis(), "model", ("a",))
    second.restore(json.loads(json.dumps(first.state())))
    assert raised is not None and second.update(11.0, True) == (raised, None)
    other, _ = AlarmState(Hysteresis(), "another", ("a",)).update(10.0, True)
    assert other is not None and other.id != raised.id


def test_a_state_is_kept_whole_and_that_of_another_model_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "watch.json"
    assert read_state(path, "m") is None
    write_state(path, "m", {"offset": 12})
    assert read_state(path, "m") == {"offset": 12}
    with pytest.raises(DataError, match=r"another model.*--state"):
        read_state(path, "n")
    path.write_bytes(path.read_bytes().replace(b"12", b"13"))
    with pytest.raises(DataError, match="damaged"):
        read_state(path, "m")
    for content in (b"", b"[]", b"{}", b"\xff"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="damaged"):
            read_state(path, "m")


def test_units_changed_a_thousandfold_are_said() -> None:
    assert typical_sizes(np.array([[1.0, np.nan], [-3.0, np.nan], [2.0, np.nan]])) == [2.0, 0.0]
    names = ["a", "b", "c", "d"]
    said = changed_units([1.0, 1.0, 0.0, 5.0], [1e-6, 300.0, 7.0, 5e3], names)
    assert [one.split(":")[0] for one in said] == [
        "Channel 'a' is about 1,000,000 times as small as when the model was fitted",
        "Channel 'd' is about 1,000 times as large as when the model was fitted",
    ]


def test_a_shape_is_kept_as_json() -> None:
    assert StreamShape.from_json(json.loads(json.dumps(SHAPE.to_json()))) == SHAPE
    for changed in ({"length": 0}, {"channels": []}, {"period_s": 0}, {"reference": -1}):
        with pytest.raises(ValueError, match="longer than nothing"):
            StreamShape.from_json(SHAPE.to_json() | changed)
    assert Sample(None, {"a": 1.0}).values["a"] == 1.0
