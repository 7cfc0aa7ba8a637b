"""Several extractors as one: the same numbers, kept in the same places, every image read once."""

from __future__ import annotations

from pathlib import Path

import helpers
import numpy as np
import pytest

from headstart.backbones.backbone import load_backbone
from headstart.backbones.feature_block import LAST, FeatureBlock
from headstart.data import ImageDataset, ImageResize, read_dataset
from headstart.engines.engine import reference_engine
from headstart.features import pipeline
from headstart.features.cache import FeatureCache
from headstart.features.descriptors.extractor import DescriptorExtractor
from headstart.features.extract import extract_features, n_cached
from headstart.features.extractor import Extractor
from headstart.features.joint import JointExtractor
from headstart.features.protocol import PassExtractor

BLOCKS = {"pooled": [LAST], "blocks": [FeatureBlock("layer2", "max"), LAST]}


def members(blocks: str) -> tuple[Extractor, DescriptorExtractor]:
    preparation = ImageResize((helpers.SIDE, helpers.SIDE))
    backbone = load_backbone(helpers.BACKBONE, weights="random")
    engine = reference_engine(n_threads=1, batch_size=4)
    return Extractor(backbone, preparation, engine, blocks=BLOCKS[blocks]), DescriptorExtractor(
        preparation, n_threads=1
    )


@pytest.fixture
def images(tmp_path: Path) -> ImageDataset:
    return read_dataset(helpers.write_folders(tmp_path / "images", 6))


@pytest.mark.parametrize("blocks", BLOCKS)
def test_rows_and_what_is_kept_are_those_of_each_alone(
    blocks: str, images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joint, read, cache = JointExtractor(members(blocks)), [], FeatureCache(tmp_path / "cache")
    assert isinstance(joint, PassExtractor)
    plain = pipeline.read_prepared
    monkeypatch.setattr(pipeline, "read_prepared", lambda *asked: (read.append(asked[1]), plain(*asked))[1])
    rows = extract_features(images, joint, cache=cache)
    assert sorted(read) == list(range(len(images)))
    alone = [extract_features(images, one) for one in members(blocks)]
    np.testing.assert_array_equal(rows, np.concatenate(alone, axis=1))
    assert joint.widths == tuple(one.shape[1] for one in alone)
    np.testing.assert_array_equal(extract_features(images, JointExtractor(members(blocks)), cache=cache), rows)
    assert len(read) == 2 * len(images) + len(images), "what was kept is read again"
    for one, expected in zip(members(blocks), alone, strict=True):
        assert n_cached(images, one, cache) == len(images)
        np.testing.assert_array_equal(extract_features(images, one, cache=cache), expected)


def test_what_one_of_them_has_kept_is_not_kept_twice(images: ImageDataset, tmp_path: Path) -> None:
    network, describer = members("blocks")
    cache = FeatureCache(tmp_path / "cache")
    extract_features(images, describer, cache=cache)
    before = cache.info().settings
    rows = extract_features(images, JointExtractor([network, describer]), cache=cache)
    np.testing.assert_array_equal(rows[:, -describer.row_shape[0] :], extract_features(images, describer))
    found = {one.backbone: one for one in cache.info().settings}
    assert found[before[0].backbone] == before[0]
