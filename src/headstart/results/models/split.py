"""``split.json`` as a report reads it; `headstart.data.split.split_file` reads it as a split for another run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, Self, TypeAlias

from pydantic import model_validator

from headstart.results.models.base import Positive, Sha256, SparePart
from headstart.results.models.run_file import RunFile

Codes: TypeAlias = tuple[int, ...]
"""Fold of every image."""


class RunSplit(RunFile, SparePart):
    """The folds of every image, with the groups that they keep whole.

    Attributes
    ----------
    rule : str
        Rule by which the scheme was taken, in words; empty where it was asked for.
    hash : str
        Hash of names and folds, which ``results.json`` repeats.
    groups : tuple of int, or None
        Group of every image, near-duplicates joined.
    outer, inner, full_inner : tuple
        ``[repeat][image]``, ``[repeat][outer fold][image]`` and ``[image]``; codes as in `headstart.data.Split`.
    """

    file_name: ClassVar[str] = "split.json"
    left_out: ClassVar = ("rule",)

    format: Literal[1]
    scheme: str
    repeats: Positive
    seed: int
    n_images: Positive
    hash: Sha256
    notes: tuple[str, ...] = ()
    own_folds: bool = False
    rule: str = ""
    images: tuple[str, ...]
    labels: tuple[str, ...] | None
    groups: Codes | None
    outer: tuple[Codes, ...]
    inner: tuple[tuple[Codes, ...], ...]
    full_inner: Codes

    @model_validator(mode="after")
    def _has_an_entry_for_every_image(self) -> Self:
        for problem in _problems(self):
            raise ValueError(problem)
        return self


def _problems(split: RunSplit) -> Iterator[str]:
    """Problems of lists that do not fit the number of images or of repeats."""
    columns = {"images": split.images, "labels": split.labels, "groups": split.groups, "full_inner": split.full_inner}
    for name, column in columns.items():
        if column is not None and len(column) != split.n_images:
            yield f"{name} should have one entry for every image"
    for name, repeats in {"outer": split.outer, "inner": split.inner}.items():
        if len(repeats) != split.repeats:
            yield f"{name} should have one entry for every repeat"
    folds = {f"outer[{repeat}]": codes for repeat, codes in enumerate(split.outer)}
    for repeat, of_repeat in enumerate(split.inner):
        folds |= {f"inner[{repeat}][{fold}]": codes for fold, codes in enumerate(of_repeat)}
    for name, codes in folds.items():
        if len(codes) != split.n_images:
            yield f"{name} should have one entry for every image"
