"""Images in: data sets, decoding, the audit and the split contract."""

from headstart.data.audit.audit import Audit, audit_dataset
from headstart.data.audit.perceptual_hash import join_groups
from headstart.data.dataset import ImageDataset
from headstart.data.images.decode import decode
from headstart.data.labels.raters import Ratings
from headstart.data.preparation import Preparation
from headstart.data.read import read_dataset
from headstart.data.readers.manifest.read import ManifestColumns
from headstart.data.split.make import Split, make_split, read_split, split_dataset, write_split

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
