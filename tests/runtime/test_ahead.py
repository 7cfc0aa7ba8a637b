"""Results of work done ahead come in order, few at a time."""

from __future__ import annotations

import threading

import pytest

from headstart.runtime.ahead import done_ahead


@pytest.mark.parametrize("n_threads", [1, 3])
def test_results_and_errors_come_in_the_order_of_the_items(n_threads):
    outcomes = list(done_ahead(lambda number: 6 // number, [3, 0, 2], n_threads))
    assert [item for item, _ in outcomes] == [3, 0, 2]
    assert [outcomes[place][1].result() for place in (0, 2)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        outcomes[1][1].result()


def test_only_a_few_items_are_taken_ahead():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    outcomes = done_ahead(abs, items(), 2)
    next(outcomes)
    assert len(taken) == 3
    outcomes.close()
    assert len(taken) == 3


def test_work_is_done_in_other_threads_only_where_there_are_several():
    def here(_):
        return threading.current_thread() is threading.main_thread()

    assert all(outcome.result() for _, outcome in done_ahead(here, range(2), 1))
    assert not any(outcome.result() for _, outcome in done_ahead(here, range(2), 2))
