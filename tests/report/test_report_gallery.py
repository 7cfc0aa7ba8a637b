"""The pictures of a report: the right ones, small and without metadata, or none where that is asked for."""

from __future__ import annotations

import base64
import csv
import io
import re
from pathlib import Path

import numpy as np
from made_run import FakeImages, Page, make_run, report
from PIL import Image

from headstart.data import ImageDataset
from headstart.report.explorer import judge_images
from headstart.report.sections.gallery import unsure_hits
from headstart.results.read import read_run


def test_gallery_shows_the_right_images(two: tuple[Path, Page, FakeImages]) -> None:
    folder, page, images = two
    with (folder / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))

    def sure(row: dict[str, str]) -> float:
        return float(row[f"probability:{row['predicted']}"])

    wrong = sorted((row for row in rows if row["label"] != row["predicted"]), key=lambda row: -sure(row))
    right = sorted((row for row in rows if row["label"] == row["predicted"]), key=sure)
    missed = sorted(wrong, key=lambda row: row["label"] != "defective")[:4]
    doubtful = [row for row in sorted(rows, key=sure) if row not in missed][:4]
    hits = [row for row in sorted(right, key=lambda row: -sure(row)) if row not in doubtful][:4]
    telling = [*hits, *missed, *doubtful]
    others = [[row for row in some if row not in telling][:12] for some in (wrong, right)]
    assert images.loaded[:12] == [row["image"] for row in telling]
    assert sorted(images.loaded[12:-24]) == sorted(row["image"] for row in rows)
    assert images.loaded[-24:] == [row["image"] for some in others for row in some]
    pictures = [str(image["src"]) for image in page.named("img") if str(image["src"]).startswith("data:image/jpeg")]
    assert len(pictures) == 35
    assert page.text.count("picture not readable in the data set given") == 1
    data = base64.b64decode(pictures[0].partition(",")[2])
    assert b"patient name" not in data
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (160, 100)


def test_gallery_averages_the_repeats(tmp_path: Path) -> None:
    make_run(tmp_path, repeats=3, n=60)
    predictions = read_run(tmp_path).predictions
    cases = judge_images(predictions)
    assert [case.image for case in cases] == predictions.images[:60]
    means = predictions.probabilities.reshape(3, 60, 2).mean(axis=0)
    np.testing.assert_allclose([case.probability for case in cases], means.max(axis=1))
    assert [case.line for case in cases] == list(range(2, 62))
    assert all(case.label == case.predicted for case in unsure_hits(cases))


def test_no_images_leaves_out_pictures_and_names(hostile: tuple[Path, Page]) -> None:
    folder, page = hostile
    source = (folder / "report.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" not in source
    assert not re.search(r"cell\d{4}\.png", source)
    assert "left out of this report on request" in page.text
    assert re.search(r"line \d+ true: ", page.text)


def test_without_a_data_set_the_gallery_says_so(empty_figures: None, tmp_path: Path) -> None:
    make_run(tmp_path, n=80)
    page = report(tmp_path)
    assert "The images were not at hand" in page.text
    assert re.search(r"cells/cell\d{4}\.png true: ", page.text)


def test_pictures_of_a_real_data_set(empty_figures: None, tmp_path: Path) -> None:
    names = make_run(tmp_path, n=40)
    pixels = np.full((40, 8, 8, 3), 200, dtype=np.uint8)
    dataset = ImageDataset.from_arrays(pixels, ["a", "b"] * 20, names=names)
    page = report(tmp_path, dataset=dataset)
    sources = [str(image["src"]) for image in page.named("img") if str(image["src"]).startswith("data:image/jpeg")]
    assert len(sources) > 12
    with Image.open(io.BytesIO(base64.b64decode(sources[0].partition(",")[2]))) as picture:
        assert abs(np.asarray(picture).astype(int) - 200).max() <= 2
