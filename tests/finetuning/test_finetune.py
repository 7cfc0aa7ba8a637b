"""Fine-tuning: equality with a plain loop, resuming, divergence, depth, views, and its place in a fit."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import torch
from torch import nn

import headstart
from headstart.augment import IDENTITY, views
from headstart.backbones.backbone import Backbone, load_backbone
from headstart.cli.output import print_run
from headstart.data import ImageDataset
from headstart.errors import InputError, LeakError, StorageError
from headstart.features.extractor import Extractor
from headstart.features.stage_maps import extract_maps
from headstart.finetuning import (
    FROM_SCRATCH,
    FineTuned,
    FineTuneSpec,
    PreparedPixels,
    RecomputedMaps,
    TrainingContext,
    TrainingTask,
    UnlockedNetwork,
    fine_tune,
    frozen_stage,
    open_maps,
    predict_images,
    probabilities_of,
    tuned_backbone,
)
from headstart.finetuning import inputs as maps_module
from headstart.finetuning import train as train_module
from headstart.finetuning.averaging import Average
from headstart.finetuning.batch_norm_folding import fold_for_training
from headstart.finetuning.mixup import mixed
from headstart.finetuning.predict import ready_network
from headstart.finetuning.result import History
from headstart.finetuning.schedule import epoch_batches, epoch_views, rate_factor
from headstart.heads import FittedHead, HeadSpec, fit_heads
from headstart.results.writers.finetuning import signs_of
from headstart.study.data import StudyData
from headstart.study.execution.journal import Journal
from headstart.study.finetuning import competition as study_tuning
from headstart.study.finetuning import fits as finetuning_fits
from headstart.study.finetuning.budget import within_budget
from headstart.study.folds import OuterFold
from headstart.study.plan import StudyPlan
from headstart.study.search.candidate import Candidate, FeatureSourceSpec
from headstart.workflow.fit import estimate_fit
from headstart.workflow.options.finetuning import parse_settings

N = 40
QUICK = FineTuneSpec(unlock=1, epochs=3, batch_size=8, learning_rate=1e-3, precision="fp32")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(helpers.BACKBONE, weights="random")


@pytest.fixture(scope="module")
def pictures() -> ImageDataset:
    return ImageDataset.from_arrays(helpers.noise(N), labels=helpers.labels_of(N))


@pytest.fixture(scope="module")
def labels(pictures: ImageDataset) -> np.ndarray:
    return np.asarray(pictures.labels)


class Given:
    """Maps in memory."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.n_views = values, values.shape[1]

    def take(self, rows: Any, views: Any) -> np.ndarray:
        return self.values[np.asarray(rows), np.broadcast_to(views, np.shape(rows))]


@pytest.fixture(scope="module")
def given(backbone: Backbone, pictures: ImageDataset) -> Given:
    """Maps of the stage before the last, two views each."""
    plain = helpers.extractor()
    extractor = Extractor(
        backbone, plain.preparation, plain.engine, stage=frozen_stage(1, backbone.staged.names, backbone="x")
    )
    return Given(extract_maps(pictures, extractor, views=views("flips", 2))[np.arange(N)])


@pytest.fixture(scope="module")
def start(backbone: Backbone, given: Given, labels: np.ndarray) -> FittedHead:
    return head_on(backbone, given, labels, np.arange(30))


def head_on(backbone: Backbone, given: Given, labels: np.ndarray, rows: np.ndarray) -> FittedHead:
    stage = frozen_stage(1, backbone.staged.names, backbone="x")
    with torch.inference_mode():
        maps = torch.from_numpy(given.values[:, 0]).float()
        features = backbone.staged.pool(backbone.staged.stages[-1].module(maps)).numpy()
    assert stage is not None
    (head,) = fit_heads([HeadSpec("logistic")], features[rows], labels[rows], n_classes=2, seed=0)
    return head


def task(given: Given, labels: np.ndarray, *, valid: int = 10, weights: np.ndarray | None = None) -> TrainingTask:
    return TrainingTask(given, np.eye(2)[labels], weights, np.arange(N - valid), np.arange(N - valid, N))


def setting(backbone: Backbone, start: FittedHead, **changes: Any) -> TrainingContext:
    stage = frozen_stage(1, backbone.staged.names, backbone="x")
    return TrainingContext(**({"backbone": backbone, "stage": stage, "head": start, "seed": 3} | changes))


class Store(Journal):
    """The journal of runs, on disk, which can die after some writes."""

    def __init__(self, folder: Path, dies_after: int = 10**9) -> None:
        super().__init__(folder)
        self.left = dies_after

    def put(self, key: str, tensors: Any) -> None:
        super().put(key, tensors)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def same(one: FineTuned, other: FineTuned) -> bool:
    arrays = one.arrays.keys() == other.arrays.keys() and all(
        np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays
    )
    return arrays and one.history.to_json() == other.history.to_json()


# The training itself


def test_equals_a_plain_loop(backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead) -> None:
    spec = FineTuneSpec(
        unlock=1,
        epochs=2,
        batch_size=8,
        learning_rate=1e-3,
        average="none",
        label_smoothing=0.1,
        clip_norm=0.5,
        weight_decay=0.05,
        head_factor=2.0,
        precision="fp32",
    )
    found = fine_tune(task(given, labels, valid=0), spec, setting(backbone, start))

    stage = copy.deepcopy(backbone.staged.stages[-1].module).eval().requires_grad_(True)
    head = {name: torch.tensor(start.arrays[name], dtype=torch.float32) for name in start.arrays if name != "present"}
    weight, bias = nn.Parameter(head["coefficients"]), nn.Parameter(head["intercepts"])
    decayed = [p for p in stage.parameters() if p.ndim > 1]
    others = [p for p in stage.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": 0.05, "factor": 1.0},
            {"params": others, "weight_decay": 0.0, "factor": 1.0},
            {"params": [weight], "weight_decay": 0.05, "factor": 2.0},
            {"params": [bias], "weight_decay": 0.0, "factor": 2.0},
        ]
    )
    n_each, step, losses = 5, 0, []
    for epoch in range(2):
        generator = np.random.default_rng([3, 1, epoch])
        generator.integers(2**62)
        seen = epoch_views(N, 2, epoch, 3)
        for batch in epoch_batches(N, 8, generator):
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * rate_factor(step, n_steps=2 * n_each, n_warmup=n_each) * group["factor"]
            features = backbone.staged.pool(stage(torch.from_numpy(given.take(batch, seen[batch])).float()))
            logits = ((features - head["mean"]) * head["inverse_scale"]) @ weight.t() + bias
            loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels[batch]), label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_([*stage.parameters(), weight, bias], 0.5)
            optimizer.step()
            losses.append(float(loss.detach()))
            step += 1
    np.testing.assert_allclose(found.history.train_loss[1:], [np.mean(losses[:5]), np.mean(losses[5:])], rtol=2e-4)
    for name, tensor in stage.state_dict().items():
        own = found.arrays.get(f"stages.{backbone.stage}.{name}")
        if own is not None:
            np.testing.assert_allclose(own, tensor.numpy(), atol=2e-4)
    np.testing.assert_allclose(found.head.arrays["coefficients"], weight.detach().numpy(), atol=2e-4)


def test_folding_changes_neither_outputs_nor_gradients(backbone: Backbone, given: Given, start: FittedHead) -> None:
    stage = frozen_stage(1, backbone.staged.names, backbone="x")
    maps = torch.from_numpy(given.values[:6, 0]).float()
    found = []
    for folds in (False, True):
        network = UnlockedNetwork(backbone, stage, start, adapt_norms=False, device=torch.device("cpu"))
        for _, name, parameter in network.groups():
            if name.endswith("bn1.weight"):
                parameter.data.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(0))
        if folds:
            assert network.fold(maps)
        output = network.train()(maps)
        output.square().sum().backward()
        found.append((output.detach(), {name: parameter.grad for _, name, parameter in network.groups()}))
    (plain, gradients), (folded, folded_gradients) = found
    torch.testing.assert_close(folded, plain, rtol=1e-4, atol=1e-4)
    for name, gradient in gradients.items():
        assert gradient is not None
        torch.testing.assert_close(folded_gradients[name], gradient, rtol=2e-3, atol=2e-3 * float(gradient.abs().max()))


def test_leaves_the_backbone_as_it_was(backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.state().items()}
    fine_tune(task(given, labels), QUICK, setting(backbone, start))
    assert all(torch.equal(before[name], tensor) for name, tensor in backbone.state().items())
    assert not any(parameter.requires_grad for parameter in backbone.module.parameters())


@pytest.mark.parametrize("average", ["none", "ema", "swa"])
@pytest.mark.parametrize("norms", ["keep", "adapt"])
def test_resumes_to_the_last_bit(
    backbone: Backbone,
    given: Given,
    labels: np.ndarray,
    start: FittedHead,
    average: str,
    norms: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(train_module, "_CHECKPOINT_S", -1.0)
    spec = FineTuneSpec(
        unlock=1,
        epochs=4,
        batch_size=8,
        learning_rate=1e-3,
        average=average,
        norms=norms,
        mix="mixup",
        precision="fp32",
    )
    whole = fine_tune(task(given, labels), spec, setting(backbone, start))
    with pytest.raises(KeyboardInterrupt):
        fine_tune(task(given, labels), spec, setting(backbone, start, store=Store(tmp_path, dies_after=2)))
    passed: list[int] = []
    again = Store(tmp_path)
    resumed = fine_tune(task(given, labels), spec, setting(backbone, start, store=again, on_step=passed.append))
    assert passed[0] == 2 * 30  # the epochs that were done already
    assert same(whole, resumed)
    assert same(whole, fine_tune(task(given, labels), spec, setting(backbone, start)))
    assert not same(whole, fine_tune(task(given, labels), spec, setting(backbone, start, seed=4)))


def test_keeps_the_epoch_that_was_best_on_the_validation_rows(
    backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead
) -> None:
    wild = FineTuneSpec(unlock=1, epochs=5, batch_size=8, learning_rate=0.02, average="none", precision="fp32")
    found = fine_tune(task(given, labels), wild, setting(backbone, start))
    history = found.history
    assert history.valid_loss.argmin() == found.best_epoch < history.n_epochs
    stopped = fine_tune(
        task(given, labels, valid=10), wild, setting(backbone, start, stop_after=max(found.best_epoch, 1))
    )
    if found.best_epoch:
        assert all(np.array_equal(found.arrays[name], stopped.arrays[name]) for name in found.arrays)
    network = UnlockedNetwork(
        backbone, setting(backbone, start).stage, found.head, adapt_norms=False, device=torch.device("cpu")
    )
    network.load(found.arrays)
    said = probabilities_of(network, found.head, given, np.arange(30, 40), device=torch.device("cpu"), n_views=1)
    loss = -np.log(said[np.arange(10), labels[30:]]).mean()
    assert loss == pytest.approx(history.valid_loss.min(), abs=1e-5)


@pytest.mark.parametrize("norms", ["keep", "adapt"])
def test_a_fold_is_judged_by_the_network_that_the_validation_saw(
    backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead, norms: str
) -> None:
    spec = dataclasses.replace(QUICK, norms=norms, average="none")
    found = fine_tune(task(given, labels), spec, setting(backbone, start))
    one_view = Given(given.values[:, :1])
    context = setting(backbone, start)
    said = predict_images(found, backbone, context.stage, one_view, np.arange(30, 40), device=context.device)
    loss = -np.log(said[np.arange(10), labels[30:]]).mean()
    assert loss == pytest.approx(found.history.valid_loss.min(), abs=1e-5)


def test_patience_ends_a_training(backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead) -> None:
    spec = FineTuneSpec(
        unlock=1, epochs=30, batch_size=8, learning_rate=0.02, average="none", patience=2, precision="fp32"
    )
    history = fine_tune(task(given, labels), spec, setting(backbone, start)).history
    assert history.n_epochs == history.best_epoch + 2 < 30


def test_a_loss_that_diverges_is_tried_once_more_at_a_tenth(
    backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead
) -> None:
    hot = FineTuneSpec(
        unlock=1,
        epochs=3,
        batch_size=8,
        learning_rate=10.0,
        average="none",
        clip_norm=0.0,
        warmup_epochs=0.0,
        precision="fp32",
    )
    found = fine_tune(task(given, labels), hot, setting(backbone, start))
    assert found.failed or found.learning_rate == 1.0
    broken = Given(given.values.copy())
    broken.values[0] = np.nan
    lost = fine_tune(task(broken, labels), QUICK, setting(backbone, start))
    assert lost.failed and lost.learning_rate == pytest.approx(1e-4) and lost.arrays == {}
    assert lost.head is start
    assert signs_of(lost, 1e-3) == ["the loss diverged, also at a tenth of the learning rate; it was left out"]
    again = FineTuned.from_arrays(lost.to_arrays(), start)
    assert again.failed and again.head is start


def test_rows_of_weight_0_teach_nothing(
    backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead
) -> None:
    weights = np.ones(N)
    weights[:10] = 0
    changed = Given(given.values.copy())
    changed.values[:10] = 3.0
    found = [
        fine_tune(task(maps, labels, weights=weights), QUICK, setting(backbone, start)) for maps in (given, changed)
    ]
    assert same(*found)


def test_mixed_images_bring_their_own_weights(
    backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cross-entropy is linear in its targets, so targets that are weighted before they are mixed weigh every share."""
    weights = np.linspace(0.5, 4.0, N)
    seen = []

    def spy(maps: Any, targets: Any, spec: Any, generator: Any) -> Any:
        seen.append(targets.sum(dim=1).numpy())
        return mixed(maps, targets, spec, generator)

    monkeypatch.setattr(train_module, "mixed", spy)
    spec = dataclasses.replace(QUICK, epochs=1, mix="mixup")
    fine_tune(task(given, labels, weights=weights), spec, setting(backbone, start))
    expected = weights[:30] / weights[:30].mean()
    np.testing.assert_allclose(np.sort(np.concatenate(seen)), np.sort(expected), rtol=1e-5)


def test_soft_labels_are_started_from_as_shares(backbone: Backbone) -> None:
    """Where every image is most likely of one class, the head still knows both."""
    soft = np.tile([[0.9, 0.1], [0.6, 0.4]], (8, 1))
    features = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    data = StudyData((features,), np.zeros(16, dtype=np.int64), 2, soft=soft)
    source = FeatureSourceSpec(backbone="x")
    plan = StudyPlan((Candidate(source, HeadSpec("logistic")),), (source,))
    fine_tuning = finetuning_fits.FineTuningStudy((QUICK,), (backbone,), lambda fold, source, stage: None)  # type: ignore[arg-type, return-value]
    rows = np.arange(16)
    fold = OuterFold(0, 0, rows, rows[:0], ())
    head = finetuning_fits.FineTuningFits(data, plan, fine_tuning, Journal(None)).start_head(fold, rows, 0)
    assert head.arrays["present"].all()
    assert head.predict_proba(features)[:, 1].mean() == pytest.approx(0.25, abs=0.01)


def test_a_layer_reached_by_two_ways_is_not_folded() -> None:
    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
            self.other_way = [self.conv, self.bn]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.other_way:
                x = layer(x)
            return x

    body = Body().eval()
    maps = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = body(maps)
    assert not fold_for_training(body, maps)
    assert torch.equal(body(maps), expected)


def test_validation_rows_change_no_weight(
    backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead
) -> None:
    """A poisoned holdout may change which epoch is kept, never what an epoch is."""
    poisoned = Given(given.values.copy())
    poisoned.values[30:] = -1.0
    plain, other = (
        fine_tune(task(maps, labels), QUICK, setting(backbone, start, stop_after=2)) for maps in (given, poisoned)
    )
    assert np.array_equal(plain.history.train_loss, other.history.train_loss)
    assert not np.array_equal(plain.history.valid_loss, other.history.valid_loss)


def test_single_images_give_batch_norm_no_statistics(
    backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead
) -> None:
    with pytest.raises(InputError, match=r"statistics of a single image.*batch_size of 2"):
        FineTuneSpec(unlock=1, epochs=1, batch_size=1, norms="adapt")
    one = TrainingTask(given, np.eye(2)[labels], None, np.zeros(1, dtype=np.int64), np.arange(3))
    with pytest.raises(InputError, match=r"statistics of a single image: 1 training images.*norms = 'keep'"):
        fine_tune(one, FineTuneSpec(unlock=1, epochs=1, norms="adapt"), setting(backbone, start))
    kept = FineTuneSpec(unlock=1, epochs=1, batch_size=1, precision="fp32")
    assert not fine_tune(task(given, labels), kept, setting(backbone, start)).failed
    none = TrainingTask(given, np.eye(2)[labels], None, np.zeros(0, dtype=np.int64), np.arange(3))
    with pytest.raises(InputError, match="at least one training image"):
        fine_tune(none, QUICK, setting(backbone, start))


def test_starts_from_logistic_heads_alone(backbone: Backbone, start: FittedHead) -> None:
    other = FittedHead(HeadSpec("ridge"), start.arrays)
    with pytest.raises(InputError, match="starts from a logistic head"):
        UnlockedNetwork(backbone, None, other, adapt_norms=False, device=torch.device("cpu"))


# Parts


def test_odd_numbers_of_images_in_batches_of_two_give_batch_norm_its_statistics(
    backbone: Backbone, given: Given, labels: np.ndarray, start: FittedHead
) -> None:
    odd = TrainingTask(given, np.eye(2)[labels], None, np.arange(5), np.arange(5, 8))
    adapting = FineTuneSpec(unlock=1, epochs=1, batch_size=2, norms="adapt", precision="fp32")
    assert not fine_tune(odd, adapting, setting(backbone, start)).failed
    for n_rows in range(2, 40):
        for size in (2, 3, 8):
            batches = epoch_batches(n_rows, size, np.random.default_rng(0), least=2)
            assert min(map(len, batches)) >= 2
            usual = epoch_batches(n_rows, size, np.random.default_rng(0))
            assert len(batches) == len(usual) or min(map(len, usual)) == 1


def test_batches_never_leave_one_image_over() -> None:
    sizes = [len(batch) for batch in epoch_batches(33, 32, np.random.default_rng(0))]
    assert sizes == [17, 16]
    whole = np.concatenate(epoch_batches(33, 8, np.random.default_rng(0)))
    assert sorted(whole.tolist()) == list(range(33))


def test_every_view_is_seen_in_turn() -> None:
    seen = np.stack([epoch_views(20, 4, epoch, seed=1) for epoch in range(4)])
    assert (np.sort(seen, axis=0) == np.arange(4)[:, None]).all()
    assert len(set(seen[0].tolist())) == 4


def test_the_rate_rises_and_falls_to_nothing() -> None:
    rates = [rate_factor(step, n_steps=20, n_warmup=5) for step in range(21)]
    assert rates[4] == 1.0 and rates[20] == pytest.approx(0.0) and max(rates) == 1.0


def test_averages() -> None:
    live = {"a": torch.zeros(1)}
    ema = Average(live, FineTuneSpec(average="ema", ema_epochs=1.0), steps_per_epoch=4)
    swa = Average(live, FineTuneSpec(average="swa", epochs=4), steps_per_epoch=1)
    for step, value in enumerate((1.0, 2.0, 3.0, 4.0)):
        live["a"].fill_(value)
        ema.after_step(step)
        swa.after_epoch(step)
    # shares 1/2, 1/3, 1/4, 1/4 from a start of 0: the plain mean until the time constant is reached
    expected = 0.0
    for share, value in zip((1 / 2, 1 / 3, 1 / 4, 1 / 4), (1, 2, 3, 4), strict=True):
        expected += share * (value - expected)
    assert float(ema.kept[0]) == pytest.approx(expected)
    assert float(swa.kept[0]) == 4.0  # one of four epochs, the last
    with ema.in_place():
        assert float(live["a"]) == pytest.approx(expected)
    assert float(live["a"]) == 4.0


def test_mixing_keeps_shares() -> None:
    maps = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 2, 6, 6).clone()
    targets = torch.eye(4)
    for kind in ("mixup", "cutmix"):
        spec = FineTuneSpec(mix=kind, mix_alpha=1.0)
        pasted, shares = mixed(maps, targets, spec, np.random.default_rng(1))
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(4))
        # the mean of a map is the mean of the numbers mixed, weighted by the shares
        torch.testing.assert_close(pasted.mean(dim=(1, 2, 3)), shares @ torch.arange(4.0))
        assert not torch.equal(pasted, maps)
    with pytest.raises(InputError, match="height and width"):
        mixed(torch.zeros(2, 5, 3), torch.eye(2), FineTuneSpec(mix="cutmix"), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unlock": 0}, "1 or more"),
        ({"unlock": "some"}, "'all'"),
        ({"epochs": 0}, "1 to 10000"),
        ({"epochs": 2.5}, "whole number"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"mix": "mixupp"}, "mixup"),
        ({"norms": "learn"}, "keep"),
    ],
)
def test_a_spec_refuses(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        FineTuneSpec(**changes)


def test_more_stages_than_there_are() -> None:
    with pytest.raises(InputError, match=r"unlock is 4, but tiny has 3 stages.*Unlock 1 to 3"):
        frozen_stage(4, ("stem", "block1", "block2"), backbone="tiny")
    assert frozen_stage("all", ("stem", "block1"), backbone="tiny") is None
    assert frozen_stage(2, ("stem", "block1"), backbone="tiny") is None


def test_settings_in_words() -> None:
    assert parse_settings("epochs=3, mix=mixup") == {"epochs": 3, "mix": "mixup"}
    for text, words in (
        ("epochs", "name=value"),
        ("epoch=3", "epochs"),
        ("unlock=2", "--unlock"),
        ("epochs=x", "epochs"),
        ("epochs=2, epochs=3", "gives epochs twice. Give it once"),
    ):
        with pytest.raises(InputError, match=words):
            parse_settings(text)


def test_a_budget_trims_the_longest_first() -> None:
    specs = (FineTuneSpec(unlock=1, epochs=12), FineTuneSpec(unlock=3, epochs=12))

    def seconds(some: Any) -> float:
        return sum(60.0 * spec.epochs / 12 * int(spec.unlock) for spec in some)

    assert within_budget(specs, seconds, None)[0] == specs
    kept, notes = within_budget(specs, seconds, 1.0)
    assert kept == specs[:1] and any("left out is fine-tuning of the last 3 stages" in note for note in notes)
    kept, _ = within_budget(
        (specs[0], FROM_SCRATCH), lambda some: 30.0 * sum(1 if spec.start == "random" else 2 for spec in some), 1.1
    )
    assert [spec.start for spec in kept] == ["pretrained"]  # though it takes longer than training from scratch
    kept, notes = within_budget(specs, seconds, 0.5)
    assert [spec.epochs for spec in kept] == [5] and any("5 epochs instead of 12" in note for note in notes)
    kept, notes = within_budget(specs, seconds, 0.01)
    assert kept == () and "nothing is fine-tuned" in notes[-1]


# Where the input comes from


def test_maps_computed_anew_are_those_on_disk(backbone: Backbone, pictures: ImageDataset) -> None:
    plain = helpers.extractor()
    stage = backbone.staged.names[-2]
    extractor = Extractor(backbone, plain.preparation, plain.engine, stage=stage)
    seen = views("flips", 2)
    kept, anew = extract_maps(pictures, extractor, views=seen), RecomputedMaps(pictures, extractor, seen)
    rows, chosen = np.array([3, 0, 7]), np.array([1, 0, 1])
    assert np.array_equal(kept.take(rows, chosen), anew.take(rows, chosen))


def test_maps_that_do_not_fit_are_computed_at_every_step(
    backbone: Backbone, pictures: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise StorageError("The stage maps need 9 GB more in /cache, where 1 GB are free.")

    plain = helpers.extractor()
    extractor = Extractor(backbone, plain.preparation, plain.engine, stage=backbone.staged.names[-2])
    monkeypatch.setattr(maps_module, "extract_maps", full)
    told = helpers.Notes()
    found = open_maps(pictures, extractor, (IDENTITY,), progress=told)
    assert isinstance(found, RecomputedMaps)
    assert "computed anew at every step" in told.texts[0] and "9 GB" in told.texts[0]


def test_unlocking_everything_reads_pixels(backbone: Backbone, pictures: ImageDataset, labels: np.ndarray) -> None:
    plain = helpers.extractor()
    maps = open_maps(pictures, plain, views("flips", 2))
    assert isinstance(maps, PreparedPixels) and maps.n_views == 2
    assert maps.take([0, 1], 0).shape == (2, 3, helpers.SIDE, helpers.SIDE)
    with torch.inference_mode():
        features = backbone.module(torch.from_numpy(maps.take(np.arange(N), 0))).numpy()
    (head,) = fit_heads([HeadSpec("logistic")], features, labels, n_classes=2, seed=0)
    spec = FineTuneSpec(unlock="all", epochs=1, batch_size=8, learning_rate=1e-3, precision="fp32")
    found = fine_tune(
        TrainingTask(maps, np.eye(2)[labels], None, np.arange(30), np.arange(0)),
        spec,
        TrainingContext(backbone, None, head),
    )
    assert any(name.startswith(f"stages.{backbone.staged.names[0]}") for name in found.arrays)
    assert tuned_backbone(backbone, None, found.arrays).tensors_sha256 != backbone.tensors_sha256


# In a study and from the command line


def test_test_rows_cannot_be_trained_on() -> None:
    with pytest.raises(LeakError, match="Row 3 and 0 others"):
        finetuning_fits.check_not_trained_on(np.array([1, 2, 3]), np.array([3, 4]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return helpers.write_folders(tmp_path_factory.mktemp("fine") / "data", 30)


TUNED = {"strategy": "fine-tune", "unlock": 1, "fine_tuning": "epochs=2,batch_size=8", "split": "nested:2x2"}


def prefer_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every holdout prefer the fine-tuned network."""
    real = study_tuning._Competition._scores

    def scores(self: Any, *given: Any) -> Any:
        found = real(self, *given)
        found[1] = found.min() - 1.0
        return found

    monkeypatch.setattr(study_tuning._Competition, "_scores", scores)
    monkeypatch.setattr(study_tuning, "_eligible", lambda scores, tried: scores)  # noise may be best untrained


def test_what_is_best_untrained_is_not_chosen(start: FittedHead) -> None:
    def tried(*losses: float) -> FineTuned:
        return FineTuned({}, start, History(np.zeros(len(losses)), np.array(losses), np.zeros(len(losses))), 1e-3)

    found = study_tuning._eligible(np.array([0.7, 0.5, 0.6]), [tried(0.5, 0.9), tried(0.9, 0.6)])
    assert np.isnan(found[1]) and found[0] == 0.7 and found[2] == 0.6


def test_a_fit_judges_bundles_and_reports_what_it_tuned(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prefer_tuned(monkeypatch)
    run = headstart.fit(folder, tmp_path / "run", helpers.cheap_options(**TUNED, augment="flips", views=2))
    found = run.results.fine_tuning
    assert found.times_chosen == 2 and found.n_views == 2
    assert found.candidates[0].unlock == 1 and found.candidates[0].precision in ("fp32", "bf16")
    assert all(len(fold.tried[0].history.valid_loss) == 3 for fold in found.folds)
    assert set(found.against_frozen.metrics) >= {"balanced_accuracy", "log_loss"}
    assert run.results.final_model.label.startswith("fine-tuning of the last stage")
    model = run.model()
    assert model.unlocked is not None and model.unlocked.stage == "layer3" and len(model.views) == 2
    original = load_backbone(helpers.BACKBONE, weights="random")
    changed = [
        name for name, tensor in model.backbone.state().items() if not torch.equal(tensor, original.state()[name])
    ]
    if model.unlocked.epochs:
        assert changed
    assert all("layer4" in name for name in changed)
    names = sorted(str(path) for path in folder.rglob("*.png"))
    said = model.predict_proba(names)
    assert np.allclose(said.sum(axis=1), 1)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    (unread,) = model.predict_each(ImageDataset.from_files([str(broken)]))
    assert unread.error and unread.predicted is None
    page = run.report.read_text(encoding="utf-8")
    print_run(run)
    assert "Fine-tuning was chosen in 2 of 2 outer folds; balanced accuracy against frozen" in capsys.readouterr().out
    assert "Fine-tuning was chosen in 2 of 2 folds" in page and (run.folder / "figures" / "fine_tuning.png").is_file()


@pytest.mark.usefixtures("no_figures")
def test_the_leakage_tax_compares_frozen_with_frozen(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefer_tuned(monkeypatch)
    grouped = headstart.read_dataset(folder)
    grouped = grouped.with_groups(np.arange(len(grouped)) // 2)
    run = headstart.fit(grouped, tmp_path / "run", helpers.cheap_options(**TUNED, leakage_tax=True))
    gain = run.results.fine_tuning.against_frozen.metrics["log_loss"]
    kept = run.results.optimism_from_ignored_groups["log_loss"].groups_kept
    assert kept == pytest.approx(gain.b) and gain.a != pytest.approx(gain.b)


@pytest.mark.usefixtures("no_figures")
def test_the_bundle_predicts_as_the_study_did(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefer_tuned(monkeypatch)
    kept: list[Any] = []
    real = finetuning_fits.predict_images

    def spy(found: Any, backbone: Any, stage: Any, maps: Any, rows: Any, *, device: str) -> Any:
        if len(rows) == 0:
            kept.append((found, backbone, stage, maps))
        return real(found, backbone, stage, maps, rows, device=device)

    monkeypatch.setattr(finetuning_fits, "predict_images", spy)
    options = helpers.cheap_options(**TUNED, calibrate="none", baselines=False)
    run = headstart.fit(folder, tmp_path / "run", options)
    found, backbone, stage, maps = kept[-1]
    dataset = headstart.read_dataset(folder)
    network = ready_network(backbone, stage, found.head, device="cpu")
    network.load(found.arrays)
    expected = probabilities_of(network, found.head, maps, np.arange(len(dataset)), device=torch.device("cpu"))
    np.testing.assert_allclose(run.model().predict_proba(dataset), expected, atol=1e-6)


@pytest.mark.usefixtures("no_figures")
def test_a_killed_fit_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = helpers.cheap_options(**TUNED, baselines=False)
    whole = headstart.fit(folder, tmp_path / "whole", options)
    real, calls = finetuning_fits.fine_tune, [0]

    def dying(*given: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(finetuning_fits, "fine_tune", dying)
    with pytest.raises(KeyboardInterrupt):
        headstart.fit(folder, tmp_path / "killed", options)
    resumed = headstart.fit(folder, tmp_path / "killed", options)
    for name in ("results.json", "predictions.csv"):
        assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes()


@pytest.mark.usefixtures("no_figures")
def test_from_scratch_is_a_candidate_and_a_baseline(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.workflow.options import finetuning as requesting

    short = dataclasses.replace(FROM_SCRATCH, epochs=2, batch_size=8, warmup_epochs=0.0)
    monkeypatch.setattr(requesting, "FROM_SCRATCH", short)
    prefer_tuned(monkeypatch)
    options = helpers.options(strategy="scratch", split="nested:2x2", baselines=True)
    run = headstart.fit(folder, tmp_path / "run", options)
    assert run.results.final_model.label.startswith("training from scratch, 2 epochs")
    baselines = {baseline.name: baseline for baseline in run.results.transfer.baselines}
    assert "from_scratch" in baselines
    assert all(fold.inner_score is not None for fold in baselines["from_scratch"].folds)
    assert run.results.transfer.verdict is None
    model = run.model()
    assert model.unlocked is not None and model.unlocked.stage is None
    assert model.predict_proba(headstart.read_dataset(folder)).shape == (30, 2)


def test_a_budget_with_room_adds_training_from_scratch() -> None:
    from headstart.workflow.options.finetuning import requested_specs

    with_room = helpers.options(strategy="fine-tune", unlock=1, budget=10.0, baselines=True)
    assert [spec.start for spec in requested_specs(with_room)] == ["pretrained", "random"]
    assert [spec.start for spec in requested_specs(helpers.options(strategy="fine-tune", unlock=1))] == ["pretrained"]
    assert [spec.start for spec in requested_specs(helpers.options(strategy="fine-tune,scratch", unlock=1))] == [
        "pretrained",
        "random",
    ]


def test_a_fit_refuses_before_it_writes(folder: Path, tmp_path: Path) -> None:
    for changes, words in (
        ({"strategy": "fine-tune", "unlock": 9}, "unlock is 9, but .* has 5 stages"),
        ({"strategy": "fine-tune", "unlock": "1,1"}, "twice"),
        ({"strategy": "fine-tuning"}, "fine-tune"),
        ({"unlock": 2}, "Add --strategy fine-tune"),
        ({"budget": 3.0}, "Add --strategy fine-tune"),
        ({"strategy": "fine-tune", "fine_tuning": "epochs=0"}, "epochs"),
        ({"strategy": "fine-tune", "fine_tuning": "batch_size=1,norms=adapt"}, "single image"),
        ({"strategy": "fine-tune", "budget": float("nan")}, "--budget is nan; expected minutes"),
        ({"strategy": "fine-tune", "budget": float("inf")}, "--budget is inf; expected minutes"),
    ):
        with pytest.raises(InputError, match=words):
            headstart.fit(folder, tmp_path / "run", helpers.options(**changes))
        with pytest.raises(InputError, match=words):
            estimate_fit(folder, tmp_path / "run", helpers.options(**changes))
    assert not (tmp_path / "run").exists()


def test_the_plan_counts_fine_tuning(folder: Path, tmp_path: Path) -> None:
    plan = estimate_fit(folder, tmp_path / "run", helpers.options(**TUNED))
    assert plan["seconds"]["fine_tuning"] > 0
    assert any(note.startswith("Fine-tuning (fine-tuning of the last stage, 2 epochs") for note in plan["notes"])
    assert estimate_fit(folder, tmp_path / "run", helpers.options())["seconds"]["fine_tuning"] == 0
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("empty_figures")
def test_a_loss_that_diverges_everywhere_is_warned_of(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = "epochs=3,batch_size=8,learning_rate=10,clip_norm=0"
    run = headstart.fit(
        folder, tmp_path / "run", helpers.cheap_options(**{**TUNED, "unlock": "all", "fine_tuning": wild})
    )
    (said,) = [warning for warning in run.results.warnings if "diverged" in warning]
    failed = [sign for sign in run.results.fine_tuning.signs if "diverged, also" in sign]
    assert len(failed) == 3  # two outer folds and the final model
    assert said.startswith("The loss of fine-tuning of all stages diverged in 3 of 3 trainings that choose")
    assert said.endswith("Try a lower learning rate.")
    print_run(run)
    assert "Fine-tuning was chosen in none of 2 outer folds" in capsys.readouterr().out
    report = run.report.read_text(encoding="utf-8")
    assert "Every fold kept frozen features" in report and "What fine-tuning brought" not in report


@pytest.mark.usefixtures("empty_figures")
def test_a_budget_too_small_leaves_frozen_features(folder: Path, tmp_path: Path) -> None:
    told = helpers.Notes()
    options = helpers.cheap_options(**{**TUNED, "budget": 1e-6}, baselines=False)
    run = headstart.fit(folder, tmp_path / "run", options, progress=told)
    assert any("nothing is fine-tuned" in note for note in told.texts)
    assert run.results.fine_tuning is None
    assert json.loads((run.folder / "results.json").read_text())["fine_tuning"] is None
    (said,) = [warning for warning in run.results.warnings if "Budget" in warning]
    assert (
        said == "Budget of 1e-06 minutes: fine-tuning of the last stage was left out. Give it more time for the rest."
    )
    assert "was left out" in run.report.read_text()


@pytest.mark.usefixtures("no_figures")
def test_a_budget_counts_the_slowest_network(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headstart.study.finetuning import budget as finetuning_budget

    def seconds(extractor: Extractor, spec: FineTuneSpec, n_classes: int) -> tuple[float, float]:
        return (60.0, 20.0) if extractor.backbone.name == "test_vit" else (1e-6, 1e-6)

    monkeypatch.setattr(finetuning_budget, "step_seconds", seconds)
    told = helpers.Notes()
    options = helpers.options(**TUNED, backbone=f"{helpers.BACKBONE},test_vit", budget=5.0)
    run = headstart.fit(folder, tmp_path / "run", options, progress=told)
    assert any("nothing is fine-tuned" in note for note in told.texts)
    assert run.results.fine_tuning is None


def test_a_depth_left_open_suits_every_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from headstart.workflow.job import finetuning as workflow_tuning

    deep = {"deep": 8, "shallow": 2}
    monkeypatch.setattr(workflow_tuning, "default_unlock", lambda opened: deep[opened.name])
    sources = [SimpleNamespace(name=name) for name in deep]
    assert workflow_tuning.open_depth(sources) == 2


def test_what_was_never_pretrained_transfers_nothing(backbone: Backbone) -> None:
    from types import SimpleNamespace as Some

    from headstart.backbones.weights import WeightsSource
    from headstart.workflow.job.baselines import is_untransferred

    trained = dataclasses.replace(backbone, weights=WeightsSource("shipped", "0" * 64, "MIT"))
    sources = [Some(extractor=Some(backbone=one)) for one in (trained, backbone)]
    specs = (FineTuneSpec(), FROM_SCRATCH)
    study = Some(fine_tuning=Some(specs=specs), plan=Some(source_of=lambda candidate: candidate))

    def said(chosen: int, tuned: int | None, *members: tuple[int, bool]) -> bool:
        named = [Some(number=number, is_tuned=is_tuned) for number, is_tuned in members]
        ensemble = Some(is_kept=bool(members), members=named) if members else None
        result = Some(chosen=chosen, fine_tuned_choice=tuned, ensemble=ensemble)
        return is_untransferred(Some(sources=sources), study, result)

    assert [said(0, None), said(0, 0), said(0, 1), said(1, None)] == [False, False, True, True]
    assert said(0, None, (1, False), (1, True)) and not said(1, None, (1, False), (0, True))
