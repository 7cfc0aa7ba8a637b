"""Pretraining: learns, resumes to the same bytes, is taken by fit with what it came from, and says every mistake."""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import torch
import warm
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from headstart import ImageDataset, PretrainOptions, PretrainSettings, fit, load_model, pretrain
from headstart.augment import View
from headstart.backbones.backbone import load_backbone
from headstart.backbones.registry import find_entry
from headstart.backbones.weights.provenance import KEY, header_of, in_words, read_image_marks, read_pretraining
from headstart.cli import main
from headstart.data import ImageResize
from headstart.errors import InputError, RunError, SplitError, StorageError, WeightsError
from headstart.pretraining import batches as batches_module
from headstart.pretraining import checkpoint as checkpoints
from headstart.pretraining import train as loop
from headstart.pretraining.batches import ImageBatches
from headstart.pretraining.network import build_network
from headstart.pretraining.run import divided
from headstart.pretraining.settings import learning_rate_at
from headstart.pretraining.train import Machine, PretrainingTask, smoothed_loss
from headstart.progress import Silent
from headstart.report.context import ReportContext
from headstart.report.sections.methods import methods_text
from headstart.results.read import read_run
from headstart.results.writers.sources import pretraining_facts
from headstart.workflow.pretrain import Pretrained

JOB = sys.modules["headstart.pretraining.run"]
QUICK = PretrainSettings(epochs=3, batch_size=16)


def asked(settings: PretrainSettings = QUICK, **changes: Any) -> PretrainOptions:
    given = {
        "backbone": helpers.BACKBONE,
        "input_size": helpers.SIDE,
        "threads": 1,
        "device": "cpu",
        "precision": "fp32",
    }
    return PretrainOptions(settings=settings, **(given | changes))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images of three classes; read only."""
    return helpers.write_folders(tmp_path_factory.mktemp("source") / "textures", 60, seed=5, classes=("a", "b", "c"))


@pytest.fixture(scope="module")
def made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    """Finished weights; read only."""
    return pretrain(source, tmp_path_factory.mktemp("weights") / "w.safetensors", asked())


# Parts ----------------------------------------------------------------------------------------------------------------


def test_smoothed_loss_is_that_of_torch() -> None:
    logits = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3, 0, 1, 2])
    targets = torch.eye(4)[labels]
    expected = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    torch.testing.assert_close(smoothed_loss(logits, targets, torch.ones(7), 0.1), expected)
    weights = torch.tensor([2.0, 0, 1, 1, 0, 0, 0])
    twice = torch.cat([logits[[0, 0, 2, 3]]]), labels[[0, 0, 2, 3]]
    expected = torch.nn.functional.cross_entropy(*twice)
    torch.testing.assert_close(smoothed_loss(logits, targets, weights, 0.0), expected)


def test_the_rate_rises_then_falls_to_nothing() -> None:
    settings = PretrainSettings(learning_rate=2.0, warmup=0.1)
    rates = [learning_rate_at(step, 100, settings) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[55] == pytest.approx(1.0)
    assert rates[-1] < 0.001
    assert learning_rate_at(0, 10, replace(settings, warmup=0.0)) == 2.0


def task_of(images: np.ndarray, folder: Path, **changes: Any) -> PretrainingTask:
    dataset = ImageDataset.from_arrays(images, helpers.labels_of(len(images)))
    dataset = dataset.with_hashes([dataset.content_hash(row) for row in range(len(dataset))])
    batches = ImageBatches(dataset, ImageResize((16, 16)), folder, 2)
    batches.store(Silent())
    targets = np.eye(2, dtype=np.float32)[np.asarray(dataset.labels)]
    rows = np.arange(len(images))
    given = {"images": batches, "rows": rows, "targets": targets, "weights": np.ones(len(images), np.float32)}
    return PretrainingTask(**(given | {"mean": (0.5,) * 3, "std": (0.5,) * 3} | changes))


def test_an_epoch_sees_every_image_once_and_orders_differ(tmp_path: Path) -> None:
    task, settings = task_of(helpers.noise(48), tmp_path), PretrainSettings(batch_size=16)
    first, second = (np.concatenate(task.batches(settings, epoch)) for epoch in (0, 1))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(48))
    assert first.tolist() != second.tolist()
    np.testing.assert_array_equal(np.concatenate(task.batches(settings, 0)), first)


def test_views_are_fixed_and_gone_through_by_epoch(tmp_path: Path) -> None:
    task, settings = task_of(helpers.noise(8), tmp_path), PretrainSettings(augment="flips", views=9)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 2))
    learner = loop._Learner(network, task, settings, Machine("cpu", "fp32", 1), 10)
    seen = [[learner._view(row, epoch).index for epoch in range(4)] for row in range(3)]
    assert [sorted(one) for one in seen] == [[0, 1, 2, 3]] * 3  # flips has four, though nine were asked for
    assert seen[0] != seen[1]


@pytest.mark.parametrize("most_kept", [1 << 30, 0])
def test_batches_are_the_views_of_the_prepared_images(
    most_kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept on disk or decoded anew, the pixels are those of the slow way."""
    monkeypatch.setattr(batches_module, "MAX_STORED_BYTES", most_kept)
    images = helpers.noise(6)
    task = task_of(images, tmp_path)
    assert (tmp_path / "pixels.bin").exists() == bool(most_kept)
    dataset, preparation = task.images._dataset, ImageResize((16, 16))
    view = View("geometric", seed=3, index=2)
    wanted = [[(0, None), (4, view)], [(5, view)], [(1, None)], [(2, view)], [(3, None)]]
    for batch, pixels in zip(wanted, task.images.batches(wanted), strict=True):
        for (row, one), found in zip(batch, pixels, strict=True):
            plain = dataset.prepared(row, preparation)
            expected = plain if one is None else one.apply(plain, dataset.content_hash(row))
            np.testing.assert_array_equal(found, expected)


def test_a_checkpoint_is_whole_or_nothing(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    path = tmp_path / "c"
    checkpoints.save_checkpoint(path, network, optimizer, {"losses": torch.tensor([1.0, 2.0])})
    other = torch.nn.Linear(3, 2)
    beside = torch.optim.AdamW(other.parameters())
    record = checkpoints.load_checkpoint(path, other, beside)
    assert record is not None and record["losses"].tolist() == [1.0, 2.0]
    torch.testing.assert_close(other.weight, network.weight, rtol=0, atol=0)
    moments = [each.state_dict()["state"][0]["exp_avg"] for each in (optimizer, beside)]
    torch.testing.assert_close(*moments, rtol=0, atol=0)
    path.write_bytes(path.read_bytes()[:-1])
    assert checkpoints.load_checkpoint(path, other, beside) is None
    assert checkpoints.load_checkpoint(tmp_path / "none", other, beside) is None


def test_moments_lie_as_their_parameters(tmp_path: Path) -> None:
    """Found by a resumed run whose last digits differed: fused AdamW walks parameter and moments as they lie."""
    network = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    network(torch.ones(1, 3, 5, 5)).sum().backward()
    optimizer.step()
    checkpoints.save_checkpoint(tmp_path / "c", network, optimizer, {})
    other = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    beside = torch.optim.AdamW(other.parameters(), fused=True)
    checkpoints.load_checkpoint(tmp_path / "c", other, beside)
    for one in (network, other):
        one.zero_grad()
        one(torch.arange(75.0).reshape(1, 3, 5, 5)).square().sum().backward()
    optimizer.step()
    beside.step()
    assert beside.state[other.weight]["exp_avg"].stride() == other.weight.stride()
    torch.testing.assert_close(other.weight, network.weight, rtol=0, atol=0)


def test_training_is_plain_adamw_with_its_schedule(tmp_path: Path) -> None:
    """The slow, obvious loop with torch's own pieces gives the same parameters."""
    task = task_of(helpers.noise(12, spread=(5, 60)), tmp_path)
    settings = PretrainSettings(epochs=2, batch_size=4, augment="none", weight_decay=0.1, learning_rate=0.01)
    machine = Machine("cpu", "fp32", 1)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    slow = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    slow.load_state_dict(network.state_dict())
    losses = loop.train(network, task, settings, machine, checkpoint=tmp_path / "c", progress=Silent())
    decayed = [parameter for parameter in slow.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in slow.parameters() if parameter.ndim == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0}])
    pixels = np.stack([task.images._dataset.prepared(row, ImageResize((16, 16))) for row in range(12)])
    expected = []
    for step in range(6):
        rows = task.batches(settings, step // 3)[step % 3]
        images = (torch.from_numpy(pixels[rows]).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, 6, settings)
        labels = torch.from_numpy(task.targets[rows]).argmax(dim=1)
        loss = torch.nn.functional.cross_entropy(slow(images), labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(slow.parameters(), 1.0)
        optimizer.step()
        expected.append(float(loss.detach()))
    for one, other in zip(network.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-4)  # the rate is 0.01
    assert losses == pytest.approx([np.mean(expected[:3]), np.mean(expected[3:])], rel=1e-4)


def test_the_faster_precision_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(helpers.noise(8), tmp_path)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 2))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    step = loop._Learner.step

    def slower(self: Any, *arguments: Any) -> torch.Tensor:
        time.sleep(0.05 if self.machine.precision == "fp32" else 0)
        return step(self, *arguments)

    monkeypatch.setattr(loop._Learner, "step", slower)
    machines = [Machine("cpu", name, 1) for name in ("fp32", "bf16")]
    chosen, speeds = loop.faster_machine(network, task, PretrainSettings(batch_size=8), machines)
    assert chosen.precision == "bf16"
    assert speeds["bf16"] > speeds["fp32"]
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)  # the trial was on a copy


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "test_vit"])
def test_the_classifier_of_every_library_is_exchanged(name: str) -> None:
    network, start = build_network(find_entry(name), 5, weights=None, seed=0, offline=True)
    side = {"test_vit": 160}.get(name, 224)
    with torch.inference_mode():
        assert network.eval()(torch.zeros(1, 3, side, side)).shape == (1, 5)
    assert start.source == "random (seed 0)"


def test_held_out_images_are_whole_groups_of_every_class() -> None:
    groups = np.arange(60) // 3
    labels = [str(group % 2) for group in groups]
    dataset = ImageDataset.from_arrays(helpers.noise(60), labels, groups=groups)
    training, heldout = divided(dataset, 0.2, 0)
    assert sorted([*training.tolist(), *heldout.tolist()]) == list(range(60))
    assert not set(groups[training]) & set(groups[heldout])
    assert len(heldout) == 12
    assert set(np.asarray(dataset.labels)[heldout]) == {0, 1}
    with pytest.raises(SplitError, match="every class in every part"):
        divided(dataset.with_groups(np.asarray(dataset.labels)), 0.2, 0)


# The whole way --------------------------------------------------------------------------------------------------------


def test_it_learns(tmp_path: Path) -> None:
    """Noise of very different strength is told apart after some steps; held-out images too."""
    images = helpers.noise(120, spread=(4, 80))
    data = ImageDataset.from_arrays(images, helpers.labels_of(120))
    found = pretrain(data, tmp_path / "w.safetensors", asked(PretrainSettings(epochs=6, batch_size=16)))
    score = found.heldout.metrics.accuracy
    assert score.value >= 0.9
    assert score.ci95[0] < score.value <= score.ci95[1]
    assert found.heldout.n_images == 12


def test_pure_noise_scores_at_chance(tmp_path: Path) -> None:
    """Poison: labels that mean nothing; a score that saw training images would be far above chance."""
    labels = [str(one) for one in np.random.default_rng(0).integers(0, 2, 160)]
    data = ImageDataset.from_arrays(helpers.noise(160, spread=(40,)), labels)
    settings = PretrainSettings(epochs=8, batch_size=16, augment="none", label_smoothing=0.0)
    found = pretrain(data, tmp_path / "w.safetensors", asked(settings, holdout=0.4)).results
    assert found.training_loss < 0.4  # it has learned them by heart
    assert found.heldout.metrics.accuracy.value < 0.68


def test_the_file_says_what_it_is(made: Pretrained, source: Path) -> None:
    found = read_pretraining(made.path)
    assert found is not None
    assert pretraining_facts(found, made.path) == made.results
    assert found["source"]["domain"] == "textures"
    assert found["source"]["classes"] == ["a", "b", "c"]
    assert found["source"]["class_counts"] == [20, 20, 20]
    assert found["source"]["n_training"] + found["heldout"]["n_images"] == 60
    assert found["settings"]["epochs"] == 3
    assert found["start"]["source"] == "random (seed 0)"
    assert made.headline.startswith("test_resnet, pretrained by headstart on textures: 60 images of 3 classes")
    dataset = ImageDataset.from_folder(source)
    assert read_image_marks(made.path) == {dataset.content_hash(row)[:16] for row in range(60)}
    assert not list(made.path.parent.glob("*.work"))


def test_the_same_command_again_gives_the_same_bytes(made: Pretrained, source: Path, tmp_path: Path) -> None:
    again = pretrain(source, tmp_path / "other.safetensors", asked())
    assert again.path.read_bytes() == made.path.read_bytes()
    other = pretrain(source, tmp_path / "seed.safetensors", asked(replace(QUICK, seed=1)))
    assert other.path.read_bytes() != made.path.read_bytes()


def test_what_is_finished_is_left_alone_and_never_overwritten(made: Pretrained, source: Path, tmp_path: Path) -> None:
    before = made.path.stat().st_mtime_ns
    notes = helpers.Notes()
    assert pretrain(source, made.path, asked(), progress=notes).results == made.results
    assert "nothing is left to do" in notes.texts[0]
    assert made.path.stat().st_mtime_ns == before
    with pytest.raises(RunError, match="never overwritten"):
        pretrain(source, made.path, asked(replace(QUICK, epochs=4)))
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(RunError, match="never overwritten"):
        pretrain(source, foreign, asked())


def test_other_files_stay_and_finished_work_is_swept_up(made: Pretrained, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"notes")
    with pytest.raises(RunError, match="never overwritten"):
        pretrain(source, other, asked())
    assert other.read_bytes() == b"notes"
    copy = tmp_path / "made.safetensors"
    copy.write_bytes(made.path.read_bytes())
    left = tmp_path / "made.safetensors.work"  # of a process that was killed right after it wrote the weights
    left.mkdir()
    pretrain(source, copy, asked())
    assert not left.exists()


@pytest.mark.parametrize("n_steps", [1, 4, 8])
def test_killed_between_steps_it_goes_on_with_the_same_bytes(
    n_steps: int, made: Pretrained, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints after every step; the process ends in the step after some of them."""

    class KilledError(BaseException):
        pass

    step, left = loop._Learner.step, [n_steps]

    def killing(self: Any, *arguments: Any) -> torch.Tensor:
        if not left[0]:
            raise KilledError
        left[0] -= 1
        return step(self, *arguments)

    monkeypatch.setattr(loop, "CHECKPOINT_S", 0.0)
    monkeypatch.setattr(loop, "_SHARE_OF_SAVING", 1e9)
    monkeypatch.setattr(JOB, "faster_machine", lambda network, task, settings, machines: (machines[0], {"fp32": 1.0}))
    path = tmp_path / "w.safetensors"
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(loop._Learner, "step", killing)
        pretrain(source, path, asked())
    assert not path.exists()
    resumed = [0]

    def counting(self: Any, *arguments: Any) -> torch.Tensor:
        resumed[0] += 1
        return step(self, *arguments)

    monkeypatch.setattr(loop._Learner, "step", counting)
    pretrain(source, path, asked())
    assert resumed[0] == 9 - n_steps  # three epochs of three steps; nothing is done twice
    assert path.read_bytes() == made.path.read_bytes()


def test_kill_9_and_the_same_command_again(made: Pretrained, source: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    process = warm.Child(_KILLED, source, path)
    work = path.with_name("w.safetensors.work")
    try:
        while not (work / checkpoints.CHECKPOINT_FILE).exists() and process.poll() is None:
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not path.exists()
    pretrain(source, path, asked())
    assert path.read_bytes() == made.path.read_bytes()


_KILLED = """
import sys, time
from headstart.pretraining import train as loop
import test_pretrain
step = loop._Learner.step
def slowly(self, *arguments):
    time.sleep(0.3)
    return step(self, *arguments)
loop._Learner.step = slowly
loop.CHECKPOINT_S, loop._SHARE_OF_SAVING = 0.0, 1e9
test_pretrain.pretrain(sys.argv[1], sys.argv[2], test_pretrain.asked())
"""


def test_unfinished_work_of_other_settings_is_refused(source: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise StorageError("Cannot write: the disk is full.")

    path = tmp_path / "w.safetensors"
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(JOB, "train", full)
        pretrain(source, path, asked())
    with pytest.raises(RunError, match=r"epochs is 3 there, 4 here"):
        pretrain(source, path, asked(replace(QUICK, epochs=4)))


def test_divergence_is_reported_and_leaves_nothing_to_go_on_with(source: Path, tmp_path: Path) -> None:
    wild = replace(QUICK, learning_rate=100.0, warmup=0.0, weight_decay=100.0, epochs=8)
    with pytest.raises(InputError, match=r"loss is no number .* learning rate below 100"):
        pretrain(source, tmp_path / "w.safetensors", asked(wild))
    assert not (tmp_path / "w.safetensors").exists()
    assert not (tmp_path / "w.safetensors.work").exists()


# In a fit -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("empty_figures")
def test_a_fit_takes_the_weights_at_their_size_and_names_them(
    made: Pretrained, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fit(folders, tmp_path / "run", helpers.cheap_options(weights=str(made.path), input_size=None))
    backbone = run.results.to_json()["backbone"]
    assert backbone["preparation"]["size"] == [helpers.SIDE, helpers.SIDE]  # its own would be 160
    assert backbone["weights"]["pretraining"] == made.results.to_json()
    assert "classifier for 3 classes was left out" in backbone["weights"]["note"]
    words = in_words(made.results.to_json())
    assert words in run.report.read_text()
    assert words in methods_text(ReportContext(read_run(run.folder)))
    model = load_model(run.folder)
    assert model.backbone.weights.pretraining == read_pretraining(made.path)
    assert model.backbone.input_size == (helpers.SIDE, helpers.SIDE)
    stored = json.loads((run.folder / "model" / "model.json").read_text())
    assert stored["backbone"]["weights"]["pretraining"]["source"]["domain"] == "textures"
    assert not any("pretrained on" in warning for warning in run.results.warnings)


def test_the_features_are_those_of_the_trained_network(made: Pretrained) -> None:
    backbone = load_backbone(helpers.BACKBONE, weights=made.path)
    kept = load_file(made.path)
    for name, tensor in backbone.module.network.state_dict().items():
        torch.testing.assert_close(tensor, kept[name], rtol=0, atol=0)
    before = load_backbone(helpers.BACKBONE, weights="random")
    assert backbone.tensors_sha256 != before.tensors_sha256


@pytest.mark.usefixtures("no_figures")
def test_a_fit_on_source_images_is_warned_of(made: Pretrained, source: Path, tmp_path: Path) -> None:
    run = fit(source, tmp_path / "run", helpers.cheap_options(weights=str(made.path)))
    assert any(text.startswith("60 of 60 images are among those that w.safetensors") for text in run.results.warnings)


def test_pretraining_goes_on_from_given_weights(made: Pretrained, source: Path, tmp_path: Path) -> None:
    further = pretrain(source, tmp_path / "w.safetensors", asked(replace(QUICK, epochs=1), weights=str(made.path)))
    assert further.results.start.pretraining == made.results
    assert further.results == pretraining_facts(read_pretraining(further.path) or {}, further.path)
    assert further.path.read_bytes() != made.path.read_bytes()


def test_what_a_file_says_is_checked(made: Pretrained, source: Path, tmp_path: Path) -> None:
    tensors, header = load_file(made.path), read_pretraining(made.path) or {}
    path = tmp_path / "w.safetensors"

    def saying(text: str) -> None:
        save_file(tensors, path, metadata={KEY: text})

    for text in ("{", "[]", json.dumps({**header, "images": "", "source": None}), '{"format": 1}'):
        saying(text)
        with pytest.raises(WeightsError, match="its pretraining is damaged"):
            load_backbone(helpers.BACKBONE, weights=path)
    saying(json.dumps({**header, "images": "", "input_size": [10**6, 10**6]}))
    with pytest.raises(WeightsError, match="input size"):
        load_backbone(helpers.BACKBONE, weights=path)
    saying(json.dumps({**header, "images": "", "machine": {}}))
    with pytest.raises(WeightsError, match=r"w.safetensors.*\(pretraining.machine.device is missing\)"):
        fit(source, tmp_path / "run", helpers.options(weights=str(path), input_size=None))
    assert not (tmp_path / "run").exists()
    saying(json.dumps({**header, "images": "", "format": 2}))
    with pytest.raises(WeightsError, match="has format 2"):
        load_backbone(helpers.BACKBONE, weights=path)
    save_file(tensors, path)
    assert load_backbone(helpers.BACKBONE, weights=path).weights.pretraining is None
    assert read_pretraining(tmp_path / "old.pth") is None
    assert header_of({"a": 1}, "00")[KEY] == '{"a":1,"images":"00"}'


# Said in words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 1}, "batch_size is 1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; expected a number, more than 0, and 100 at the most."),
        ({"weight_decay": -1.0}, "weight_decay is -1.0; expected a number, 0 to 100."),
        ({"label_smoothing": 1.0}, "label_smoothing is 1"),
        ({"warmup": -0.1}, "warmup is -0.1"),
        ({"augment": "flip"}, "Unknown augmentation policy 'flip'"),
        ({"augment": "none.toml"}, "cannot be read"),
    ],
)
def test_settings_out_of_range(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        PretrainSettings(**changes)


def test_options_that_cannot_be(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    cases: list[tuple[dict[str, Any], str]] = [
        ({"holdout": 0.0}, "held-out share is 0"),
        ({"precision": "int8"}, "Unknown precision"),
        ({"backbone": "test_resnet,vgg19"}, "One backbone"),
        ({"backbone": "resnet81"}, "Did you mean"),
        ({"weights": str(tmp_path / "no.safetensors")}, "no such file of weights"),
        ({"backbone": "vit_tiny_patch16_224", "input_size": 32}, "cannot take images of 32 x 32"),
        ({"settings": replace(QUICK, batch_size=64)}, "A batch is of 64 images, but there are 54"),
    ]
    for changes, words in cases:
        with pytest.raises(InputError, match=words):
            pretrain(source, path, asked(**changes))
    for bad, words in (("w.pth", "does not end with .safetensors"), ("", "does not end")):
        with pytest.raises(RunError, match=words):
            pretrain(source, bad, asked())
    assert not list(tmp_path.iterdir())


def test_command_line(source: Path, made: Pretrained, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    options = ["--backbone", helpers.BACKBONE, "--input-size", "32", "--epochs", "3", "--batch-size", "16", "-q"]
    options += ["--threads", "1", "--device", "cpu", "--precision", "fp32"]
    done = CliRunner().invoke(main, ["pretrain", str(source), "-o", str(path), *options])
    assert done.exit_code == 0, done.output
    assert "held-out images" in done.stdout
    assert done.stdout.splitlines()[-1] == (
        f"Next: headstart fit DATA -o runs/first --backbone test_resnet --weights {path}"
    )
    assert path.read_bytes() == made.path.read_bytes()
    values = json.loads(CliRunner().invoke(main, ["pretrain", str(source), "-o", str(path), *options, "--json"]).stdout)
    assert values == made.results.to_json()
    misused = CliRunner().invoke(main, ["pretrain", str(source), "-o", str(path), *options, "--epochs", "4"])
    assert misused.exit_code == 2
    assert "never overwritten" in misused.output
