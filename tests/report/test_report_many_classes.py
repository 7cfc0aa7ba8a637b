"""Very many classes in a report: the most confused stand alone, the others as one."""

import numpy as np

from headstart.report.many_classes import MAX_CLASSES, N_SHOWN, first_classes, folded, folded_names, most_confused


def matrix_of(n_classes):
    matrix = 9.0 * np.eye(n_classes)
    matrix[7, 3], matrix[2, 7], matrix[30, 31] = 4, 2, 1
    return matrix


def test_few_classes_stay_as_they_are():
    matrix = matrix_of(MAX_CLASSES)
    shown = most_confused(matrix)
    assert shown == list(range(MAX_CLASSES)) and folded(matrix, shown) is matrix


def test_of_many_classes_the_most_confused_stand_alone_and_nothing_is_lost():
    matrix = matrix_of(100)
    shown = most_confused(matrix)
    assert len(shown) == N_SHOWN and {2, 3, 7, 30, 31} <= set(shown)
    few = folded(matrix, shown)
    assert few.shape == (N_SHOWN + 1, N_SHOWN + 1) and few.sum() == matrix.sum()
    assert few[shown.index(7), shown.index(3)] == 4 and few[-1, -1] == 9 * 80
    assert folded_names([str(code) for code in range(100)], shown)[-1] == "80 others"


def test_the_classes_of_smallest_key_are_shown_in_their_order():
    assert first_classes(50, lambda code: float(code % 2)) == list(range(0, 40, 2))
