"""``explanations.json``: the images that were explained, with all numbers that a reader of their pictures needs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from headstart.results.models.base import Count, Mass, Part, Share
from headstart.results.models.run_file import RunFile

Side = Count
Correlation = Annotated[float, Field(ge=-1, le=1)]


class NeighbourFacts(Part):
    """A training image that looks much like another one.

    Attributes
    ----------
    image : str
    label : str
    distance : float
        Of the standardised features, by the root of their number: 1.4 between images that have nothing in common.
    """

    image: str
    label: str
    distance: Mass


class ImageChecks(Part):
    """Tests of how far a map may be trusted; None for one that was left out, for which the notes have the reason.

    Attributes
    ----------
    deletion, insertion : float
        What covering the places of the map takes, and uncovering them gives, above random order, in shares of the
        range of all scores of the test: 0 is chance.
    random_network, permuted_labels : float
        Rank correlation with the map of a network of random weights, and of a head trained on permuted labels.
    survives : bool
        Whether it is 0.5 or more with both: the map would look alike had nothing been learned.
    folds_agreement : float
        Mean rank correlation with the maps of the models of the outer folds.
    n_folds : int
        Number of these models.
    completeness : float
        Distance between what the map adds up to and what there is to explain, in shares of that.
    inside_mask, mask_share : float
        Share of the heat for the class inside the mask, and of the picture that the mask covers.
    """

    deletion: float | None = None
    insertion: float | None = None
    random_network: Correlation | None = None
    permuted_labels: Correlation | None = None
    survives: bool | None = None
    folds_agreement: Correlation | None = None
    n_folds: Count = 0
    completeness: Mass | None = None
    inside_mask: Share | None = None
    mask_share: Share | None = None

    def lines(self) -> list[str]:
        """The tests in words, one line each."""
        return [*self._order_lines(), *self._likeness_lines(), *self._sum_lines(), *self._mask_lines()]

    def _order_lines(self) -> list[str]:
        if self.deletion is None or self.insertion is None:
            return []
        return [f"above random order: covering its places {self.deletion:+.2f}, uncovering them {self.insertion:+.2f}"]

    def _likeness_lines(self) -> list[str]:
        named = {"random network": self.random_network, "permuted labels": self.permuted_labels}
        known = [f"{name} {value:+.2f}" for name, value in named.items() if value is not None]
        found = [f"like the map of a {', of '.join(known)} (0: unlike)"] if known else []
        if self.survives:
            found.append("BEWARE: it would look alike had nothing been learned")
        if self.folds_agreement is not None:
            found.append(f"like the maps of {self.n_folds} outer folds: {self.folds_agreement:+.2f}")
        return found

    def _sum_lines(self) -> list[str]:
        return [] if self.completeness is None else [f"left out or made up: {100 * self.completeness:.2g} %"]

    def _mask_lines(self) -> list[str]:
        if self.mask_share is None:
            return []
        inside = "nothing" if self.inside_mask is None else f"{100 * self.inside_mask:.0f} %"
        return [f"inside the mask: {inside} of the heat for it, and {100 * self.mask_share:.0f} % of the picture"]


class PictureFacts(Part):
    """A picture of an explanation.

    Attributes
    ----------
    file : str
        Beside this document.
    box : tuple of int
        Left, top, right and bottom of the image with its map and scale, in pixels; what lies outside are words.
    """

    file: str = Field(pattern=r"^[^/\\]+\.png$")
    box: tuple[Side, Side, Side, Side]


class ExplainedImage(Part):
    """An image with what was found to speak for a class in it.

    Attributes
    ----------
    image : str
    kind : {"hit", "miss", "doubtful"}, or None
        Why it was chosen; None where it was asked for.
    label : str or None
    predicted : str
    probability : float
        Of the predicted class.
    fold : int or None
        Outer fold whose model, which had not seen the image, is explained; None: the model of all images.
    target : str
        Class that the map speaks for.
    against : str or None
        Class that it is told from; None: the mean of all others.
    method : str
    stage : str or None
        Stage that a sharp map looks at.
    score : float
        Score of the class less that of the other, before calibration and before any floor.
    limit : float
        Value of the map in full colour.
    share_for : float or None
        Part of the map's heat that speaks for the class: 0, nothing does; 1, nothing speaks against it; None where the
        map is empty.
    neighbours : tuple of NeighbourFacts
        The nearest training images, the nearest first.
    picture : PictureFacts or None
        None where pictures were left out.
    checks : ImageChecks or None
        None where the map was not tested.
    """

    image: str
    kind: Literal["hit", "miss", "doubtful"] | None
    label: str | None
    predicted: str
    probability: Share
    fold: Count | None
    target: str
    against: str | None
    method: str
    stage: str | None
    score: float
    limit: Mass
    share_for: Share | None
    neighbours: tuple[NeighbourFacts, ...] = ()
    picture: PictureFacts | None = None
    checks: ImageChecks | None = None


class ImageMapFacts(Part):
    """All images as points of a plane, like images near one another.

    Attributes
    ----------
    projection : {"pca", "umap"}
    explained : float or None
        Share of the variance of the features that the plane keeps.
    features : str
        Source of the features.
    points : tuple of (float, float)
        One for each image, in the order of ``split.json``.
    """

    projection: Literal["pca", "umap"]
    explained: Share | None
    features: str
    points: tuple[tuple[float, float], ...]


class Explanations(RunFile):
    """The explained images of a folder, and perhaps a map of all images.

    Attributes
    ----------
    n_images : int
        Number of images that were explained.
    images : tuple of ExplainedImage
    map : ImageMapFacts or None
    notes : tuple of str
        What a reader of the maps must know, and what was left out and why.
    """

    file_name: ClassVar[str] = "explanations.json"

    format: Literal[1] = 1
    n_images: Count
    images: tuple[ExplainedImage, ...]
    map: ImageMapFacts | None = None
    notes: tuple[str, ...] = ()
