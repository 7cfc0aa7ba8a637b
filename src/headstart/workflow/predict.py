"""Predictions for files, folders, globs and tables of images, one row each, whatever single files are like."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, TypedDict, Unpack

from headstart.data import ImageDataset, ManifestColumns, read_dataset
from headstart.data.images.files import accepting_damaged, damage_of
from headstart.data.named_files import NamedFiles, named_files
from headstart.data.table.encoding import array_needed
from headstart.errors import InputError
from headstart.model import Model, Prediction
from headstart.progress import Progress
from headstart.runtime.csv_cells import csv_bytes
from headstart.storage import replacing

_TABLES = (".csv", ".tsv", ".parquet", ".pq")
LEFT_OUT: Final = "left out: "
"""Begin of the status of a file that was found and is not predicted."""
NOVELTY_COLUMNS: Final = ("distance", "novelty_p", "unlike_training")
"""Columns of a model that tells images unlike the training images."""


class Reading(TypedDict, total=False):
    """How inputs are read.

    Attributes
    ----------
    image_column, root : str or None
        Of a table of images: column of the image's path, ``image`` by default, and the folder that the paths start
        from, the table's own by default.
    feature_array : str or None
        Numbers of the user's own for each image, for a model that takes them; see
        `headstart.data.table.array_file.read_feature_array`.
    accept_damaged : bool
        Take pictures of which a part is missing too; their status says so.
    allow_outside : bool
        Follow links and paths that lead out of a folder or a table's root.
    """

    image_column: str | None
    root: str | None
    feature_array: str | None
    accept_damaged: bool
    allow_outside: bool


@dataclass(frozen=True, eq=False)
class _Asked:
    """What is to be answered.

    Attributes
    ----------
    dataset : ImageDataset
        The images that are predicted.
    files : NamedFiles or None
        All files that get a row; None for a table, whose rows are those of the data set.
    """

    dataset: ImageDataset
    files: NamedFiles | None

    def with_left_out(self, predictions: Iterator[Prediction]) -> Iterator[Prediction]:
        """A row for every file in order; that of a mask or thumbnail has no probabilities."""
        if self.files is not None:
            for name in self.files.names:
                yield Prediction(name) if name in self.files.companions else next(predictions)
        yield from predictions

    def status(self, prediction: Prediction) -> str:
        """``ok``, why there is no prediction, or what is missing of a picture that was taken all the same."""
        if prediction.error is not None:
            return prediction.error
        if self.files is not None and prediction.image in self.files.companions:
            owner = self.files.companions[prediction.image]
            return f"{LEFT_OUT}looks like a mask or thumbnail of {owner}; name the file itself to predict it"
        missing = damage_of(self.dataset.pixels, prediction.image)
        return "ok" if missing is None else f"damaged, kept as asked: {missing}"


def predict_files(
    model: Model,
    inputs: Sequence[str],
    *,
    output: Path | None,
    json_lines: bool,
    spell: Callable[[str], str] = str,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> int:
    """Predict and write one row per file, with a status.

    Parameters
    ----------
    model : Model
    inputs : sequence of str
        Files, folders (searched for images) and globs; or one table of images, see `images_to_predict`.
    output : Path or None
        File that is written whole or not at all; None writes to standard output.
    json_lines : bool
        JSON lines instead of CSV.
    spell : callable
        Spells out what a terminal must not be shown: of every cell of a row, or of a whole line of JSON.
    progress : Progress, optional
    **reading
        See `Reading`.

    Returns
    -------
    int
        Number of inputs that could not be read.

    Raises
    ------
    DataError
        When nothing was found at all, or a table of images cannot be read.
    InputError
        When the model takes table columns that the inputs do not bring.
    StorageError
        When `output` cannot be written.
    """
    asked = _asked(model, inputs, reading, progress)
    _tell_price(model, progress)
    rows = asked.with_left_out(model.predict_each(asked.dataset, progress=progress))
    if output is None:
        return _write(sys.stdout.buffer, model, asked, rows, json_lines=json_lines, spell=spell)
    with replacing(output) as handle:
        return _write(handle, model, asked, rows, json_lines=json_lines, spell=spell)


def predict_rows(
    model: Model, inputs: Sequence[str], *, progress: Progress | None = None, **reading: Unpack[Reading]
) -> Iterator[dict[str, Any]]:
    """One row per file as plain values: image, status, predicted class, probabilities and, where made, the set.

    Parameters and errors as for `predict_files`.
    """
    asked = _asked(model, inputs, reading, progress)
    _tell_price(model, progress)
    rows = asked.with_left_out(model.predict_each(asked.dataset, progress=progress))
    return (_row(model, asked, one) for one in rows)


def n_unreadable(rows: Sequence[Mapping[str, Any]]) -> int:
    """Number of the inputs of `predict_rows` that could not be read."""
    return sum(row["predicted"] is None and not row["status"].startswith(LEFT_OUT) for row in rows)


def _tell_price(model: Model, progress: Progress | None) -> None:
    """Say what a prediction by more than one network or head costs."""
    if progress is None or not model.others:
        return
    price = model.price
    what = f"an ensemble of {model.n_voting}" if model.n_voting > 1 else "a fine-tuned network"
    if model.n_voting < len(model.weights):
        what += " beside the frozen one that distances from the training images are measured on"
    passes = "1 forward pass" if price.forward_passes == 1 else f"{price.forward_passes:,} forward passes"
    progress.note(
        f"The model is {what}: {passes} of each image, roughly {price.seconds:.2g} s "
        f"on one core ({price.seconds_alone:.2g} s by its first member alone)."
    )


def images_to_predict(
    model: Model, inputs: Sequence[str], *, progress: Progress | None = None, **reading: Unpack[Reading]
) -> ImageDataset:
    """The images that the inputs name, with the table columns and the feature array that the model takes.

    Parameters
    ----------
    model : Model
    inputs : sequence of str
        Files, folders and globs; or one CSV or Parquet table with a row for each image, which needs no labels.
    progress : Progress, optional
        Is told what was left out of a folder.
    **reading
        See `Reading`.

    Raises
    ------
    DataError
        When nothing was found, or the table lacks a column or holds texts where the model takes numbers.
    InputError
        When the model takes table columns and the inputs are no table, or only a table has a column or a root; when
        the model takes a feature array and there is none, or the other way round.
    """
    return _asked(model, inputs, reading, progress).dataset


def _asked(model: Model, inputs: Sequence[str], reading: Reading, progress: Progress | None) -> _Asked:
    feature_array = reading.get("feature_array")
    _check_array(model, feature_array)
    asked = _named(model, inputs, reading, progress)
    dataset = asked.dataset
    if reading.get("accept_damaged", False):
        dataset = replace(dataset, pixels=accepting_damaged(dataset.pixels))
    if feature_array is not None:
        dataset = dataset.with_feature_array(feature_array)
    return replace(asked, dataset=dataset)


def _named(model: Model, inputs: Sequence[str], reading: Reading, progress: Progress | None) -> _Asked:
    image_column, root = reading.get("image_column"), reading.get("root")
    allow_outside = reading.get("allow_outside", False)
    is_table = len(inputs) == 1 and Path(inputs[0]).suffix.lower() in _TABLES and os.path.isfile(inputs[0])  # noqa: PTH113
    if not is_table:
        _check_needs_no_table(model, image_column, root)
        files = named_files(inputs, progress, allow_outside=allow_outside)
        return _Asked(ImageDataset.from_files(files.images), files)
    dataset = read_dataset(
        inputs[0],
        columns=ManifestColumns(image=image_column or "image", label=None, image_alone=True),
        root=root,
        table_columns=None if model.table is None else list(map(str, model.table.requests)) or None,
        allow_outside=allow_outside,
    )
    return _Asked(dataset, None)


def _check_array(model: Model, feature_array: str | None) -> None:
    array = None if model.table is None else model.table.array
    if array is not None and feature_array is None:
        raise InputError(array_needed(array))
    if array is None and feature_array is not None:
        raise InputError(f"This model takes no feature array, and {feature_array} is given. Leave it out.")


def _check_needs_no_table(model: Model, image_column: str | None, root: str | None) -> None:
    if model.table is not None and model.table.requests:
        names = ", ".join(request.name for request in model.table.requests)
        raise InputError(
            f"The model takes table columns beside the picture ({names}), which image files alone do not bring. Give "
            f"one CSV or Parquet table with the columns image, {names}; a value may be empty."
        )
    for flag, given in (("--image-column", image_column), ("--root", root)):
        if given is not None:
            raise InputError(f"{flag} belongs to a table of images. Give one CSV or Parquet file, or leave it out.")


def _write(
    handle: BinaryIO,
    model: Model,
    asked: _Asked,
    predictions: Iterator[Prediction],
    *,
    json_lines: bool,
    spell: Callable[[str], str],
) -> int:
    n_bad = 0
    line = _json_line if json_lines else _csv_line
    if not json_lines:
        columns = [f"probability:{name}" for name in model.classes]
        sets, novelty = ["set"] if _makes_sets(model) else [], NOVELTY_COLUMNS if model.detector is not None else ()
        header = ["image", "status", "predicted", *columns, *sets, *novelty]
        handle.write(csv_bytes([[spell(name) for name in header]]))
    for prediction in predictions:
        n_bad += prediction.error is not None
        handle.write(line(model, asked, prediction, spell))
    handle.flush()
    return n_bad


def _csv_line(model: Model, asked: _Asked, prediction: Prediction, spell: Callable[[str], str]) -> bytes:
    values = [repr(value) for value in prediction.probabilities] or [""] * len(model.classes)
    members = prediction.members
    chosen = "" if members is None else json.dumps(members, ensure_ascii=False)
    cells = [prediction.image, asked.status(prediction), prediction.predicted or "", *values]
    sets = [chosen] if _makes_sets(model) else []
    return csv_bytes([[spell(cell) for cell in (*cells, *sets, *_novelty_cells(model, prediction))]])


def _novelty_cells(model: Model, prediction: Prediction) -> list[str]:
    """Distance, p value and flag; empty where the image could not be read."""
    found = prediction.novelty
    if model.detector is None:
        return []
    if found is None:
        return [""] * len(NOVELTY_COLUMNS)
    return [repr(found.distance), repr(found.p_value), "yes" if found.is_novel else "no"]


def _makes_sets(model: Model) -> bool:
    return model.decisions.conformal is not None


def _encoded(text: str) -> bytes:
    """UTF-8; of names that are no UTF-8 the odd bytes are spelled out."""
    return text.encode(errors="backslashreplace")


def _json_line(model: Model, asked: _Asked, prediction: Prediction, spell: Callable[[str], str]) -> bytes:
    return _encoded(spell(json.dumps(_row(model, asked, prediction), ensure_ascii=False)) + "\n")


def _row(model: Model, asked: _Asked, prediction: Prediction) -> dict[str, Any]:
    row: dict[str, Any] = {
        "image": prediction.image,
        "status": asked.status(prediction),
        "predicted": prediction.predicted,
        "probabilities": dict(zip(model.classes, prediction.probabilities, strict=False)),
    }
    if _makes_sets(model):
        row["set"] = None if prediction.members is None else list(prediction.members)
    if model.detector is not None:
        far = prediction.novelty
        values = (None,) * 3 if far is None else (far.distance, far.p_value, far.is_novel)
        row |= dict(zip(NOVELTY_COLUMNS, values, strict=True))
    return row
