"""A look at the images of a test set before anything is computed: they can be read, and the model has not seen them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headstart.data.images.bounds import decoding_turn
from headstart.data.images.free_memory import PILLOW_BLOCKS
from headstart.errors import DataError, ImageError, plural
from headstart.model import mark_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headstart.data import ImageDataset
    from headstart.model import Model
    from headstart.progress import Progress

_N_SHOWN = 20


def check_judged_images(model: Model, dataset: ImageDataset, *, skip_unreadable: bool, progress: Progress) -> None:
    """Refuse images that the model was trained on, whatever they are called, and those that cannot be read.

    Parameters
    ----------
    model : Model
    dataset : ImageDataset
    skip_unreadable : bool
        Those that cannot be read are to be left out, so they are not looked for.
    progress : Progress

    Raises
    ------
    DataError
    """
    known = set(model.facts.get("images_sha256", ()))

    def look(row: int) -> _Look:
        return _look(model, dataset, row, decodes=not skip_unreadable)

    task = progress.task("Checking", len(dataset), "images")
    looks: list[_Look] = []
    with task as advance, PILLOW_BLOCKS, ThreadPoolExecutor(model.engine.n_threads) as pool:
        for found in pool.map(look, range(len(dataset))):
            looks.append(found)
            advance(1)
    _refuse_training_images(
        [name for name, one in zip(dataset.names, looks, strict=True) if one.mark in known], dataset
    )
    bad = [f"{name}: {one.failure}" for name, one in zip(dataset.names, looks, strict=True) if one.failure]
    if bad:
        refuse_unreadable(bad, len(dataset))


@dataclass(frozen=True)
class _Look:
    """A look at one image: the mark of its content, and why it cannot be read."""

    mark: str = ""
    failure: str = ""


def _look(model: Model, dataset: ImageDataset, row: int, *, decodes: bool) -> _Look:
    mark = ""
    with decoding_turn():
        try:
            stored = dataset.stored(row)
            mark = mark_of(stored.content_hash())
            if decodes:
                model.preparation.prepare(stored)
        except ImageError as error:
            return _Look(mark, error.reason if decodes else "")
        except MemoryError:  # its prediction says what it takes
            return _Look(mark)
    return _Look(mark)


def _refuse_training_images(seen: Sequence[str], dataset: ImageDataset) -> None:
    if seen:
        used = plural(len(seen), f"of {len(dataset):,} images was used", f"of {len(dataset):,} images were used")
        raise DataError(
            f"{used} to train this model ({', '.join(seen[:3])}), so the score there would flatter. Leave such images "
            "out; what to expect of them stands in RUN/results.json."
        )


def refuse_unreadable(bad: Sequence[str], n_images: int) -> None:
    """Raise for images that cannot be read, each named with the reason.

    Raises
    ------
    DataError
    """
    listed = "\n  ".join(bad[:_N_SHOWN])
    beside = f"\n  and {len(bad) - _N_SHOWN:,} more" if len(bad) > _N_SHOWN else ""
    raise DataError(
        f"{len(bad):,} of {n_images:,} images cannot be read:\n  {listed}{beside}\n"
        "Mend or remove them, or leave them out with --skip-unreadable."
    )
