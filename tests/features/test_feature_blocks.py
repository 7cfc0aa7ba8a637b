"""Feature blocks: each equals the obvious computation, all come of one pass, and what a pass gave is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import helpers
import numpy as np
import pytest
import torch

from headstart.augment import views
from headstart.backbones.backbone import Backbone, load_backbone
from headstart.backbones.feature_block import (
    DESCRIPTORS,
    LAST,
    POOLINGS,
    FeatureBlock,
    FeatureRequest,
    StageOutput,
    multi_blocks,
    parse_features,
    resolved_block,
)
from headstart.backbones.stage_outputs import stage_outputs
from headstart.data import ImageDataset, ImageResize
from headstart.engines import capabilities
from headstart.engines.engine import Engine, engine_for, reference_engine
from headstart.errors import InputError
from headstart.features.cache import FeatureCache
from headstart.features.descriptors.extractor import DescriptorExtractor
from headstart.features.engine_selection.int8 import quantise
from headstart.features.engine_selection.parity import compare_blocks, compare_features
from headstart.features.extract import extract_features, extract_views, mean_of_views, n_cached
from headstart.features.extractor import Extractor
from headstart.storage import hash_bytes

SIDE = helpers.SIDE
needs_openvino = pytest.mark.skipif(bool(capabilities.openvino_absence()), reason="openvino is not installed")
bf16 = pytest.mark.skipif("bf16" not in capabilities.openvino_precisions(), reason="no bf16 arithmetic here")
BLOCKS = (*(FeatureBlock("layer2", pooling) for pooling in POOLINGS), LAST, FeatureBlock("stem", "max"))


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(helpers.BACKBONE, weights="random")


@pytest.fixture(scope="module")
def transformer() -> Backbone:
    return load_backbone("test_vit", weights="random")


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    return ImageDataset.from_arrays(helpers.noise(13))


def extractor(backbone: Backbone, engine: Engine | None = None, **more: object) -> Extractor:
    chosen = engine or reference_engine(n_threads=1, batch_size=4)
    return Extractor(backbone, ImageResize((SIDE, SIDE)), chosen, **more)  # type: ignore[arg-type]


def pixels(n_images: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n_images, SIDE, SIDE, 3), dtype=np.uint8)


def pooled(values: np.ndarray, pooling: str) -> np.ndarray:
    """A map (channels, height, width) pooled by numpy."""
    if pooling == "mean":
        return values.mean(axis=(1, 2))
    if pooling == "max":
        return values.max(axis=(1, 2))
    if pooling == "gem":
        return (np.maximum(values, 1e-6) ** 3).mean(axis=(1, 2)) ** (1 / 3)
    if pooling == "rows":
        return values.mean(axis=2).ravel()
    if pooling == "rowmax":
        return values.max(axis=2).ravel()
    if pooling == "columns":
        return values.mean(axis=1).ravel()
    return np.stack(
        [cell.mean(axis=(1, 2)) for half in np.split(values, 2, 1) for cell in np.split(half, 2, 2)], 1
    ).ravel()


def obvious(backbone: Backbone, images: np.ndarray, block: FeatureBlock) -> np.ndarray:
    """One image after the other, pooled with numpy."""
    rows = []
    for image in images:
        with torch.inference_mode():
            normal = backbone.normalise(image[None], torch.device("cpu"))
            output = backbone.staged.forward_features(normal, None if block == LAST else block.stage)
            if block == LAST:
                rows.append(backbone.staged.pool(output)[0].numpy())
                continue
        values = output[0].numpy().astype(np.float64)
        if values.ndim == 2:  # tokens: one for the class, then patches
            values = values[backbone.module.network.num_prefix_tokens :].T[:, :, None]
        rows.append(pooled(values, block.pooling))
    return np.stack(rows).astype(np.float32)


def split(rows: np.ndarray, found: Extractor) -> list[np.ndarray]:
    return np.split(rows, np.cumsum(found.block_widths)[:-1], axis=1)


# What a block is ------------------------------------------------------------------------------------------------------


def engines() -> list[object]:
    quick = {"device": "cpu", "n_threads": 1, "batch_size": 4}
    return [
        pytest.param(reference_engine(n_threads=1, batch_size=4), 1e-5, id="plain"),
        pytest.param(engine_for("torch", "fp32", **quick), 1e-5, id="folded"),
        pytest.param(engine_for("torch", "bf16", **quick), 0.05, id="bf16"),
        pytest.param(engine_for("openvino", "fp32", **quick), 1e-4, id="openvino", marks=needs_openvino),
        pytest.param(engine_for("openvino", "bf16", **quick), 0.05, id="openvino-bf16", marks=bf16),
    ]


@pytest.mark.parametrize(("engine", "tolerance"), engines())
def test_every_engine_gives_each_block_as_the_obvious_computation(
    backbone: Backbone, engine: Engine, tolerance: float
) -> None:
    images, found = pixels(4), extractor(backbone, engine, blocks=BLOCKS)
    rows = found.compute(images)
    assert (rows.shape[1:], rows.dtype) == (found.row_shape, np.float32)
    for block, part in zip(BLOCKS, split(rows, found), strict=True):
        expected = obvious(backbone, images, block)
        assert part.shape == expected.shape
        assert np.linalg.norm(part - expected) <= tolerance * np.linalg.norm(expected), block


@pytest.mark.parametrize(("engine", "tolerance"), engines())
def test_a_block_has_the_same_bytes_in_every_pass(backbone: Backbone, engine: Engine, tolerance: float) -> None:
    """One pass for all equals a pass for each; with torch the last stage has the bytes it has alone."""
    del tolerance
    images, together = pixels(4), extractor(backbone, engine, blocks=BLOCKS)
    parts = dict(zip(BLOCKS, split(together.compute(images), together), strict=True))
    for block in BLOCKS if engine.is_eager else (FeatureBlock("layer2", "grid2"), FeatureBlock("stem", "max")):
        assert extractor(backbone, engine, blocks=[block]).compute(images).tobytes() == parts[block].tobytes(), block


def test_a_row_does_not_depend_on_the_others_of_the_batch(backbone: Backbone) -> None:
    found, images = extractor(backbone, blocks=BLOCKS), pixels(4)
    assert found.compute(images[2:3]).tobytes() == found.compute(images)[2:3].tobytes()


def test_tokens_are_pooled_without_the_class_token(transformer: Backbone) -> None:
    blocks = [FeatureBlock("block2", pooling) for pooling in POOLINGS[:3]]
    images, found = pixels(3), extractor(transformer, blocks=blocks)
    for block, part in zip(blocks, split(found.compute(images), found), strict=True):
        np.testing.assert_allclose(part, obvious(transformer, images, block), rtol=1e-4, atol=1e-5)
    for pooling in POOLINGS[3:]:
        with pytest.raises(InputError, match=rf"'block2' of test_vit gives tokens.*{pooling!r} does not fit"):
            extractor(transformer, blocks=[FeatureBlock("block2", pooling)])


def test_int8_gives_blocks_of_a_network_quantised_for_them(backbone: Backbone) -> None:
    pytest.importorskip("nncf")
    if capabilities.openvino_absence() or "int8" not in capabilities.openvino_precisions():
        pytest.skip("no int8 arithmetic here")
    blocks = (FeatureBlock("layer3", "mean"), FeatureBlock("layer3", "max"))
    plain = extractor(backbone, engine_for("openvino", "fp32", device="cpu", n_threads=1, batch_size=4), blocks=blocks)
    network = quantise(backbone, (SIDE, SIDE), 4, pixels(8), blocks=plain.computed)
    engine = engine_for("openvino", "int8", device="cpu", n_threads=1, batch_size=4)
    found = plain.with_engine(
        replace(engine, network_sha256=hash_bytes(network)), network=network, network_cache=None
    ).compute(pixels(4))
    expected = plain.compute(pixels(4))
    assert np.linalg.norm(found - expected) <= 0.3 * np.linalg.norm(expected)


def test_blocks_of_a_stage_are_weighed_as_one(backbone: Backbone) -> None:
    found = extractor(
        backbone,
        blocks=[FeatureBlock("layer2", "mean"), FeatureBlock("layer2", "rows"), FeatureBlock("stem", "max"), LAST],
    )
    assert found.block_widths == (48, 192, 32, 96)
    assert found.stage_widths == (240, 32, 96)
    assert extractor(backbone).stage_widths == (96,)


# Names ----------------------------------------------------------------------------------------------------------------


def test_blocks_are_written_by_stage_number_or_last(backbone: Backbone) -> None:
    outputs = stage_outputs(backbone.staged, (SIDE, SIDE))
    named = {
        "layer2:mean": FeatureBlock("layer2", "mean"),
        "3:max": FeatureBlock("layer2", "max"),
        "last:gem": FeatureBlock("layer4", "gem"),
        "last": LAST,
    }
    for text, expected in named.items():
        (block,) = parse_features(text).blocks
        assert resolved_block(block, outputs, backbone="x") == expected
    assert parse_features("multi") == FeatureRequest("multi", ())
    assert parse_features(" last + layer2:max") == FeatureRequest(None, (LAST, FeatureBlock("layer2", "max")))
    assert parse_features("best+descriptors") == FeatureRequest("best", (DESCRIPTORS,))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "layer2",
            "not understood. Expected last, multi, best, descriptors, lesion, array, or STAGE:POOLING such as block5",
        ),
        ("layer2:", "not understood"),
        ("", "not understood"),
        ("layer2:meen", "Unknown pooling 'meen'.*mean"),
        ("layer2:max+layer2:max", "name a block twice"),
        ("multi+best", "name multi and best. Name one"),
    ],
)
def test_what_is_no_block_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_features(text)


def test_a_stage_that_does_not_fit_is_refused(backbone: Backbone) -> None:
    for stage in ("layr2", "0", "6"):
        with pytest.raises(InputError, match=rf"stage '{stage}'.*`headstart backbones show test_resnet`"):
            extractor(backbone, blocks=[FeatureBlock(stage, "mean")])
    with pytest.raises(InputError, match="'layer2'"):
        extractor(backbone, blocks=[FeatureBlock("layr2", "mean")])
    with pytest.raises(InputError, match="'layer4' of test_resnet is 1 x 1 pixels, too small for 2 x 2 cells"):
        extractor(backbone, blocks=[FeatureBlock("layer4", "grid2")])
    with pytest.raises(InputError, match="name a block twice: layer2:mean"):
        extractor(backbone, blocks=[FeatureBlock("layer2", "mean"), FeatureBlock("3", "mean")])
    flat = (StageOutput("fc1", 4096, None, is_flat=True, stride=None, is_pointwise=False),)
    with pytest.raises(InputError, match="gives no map but one row of 4,096 numbers"):
        resolved_block(FeatureBlock("fc1", "mean"), flat, backbone="x")
    with pytest.raises(InputError, match="No stage of x gives a map"):
        multi_blocks(flat, backbone="x")


@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        ("efficientnet_lite0", 224, ["block3", "block4", "block5", "block6", "block7"]),
        ("efficientnet_lite0", 300, ["block3", "block4", "block5", "block6", "block7"]),
        ("resnet18", 64, ["layer2", "layer3", "layer4"]),
        ("test_vit", 32, None),
    ],
)
def test_multi_takes_the_last_stages_of_every_stride(name: str, side: int, expected: list[str] | None) -> None:
    network = load_backbone(name, weights="random")
    found = multi_blocks(stage_outputs(network.staged, (side, side)), backbone=name)
    stages = expected or list(network.staged.names[-3:-1])  # of a transformer its last two blocks, without the norm
    assert [block.name for block in found] == [f"{stage}:{pooling}" for stage in stages for pooling in ("mean", "max")]


# What is kept ---------------------------------------------------------------------------------------------------------


def no_passes(patch: pytest.MonkeyPatch) -> None:
    def refuse(self: Extractor, pixels: np.ndarray) -> np.ndarray:
        raise AssertionError("a forward pass ran")

    patch.setattr(Extractor, "compute", refuse)


def test_other_blocks_of_a_pass_are_read_from_the_cache(
    backbone: Backbone, dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FeatureCache(tmp_path)
    first = extractor(backbone, blocks=[FeatureBlock("layer1", "rows"), FeatureBlock("layer3", "max")])
    others = {
        block: extract_features(dataset, extractor(backbone, blocks=[block]))
        for block in (LAST, FeatureBlock("stem", "mean"), FeatureBlock("layer1", "rows"), FeatureBlock("layer4", "max"))
    }
    expected = extract_features(dataset, first, cache=cache)
    no_passes(monkeypatch)
    assert extract_features(dataset, first, cache=cache).tobytes() == expected.tobytes()
    for block, rows in others.items():
        found = extractor(backbone, blocks=[block])
        assert n_cached(dataset, found, cache) == len(dataset)
        assert extract_features(dataset, found, cache=cache).tobytes() == rows.tobytes(), block
    joined = extractor(backbone, blocks=list(others))
    np.testing.assert_array_equal(extract_features(dataset, joined, cache=cache), np.hstack(list(others.values())))


def test_what_is_missing_alone_is_computed_and_kept(backbone: Backbone, dataset: ImageDataset, tmp_path: Path) -> None:
    cache, found = FeatureCache(tmp_path), extractor(backbone, blocks=BLOCKS)
    extract_features(dataset.subset(range(5)), found, cache=cache)
    extract_features(dataset, extractor(backbone, blocks=[FeatureBlock("layer3", "mean")]), cache=cache)
    assert n_cached(dataset, found, cache) == 5  # rows, say, are a block of their own
    assert extract_features(dataset, found, cache=cache).tobytes() == extract_features(dataset, found).tobytes()
    assert n_cached(dataset, found, cache) == len(dataset)


def test_features_of_the_last_stage_keep_their_place_in_the_cache(backbone: Backbone) -> None:
    plain = extractor(backbone)
    assert plain.is_plain
    assert plain.settings()["stage"] == "layer4"
    assert not {"blocks", "averaged", "beside"} & plain.settings().keys()
    assert plain.parts() == ()
    *_, last = extractor(backbone, blocks=BLOCKS).parts()
    assert last.settings == plain.settings()


def test_networks_that_are_compiled_keep_their_blocks_apart(backbone: Backbone) -> None:
    compiled = replace(reference_engine(n_threads=1), compiled=True)
    parts = extractor(backbone, compiled, blocks=[FeatureBlock("stem", "mean"), FeatureBlock("stem", "gem")]).parts()
    assert [part.settings["beside"] for part in parts] == [["stem:gem", "last"]] * 3
    alone = extractor(backbone, compiled, blocks=[FeatureBlock("stem", "mean")]).parts()
    assert [part.settings["beside"] for part in alone] == [["last"]] * 2
    assert all(part.settings != extractor(backbone, compiled).settings() for part in alone)  # not even the last's


def test_views_give_blocks_apart_or_averaged(
    backbone: Backbone, dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks, every = [FeatureBlock("layer2", "max"), FeatureBlock("layer3", "mean")], views("dihedral", 8)
    cache, found = FeatureCache(tmp_path), extractor(backbone, blocks=blocks)
    averaged = found.with_blocks(blocks, averaged=every)
    apart = extract_views(dataset, found, every, cache=cache)
    assert apart.shape == (len(dataset), 8, *found.row_shape)
    for number, view in enumerate(every):
        seen = Extractor(backbone, found.preparation, found.engine, blocks=blocks, view=view)
        np.testing.assert_array_equal(extract_features(dataset, seen), apart[:, number])
    no_passes(monkeypatch)
    mean = extract_features(dataset, averaged, cache=cache)
    np.testing.assert_allclose(mean, apart.mean(axis=1), rtol=1e-6)
    assert (mean.dtype, mean.shape) == (np.float32, (len(dataset), *found.row_shape))
    assert mean_of_views(apart[3:4]).tobytes() == mean[3:4].tobytes()
    assert not np.array_equal(mean, apart[:, 0])


def test_descriptors_stand_beside_blocks_and_are_those_of_the_baseline(
    backbone: Backbone, dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FeatureCache(tmp_path)
    found = extractor(backbone, blocks=[FeatureBlock("layer3", "mean"), DESCRIPTORS, LAST])
    describer = DescriptorExtractor(found.preparation, n_threads=1)
    rows = extract_features(dataset, found, cache=cache)
    middle, described, last = split(rows, found)
    np.testing.assert_array_equal(described, extract_features(dataset, describer))
    np.testing.assert_array_equal(last, extract_features(dataset, extractor(backbone)))
    assert middle.shape[1] == 192
    assert found.column_names()[191:194] == ["test_resnet_layer3:mean_191", "L* mean", "L* deviation"]
    assert n_cached(dataset, describer, cache) == len(dataset)
    no_passes(monkeypatch)
    assert extract_features(dataset, found, cache=cache).tobytes() == rows.tobytes()


# The parity guard -----------------------------------------------------------------------------------------------------


def test_a_block_that_differs_is_not_hidden_by_larger_ones() -> None:
    generator = np.random.default_rng(0)
    large, small = generator.normal(size=(32, 5)) * 1000, generator.normal(size=(32, 3))
    reference = np.hstack([large, small])
    spoilt = np.hstack([large, generator.normal(size=(32, 3))])
    hidden = compare_features(reference, spoilt).relative_error
    assert hidden is not None
    assert hidden < 0.01
    seen = compare_blocks(reference, spoilt, [5, 3]).relative_error
    assert seen == compare_features(small, spoilt[:, 5:]).relative_error
    assert compare_blocks(reference, spoilt, [8]) == compare_features(reference, spoilt)


def test_a_block_that_is_the_same_for_all_images_is_passed_over() -> None:
    rows = np.random.default_rng(0).normal(size=(32, 5))
    idle = np.full((32, 2), 6.0)
    assert compare_blocks(np.hstack([rows, idle]), np.hstack([rows, idle]), [5, 2]) == compare_features(rows, rows)
    woken = np.hstack([rows, np.random.default_rng(1).normal(size=(32, 2))])
    assert compare_blocks(np.hstack([rows, idle]), woken, [5, 2]).relative_error is None


@pytest.mark.parametrize(
    "blocks",
    [
        (FeatureBlock("layer2", "max"), FeatureBlock("stem", "mean")),
        (FeatureBlock("layer1", "rows"), DESCRIPTORS),
        (DESCRIPTORS,),
        (LAST, FeatureBlock("layer2", "gem")),
    ],
)
def test_a_trimmed_pass_gives_the_same_bits(backbone: Backbone, blocks: tuple[FeatureBlock, ...]) -> None:
    images = pixels(3)
    whole = extractor(backbone, blocks=blocks, beside=(FeatureBlock("layer3", "gem"),))
    trimmed = extractor(backbone, blocks=blocks, beside=(FeatureBlock("layer3", "gem"),), is_trimmed=True)
    np.testing.assert_array_equal(trimmed.compute(images), whole.compute(images))
    assert set(trimmed.of_network) == set(blocks) - {DESCRIPTORS} or blocks == (DESCRIPTORS,)


def test_a_trimmed_pass_ends_with_the_last_stage_that_is_needed(backbone: Backbone) -> None:
    seen: list[str] = []
    hooks = [
        stage.module.register_forward_hook(lambda *_, name=stage.name: seen.append(name))
        for stage in backbone.staged.stages
    ]
    extractor(backbone, blocks=(FeatureBlock("layer2", "max"),), is_trimmed=True).compute(pixels(1))
    for hook in hooks:
        hook.remove()
    assert seen[-1] == "layer2" and "layer3" not in seen
