"""Images in: data sets, decoding, the audit and the split contract."""

from headstart.data.audit import Audit, audit_dataset
from headstart.data.dataset import ImageDataset
from headstart.data.decode import decode
from headstart.data.manifest import ManifestColumns
from headstart.data.preparation import Preparation
from headstart.data.raters import Ratings
from headstart.data.read import read_dataset
from headstart.data.split import Split, make_split, read_split, split_dataset, write_split
from headstart.data.twins import join_groups

__all__ = [
    "Audit",
    "ImageDataset",
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
