"""Options of `cells`: how micrographs are read, cells found, cut out and labelled; the simulated assay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Literal, get_args

from headstart.errors import InputError
from headstart.workflow.options.option import Options, option

if TYPE_CHECKING:
    from headstart.cells.micrographs.segmented import CellFinding
    from headstart.cells.simulation.assay import SimulatedAssay

Method = Literal["local", "otsu", "adaptive"]
GroupBy = Literal["micrograph", "well", "plate"]
DEFAULT_CLASSES: Final = ("living", "dead")


@dataclass(frozen=True)
class CellFindingOptions(Options):
    """How micrographs are read and cells found.

    Attributes
    ----------
    channel, method, diameter, pixel_um, plane
        As for `headstart.cells.micrographs.segmented.CellFinding`.
    masks : str or None
        Folder of label images of another tool, taken instead of a segmentation.
    """

    group: ClassVar[str] = "Data"

    channel: str | None = field(
        default=None,
        metadata=option("Channel whose cells are found.", metavar="NAME", unset="the first", matters=True),
    )
    method: Method = field(
        default="local", metadata=option("How cells are found.", choices=get_args(Method), matters=True)
    )
    diameter: float | None = field(
        default=None,
        metadata=option(
            "Diameter of a cell: micrometres where the size of a pixel is known, else pixels.",
            unset="estimated",
            above=0,
            matters=True,
        ),
    )
    pixel_um: float | None = field(
        default=None,
        metadata=option("Side of a pixel in micrometres.", unset="as the files say", above=0, matters=True),
    )
    plane: int | None = field(
        default=None,
        metadata=option("Which plane in depth, from 0.", unset="the brightest value of all planes", at_least=0),
    )
    masks: str | None = field(
        default=None,
        metadata=option(
            "Folder of label images of another tool (NAME_mask.tif), taken instead.",
            is_path=True,
            by_hand="where label images are read from",
            unset="cells are found",
            matters=True,
        ),
    )

    def finding(self) -> CellFinding:
        """The same without the folder, as a model keeps it."""
        from headstart.cells.micrographs.segmented import CellFinding

        return CellFinding(self.channel, self.method, self.diameter, self.pixel_um, self.plane)


@dataclass(frozen=True)
class CellCropOptions(CellFindingOptions):
    """How cells are cut out, grouped and labelled; at most one source of classes.

    Attributes
    ----------
    crop, crop_um : int, float or None
        Side of a crop in pixels, or in micrometres.
    crop_channels : tuple of str or None
        Channels that a crop shows, three at most.
    masked : bool
        Whether all but the cell is black.
    group_by : {"micrograph", "well", "plate"}
        What cells that stay on one side of every split share.
    pattern : str or None
        As for `headstart.cells.micrographs.plate.plate_position`.
    measured : bool
        Whether measurements stand beside the crops.
    classes : str or None
        CSV of centroids with their classes.
    class_images : str or None
        Folder of images of classes.
    class_names : tuple of str or None
        Names of the classes 1, 2 in those images, and below and above a dye's threshold. None: living, dead.
    dye : str or None
        Channel of a second dye whose brightness is the class.
    dye_above : float or None
        Mean brightness from which a cell has the second class.
    """

    crop: int | None = field(
        default=None,
        metadata=option("Side of a crop in pixels.", unset="two diameters of the middle cell", at_least=8, at_most=512),
    )
    crop_um: float | None = field(
        default=None, metadata=option("Side of a crop in micrometres.", unset="two diameters", above=0, matters=True)
    )
    crop_channels: tuple[str, ...] | None = field(
        default=None, metadata=option("Channels that a crop shows.", metavar="NAME,NAME...", unset="all")
    )
    masked: bool = field(default=False, metadata=option("Make all but the cell itself black."))
    group_by: GroupBy = field(
        default="micrograph",
        metadata=option("What cells that stay together share.", choices=get_args(GroupBy), matters=True),
    )
    pattern: str | None = field(
        default=None,
        metadata=option(
            "Where a name tells plate, well and field: (?P<well>...).", metavar="REGEX", unset="usual names"
        ),
    )
    measured: bool = field(
        default=True, metadata=option("Show no measurements beside the crops.", flag="--no-measured")
    )
    classes: str | None = field(
        default=None,
        metadata=option(
            "CSV with the columns image, y, x (pixels) and class.",
            is_path=True,
            by_hand="where classes are read from",
            unset="the folders of the micrographs",
            matters=True,
        ),
    )
    class_images: str | None = field(
        default=None,
        metadata=option(
            "Folder of images of classes (NAME_classes.png): 1, 2 for the class names.",
            is_path=True,
            by_hand="where classes are read from",
            unset="none",
        ),
    )
    class_names: tuple[str, ...] | None = field(
        default=None,
        metadata=option(
            "Names of the classes in images of classes, or of a dye.",
            metavar="NAME,NAME...",
            unset=",".join(DEFAULT_CLASSES),
        ),
    )
    dye: str | None = field(
        default=None,
        metadata=option("Channel of a dye that only the second class takes up.", metavar="NAME", unset="none"),
    )
    dye_above: float | None = field(
        default=None, metadata=option("Mean of the dye from which a cell has the second class.", unset="Otsu's")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        sources = {"classes": self.classes, "class images": self.class_images, "a dye": self.dye}
        given = [name for name, value in sources.items() if value is not None]
        if len(given) > 1:
            raise InputError(f"{' and '.join(given)} both say the class of a cell; name one of them.")
        if self.crop is not None and self.crop_um is not None:
            raise InputError("crop and crop_um both say how large a crop is; name one of them.")
        if self.dye is not None and len(self.named_classes) != 2:
            raise InputError(f"A dye parts two classes; {len(self.named_classes)} names are given.")

    @property
    def named_classes(self) -> tuple[str, ...]:
        """Names of the classes, those of the default where none are given."""
        return self.class_names or DEFAULT_CLASSES


@dataclass(frozen=True)
class SimulationOptions(Options):
    """A simulated assay; see `headstart.cells.simulation.assay.SimulatedAssay`.

    Attributes
    ----------
    micrographs : int
    cells : float
        Mean number of cells in a micrograph.
    side : int
        Side of a micrograph in pixels.
    seed : int
    """

    group: ClassVar[str] = "Data"

    micrographs: int = field(default=24, metadata=option("Number of micrographs.", at_least=1, at_most=100_000))
    cells: float = field(default=16.6, metadata=option("Mean number of cells in each.", above=0))
    side: int = field(default=256, metadata=option("Side of a micrograph in pixels.", at_least=64, at_most=20_000))
    seed: int = field(default=0, metadata=option("Random seed.", at_least=0))

    def assay(self) -> SimulatedAssay:
        """The assay."""
        from headstart.cells.simulation.assay import SimulatedAssay

        return SimulatedAssay(self.micrographs, self.cells, self.side, self.seed)
