"""What may happen to a fit from outside: odd folders, full disks. ``benchmarks/kills.py`` does it by the hundred."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import helpers
import pytest

from headstart import fit
from headstart.errors import InputError, StorageError
from headstart.results.candidates_table import read_candidates
from headstart.study.execution.run_request import RunRequest
from headstart.workflow.options.data import DataSource
from headstart.workflow.run import Run

COMPARED = ("results.json", "predictions.csv", "split.json", "model/model.json", "model/head.safetensors")
no_utf8_names = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no UTF-8")


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Writing fails beyond this size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("no_figures")
def test_a_fit_without_room_goes_on_to_the_same_bytes_when_there_is_some(
    run: Run, folders: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with files_of_at_most(5_000), pytest.raises(StorageError, match=r"too large|full|cannot be written"):
        fit(folders, folder, helpers.options())
    assert not (folder / "results.json").exists()
    assert not list(folder.rglob(".*.tmp"))
    fit(folders, folder, helpers.options())
    for name in COMPARED:
        assert (folder / name).read_bytes() == (run.folder / name).read_bytes(), name


@no_utf8_names
def test_data_in_a_folder_that_is_no_utf8_are_refused_before_anything_is_written(folders: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"no \xff")
    shutil.copytree(folders, odd)
    with pytest.raises(InputError, match=r"no UTF-8.*Rename the file or folder"):
        fit(odd, tmp_path / "run", helpers.options())
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="no UTF-8"):
        DataSource("data.csv", root=str(odd))


@no_utf8_names
def test_a_run_may_lie_in_a_folder_that_is_no_utf8(run: Run, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"no \xff")
    odd.mkdir()
    shutil.copy(run.folder / "candidates.parquet", odd)
    assert read_candidates(odd / "candidates.parquet") is not None
    words = RunRequest(("headstart", "fit", "data", "-o", str(odd))).to_json()["command_line"]
    assert words[-1].endswith(r"no \udcff")
    assert "".join(words).encode()
