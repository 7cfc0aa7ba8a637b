"""`headstart backbones`: the table, one network's stages, weights carried to a machine without a network."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helpers
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file

from headstart.backbones.backbone import load_backbone
from headstart.backbones.build import build
from headstart.backbones.entry import Entry
from headstart.backbones.registry import ENTRIES, find_entry
from headstart.backbones.weights import available_from, hash_tensors
from headstart.backbones.weights.local_store import MANIFEST, find_carried, folder_name, weights_folder, weights_name
from headstart.cli import main
from headstart.errors import WeightsError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
STATES = {"shipped", "in folder", "cached", "downloadable", "--weights FILE"}


def headstart(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def worked(*arguments: object) -> str:
    result = headstart(*arguments)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def refused(*arguments: object) -> str:
    """The message of a call that was misused; without a traceback."""
    result = headstart(*arguments)
    assert result.exit_code == 2, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return str(result.stderr)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without weights: no package, empty caches."""
    monkeypatch.setattr(Entry, "shipped_weights", lambda self: None)
    for variable in ("HEADSTART_CACHE", "HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    return tmp_path


def put_into_hub_cache(home: Path, hub_id: str, name: str, content: bytes) -> None:
    """A file as huggingface_hub lays it down."""
    folder = home / "hub" / f"models--{hub_id.replace('/', '--')}"
    for path, text in ((folder / "snapshots" / COMMIT / name, content), (folder / "refs" / "main", COMMIT.encode())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


@pytest.fixture
def cached(bare: Path) -> Path:
    """The same machine with the tiny network's weights in the hub's cache."""
    hub_id = find_entry(helpers.BACKBONE).hub_id
    assert hub_id is not None
    save_file(build(find_entry(helpers.BACKBONE), seed=7).state_dict(), bare / "w.safetensors")
    put_into_hub_cache(bare / "HF_HOME", hub_id, "model.safetensors", (bare / "w.safetensors").read_bytes())
    return bare


# The table ------------------------------------------------------------------------------------------------------------


def test_the_table_as_json_holds_every_fact() -> None:
    rows = {row["name"]: row for row in json.loads(worked("backbones", "--json"))}
    assert set(rows) == set(ENTRIES)
    for name, row in rows.items():
        entry = ENTRIES[name]
        assert row["weights"] == available_from(entry)
        assert row["weights"] in STATES
        assert {key: row[key] for key in ("family", "year", "paper", "licence")} == {
            "family": entry.family,
            "year": entry.year,
            "paper": entry.paper,
            "licence": entry.licence,
        }
        counts = [row[key] for key in ("parameters", "multiply_adds", "input_size", "feature_width")]
        assert counts == [entry.n_parameters, entry.multiply_adds, entry.input_size, entry.feature_width]


def test_the_table_comes_in_a_moment_without_torch_and_folds_in_a_narrow_terminal() -> None:
    code = (
        "import sys\nfrom headstart.cli import main\nsys.argv = ['headstart', 'backbones']\n"
        "try: main()\nfinally: print([name for name in ('torch', 'timm', 'numpy') if name in sys.modules])"
    )
    narrow = {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "80"}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, **narrow}
    )
    assert time.monotonic() - start < 2
    lines = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).splitlines()
    assert lines[-1] == "[]", done.stderr
    assert max(len(line) for line in lines) <= 80
    for name, entry in ENTRIES.items():
        assert any(line.startswith(f"{name} ") and available_from(entry) in line for line in lines), name
    assert "144 M" in done.stdout


def test_help_names_the_verbs_and_json_stands_before_or_after_them() -> None:
    text = worked("backbones", "--help")
    for verb in ("show", "fetch", "add"):
        assert re.search(rf"^  {verb} ", text, re.MULTILINE)
    assert json.loads(worked("backbones", "--json", "show", "vgg16"))["name"] == "vgg16"


# Stages ---------------------------------------------------------------------------------------------------------------


def test_show_gives_the_stages_as_table_and_json() -> None:
    found = json.loads(worked("backbones", "show", "vgg16", "--json"))
    assert (found["name"], found["input_size"], found["natural"]) == ("vgg16", [224, 224], True)
    assert [stage["channels"] for stage in found["stages"]] == [64, 128, 256, 512, 512]
    assert [stage["stride"] for stage in found["stages"]] == [2, 4, 8, 16, 32]
    assert found["stages"][-1]["output_shape"] == [512, 7, 7]
    text = worked("backbones", "show", "vgg16", "--input-size", 64)
    assert "vgg16: stages at 64 x 64 pixels" in text
    assert "512 x 2 x 2" in text
    assert text.splitlines()[-1] == "Next: headstart fit DATA -o runs/first --backbone vgg16"


@pytest.mark.parametrize(("name", "size"), [("vit_tiny_patch16_224", 96), ("vgg19", 16), ("inception_v3", 32)])
def test_show_refuses_a_size_that_the_network_cannot_take(name: str, size: int) -> None:
    assert f"cannot take images of {size} x {size} pixels" in refused("backbones", "show", name, "--input-size", size)


@pytest.mark.parametrize(("typed", "meant"), [("VGG19", "vgg19"), ("dinov2", "dinov2")])
def test_capitals_and_parts_of_names_find_their_match(typed: str, meant: str) -> None:
    message = refused("backbones", "show", typed)
    assert meant in message.partition("Did you mean")[2]


def test_show_of_an_unknown_name_lists_the_close_matches() -> None:
    assert re.search(r"Unknown backbone 'vgg91'\. Did you mean .*'vgg19'", refused("backbones", "show", "vgg91"))


# Carrying -------------------------------------------------------------------------------------------------------------


def test_weights_are_carried_from_one_machine_to_another(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = load_backbone(helpers.BACKBONE, offline=True)
    text = worked("backbones", "fetch", helpers.BACKBONE, "--to", cached / "usb stick", "--offline", "-q")
    assert text.splitlines()[-1].endswith(f"headstart backbones add '{cached / 'usb stick'}'")
    manifest = json.loads((cached / "usb stick" / MANIFEST).read_text())
    content = (cached / "w.safetensors").read_bytes()
    assert manifest["weights"] == [
        {
            "name": helpers.BACKBONE,
            "file": f"{helpers.BACKBONE}/model.safetensors",
            "n_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "source": original.weights.source,
            "licence": original.weights.licence,
            "config": "",
        }
    ]
    (cached / "w.safetensors").unlink()
    shutil.rmtree(cached / "HF_HOME")
    with pytest.raises(WeightsError, match="Ways to get them"):
        load_backbone(helpers.BACKBONE, offline=True)
    monkeypatch.setenv("HEADSTART_CACHE", str(cached / "other"))
    assert f"--backbone {helpers.BACKBONE} --offline" in worked("backbones", "add", cached / "usb stick", "-q")
    shutil.rmtree(cached / "usb stick")
    assert available_from(find_entry(helpers.BACKBONE)) == "in folder"
    carried = load_backbone(helpers.BACKBONE, offline=True)
    assert (carried.tensors_sha256, carried.weights) == (original.tensors_sha256, original.weights)


@pytest.mark.usefixtures("empty_figures")
def test_source_hash_and_licence_stand_in_results_bundle_and_report(cached: Path, folders: Path) -> None:
    worked("backbones", "fetch", helpers.BACKBONE, "--to", cached / "stick", "--offline", "-q")
    worked("backbones", "add", cached / "stick", "-q")
    options = ("--input-size", helpers.SIDE, "--split", "nested:3x2", "--threads", 1, "--device", "cpu", "--no-cache")
    options += ("--study", helpers.STUDY, "--no-baselines", "--no-explanations")
    worked("fit", folders, "-o", cached / "run", "--backbone", helpers.BACKBONE, "--offline", *options, "-q")
    expected = load_backbone(helpers.BACKBONE, offline=True).weights.to_json()
    results = json.loads((cached / "run" / "results.json").read_text())
    assert {key: value for key, value in results["backbone"]["weights"].items() if value} == expected
    descriptions = [json.loads(path.read_text()) for path in (cached / "run" / "model").glob("*.json")]
    assert expected in [found["backbone"]["weights"] for found in descriptions if "backbone" in found]
    report = (cached / "run" / "report.html").read_text()
    for fact in expected.values():
        assert fact in report
    assert "random" not in results["headline"]["text"].lower()


def test_random_weights_are_reported_in_the_headline(run: Any) -> None:
    assert run.headline.startswith("Random weights, no transfer learning.")
    assert run.headline in run.report.read_text()
    assert run.results.backbone.weights.source == "random (seed 0)"


def test_a_hub_network_is_carried_with_its_configuration(bare: Path) -> None:
    name, network = "hf-hub:owner/net", build(find_entry(helpers.BACKBONE), seed=5)
    save_file(network.state_dict(), bare / "w.safetensors")
    config = {"architecture": helpers.BACKBONE, "num_classes": 1000, "pretrained_cfg": dict(network.pretrained_cfg)}
    for file, content in (
        ("config.json", json.dumps(config, default=str).encode()),
        ("model.safetensors", (bare / "w.safetensors").read_bytes()),
    ):
        put_into_hub_cache(bare / "HF_HOME", "owner/net", file, content)
    worked("backbones", "fetch", name, "--to", bare / "stick", "--offline", "-q")
    shutil.rmtree(bare / "HF_HOME")
    worked("backbones", "add", bare / "stick", "-q")
    found = load_backbone(name, offline=True)
    expected = load_backbone(helpers.BACKBONE, weights=bare / "w.safetensors")
    assert found.tensors_sha256 == expected.tensors_sha256
    assert found.weights.source == "Hugging Face hub owner/net"


def test_fetching_again_keeps_what_the_folder_holds_and_a_failure_what_was_done(cached: Path) -> None:
    stick = cached / "stick"
    worked("backbones", "fetch", helpers.BACKBONE, "--to", stick, "--offline", "-q")
    message = refused("backbones", "fetch", helpers.BACKBONE, "resnet18", "--to", stick, "--offline", "-q")
    assert "No pretrained weights for 'resnet18'" in message
    listed = json.loads((stick / MANIFEST).read_text())["weights"]
    assert [item["name"] for item in listed] == [helpers.BACKBONE]
    assert sorted(path.name for path in stick.iterdir()) == sorted([MANIFEST, helpers.BACKBONE])


def test_the_dense_features_use_the_same_weights() -> None:
    assert (weights_name("vgg19:fc"), weights_name("hf-hub:owner/net@v1")) == ("vgg19", "hf-hub:owner/net@v1")
    assert folder_name("hf-hub:owner/net@v1") == "hf-hub-owner-net@v1"


def test_unfit_weights_are_not_fetched(bare: Path) -> None:
    hub_id = find_entry(helpers.BACKBONE).hub_id or ""
    save_file({"a": torch.zeros(2)}, bare / "w.safetensors")
    put_into_hub_cache(bare / "HF_HOME", hub_id, "model.safetensors", (bare / "w.safetensors").read_bytes())
    message = refused("backbones", "fetch", helpers.BACKBONE, "--to", bare / "stick", "--offline", "-q")
    assert "the weights do not fit this network" in message
    assert list((bare / "stick").iterdir()) == []


def test_a_hub_that_hangs_is_given_up_within_the_time_limit(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        start = time.monotonic()
        message = refused("backbones", "fetch", helpers.BACKBONE, "--to", bare / "stick", "--time-limit", 0.03, "-q")
        assert time.monotonic() - start < 15
    assert "not done within the time limit of 1.8 s" in message
    assert "Ways to get them" in message
    assert list((bare / "stick").iterdir()) == []


# Folders that are not as they were made -------------------------------------------------------------------------------


@pytest.fixture
def stick(cached: Path) -> Path:
    worked("backbones", "fetch", helpers.BACKBONE, "--to", cached / "stick", "--offline", "-q")
    return cached / "stick"


def edited(stick: Path, **changes: object) -> None:
    path = stick / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["weights"][0].update(changes)
    path.write_text(json.dumps(manifest))


def flip_a_bit(stick: Path) -> None:
    path = stick / helpers.BACKBONE / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def link_outside(stick: Path) -> None:
    path = stick / helpers.BACKBONE / "model.safetensors"
    shutil.move(path, stick.parent / "model.safetensors")
    path.symlink_to(stick.parent / "model.safetensors")


def link_the_folder_outside(stick: Path) -> None:
    shutil.move(stick / helpers.BACKBONE, stick.parent / "moved")
    (stick / helpers.BACKBONE).symlink_to(stick.parent / "moved")


def twice(stick: Path) -> None:
    manifest = json.loads((stick / MANIFEST).read_text())
    manifest["weights"] *= 2
    (stick / MANIFEST).write_text(json.dumps(manifest))


SPOILED: list[tuple[Callable[[Path], object], str]] = [
    (flip_a_bit, r"the content does not match the manifest .* Nothing was added"),
    (link_outside, "leads out of the folder"),
    (link_the_folder_outside, "leads out of the folder"),
    (twice, "stands in it twice"),
    (lambda stick: edited(stick, file="../w.safetensors"), "leads out of the folder"),
    (lambda stick: edited(stick, file=f"{helpers.BACKBONE}/../../w.safetensors"), "leads out of the folder"),
    (lambda stick: edited(stick, file=str(stick.parent / "w.safetensors")), "leads out of the folder"),
    (lambda stick: edited(stick, file="C:\\w.safetensors"), "leads out of the folder"),
    (lambda stick: edited(stick, file="manifest.json"), "is no file of weights"),
    (lambda stick: edited(stick, name="../../evil"), "damaged name or hash"),
    (lambda stick: edited(stick, name="no_such_network"), "Unknown backbone 'no_such_network'"),
    (lambda stick: edited(stick, sha256="abc"), "damaged name or hash"),
    (lambda stick: edited(stick, n_bytes="many"), "damaged; every item needs"),
    (lambda stick: edited(stick, more=1), "damaged; every item needs"),
    (lambda stick: (stick / MANIFEST).unlink(), r"holds no manifest\.json"),
    (lambda stick: (stick / MANIFEST).write_text('{"format": 9, "headstart": "7"}'), "made by headstart 7"),
    (lambda stick: (stick / MANIFEST).write_text('{"format": 1}'), "names no list of weights"),
    (lambda stick: (stick / MANIFEST).write_text("[" * 100_000), "cannot be read"),
    (lambda stick: (stick / MANIFEST).write_text("[1]"), "is not an object"),
    (lambda stick: (stick / helpers.BACKBONE / "model.safetensors").unlink(), "named in the manifest, but missing"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILED, ids=[str(number) for number in range(len(SPOILED))])
def test_a_spoiled_folder_is_refused_and_nothing_added(
    stick: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(stick)
    assert re.search(message, refused("backbones", "add", stick, "-q"))
    assert not weights_folder().exists()


def test_adding_again_replaces_the_older_version_whole(stick: Path, cached: Path) -> None:
    worked("backbones", "add", stick, "-q")
    before = helpers.tree(weights_folder())
    worked("backbones", "add", stick, "-q")
    assert helpers.tree(weights_folder()) == before
    newer = build(find_entry(helpers.BACKBONE), seed=8).state_dict()
    save_file(newer, cached / "w.safetensors")
    hub_id = find_entry(helpers.BACKBONE).hub_id or ""
    put_into_hub_cache(cached / "HF_HOME", hub_id, "model.safetensors", (cached / "w.safetensors").read_bytes())
    shutil.rmtree(weights_folder())
    worked("backbones", "fetch", helpers.BACKBONE, "--to", cached / "newer", "--offline", "-q")
    worked("backbones", "add", stick, "-q")
    worked("backbones", "add", cached / "newer", "-q")
    found = find_carried(helpers.BACKBONE)
    assert found is not None
    assert found[0].read_bytes() == (cached / "w.safetensors").read_bytes()
    assert len(helpers.tree(weights_folder())) == 2  # one file of weights and its record
    assert hash_tensors(newer) != hash_tensors(build(find_entry(helpers.BACKBONE), seed=7).state_dict())


def test_a_disk_that_refuses_leaves_what_was_there_in_use(
    stick: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked("backbones", "add", stick, "-q")
    before = helpers.tree(weights_folder())

    def refuse(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("headstart.storage.os.replace", refuse)
    result = headstart("backbones", "add", stick, "-q")
    assert result.exit_code == 1
    assert "the disk is full" in result.stderr
    assert helpers.tree(weights_folder()) == before


def test_a_changed_file_or_record_in_headstarts_folder_is_found_out(stick: Path) -> None:
    worked("backbones", "add", stick, "-q")
    record = next(weights_folder().rglob("record.json"))
    path = next(weights_folder().rglob("*.safetensors"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(WeightsError, match="does not match the hash recorded for it"):
        load_backbone(helpers.BACKBONE, offline=True)
    record.write_text("{}")
    with pytest.raises(WeightsError, match=r"record\.json: damaged"):
        load_backbone(helpers.BACKBONE, offline=True)
    assert available_from(find_entry(helpers.BACKBONE)) == "in folder, damaged"
