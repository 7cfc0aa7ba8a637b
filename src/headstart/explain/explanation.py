"""Explanation of some images: maps of what speaks for a class, with all that is needed to read them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from headstart.errors import plural
from headstart.runtime.notebook import html_card, png_uri

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


SHARE_IN_FULL_COLOUR: Final = 0.01
"""Share of the places of all maps of a class that have its full colour."""

MAX_SHOWN: Final = 3
"""Figures that a notebook shows of an explanation."""

FIGURE_PX: Final = 480
"""Longer side of such a figure."""


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Maps of what speaks for a class, and against which, in some images.

    Attributes
    ----------
    images : tuple of str
        Names of the images, in order.
    pixels : ndarray of shape (n, height, width, channels)
        The images as the network takes them, on the scale 0..255.
    maps : ndarray of shape (n, height, width), float32
        What speaks for the class (positive) and against it (negative), as a density: of exact maps the mean over the
        image is the image's share of the score.
    targets : tuple of str
        Class that each map speaks for.
    against : tuple of (str or None)
        Class that it speaks against; None: the mean of all others.
    predicted : tuple of str
        Class that the model predicts.
    probabilities : ndarray of shape (n, n_classes)
        Those that the model predicts, calibrated.
    classes : tuple of str
    method : str
        ``sharp``, ``exact``, ``occlusion`` or ``integrated-gradients``: the one that made the maps.
    stage : str or None
        Stage that a sharp map looks at.
    scores : ndarray of shape (n,)
        Score of the class less that of the class it is told from, before calibration and before any floor.
    references : ndarray of shape (n,)
        The same score of what a map takes for nothing, such as the mean of the training images; nan where the method
        knows no such thing.
    elsewhere : ndarray of shape (n,)
        Share of the score that has no place in the image: that of descriptors and table columns.
    attributed : ndarray of shape (n,)
        Share of the score that the map gives, summed at the stage's own resolution.
    limits : dict of str to float
        Value that is shown in full colour, of every class in `targets`: one scale for all of its maps. One place in a
        hundred is stronger and looks the same.
    notes : tuple of str
        What a reader of the maps must know.
    unreadable : tuple of (str, str)
        Images that could not be read, with the reasons.

    Examples
    --------
    ``headstart.explain("runs/first", ["017.jpg"])`` gives one of these, and ``explanation.figure(0)`` draws its first
    image.
    """

    images: tuple[str, ...]
    pixels: NDArray[Any]
    maps: NDArray[np.float32]
    targets: tuple[str, ...]
    against: tuple[str | None, ...]
    predicted: tuple[str, ...]
    probabilities: Floats
    classes: tuple[str, ...]
    method: str
    stage: str | None
    scores: Floats
    references: Floats
    elsewhere: Floats
    attributed: Floats
    limits: Mapping[str, float]
    notes: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        at = f" at {self.stage}" if self.stage else ""
        height, width = self.maps.shape[1:]
        return f"<Explanation: n = {len(self)}, {height} x {width} px, {self.method}{at}, for {self._told()}>"

    def _repr_html_(self) -> str:
        facts = {"for": self._told(), "method": self.method, "stage": self.stage, "notes": " ".join(self.notes) or None}
        return html_card(f"Explanation: {plural(len(self), 'image')}", facts, self._pictures())

    def _pictures(self) -> Iterator[tuple[str, str]]:
        """The first figures as data URIs, with the name of the image under each."""
        for row in range(min(len(self), MAX_SHOWN)):
            figure = io.BytesIO()
            self.figure(row).savefig(figure, format="png")
            with Image.open(figure) as picture:
                yield png_uri(picture, side=FIGURE_PX), self.images[row]

    @property
    def distances(self) -> Floats:
        """Distance from completeness (n,): what a map leaves out or makes up, in shares of what there is to explain.

        nan where the method promises no completeness.
        """
        total = self.scores - self.references
        left = total - self.elsewhere - self.attributed
        return np.asarray(np.abs(left) / np.maximum(np.abs(total), np.finfo(np.float64).tiny))

    def speaks_for(self, row: int) -> bool:
        """Whether any place of an image speaks for its class."""
        return bool(self.maps[row].max() > 0)

    def title(self, row: int) -> str:
        """What a map speaks of; that nothing speaks for the class, where nothing does."""
        target, against = self.targets[row], self.against[row]
        named = f"{target} against {'the rest' if against is None else against}"
        if self.speaks_for(row):
            return f"speaks for {named}\n(orange; violet: against)"
        return f"nothing speaks for {named}\n(violet: against)"

    def figure(self, row: int) -> Figure:
        """One image beside its map laid over it, on the scale of its class."""
        from headstart.explain.figures import map_figure

        titles = (f"{self.images[row]}\npredicted {self.predicted[row]}", self.title(row))
        return map_figure(self.pixels[row], self.maps[row], self.limits[self.targets[row]], titles)

    def _told(self) -> str:
        return ", ".join(dict.fromkeys(self.targets)) or "no class"


def class_limits(maps: NDArray[np.float32], targets: tuple[str, ...]) -> dict[str, float]:
    """Value shown in full colour for every class: `full_colour` of all of its maps."""
    names = np.array(targets, dtype=object)
    return {target: full_colour(maps[names == target]) for target in dict.fromkeys(targets)}


def full_colour(maps: NDArray[np.floating[Any]]) -> float:
    """Strength that one place in a hundred of some maps exceeds, whatever its sign; the largest where that is 0.

    The largest itself would leave all other maps pale: a block pooled by its maximum puts its share on a single cell.

    >>> full_colour(np.linspace(-2.0, 1.0, 301)), full_colour(np.eye(20))
    (1.97, 1.0)
    """
    strengths = np.abs(maps)
    if not strengths.size:
        return 0.0
    found = float(np.quantile(strengths, 1 - SHARE_IN_FULL_COLOUR))
    return found if found > 0 else float(strengths.max())
