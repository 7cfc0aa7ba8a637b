"""Data sets of images: reading, decoding, the audit and the split contract.

Exports are loaded when a name is first used, so that a help text can name the readers without their libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from headstart.data.audit.audit import Audit, audit_dataset
    from headstart.data.dataset import ImageDataset
    from headstart.data.groups import join_groups
    from headstart.data.image_resize import ImageResize
    from headstart.data.images.decode import decode
    from headstart.data.labels.raters import Ratings
    from headstart.data.preparation import FittedPreparation, Preparation
    from headstart.data.read import read_dataset
    from headstart.data.readers.manifest.columns import ManifestColumns
    from headstart.data.split.make import make_split, split_dataset
    from headstart.data.split.split import Split
    from headstart.data.split.split_file import read_split, write_split

__all__ = [
    "Audit",
    "FittedPreparation",
    "ImageDataset",
    "ImageResize",
    "ManifestColumns",
    "Preparation",
    "Ratings",
    "Split",
    "audit_dataset",
    "decode",
    "join_groups",
    "make_split",
    "read_dataset",
    "read_split",
    "split_dataset",
    "write_split",
]

_HOMES = {
    "Audit": "audit.audit",
    "FittedPreparation": "preparation",
    "ImageDataset": "dataset",
    "ImageResize": "image_resize",
    "ManifestColumns": "readers.manifest.columns",
    "Preparation": "preparation",
    "Ratings": "labels.raters",
    "Split": "split.split",
    "audit_dataset": "audit.audit",
    "decode": "images.decode",
    "join_groups": "groups",
    "make_split": "split.make",
    "read_dataset": "read",
    "read_split": "split.split_file",
    "split_dataset": "split.make",
    "write_split": "split.split_file",
}

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
