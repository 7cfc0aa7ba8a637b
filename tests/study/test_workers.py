"""Worker processes that end too early."""

from __future__ import annotations

import os
import subprocess
import sys
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


@pytest.mark.skipif(sys.platform == "win32", reason="a process keeps the number of a parent that is gone")
def test_workers_end_when_the_main_process_is_killed() -> None:
    script = """
import os, time
from headstart.study.execution.workers import WorkItem, Workers

def begin():
    os.write(1, b"begun\\n")  # in one piece, whatever the other worker writes
    time.sleep(600)

with Workers(2) as workers:
    list(workers.finished([WorkItem(str(number), begin, ()) for number in range(2)]))
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as main:
        assert main.stdout is not None
        try:
            assert [main.stdout.readline() for _ in range(2)] == ["begun\n"] * 2
        finally:
            main.kill()
        assert main.communicate(timeout=120)[0] == ""  # which ends when no worker holds the other end any more
