"""Worker processes that end too early."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headstart.errors import WorkerError
from headstart.study.execution.journal import Journal
from headstart.study.execution.workers import Workers, WorkItem, run_items


def test_a_worker_that_is_ended_from_outside_is_answered_in_words(tmp_path: Path) -> None:
    items = [WorkItem(f"item{number}", os._exit, (9,)) for number in range(2)]  # type: ignore[arg-type]  # never returns
    with (
        pytest.raises(WorkerError, match=r"ended from outside.*same command goes on"),
        Workers(2) as workers,
    ):
        run_items(items, Journal(tmp_path), workers)
    assert not list(tmp_path.iterdir())
