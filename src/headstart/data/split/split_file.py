"""``split.json``: a split as a file that other runs can reuse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data.split.split import Split
from headstart.errors import SplitError, first_few, plural
from headstart.storage import file_bytes, parsed_json, write_bytes


def write_split(path: Path, split: Split) -> None:
    """Write ``split.json``: one line per key and per fold.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    lines = []
    for key, value in split.to_json().items():
        rows = ",\n  ".join(_line(row) for row in value) if key in ("outer", "inner") else None
        lines.append(f" {json.dumps(key)}: " + (_line(value) if rows is None else f"[\n  {rows}\n ]"))
    write_bytes(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_split(
    path: Path,
    names: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> Split:
    """The split of ``split.json``, in the order of `names`.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Images to be split: exactly those of the file, in any order.
    labels : sequence of str, optional
        Class name of every image; must be those of the file, so that scores on one split can be compared in pairs.
    groups : ndarray of shape (n_images,), int64, optional
        Groups (near-duplicates joined) of every image; none may stand on both sides of the split.

    Raises
    ------
    SplitError
        When the file is missing, damaged, or does not fit; the message names the images.
    """
    try:
        content = parsed_json(file_bytes(path).decode())
    except OSError as error:
        raise SplitError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise SplitError(f"{path} is not a split file: it is no JSON ({error}).") from error
    split = Split.from_json(content, source=str(path))
    _check_same("image", path, set(split.names), set(names))
    position = {name: row for row, name in enumerate(split.names)}
    split = split.reordered([position[name] for name in names])
    _check_labels(path, split, labels)
    if groups is not None:
        _check_groups(path, split, groups)
    return split


def _check_same(what: str, path: Path, inside: set[str], given: set[str]) -> None:
    if inside == given:
        return
    unknown, left_out = sorted(given - inside), sorted(inside - given)
    not_in_it = plural(len(unknown), f"{what} is", f"{what}s are")
    parts = [f"{not_in_it} not in it ({first_few(unknown)})"] if unknown else []
    not_there = plural(len(left_out), f"of its {what}s is", f"of its {what}s are")
    parts += [f"{not_there} not in the data ({first_few(left_out)})"] if left_out else []
    raise SplitError(f"{path} does not fit these data: {' and '.join(parts)}. Use it with the data it was made for.")


def _check_labels(path: Path, split: Split, labels: Sequence[str] | None) -> None:
    if labels is None or split.labels is None:
        return
    rows = zip(split.names, split.labels, labels, strict=True)
    changed = [f"{name} ({before!r}, now {now!r})" for name, before, now in rows if before != now]
    if changed:
        raise SplitError(
            f"{path} does not fit: {plural(len(changed), 'image has', 'images have')} another label now: "
            f"{first_few(changed)}."
        )


def _check_groups(path: Path, split: Split, groups: NDArray[np.int64]) -> None:
    """Refuse a split that tears a group apart in an outer or inner fold."""
    first = np.unique(groups, return_index=True)[1][np.unique(groups, return_inverse=True)[1].reshape(-1)]
    levels = [*split.outer_codes, *split.inner_codes.reshape(-1, len(split)), split.full_codes]
    torn = sorted({int(row) for folds in levels for row in np.flatnonzero(folds != folds[first])})
    if torn:
        pairs = first_few(f"{split.names[row]} and {split.names[first[row]]}" for row in torn[:6])
        raise SplitError(
            f"{path} parts images that belong together (one group, or duplicates) in {plural(len(torn), 'case')}: "
            f"{pairs}. Make a new split."
        )
