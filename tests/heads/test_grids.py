"""Grids of heads, and what heads cost."""

from __future__ import annotations

import pytest

from headstart.errors import InputError
from headstart.heads import HeadSpec, cost, grid, prediction_cost, searchable_kinds, total_cost
from headstart.heads.grids import MANY_CLASSES


@pytest.mark.parametrize("name", ["quick", "wide"])
def test_grids_hold_every_kind_once_and_labels_tell_them_apart(name):
    specs = grid(name)
    without_gain = {"ridge", "lda"} if name == "quick" else set()  # docs/heads.md
    assert {spec.kind for spec in specs} == set(searchable_kinds()) - without_gain - {"cumulative", "corn"}
    assert len(set(specs)) == len({spec.label for spec in specs}) == len(specs)
    assert [HeadSpec.from_json(spec.to_json()) for spec in specs] == specs


def test_the_paper_grid_is_the_product_of_its_values():
    specs = grid("paper")
    assert len(specs) == len(set(specs)) == len({spec.label for spec in specs}) == 324
    assert [HeadSpec.from_json(spec.to_json()) for spec in specs] == specs
    values = {
        name: {spec.settings[name] for spec in specs}
        for name in ("activation", "dropout", "optimizer", "batch_size", "epochs", "units")
    }
    assert values == {
        "activation": {"relu", "sigmoid", "tanh"},
        "dropout": {0.3, 0.5, 0.7},
        "optimizer": {"momentum", "rmsprop", "adam", "adamax"},
        "batch_size": {32, 128, 256},
        "epochs": {10, 20, 30},
        "units": {256},
    }


def test_the_quick_grid_of_many_classes_penalises_less_and_has_one_svm():
    few, many = grid("quick", n_classes=MANY_CLASSES - 1), grid("quick", n_classes=MANY_CLASSES)
    assert few == grid("quick")
    settings = {kind: [head.settings for head in many if head.kind == kind] for kind in ("logistic", "svm")}
    assert [one["C"] for one in settings["logistic"]] == [0.03, 0.3]
    assert [(one["C"], one["gamma"]) for one in settings["svm"]] == [(3.0, 0.5)]
    others = [head for head in few if head.kind not in settings]
    assert [head for head in many if head.kind not in settings] == others
    for name in ("wide", "paper"):
        assert grid(name, n_classes=MANY_CLASSES) == grid(name)


def test_an_unknown_grid_is_refused():
    with pytest.raises(InputError, match=r"Unknown grid of heads 'quik'. Did you mean 'quick'"):
        grid("quik")


def test_costs_grow_with_the_data_and_count_shared_work_once():
    for spec in grid():
        assert 0 < cost(spec, 500, 512, 2) < cost(spec, 2000, 512, 2) < cost(spec, 2000, 1280, 2)
    snapshots = [HeadSpec("dense", {"epochs": epochs}) for epochs in (5, 20)]
    assert total_cost(snapshots, 500, 512, 2) == cost(snapshots[1], 500, 512, 2)
    assert cost(snapshots[0], 500, 512, 2, precision="bf16") < cost(snapshots[0], 500, 512, 2)
    assert cost(HeadSpec("dense", {"layers": 3}), 500, 512, 2) > cost(snapshots[1], 500, 512, 2)
    assert total_cost(grid(), 500, 512, 2) < sum(cost(spec, 500, 512, 2) for spec in grid())


def test_predictions_of_neighbours_and_svms_are_counted_once_for_all_heads_and_those_of_others_for_each():
    found = {kind: [spec for spec in grid("wide") if spec.kind == kind] for kind in ("knn", "svm", "logistic")}
    knn, svm, logistic = (found[kind] for kind in ("knn", "svm", "logistic"))
    assert prediction_cost(knn, 500, 512, 2) == prediction_cost(knn[:1], 500, 512, 2) == 2 * 500 * 512 / 30e9
    assert prediction_cost(svm, 500, 512, 2) == prediction_cost(svm[:1], 500, 512, 2)
    one = prediction_cost(logistic[:1], 500, 512, 2)
    assert prediction_cost(logistic, 500, 512, 2) == pytest.approx(len(logistic) * one)
    both = prediction_cost([*svm, *knn], 500, 512, 2)
    assert both == pytest.approx(prediction_cost(svm, 500, 512, 2) + prediction_cost(knn, 500, 512, 2))
    assert prediction_cost(knn, 8192, 512, 2) == prediction_cost(knn, 100_000, 512, 2) == 8192 * 512 / 30e9
