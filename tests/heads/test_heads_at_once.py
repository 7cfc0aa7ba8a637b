"""Dense heads trained at once: equality with torch.nn and torch.optim, snapshots, chunks, one that diverges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.utils.class_weight import compute_sample_weight

from headstart.errors import BundleError, InputError
from headstart.heads import FittedHead, HeadSpec, batch_notes, fit_heads, plan_chunks, train_chunk
from headstart.heads.batched import train
from headstart.heads.batched.device import faster_precision
from headstart.heads.batched.plan import Shape, batch_rows, lane_bytes, layer_names
from headstart.heads.spec import KINDS
from headstart.heads.training_rows import training_rows

ACTIVATIONS = KINDS["dense"].settings["activation"].choices
OPTIMIZERS = KINDS["dense"].settings["optimizer"].choices

TORCH_ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "gelu": torch.nn.GELU,
    "selu": torch.nn.SELU,
}
TORCH_OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, **rest: torch.optim.SGD(parameters, momentum=0.9, **rest),
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
}
RATES = {"sgd": 0.05, "momentum": 0.01}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows_of(n: int = 100, d: int = 21, n_classes: int = 3, *, seed: int = 0, weights=None, labels=None):
    """Training rows whose classes overlap, and as many rows to predict."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(n_classes, size=2 * n) if labels is None else labels
    centres = 0.5 * generator.standard_normal((n_classes, d))
    features = (centres[labels] + generator.standard_normal((2 * n, d))).astype(np.float32)
    rows = training_rows(features[:n], labels[:n], n_classes=n_classes, weights=weights, groups=None, seed=seed)
    return rows, features[n:], labels[n:]


def dense(**settings) -> HeadSpec:
    rate = RATES.get(settings.get("optimizer", "adam"), 1e-3)
    return HeadSpec("dense", {"units": 12, "epochs": 6, "batch_size": 10, "learning_rate": rate, **settings})


def trained(specs, rows, validation=None, **options):
    """What a single chunk comes to, in the order of the specs."""
    size = {"n_features": rows.standardised.shape[1], "n_classes": rows.n_present, "max_lanes": 1000}
    (chunk,) = plan_chunks(specs, **size)
    (result,) = train_chunk(chunk, [rows], None if validation is None else [validation], **options)
    return result


def plain_loop(rows, spec: HeadSpec) -> list[torch.nn.Linear]:
    """The same head by torch.nn.Sequential and torch.optim, with the same initial values, batches and masks."""
    first, second = np.random.SeedSequence(rows.seed).generate_state(2).tolist()
    order, dropout = torch.Generator().manual_seed(first), torch.Generator().manual_seed(second)
    widths = [rows.standardised.shape[1], *[spec.whole("units")] * spec.whole("layers"), rows.n_present]
    linears = [torch.nn.Linear(inputs, outputs) for inputs, outputs in itertools.pairwise(widths)]
    for linear in linears:
        for parameter in (linear.weight, linear.bias):
            start = (2 * torch.rand(parameter.shape, generator=order) - 1) / linear.in_features**0.5
            parameter.data.copy_(start)
    middle = TORCH_ACTIVATIONS[spec.settings["activation"]]()
    hidden = [torch.nn.Sequential(linear, middle) for linear in linears[:-1]]
    weights = rows.weights
    if spec.settings["class_weight"] == "balanced":
        weights = weights * compute_balanced(rows)
    inputs, labels = torch.tensor(rows.standardised).float(), torch.tensor(rows.labels)
    weights = torch.tensor(weights / weights.mean()).float()
    optimizer = TORCH_OPTIMIZERS[spec.settings["optimizer"]](
        torch.nn.Sequential(*linears).parameters(),
        lr=spec.number("learning_rate"),
        weight_decay=spec.number("weight_decay"),
    )
    criterion = torch.nn.CrossEntropyLoss(reduction="none", label_smoothing=spec.number("label_smoothing"))
    rate = spec.number("dropout")
    for _ in range(spec.whole("epochs")):
        size = batch_rows(spec.whole("batch_size"), len(inputs))
        for batch in torch.randperm(len(inputs), generator=order).split(size):
            values = inputs[batch]
            for layer in hidden:
                values = layer(values)
                if rate:
                    uniforms = torch.rand((values.shape[1], len(batch)), generator=dropout).T
                    values = values * (uniforms >= rate) / (1 - rate)
            optimizer.zero_grad()
            (criterion(linears[-1](values), labels[batch]) * weights[batch]).mean().backward()
            optimizer.step()
    return linears


def compute_balanced(rows):
    """scikit-learn's class weights, with rows counted by their weight."""
    counts = np.bincount(rows.labels, weights=rows.weights)
    assert not np.allclose(counts, counts[0])
    if np.allclose(rows.weights, 1):
        np.testing.assert_allclose(
            (counts.sum() / (len(counts) * counts))[rows.labels], compute_sample_weight("balanced", rows.labels)
        )
    return (counts.sum() / (len(counts) * counts))[rows.labels]


def assert_weights_equal(arrays, linears, atol=1e-4):
    for (weights, bias), linear in zip(layer_names(len(linears) - 1), linears, strict=True):
        np.testing.assert_allclose(arrays[weights], linear.weight.detach().numpy(), atol=atol, rtol=0)
        np.testing.assert_allclose(arrays[bias], linear.bias.detach().numpy(), atol=atol, rtol=0)


# Equality with the obvious way


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_and_activation_equals_torch_after_100_steps(optimizer):
    rows, _, _ = rows_of()
    specs = [
        dense(optimizer=optimizer, activation=activation, dropout=dropout, epochs=10)
        for activation, dropout in zip(ACTIVATIONS, (0.0, 0.2, 0.5, 0.3, 0.2), strict=True)
    ]
    result = trained(specs, rows)
    assert not result.failed.any()
    for spec, arrays in zip(specs, result.arrays, strict=True):
        assert_weights_equal(arrays, plain_loop(rows, spec))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weight_decay_smoothing_and_weights_equal_torch(optimizer):
    generator = np.random.default_rng(3)
    rows, _, _ = rows_of(weights=generator.uniform(0.2, 3.0, 100))
    specs = [
        dense(optimizer=optimizer, weight_decay=0.02, label_smoothing=0.1, class_weight="balanced"),
        dense(optimizer=optimizer, label_smoothing=0.3, learning_rate=2e-3),
        dense(optimizer=optimizer, class_weight="balanced", dropout=0.1),
    ]
    for spec, arrays in zip(specs, trained(specs, rows).arrays, strict=True):
        assert_weights_equal(arrays, plain_loop(rows, spec), 2e-5)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_every_depth_equals_torch(layers):
    rows, _, _ = rows_of(97)  # the last batch of an epoch is smaller
    specs = [
        dense(layers=layers, optimizer=optimizer, activation=activation, dropout=0.4, epochs=10)
        for optimizer, activation in [("adam", "gelu"), ("momentum", "tanh"), ("adam", "relu"), ("adamax", "selu")]
    ]
    for spec, arrays in zip(specs, trained(specs, rows).arrays, strict=True):
        assert_weights_equal(arrays, plain_loop(rows, spec), 2e-5)


def test_class_weights_are_those_of_scikit_learn():
    labels = np.r_[np.zeros(70), np.ones(20), np.full(10, 2), np.arange(100) % 3].astype(int)
    rows, _, _ = rows_of(labels=labels)
    spec = dense(class_weight="balanced")
    assert_weights_equal(trained([spec], rows).arrays[0], plain_loop(rows, spec), 2e-5)


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_stored_head_predicts_what_torch_predicts(activation, layers):
    rows, validation, _ = rows_of()
    spec = dense(activation=activation, layers=layers)
    network = plain_loop(rows, spec)
    head = FittedHead(spec, rows.common_arrays() | trained([spec], rows).arrays[0])
    loaded = FittedHead.from_tensors(HeadSpec.from_json(spec.to_json()), head.to_tensors())
    values = torch.tensor((validation - rows.mean) * rows.inverse_scale).float()
    for linear in network[:-1]:
        values = TORCH_ACTIVATIONS[activation]()(linear(values))
    expected = torch.softmax(network[-1](values), dim=1).detach().numpy()
    np.testing.assert_allclose(loaded.predict_proba(validation), expected, atol=2e-5)
    np.testing.assert_allclose(trained([spec], rows, validation).probabilities[0], expected, atol=2e-5)
    alone = np.concatenate([loaded.predict_proba(row[None]) for row in validation])
    assert np.array_equal(loaded.predict_proba(validation), alone)


def test_bf16_scores_as_fp32_does():
    rows, validation, labels = rows_of(400, 200, 2)
    specs = [
        dense(units=64, activation=activation, optimizer=optimizer, epochs=10)
        for activation, optimizer in zip(ACTIVATIONS, ("momentum", "rmsprop", "adam", "adamax", "nadam"), strict=True)
    ]
    full, low = (trained(specs, rows, validation, precision=name).probabilities for name in ("fp32", "bf16"))
    assert not np.array_equal(full, low)
    for one, other in zip(full, low, strict=True):
        assert np.abs(one - other).mean() < 0.01
        assert abs(log_loss(labels, one) - log_loss(labels, other)) < 0.01
        assert abs(roc_auc_score(labels, one[:, 1]) - roc_auc_score(labels, other[:, 1])) < 0.005


# Snapshots, chunks, company


def test_snapshots_equal_separate_runs():
    rows, validation, _ = rows_of()
    specs = [dense(epochs=epochs, optimizer=name) for name in ("adam", "momentum") for epochs in (1, 4, 7)]
    together = trained(specs, rows, validation).probabilities
    alone = [trained([dense(epochs=s.whole("epochs"), optimizer=s.settings["optimizer"])], rows) for s in specs]
    for probabilities, spec, other in zip(together, specs, alone, strict=True):
        head = FittedHead(spec, rows.common_arrays() | other.arrays[0])
        np.testing.assert_allclose(probabilities, head.predict_proba(validation), atol=1e-5)
    assert len({probabilities.tobytes() for probabilities in together}) == len(specs)


def mixed_specs() -> list[HeadSpec]:
    return [
        dense(activation=activation, optimizer=optimizer, dropout=dropout, epochs=epochs, batch_size=size)
        for size in (8, 12)
        for epochs in (2, 3)
        for activation in ("relu", "tanh")
        for dropout in (0.0, 0.5)
        for optimizer in ("adam", "adamax", "rmsprop")
    ]


def probabilities_in_chunks(specs, rows, validation, **options):
    found = {}
    for chunk in plan_chunks(specs, n_features=rows.standardised.shape[1], n_classes=rows.n_present, **options):
        (result,) = train_chunk(chunk, [rows], [validation])
        found |= dict(zip(chunk.indices, result.probabilities, strict=True))
    return np.stack([found[index] for index in range(len(specs))])


def test_chunks_and_tiles_do_not_matter(monkeypatch):
    rows, validation, _ = rows_of()
    specs = mixed_specs()
    whole = probabilities_in_chunks(specs, rows, validation, max_lanes=1000)
    for lanes in (1, 5):
        np.testing.assert_allclose(probabilities_in_chunks(specs, rows, validation, max_lanes=lanes), whole, atol=1e-5)
    shape = Shape.of(specs[0], 21, 3)
    monkeypatch.setattr(
        train, "CACHE_BYTES", 3 * lane_bytes(plan_chunks(specs, n_features=21, n_classes=3)[0].lanes[0], shape)
    )
    np.testing.assert_allclose(probabilities_in_chunks(specs, rows, validation, max_lanes=1000), whole, atol=1e-5)


def test_the_same_call_gives_the_same_bits_whatever_ran_before():
    rows, validation, _ = rows_of()
    specs = mixed_specs()[:12]
    first = trained(specs, rows, validation)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    trained([dense(optimizer="nadam")], rows_of(seed=9)[0])
    assert np.array_equal(trained(specs, rows, validation).probabilities, first.probabilities)
    assert torch.equal(torch.get_rng_state(), state)


def test_several_training_sets_are_as_each_alone():
    folds = [rows_of(90, seed=1), rows_of(101, seed=2)]
    specs = [dense(dropout=0.5), dense(activation="tanh")]
    (chunk,) = plan_chunks(specs, n_features=21, n_classes=3)
    together = train_chunk(chunk, [rows for rows, _, _ in folds], [features for _, features, _ in folds])
    for result, (rows, features, _) in zip(together, folds, strict=True):
        assert np.array_equal(result.probabilities, trained(specs, rows, features).probabilities)


def test_arrays_that_are_not_to_be_written_to_will_do():
    rows, validation, _ = rows_of()
    expected = trained([dense()], rows, validation).probabilities
    for array in (rows.standardised, rows.labels, rows.weights, validation):
        array.setflags(write=False)
    assert np.array_equal(trained([dense()], rows, validation).probabilities, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_cuda_device_comes_to_the_same(optimizer):
    rows, validation, _ = rows_of()
    specs = [dense(optimizer=optimizer, activation=activation) for activation in ACTIVATIONS]
    cpu, cuda = (trained(specs, rows, validation, device=device).probabilities for device in ("cpu", "cuda"))
    np.testing.assert_allclose(cpu, cuda, atol=1e-3)


def test_threads_change_rounding_alone_and_are_put_back():
    rows, validation, _ = rows_of(200, 300)
    specs = [dense(units=64, dropout=0.5), dense(units=64, activation="tanh")]
    one, two = (trained(specs, rows, validation, n_threads=n).probabilities for n in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert torch.get_num_threads() == 1


# A configuration that diverges


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_one_that_diverges_is_marked_and_leaves_its_neighbours_as_they_are(precision):
    rows, validation, _ = rows_of()
    ordinary = [dense(optimizer=name, dropout=0.5) for name in OPTIMIZERS]
    for place in (0, 3, 6):
        specs = [dense(optimizer=spec.settings["optimizer"], dropout=0.5) for spec in ordinary]
        specs[place] = dense(optimizer="momentum", activation="selu", dropout=0.5, learning_rate=1e30)
        calm = list(specs)
        calm[place] = dense(optimizer="momentum", activation="selu", dropout=0.5, learning_rate=1e-3)
        wild, quiet = (trained(given, rows, validation, precision=precision) for given in (specs, calm))
        others = np.arange(len(specs)) != place
        assert wild.failed.tolist() == (~others).tolist() and not quiet.failed.any()
        assert np.isnan(wild.probabilities[place]).all()
        np.testing.assert_array_equal(wild.probabilities[others], quiet.probabilities[others])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("wild", [{"learning_rate": 1e300}, {"weight_decay": 1e300}, {"learning_rate": 1e38}])
def test_numbers_beyond_float32_fail_alone(optimizer, wild):
    rows, validation, _ = rows_of()
    fine, bad = dense(optimizer=optimizer, epochs=2), dense(optimizer=optimizer, epochs=2, **wild)
    found = trained([fine, bad], rows, validation)
    assert found.failed.tolist() == [False, True] and np.isnan(found.probabilities[1]).all()
    np.testing.assert_allclose(found.probabilities[0], trained([fine], rows, validation).probabilities[0], atol=1e-5)


def test_snapshots_before_the_end_of_a_diverging_one_are_kept():
    rows, validation, _ = rows_of()
    growing = [dense(optimizer="sgd", weight_decay=1.0, learning_rate=5.0, epochs=n) for n in range(1, 40, 4)]
    failed = trained(growing, rows, validation).failed
    assert not failed[0] and failed[-1] and (np.diff(failed.astype(int)) >= 0).all()


def test_a_head_that_diverged_says_so_and_gives_no_probability():
    rows, validation, _ = rows_of()
    spec = dense(optimizer="momentum", learning_rate=1e30, activation="selu")
    fine, wild = fit_heads([dense(), spec], rows.features, rows.labels, n_classes=3, seed=0)
    assert not fine.failed and wild.failed
    assert np.isnan(wild.predict_proba(validation)).all() and np.isfinite(fine.predict_proba(validation)).all()
    with pytest.raises(BundleError, match="not finite"):
        FittedHead.from_tensors(spec, wild.to_tensors())


# Classes absent, tiny data


def test_absent_classes_and_single_classes():
    labels = np.r_[np.arange(100) % 2 * 2, np.zeros(100)].astype(int)
    rows, validation, _ = rows_of(labels=labels)
    result = trained([dense(), dense(activation="tanh")], rows, validation)
    assert result.probabilities.shape == (2, 100, 3) and (result.probabilities[:, :, 1] == 1e-6).all()
    np.testing.assert_allclose(result.probabilities.sum(axis=2), 1)
    rows, validation, _ = rows_of(labels=np.ones(200, dtype=int))
    single = trained([dense()], rows, validation)
    np.testing.assert_allclose(single.probabilities[0], [[1e-6, 1 - 2e-6, 1e-6]] * 100)
    assert not single.failed.any() and trained([dense()], rows).arrays == ({},)


def test_no_rows_to_predict_give_no_probabilities():
    rows, validation, _ = rows_of()
    assert trained([dense()], rows, validation[:0]).probabilities.shape == (1, 0, 3)


# Plans


def test_a_plan_covers_every_candidate_once_and_keeps_snapshots_together():
    specs = [*mixed_specs(), dense(layers=2), dense(units=13), *mixed_specs()[:3]]
    for lanes in (1, 4, 100):
        chunks = plan_chunks(specs, n_features=21, n_classes=3, max_lanes=lanes)
        assert sorted(index for chunk in chunks for index in chunk.indices) == list(range(len(specs)))
        assert all(chunk.specs == tuple(specs[index] for index in chunk.indices) for chunk in chunks)
        assert all(len(chunk.lanes) <= lanes for chunk in chunks)
        assert sum(len(chunk.lanes) for chunk in chunks) == 2 * 2 * 2 * 3 + 2
        for chunk in chunks:
            assert (
                len({tuple(spec.settings[n] for n in ("layers", "units", "batch_size")) for spec in chunk.specs}) == 1
            )
    assert plan_chunks(specs, n_features=21, n_classes=3) == plan_chunks(specs, n_features=21, n_classes=3)


def test_a_plan_keeps_to_its_budget():
    specs = [dense(units=256, learning_rate=rate, epochs=n) for rate in (1e-4, 1e-3, 1e-2) for n in (5, 10)]
    one = 256 * 1040 * 4  # the weights of one head
    assert len(plan_chunks(specs, n_features=1024, n_classes=2)) == 1
    assert len(plan_chunks(specs, n_features=1024, n_classes=2, budget=int(one * 1.1 * (3.5 + 2)))) == 3
    with pytest.raises(InputError, match=r"on 1024 features takes 6 MiB, more than the 4 MiB allowed. Use fewer units"):
        plan_chunks(specs, n_features=1024, n_classes=2, budget=4 * 2**20)


def test_batches_too_large_for_a_fold_are_reported():
    specs = [dense(batch_size=size) for size in (8, 32, 256)]
    assert batch_notes(specs, 3667) == []
    (said,) = batch_notes(specs, 300)
    assert said.startswith("Batch size 256 is too large for 300 training rows: batches of 37 rows are used")
    (said,) = batch_notes(specs, 200)
    assert said.startswith("Batch sizes 32, 256 are too large for 200 training rows: batches of 25 rows are used")
    rows, validation, _ = rows_of(60)
    probabilities = trained([dense(batch_size=10_000)], rows, validation).probabilities
    assert np.array_equal(probabilities, trained([dense(batch_size=8)], rows, validation).probabilities)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"precision": "fp16"}, "one of fp32, bf16, not 'fp16'"),
        ({"device": "tpu"}, "trained on 'cpu' or 'cuda', not on 'tpu'"),
        ({"device": "cuda:99"}, "no CUDA device 'cuda:99'"),
        ({"n_threads": 0}, "at least 1 thread, not on 0"),
        ({"validation": []}, "1 training sets need as many validation sets, not 0"),
    ],
)
def test_wrong_arguments_are_refused(change, words):
    rows, _, _ = rows_of()
    (chunk,) = plan_chunks([dense()], n_features=21, n_classes=3)
    with pytest.raises(InputError, match=words):
        train_chunk(chunk, [rows], **change)


def test_a_batch_far_larger_than_the_training_rows_takes_no_memory_that_is_not_used():
    specs = [dense(units=256, batch_size=10**6, epochs=1, learning_rate=rate) for rate in (1e-4, 1e-3)]
    with pytest.raises(InputError, match="MiB allowed"):
        plan_chunks(specs, n_features=21, n_classes=3)
    assert len(plan_chunks(specs, n_features=21, n_classes=3, n_rows=60)) == 1
    _, features, labels = rows_of(60)
    for head in fit_heads(specs, features, labels, n_classes=3, seed=0):
        assert np.isfinite(head.predict_proba(features)).all()


def test_other_kinds_are_not_planned():
    with pytest.raises(InputError, match="not svm heads"):
        plan_chunks([dense(), HeadSpec("svm")], n_features=21, n_classes=3)


def test_the_faster_precision_is_one_there_is():
    assert faster_precision() in train.PRECISIONS
