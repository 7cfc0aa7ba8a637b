"""The page as a whole: offline, equal bytes for equal runs, nothing a run says taken for markup, readable by all."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from xml.etree import ElementTree

import helpers
import matplotlib
import pytest
from made_run import HOSTILE, FakeImages, Page, change_results, keep_holdout, make_run, report
from PIL import Image

from headstart.report import write_report


def test_equal_runs_give_equal_bytes(two: tuple[Path, Page, FakeImages], tmp_path: Path) -> None:
    folder, _, images = two
    make_run(tmp_path / "cells")
    write_report(tmp_path / "cells", dataset=FakeImages(images.names, images.broken))
    first = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    second = {path.relative_to(tmp_path / "cells"): path.read_bytes() for path in (tmp_path / "cells").rglob("*.*")}
    assert len(first) == 4 + 1 + 2 * 7
    assert first == second


def test_user_matplotlib_settings_change_nothing(two: tuple[Path, Page, FakeImages], tmp_path: Path) -> None:
    folder, _, _ = two
    make_run(tmp_path / "cells")
    with matplotlib.rc_context(
        {"font.size": 30, "axes.facecolor": "black", "svg.fonttype": "none", "lines.linewidth": 9}
    ):
        write_report(tmp_path / "cells")
        assert matplotlib.rcParams["font.size"] == 30
    for figure in (folder / "figures").iterdir():
        assert figure.read_bytes() == (tmp_path / "cells" / "figures" / figure.name).read_bytes()


def test_page_loads_nothing(two: tuple[Path, Page, FakeImages], hostile: tuple[Path, Page]) -> None:
    for page in (two[1], hostile[1]):
        addresses = [
            value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")
        ]
        assert addresses
        assert all(str(address).startswith(("data:image/", "#")) for address in addresses)
        assert not {"link", "iframe", "object"} & {tag for tag, _ in page.tags}
        assert {script.get("type") for script in page.named("script")} == {None, "application/json"}
        assert not any("style" in attributes for _, attributes in page.tags)
    css = (two[0] / "report.html").read_text(encoding="utf-8").split("<style>")[1].split("</style>")[0]
    assert "url(" not in css
    assert "@import" not in css


def test_the_policy_of_the_page_names_its_own_style_and_script_alone(two: tuple[Path, Page, FakeImages]) -> None:
    source = (two[0] / "report.html").read_text(encoding="utf-8")
    policy = next(str(meta["content"]) for meta in two[1].named("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        content = source.rpartition(f"<{kind}>")[2].partition(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "eval(" not in source
    assert "new Function" not in source


def test_class_names_are_text_and_never_markup(hostile: tuple[Path, Page]) -> None:
    folder, page = hostile
    source = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in source
    assert "\\u003cscript>alert" in source
    assert "<b>cells" not in source
    assert HOSTILE in page.text
    assert "細胞" in page.text
    for figure in (folder / "figures").glob("*.svg"):
        kinds = {element.tag.rpartition("}")[2] for element in ElementTree.parse(figure).iter()}
        assert "script" not in kinds


def test_sections_stand_in_order(two: tuple[Path, Page, FakeImages], hostile: tuple[Path, Page]) -> None:
    anchors = (
        "result gallery question scores confusion curves calibration folds candidates optimism audit split provenance"
    )
    for page in (two[1], hostile[1]):
        assert [section["id"] for section in page.named("section")] == [
            *anchors.split(),
            "software",
            "methods",
            "predict",
        ]
        linked = [str(a["href"]).removeprefix("#") for a in page.named("a")][1:]
        assert linked == [section["id"] for section in page.named("section")]


def test_page_is_accessible(two: tuple[Path, Page, FakeImages]) -> None:
    _, page, _ = two
    assert page.named("html") == [{"lang": "en"}]
    assert all(image.get("alt") for image in page.named("img"))
    assert all(header.get("scope") in ("col", "row") for header in page.named("th"))
    assert len(page.named("caption")) == len(page.named("table"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_figures_are_saved_as_svg_and_png_of_150_dpi(two: tuple[Path, Page, FakeImages]) -> None:
    folder, page, _ = two
    names = {
        "confusion_counts",
        "confusion_rates",
        "roc",
        "precision_recall",
        "calibration",
        "fold_scores",
        "candidates",
    }
    assert {path.name for path in (folder / "figures").iterdir()} == {f"{n}.{k}" for n in names for k in ("svg", "png")}
    inlined = [str(image["src"]) for image in page.named("img") if str(image["src"]).startswith("data:image/svg")]
    assert len(inlined) == len(names)
    for name in names:
        svg = (folder / "figures" / f"{name}.svg").read_bytes()
        assert f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" in inlined
        assert b"<dc:date>" not in svg
        with Image.open(folder / "figures" / f"{name}.png") as png:
            assert png.info["dpi"] == pytest.approx((150, 150), abs=0.1)


def test_a_provisional_report_leaves_curves_calibration_and_folds_to_the_whole_job(tmp_path: Path) -> None:
    make_run(tmp_path, n=100)
    keep_holdout(tmp_path)
    change_results(tmp_path, lambda results: results.update(provisional=True))
    page = report(tmp_path)
    anchors = [section["id"] for section in page.named("section")]
    assert "confusion" in anchors and not {"curves", "calibration", "folds"} & set(anchors)
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {"confusion_counts.svg", "confusion_rates.svg", "candidates.svg"}
    assert "its figures as SVG in figures/." in (tmp_path / "report.html").read_text(encoding="utf-8")
    with helpers.empty_figures():
        linked = write_report(tmp_path, to="md").read_text(encoding="utf-8")
    assert "(figures/confusion_rates.png)" in linked and (tmp_path / "figures" / "confusion_rates.png").is_file()


def test_report_is_small(two: tuple[Path, Page, FakeImages]) -> None:
    assert (two[0] / "report.html").stat().st_size < 3_000_000
