"""What the tests share: a sealed environment, one finished run, real data where it is at hand."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Two test processes share two processors: threads of OpenMP that wait for each other must sleep, not spin. It is read
# when torch is loaded, so it stands before everything that may load it; processes that tests start inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Threads of OpenBLAS always spin, and products of matrices as small as those of the tests cost several times as much on
# two; torch and OpenBLAS both read this. What must hold on several threads is tested on two, whatever stands here.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import helpers
import pytest


def pytest_collection_finish() -> None:
    """What all the imported libraries made stays; looking through it for garbage again and again takes seconds."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches the user's cache or the network; tests in subprocesses neither. What is printed has room.

    Files are not forced onto the disk: that guards against the loss of power, which no test can bring about, and a tiny
    fit would wait half a second for it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setenv("COLUMNS", "200")
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        yield


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 images in two class folders; read only."""
    return helpers.write_folders(tmp_path_factory.mktemp("images") / "data")


@pytest.fixture(scope="session")
def run(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished run on `folders`; read only."""
    from headstart import fit

    return fit(folders, tmp_path_factory.mktemp("runs") / "first", helpers.options())


@pytest.fixture
def no_figures() -> Iterator[None]:
    """For tests of fits whose report nobody opens: it is one line."""
    with helpers.no_figures():
        yield


@pytest.fixture
def empty_figures() -> Iterator[None]:
    """For tests of what a report says: its figures are not drawn."""
    with helpers.empty_figures():
        yield


@pytest.fixture(scope="session")
def ph2() -> Path:
    """The table of the PH2 images: 200 dermoscopic images, columns ``image`` and ``diagnosis``."""
    root = os.environ.get("HEADSTART_TEST_DATA")
    if not root or not (Path(root) / "ph2" / "labels.csv").is_file():
        pytest.skip("HEADSTART_TEST_DATA names no folder with ph2/labels.csv")
    return Path(root) / "ph2" / "labels.csv"
