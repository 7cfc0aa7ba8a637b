"""All images of a run on a plane, like images near one another, mistakes marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from headstart.report.document import Plot
from headstart.report.figures import style
from headstart.report.locale.messages import ntr, tr
from headstart.report.text import format as text
from headstart.results.models.explanations import ImageMapFacts
from headstart.results.read import RunRecord

# Okabe and Ito's colours; beyond them the same again with another sign.
_COLOURS: Final = (style.BLUE, "#E69F00", "#009E73", "#CC79A7", style.SKY, style.GREY)
_SIGNS: Final = ("o", "s", "^", "D", "v", "P", "X")
_MANY: Final = 500
_NAMED: Final = 12


def image_map_plot(record: RunRecord, found: ImageMapFacts) -> Plot:
    """The map of all images, with the share of its variance that it keeps in its title."""
    names = record.split.images
    table = record.predictions
    first = table.repeat == table.repeat[0]
    missed = first & (table.predicted != table.labels)
    mistaken = {table.images[row] for row in np.flatnonzero(missed).tolist()}
    wrong = np.array([name in mistaken for name in names])
    labels = np.array([record.classes.index(label) for label in record.split.labels or ()], dtype=np.int64)
    title = ntr(
        "{n_images} images as the network sees them, {n} mistake ringed",
        "{n_images} images as the network sees them, {n} mistakes ringed",
        int(wrong.sum()),
        n_images=text.count(len(names)),
    )
    figure = image_map(np.array(found.points), labels, wrong, record.classes, title=title)
    how = (
        tr("the plane of largest variance (PCA)")
        if found.projection == "pca"
        else tr("a plane of neighbourhoods (UMAP)")
    )
    if found.explained is None:
        made = tr("Standardised features of {features} on {plane}.", features=found.features, plane=how)
    else:
        made = tr(
            "Standardised features of {features} on {plane}, which keeps {share} of their variance.",
            features=found.features,
            plane=how,
            share=text.percent(found.explained),
        )
    meaning = tr(
        "Images near one another look alike to the network; a mistake among images of another class may be a wrong "
        "label."
    )
    caption = f"{made} {meaning}"
    return Plot("image_map", figure, tr("Map of all images. {title}.", title=title), caption)


@style.styled()
def image_map(
    points: NDArray[np.float64],
    labels: NDArray[np.int64],
    wrong: NDArray[np.bool_],
    classes: Sequence[str],
    *,
    title: str,
) -> Figure:
    """Images as points in the colour of their class, mistakes ringed.

    Parameters
    ----------
    points : ndarray of shape (n_images, 2)
    labels : ndarray of shape (n_images,), int64
    wrong : ndarray of shape (n_images,), bool
    classes : sequence of str
    title : str
    """
    figure = style.new_figure(6.4, style.SQUARE_INCHES + 0.4)
    axes = figure.subplots()
    size = 16 if len(points) <= _MANY else 7
    n_looks = len(_COLOURS) * len(_SIGNS)  # classes that look the same are drawn at once
    for code, name in enumerate(style.class_labels(classes)[:n_looks]):
        across, up = points[labels % n_looks == code].T
        sign, colour = _SIGNS[code // len(_COLOURS)], _COLOURS[code % len(_COLOURS)]
        label = name if code < _NAMED else None
        axes.scatter(across, up, size, colour, marker=sign, alpha=0.7, linewidths=0, label=label, rasterized=True)
    across, up = points[wrong].T
    axes.scatter(
        across,
        up,
        3.5 * size,
        facecolors="none",
        edgecolors=style.INK,
        linewidths=0.6,
        label=tr("mistake"),
        rasterized=True,
    )
    axes.set(xlabel=tr("First component"), ylabel=tr("Second component"))
    axes.set_xticks([])
    axes.set_yticks([])
    figure.legend(loc="outside lower center", ncols=4, markerscale=1.5)
    style.set_title(figure, title)
    return figure
