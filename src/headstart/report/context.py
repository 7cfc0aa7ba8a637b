"""Context of a report's sections: the run, its images, and values that several sections share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from headstart.metrics import OutOfFold
from headstart.results.origin import RunOrigin, cell_recipe, read_origin, signal_recipe
from headstart.results.out_of_fold import out_of_fold
from headstart.results.read import RunRecord

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.signals.recipe import SignalRecipe

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class ReportContext:
    """A finished run, its images, and whether they may be shown.

    Attributes
    ----------
    record : RunRecord
        The run as it lies on disk.
    dataset : ImageDataset or None
        The images of the run, for pictures of them; None where they are not at hand.
    images : bool
        False leaves pictures and image names out of every section, for images of patients.
    pictures : bool
        False for a format that has no pictures of single images: none is decoded.
    pictured : set of str
        Images that a section built before shows already: none is shown twice.
    """

    record: RunRecord
    dataset: ImageDataset | None = None
    images: bool = True
    pictures: bool = True
    pictured: set[str] = field(default_factory=set, repr=False)
    _made: dict[Callable[[ReportContext], Any], Any] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> ImageDataset | None:
        """The images where they are at hand and may be shown, else None."""
        return self.dataset if self.images else None

    @property
    def out_of_fold(self) -> OutOfFold:
        """The run's predictions in the form `headstart.metrics` judges."""
        return self.once(_out_of_fold)

    def once(self, make: Callable[[ReportContext], T]) -> T:
        """Value that `make` derives from this run, on the first call; kept for figures, tables and sentences."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast(T, self._made[make])


def shown_origin(context: ReportContext) -> RunOrigin:
    """Origin of the run; its data and command may name patients, so they are left out where image names are."""
    found = read_origin(context.record.folder)
    return found if context.images else RunOrigin(begun=found.begun)


def recipe_of_recordings(context: ReportContext) -> SignalRecipe | None:
    """How the images were made of recordings; None where they were not."""
    return signal_recipe(context.record.folder)


def recipe_of_cells(context: ReportContext) -> dict[str, Any] | None:
    """How the images were found and cut out of micrographs; None where they were not."""
    return cell_recipe(context.record.folder)


def _out_of_fold(context: ReportContext) -> OutOfFold:
    return out_of_fold(context.record)
