"""Ensembles: lesions by picture and descriptors, fine-tuned solar cells, and labels that mean nothing.

``ph2``: 200 lesions in three classes, nested 5 x 4 folds, drawn twice. The probe is the quick grid of heads on the last
stage; beside it the same heads on handcrafted descriptors, the better of the two in each fold, and the ensemble over
both, in pairs. ``noise``: solar cells whose labels are permuted a hundred times; every set of features, the best of
them and the ensemble must lie at chance, within three standard errors across permutations. ``tuned``: fine-tuning as
benchmarks/finetune.py does it, chosen on a holdout against heads on the last and on several stages, alone and in an
ensemble with them; an hour and more a protocol. Finished trainings and protocols are kept, so the same command goes on
where it was interrupted. PH2 needs the environment variable HEADSTART_TEST_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, table, write_results

from headstart.augment import views
from headstart.cli.progress import TerminalProgress
from headstart.data import ImageDataset, read_dataset
from headstart.data.audit.audit import audit_dataset
from headstart.data.split.make import make_split, split_dataset
from headstart.decisions import DecisionRules
from headstart.features.extract import extract_features
from headstart.features.extractor import Extractor
from headstart.features.open import ExtractionSettings, open_extractor
from headstart.features.stage_maps import extract_maps
from headstart.finetuning import FineTuneSpec, frozen_stage
from headstart.heads import HeadSpec, grid
from headstart.metrics import OutOfFold, compare_paired, evaluate
from headstart.samples.solar_cells import protocol, solar_cells
from headstart.study.data import StudyData
from headstart.study.decisions import decide_folds
from headstart.study.ensemble.folds import ensemble_folds
from headstart.study.execution.journal import Journal
from headstart.study.finetuning.competition import fine_tune_folds
from headstart.study.finetuning.fits import FineTuningStudy
from headstart.study.fold_result import FoldResult
from headstart.study.folds import outer_folds
from headstart.study.nested_cv import run_folds
from headstart.study.out_of_fold import gather
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.study.search.choose import ranked
from headstart.workflow.job.near_duplicates import find_near_duplicates
from headstart.workflow.job.sources import open_cache

SEED = 6203
N_PERMUTATIONS = 100
SHOWN = ("log_loss", "accuracy", "balanced_accuracy")
RULES = DecisionRules("auto", None, None)
NOISE_HEADS = (HeadSpec("logistic", {"C": 0.01}), HeadSpec("knn", {"k": 15}))
SPEC = FineTuneSpec(unlock=3, epochs=12, batch_size=32, learning_rate=3e-4, precision="fp32")
"""As in benchmarks/finetune.py."""
PARTS = ("ph2", "noise", "tuned")


def plan_of(names: tuple[str, ...], heads: tuple[HeadSpec, ...], **options: Any) -> StudyPlan:
    """Plan of the same heads on several sets of features, with an ensemble."""
    sources = tuple(FeatureSourceSpec(features=name) for name in names)
    candidates = tuple(Candidate(source, head) for source in sources for head in heads)
    return StudyPlan(candidates, sources, seed=SEED, ensemble=True, **options)


def features_of(dataset: ImageDataset, name: str, side: int | None) -> tuple[np.ndarray, tuple[int, ...]]:
    """Features of all images and the widths of their blocks, from the user's cache where they are."""
    size = None if side is None else (side, side)
    extractor = open_extractor(ExtractionSettings(input_size=size, device="cpu", offline=True, features=name))
    return np.asarray(extract_features(dataset, extractor, cache=open_cache("default"))), extractor.stage_widths


def study_data(dataset: ImageDataset, names: tuple[str, ...], side: int | None) -> StudyData:
    """Images with every set of features as a source."""
    found = [features_of(dataset, name, side) for name in names]
    return StudyData.of(dataset, tuple(one for one, _ in found), blocks=tuple(widths for _, widths in found))


def of_source(result: FoldResult, plan: StudyPlan, source: int) -> FoldResult:
    """The fold as its best candidate of one source predicts it, uncalibrated."""
    best = next(index for index in ranked(result.inner_scores, plan.choose_by) if plan.source_of(index) == source)
    return replace(result, raw=result.candidate_probabilities[int(best)], calibrated=None)


# Lesions --------------------------------------------------------------------------------------------------------------


def lesions(*, quick: bool) -> dict[str, Any] | None:
    """Probe, descriptors, the better of both and their ensemble on PH2; None where the images are not at hand."""
    root = Path(os.environ.get("HEADSTART_TEST_DATA", "")) / "ph2"
    if not (root / "labels.csv").is_file():
        print("ph2 is left out: HEADSTART_TEST_DATA names no folder that holds it", file=sys.stderr)
        return None
    read = read_dataset(root / "labels.csv", columns={"label": "diagnosis"})
    plain = read.subset(np.arange(0, len(read), 4)) if quick else read
    dataset = plain.with_hashes([plain.content_hash(row) for row in range(len(plain))])
    names = ("last", "descriptors")
    data = study_data(dataset, names, 96 if quick else None)
    plan = plan_of(names, tuple(grid()))
    split = split_dataset(dataset, scheme="nested:3x2" if quick else "nested:5x4", repeats=1 if quick else 2, seed=SEED)
    folds = outer_folds(split)
    found: dict[str, OutOfFold] = {}
    for name, (features, heads) in {
        "probe": (0, plan.of_source(0)),
        "descriptors": (1, plan.of_source(1)),
        "both compete": (None, range(len(plan.candidates))),
    }.items():
        own = plan if features is None else replace(plan, candidates=tuple(plan.candidates[one] for one in heads))
        results = run_folds(data, folds, own)
        found[name] = _gathered(data, decide_folds(data, results, own, RULES), dataset.classes, split.repeats)
    together = decide_folds(data, ensemble_folds(data, results, plan), plan, RULES)
    found["ensemble"] = _gathered(data, together, dataset.classes, split.repeats)
    return {
        "n_images": len(dataset),
        "kept": sum(one.ensemble is not None and one.ensemble.is_kept for one in together),
        "n_folds": len(together),
        "ways": {
            name: {
                "metrics": evaluate(oof, metrics=SHOWN, per_class=False, seed=SEED).to_json()["metrics"],
                "less_probe": compare_paired(oof, found["probe"], metrics=SHOWN, seed=SEED).to_json()["metrics"],
            }
            for name, oof in found.items()
        },
    }


def _gathered(data: StudyData, results: list[FoldResult], classes: tuple[str, ...], n_repeats: int) -> OutOfFold:
    return gather(data, results, classes, None, n_repeats)


# Noise ----------------------------------------------------------------------------------------------------------------


def noise(*, quick: bool) -> dict[str, Any]:
    """Mean balanced accuracy of every way over permuted labels, with its standard error."""
    cells = solar_cells()
    rows = np.random.default_rng(SEED).permutation(len(cells.probability))[: 60 if quick else 200]
    plain = cells.dataset(cells.probability > 0.5).subset(np.sort(rows))
    dataset = plain.with_hashes([plain.content_hash(row) for row in range(len(plain))])
    names = ("last", "multi", "best")
    data = study_data(dataset, names, 96)
    plan = replace(plan_of(names, NOISE_HEADS), positive=1)
    scores: dict[str, list[float]] = {name: [] for name in (*names, "the best of them", "ensemble")}
    kept: list[bool] = []
    for number in range(5 if quick else N_PERMUTATIONS):
        permuted = replace(data, labels=np.random.default_rng([SEED, number]).permutation(data.labels))
        split = make_split(permuted.labels, scheme="nested:3x2", seed=number)
        single = run_folds(permuted, outer_folds(split), plan)
        together = ensemble_folds(permuted, single, plan)
        kept += [one.ensemble is not None and one.ensemble.is_kept for one in together]
        ways = {name: [of_source(one, plan, place) for one in single] for place, name in enumerate(names)}
        for name, results in {**ways, "the best of them": single, "ensemble": together}.items():
            oof = _gathered(permuted, results, dataset.classes, 1)
            found = evaluate(oof, metrics=["balanced_accuracy"], per_class=False)
            scores[name].append(found.metrics["balanced_accuracy"].value)
        print(f"permutation {number + 1}", end="\r", file=sys.stderr)
    return {
        "n_images": len(dataset),
        "n_permutations": len(scores["last"]),
        "share_kept": float(np.mean(kept)),
        "ways": {
            name: {"mean": float(np.mean(one)), "standard_error": float(np.std(one, ddof=1) / np.sqrt(len(one)))}
            for name, one in scores.items()
        },
    }


# Fine-tuning ----------------------------------------------------------------------------------------------------------


class Part:
    """Maps of some images of a data set."""

    def __init__(self, maps: Any, rows: np.ndarray) -> None:
        self.maps, self.rows, self.n_views = maps, rows, maps.n_views

    def take(self, rows: Any, seen: Any) -> np.ndarray:
        """See `StageMaps.take`."""
        return np.asarray(self.maps.take(self.rows[np.asarray(rows)], seen))


def tuned(name: str, work: Path, *, quick: bool) -> dict[str, Any]:
    """Fine-tuning alone and in an ensemble under one protocol of the solar cells."""
    start, progress = time.perf_counter(), TerminalProgress(quiet=False)
    side, cells = (96 if quick else 300), solar_cells()
    rows = np.arange(len(cells.probability))[:: 24 if quick else 1]
    plain = cells.dataset(cells.probability > 0.5).subset(rows)
    audit = audit_dataset(plain)
    dataset = plain.with_hashes(audit.hashes)
    names, cache = ("last", "multi"), open_cache("default")
    found = [features_of(dataset, one, side) for one in names]
    opened = open_extractor(ExtractionSettings(input_size=(side, side), device="cpu", offline=True))
    stage = frozen_stage(SPEC.unlock, opened.backbone.staged.names, backbone=opened.backbone.name)
    staged = Extractor(
        opened.backbone, opened.preparation, opened.engine, stage=stage, network_cache=opened.network_cache
    )
    maps = extract_maps(dataset, staged, views=views("dihedral", 8), cache=cache, progress=progress)
    one = protocol(cells, name)  # type: ignore[arg-type]
    inside = np.flatnonzero(np.isin(one.rows, rows))
    places, judged = np.searchsorted(rows, one.rows[inside]), one.dataset.subset(inside)
    duplicates = find_near_duplicates(dataset, audit, found[0][0]).groups
    groups = None if duplicates is None else np.unique(duplicates[places], return_inverse=True)[1]
    data = StudyData(
        tuple(features[places] for features, _ in found),
        judged.labels,
        2,
        judged.weights,
        groups,
        soft=one.soft[inside] if name == "A" else None,
        blocks=tuple(widths for _, widths in found),
    )
    scheme = "nested:2x2" if quick else "nested:5x4"
    split = split_dataset(judged, groups=groups, strata=one.strata[inside], scheme=scheme, seed=SEED)
    plan = replace(plan_of(names, NOISE_HEADS if quick else tuple(grid())), positive=1, n_jobs=1 if quick else 2)
    spec = replace(SPEC, epochs=2) if quick else SPEC
    study = FineTuningStudy(
        (spec,),
        (opened.backbone,) * len(names),
        lambda fold, source, stage: Part(maps, places),
        n_threads=opened.engine.n_threads,
        start_features=lambda fold, source: data.features[0] if source else None,
    )
    journal = Journal(work / f"{name}{'-quick' if quick else ''}")
    results = run_folds(data, outer_folds(split), plan, journal=journal, progress=progress)
    results = decide_folds(data, results, plan, RULES)
    results = fine_tune_folds(data, results, plan, study, journal=journal, progress=progress)
    results = decide_folds(data, results, plan, RULES)
    results = ensemble_folds(data, results, plan, fine_tuning=study, journal=journal, progress=progress)
    results = decide_folds(data, results, plan, RULES)
    alone, together, frozen = (
        gather(data, results, judged.classes, 1, 1, kind=kind) for kind in ("alone", "probabilities", "frozen")
    )
    shown = SHOWN[:2]
    return {
        "n_images": len(judged),
        "seconds": time.perf_counter() - start,
        "fine_tuned_in": sum(one.fine_tuned_choice is not None for one in results),
        "kept": sum(one.ensemble is not None and one.ensemble.is_kept for one in results),
        "n_folds": len(results),
        "frozen": evaluate(frozen, metrics=shown, per_class=False, seed=SEED).to_json()["metrics"],
        "ensemble": evaluate(together, metrics=shown, per_class=False, seed=SEED).to_json()["metrics"],
        "less_alone": compare_paired(together, alone, metrics=shown, seed=SEED).to_json()["metrics"],
    }


# Together -------------------------------------------------------------------------------------------------------------


def main() -> int:
    """1 when a way is off chance on permuted labels, or fine-tuning gains nothing in log loss or loses accuracy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few images, seen small; writes nothing")
    parser.add_argument("--only", default=",".join(PARTS), help="parts")
    parser.add_argument("--protocols", default="A,B,C", help="protocols of the solar cells for the part tuned")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "headstart-ensemble")
    given = parser.parse_args()
    path = RESULTS / "ensemble.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.is_file() and not given.quick else {}
    kept.pop("machine", None)
    missed: list[str] = []
    for part in given.only.split(","):
        if part == "tuned":
            for name in ["A"] if given.quick else given.protocols.split(","):
                kept.setdefault("tuned", {})[name] = found = tuned(name, given.work, quick=given.quick)
                _write(kept, quick=given.quick)
                print(_tuned_table(kept["tuned"]))
                missed += _tuned_missed(name, found)
            continue
        start = time.perf_counter()
        found_part = lesions(quick=given.quick) if part == "ph2" else noise(quick=given.quick)
        if found_part is None:
            continue
        kept[part] = {"seed": SEED, "seconds": round(time.perf_counter() - start, 1), **found_part}
        _write(kept, quick=given.quick)
        print(_lesion_table(kept[part]) if part == "ph2" else _noise_table(kept[part]))
        missed += [] if part == "ph2" else _noise_missed(kept[part])
    print("\n".join(missed))
    return 1 if missed and not given.quick else 0


def _write(kept: dict[str, Any], *, quick: bool) -> None:
    if not quick:
        write_results("ensemble", kept)


def _span(row: dict[str, Any]) -> str:
    low, high = row["ci95"] or (float("nan"), float("nan"))
    return f"{row['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


def _lesion_table(found: dict[str, Any]) -> str:
    rows = [
        [
            name,
            *(f"{one['metrics'][metric]['value']:.3f}" for metric in SHOWN),
            "-" if name == "probe" else _span(one["less_probe"]["log_loss"]),
        ]
        for name, one in found["ways"].items()
    ]
    return table(["PH2", *SHOWN, "log loss less the probe's"], rows)


def _noise_table(found: dict[str, Any]) -> str:
    rows = [[name, f"{one['mean']:.4f}", f"{one['standard_error']:.4f}"] for name, one in found["ways"].items()]
    return table(["permuted labels", "balanced accuracy", "standard error"], rows)


def _noise_missed(found: dict[str, Any]) -> list[str]:
    return [
        f"{name}: {one['mean']:.4f} is not within three standard errors of chance"
        for name, one in found["ways"].items()
        if abs(one["mean"] - 0.5) > 3 * one["standard_error"]
    ]


def _tuned_table(found: dict[str, Any]) -> str:
    rows = [
        [
            name,
            f"{one['less_alone']['accuracy']['b']:.4f}",
            f"{one['less_alone']['accuracy']['a']:.4f}",
            _span(one["less_alone"]["accuracy"]),
            _span(one["less_alone"]["log_loss"]),
            f"{one['seconds'] / 60:.0f}",
        ]
        for name, one in found.items()
    ]
    columns = ["protocol", "accuracy, fine-tuning alone", "with ensemble", "gain", "log loss less alone", "minutes"]
    return table(columns, rows)


def _tuned_missed(name: str, found: dict[str, Any]) -> list[str]:
    loss, accuracy = found["less_alone"]["log_loss"], found["less_alone"]["accuracy"]
    missed = [] if loss["ci95"] and loss["ci95"][1] < 0 else [f"{name}: no gain in log loss beyond its interval"]
    return [*missed, *([f"{name}: accuracy is lower"] if accuracy["difference"] < 0 else [])]


if __name__ == "__main__":
    raise SystemExit(main())
