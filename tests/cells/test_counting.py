from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.cells.counting.known import known_counts, likeness_of_fields
from headstart.cells.counting.plate_table import matching, read_plate_table
from headstart.cells.counting.shares import ASSUMED, FieldCount, count_class
from headstart.cells.micrographs.plate import PlatePosition, plate_position
from headstart.errors import InputError
from headstart.metrics.prevalence import ErrorRates, Likeness, Rate, corrected_share, counted_share, likeness

RATES = ErrorRates(Rate(92, 100, 0.0, 100), Rate(95, 100, 0.0, 100))


def field(well: str, number: int, n: int, dead: int, plate: str = "") -> FieldCount:
    return FieldCount(f"{plate}{well}_s{number}", PlatePosition(plate, well, str(number)), n, dead)


def test_a_well_is_its_fields_together() -> None:
    fields = [field("B02", 1, 20, 5), field("A01", 1, 10, 0), field("B02", 2, 30, 9)]
    found = count_class(fields, RATES)
    assert [(one.position.well, one.n_fields, one.n, one.counted) for one in found.wells] == [
        ("A01", 1, 10, 0),
        ("B02", 2, 50, 14),
    ]
    alike = likeness([5, 9, 0], [20, 30, 10], [1, 1, 0])
    assert found.alike == alike
    assert found.wells[1].corrected == corrected_share([5, 9], [20, 30], alike, RATES)
    assert found.images[0].of_these == counted_share(5, 20, RATES)
    assert found.wells[0].of_these is None
    assert found.notes == ()


def test_rows_are_in_per_cent() -> None:
    [image] = count_class([field("B02", 1, 20, 5)], RATES).images
    row = image.row()
    assert (row["image"], row["well"], row["field"], row["n_cells"], row["n_counted"]) == ("B02_s1", "B02", "1", 20, 5)
    assert row["percent"] == 25.0
    assert row["percent_low"] < 25 < row["percent_high"]
    assert row["corrected_percent"] == pytest.approx(100 * (0.25 - 0.05) / 0.87)
    assert row["these_cells_percent_low"] <= row["corrected_percent"] <= row["these_cells_percent_high"]


def test_a_micrograph_without_cells_has_no_share() -> None:
    found = count_class([field("A01", 1, 0, 0), field("A01", 2, 8, 8)], RATES)
    assert found.images[0].row()["percent"] is None
    assert found.wells[0].called is not None
    assert found.wells[0].called.value == 1.0
    assert count_class([field("A01", 1, 0, 0)], RATES).wells[0].corrected is None


def test_without_known_errors_nothing_is_corrected() -> None:
    found = count_class([field("A01", 1, 9, 3), field("A01", 2, 8, 8)])
    assert found.wells[0].corrected is None
    assert found.images[0].of_these is None
    guessing = ErrorRates(Rate(50, 100, 0.0, 100), Rate(52, 100, 0.0, 100))
    told = count_class([field("A01", 1, 9, 3), field("A01", 2, 8, 8)], guessing)
    assert told.wells[0].corrected is None
    assert "50% of the class and calls 48% of the others so" in told.notes[0]


def test_one_field_a_well_takes_the_likeness_of_earlier_wells_or_an_assumed_one() -> None:
    fields = [field("A01", 1, 19, 3), field("A02", 1, 18, 8)]
    known, unknown = count_class(fields, None, Likeness(0.3, 40)), count_class(fields)
    assert (known.alike, unknown.alike) == (Likeness(0.3, 40), ASSUMED)
    assert "correlation of 0.30 is taken from the wells that the model was fitted on" in known.notes[0]
    assert "correlation of 0.10 is assumed" in unknown.notes[0]
    wide, narrow = known.wells[0].called, unknown.wells[0].called
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > narrow.high - narrow.low
    several = [field("A01", 1, 19, 3), field("A01", 2, 18, 8)]
    assert count_class(several, None, Likeness(0.9, 40)).alike == count_class(several).alike


def test_likeness_of_a_run_is_that_among_the_fields_of_its_wells() -> None:
    micrographs = [f"p/a_{well}_s{number}.tif" for well in ("B02", "B03") for number in (1, 2) for _ in range(10)]
    calls = np.repeat([1.0, 0.0, 1.0, 1.0], 10)
    found = likeness_of_fields([*calls, 0.0], [*micrographs, "strange.tif"], plate_position)
    assert found == likeness([10, 0, 10, 10], [10] * 4, [0, 0, 1, 1])
    assert found.freedom == 2


def test_wells_of_two_plates_are_two() -> None:
    found = count_class([field("A01", 1, 9, 3, "p1"), field("A01", 1, 8, 8, "p2")])
    assert [one.position.plate for one in found.wells] == ["p1", "p2"]


def test_known_counts_correct_each_group_by_the_others() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 25)
    truth = rng.random(1000) < rng.uniform(0.1, 0.9, 40)[groups]
    called = np.where(rng.random(1000) < 0.15, ~truth, truth)
    found = known_counts(truth, called, groups)
    assert found.rates.sensitivity.observed == called[truth].mean()
    assert found.truth[3] == truth[75:100].mean()
    others = groups != 3
    right, wrong = called[others & truth].mean(), called[others & ~truth].mean()
    assert found.corrected[3] == pytest.approx(np.clip((called[75:100].mean() - wrong) / (right - wrong), 0, 1))
    assert found.agreement is not None
    assert found.corrected_agreement is not None
    assert found.agreement.bias == pytest.approx((found.called - found.truth).mean())
    assert np.polyfit(found.truth, found.called - found.truth, 1)[0] < -0.2, (
        "as called, extremes are drawn to the middle"
    )
    assert abs(np.polyfit(found.truth, found.corrected - found.truth, 1)[0]) < 0.12


def test_known_counts_without_groups_have_rates_alone() -> None:
    found = known_counts([True, False, True], [1.0, 0.0, 0.5], None)
    assert found.agreement is None
    assert found.rates.sensitivity.observed == 0.75


@pytest.mark.parametrize("header", ["well,dose_um,hours", "Well,dose_um,hours"])
def test_a_table_of_wells_is_found_by_names_as_users_write_them(tmp_path: Path, header: str) -> None:
    path = tmp_path / "wells.csv"
    path.write_text(f"{header}\nb2,0.5,24\nB03,,48\n", encoding="utf-8")
    table = read_plate_table(path)
    assert table.of("any", "B02") == {header[:4]: "b2", "dose_um": "0.5", "hours": "24"}
    assert table.of("any", "C01") == {}
    assert (table.column("dose", None), table.column("time", None)) == ("dose_um", "hours")
    assert matching(table, [("", "B02"), ("", "H12")]) == 1


def test_plates_of_a_table_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "wells.csv"
    path.write_text("plate,well,conc\np1,A1,1\np2,A1,2\n", encoding="utf-8")
    table = read_plate_table(path)
    assert [table.of(plate, "A01").get("conc") for plate in ("p1", "p2", "p3")] == ["1", "2", None]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("position,dose\nA1,2\n", "no column well; it has position, dose"),
        ("well,dose\nZ99,2\n", "line 2: 'Z99' is no well"),
        ("well,dose\nA1,2\nA01,3\n", "line 3: well A01 stands there twice"),
        ("well,dose\nA1,much\n", "'much' is no number"),
        ("well,dose\nA1,inf\n", "'inf' is no number"),
    ],
)
def test_what_a_table_of_wells_cannot_say_is_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "wells.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_plate_table(path).column("dose", None)


def test_a_table_of_other_wells_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wells.csv"
    path.write_text("well,dose\nA1,2\n", encoding="utf-8")
    table = read_plate_table(path)
    with pytest.raises(InputError, match=r"none of the wells of the micrographs \(B02\)"):
        matching(table, [("", "B02")])
    with pytest.raises(InputError, match=r"Unknown column 'doze'. Did you mean 'dose'"):
        table.column("dose", "doze")
    with pytest.raises(InputError, match="cannot be read"):
        read_plate_table(tmp_path / "none.csv")


@pytest.mark.parametrize(("plate", "words"), [("", "without a plate"), ("plate2", "on plate 'plate2'")])
def test_a_table_of_the_same_wells_on_another_plate_names_the_plates(tmp_path: Path, plate: str, words: str) -> None:
    path = tmp_path / "wells.csv"
    path.write_text("plate,well,dose\nplate1,B02,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"knows well B02 on plate 'plate1', and the micrographs tell of it {words}"):
        matching(read_plate_table(path), [(plate, "B02"), (plate, "")])


def test_fields_whose_calls_do_not_differ_are_not_called_single_fields() -> None:
    several = [field("A01", number, 12, 0) for number in (1, 2)]
    assert count_class(several).alike == ASSUMED
    assert count_class(several).notes[0].startswith("in no well do the calls of several fields differ")
    assert count_class([field("A01", 1, 1, 0), field("A01", 2, 1, 1)]).notes[0].startswith("one cell in every field")
    assert count_class([field("A01", 1, 0, 0)]).notes == ()


def test_a_model_that_calls_all_cells_alike_is_known_to_count_nothing() -> None:
    found = known_counts([True] * 60 + [False] * 3, np.ones(63), np.arange(63) // 7)
    assert np.isnan(found.corrected).all()
    assert not found.rates.can_correct
