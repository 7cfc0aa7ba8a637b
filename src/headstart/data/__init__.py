"""Images in: data sets, decoding, the audit and the split contract."""

from headstart.data.dataset import ImageDataset
from headstart.data.decode import decode
from headstart.data.manifest import ManifestColumns
from headstart.data.preparation import Preparation
from headstart.data.read import read_dataset

__all__ = ["ImageDataset", "ManifestColumns", "Preparation", "decode", "read_dataset"]
