"""Options of a count of cells, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from headstart.errors import InputError, unknown_name
from headstart.workflow.options.machine import SKIP_UNREADABLE
from headstart.workflow.options.option import Options, option

PALETTES: Final = ("blue-red", "colour-blind")
OUTLINES: Final = ("qupath", "imagej", "none")
DEAD: Final = "dead"


@dataclass(frozen=True)
class CellsCountOptions(Options):
    """Options of ``headstart cells count``.

    Attributes
    ----------
    dead : str or None
        Class that is counted. None: ``dead``, where the model has such a class.
    masks : str or None
        Folder of label images of another tool, taken instead of a segmentation.
    pattern : str or None
        Regular expression with groups named plate, well and field.
    plate_table : str or None
        CSV table with a row for each well.
    dose_column, time_column : str or None
        Columns of that table. None: those whose names begin as such columns' do.
    pixel_um : float or None
        Side of a pixel in micrometres. None: as the files say.
    palette : {"blue-red", "colour-blind"}
    outlines : str
        Some of ``qupath`` and ``imagej``, or ``none``.
    skip_unreadable : bool
        Leave unreadable micrographs out instead of stopping.
    """

    group: ClassVar[str] = "Data"

    dead: str | None = field(
        default=None,
        metadata=option(
            "Class that is counted.", metavar="CLASS", unset="dead, where the model knows it", matters=True
        ),
    )
    masks: str | None = field(
        default=None,
        metadata=option(
            "Folder of label images of Cellpose, StarDist or another tool.",
            is_path=True,
            unset="cells are found as for the model",
        ),
    )
    pattern: str | None = field(
        default=None,
        metadata=option(
            "Regular expression with groups named plate, well, field.",
            unset="as in plate1/day2_B07_s3.tif",
            matters=True,
        ),
    )
    plate_table: str | None = field(
        default=None,
        metadata=option(
            "CSV table with a row for each well: its dose, the time.", is_path=True, unset="none", matters=True
        ),
    )
    dose_column: str | None = field(
        default=None,
        metadata=option("Column of doses in that table.", unset="the first whose name begins with dose or conc"),
    )
    time_column: str | None = field(
        default=None,
        metadata=option(
            "Column of times in that table.", unset="the first whose name begins with time, hour, minute or day"
        ),
    )
    pixel_um: float | None = field(
        default=None,
        metadata=option("Side of a pixel in micrometres.", above=0, at_most=1000, unset="as the files say"),
    )
    palette: str = field(
        default=PALETTES[0],
        metadata=option("Colours of the frames.", choices=PALETTES, group="Output", matters=True),
    )
    outlines: str = field(
        default=OUTLINES[0],
        metadata=option(
            "Outlines for qupath (GeoJSON), imagej (ZIP of regions), both with a comma between, or none.",
            group="Output",
            offered=lambda: OUTLINES,
            several=True,
        ),
    )
    skip_unreadable: bool = field(default=False, metadata=option(SKIP_UNREADABLE))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.outline_formats:
            if name not in OUTLINES:
                raise InputError(unknown_name("format of outlines", name, OUTLINES))
        if "none" in self.outline_formats and len(self.outline_formats) > 1:
            raise InputError("outlines are none, or some of qupath and imagej; not both.")
        if self.plate_table is None and (self.dose_column or self.time_column):
            raise InputError(
                "A column of doses or times is looked for in a table of wells: give --plate-table FILE too."
            )

    @property
    def outline_formats(self) -> tuple[str, ...]:
        """Formats of outlines that are asked for."""
        return tuple(name.strip() for name in self.outlines.split(","))
