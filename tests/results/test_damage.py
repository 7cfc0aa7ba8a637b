"""Whatever is damaged in a file of a run, wherever it stands, is refused with the file and the field in words."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changed_document import changed

from headstart.data import make_split
from headstart.errors import RunError, WeightsError
from headstart.results import RunResults
from headstart.results.models.learning_curve import CurveResults
from headstart.results.models.run_file import RunFile
from headstart.results.models.split import RunSplit
from headstart.results.models.timings import FeatureSeconds, RunTimings
from headstart.results.writers.sources import pretraining_facts
from headstart.study.learning_curve.curve import TrainingSubsets, curve_document

OLD = Path(__file__).with_name("data") / "format1" / "results.json"


@dataclass(frozen=True)
class Example:
    """A whole document of a kind of file, and what may be left out of it.

    Parameters
    ----------
    kind : type
    document : dict
    open_keys : frozenset of str
        Mappings whose keys are names that come from the data, or that are many: one less is no damage that shows.
    optional : frozenset of str
        Places that older documents do not have.
    """

    kind: type[RunFile]
    document: dict[str, Any]
    open_keys: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"RUN/{self.kind.file_name}"

    def refusal(self, path: tuple[Any, ...], value: Any) -> str:
        """How the document is refused with another value in one place, Ellipsis for none; empty where it is not."""
        text = json.dumps(changed(self.document, path, value))
        try:
            self.kind.from_text(text, Path(self.name))
        except RunError as error:  # any other error fails the test
            return str(error)
        return ""


def results() -> Example:
    """A fine-tuned run of two sources, rated by three raters: every part there is."""
    names = ("formats", "modes", "settings", "raters", "votes", "views", "optimism_from_ignored_groups")
    optional = ("preparation.channels", "preparation.pixels", "preparation.clean_up", "training_normalisation")
    later = frozenset({"table", "ensemble", "novelty", *(f"backbone.{name}" for name in optional)})
    return Example(RunResults, RunResults.read(OLD).to_json(), frozenset(names), later)


def split() -> Example:
    labels, groups = np.arange(24) % 2, np.arange(24) // 2
    made = make_split(labels, names=[f"{row}.png" for row in range(24)], groups=groups, scheme="nested:3x2", seed=0)
    return Example(RunSplit, made.to_json(), optional=frozenset({"notes", "own_folds"}))


def timings() -> Example:
    made = RunTimings(
        seconds={"audit": 0.1, "study": 12.0},
        feature_seconds=FeatureSeconds(reading=0.5, storing=0.0),
        images_per_second=None,
        engine_trial_images_per_second={"resnet18": {"torch": 30.0, "openvino": 62.5}},
        machine={"system": "Linux", "n_processors": 2},
        versions={"python": "3.11.9"},
    )
    names = ("seconds", "engine_trial_images_per_second", "machine", "versions")
    optional = ("format", "feature_seconds", "engine_trial_images_per_second")
    return Example(RunTimings, made.to_json(), frozenset(names), frozenset(optional))


def curve() -> Example:
    sizes = np.array([50, 100, 200, 400])
    losses = 0.1 + 0.2 * (sizes / 100) ** -0.5 + np.array([[-0.01], [0.0], [0.01]])
    found = curve_document(TrainingSubsets(sizes, (), 3), losses, 500, "accuracy", [800])
    about = {
        "format": 2,
        "headstart": "1.0",
        "classes": ["calm", "rough"],
        "source": "resnet18",
        "engine": RunResults.read(OLD).engine.to_json(),
        "n_folds": 5,
        "seed": 0,
        "data_sha256": "5eed" * 16,
    }
    return Example(CurveResults, {**about, **found})


@pytest.fixture(scope="module", params=[results, split, timings, curve], ids=lambda made: made.__name__)
def example(request: pytest.FixtureRequest) -> Example:
    return request.param()


def paths(document: dict[str, Any]) -> list[tuple[tuple[Any, ...], Any]]:
    """Every kind of place of a document, once: of a list the last entry, of objects with the same keys the first."""
    seen: set[frozenset[str]] = set()

    def inside(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
        if isinstance(value, dict) and frozenset(value) not in seen:
            seen.add(frozenset(value))
            children = list(value.items())
        else:
            children = list(enumerate(value))[-1:] if isinstance(value, list) else []
        for step, child in children:
            yield (*path, step), child
            yield from inside(child, (*path, step))

    return list(inside(document, ()))


def named(path: tuple[Any, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def test_a_whole_document_is_read(example: Example) -> None:
    assert example.kind.from_text(json.dumps(example.document), Path(example.name)).to_json() == example.document


def test_whatever_is_missing_is_named(example: Example) -> None:
    for path, _ in paths(example.document):
        if isinstance(path[-1], int) or example.open_keys & set(path[:-1]):
            continue
        words = example.refusal(path, ...)
        if named(path) in example.optional:
            assert words == "", path
            continue
        assert words.startswith(f"{example.name} "), named(path)
        assert str(path[-1]) in words or str(path[-2]) in words, words


def test_another_type_is_refused_wherever_it_stands(example: Example) -> None:
    others = itertools.cycle(({"odd": [[]]}, [[["odd"]]], True, "odd"))
    for path, value in paths(example.document):
        other = next(others)
        if type(other) is type(value) or (example.open_keys & set(path[:-1])) or (value is None and other == "odd"):
            other = {"odd": {"odd": {"odd": {}}}}
        words = example.refusal(path, other)
        assert words.startswith(f"{example.name} "), (named(path), other)
        assert str(path[0]) in words, words


def test_an_unknown_key_is_refused_wherever_it_stands(example: Example) -> None:
    for path, value in [((), example.document), *paths(example.document)]:
        if isinstance(value, dict):
            words = example.refusal((*path, "odd"), {"odd": {"odd": None}})
            assert "odd" in words and words.startswith(f"{example.name} "), named(path)


def test_every_damage_of_format_1_is_an_error_in_words() -> None:
    old = Example(RunResults, json.loads(OLD.read_text()))
    others = itertools.cycle((..., None, 3, "odd", [], {}))
    for path, _ in paths(old.document):
        other = next(others)
        words = old.refusal(path, None if other is ... and isinstance(path[-1], int) else other)
        assert words == "" or (words.startswith("RUN/results.json ") and "headstart fit" in words), words
        assert words == "" or str(path[-1]) in words, (named(path), other, words)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("audit", "twins"), ..., "audit.twins is missing"),
        (("audit", "twins", "ratio"), "odd", "audit.twins.ratio should be a number but is text"),
        (("per_class",), None, "per_class should be an object but is null"),
        (("per_class", "calm", "recall"), ..., "per_class.calm.recall is missing"),
        (("backbone", "batch_size"), ..., "backbone.batch_size is missing"),
        (("folds", 0, "chosen", "treatment"), 3, "folds[0].chosen.treatment should be an object but is a number"),
        (("transfer", "gains", "accuracy", "rival"), ..., "transfer.gains.accuracy.rival is missing"),
        (("labels", "doubtful", "n_listed"), "odd", "labels.doubtful.n_listed should be a whole number but is text"),
    ],
)
def test_damage_of_format_1_is_named_in_its_own_keys(path: tuple[Any, ...], value: Any, words: str) -> None:
    old = Example(RunResults, json.loads(OLD.read_text()))
    assert f"RUN/results.json cannot be used: {words}." in old.refusal(path, value)


@pytest.mark.parametrize(
    ("made", "path", "value", "words"),
    [
        (split, ("images",), ["a.png"], "images should have one entry for every image"),
        (split, ("groups",), [0, 1], "groups should have one entry for every image"),
        (split, ("repeats",), 2, "outer should have one entry for every repeat"),
        (split, ("inner", 0, 2), [0], "inner[0][2] should have one entry for every image"),
        (split, ("hash",), "5eed", "hash: String should match"),
        (split, ("format",), 2, "has format 2, but this headstart reads format 1"),
        (timings, ("seconds", "study"), -1.0, "seconds.study: Input should be greater than or equal to 0"),
        (timings, ("seconds", "study"), "long", "seconds.study should be a number but is text"),
        (timings, ("versions", "python"), 3, "versions.python should be text but is a number"),
        (timings, ("feature_seconds", "reading"), ..., "feature_seconds.reading is missing"),
        (curve, ("mean",), [0.5], "mean should have one entry for every size"),
        (curve, ("scores", 1), [0.5], "scores[1] should have one entry for every size"),
        (curve, ("curve", 0, "band90"), [0.9, 0.1], "curve[0].band90: its lower end lies above"),
        (curve, ("verdict", "kind"), "maybe", "verdict.kind: Input should be 'yes'"),
    ],
)
def test_another_range_is_refused(made: Any, path: tuple[Any, ...], value: Any, words: str) -> None:
    assert words in made().refusal(path, value)


@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b"\xff\xfe\x00", b"[" * 100_000, b'{"format": 1}', b'{"format": 2}']
)
def test_the_remedy_names_the_command_that_writes_the_file_again(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "curve.json"
    if content is not None:
        path.write_bytes(content)
    first = "Run" if content is None else "Remove it and run"
    with pytest.raises(RunError) as caught:
        CurveResults.read(path)
    assert str(caught.value).startswith(f"{path} cannot be used: ")
    assert f". {first} `headstart curve DATA -o {tmp_path}` again" in str(caught.value)


def test_a_curve_of_format_1_is_read_in_the_words_of_format_2() -> None:
    whole = curve().document
    later = ("accuracy_cost", "n_calibration")
    engine = {key.replace("requested", "asked"): value for key, value in whole["engine"].items() if key not in later}
    old = {**whole, "format": 1, "engine": engine}
    assert CurveResults.from_text(json.dumps(old), Path("RUN/curve.json")).to_json() == whole


def header() -> dict[str, Any]:
    """What weights say that were pretrained twice, what is empty left out."""
    score = {"value": 0.9, "ci95": [0.8, 0.95]}
    first: dict[str, Any] = {
        "format": 1,
        "headstart": "1.0",
        "backbone": "resnet18",
        "input_size": [64, 64],
        "resize": "squash",
        "source": {
            "domain": "textures",
            "classes": ["a", "b"],
            "class_counts": [30, 30],
            "n_images": 60,
            "n_training": 54,
            "data_sha256": "5eed" * 16,
        },
        "start": {"source": "random (seed 0)", "sha256": "5eed" * 16, "licence": "none"},
        "settings": {"epochs": 3, "augment": "flips"},
        "machine": {"device": "cpu", "precision": "fp32", "n_threads": 1},
        "training_loss": 0.3,
        "identity_sha256": "5eed" * 16,
        "heldout": {
            "n_images": 6,
            "share": 0.1,
            "metrics": {"accuracy": score, "balanced_accuracy": score, "log_loss": score},
        },
    }
    return {**first, "start": {"source": "file w.safetensors", "sha256": "0" * 64, "licence": "", "pretraining": first}}


def header_refusal(path: tuple[Any, ...], value: Any) -> str:
    try:
        pretraining_facts(changed(header(), path, value), "w.safetensors")
    except WeightsError as error:  # any other error fails the test
        return str(error)
    return ""


def test_what_weights_say_of_their_pretraining_is_typed_to_the_first_start() -> None:
    found = pretraining_facts(header(), "w.safetensors")
    assert found.start.file == "" and found.start.pretraining is not None
    assert found.start.pretraining.start.pretraining is None
    assert pretraining_facts(found.to_json(), "w.safetensors") == found


def test_damage_of_what_weights_say_names_file_and_field() -> None:
    others = itertools.cycle(({"odd": [[]]}, [[["odd"]]], True, "odd"))
    for path, value in paths(header()):
        if path[0] == "settings" and len(path) > 1:
            continue
        if not isinstance(path[-1], int):
            optional = path[-1] == "pretraining"
            assert (header_refusal(path, ...) == "") == optional, path
            assert optional or str(path[-1]) in header_refusal(path, ...)
        other = next(others)
        if type(other) is type(value):
            other = {"odd": {"odd": {}}}
        words = header_refusal(path, other)
        assert words.startswith("w.safetensors: what it says of its pretraining is damaged ("), (path, other)
        assert str(path[0]) in words and "headstart pretrain" in words, words


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("heldout", "share"), 1.5, "heldout.share: Input should be less than or equal to 1"),
        (("source", "n_images"), 0, "source.n_images: Input should be greater than or equal to 1"),
        (("start", "pretraining", "machine", "n_threads"), 0, "start.pretraining.machine.n_threads: Input"),
    ],
)
def test_another_range_of_what_weights_say_is_refused(path: tuple[Any, ...], value: Any, words: str) -> None:
    assert words in header_refusal(path, value)
