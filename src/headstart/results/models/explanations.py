"""``explanations.json``: the images that were explained, with all numbers that a reader of their pictures needs."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from headstart.results.models.base import Count, Mass, Part, Share
from headstart.results.models.run_file import RunFile

Side = Count


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
