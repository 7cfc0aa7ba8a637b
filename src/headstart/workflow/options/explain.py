"""Options of explanations, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, get_args

from headstart.workflow.options.option import Options, option

Method = Literal["sharp", "exact", "occlusion", "integrated-gradients"]
METHODS: Final = get_args(Method)


@dataclass(frozen=True)
class ExplainOptions(Options):
    """Options of `explain`.

    Attributes
    ----------
    target : str or None
        Class that the maps speak for. None: the predicted one of each image.
    against : str or None
        Class that it is told from. None: the mean of all others.
    method : {"sharp", "exact", "occlusion", "integrated-gradients"}
        How the maps are made; see `headstart.explain`.
    stage : str or None
        Stage that a sharp map looks at, and the one whose activations are drawn. None: the last of stride 16, and all.
    activation : bool
        Draw the strongest channels of each stage too.
    neighbours : bool
        Show the nearest training images, where a run is given and its images are still there.
    masks : str or None
        Folder of masks with the images' names: the share of the heat inside is told.
    checks : bool
        Test every map: how far it may be trusted.
    """

    group: ClassVar[str] = "Search"

    target: str | None = field(
        default=None,
        metadata=option(
            "Class that the maps speak for.", flag="--class", metavar="CLASS", unset="the predicted one", noun="class"
        ),
    )
    against: str | None = field(
        default=None,
        metadata=option("Class that it is told from.", metavar="CLASS", unset="the mean of all others"),
    )
    method: Method = field(
        default="sharp",
        metadata=option("How the maps are made; occlusion takes some 200 forward passes an image.", choices=METHODS),
    )
    stage: str | None = field(
        default=None,
        metadata=option(
            "Stage that a sharp map looks at, and whose activations are drawn.", unset="the last of stride 16; all"
        ),
    )
    activation: bool = field(
        default=False, metadata=option("Draw the strongest channels of each stage too, first stage to last.")
    )
    neighbours: bool = field(
        default=True, metadata=option("Do not show the nearest training images of a run.", flag="--no-neighbours")
    )
    masks: str | None = field(
        default=None,
        metadata=option(
            "Folder of masks with the images' names: how much of the heat lies inside.", is_path=True, unset="none"
        ),
    )
    checks: bool = field(
        default=False,
        metadata=option("Test how far each map may be trusted: some 50 forward passes an image, and more."),
    )
