"""The methods paragraph of a run of every kind: each sentence held against ``results.json``, read anew here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kinds_of_runs import KINDS

from headstart.report.context import ReportContext
from headstart.report.sections.methods import methods_text
from headstart.results.read import read_run

PLAIN = "the tests' shared run"
SCORES = {
    "log_loss": "log loss",
    "quadratic_kappa": "kappa, quadratic weights",
    "balanced_accuracy": "balanced accuracy",
}
HEADS = {"dense": "dense network", "logistic": "logistic regression"}
RESIZED = {"squash": "its proportions not kept", "crop": "largest centred", "pad": "the rest black"}
POOLED = {"mean": "mean", "max": "max"}
NO_NETWORK = "no network"
MADE_BY_HAND = ("descriptors", "lesion")
PUBLISHED = ("PyPI package", "Hugging Face hub timm/")


@pytest.fixture(scope="session", params=[PLAIN, *KINDS])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """Content of ``results.json``, the paragraph without its references, and the folder of a run of every kind."""
    if request.param == PLAIN:
        folder = Path(request.getfixturevalue("run").folder)
    else:
        folder = KINDS[request.param](tmp_path_factory.mktemp("kind"))
    paragraph = methods_text(ReportContext(read_run(folder))).split("\n\n")[0]
    return json.loads((folder / "results.json").read_text(encoding="utf-8")), paragraph, folder


def test_every_fact_that_a_referee_needs_stands_in_the_paragraph(told: tuple[dict[str, Any], str, Path]) -> None:
    results, words, _ = told
    facts = [*_data(results), *_network(results), *_search(results), *_judgement(results), *_decisions(results)]
    assert [fact for fact in facts if fact not in words] == []


def test_what_was_not_done_is_not_told(told: tuple[dict[str, Any], str, Path]) -> None:
    results, words, folder = told
    sources, backbone, decisions = results["sources"], results["backbone"], results["decisions"] or {}
    networks = [source for source in sources if _sees_network(source)]
    trained = [source for source in networks if not source["weights"]["source"].startswith("random")]
    training_sets = results["search"]["training_sets"]
    requested = decisions.get("requested", {})
    kinds = {fold["calibrator"]["kind"] for fold in decisions.get("folds", ())}
    columns = (results["table"] or {}).get("columns", ()) if results["table"] else ()
    done = {
        "no groups were given": results["task"].get("groups_given") is False,
        "never split apart": results["task"].get("groups_given") is not False,
        "left out": bool(results["audit"]["unreadable"]),
        "weights given with them": results["task"]["weighted"],
        "soft": results["labels"] is not None and results["labels"]["n_soft"] is not None,
        "copies were kept": _n_copies(results["audit"]["near_duplicates"]) > 0,
        "Krippendorff": results["audit"]["agreement"] is not None,
        "windows of recordings": (folder / "signals.json").is_file(),
        "single cells": (folder / "cells.json").is_file(),
        "transfer learning": bool(trained),
        "ImageNet": any(_first_weights(source["weights"]).startswith(PUBLISHED) for source in trained),
        "drawn at random, which no image": any(source["weights"]["source"].startswith("random") for source in networks),
        "no network took part": not networks,
        "kept frozen": bool(networks),
        "at first kept frozen": bool(networks) and results["fine_tuning"] is not None,
        "The forward pass": bool(networks),
        "The network was shown": bool(networks) and backbone["preparation"].get("channels") is not None,
        "Each channel was brought": backbone.get("training_normalisation") is not None,
        "in every outer fold for": backbone.get("training_normalisation") is not None or _scaled_by_training(folder),
        "each the mean over": any((source.get("features") or {}).get("n_views", 1) > 1 for source in sources),
        "Beside the features": bool(columns) and backbone["name"] != NO_NETWORK,
        "table column": any(column["kind"] != "array" for column in columns),
        "made by the user": any(column["kind"] == "array" for column in columns),
        "were balanced within": any(row["balance"] != "none" for row in training_sets),
        "trained on views": any(row["augment"] != "none" for row in training_sets),
        "predict the mean": any(row["tta"] for row in training_sets),
        "Successive halving": results["search"]["halving"] is not None,
        "drawn at random from": results["search"]["n_points"] > results["search"]["n_candidates"],
        "A trained network was chosen": results["fine_tuning"] is not None,
        "ensemble of at most": results.get("ensemble") is not None,
        "provisional": results.get("provisional", False),
        "nested cross-validation": results["protocol"]["scheme"].startswith("nested") and _chooses(results),
        "taken by the size of the data": bool(results["protocol"].get("split_rule"))
        and not results.get("provisional", False)
        and results["protocol"]["scheme"] != "nested:5x4",
        "the data name": results["protocol"]["own_folds"],
        "simple baselines": results["transfer"] is not None,
        "Probabilities were calibrated": bool(kinds - {"none"}),
        "operating point": requested.get("operating_point") is not None,
        "prediction sets": requested.get("conformal") is not None,
        "Of every image the class": requested.get("class_rule") is not None,
        "Images unlike": results.get("novelty") is not None,
        "The classes are ordered": results.get("ordinal") is not None,
        "as the positive class": results["task"]["positive"] is not None,
        "in int8 and": (results["engine"]["accuracy_cost"] or {}) != {},
    }
    assert {phrase: phrase in words for phrase in done} == done


def test_the_sentences_are_whole_and_agree_in_number(told: tuple[dict[str, Any], str, Path]) -> None:
    _, words, _ = told
    slips = (
        r"  | [.,;:)]|\( |\.\.|,,|;;|\(\)|;\.|:\.",
        r"\b(None|nan|True|False|n/a)\b",
        r"\b[a-z]+_[a-z]+ (was|were)",
    )
    ones = r"(?<![\d.,])1 (images|groups|classes|folds|files|views|resamples|raters|candidates|columns|channels)\b"
    assert [re.findall(slip, words) for slip in (*slips, ones)] == [[]] * 4
    assert words.endswith(".")
    assert all(sentence[0].isupper() or sentence[0].isdigit() for sentence in re.split(r"(?<=[a-z\])%]\.) ", words))


def test_without_images_it_is_the_same_where_it_names_no_file(told: tuple[dict[str, Any], str, Path]) -> None:
    _, words, folder = told
    hidden = methods_text(ReportContext(read_run(folder), images=False)).split("\n\n")[0]
    assert hidden == words
    assert not re.search(r"\.(png|csv|npy)\b", hidden)


def test_no_number_was_made_up(told: tuple[dict[str, Any], str, Path]) -> None:
    """Every number of the paragraph is one of the run's documents, a count of their entries, or part of a name."""
    results, words, folder = told
    documents = [results, json.loads((folder / "timings.json").read_text(encoding="utf-8"))["versions"]]
    documents += [json.loads(path.read_text()) for name in ("signals", "cells") for path in folder.glob(f"{name}.json")]
    known = {shown for document in documents for value in _numbers(document) for shown in _ways_to_show(value)}
    if results["protocol"]["scheme"].startswith("holdout"):
        train, validation, _ = map(float, results["protocol"]["scheme"].partition(":")[2].split("/"))
        known.add(f"{train + validation:g}")
    found = re.findall(r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?", _without_names(words, documents))
    assert sorted({number.strip(",") for number in found} - known) == []


# What the documents say, read without the code that wrote the sentences -----------------------------------------------


def _data(results: dict[str, Any]) -> Iterator[str]:
    task, audit = results["task"], results["audit"]
    yield f"held {_several(task['n_images'], 'image')} of {len(task['classes'])} classes"
    counts = task["class_counts"]
    if len(counts) > 40:
        yield f"{max(counts.values())} images each"
    else:
        yield ", ".join(f"{name}: {counts[name]}" for name in task["classes"])
    if task.get("groups_given") is not False:
        yield f" in {_several(task['n_groups'], 'group')}, "
    if audit["unreadable"]:
        yield f"{len(audit['unreadable'])} file that could not be read was left out"
    if results["labels"] is not None and results["labels"]["n_soft"] is not None:
        yield f"The labels of {_several(results['labels']['n_soft'], 'image')} were soft"
    if audit["near_duplicates"]["exact_pairs"]:
        yield f"{_several(audit['near_duplicates']['exact_pairs'], 'pair')} of equal pixels"


def _network(results: dict[str, Any]) -> Iterator[str]:
    if results["backbone"]["name"] == NO_NETWORK:
        yield "no network took part"
        return
    for source in results["sources"]:
        preparation = source["preparation"]
        yield f"{preparation['size'][0]} x {preparation['size'][1]} pixels"
        yield f"({preparation['interpolation']} interpolation)"
        yield RESIZED[preparation["resize"]]
        if preparation.get("clean_up"):
            yield f"lean-up ({preparation['clean_up'].replace('+', ', ')})"
        yield from _features(source)
        if _sees_network(source):
            yield (results["engine"] if len(results["sources"]) == 1 else source["engine_record"])["label"]
    if len(results["sources"]) > 1:
        yield f"{len(results['sources'])} sources of features competed"
    elif _sees_network(results["sources"][0]):
        yield results["backbone"]["name"]


def _features(source: dict[str, Any]) -> Iterator[str]:
    weights = source["weights"]
    if _sees_network(source):
        yield f"{source['feature_width']:,} features ("
        if not weights["source"].startswith("random"):
            yield weights["source"]
            if weights["pretraining"] is not None:
                yield weights["pretraining"]["start"]["source"]
    features = source.get("features") or {"blocks": [], "n_views": 1}
    for block in features["blocks"]:
        stage, _, pooling = block["name"].partition(":")
        if stage in MADE_BY_HAND:
            yield f"{block['n_features']} handcrafted"
        elif pooling:
            yield POOLED[pooling]
            yield stage
    if features["n_views"] > 1:
        yield f"mean over {features['n_views']} views"


def _search(results: dict[str, Any]) -> Iterator[str]:
    search, tuning, ensemble = results["search"], results["fine_tuning"], results.get("ensemble")
    yield f"{search['n_candidates']:,} candidates" if search["n_candidates"] > 1 else "One head"
    yield from (HEADS[kind] for kind in search["kinds"])
    for row in search["training_sets"]:
        if len(search["training_sets"]) > 1 and row["label"]:
            yield row["label"]
    for policy, views in search["views"].items():
        yield f"{policy}, {len(views)} views"
    if tuning is not None:
        yield from (candidate["label"] for candidate in tuning["candidates"])
        yield f"was chosen in {tuning['times_chosen']} of {len(tuning['folds'])} outer folds"
    if ensemble is not None:
        yield f"at most {ensemble['max_members']} of the candidates"
        yield f"({ensemble['times_kept']} of {len(ensemble['folds'])} outer folds)"
    if results["table"] is not None:
        yield from (column["name"] for column in results["table"]["columns"])
    yield f"The final model ({results['final_model']['label']}) was then trained on all images."


def _judgement(results: dict[str, Any]) -> Iterator[str]:
    protocol, interval, headline = results["protocol"], results["protocol"]["interval"], results["headline"]
    yield f"(seed {protocol['seed']}, split {protocol['split_hash'][:12]})"
    kind, _, shape = protocol["scheme"].partition(":")
    first = [fold for fold in results["folds"] if fold["repeat"] == 0]
    if results.get("provisional"):
        yield f"{first[0]['n_train']} images and judged once on {first[0]['n_test']} others"
    elif kind == "holdout":
        yield f"({first[0]['n_train']}) and judged once on the remaining"
        yield f"% ({first[0]['n_test']})"
    else:
        yield f"with {shape.split('x')[0]} outer folds"
        yield f"{'drawn twice ' if protocol['repeats'] == 2 else ''}(seed"
        if results["search"]["n_candidates"] > 1:
            inner = shape.split("x")[1]
            yield f"{'one held-out part' if inner == '1' else f'{inner} inner folds'} of the training part alone"
    if results["search"]["n_candidates"] > 1:
        yield f"by {SCORES[protocol['choose_by']]}"
    low, high = headline["ci95"]
    yield f"{SCORES[headline['metric']]} {headline['value']:.3f} ({low:.3f} to {high:.3f})"
    yield f"On {_several(sum(fold['n_test'] for fold in first), 'image')} held out"
    yield f"{interval['method']}, {interval['n_resamples']:,} resamples of {_several(interval['n_groups'], 'group')}"
    yield interval["speaks_of"]
    if (transfer := results["transfer"]) is not None:
        yield from (baseline["title"] for baseline in transfer["baselines"])
        yield f"{transfer['gains']['log_loss']['gain']:.3f}"
    yield f"headstart {results['headstart']}"


def _decisions(results: dict[str, Any]) -> Iterator[str]:
    decisions, novelty = results["decisions"], results.get("novelty")
    if novelty is not None:
        yield f"a share of {novelty['flagged']['value']:.3f} ("
    if decisions is None:
        return
    if decisions["operating_point"] is not None:
        yield decisions["requested"]["operating_point"]
        yield f"sensitivity {decisions['operating_point']['metrics']['recall']['value']:.3f}"
    if decisions["conformal"] is not None:
        yield f"in a share of {decisions['conformal']['coverage']['value']:.3f} ("
        yield f"{100 * decisions['requested']['conformal']:.1f}\N{NO-BREAK SPACE}%"
    kinds = [fold["calibrator"]["kind"] for fold in decisions["folds"]]
    if set(kinds) - {"none"}:
        names = {"platt": "Platt's sigmoid", "none": "no calibration"}
        yield from (f"{names.get(one, one)} in {kinds.count(one)} of {len(kinds)}" for one in set(kinds))


def _several(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sees_network(source: dict[str, Any]) -> bool:
    if source["backbone"] == NO_NETWORK:
        return False
    blocks = (source.get("features") or {"blocks": []})["blocks"]
    return not blocks or any(block["name"] not in MADE_BY_HAND for block in blocks)


def _first_weights(weights: dict[str, Any]) -> str:
    """Source of the weights that a training began with."""
    return str((weights if weights["pretraining"] is None else weights["pretraining"]["start"])["source"])


def _n_copies(found: dict[str, Any]) -> int:
    listed = (found.get(name, ()) for name in ("mirrored_or_turned", "cropped_or_rotated"))
    return int(found["exact_pairs"] + found["confirmed_in_feature_space"] + sum(map(len, listed)))


def _scaled_by_training(folder: Path) -> bool:
    path = folder / "signals.json"
    return path.is_file() and json.loads(path.read_text())["recipe"]["standardise"] == "training"


def _chooses(results: dict[str, Any]) -> bool:
    return results["search"]["n_candidates"] > 1 or results["fine_tuning"] is not None


def _numbers(value: Any) -> Iterator[float]:
    """All numbers of a document, the lengths of its lists and tables, and the seconds that samples come to."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, str):
        yield from map(float, re.findall(r"\d+(?:\.\d+)?", value))
    else:
        yield len(value)
        if "period_s" in value:
            yield from (value["period_s"] * value[name] for name in ("length", "stride", "reference"))
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)


def _ways_to_show(value: float) -> Iterator[str]:
    """As a count, with three decimals, as a percentage, as two digits, with a sign; a share by its inverse."""
    yield from (f"{value:,.0f}", f"{value:.3f}", f"{value:.4g}", f"{value:.2g}", f"{value:g}", f"{value:+.3f}")
    yield from (f"{100 * value:.1f}", f"{100 * value:g}", f"{value:.3g}")
    if 0 < value < 1:
        yield f"{1 / value:.0f}"


def _without_names(words: str, documents: list[Any]) -> str:
    """The paragraph without marks of references, hashes and such names as hold digits."""
    words = re.sub(r"\[\d+(?:, \d+)*\]|\[1\]|split [0-9a-f]{12}|with python .*$|headstart \d[\d.]*\d", "", words)
    words = words.replace("(an image without copies is one by itself)", "").replace("on a scale from 0 to 1", "")
    words = words.replace("trained on ImageNet-1k (ILSVRC 2012), 1.3 million photographs of 1,000 classes", "")
    names = sorted({name for document in documents for name in _names(document)}, key=len, reverse=True)
    for name in names:
        words = words.replace(name, "")
    return re.sub(r"[A-Za-z_][A-Za-z_-]*\d[\w:.]*", "", words)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if re.search(r"[^\d].*\d|\d.*[^\d]", value):
            yield value
    elif isinstance(value, dict | list):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _names(item)
