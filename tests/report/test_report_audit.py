"""The audit in a report: findings by name, and without any name where that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_run import FakeImages, Page, make_run, report, results_of, write_json


def test_the_audit_is_shown_by_name(two: tuple[Path, Page, FakeImages]) -> None:
    text = two[1].text
    for finding in (
        "Images 241 Images of each class functional: ",
        "Width 300 pixels Height 280 to 1,300 pixels, median 300 Unreadable files 1 Sets of exact duplicates 2"
        " Sets whose labels disagree 1",
        "cells/broken.png truncated",
        "cells/odd1.png, cells/odd2.png and cells/odd3.png disagree cells/same1.png and cells/same2.png agree",
        "Of these confirmed by their features 1",
        "Confirmed pairs cells/a.png = cells/b.png",
    ):
        assert finding in text
    assert "Accuracy 0.810 0.850 0.040" in text


def test_an_audit_without_findings_says_so(empty_figures: None, tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    results = results_of(tmp_path)
    results["audit"].update(unreadable=[], duplicates=[], label_conflicts=[])
    write_json(tmp_path / "results.json", results)
    assert "Every file could be read. No two files hold the same image." in report(tmp_path).text


def test_no_images_leaves_out_every_name_of_the_audit_too(empty_figures: None, tmp_path: Path) -> None:
    names = make_run(tmp_path, n=60)
    results = results_of(tmp_path)
    said = [
        f"1 sets of duplicates carry different labels: {names[3]} (functional) = {names[4]} (defective).",
        f"3 files have several pages or frames: {names[5]}, {names[6]} and 1 more.",
        "Fewer than 30 images in defective (12).",
    ]
    results["warnings"] = [*said, "cells/broken.png was left out.", f"{names[7]}, twice."]
    write_json(tmp_path / "results.json", results)
    text = report(tmp_path, images=False).text
    assert ".png" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    for kept in (
        "Unreadable files 1 Sets of exact duplicates 2 Sets whose labels disagree 1",
        "names of unreadable files, duplicates and near-duplicates were left out on request; results.json has them",
        "Of these confirmed by their features 1",
        "Confirmed pairs 1",
        "(image name left out) (functional) = (image name left out) (defective).",
        "3 files have several pages or frames: (image name left out), (image name left out) and 1 more.",
        "Fewer than 30 images in defective (12).",
        "(image name left out) was left out.",
        "(image name left out), twice.",
    ):
        assert kept in text
    named = report(tmp_path).text
    assert all(sentence in named for sentence in (*said, "cells/broken.png truncated", "cells/a.png = cells/b.png"))


@pytest.mark.parametrize(("largest", "told"), [(2, "2 in each of 50 classes"), (7, "2 to 7 in 50 classes")])
def test_very_many_classes_are_told_in_one_line(empty_figures: None, tmp_path: Path, largest: int, told: str) -> None:
    classes = tuple(f"class {number}" for number in range(50))
    make_run(tmp_path, n=500, classes=classes, even=True)
    results = results_of(tmp_path)
    results["audit"]["class_counts"] = dict.fromkeys(classes, 2) | {"class 7": largest}
    write_json(tmp_path / "results.json", results)
    assert told in report(tmp_path).text
