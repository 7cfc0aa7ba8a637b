"""The command by which a model sees new data: recordings, micrographs, or images with what stands beside them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from headstart.cells.crops.recipe import CELLS_FILE
from headstart.data.table.array_column import ARRAY
from headstart.report.locale.messages import tr
from headstart.signals.recipe import RECIPE_FILE

_MODEL: Final = "model"


def next_command(model: str | Path, columns: Mapping[str, str]) -> str:
    """Command line that works for a model, new data standing for themselves.

    Parameters
    ----------
    model : path
        The bundle, or the run that holds it.
    columns : mapping of str to str
        Kinds of the table columns that the model takes, by their names.

    >>> next_command("run/model", {"age": "number", "sex": "category"})
    'headstart predict run/model NEW_IMAGES.csv  # with the columns image, age, sex'
    """
    bundle, run = _bundle_and_run(Path(model))
    special = command_of_run(run or bundle, str(run or bundle))
    return special or f"headstart predict {shlex.quote(str(bundle))} {_images(columns)}"


def command_of_run(run: Path, shown: str) -> str | None:
    """The command for a model of recordings or of cells, the run named as `shown`; None for one of images."""
    if any((folder / RECIPE_FILE).is_file() for folder in (run, run / _MODEL)):
        return f"headstart signals watch {shlex.quote(shown)} -i STREAM"
    if (run / CELLS_FILE).is_file():
        return f"headstart cells count {shlex.quote(shown)} NEW_MICROGRAPHS -o counts"
    return None


def _bundle_and_run(path: Path) -> tuple[Path, Path | None]:
    """Folder of the bundle, and that of its run where the path tells of one."""
    if (path / _MODEL).is_dir():
        return path / _MODEL, path
    return path, path.parent if path.name == _MODEL else None


def _images(columns: Mapping[str, str]) -> str:
    table = [name for name, kind in columns.items() if kind != ARRAY]
    array = " --feature-array NEW_ARRAY.npy" if ARRAY in columns.values() else ""
    if not table:
        return f"NEW_IMAGES/{array}"
    told = tr("with the columns {columns}", columns=", ".join(["image", *table]))
    return f"NEW_IMAGES.csv{array}  # {told}"
