"""Documents of which any value is another: each is taken, or refused by an error of ours that names the file."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from headstart.backbones.weights.local_store import MANIFEST, read_weights_manifest
from headstart.backbones.weights.provenance import KEY, read_pretraining
from headstart.cells.crops.recipe import CELLS_FILE, CropRecipe
from headstart.cells.micrographs.segmented import CellFinding
from headstart.errors import HeadstartError
from headstart.lesions.reading.account import read_account
from headstart.results.origin import cell_recipe
from headstart.signals.live.formats.json_lines import JsonLines
from headstart.signals.live.state import read_state, write_state
from headstart.workflow.cells_count.count import CellsOfRun

ODD = [10**300, 1e308, float("inf"), float("nan"), -1, 0, None, True, "x", "\x1b[31m", [], {}, [[1]]]


def variants(document: Any) -> Iterator[str]:
    """The document with any of its values replaced by an odd one, or gone; and some that are no document at all."""
    half, long = '"' + chr(92) + 'ud800"', "9" * 5_000
    yield from ("", "{", "[" * 50_000, half, long, f'{{"format": {long}}}', f'{{"format": {half}}}', '{"a":' * 99)
    for path in _paths(document):
        for value in ODD:
            yield json.dumps(_changed(document, path, value))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from _paths(value[key], (*path, key))


def _changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return changed


def check(path: Path, document: Any, read: Callable[[], object], *, n_refused: int) -> None:
    refused = 0
    for text in variants(document):
        path.write_text(text, encoding="utf-8")
        try:
            read()
        except HeadstartError as error:
            refused += 1
            assert path.name in str(error) or path.parent.name in str(error), text[:200]
    assert refused >= n_refused


def test_account_of_an_import(tmp_path: Path) -> None:
    path, sound = tmp_path / "import.json", {"order": ["thin"], "notes": ["one"], "left_out": {"no picture": 3}}
    path.write_text(json.dumps(sound))
    assert read_account(path) is not None
    check(path, sound, lambda: read_account(path), n_refused=40)


def test_state_of_a_watch(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_state(path, "model", {"seen": 1})
    sound = json.loads(path.read_text())
    assert read_state(path, "model") == {"seen": 1}
    check(path, sound, lambda: read_state(path, "model"), n_refused=60)


def test_how_a_run_finds_and_cuts_cells(tmp_path: Path) -> None:
    recipe = CropRecipe(32, 12.5, ("dapi", "gfp"), (255.0, 900.0))
    sound = {"finding": CellFinding(diameter=8).to_json(), "recipe": recipe.to_json(), "pattern": None, "in_um": True}
    path = tmp_path / "run" / CELLS_FILE
    path.parent.mkdir()
    path.write_text(json.dumps(sound))
    assert CellsOfRun.read(path.parent).recipe == recipe
    check(path, sound, lambda: CellsOfRun.read(path.parent), n_refused=90)
    path.write_text(json.dumps(sound))
    assert cell_recipe(path.parent) == sound
    check(path, sound, lambda: cell_recipe(path.parent), n_refused=70)


def test_what_weights_say_of_their_pretraining(tmp_path: Path) -> None:
    for number, text in enumerate(variants({"format": 1, "source": {"domain": "x"}, "images_sha256": ""})):
        path = tmp_path / f"{number}.safetensors"
        save_file({"a": np.zeros(1, np.float32)}, path, metadata={KEY: text})
        with pytest.raises(HeadstartError, match=path.name):
            read_pretraining(path)


def test_list_of_weights(tmp_path: Path) -> None:
    item = {"name": "resnet18", "file": "resnet18/model.safetensors", "sha256": "0" * 64, "n_bytes": 3}
    sound = {"format": 1, "headstart": "0.1", "weights": [{**item, "source": "hub", "licence": "MIT", "config": ""}]}
    (tmp_path / MANIFEST).write_text(json.dumps(sound))
    assert [one.name for one in read_weights_manifest(tmp_path)] == ["resnet18"]
    check(tmp_path / MANIFEST, sound, lambda: read_weights_manifest(tmp_path), n_refused=60)


def test_lines_of_a_stream() -> None:
    decoder = JsonLines(("p",), None, None)
    sound = {"time": "2026-01-01T00:00:00", "values": {"p": 0.5}}
    assert decoder.decode(json.dumps(sound)).values == {"p": 0.5}
    for text in variants(sound):
        try:
            decoder.decode(text)
        except Exception as error:  # that it is one of ours is what is tested
            assert type(error).__name__ == "LineError", text[:100]
