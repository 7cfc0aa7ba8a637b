"""Work in processes of its own."""

from __future__ import annotations

import math
import os

import pytest

from headstart.errors import WorkerError
from headstart.runtime.processes import done_in_processes


def test_results_of_processes_come_in_the_order_of_the_items() -> None:
    assert list(done_in_processes(math.factorial, (number % 7 for number in range(40)), 2)) == [
        math.factorial(number % 7) for number in range(40)
    ]


def test_what_work_raises_is_raised() -> None:
    with pytest.raises(ValueError, match=r"domain|nonnegative"):
        list(done_in_processes(math.sqrt, [1.0, -1.0, 4.0], 2))


def test_a_process_that_is_ended_from_outside_is_answered_in_words() -> None:
    with pytest.raises(WorkerError, match="ended from outside"):
        list(done_in_processes(os._exit, [9, 9], 2))
