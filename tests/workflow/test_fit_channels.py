"""Channels go the whole way: fit with baselines and views, bundle, prediction by name, report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
from click.testing import CliRunner

import headstart
from headstart.cli import main
from headstart.errors import ChannelError

NAMES = ("dapi", "gfp", "cy3", "bf", "rna")
FOUR = ("dapi", "gfp", "bf", "rna")


def stack(n_images: int = 48, *, seed: int = 0) -> np.ndarray:
    noise = helpers.noise(n_images, seed=seed)
    return np.concatenate([noise, noise[..., 1::-1]], axis=3)


def cells(n_images: int = 48, *, seed: int = 0, channels: Any = NAMES) -> headstart.ImageDataset:
    return headstart.ImageDataset.from_arrays(
        stack(n_images, seed=seed), helpers.labels_of(n_images), channels=channels
    )


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished fit of four channels with views; read only."""
    folder = tmp_path_factory.mktemp("channels")
    with helpers.empty_figures():
        return headstart.fit(cells(), folder / "run", helpers.cheap_options(channels=FOUR, augment="strong", views=2))


def test_a_fit_of_four_channels_says_so_everywhere(four: Any) -> None:
    results = json.loads((four.folder / "results.json").read_text())
    assert results["backbone"]["preparation"]["channels"] == list(FOUR)
    assert len(results["backbone"]["normalisation"]["mean"]) == 4
    page = four.report.read_text()
    assert "was shown 4 channels: dapi, gfp, bf and rna. For them the weights of its first layer" in page
    assert page.count("data:image/jpeg;base64,") > 20


def test_the_bundle_takes_the_channels_by_their_names(four: Any) -> None:
    model = four.model()
    assert model.backbone.n_channels == 4
    new = stack(8, seed=5)
    expected = model.predict_proba(headstart.ImageDataset.from_arrays(new, channels=NAMES))
    order = [4, 2, 0, 3, 1]
    mixed = headstart.ImageDataset.from_arrays(new[..., order], channels=[NAMES[place] for place in order])
    assert np.array_equal(model.predict_proba(mixed), expected)
    (said,) = model.predict_each(headstart.ImageDataset.from_arrays(new[:1, ..., :4], channels=NAMES[:4]))
    assert said.error == "no channel 'rna'. Known: bf, cy3, dapi, gfp"


def test_three_chosen_channels_are_the_fit_of_the_same_picture(tmp_path: Path, no_figures: None) -> None:
    chosen = headstart.fit(cells(), tmp_path / "chosen", helpers.cheap_options(channels=("cy3", "gfp", "none")))
    picture = stack()[..., [2, 1, 0]] * np.array([1, 1, 0], dtype=np.uint8)
    plain = headstart.fit(
        headstart.ImageDataset.from_arrays(picture, helpers.labels_of(48)), tmp_path / "plain", helpers.cheap_options()
    )
    assert (chosen.folder / "predictions.csv").read_bytes() == (plain.folder / "predictions.csv").read_bytes()


def test_floating_point_pixels_reach_the_network_in_steps_of_their_own(tmp_path: Path, no_figures: None) -> None:
    floats = stack()[..., :3].astype(np.float32) / 255 + np.float32(0.001)
    dataset = headstart.ImageDataset.from_arrays(floats, helpers.labels_of(48), scale=(0, 1))
    run = headstart.fit(dataset, tmp_path / "run", helpers.cheap_options())
    assert run.results.backbone.preparation.pixels == "float32"
    model = run.model()
    whole = headstart.ImageDataset.from_arrays(np.clip(np.round(floats * 255), 0, 255).astype(np.uint8))
    difference = np.abs(model.predict_proba(dataset) - model.predict_proba(whole))
    assert 0 < difference.max() < 0.2


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (None, r"5 channels \(dapi, gfp, cy3, bf, rna; in an array they stand last\), .*choose with --channels"),
        (("dpai", "gfp"), r"no channel 'dpai'\. Did you mean 'dapi'\?"),
    ],
)
def test_a_choice_that_fits_no_image_is_refused_before_anything_is_written(
    tmp_path: Path, channels: Any, message: str
) -> None:
    with pytest.raises(ChannelError, match=message):
        headstart.fit(cells(), tmp_path / "run", helpers.options(channels=channels))
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_chooses_channels_of_an_archive(tmp_path: Path, no_figures: None) -> None:
    np.savez(tmp_path / "cells.npz", images=stack(), labels=helpers.labels_of(48), channels=NAMES)
    quick = ["--backbone", helpers.BACKBONE, "--weights", "random", "--input-size", "32", "--split", "nested:3x2"]
    quick += ["--no-baselines", "--cache", str(tmp_path / "cache"), "--device", "cpu", "--threads", "1"]
    fit = ["fit", str(tmp_path / "cells.npz"), "-o", str(tmp_path / "run"), *quick]
    wrong = CliRunner().invoke(main, [*fit, "--channels", "dapi,gpf"])
    assert wrong.exit_code == 2 and "no channel 'gpf'. Did you mean 'gfp'?" in wrong.output
    assert not (tmp_path / "run").exists()
    empty = CliRunner().invoke(main, [*fit, "--channels", "dapi,,gfp"])
    assert empty.exit_code == 2 and "separated by single commas" in empty.output
    right = CliRunner().invoke(main, [*fit, "--channels", "dapi,gfp"])
    assert right.exit_code == 0, right.output
    described = json.loads((tmp_path / "run" / "model" / "model.json").read_text())
    assert described["preparation"]["channels"] == ["dapi", "gfp"]
    listed = CliRunner().invoke(main, ["cache", "info", "--cache", str(tmp_path / "cache")])
    assert "channels dapi/gfp" in " ".join(listed.output.split())


def test_channels_are_normalised_by_the_training_images_whatever_their_number(tmp_path: Path, no_figures: None) -> None:
    run = headstart.fit(
        cells(), tmp_path / "run", helpers.cheap_options(channels=("gfp", "none"), normalise="training")
    )
    found = run.results.backbone.training_normalisation
    assert found is not None and len(found.mean) == 2 and found.std[1] == 0
    assert run.model().predict_proba(cells(4, seed=3)).shape == (4, 2)


def test_fine_tuning_takes_four_channels(tmp_path: Path, no_figures: None) -> None:
    options = helpers.cheap_options(channels=FOUR, strategy="fine-tune", fine_tuning={"epochs": 1}, unlock="1")
    run = headstart.fit(cells(), tmp_path / "run", options)
    assert run.model().predict_proba(cells(4, seed=3)).shape == (4, 2)


def test_baselines_describe_every_channel() -> None:
    from headstart.data import ImageResize
    from headstart.features.descriptors.descriptors import describe
    from headstart.features.descriptors.extractor import DescriptorExtractor

    pixels = stack(2)[:, :20, :20]
    found = DescriptorExtractor(ImageResize((20, 20), channels=NAMES), n_threads=1)
    rows = found.compute(pixels)
    assert rows.shape == (2, *found.row_shape)
    last = np.concatenate([pixels[0, ..., 3:], np.zeros((20, 20, 1), np.uint8)], axis=2)
    first = np.ascontiguousarray(pixels[0, ..., :3])
    expected = np.concatenate(describe(np.stack([first, last])))
    assert np.array_equal(rows[0], expected)


@pytest.mark.parametrize("pixels", ["uint8", "float32"])
def test_engines_agree_on_four_channels(pixels: str) -> None:
    pytest.importorskip("openvino")
    from headstart.backbones.backbone import load_backbone
    from headstart.data import ImageResize
    from headstart.engines.engine import decide_engine
    from headstart.features.extractor import Extractor

    backbone = load_backbone(helpers.BACKBONE, weights="random", n_channels=4)
    preparation = ImageResize((32, 32), channels=FOUR, pixels=pixels)
    images = np.stack([cells(3).prepared(row, preparation) for row in range(3)])
    assert images.shape == (3, 32, 32, 4)
    torch_engine = decide_engine(device="cpu", n_threads=1)
    engines = (torch_engine, replace(torch_engine, name="openvino"))
    plain, fast = (Extractor(backbone, preparation, engine).compute(images) for engine in engines)
    np.testing.assert_allclose(fast, plain, atol=1e-4)
