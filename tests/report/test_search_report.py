"""The report's section on a search: effects and means against brute force, readable at any size, bytes that repeat."""

from __future__ import annotations

import doctest
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import write_candidates
from made_run import NOTE, make_run

from headstart.errors import RunError
from headstart.heads import searchable_kinds
from headstart.report import write_report
from headstart.report.context import ReportContext
from headstart.report.document import FigureRow, Plot, ReportTable, Section, Text
from headstart.report.figures.labels import told_apart
from headstart.report.figures.search import Panel, heatmaps, search_plots
from headstart.report.figures.style import render
from headstart.report.html import picture, render_page
from headstart.report.search_effects import SOURCE, cell_means, designs, effects
from headstart.report.sections.search import MAX_TIED, Search, analysed, recorded_section, search_section
from headstart.results.candidates_table import CANDIDATES_FILE, TABLE_META, CandidateTable, read_candidates
from headstart.results.read import read_run
from headstart.study.fold_result import FoldRecord
from headstart.study.search.builtin import built_in_space
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.choose import Selection
from headstart.study.search.space import HeadTable, Space

DENSE = {"activation": ["relu", "tanh"], "dropout": [0.3, 0.5, 0.7], "epochs": [10, 20]}
BACKBONES = (FeatureSourceSpec("vgg19"), FeatureSourceSpec("densenet121"))


def made_up(
    space: Space, folder: Path, *, n_folds: int = 5, metric: str = "log_loss", seed: int = 0, failed=(), **options
):
    """A table of scores with an effect for every value, noise, and the failures asked for."""
    candidates, generator = space.candidates(), np.random.default_rng(seed)
    known: dict[Any, float] = {}

    def effect(*key: Any) -> float:
        return known.setdefault(key, 0.02 * generator.standard_normal())

    base = [
        0.4 + effect(c.source) + sum(effect(c.head.kind, *item) for item in c.head.settings.items()) for c in candidates
    ]
    records = [_record(np.array(base), fold, generator, metric, failed) for fold in range(n_folds)]
    path = folder / CANDIDATES_FILE
    write_candidates(path, candidates, records, metric=metric, **options)
    return read_candidates(path)


def _record(base: np.ndarray, fold: int, generator: np.random.Generator, metric: str, failed) -> FoldRecord:
    n = len(base)
    folds = base[:, None] + 0.03 * generator.standard_normal() + 0.01 * generator.standard_normal((n, 4))
    folds[list(failed)] = np.nan
    scores = folds.mean(axis=1)
    sign = 1 if metric == "log_loss" else -1
    order = np.argsort(np.where(np.isnan(scores), np.inf, sign * scores), kind="stable")[: n - len(failed)]
    rank = np.zeros(n, dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    winner = int(order[0])
    tied = (rank > 0) & (np.abs(scores - scores[winner]) < 0.01)
    costs = np.linspace(1, 2, n)
    cheapest = int(np.flatnonzero(tied)[0])
    choice = Selection(scores, folds, np.isnan(scores), rank, tied, winner, cheapest, scores, scores, 2.5)
    outer = {winner: float(scores[winner]) + 0.01}
    return FoldRecord(0, fold, choice, tuple(range(n)), costs, winner, outer)


def space_of(*tables: HeadTable, sources: tuple[FeatureSourceSpec, ...] = BACKBONES) -> Space:
    return Space(sources, tables or (HeadTable.of("dense", DENSE),))


def plots_of(search: Search) -> list[Plot]:
    return search_plots(search.table, search.found)


def tables_in(section: Section) -> list[ReportTable]:
    return [block for block in section.blocks if isinstance(block, ReportTable)]


def drawn_section(table: CandidateTable) -> tuple[Section, dict[str, bytes]]:
    search = analysed(table)
    rendered = {plot.name: (plot, render(plot.figure)) for plot in plots_of(search)}
    section = search_section(search, {name: picture(plot, svg) for name, (plot, (svg, _)) in rendered.items()})
    return section, {name: svg for name, (_, (svg, _)) in rendered.items()}


# Numbers


def test_effects_in_a_full_grid_are_differences_of_plain_means(tmp_path: Path):
    table = made_up(space_of(), tmp_path)
    (design,) = designs(table)
    assert [factor.name for factor in design.factors] == [SOURCE, "activation", "dropout", "epochs"]
    scores = table.columns["inner_score"]
    column = {SOURCE: "backbone"}
    for factor, found in zip(design.factors, effects(design), strict=True):
        values = table.columns[column.get(factor.name, factor.name)]
        means = [scores[[str(v) in (level, f"{level}.0") for v in values]].mean() for level in factor.levels]
        np.testing.assert_allclose([effect.value for effect in found], np.array(means) - np.mean(means), atol=1e-12)
        assert all(effect.low <= effect.value <= effect.high and effect.high > effect.low for effect in found)


def test_effects_in_a_torn_grid_hold_the_rest_alike(tmp_path: Path):
    """Where failures tear holes, plain means mix settings up; least squares against numpy with dummies does not."""
    space = space_of()
    failed = [
        i for i, c in enumerate(space.candidates()) if c.source.backbone == "vgg19" and c.head.settings["dropout"] > 0.4
    ]
    table = made_up(space, tmp_path, failed=failed)
    (design,) = designs(table)
    kept = np.isfinite(table.columns["inner_score"])
    names = ("fold", "backbone", "activation", "dropout", "epochs")
    dummies = [
        (table.columns[name][kept] == value).astype(float)
        for name in names
        for value in sorted(set(table.columns[name][kept].tolist()))
    ]
    solution = np.linalg.lstsq(np.stack(dummies, axis=1), table.columns["inner_score"][kept], rcond=None)[0]
    dropout = solution[-5:-2]
    found = effects(design)[[factor.name for factor in design.factors].index("dropout")]
    np.testing.assert_allclose([effect.value for effect in found], dropout - dropout.mean(), atol=1e-9)
    plain = [np.mean(table.columns["inner_score"][kept & (table.columns["dropout"] == d)]) for d in (0.3, 0.5, 0.7)]
    assert np.abs(np.array(plain) - np.mean(plain) - (dropout - dropout.mean())).max() > 1e-4


def test_cells_are_means_over_everything_else(tmp_path: Path):
    table = made_up(space_of(), tmp_path, failed=[0])
    (design,) = designs(table)
    factors = {factor.name: factor for factor in design.factors}
    means, counts = cell_means(design, factors["dropout"], factors["epochs"])
    columns = table.columns
    for (i, dropout), (j, epochs) in itertools.product(enumerate((0.3, 0.5, 0.7)), enumerate((10, 20))):
        rows = (columns["dropout"] == dropout) & (columns["epochs"] == epochs) & np.isfinite(columns["inner_score"])
        assert means[i, j] == pytest.approx(columns["inner_score"][rows].mean()) and counts[i, j] == rows.sum()
    assert counts.sum() == 5 * 23


def test_an_effect_that_is_noise_has_an_interval_around_zero_and_a_true_one_has_not(tmp_path: Path):
    table = made_up(space_of(), tmp_path)
    columns = table.columns
    clean = np.where(columns["activation"] == "tanh", 0.35, 0.40)
    noise = 0.01 * np.random.default_rng(3).standard_normal(len(clean))
    (design,) = designs(replace(table, columns={**columns, "inner_score": clean + noise}))
    found = dict(zip([factor.name for factor in design.factors], effects(design), strict=True))
    assert all(effect.high < 0.04 and effect.low * effect.high > 0 for effect in found["activation"])
    assert sum(effect.low <= 0 <= effect.high for effect in found["dropout"]) >= 2


def test_settings_that_change_together_count_as_one(tmp_path: Path):
    tables = [
        HeadTable.of("dense", {"optimizer": [name], "learning_rate": [rate], "dropout": [0.3, 0.5]})
        for name, rate in (("adam", 1e-4), ("adamax", 5e-4))
    ]
    (design,) = designs(made_up(space_of(*tables), tmp_path))
    assert [(factor.name, factor.goes_with) for factor in design.factors] == [
        (SOURCE, ()),
        ("dropout", ()),
        ("optimizer", ("learning_rate",)),
    ]
    plot = plots_of(analysed(made_up(space_of(*tables), tmp_path)))[0]
    assert "Not told apart: each optimizer has its own learning rate." in plot.caption


def test_one_setting_on_one_fold_has_no_interval_and_one_value_has_no_effect(tmp_path: Path):
    space = space_of(
        HeadTable.of("lda", {"shrinkage": ["auto", 0.5, 0.1]}), HeadTable.of("svm", {}), sources=(FeatureSourceSpec(),)
    )
    (design,) = designs(made_up(space, tmp_path, n_folds=1))
    (found,) = effects(design)
    assert [effect.level for effect in found] == ["auto", "0.1", "0.5"]  # the word first, then by size
    assert all(np.isnan(effect.low) and np.isfinite(effect.value) for effect in found)


def test_the_best_is_bright_and_orange_whichever_way_the_score_runs(tmp_path: Path):
    means = np.array([[0.1, 0.2], [0.3, 0.9]])
    for greater, best in ((True, (1, 1)), (False, (0, 0))):
        figure = heatmaps(
            [Panel(("a", "b"), (("1", "2"), ("3", "4")), means)], score="x", greater_is_better=greater, title="t"
        )
        image = figure.axes[0].images[0]
        colours = image.cmap(image.norm(means))[..., :3] @ np.array([0.299, 0.587, 0.114])
        assert np.unravel_index(colours.argmax(), (2, 2)) == best
    table = made_up(space_of(), tmp_path, metric="roc_auc")
    title = plots_of(analysed(table))[1].alt
    assert "best pair" in title and "roc auc" not in title


# The section


def test_the_section_says_what_was_tried_chosen_and_tied(tmp_path: Path):
    table = made_up(space_of(), tmp_path, failed=[5])
    section, drawn = drawn_section(table)
    texts = " ".join(block.text for block in section.blocks if isinstance(block, Text))
    assert texts.startswith(
        "24 candidates, 5 outer folds, 4 inner folds each; chosen by log loss. 5 of 120 trials failed"
    )
    best, tied, always, effect_table = tables_in(section)
    assert [row[0] for row in best.rows] == ["vgg19", "densenet121"]
    assert best.columns[:7] == ("Features", "Head", "Activation", "Dropout", "Optimizer", "Batch size", "Epochs")
    assert all(len(row) == len(best.columns) for row in best.rows)
    assert len(tied.rows) == 5 and all(" of 23" in row[2] for row in tied.rows)
    counted = table.columns["tied"].reshape(5, 24).sum(axis=1)
    assert [row[2] for row in tied.rows] == [f"{count} of 23" for count in counted]
    assert len(effect_table.rows) == 2 + 2 + 3 + 2 and set(drawn) == {"search_effects", "search_pairs_dense"}
    assert len(always.rows) <= MAX_TIED and "of 5" in always.rows[0][1]


def test_the_table_of_sources_by_hand(tmp_path: Path):
    table = made_up(space_of(), tmp_path)
    best = tables_in(drawn_section(table)[0])[0]
    columns = table.columns
    for row, backbone in zip(best.rows, ("vgg19", "densenet121"), strict=True):
        chosen = []
        for fold in range(5):
            here = np.flatnonzero((columns["fold"] == fold) & (columns["backbone"] == backbone))
            chosen.append(here[np.argmin(columns["inner_score"][here])])
        assert float(row[7]) == pytest.approx(columns["inner_score"][chosen].mean(), abs=6e-4)
        dropouts = [f"{value:g}" for value in columns["dropout"][chosen]]
        value, times = row[3].split(" (")
        assert times == f"{dropouts.count(value)}/5)" and dropouts.count(value) == max(map(dropouts.count, dropouts))
        judged = [columns["outer_score"][i] for i in chosen if np.isfinite(columns["outer_score"][i])]
        assert row[8].split(" (")[0] == (f"{np.mean(judged):.3f}" if judged else "n/a")


def test_a_halved_search_warns_that_means_flatter(tmp_path: Path):
    table = made_up(space_of(), tmp_path, halving="Successive halving: 33 of 72 fits.")
    section, _ = drawn_section(table)
    warnings = [block.text for block in section.blocks if isinstance(block, Text) and block.tone == "warning"]
    assert warnings and warnings[0].startswith("Successive halving: 33 of 72 fits. Means and effects below")


def test_1296_candidates_in_5_folds_stay_readable(tmp_path: Path):
    values = {"activation": ["relu", "sigmoid", "tanh"], "dropout": [0.3, 0.5, 0.7], "batch_size": [32, 128, 256]}
    dense = HeadTable.of("dense", values | {"learning_rate": [1e-4, 3e-4, 1e-3, 3e-3], "epochs": [10, 20, 30]})
    sources = tuple(FeatureSourceSpec(name) for name in ("vgg19", "resnet50", "xception", "densenet121"))
    table = made_up(space_of(dense, sources=sources), tmp_path, failed=[3])
    assert len(table) == 5 * 1296
    section, drawn = drawn_section(table)
    assert sum(len(block.rows) for block in tables_in(section)) < 80
    assert len(next(block for block in section.blocks if isinstance(block, FigureRow)).items) == 1
    page = render_page("search", [section], version="0")
    assert len(page) < 1_500_000 and drawn["search_pairs_dense"].count(b"<image") == 15 + 1  # and the bar


@pytest.mark.parametrize("name", ["quick", "wide"])
def test_every_built_in_grid_has_a_section(tmp_path: Path, name):
    section, drawn = drawn_section(made_up(built_in_space(name), tmp_path))
    kinds = {row[0].split(":")[0] for row in tables_in(section)[-1].rows}
    assert {"Dense", "Logistic", "kNN", "SVM"} <= kinds and "search_effects" in drawn
    assert len(kinds) <= len(searchable_kinds())


def test_sources_that_differ_in_their_features_alone_are_told_apart():
    """`last` and `multi` of one network stand in the middle of long labels, which figures once cut out."""
    names = ("last+descriptors", "multi+descriptors", "best+descriptors")
    sources = [FeatureSourceSpec("efficientnet_lite0", features=name, input_size=300) for name in names]
    shown = told_apart([source.label for source in sources], 16)
    assert len(set(shown)) == 3 and max(map(len, shown)) <= 24
    assert told_apart(["0.1", "1.0"], 16) == ["0.1", "1.0"] and told_apart([], 16) == []
    alike = [f"one two {'a' * 30}{letter}{'a' * 30}" for letter in "bc"]
    assert told_apart(alike, 16) == alike
    assert told_apart(["same words in both of them"] * 2, 16) == ["same word…f them"] * 2


def test_a_search_without_choice_of_settings_has_no_figures(tmp_path: Path):
    space = space_of(HeadTable.of("svm", {}), sources=(FeatureSourceSpec(),))
    section, drawn = drawn_section(made_up(space, tmp_path))
    assert not drawn and len(tables_in(section)) == 3


# In the report of a run


def test_a_run_with_a_table_of_candidates_gets_the_section(tmp_path: Path):
    hostile = FeatureSourceSpec('<script>alert("x")</script>')
    run = tmp_path / "run"
    make_run(run)
    assert recorded_section(ReportContext(read_run(run)), {}) is None
    table = made_up(space_of(sources=(*BACKBONES, hostile)), run)
    page = write_report(run).read_text(encoding="utf-8")
    assert page.count(NOTE) == 1
    assert '<section id="search"' in page and "<script>alert" not in page and "&lt;script&gt;" in page
    assert page.index('id="candidates"') < page.index('id="search"') < page.index('id="split"')
    _, again = drawn_section(table)
    assert len(again) == 2
    for name, svg in again.items():
        assert (run / "figures" / f"{name}.svg").read_bytes() == svg and (run / "figures" / f"{name}.png").is_file()


def test_the_examples_in_the_docs_run():
    page = Path(__file__).parents[2] / "docs" / "search.md"
    failed, attempted = doctest.testfile(str(page), module_relative=False)
    assert attempted >= 5 and failed == 0


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("candidate", lambda rows: [None] * len(rows), "column 'candidate' has empty cells"),
        ("label", lambda rows: [None, *rows[1:]], "column 'label' has empty cells"),
        ("rank", lambda rows: [2] * len(rows), "column 'rank' is 1 for no candidate of repeat 0, fold 0"),
        (
            "cheapest",
            lambda rows: [False] * len(rows),
            "column 'cheapest' is true for no candidate of repeat 0, fold 0",
        ),
        ("chosen", lambda rows: [False] * len(rows), "column 'chosen' is true for no candidate of repeat 0, fold 0"),
        (None, {"n_inner": "3"}, "was written by another version"),
        (None, {"halving": ["odd"]}, "was written by another version"),
    ],
)
def test_a_damaged_table_of_candidates_is_refused_with_its_column(tmp_path: Path, column, values, words):
    made_up(Space(BACKBONES, (HeadTable.of("logistic", {"C": [0.1, 1.0]}),)), tmp_path)
    path = tmp_path / CANDIDATES_FILE
    table = pq.read_table(path)
    if column is None:
        meta = {TABLE_META: json.dumps({**json.loads(table.schema.metadata[TABLE_META]), **values})}
        table = table.replace_schema_metadata(meta)
    else:
        field = table.schema.field(column)
        changed = pa.array(values(table.column(column).to_pylist()), type=field.type)
        table = table.set_column(table.schema.get_field_index(column), field, changed)
    pq.write_table(table, path)
    with pytest.raises(RunError, match=words) as caught:
        read_candidates(path)
    assert str(path) in str(caught.value)
