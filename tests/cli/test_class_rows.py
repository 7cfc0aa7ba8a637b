"""The table of classes on the terminal: all of few, of very many those found least."""

from types import SimpleNamespace

from headstart.cli.output import _class_rows

NAMES = ("precision", "recall", "specificity", "f1", "roc_auc")


def results_of(recalls):
    classes = tuple(f"class {number}" for number in range(len(recalls)))
    per_class = {
        name: SimpleNamespace(support=8, metrics={key: SimpleNamespace(value=recall) for key in NAMES})
        for name, recall in zip(classes, recalls, strict=True)
    }
    return SimpleNamespace(task=SimpleNamespace(classes=classes), per_class=per_class)


def test_few_classes_are_all_shown():
    assert [row[0] for row in _class_rows(results_of([0.5, None, 0.25]))] == ["class 0", "class 1", "class 2"]


def test_of_very_many_classes_those_of_lowest_recall_are_shown_in_their_order():
    rows = _class_rows(results_of([0.1 if number % 5 == 0 else None for number in range(100)]))
    assert [row[0] for row in rows] == [f"class {number}" for number in range(0, 100, 5)]
