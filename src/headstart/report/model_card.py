"""A model card: what a model on lesions is for, what it is not, its data, scores and limits, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.backbones.feature_block import HANDCRAFTED
from headstart.errors import plural
from headstart.metrics.subgroups import MIN_GROUPS, Subgroups
from headstart.report.text.metric_names import metric_title, ordered_metrics
from headstart.results import RunResults
from headstart.results.models.estimates import ClassScores
from headstart.results.models.sources import SourceFacts

_INTENDED = (
    "Grading dermoscopic images like those that it was trained on, taken with dermatoscopes like theirs, of lesions "
    "that a person chose to photograph: for research, and for comparing ways to read such images."
)
_NOT_INTENDED = (
    "It is no medical device and was tested on no patient. It must not decide on a diagnosis, an excision or its "
    "margin. It knows none but the classes below: anything else is given one of them all the same. Photographs without "
    "a dermatoscope, mucosa, nails, scars and lesions treated before are outside of what it saw, unless the data say "
    "otherwise."
)


def model_card(
    results: RunResults, read: Mapping[str, Any], notes: Sequence[str], subgroups: Sequence[Subgroups]
) -> str:
    """The card of a finished run on lesions.

    Parameters
    ----------
    results : RunResults
    read : mapping
        Counts of the reading: ``images``, ``groups``, ``classes``, ``left_out``, ``no_lesion_found``.
    notes : sequence of str
        What the reading said.
    subgroups : sequence of Subgroups
    """
    parts = [
        ("Model card", [results.headline.text]),
        ("Intended use", [_INTENDED]),
        ("Not intended", [_NOT_INTENDED]),
        ("Data", _data(results, read, notes)),
        ("Model", _model(results)),
        ("Scores", _scores(results)),
        ("Classes", _classes(results)),
        ("Decisions", _decisions(results)),
        ("Subgroups", subgroup_lines(subgroups)),
        ("Limits", _limits(results, notes)),
    ]
    texts = [
        f"{'#' if place == 0 else '##'} {title}\n\n" + "\n".join(lines) for place, (title, lines) in enumerate(parts)
    ]
    return "\n\n".join(texts) + "\n"


def subgroup_lines(subgroups: Sequence[Subgroups]) -> list[str]:
    """The table of the subgroups, and what is to be said of it."""
    if not subgroups:
        return ["The table of the images names neither sex nor age, site or skin tone, and all images are of one size."]
    lines = ["| by | subgroup | images | groups | predicted right (95 % interval) |", "|---|---|---|---|---|"]
    for one in subgroups:
        for score in one.scores:
            right = f"{score.right:.2f} ({score.ci95[0]:.2f} to {score.ci95[1]:.2f})"
            lines.append(f"| {one.column} | {_cell(score.name)} | {score.n_images:,} | {score.n_groups:,} | {right} |")
    lines.append("")
    for one in subgroups:
        missing = f" {plural(one.n_missing, 'image has', 'images have')} no value." if one.n_missing else ""
        if one.gap is None or one.p is None:
            lines.append(
                f"- {one.column}: fewer than two subgroups of {MIN_GROUPS} groups, so no gap is tested.{missing}"
            )
        else:
            lines.append(
                f"- {one.column}: largest gap {one.gap:.2f}, p {one.p:.3f} by permutation of whole groups.{missing}"
            )
    lines.append("")
    lines.append(
        "A gap that is not significant is not shown to be absent: subgroups of a few dozen images hide large ones."
    )
    return lines


def _data(results: RunResults, read: Mapping[str, Any], notes: Sequence[str]) -> list[str]:
    counts = "; ".join(f"{name}: {count:,}" for name, count in results.task.class_counts.items())
    lines = [f"- {results.task.n_images:,} images. {counts}.", *(f"- {note}" for note in notes)]
    missed = read.get("no_lesion_found")
    if missed is not None:
        images = plural(missed, "image, which is taken whole", "images, which are taken whole")
        lines.append(f"- No lesion was found in {images}." if missed else "- A lesion was found in every image.")
    return lines


def _model(results: RunResults) -> list[str]:
    lines = [f"- Final model: {results.final_model.label}."]
    if results.ensemble is not None:
        lines.append(
            "- Where several candidates together were better on inner images, their probabilities are averaged."
        )
    lines.append(f"- Looked at: {'; '.join(dict.fromkeys(map(_source_words, results.sources)))}.")
    if results.table is not None:
        columns = ", ".join(column.name for column in results.table.columns)
        lines.append(f"- Beside the pictures it takes: {columns}.")
    return lines


def _source_words(source: SourceFacts) -> str:
    """Label of a source; where numbers of the lesion are all of it, that no network takes part."""
    if source.weights.is_absent:
        return "an array of the user's own (no network takes part, and nothing of the picture)"
    blocks = [] if source.features is None else [block.name for block in source.features.blocks]
    alone = blocks and set(blocks) <= {block.name for block in HANDCRAFTED}
    return f"{source.label} (measured in the picture, no network takes part)" if alone else source.label


def _scores(results: RunResults) -> list[str]:
    lines = [
        "Judged on images of which neither training nor choice saw anything, groups kept whole "
        f"({results.protocol.scheme}, repeats: {results.protocol.repeats:,}); 95 % intervals.",
        "",
    ]
    return lines + [f"- {metric_title(name)}: {results.metrics[name]}" for name in ordered_metrics(results.metrics)]


def _classes(results: RunResults) -> list[str]:
    header = ["| true, predicted | " + " | ".join(map(_cell, results.task.classes)) + " |"]
    header.append("|---|" + "---|" * len(results.task.classes))
    rows = zip(results.task.classes, results.confusion, strict=True)
    table = [f"| {_cell(name)} | " + " | ".join(f"{count:g}" for count in row) + " |" for name, row in rows]
    return [*header, *table, "", *(_class_line(name, results.per_class[name]) for name in results.task.classes)]


def _class_line(name: str, scores: ClassScores) -> str:
    """Sensitivity, specificity and ROC AUC of one class against all others."""
    asked = (("sensitivity", "recall"), ("specificity", "specificity"), ("ROC AUC", "roc_auc"))
    told = ", ".join(f"{word} {scores.metrics[metric]}" for word, metric in asked)
    return f"- {_cell(name)} against the others: {told}; n = {scores.support:,}."


def _decisions(results: RunResults) -> list[str]:
    lines = []
    if results.decisions is not None:
        lines.append("- Probabilities are calibrated on inner folds, where that was possible.")
        lines += [f"- {line}" for line in results.decisions.lines]
    if results.novelty is None:
        lines.append(
            "- Images unlike the training images are not flagged. Fit with --novelty 0.05 for a model that does."
        )
    else:
        lines.append(
            f"- Images unlike the training images are flagged, {results.novelty.rate:.0%} of alike ones at most."
        )
    return lines


def _limits(results: RunResults, notes: Sequence[str]) -> list[str]:
    lines = ["- Scores speak of images from the same sources. Other clinics, dermatoscopes and skins were not tested."]
    lines.append("- The share of each class here is that of the collection, not that among patients.")
    return lines + [f"- {warning}" for warning in results.warnings if warning not in notes]


def _cell(text: str) -> str:
    """Text that breaks no table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
