"""A few pictures go through the network one by one, many in batches that are filled up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest

from headstart import load_model
from headstart.augment import views
from headstart.data import ImageDataset
from headstart.engines.engine import Engine
from headstart.errors import BundleError, EngineError
from headstart.features.cache import FeatureCache
from headstart.features.extractor import Extractor
from headstart.model import Model
from headstart.model.batch_of_one import BatchOfOne, are_few, takes_one
from headstart.storage import hash_file, hash_json, write_json
from headstart.workflow.job.bundle import with_batch_of_one
from headstart.workflow.run import Run


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Images per forward pass of every batch, blank ones counted."""
    seen: list[int] = []
    compute = Extractor.compute

    def noted(self: Extractor, pixels: Any) -> Any:
        seen.append(self.engine.batch_size)
        return compute(self, pixels)

    monkeypatch.setattr(Extractor, "compute", noted)
    return seen


@pytest.fixture(scope="module")
def model(run: Run) -> Model:
    return run.model()


def test_a_fit_declares_and_measures_it(run: Run, model: Model) -> None:
    stored = json.loads((run.folder / "model" / "model.json").read_text())["batch_of_one"]
    assert model.batch_of_one == BatchOfOne(**stored)
    assert (stored["tolerance"], stored["n_images"]) == (1e-4, 4)
    assert 0 <= stored["difference"] <= 1e-4


@pytest.mark.parametrize(("n_images", "expected"), [(1, [1]), (5, [1] * 5), (6, [16]), (17, [16, 16])])
def test_what_fills_a_third_of_a_batch_goes_one_by_one(
    model: Model, sizes: list[int], n_images: int, expected: list[int]
) -> None:
    model.predict_proba(helpers.noise(n_images, seed=5))
    assert sizes == expected


def test_probabilities_agree_and_do_not_depend_on_company_where_a_batch_size_is_named(model: Model) -> None:
    images = helpers.noise(16, seed=5)
    assert model.batch_of_one is not None
    together = model.predict_proba(images)
    alone = np.concatenate([model.predict_proba(images[row : row + 1]) for row in range(16)])
    assert np.abs(alone - together).max() <= model.batch_of_one.tolerance
    named = model.on_machine(batch_size=16)
    assert np.array_equal(named.predict_proba(images[:1]), together[:1])
    one_by_one = model.on_machine(batch_size=1)
    assert np.array_equal(one_by_one.predict_proba(images), alone)


def test_views_of_an_image_count(model: Model, sizes: list[int]) -> None:
    seen = replace(model, views=tuple(views("flips", 2)))
    n_views = len(seen.seen_views)
    seen.predict_proba(helpers.noise(5 // n_views, seed=5))
    assert set(sizes) == {1}
    sizes.clear()
    seen.predict_proba(helpers.noise(5 // n_views + 1, seed=5))
    assert set(sizes) == {16}


def test_every_member_of_an_ensemble_has_a_say(model: Model, sizes: list[int]) -> None:
    small = replace(model, engine=model.engine.resized(batch_size=4), batch_of_one=None)
    both = replace(model, others=(small,), weights=(0.5, 0.5))
    both.predict_proba(helpers.noise(1, seed=5))
    assert set(sizes) == {1}
    sizes.clear()
    both.predict_proba(helpers.noise(2, seed=5))  # as many as fill half of the small batch
    assert set(sizes) == {4, 16}


def test_a_bundle_without_it_fills_its_batches_as_before(run: Run, tmp_path: Path, sizes: list[int]) -> None:
    old = replace(run.model(), batch_of_one=None)
    old.save(tmp_path / "model")
    assert "batch_of_one" not in json.loads((tmp_path / "model" / "model.json").read_text())
    load_model(tmp_path / "model").predict_proba(helpers.noise(1, seed=5))
    assert sizes == [16]


def test_where_they_differ_by_more_it_is_not_declared() -> None:
    batched, single = np.array([[0.5, 0.5]]), np.array([[0.5, 0.50013]])
    assert BatchOfOne.measured([Engine()], batched, single) is None
    found = BatchOfOne.measured([Engine(), Engine(precision="bf16")], batched, single)
    assert found == BatchOfOne(tolerance=0.02, difference=1.3e-4, n_images=1)
    assert BatchOfOne.measured([Engine()], batched, np.zeros((0, 2))) is None


@pytest.mark.parametrize(("answer", "said"), [(None, "does not take one alone (no"), (1.0, "did not confirm")])
def test_a_fit_says_where_one_picture_will_cost_as_much_as_a_batch(
    model: Model, monkeypatch: pytest.MonkeyPatch, answer: float | None, said: str
) -> None:
    compute = Extractor.compute

    def refused(self: Extractor, pixels: Any) -> Any:
        if self.engine.batch_size > 1:
            return compute(self, pixels)
        if answer is None:
            raise EngineError("no batch of one")
        return compute(self, pixels) + answer

    monkeypatch.setattr(Extractor, "compute", refused)
    images = ImageDataset.from_arrays(helpers.noise(6, seed=5))
    plain, notes = replace(model, batch_of_one=None), helpers.Notes()
    found = with_batch_of_one(plain, images, FeatureCache(None), notes)
    assert found.batch_of_one is None
    assert len(notes.texts) == 1
    assert said in notes.texts[0]


def test_which_engines_take_one() -> None:
    assert takes_one(Engine())
    assert not takes_one(Engine(batch_size=2))
    assert not takes_one(Engine(compiled=True))
    assert not takes_one(Engine(name="openvino", precision="int8", network_sha256="0" * 64))
    assert are_few(5, Engine(batch_size=16))
    assert not are_few(6, Engine(batch_size=16))
    assert not are_few(2, Engine(batch_size=4))


@pytest.mark.parametrize(
    "content",
    [{}, [], {"tolerance": "x", "difference": 0, "n_images": 4}, {"tolerance": -1, "difference": 0, "n_images": 4}],
)
def test_a_damaged_declaration_is_an_error_of_the_bundle(run: Run, tmp_path: Path, content: Any) -> None:
    run.model().save(tmp_path)
    described = json.loads((tmp_path / "model.json").read_text())
    write_json(tmp_path / "model.json", {**described, "batch_of_one": content})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest.pop("sha256")
    manifest["files"]["model.json"] = hash_file(tmp_path / "model.json")
    write_json(tmp_path / "manifest.json", {**manifest, "sha256": hash_json(manifest)})
    with pytest.raises(BundleError, match=r"model\.json: cannot be understood"):
        load_model(tmp_path)
