"""The tables that a fit leaves beside its results, one file each.

A file in this folder registers its table with `register_export`: its name, its bytes, and whether it needs baselines.
Nothing else is edited for a new one: a fit writes it, and a run without it is not complete.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from headstart.runtime.registry import Registry

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.study.run import StudyResult
    from headstart.study.transfer_verdict import Transfer


@dataclass(frozen=True, eq=False)
class ExportContext:
    """Data set and study of a fit, which its tables are made from.

    Attributes
    ----------
    dataset : ImageDataset
        The readable images, near-duplicates joined to groups.
    study : StudyResult
    transfer : Transfer or None
        The run against its baselines; None where none were judged.
    """

    dataset: ImageDataset
    study: StudyResult
    transfer: Transfer | None


ExportWriter: TypeAlias = Callable[[ExportContext], bytes]
"""From what a fit found to the content of a file."""


@dataclass(frozen=True)
class Export:
    """A table that a fit leaves.

    Attributes
    ----------
    file_name : str
        Name in the folder of the run.
    content : callable
    needs_baselines : bool
        Whether it is left only where baselines were judged.
    """

    file_name: str
    content: ExportWriter
    needs_baselines: bool = False


EXPORTS: Registry[Export] = Registry("table", __name__, order=lambda export: export.file_name)
"""Every registered table by its file name."""


def register_export(file_name: str, *, needs_baselines: bool = False) -> Callable[[ExportWriter], ExportWriter]:
    """Decorator that makes a function the writer of a table; parameters as in `Export`.

    Raises
    ------
    ValueError
        When another table has the name.
    """

    def register(content: ExportWriter) -> ExportWriter:
        EXPORTS.add(file_name, Export(file_name, content, needs_baselines))
        return content

    return register


def exports_of(*, baselines: bool) -> tuple[Export, ...]:
    """The tables that a fit leaves, by name.

    Parameters
    ----------
    baselines : bool
        Whether it judges baselines.
    """
    return tuple(export for export in EXPORTS.values() if baselines or not export.needs_baselines)
