"""The page of the paper: its figures, ours beside them on other data, what did not run, and what does it all here."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from headstart.errors import plural
from headstart.report.document import (
    Block,
    Bullets,
    FigureRow,
    Link,
    Links,
    Picture,
    ReportTable,
    Section,
    Text,
    Verbatim,
)
from headstart.report.html import render_page
from headstart.report.text.paper_map import PAPER_PARTS
from headstart.results.models.base import Scalar
from headstart.results.models.paper import Application, PaperPicture, PaperResults, PaperRun, PublishedTable
from headstart.storage import write_bytes

PAGE: Final = "paper.html"
REPORT: Final = "report.html"
OTHER_DATA: Final = "here, other data"
TITLES: Final[Mapping[Application, str]] = {
    "lesions": "Melanoma thickness (section 3.1)",
    "signals": "Anomalies in signals (section 3.2)",
    "cells": "Living and dead cells (section 3.3)",
}
_SCORES: Final[Mapping[Application, Mapping[str, str]]] = {
    "lesions": {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"},
    "signals": {"accuracy": "accuracy", "recall": "anomalies found", "specificity": "normal left alone"},
    "cells": {"accuracy": "accuracy", "recall": "sensitivity for dead", "specificity": "specificity"},
}
_JUDGED: Final[Mapping[Application, str]] = {"lesions": "images", "signals": "windows", "cells": "cells"}
_SETTINGS: Final = ("activation", "dropout", "optimizer", "batch_size", "epochs")
_MAX_PIXELS: Final = 720
_QUALITY: Final = 85
_NO_TRANSFER: Final = (
    "The network of {name} has random weights, which have learned nothing: no score of it stands beside the paper's."
)


def write_paper_page(folder: Path, results: PaperResults) -> Path:
    """Write ``paper.html`` into the folder that holds ``paper.json``.

    Parameters
    ----------
    folder : Path
    results : PaperResults
        Content of ``paper.json``.

    Returns
    -------
    Path
        The page.
    """
    sections = (
        _summary(results),
        *(_application(folder, results, name) for name in TITLES),
        _search(results),
        _open_points(results),
        _parts(),
        _method(results),
    )
    page = render_page(
        "The paper on one page",
        sections,
        version=results.headstart,
        beside="paper.json and the folders of the runs",
        figures="",
    )
    path = folder / PAGE
    write_bytes(path, page.encode())
    return path


def _summary(results: PaperResults) -> Section:
    blocks: list[Block] = [
        Text(f"{results.title}. DOI {results.doi}."),
        Text(
            f"{plural(len(results.runs), 'run')} on other data than the paper's stand beside its Tables 1 to 4. Scores "
            "of other data neither confirm nor refute the paper's: they show what the same steps come to, judged by "
            "folds that keep groups whole, with 95 % intervals.",
        ),
        _reports(results),
    ]
    if results.not_run:
        blocks.append(Bullets(tuple(f"Not run: {one.data}. {one.reason}" for one in results.not_run), tone="note"))
    return Section("result", "What was run", tuple(blocks))


def _reports(results: PaperResults) -> Links:
    return Links(
        "Reports of the runs", tuple(Link(f"{run.name}: {run.data}", f"{run.folder}/{REPORT}") for run in results.runs)
    )


def _application(folder: Path, results: PaperResults, application: Application) -> Section:
    published = next(one for one in results.tables if one.application == application and one.head is None)
    runs = [one for one in results.runs_of(application) if one.is_transfer]
    blocks: list[Block] = [_data(published, runs), beside_table(published, runs)]
    if published.confusion:
        blocks.append(confusion_table(published, runs))
    blocks += [Text(_NO_TRANSFER.format(name=one.name)) for one in results.runs_of(application) if not one.is_transfer]
    for lacking in results.not_run:
        if lacking.application == application:
            blocks.append(Text(f"Not run: {lacking.data}. {lacking.reason}", tone="note"))
            blocks.append(Verbatim(lacking.command, f"Command that runs {lacking.data}"))
    blocks += [Verbatim(run.command, f"Command of the run {run.name} alone") for run in runs]
    shown = tuple(_picture(folder, one) for one in results.pictures if one.application == application)
    if shown:
        blocks.append(FigureRow(shown))
    return Section(application, TITLES[application], tuple(blocks))


def _data(published: PublishedTable, runs: list[PaperRun]) -> Bullets:
    """What the scores of the paper and of every run are of."""
    paper = " ".join((f"The paper: {published.data}.", *published.notes))
    return Bullets((paper, *(f"{_here(run)}: {run.data}; {_networks(run)}." for run in runs)))


def _here(run: PaperRun) -> str:
    return f"{OTHER_DATA} ({run.name})"


def beside_table(published: PublishedTable, runs: list[PaperRun]) -> ReportTable:
    """Scores of the paper, and below them ours on other data."""
    scores = _SCORES[published.application]
    first = (
        "the paper",
        "" if published.n_judged is None else f"{published.n_judged:,}",
        *(_published_score(published, name) for name in scores),
    )
    ours = ((_here(run), f"{run.n_judged:,}", *_scores(run, scores)) for run in runs)
    caption = f"Table {published.number}, and the same scores of other data with 95 % intervals"
    columns = ("from", _JUDGED[published.application], *scores.values())
    return ReportTable(caption, columns, (first, *ours))


def score_rows(results: PaperResults) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows of all scores in one table, as a terminal shows them."""
    columns = ("from", "table", "judged", "accuracy", "sensitivity", "specificity")
    names = ("accuracy", "recall", "specificity")
    rows: list[tuple[str, ...]] = []
    for table in results.tables:
        if table.head is not None:
            continue
        n_judged = "-" if table.n_judged is None else f"{table.n_judged:,}"
        scores = (_published_score(table, name) for name in names)
        rows.append(("the paper", f"{table.number}", n_judged, *scores))
        for run in results.runs_of(table.application):
            if run.is_transfer:
                ours = _scores(run, names)
                rows.append((_here(run), f"{table.number}", f"{run.n_judged:,}", *ours))
    return columns, rows


def _published_score(published: PublishedTable, name: str) -> str:
    value, ends = published.metrics.get(name), published.intervals.get(name)
    if value is None:
        return "not given"
    return f"{value:.3f}" if ends is None else f"{value:.3f} ({ends[0]:.3f} to {ends[1]:.3f})"


def _scores(run: PaperRun, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        found = run.metrics.get(name)
        yield "-" if found is None else str(found)


def _networks(run: PaperRun) -> str:
    return ", ".join(dict.fromkeys(label.partition(",")[0] for label in run.networks))


def confusion_table(published: PublishedTable, runs: list[PaperRun]) -> ReportTable:
    """Windows by their true class, as the paper's Table 2 has them."""
    first, second = published.classes
    columns = ("from", f"{first}: found", f"{first}: missed", f"{second}: called {first}", f"{second}: right")
    rows = [("the paper", *(f"{count:.0f}" for row in published.confusion for count in row))]
    for run in runs:
        order = [run.classes.index(name) for name in published.classes]
        rows.append(
            (
                _here(run),
                *(f"{run.confusion[true][called]:,.0f}" for true in order for called in order),
            )
        )
    return ReportTable(f"Table {published.number} by true class", columns, tuple(rows))


def _search(results: PaperResults) -> Section:
    return Section("search", "The search over heads (section 3.3)", (search_table(results),))


def search_table(results: PaperResults) -> ReportTable:
    """Winner of the paper's search, and below it the best dense head of every network here."""
    rows = [
        (f"the paper: {table.head.network}", *_settings(table.head.settings))
        for table in results.tables
        if table.head is not None
    ]
    for run in results.runs:
        heads = run.heads if run.is_transfer else ()
        rows += [
            (f"{_here(run)}, {one.network}", *_settings(one.settings)) for one in heads if "dropout" in one.settings
        ]
    columns = ("network", *(name.replace("_", " ") for name in _SETTINGS))
    return ReportTable("Table 3: the winner of the search", columns, tuple(rows), frozenset({1, 3}))


def _settings(found: Mapping[str, Scalar]) -> Iterator[str]:
    return (str(found[name]) for name in _SETTINGS)


def _open_points(results: PaperResults) -> Section:
    return Section("open", "What the paper leaves open", (Bullets(results.open_points),))


def _parts() -> Section:
    rows = tuple(tuple(one) for one in PAPER_PARTS)
    columns = ("paper", "what it does", "here", "command")
    table = ReportTable("Every part of the paper, and what does it here", columns, rows, frozenset({1, 2, 3}))
    return Section("parts", "The paper, part by part", (table,))


def _method(results: PaperResults) -> Section:
    sizes = results.sizes
    text = (
        f"The ring ({plural(sizes.recordings, 'recording')} of {sizes.minutes:g} minutes, strength {sizes.strength:g}) "
        f"and the assay ({plural(sizes.micrographs, 'micrograph')}) are simulated with seed {sizes.seed}: nothing in "
        "them was measured. Sizes are chosen for 25 minutes on two cores. Every run is one of headstart fit: its "
        "report tells of its folds, baselines and warnings. Simulated data need not be as hard as real ones."
    )
    runs = tuple(
        f"{run.name}: {run.scheme}, {plural(run.n_images, _JUDGED[run.application].removesuffix('s'))}"
        + ("" if run.n_groups is None else f" in {plural(run.n_groups, 'group')}")
        for run in results.runs
    )
    return Section("method", "How it was made", (Text(text), Bullets(runs)))


def _picture(folder: Path, one: PaperPicture) -> Picture:
    """A picture small enough for the page, as a data URI."""
    caption = f"{one.caption} {one.command}"
    try:
        with Image.open(folder / one.file, formats=("PNG",)) as opened:
            shown = opened.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError):
        shown, caption = Image.new("RGB", (1, 1), "white"), f"{one.file} cannot be read. {caption}"
    shown.thumbnail((_MAX_PIXELS, _MAX_PIXELS))
    buffer = io.BytesIO()
    shown.save(buffer, format="JPEG", quality=_QUALITY)
    source = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(Path(one.file).stem, source, shown.width, one.alt, caption)
