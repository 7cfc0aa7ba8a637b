"""The sections of a report, in order, from what the run recorded."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from headstart.report.document import Block, Bullets, Headline, ReportTable, Section, Text, Verbatim
from headstart.report.figures.style import class_labels
from headstart.report.text import format as text
from headstart.report.text.methods import methods_text, random_weights
from headstart.report.text.metric_names import metric_title, ordered_metrics
from headstart.results.read import RunRecord


def headline_section(record: RunRecord) -> Section:
    """The one number, its interval and what the interval speaks of."""
    results = record.results
    headline, task = results["headline"], results["task"]
    weighted = ", weighted" if task["weighted"] else ""
    block = Headline(
        sentence=headline["text"],
        metric=f"{metric_title(headline['metric'])}, n = {record.n_judged:,} images{weighted}",
        value=text.score(headline["value"]),
        interval=text.interval(headline.get("ci95")),
        speaks_of=results["protocol"]["interval"]["speaks_of"],
    )
    return Section("result", "Result", (block,))


def warnings_section(record: RunRecord) -> Section:
    """What weakens the result."""
    warnings = tuple(record.results["warnings"])
    block = Bullets(warnings, tone="warning") if warnings else Text("No warnings were raised.", tone="good")
    return Section("warnings", "Warnings", (block,))


def question_section(record: RunRecord) -> Section:
    """The task: classes with their counts, and the positive class."""
    task = record.results["task"]
    n_images = text.plural(task["n_images"], "image")
    asked = f"To which of {len(task['classes'])} classes does an image belong? {n_images} were given"
    groups = (
        f"; the {text.plural(task['n_groups'], 'group')} that they form, twins joined, stay whole in every split"
        if task.get("n_groups")
        else ""
    )
    total = sum(task["class_counts"].values()) or 1
    rows = tuple(
        (
            name,
            text.count(n := task["class_counts"][name]),
            text.percent(n / total),
            "yes" if name == task["positive"] else "",
        )
        for name in task["classes"]
    )
    blocks: list[Block] = [
        Text(f"{asked}{groups}."),
        ReportTable("Classes", ("Class", "Images", "Share", "Positive"), rows),
    ]
    labels = class_labels(record.classes)
    renamed = [f"{label} for {name}" for name, label in zip(record.classes, labels, strict=True) if label != name]
    if renamed:
        blocks.append(Text(f"Figures write some names shorter: {text.listed(renamed, limit=40)}.", tone="note"))
    if task["positive"] is not None:
        reason = f" ({task['positive_reason'].rstrip('.')})" if task.get("positive_reason") else ""
        blocks.append(
            Text(
                f"The positive class is {task['positive']}{reason}: precision, recall, specificity and F1 speak of it."
            )
        )
    if task["weighted"]:
        blocks.append(
            Text(
                "Every score, curve and count of the confusion matrix is weighted by the given image weights, where an "
                "image of mean weight counts as one."
            )
        )
    return Section("question", "What was asked", tuple(blocks))


def scores_section(record: RunRecord) -> Section:
    """Every metric with its interval and its spread over the folds; the same by class."""
    metrics = record.results["metrics"]
    rows = tuple(
        (
            metric_title(name),
            text.score(metrics[name]["value"]),
            text.interval(metrics[name].get("ci95")),
            text.score(metrics[name].get("fold_sd")),
        )
        for name in ordered_metrics(metrics)
    )
    overall = ReportTable(
        f"Scores on held-out images, n = {record.n_judged:,}",
        ("Metric", "Value", "95 % interval", "SD across folds"),
        rows,
    )
    interval = record.results["protocol"]["interval"]
    reference = f" ({interval['reference'].rstrip('.')})" if interval["reference"] else ""
    note = (
        f"The 95 % intervals speak of {interval['speaks_of'].rstrip('.')}. "
        f"Method: {interval['method'].rstrip('.')}{reference}. "
        "The SD across folds shows how much single folds differ; it is no interval."
    )
    return Section("scores", "Scores", (overall, _class_table(record), Text(note, tone="note")))


def _class_table(record: RunRecord) -> ReportTable:
    per_class = record.results["per_class"]
    names = ordered_metrics({name for entry in per_class.values() for name in entry if name != "support"})
    rows = tuple(
        (
            name,
            text.count(per_class[name]["support"]),
            *(_two_lines(per_class[name].get(metric, {"value": None})) for metric in names),
        )
        for name in record.classes
    )
    columns = ("Class", "Support", *(metric_title(name) for name in names))
    return ReportTable("By class, each against the others: value, and its 95 % interval below", columns, rows)


def _two_lines(entry: Mapping[str, Any]) -> str:
    bounds = entry.get("ci95")
    return text.score(entry["value"]) + (f"\n{text.interval(bounds)}" if bounds else "")


def optimism_section(record: RunRecord) -> Section:
    """How much better the best candidate looked where it was chosen than where it was judged."""
    optimism = record.results["optimism"]
    inner, outer, difference = (optimism.get(key) for key in ("inner", "outer", "difference"))
    title = metric_title(optimism.get("metric", record.results["protocol"]["choose_by"]))
    rows = (
        ("Inner folds, where the candidate was chosen", text.score(inner)),
        ("Outer folds, where it was judged", text.score(outer)),
        ("Difference, above zero where the inner folds flatter", text.score(difference)),
    )
    meaning = (
        "The best of many candidates looks better on the folds that chose it than it is. The outer folds took no part "
        "in the choice; scores, curves and matrices all come from them."
    )
    return Section(
        "optimism", "Optimism of the choice", (Text(meaning), ReportTable(title, ("Measured on", "Value"), rows))
    )


def split_section(record: RunRecord) -> Section:
    """Scheme, seed, hash and how the classes fell on the folds."""
    protocol = record.results["protocol"]
    rows = (
        ("Scheme", protocol["scheme"]),
        ("Outer folds", "as given by the user" if protocol.get("own_folds") else "drawn by headstart"),
        ("Repeats", text.count(protocol["repeats"])),
        ("Seed", str(protocol["seed"])),
        ("Chosen by", metric_title(protocol["choose_by"])),
        ("Split hash", protocol["split_hash"]),
    )
    facts = ReportTable("The split, also in split.json", ("Item", "Value"), rows, frozenset({1}))
    blocks: list[Block] = [facts, _fold_counts(record)]
    if record.split["notes"]:
        blocks.append(Bullets(tuple(record.split["notes"])))
    tax = record.results.get("leakage_tax")
    if tax:
        blocks.append(_leakage_table(tax))
    return Section("split", "The split", tuple(blocks))


def _fold_counts(record: RunRecord) -> ReportTable:
    """Test images of every class in every fold."""
    predictions = record.predictions
    codes = range(len(record.classes))
    rows = []
    for fold in record.results["folds"]:
        inside = (predictions.repeat == fold["repeat"]) & (predictions.fold == fold["fold"])
        counts = [text.count(int((predictions.labels[inside] == code).sum())) for code in codes]
        name = text.fold_name(fold, record.results["protocol"]["repeats"])
        rows.append((name, text.count(fold["n_train"]), text.count(fold["n_test"]), *counts))
    return ReportTable("Test images of every class by fold", ("Fold", "Train", "Test", *record.classes), tuple(rows))


def _leakage_table(tax: Mapping[str, Any]) -> ReportTable:
    """What a split that ignores the groups would have claimed."""
    parts = ("groups_kept", "groups_ignored", "difference")
    measured = {name: entry for name, entry in tax.items() if isinstance(entry, dict)}
    rows = tuple(
        (metric_title(name), *(text.score(measured[name].get(part)) for part in parts))
        for name in ordered_metrics(measured)
    )
    columns = ("Metric", "Groups kept", "Groups ignored", "Difference")
    return ReportTable("Leakage tax: what a split that ignores the groups would have claimed", columns, rows)


def software_section(record: RunRecord) -> Section:
    """Weights, versions, machine and time."""
    timings, backbone = record.timings, record.results["backbone"]
    first = {key: backbone[key] for key in ("name", "stage", "feature_width") if key in backbone}
    others = {key: value for key, value in backbone.items() if key not in ("weights", *first) and value != ""}
    sources = record.results["sources"]
    blocks: list[Block] = [_source_table(sources)] if len(sources) > 1 else []
    of_model = "Backbone of the final model" if len(sources) > 1 else "Backbone"
    blocks.append(mapping_table(f"{of_model} with preparation and engine", first | others))
    blocks += _engine_blocks(record.results["engine"])
    caption = "Weights" if random_weights(backbone) else "Pretrained weights"
    blocks.append(mapping_table(caption, backbone["weights"]))
    spent = {key: text.duration(value) for key, value in timings["seconds"].items() if value is not None}
    blocks.append(mapping_table("Time taken", spent | _speed(timings)))
    blocks.append(mapping_table("Versions", {"headstart": record.results["headstart"], **timings["versions"]}))
    if timings.get("machine"):
        blocks.append(mapping_table("Machine", timings["machine"]))
    return Section("software", "Weights, versions and time", tuple(blocks))


def _source_table(sources: Sequence[Mapping[str, Any]]) -> ReportTable:
    """What the features of a search came from."""
    rows = tuple(
        (
            source["label"],
            str(source["weights"].get("source")),
            f"{source['preparation']['size'][0]} x {source['preparation']['size'][1]}",
            text.count(source["feature_width"]),
            str(source["engine_record"].get("label")),
            text.count(source["times_chosen"]),
        )
        for source in sources
    )
    columns = ("Source", "Weights", "Input, pixels", "Features", "Computed by", "Times chosen")
    return ReportTable(f"{len(sources)} sources of features competed", columns, rows, frozenset({1}))


def _engine_blocks(engine: Mapping[str, Any]) -> list[Block]:
    """Engines that were compared with plain fp32, how far each was off, and what else was said of the choice."""
    rows = tuple(
        (
            entry["engine"],
            _two_digits(entry["parity"]["relative_error"]),
            f"at most {entry['tolerance']['relative_error']:g}",
            text.score(entry["parity"]["agreement"]),
            f"at least {entry['tolerance']['agreement']:g}",
            text.count(entry["parity"]["n_images"]),
            "yes" if entry["within"] else "no",
        )
        for entry in engine["tried"]
    )
    columns = ("Engine", "Relative error", "Tolerated", "Agreement", "Tolerated", "Images", "Within")
    caption = "Engines compared with the plain one, torch fp32, on images of this data set"
    told = {f"{entry['engine']} is not used" for entry in engine["tried"]}
    notes = tuple(note for note in engine["notes"] if note.split(":")[0] not in told)
    blocks: list[Block] = [ReportTable(caption, columns, rows)] if rows else []
    return [*blocks, Bullets(notes)] if notes else blocks


def _two_digits(value: float | None) -> str:
    return text.MISSING if value is None else f"{value:.2g}"


def _speed(timings: Mapping[str, Any]) -> dict[str, str]:
    speed = timings.get("images_per_second")
    return {} if speed is None else {"speed of features": f"{speed:,.1f} images per second"}


def mapping_table(caption: str, facts: Mapping[str, Any]) -> ReportTable:
    """Any JSON object as a table of two columns."""
    rows = tuple((text.words(key), text.plain(value)) for key, value in facts.items())
    return ReportTable(caption, ("Item", "Value"), rows, frozenset({1}))


def methods_section(record: RunRecord) -> Section:
    """The paragraph for a paper."""
    paragraph = methods_text(record.results, record.timings["versions"])
    hint = Text("Click the block once to select it whole, then copy it.", tone="note")
    return Section(
        "methods", "Methods paragraph", (hint, Verbatim(paragraph, "Methods paragraph with references", prose=True))
    )


def predict_section(record: RunRecord) -> Section:
    """The commands that use the model."""
    run = shlex.quote(record.folder.resolve().name)
    final = Text(
        f"The final model was trained on all images: {record.results['final_model']['label']}. It lies in {run}/model."
    )
    lines = f"headstart predict {run}/model IMAGES -o predictions.csv\nheadstart evaluate {run}/model LABELLED_IMAGES"
    where = Text("Type these in the folder that holds the run; IMAGES is a file, a folder or a pattern.", tone="note")
    return Section("predict", "How to predict with this model", (final, Verbatim(lines, "Commands"), where))
