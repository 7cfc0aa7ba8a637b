"""The methods paragraph: what was done, told as it was done, with references that can be found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from made_run import (
    FakeImages,
    Page,
    change_results,
    engine,
    engine_settings,
    make_run,
    methods_of,
    report,
    results_of,
    source,
    timings,
    write_json,
)

from headstart.metrics import evaluate
from headstart.report.sections.scores import interval_references
from headstart.report.text.methods import SOURCE
from headstart.results.out_of_fold import out_of_fold
from headstart.results.read import read_run


def test_every_reference_of_the_metrics_is_spelled_out(tmp_path: Path) -> None:
    make_run(tmp_path, n=60)
    interval = evaluate(out_of_fold(read_run(tmp_path)), n_resamples=100).interval.to_json()
    cited = interval_references(interval["reference"])
    assert len(cited) > 0
    assert all(re.search(r"DOI 10\.\d{4}|arXiv \d{4}|PMC\d+", reference) for reference in (SOURCE, *cited))


def test_methods_of_a_holdout_without_a_choice_and_with_repeats(
    two: tuple[Path, Page, FakeImages], tmp_path: Path
) -> None:
    def change(results: dict[str, Any]) -> None:
        results["protocol"].update(scheme="holdout:62.5/12.5/25", repeats=3)
        results["candidates"], results["search"]["n_candidates"] = results["candidates"][:1], 1

    words = methods_of(two[0], tmp_path, change)
    assert "It was fitted on 75 % of the images and judged once on the remaining 25 %, in 3 stratified" in words
    assert "partitions, drawn anew and averaged (seed 0" in words
    assert "chosen by" not in words


def test_methods_and_tables_of_several_sources(empty_figures: None, tmp_path: Path) -> None:
    make_run(tmp_path)
    results = results_of(tmp_path)
    results["sources"] = [
        source("vgg19, 300 px", 4, weights="Hugging Face hub timm/vgg19"),
        source("resnet50", 1, weights="random (seed 0)") | {"number": 1},
    ]
    halving = "Successive halving: 10 of 30 fits; 2 of 1,296 candidates came to the end of each choice."
    results["search"].update(n_candidates=1296, kinds=["dense"], halving=halving, notes=[])
    write_json(tmp_path / "results.json", results)
    words = methods_of(tmp_path, tmp_path / "copy")
    assert (
        "2 sources of features competed: vgg19, 300 px (pretrained weights: Hugging Face hub timm/vgg19, trained on"
        in words
    )
    untrained = "resnet50 (weights drawn at random, which no image had ever trained; 1,280 features"
    assert f"{untrained} (pooled output of the last stage))" in words
    assert "The forward pass was computed by torch fp32." in words
    assert "1,296 candidates (dense network) were trained on these features. Successive halving on the inner" in words
    page = report(tmp_path)
    assert "1,296 candidates competed in 5 choices" in page.text
    assert halving in page.text
    assert "The best 6 of 1,296 candidates" in page.text
    assert "2 sources of features competed" in page.text


def test_methods_claim_nothing_of_the_balance_of_own_folds(two: tuple[Path, Page, FakeImages], tmp_path: Path) -> None:
    own = {"scheme": "nested:3x4", "own_folds": True}
    words = methods_of(two[0], tmp_path / "copy", lambda results: results["protocol"].update(own))
    assert "estimated by nested cross-validation with 3 outer folds as given by the user (seed 0" in words
    assert "stratified" not in words
    assert "Outer folds drawn by headstart" in two[1].text
    make_run(tmp_path, n=60)
    change_results(tmp_path, lambda results: results["protocol"].update(own_folds=True))
    assert "Outer folds as given by the user" in report(tmp_path).text


def test_methods_of_random_weights_speak_of_no_pretraining(two: tuple[Path, Page, FakeImages], tmp_path: Path) -> None:
    def change(results: dict[str, Any]) -> None:
        results["backbone"]["weights"]["source"] = "random (seed 7)"

    paragraph, cited = methods_of(two[0], tmp_path, change).split("\n\n")
    assert (
        "efficientnet_lite0 with weights drawn at random, which no image had ever trained, was kept frozen" in paragraph
    )
    assert not re.search("pretrain|transfer learning", paragraph, re.IGNORECASE)
    assert cited.startswith("[1] A. Brodzicki")


def test_the_paper_is_cited_as_in_the_citation_file() -> None:
    paper = (Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8").split("references:")[1]
    authors = re.findall(r"family-names: (.+)\n +given-names: (.)", paper)
    assert ", ".join(f"{initial}. {family}" for family, initial in authors) in SOURCE
    facts = re.findall(r'(?:title|journal|year|doi): "?([^"\n]+)', paper)
    assert (len(authors), len(facts)) == (5, 4)
    assert all(fact in SOURCE for fact in facts)


def test_methods_paragraph_tells_the_protocol_and_cites_it(two: tuple[Path, Page, FakeImages], tmp_path: Path) -> None:
    words = methods_of(two[0], tmp_path, versions=timings()["versions"])
    for claim in (
        "The data set held 240 images of 2 classes",
        "in 61 groups, as given with the data; images of one group were never split apart",
        "6 candidates (dense network and logistic regression)",
        "stratified nested cross-validation with 5 outer folds (seed 0, split 5eed5eed5eed)",
        "made on 4 inner folds of the training part alone, by log loss",
        "DOI 10.2478/fcds-2020-0010",
        "[2] C. Nadeau, Y. Bengio.",
        "[3] C. Franco, R. J. A. Little,",
        "headstart 0.1.0 with python 3.11.9, torch 2.4.1, scikit-learn 1.5.2 and numpy 2.1.0.",
    ):
        assert claim in words
    assert f"balanced accuracy {results_of(two[0])['headline']['value']:.3f} (" in words


def test_the_engine_is_named_with_its_reference(two: tuple[Path, Page, FakeImages], tmp_path: Path) -> None:
    run, page, _ = two
    assert "OpenVINO bf16 0.14 at most 0.05 0.984 at least 0.97 30 no" in page.text
    assert "OpenVINO fp32 4e-06 at most 0.05 1.000 at least 0.97 30 yes" in page.text
    assert "is not used" not in page.text  # the table says it
    assert "int8: a probe <costs> nothing." in page.text
    words = methods_of(run, tmp_path, versions={"openvino": "2026.1"})
    assert (
        "The forward pass was computed by OpenVINO fp32 (version 2026.1); on 30 images its features differed from "
        "those of plain torch in fp32 by 4e-06 of their spread (root mean square), and a linear probe gave the same "
        "class for 100.0 %."
    ) in words
    plain = {"label": "torch fp32", "used": engine_settings("torch"), "parity": None}
    words = methods_of(run, tmp_path, lambda results: results["engine"].update(plain), {"openvino": "2026.1"})
    assert "The forward pass was computed by torch fp32. " in words
    cost = {"int8": 0.81, "fp32": 0.82, "difference": -0.01, "ci95": [-0.032, 0.012], "n_images": 200}
    int8 = plain | {"label": "OpenVINO int8", "parity": engine()["parity"], "accuracy_cost": cost}
    words = methods_of(run, tmp_path, lambda results: results["engine"].update(int8))
    assert "The probe's accuracy was 0.810 in int8 and 0.820 in fp32" in words


def test_methods_paragraph_keeps_an_unknown_reference(two: tuple[Path, Page, FakeImages], tmp_path: Path) -> None:
    def refer(reference: str) -> str:
        change = {"reference": reference}
        return methods_of(two[0], tmp_path, lambda results: results["protocol"]["interval"].update(change))

    assert "[2] Wilson interval (Somebody 2031)." in refer("Wilson interval (Somebody 2031)")
    assert "[2]" not in refer("")
