"""``paper.json``: the paper's figures, and what its three applications come to here, on other data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from headstart.results.models.base import Count, Ends, Matrix, Part, Positive, Scalar, Share
from headstart.results.models.estimates import EstimateFacts
from headstart.results.models.run_file import RunFile
from headstart.results.models.sources import Weights

Application: TypeAlias = Literal["lesions", "signals", "cells"]
TableNumber: TypeAlias = Annotated[int, Field(ge=1, le=4)]
Place: TypeAlias = Annotated[str, Field(pattern=r"^[^/\\]+(/[^/\\]+)*$")]
"""Path of a file or folder relative to the document."""


class HeadFacts(Part):
    """Head that a search chose for a network."""

    network: str
    settings: Mapping[str, Scalar]


class PublishedTable(Part):
    """Table of the paper: what of it is set beside our figures.

    Attributes
    ----------
    application : {"lesions", "signals", "cells"}
    data : str
        In words.
    n_judged : int or None
        Images, windows or cells behind the scores; None where the paper does not say.
    metrics : mapping of str to float
        By the names of ours.
    intervals : mapping of str to (float, float)
        Ours, of scores that the paper gives without one: Wilson's, 95 %.
    classes : tuple of str
        Of the confusion matrix, whose rows are the true class; both empty where the paper's is not quoted.
    head : HeadFacts or None
        Winner of its search.
    notes : tuple of str
    """

    number: TableNumber
    application: Application
    data: str
    n_judged: Positive | None
    metrics: Mapping[str, Share]
    intervals: Mapping[str, Ends]
    classes: tuple[str, ...]
    confusion: Matrix
    head: HeadFacts | None
    notes: tuple[str, ...]


class PaperRun(Part):
    """Finished run of one application, on other data than the paper's.

    Attributes
    ----------
    name : str
    application : {"lesions", "signals", "cells"}
    data : str
        In words.
    folder : str
        Of the run, with its report.
    command : str
        The run alone, as one would ask for it.
    networks : mapping of str to Weights
        Weights of every network that competed.
    n_judged : int
        Images, windows or cells behind the scores: after one split fewer than there are.
    scheme : str
        Folds that judged.
    positive : str or None
    confusion : tuple of tuple of float
        Rows are the true class.
    heads : tuple of HeadFacts
        For every network the head with the best mean score in the inner folds.
    """

    name: str
    application: Application
    data: str
    folder: Place
    command: str
    networks: Mapping[str, Weights]
    n_images: Positive
    n_groups: Positive | None
    n_judged: Positive
    scheme: str
    classes: tuple[str, ...]
    positive: str | None
    metrics: Mapping[str, EstimateFacts]
    confusion: Matrix
    heads: tuple[HeadFacts, ...]

    @property
    def is_transfer(self) -> bool:
        """Whether every network had learned something before."""
        return not any(weights.is_random for weights in self.networks.values())


class NotRun(Part):
    """Run that did not take place: what it lacks, and the command that would make it."""

    application: Application
    data: str
    reason: str
    command: str


class PaperPicture(Part):
    """Picture that a command made, for one application."""

    application: Application
    file: Place
    command: str
    alt: str
    caption: str


class PaperSizes(Part):
    """Sizes of what is simulated, and the seed of all of it.

    Attributes
    ----------
    strength : float
        Decades of pressure of the largest fault of the ring.
    """

    recordings: Positive
    minutes: Annotated[float, Field(gt=0)]
    strength: Annotated[float, Field(gt=0)]
    micrographs: Positive
    counted_micrographs: Count
    seed: Count


class PaperResults(RunFile):
    """The paper beside what came out here.

    Attributes
    ----------
    full : bool
        Whether the paper's own networks and grid were asked for.
    tables : tuple of PublishedTable
    open_points : tuple of str
        What the paper leaves open, or says in two ways.
    """

    file_name: ClassVar[str] = "paper.json"
    command: ClassVar[str] = "headstart paper"

    format: Literal[1] = 1
    headstart: str
    title: str
    doi: str
    full: bool
    sizes: PaperSizes
    tables: tuple[PublishedTable, ...]
    runs: tuple[PaperRun, ...]
    not_run: tuple[NotRun, ...]
    pictures: tuple[PaperPicture, ...]
    open_points: tuple[str, ...]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        for problem in _problems(self):
            raise ValueError(problem)
        return self

    def runs_of(self, application: Application) -> tuple[PaperRun, ...]:
        """Runs of one application."""
        return tuple(one for one in self.runs if one.application == application)


def _problems(found: PaperResults) -> Iterator[str]:
    tables = {f"tables[{place}]": (one.classes, one.confusion) for place, one in enumerate(found.tables)}
    runs = {f"runs[{place}]": (one.classes, one.confusion) for place, one in enumerate(found.runs)}
    for place, (classes, confusion) in (tables | runs).items():
        if [len(row) for row in confusion] != [len(classes)] * len(classes):
            yield f"{place}.confusion should have a row and a column for every class"
    names = [one.name for one in found.runs]
    if len(set(names)) < len(names):
        yield "runs[].name should differ from run to run"
