"""Reader of NumPy archives."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from headstart.data import read_dataset
from headstart.errors import DataError


def test_medmnist_archive(tmp_path: Path, rng: np.random.Generator) -> None:
    train = rng.integers(0, 255, (4, 8, 8), dtype=np.uint8)
    np.savez_compressed(
        tmp_path / "m.npz",
        train_images=train,
        train_labels=np.array([[0], [1], [10], [0]]),
        test_images=train[:2],
        test_labels=np.array([[1], [2]]),
    )
    dataset = read_dataset(tmp_path / "m.npz")
    assert dataset.classes == ("0", "1", "2", "10")
    assert dataset.names[-1] == "test/000001"
    assert "train 4, test 2" in dataset.notes[0]
    assert np.array_equal(np.asarray(dataset.load(2))[..., 0], train[2])
    assert read_dataset(tmp_path / "m.npz", partition="test").names == ("test/000000", "test/000001")
    with pytest.raises(DataError, match="no part 'val'"):
        read_dataset(tmp_path / "m.npz", partition="val")


def test_bad_archives(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="damaged or no NumPy archive"):
        read_dataset(path)
    np.savez(path, pictures=np.zeros(3))
    with pytest.raises(DataError, match="holds pictures; expected train_images"):
        read_dataset(path)
    np.savez(path, images=np.zeros((2, 3, 3), np.uint8), labels=np.zeros((2, 14)))
    with pytest.raises(DataError, match="expected one class per image"):
        read_dataset(path)
    np.savez(path, images=np.array([{}, {}], dtype=object), labels=np.zeros(2))
    with pytest.raises(DataError, match="never unpickled"):
        read_dataset(path)
    np.savez(path, images=np.zeros((2, 3, 3), np.uint8), labels=np.array([0, np.nan]))
    with pytest.raises(DataError, match="NaN"):
        read_dataset(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 300, 300)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", header.getvalue())
        archive.writestr("labels.npy", header.getvalue())
    with pytest.raises(DataError, match=r"unpacks to 83.8 GiB"):
        read_dataset(path)
