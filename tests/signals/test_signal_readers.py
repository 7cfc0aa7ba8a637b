"""Recordings are read whatever they are written like, and what they cannot tell is refused by file, row and cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_recordings import csv_text, recording, write, write_folder

from headstart.errors import DataError, InputError
from headstart.signals import RecordingFormat, read_recordings

STAMPS = {
    "iso": ["2020-03-09 10:14:33", "2020-03-09 10:14:34", "2020-03-09 10:14:35"],
    "zoned": ["2020-03-09T11:14:33+01:00", "2020-03-09T11:14:34+01:00", "2020-03-09T11:14:35+01:00"],
    "fractions": ["2020-03-09T10:14:33.000Z", "2020-03-09T10:14:34.000Z", "2020-03-09T10:14:35.000Z"],
    "german": ["09.03.2020 10:14:33", "09.03.2020 10:14:34", "09.03.2020 10:14:35"],
    "american": ["3/29/2020 10:14:33", "3/29/2020 10:14:34", "3/29/2020 10:14:35"],
    "seconds": [1583748873, 1583748874, 1583748875],
    "milliseconds": [1583748873000, 1583748874000, 1583748875000],
}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("stamps", STAMPS)
def test_separator_and_time_format_are_found(tmp_path: Path, separator: str, stamps: str) -> None:
    path = write(tmp_path / "a.csv", csv_text(STAMPS[stamps], separator=separator, labels=[0, 0, 1], time="Zeit"))
    (found,) = read_recordings(path)
    assert found.channels == ("pressure", "speed")
    assert found.values.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found.labels == ("normal", "normal", "anomaly")
    assert found.has_clock
    assert found.period_s == pytest.approx(1)
    day = "2020-03-29" if stamps == "american" else "2020-03-09"
    assert found.time_text(0) == f"{day} 10:14:33"


def test_a_time_column_of_any_name_is_found_by_its_dates(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv_text(STAMPS["iso"], time="Messung"))
    assert read_recordings(path)[0].channels == ("pressure", "speed")


def test_tenths_of_seconds_count(tmp_path: Path) -> None:
    stamps = [f"09.03.2020 10:14:33,{tenth}" for tenth in range(5)]
    (found,) = read_recordings(write(tmp_path / "a.csv", csv_text(stamps, separator=";")))
    assert found.period_s == pytest.approx(0.1)


def test_decimal_commas_are_numbers(tmp_path: Path) -> None:
    (found,) = read_recordings(write(tmp_path / "a.csv", "time;p\n0;1,5\n1;-2,25\n"))
    assert found.values[:, 0].tolist() == [1.5, -2.25]


def test_day_and_month_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv_text(["01/02/2020 10:00:00", "01/02/2020 10:00:01", "01/02/2020 10:00:02"]))
    with pytest.raises(DataError, match=r"a\.csv: .* day and month cannot be told apart.*--time-format"):
        read_recordings(path)
    (found,) = read_recordings(path, RecordingFormat(time_format="%d/%m/%Y %H:%M:%S"))
    assert found.time_text(0) == "2020-02-01 10:00:00"
    with pytest.raises(InputError, match="not of the format"):
        read_recordings(path, RecordingFormat(time_format="%Y"))


def test_irregular_samples_are_resampled_and_it_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv_text([0, 1, 2, 4, 5, 6], labels=[0, 0, 0, 1, 1, 1]))
    (found,) = read_recordings(path)
    assert found.values[:, 0].tolist() == [0, 2, 4, 5, 6, 8, 10]
    assert found.labels == ("normal",) * 4 + ("anomaly",) * 3
    assert "20.0% of the steps differ from 1 s; resampled" in found.notes[0]


def test_uneven_samples_are_brought_to_the_step_of_a_model_and_even_ones_stay(tmp_path: Path) -> None:
    given = RecordingFormat(channels=("p",))
    times = np.cumsum([0.0, *([1.004, 1.004, 0.95] * 20)])
    uneven = write(tmp_path / "a.csv", "time,p\n" + "".join(f"{one:.3f},{2 * one:.3f}\n" for one in times))
    assert read_recordings(uneven, given)[0].period_s == pytest.approx(1.004)
    (found,) = read_recordings(uneven, given, like_s=1.0)
    assert found.period_s == 1.0
    np.testing.assert_allclose(found.values[:, 0], 2 * np.arange(60))
    assert read_recordings(uneven, given, like_s=1.02)[0].period_s == pytest.approx(1.004)
    even = write(tmp_path / "b.csv", "time,p\n" + "".join(f"{1.004 * row:.3f},{row}\n" for row in range(40)))
    (found,) = read_recordings(even, given, like_s=1.0)
    assert found.period_s == pytest.approx(1.004) and found.values[:, 0].tolist() == list(range(40))


def test_a_long_gap_stays_open_and_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", csv_text([0, 1, 2, 12, 13, 14]))
    (found,) = read_recordings(path)
    assert np.flatnonzero(np.isnan(found.values[:, 0])).tolist() == list(range(3, 12))
    assert found.notes[1] == "a.csv: 1 gap of more than 5 s, the longest of 10 s."


def test_an_empty_cell_is_bridged(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "time,p\n0,1\n1,\n2,3\n3,NaN\n4,5\n")
    assert read_recordings(path)[0].values[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_parquet_npz_and_ts_hold_what_a_csv_does(tmp_path: Path) -> None:
    one = recording(20, anomaly=slice(10, None))
    labels = np.array([int(label != "normal") for label in one.labels or ()])
    table = {
        "timestamp": np.arange(20).astype("datetime64[s]"),
        "pressure": one.values[:, 0],
        "speed": one.values[:, 1],
    }
    pq.write_table(pa.table({**table, "label": labels}), tmp_path / "a.parquet")
    np.savez(tmp_path / "b.npz", values=one.values, channels=["pressure", "speed"], labels=labels, rate_hz=1.0)
    np.savez(tmp_path / "c.npz", values=np.stack([one.values] * 3), labels=np.array([0, 1, 0]), rate_hz=2.0)
    for name in ("a.parquet", "b.npz"):
        (found,) = read_recordings(tmp_path / name)
        assert found.channels == one.channels
        np.testing.assert_array_equal(found.values, one.values)
        assert found.labels == one.labels
    three = read_recordings(tmp_path / "c.npz")
    assert [one.name for one in three] == ["c.npz/0000", "c.npz/0001", "c.npz/0002"]
    assert {label for one in three for label in one.labels or ()} == {"normal", "anomaly"}
    assert three[0].period_s == 0.5
    cases = "# a comment\n@problemName toy\n@classLabel true calm rough\n@data\n1,2,3:4,5,6:calm\n7,8,9:1,?,3:rough\n"
    first, second = read_recordings(write(tmp_path / "d.ts", cases), RecordingFormat(rate_hz=1))
    assert first.values.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert second.labels == ("rough",) * 3
    assert second.values[:, 1].tolist() == [1, 2, 3]


def test_a_table_of_intervals_labels_samples(tmp_path: Path) -> None:
    path = write(tmp_path / "data" / "a.csv", csv_text(STAMPS["iso"]))
    table = write(tmp_path / "data" / "what.csv", "start,end,label\n2020-03-09 10:14:34,2020-03-09 10:14:34,leak\n")
    (found,) = read_recordings(path.parent, intervals=table)
    assert found.labels == ("normal", "leak", "normal")
    seconds = write(tmp_path / "seconds.csv", "recording,start,end\na,1,2\n")
    (found,) = read_recordings(path, intervals=seconds)
    assert found.labels == ("normal", "anomaly", "anomaly")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start,end\n5,4\n", "row 2: the interval ends before it starts"),
        ("start,end\n500,600\n", r"row 2: the interval lies outside a\.csv, which runs from"),
        ("recording,start,end\nb,1,2\n", "row 2: 'b' is no recording; there are a.csv"),
        ("from,to\n1,2\n", "has no column 'start'"),
    ],
)
def test_intervals_that_fit_nothing_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "a.csv", csv_text(STAMPS["iso"]))
    with pytest.raises(DataError, match=message):
        read_recordings(path, intervals=write(tmp_path / "t.csv", text))
    with pytest.raises(DataError, match=r"none\.csv is not there\. Give a CSV"):
        read_recordings(path, intervals=tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("1,2\n3,4\n", "the first line holds numbers"),
        ("time,p\n0,1\n", "has 1 sample; "),
        ("time,p\n0,1\n1,off\n2,3\n", "channel 'p' holds 'off' in row 3, which is no number"),
        ("time,p\n0,1\n1,inf\n2,3\n", r"channel 'p' is infinite in row 3 \(1 such values\)"),
        ("time,p\n0,1\n2,2\n1,3\n", "the time in row 4 runs backwards"),
        ("time,p\n0,1\n0,2\n1,3\n", "the time in row 3 is that of the row before"),
        ("time,p,q\n0,1,\n1,2,\n", "channel 'q' is empty"),
        ("time,p,p\n0,1,2\n", "the column 'p' stands there twice"),
        ("time,anomaly\n0,1\n1,0\n", "has no channels"),
        ("time,p,anomaly\n0,1,0\n1,2,\n", "the label in row 3 is missing"),
        ("time,p\n0,1\n1,2,3\n", "cannot be read as CSV"),
        ("date,p\nyesterday,1\ntoday,2\n", "times such as 'yesterday' are not understood"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"^a\.csv.*{message}"):
        read_recordings(write(tmp_path / "a.csv", text))


def test_a_folder_without_recordings_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not there"):
        read_recordings(tmp_path / "nowhere")
    write(tmp_path / "a.docx", "x")
    with pytest.raises(DataError, match="holds no recordings"):
        read_recordings(tmp_path)
    with pytest.raises(DataError, match=r"ends with none of \.csv"):
        read_recordings(tmp_path / "a.docx")
    np.savez(tmp_path / "b.npz", values=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="plain arrays"):
        read_recordings(tmp_path / "b.npz")
    write(tmp_path / "c.parquet", "x")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_recordings(tmp_path / "c.parquet")


def test_channels_are_matched_by_name_and_missing_ones_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "time,p,q\n0,1,2\n1,3,4\n")
    write(tmp_path / "b.csv", "time,q,p\n0,2,1\n1,4,3\n")
    first, second = read_recordings(tmp_path)
    assert first.channels == second.channels
    assert first.values.tolist() == second.values.tolist()
    write(tmp_path / "c.csv", "time,p,r\n0,2,1\n1,4,3\n")
    with pytest.raises(DataError, match=r"c\.csv lacks q and has r besides, unlike a\.csv"):
        read_recordings(tmp_path)
    assert len(read_recordings(tmp_path, RecordingFormat(channels=("p",)))) == 3
    with pytest.raises(DataError, match="Did you mean"):
        read_recordings(tmp_path / "a.csv", RecordingFormat(channels=("pp",)))


def test_a_unit_changed_a_thousandfold_and_a_constant_channel_are_said(tmp_path: Path) -> None:
    write_folder(tmp_path, 3)
    text = (tmp_path / "2.csv").read_text().splitlines()
    rows = [line.split(",") for line in text[1:]]
    write(tmp_path / "2.csv", "\n".join([text[0], *(f"{t},{float(p) * 1000},7,{a}" for t, p, _, a in rows)]) + "\n")
    notes = " ".join(note for one in read_recordings(tmp_path) for note in one.notes)
    assert "2.csv: channel 'pressure' is about 1,0" in notes
    assert "times larger than in the other recordings; was its unit changed?" in notes
    assert "Channel 'speed' is constant in 2.csv." in notes


def numbered(n: int = 40, *, seed: int = 0, rows_lost: tuple[int, ...] = ()) -> str:
    """A CSV whose rows are numbered, with seconds beside the dates and one channel that measures something."""
    noise = np.random.default_rng(seed).normal(size=n)
    rows = [place for place in range(n) if place not in rows_lost]
    lines = [
        f"{row},2020-03-09 10:00:{second:02d},{100 + second / 3:.2f},{noise[second]}" for row, second in enumerate(rows)
    ]
    return "\n".join([",datetime,elapsed,pressure", *lines]) + "\n"


def test_a_column_that_counts_rows_or_time_is_no_channel_and_it_is_said(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.csv", numbered())
    write(tmp_path / "in" / "b.csv", numbered(seed=1, rows_lost=(3, 4, 5, 17)))
    found = read_recordings(tmp_path / "in")
    assert {one.channels for one in found} == {("pressure",)}
    assert found[0].values.shape == (40, 1)
    notes = [note for one in found for note in one.notes if "counts rows or time evenly" in note]
    assert len(notes) == 1 and "'', 'elapsed'" in notes[0]
    kept = read_recordings(tmp_path / "in", RecordingFormat(channels=("elapsed", "pressure")))
    assert {one.channels for one in kept} == {("elapsed", "pressure")}
    write(tmp_path / "c.csv", "n\n" + "".join(f"{row}\n" for row in range(40)))
    with pytest.raises(DataError, match=r"c\.csv: 'n' counts rows or time evenly, and there is no other channel"):
        read_recordings(tmp_path / "c.csv")


def test_what_counts_in_one_recording_alone_is_a_channel(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", csv_text(list(range(40))))
    noise = np.random.default_rng(0).normal(size=(40, 2))
    write(tmp_path / "b.csv", csv_text(list(range(40)), values=noise))
    assert {one.channels for one in read_recordings(tmp_path)} == {("pressure", "speed")}


def test_other_columns_of_labels_are_no_channels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "time,p,anomaly,Label,changepoint\n0,1,0,0,0\n1,2,1,3,1\n2,3,0,0,0\n")
    (found,) = read_recordings(path)
    assert found.channels == ("p",)
    assert found.notes == (
        "a.csv: 'Label' tells of labels too, so it is no channel. Name it with --channels where it is one.",
    )
    (other,) = read_recordings(path, RecordingFormat(label_column="Label"))
    assert other.channels == ("p",) and set(other.labels or ()) == {"normal", "3"}
    (kept,) = read_recordings(path, RecordingFormat(channels=("p", "Label")))
    assert kept.channels == ("p", "Label") and not kept.notes


def test_recordings_of_different_rates_are_refused_unless_one_is_stated(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", csv_text([0, 1, 2]))
    write(tmp_path / "b.csv", csv_text([0, 10, 20]))
    write(tmp_path / "c.csv", csv_text([0, 1, 2]))
    with pytest.raises(DataError, match=r"b\.csv has a sample every 10 s, the others every 1 s"):
        read_recordings(tmp_path)
    assert {one.period_s for one in read_recordings(tmp_path, RecordingFormat(rate_hz=4))} == {0.25}
    with pytest.raises(InputError, match="above 0"):
        RecordingFormat(rate_hz=0)


def test_an_archive_whose_numbers_are_none_is_refused_in_words(tmp_path: Path) -> None:
    for odd in ({"time": np.array(["noon", "one"])}, {"rate_hz": np.array([1.0, 2.0])}):
        np.savez(tmp_path / "a.npz", values=np.ones((2, 2)), **odd)
        with pytest.raises(DataError, match=r"a\.npz cannot be read as a NumPy archive"):
            read_recordings(tmp_path / "a.npz")
