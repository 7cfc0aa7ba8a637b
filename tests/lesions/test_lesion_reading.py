"""Metadata of lesions: thickness and its classes, what is left out and why, groups, conflicts, imports."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import helpers
import numpy as np
import pytest

from headstart.data import read_dataset
from headstart.errors import DataError, InputError
from headstart.lesions import ReadingSettings, ThicknessClasses, parse_thickness, read_lesions
from headstart.lesions.reading.write import write_lesions

ROWS = (
    {"isic_id": "ISIC_1", "mel_thick_mm": "0,8", "patient_id": "IP_1", "lesion_id": "IL_1", "sex": "male"},
    {"isic_id": "ISIC_2", "mel_thick_mm": "0.8 mm", "patient_id": "IP_1", "lesion_id": "IL_1", "sex": "male"},
    {"isic_id": "ISIC_3", "mel_thick_mm": "<0.5", "patient_id": "IP_1", "lesion_id": "IL_2", "sex": "male"},
    {"isic_id": "ISIC_4", "mel_thick_mm": "4", "lesion_id": "IL_3", "sex": "female"},
    {"isic_id": "ISIC_5", "mel_thick_mm": "0.3", "sex": "unknown"},
    {"isic_id": "ISIC_6", "mel_thick_mm": "<1"},
    {"isic_id": "ISIC_7", "mel_thick_mm": "thin"},
    {"isic_id": "ISIC_8", "mel_thick_mm": "750"},
    {"isic_id": "ISIC_9", "diagnosis_3": "Melanoma in situ"},
    {"isic_id": "ISIC_10", "mel_thick_mm": "1", "image_type": "clinical: close-up"},
    {"isic_id": "ISIC_11", "mel_thick_mm": "1", "image_type": "dermoscopic"},
    {"isic_id": "ISIC_gone", "mel_thick_mm": "1"},
    {"isic_id": "ISIC_12"},
)
COLUMNS = ("isic_id", "mel_thick_mm", "patient_id", "lesion_id", "sex", "image_type", "diagnosis_3", "age_approx")


def archive(folder: Path, rows=ROWS, columns=COLUMNS) -> Path:
    """A folder as the ISIC archive's command line leaves it, with images that are not looked at."""
    for number in range(1, 13):
        helpers.write_image(folder / f"ISIC_{number}.png", np.zeros((4, 4, 3), dtype=np.uint8))
    with (folder / "metadata.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0,8", 0.8), ("0.8 mm", 0.8), (" 1.50MM ", 1.5), (".4", 0.4), ("<1", None), ("≥ 2", None)],
)
def test_thickness_is_read_as_people_write_it(text, expected):
    assert parse_thickness(text).value == expected


@pytest.mark.parametrize("text", ["thin", "0.8-1.2", "-1", "1 cm", "0", "750", "", "nan", "1e5"])
def test_what_is_no_thickness_is_refused(text):
    with pytest.raises(InputError, match="thickness is"):
        parse_thickness(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.74", "<0.75 mm"),
        ("0.75", "0.75-1.5 mm"),
        ("1.5", "0.75-1.5 mm"),
        ("1.51", ">1.5 mm"),
        ("<0.75", "<0.75 mm"),
        ("<=0.75", None),
        (">1.5", ">1.5 mm"),
        (">=1.5", None),
        ("<1", None),
        (">0.9", None),
    ],
)
def test_a_value_on_an_edge_belongs_to_the_middle_and_bounds_count_where_they_suffice(text, expected):
    assert ThicknessClasses().class_of(parse_thickness(text)) == expected


@pytest.mark.parametrize("text", ["0.8", "1", "0.7499999", "<1", "<=0.5", ">2", ">=1.5"])
def test_a_thickness_is_written_so_that_it_is_read_as_the_same(text):
    assert parse_thickness(text).text == text


def test_four_edges_are_those_of_tumour_stages():
    classes = ThicknessClasses((0.8, 1, 2, 4))
    found = [classes.class_of(parse_thickness(text)) for text in ("0.8", "1", "2", "2.1", "4", "4.1")]
    assert found == ["0.8-1 mm", "0.8-1 mm", ">1-2 mm", ">2-4 mm", ">2-4 mm", ">4 mm"]
    assert ThicknessClasses((1,)).names == ("<1 mm", ">=1 mm")


@pytest.mark.parametrize("edges", [(), (1.5, 0.75), (0.0, 1.0), (1.0, 1.0)])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(InputError, match="should rise"):
        ThicknessClasses(edges)


def test_an_archive_is_read_and_what_is_left_out_is_told(tmp_path):
    found = read_lesions(archive(tmp_path))
    assert [(one.image, one.label) for one in found.lesions] == [
        ("ISIC_1.png", "0.75-1.5 mm"),
        ("ISIC_11.png", "0.75-1.5 mm"),
        ("ISIC_2.png", "0.75-1.5 mm"),
        ("ISIC_3.png", "<0.75 mm"),
        ("ISIC_4.png", ">1.5 mm"),
        ("ISIC_5.png", "<0.75 mm"),
    ]
    assert found.classes == ("<0.75 mm", "0.75-1.5 mm", ">1.5 mm")
    assert found.is_ordered
    assert dict(found.left_out) == {
        "ISIC_6": "bound of a thickness that lies in more than one class",
        "ISIC_7": "thickness is no number of millimetres",
        "ISIC_8": "thickness is impossible: expected millimetres above 0, at most 60",
        "ISIC_9": "melanoma in situ, which has no thickness",
        "ISIC_10": "no dermoscopic image: clinical: close-up",
        "ISIC_gone": "metadata without an image",
        "ISIC_12": "no thickness",
    }
    assert "7 images or rows are left out." in found.notes[0]


def test_groups_are_patients_then_lesions_then_images(tmp_path):
    found = {one.image: one.group for one in read_lesions(archive(tmp_path)).lesions}
    assert found["ISIC_1.png"] == found["ISIC_3.png"] == "patient IP_1"
    assert found["ISIC_4.png"] == "lesion IL_3"
    assert found["ISIC_5.png"] == "image ISIC_5"


def test_a_patient_of_two_classes_is_one_group_and_said(tmp_path):
    notes = read_lesions(archive(tmp_path)).notes
    assert any("1 group holds lesions of more than one class" in note for note in notes)


def test_melanoma_in_situ_may_be_the_lowest_class(tmp_path):
    found = read_lesions(archive(tmp_path), ReadingSettings(in_situ="class"))
    assert found.classes[0] == "in situ"
    assert [one.image for one in found.lesions if one.label == "in situ"] == ["ISIC_9.png"]


def test_images_without_metadata_are_listed(tmp_path):
    helpers.write_image(archive(tmp_path) / "more" / "extra.png", np.zeros((4, 4, 3), dtype=np.uint8))
    assert ("more/extra.png", "image without a row of metadata") in read_lesions(tmp_path).left_out


def test_two_files_of_one_name_are_left_out(tmp_path):
    helpers.write_image(archive(tmp_path) / "more" / "ISIC_1.png", np.zeros((4, 4, 3), dtype=np.uint8))
    left_out = read_lesions(tmp_path).left_out
    assert [entry for entry in left_out if "ISIC_1" in entry[0].removesuffix(".png").split("/")] == [
        ("ISIC_1", "several image files of this name")
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"isic_id": "ISIC_6", "mel_thick_mm": "0.8", "patient_id": "IP_9", "lesion_id": "IL_1"}, "has two patients"),
        ({"isic_id": "ISIC_6", "mel_thick_mm": "3", "patient_id": "IP_1", "lesion_id": "IL_1"}, "is of two classes"),
        ({"isic_id": "ISIC_1", "mel_thick_mm": "3"}, "more than once, with different values"),
    ],
)
def test_conflicts_are_refused(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read_lesions(archive(tmp_path, (*ROWS[:5], row)))


def test_the_same_row_twice_counts_once(tmp_path):
    found = read_lesions(archive(tmp_path, (*ROWS, ROWS[0])))
    assert len(found.lesions) == 6
    assert ("ISIC_1.png", "row that repeats another one") in found.left_out


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"isic_id": "other", "mel_thick_mm": "1"}], "names 1 image, and none of them lies in"),
        ([{"isic_id": "ISIC_1", "mel_thick_mm": "thin"}], "leaves no image to train on"),
        ([], "lists no images"),
    ],
)
def test_tables_without_a_usable_row_are_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_lesions(archive(tmp_path, rows))


def test_tables_without_the_columns_needed_are_refused(tmp_path):
    archive(tmp_path, [{"sex": "male"}], ("sex",))
    with pytest.raises(DataError, match="no column that names the images"):
        read_lesions(tmp_path)
    archive(tmp_path, [{"isic_id": "ISIC_1"}], ("isic_id",))
    with pytest.raises(DataError, match="no column of thickness"):
        read_lesions(tmp_path)
    with pytest.raises(DataError, match="has no column 'mm'"):
        read_lesions(tmp_path, ReadingSettings(columns={"thickness": "mm"}))


def test_a_folder_without_a_table_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is none"):
        read_lesions(tmp_path)


def test_ph2_is_read_from_its_own_folders(tmp_path):
    table = ["|| Name  || Histological Diagnosis || Clinical Diagnosis || Colors  ||"]
    for number, diagnosis in enumerate("0121"):
        name = f"IMD00{number}"
        table.append(f"||{name} ||  || {diagnosis} || 1 2 ||")
        for part in ("Dermoscopic_Image/{}", "lesion/{}_lesion"):
            path = tmp_path / "PH2 Dataset images" / name / f"{name}_{part.format(name)}.bmp"
            helpers.write_image(path, np.zeros((4, 4, 3), dtype=np.uint8))
    helpers.write_text(tmp_path / "PH2_dataset.txt", "\n".join([*table, "", "Legends:", "|| 0 - Common Nevus ||"]))
    found = read_lesions(tmp_path)
    assert found.classes == ("common nevus", "atypical nevus", "melanoma")
    assert found.is_ordered
    assert [one.label for one in found.lesions] == ["common nevus", "atypical nevus", "melanoma", "atypical nevus"]
    assert found.left_out == ()


@pytest.mark.parametrize("settings", [ReadingSettings(edges_mm=(1.0,)), ReadingSettings(in_situ="class")])
def test_options_of_thickness_are_refused_where_classes_are_labels(tmp_path, settings):
    write_lesions(read_lesions(archive(tmp_path / "archive")), tmp_path / "clean")
    (tmp_path / "clean" / "lesions.csv").rename(tmp_path / "clean" / "labels.csv")
    settings = replace(settings, classes_by="label")
    with pytest.raises(InputError, match=r"--edges and --in-situ make classes of thickness.*labels\.csv"):
        read_lesions(tmp_path / "clean" / "labels.csv", settings)


def test_a_text_that_is_not_ph2_is_refused(tmp_path):
    helpers.write_text(tmp_path / "PH2_dataset.txt", "a, b")
    with pytest.raises(DataError, match="is not the table of PH2"):
        read_lesions(tmp_path)


def test_an_import_is_read_as_it_was_written(tmp_path):
    settings = ReadingSettings(in_situ="class")
    given = read_lesions(archive(tmp_path / "archive"), settings)
    account = write_lesions(given, tmp_path / "clean")
    again = read_lesions(tmp_path / "clean")
    assert again.classes == given.classes
    assert [(one.label, one.group, one.about) for one in again.lesions] == [
        (one.label, one.group, one.about) for one in given.lesions
    ]
    assert account["left_out"]["no thickness"] == 1
    assert json.loads((tmp_path / "clean" / "import.json").read_text())["order"] == list(given.classes)
    assert "ISIC_7,thickness is no number" in (tmp_path / "clean" / "left_out.csv").read_text()
    plain = read_dataset(tmp_path / "clean" / "lesions.csv")
    assert sorted(plain.classes) == sorted(given.classes)


def test_an_import_keeps_bounds_so_that_other_edges_decide_by_them(tmp_path):
    write_lesions(read_lesions(archive(tmp_path / "archive")), tmp_path / "clean")
    found = read_lesions(tmp_path / "clean", ReadingSettings(edges_mm=(0.5, 0.8)))
    assert {one.image: one.label for one in found.lesions} == {
        "images/ISIC_1.png": "0.5-0.8 mm",
        "images/ISIC_11.png": ">0.8 mm",
        "images/ISIC_2.png": "0.5-0.8 mm",
        "images/ISIC_3.png": "<0.5 mm",  # written "<0.5"
        "images/ISIC_4.png": ">0.8 mm",
        "images/ISIC_5.png": "<0.5 mm",
    }
    undecided = read_lesions(tmp_path / "clean", ReadingSettings(edges_mm=(0.4, 2.0)))
    assert undecided.left_out == (("images/ISIC_3.png", "bound of a thickness that lies in more than one class"),)


def test_other_edges_say_what_an_import_left_out_that_may_count_with_them(tmp_path):
    write_lesions(read_lesions(archive(tmp_path / "archive")), tmp_path / "clean")
    lost = "1: bound of a thickness that lies in more than one class"
    (note, *_) = read_lesions(tmp_path / "clean", ReadingSettings(edges_mm=(1.0,))).notes
    assert note == f"The import left images out that may count here ({lost}). Import again with these options."
    (note, *_) = read_lesions(tmp_path / "clean", ReadingSettings(edges_mm=(1.0,), in_situ="class")).notes
    assert f"({lost}; 1: melanoma in situ, which has no thickness)" in note


def test_edges_that_are_named_hold_though_an_import_was_made_with_others(tmp_path):
    settings = ReadingSettings(edges_mm=(1.0, 2.0), in_situ="class")
    write_lesions(read_lesions(archive(tmp_path / "archive"), settings), tmp_path / "clean")
    assert read_lesions(tmp_path / "clean").classes == ("in situ", "<1 mm", "1-2 mm", ">2 mm")
    again = read_lesions(tmp_path / "clean", ReadingSettings(edges_mm=(0.75, 1.5), in_situ="class"))
    assert again.classes == ("in situ", "<0.75 mm", "0.75-1.5 mm", ">1.5 mm")
    assert [one.image for one in again.lesions if one.label == "in situ"] == ["images/ISIC_9.png"]


def test_an_import_of_an_import_keeps_the_thickness(tmp_path):
    write_lesions(read_lesions(archive(tmp_path / "archive")), tmp_path / "clean")
    write_lesions(read_lesions(tmp_path / "clean"), tmp_path / "again")
    first, second = (tmp_path / name / "lesions.csv" for name in ("clean", "again"))
    assert second.read_bytes() == first.read_bytes()


def test_patient_columns_stand_beside_the_pictures_where_they_vary(tmp_path):
    found = read_lesions(archive(tmp_path))
    dataset = found.dataset()
    assert [column.name for column in dataset.columns] == ["sex"]
    assert dataset.columns[0].texts() == ["male", "", "male", "male", "female", ""]
    assert found.dataset(patient_columns=False).columns == ()
    rows = [{**row, "age_approx": age} for row, age in zip(ROWS, ("55", "85+", "40", "60", "70"), strict=False)]
    with pytest.raises(DataError, match=r"has '85\+'.*Or fit with --no-patient-columns"):
        read_lesions(archive(tmp_path, rows)).dataset()


def test_labels_are_taken_where_there_is_no_thickness(tmp_path):
    rows = [{"isic_id": "ISIC_1", "diagnosis_3": "b"}, {"isic_id": "ISIC_2", "diagnosis_3": "a"}]
    found = read_lesions(archive(tmp_path, rows))
    assert (found.classes, found.is_ordered) == (("a", "b"), False)
    assert read_lesions(tmp_path, ReadingSettings(classes=("b", "a"))).classes == ("b", "a")
    with pytest.raises(InputError, match="labels that --classes does not name: b"):
        read_lesions(tmp_path, ReadingSettings(classes=("a",)))
    with pytest.raises(DataError, match="leaves no image to train on"):
        read_lesions(tmp_path, ReadingSettings(classes_by="thickness"))


def test_a_carcinoma_in_situ_is_no_melanoma(tmp_path):
    rows = (*ROWS, {"isic_id": "ISIC_6", "diagnosis_3": "Squamous cell carcinoma in situ"})
    found = read_lesions(archive(tmp_path, [row for row in rows if row.get("mel_thick_mm") != "<1"]))
    assert ("ISIC_6", "no thickness") in found.left_out


def test_rows_that_name_no_image_are_left_out(tmp_path):
    found = read_lesions(archive(tmp_path, (*ROWS, {"mel_thick_mm": "1"}, {"mel_thick_mm": "2"})))
    assert [reason for _, reason in found.left_out].count("row that names no image") == 2


def test_one_image_by_two_names_with_different_values_is_refused(tmp_path):
    row = {"isic_id": "ISIC_1.png", "mel_thick_mm": "3"}
    with pytest.raises(DataError, match="more than once, with different values"):
        read_lesions(archive(tmp_path, (*ROWS, row)))


def test_a_row_that_is_left_out_tells_whose_its_lesion_is(tmp_path):
    close_up = {"isic_id": "ISIC_6", "lesion_id": "IL_3", "patient_id": "IP_1", "image_type": "clinical: close-up"}
    rows = [row for row in ROWS if row["isic_id"] != "ISIC_6"]
    found = {one.image: one.group for one in read_lesions(archive(tmp_path, (*rows, close_up))).lesions}
    assert found["ISIC_4.png"] == found["ISIC_1.png"] == "patient IP_1"


def test_a_fit_on_an_import_knows_what_the_import_left_out_and_did_not_know(tmp_path):
    rows = [{"isic_id": f"ISIC_{number}", "diagnosis_3": "ab"[number % 2]} for number in range(1, 5)]
    given = read_lesions(archive(tmp_path / "archive", rows))
    assert any("names no patients" in note for note in given.notes)
    write_lesions(given, tmp_path / "clean")
    assert read_lesions(tmp_path / "clean").notes == given.notes


def test_classes_that_no_image_has_and_classes_of_a_thickness_are_refused(tmp_path):
    rows = [{"isic_id": "ISIC_1", "diagnosis_3": "b"}, {"isic_id": "ISIC_2", "diagnosis_3": "a"}]
    archive(tmp_path, rows)
    with pytest.raises(InputError, match=r"leaves no image of 'c', which --classes .* Its labels: a, b"):
        read_lesions(tmp_path, ReadingSettings(classes=("a", "b", "c")))
    archive(tmp_path)
    with pytest.raises(InputError, match="Add --classes-by label, or leave --classes out"):
        read_lesions(tmp_path, ReadingSettings(classes=("a", "b")))
