"""Stage maps: equal to the network cut at the stage, kept, found again, and refused where there is no room."""

from __future__ import annotations

import errno
import gc
import os
import re
import shutil
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import torch

from headstart.augment import View, views
from headstart.backbones.backbone import load_backbone
from headstart.data import ImageDataset, ImageResize
from headstart.engines.engine import decide_engine
from headstart.errors import ImageError, InputError, StorageError
from headstart.features.cache import CacheLimit, FeatureCache
from headstart.features.extractor import Extractor
from headstart.features.stage_maps import StageMaps, extract_maps


def extractor(
    stage: str | None, *, name: str = helpers.BACKBONE, side: int = helpers.SIDE, **changes: Any
) -> Extractor:
    backbone = load_backbone(name, weights="random")
    preparation = ImageResize((side, side), interpolation=backbone.interpolation)
    return Extractor(backbone, preparation, decide_engine(device="cpu", n_threads=1), stage=stage, **changes)


@pytest.fixture(scope="module")
def middle() -> Extractor:
    return extractor(load_backbone(helpers.BACKBONE, weights="random").staged.names[-2])


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache", limit=CacheLimit(10**9))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counts: list[int] = []
    plain = Extractor.compute

    def counted(self: Extractor, pixels: np.ndarray) -> Any:
        counts.append(len(pixels))
        return plain(self, pixels)

    monkeypatch.setattr(Extractor, "compute", counted)
    return counts


def obvious(extractor: Extractor, images: np.ndarray, view: View | None = None) -> np.ndarray:
    """One image after the other through the stages, in fp32."""
    dataset = ImageDataset.from_arrays(images)
    maps = []
    for row in range(len(dataset)):
        pixels = dataset.prepared(row, extractor.preparation)
        if view is not None:
            pixels = view.apply(pixels, dataset.content_hash(row))
        with torch.inference_mode():
            given = extractor.backbone.normalise(np.ascontiguousarray(pixels)[None], torch.device("cpu"))
            maps.append(extractor.backbone.staged.forward_features(given, until=extractor.stage)[0].float().numpy())
    return np.stack(maps)


@pytest.mark.parametrize(
    ("name", "side"),
    [(helpers.BACKBONE, helpers.SIDE), ("test_vit", 160), ("test_convnext", 64), ("test_efficientnet", 64)],
)
def test_equal_to_the_network_cut_at_every_stage(name: str, side: int, cache: FeatureCache) -> None:
    images = helpers.noise(3)
    for stage in load_backbone(name, weights="random").staged.names:
        cut = extractor(stage, name=name, side=side)
        maps = extract_maps(ImageDataset.from_arrays(images), cut, cache=cache)
        expected = obvious(cut, images)
        assert maps.shape == expected.shape == (3, *cut.row_shape)
        assert maps.dtype == maps[:].dtype == np.float16
        np.testing.assert_allclose(maps[:], expected, rtol=4e-3, atol=4e-3 * float(np.abs(expected).max()))


def test_rows_in_any_form(middle: Extractor, cache: FeatureCache) -> None:
    images = helpers.noise(20)
    maps = extract_maps(ImageDataset.from_arrays(images), middle, cache=cache)
    whole = maps[np.arange(20)]
    assert len(maps) == 20
    assert maps.nbytes == whole.nbytes == StageMaps.estimate_bytes(middle.row_shape, 20)
    mask = np.zeros(20, dtype=bool)
    mask[[2, 19]] = True
    for rows in (slice(3, 9), [7, 7, 0, 19], np.array([5]), mask, [-1], slice(None, None, -2), []):
        index = np.asarray(rows, dtype=int) if isinstance(rows, list) else rows
        assert maps[rows].shape == whole[index].shape
        assert maps[rows].tobytes() == whole[index].tobytes()
    assert maps[4].shape == middle.row_shape
    assert maps[4].tobytes() == whole[4].tobytes()
    with pytest.raises(IndexError):
        maps[20]
    maps[3][:] = 0  # a copy
    assert maps[3].tobytes() == whole[3].tobytes()


def test_views_are_the_views(middle: Extractor, cache: FeatureCache, computed: list[int]) -> None:
    images = helpers.noise(9)
    dataset, chosen = ImageDataset.from_arrays(images[[0, 1, 2, 3, 4, 5, 6, 7, 8, 0]]), views("flips", 3, 0)
    maps = extract_maps(dataset, middle, views=chosen, cache=cache)
    assert sum(computed) == 27  # the last image is a copy of the first
    assert maps.shape == (10, 3, *middle.row_shape)
    assert maps.n_views == 3
    for number, view in enumerate(chosen):
        expected = obvious(middle, images, view)
        found = maps.take(np.arange(9), number)
        np.testing.assert_allclose(found, expected, rtol=4e-3, atol=4e-3 * float(np.abs(expected).max()))
        assert maps[:9][:, number].tobytes() == found.tobytes()
    mixed = maps.take([3, 3, 8], [0, 2, 1])
    assert mixed.tobytes() == np.stack([maps[3][0], maps[3][2], maps[8][1]]).tobytes()
    assert maps[9].tobytes() == maps[0].tobytes()


def test_what_is_kept_is_not_computed_again(middle: Extractor, cache: FeatureCache, computed: list[int]) -> None:
    images = helpers.noise(14)
    first = extract_maps(ImageDataset.from_arrays(images[:10]), middle, cache=cache)[:]
    assert sum(computed) == 10
    maps = extract_maps(ImageDataset.from_arrays(images[::-1]), middle, cache=FeatureCache(cache.folder))
    assert sum(computed) == 14
    assert maps[::-1][:10].tobytes() == first.tobytes()
    more = extract_maps(ImageDataset.from_arrays(images), middle, views=views("flips", 2, 0), cache=cache)
    assert sum(computed) == 28  # the first view is the image as it is
    assert more[:10][:, 0].tobytes() == first.tobytes()
    other = extractor(middle.backbone.staged.names[0])
    extract_maps(ImageDataset.from_arrays(images), other, cache=cache)
    assert sum(computed) == 42


def test_maps_are_checked_once_when_opened(
    middle: Extractor, cache: FeatureCache, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ImageDataset.from_arrays(helpers.noise(12))
    expected = extract_maps(dataset, middle, cache=cache)[:]
    (path,) = cache.folder.rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 64
    path.write_bytes(content)
    notes = helpers.Notes()
    maps = extract_maps(dataset, middle, cache=FeatureCache(cache.folder, progress=notes))
    assert "damaged" in notes.texts[0]
    assert sum(computed) == 24
    monkeypatch.setattr("headstart.features.cache.read.check_name", None)
    assert maps[:].tobytes() == expected.tobytes()


def test_maps_outlive_the_cache(middle: Extractor, cache: FeatureCache) -> None:
    maps = extract_maps(ImageDataset.from_arrays(helpers.noise(6)), middle, cache=cache)
    before = maps[:]
    shutil.rmtree(cache.folder)
    assert maps[:].tobytes() == before.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        maps._maps[0][0] = 1


def test_no_file_stays_open(middle: Extractor, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may hold a thousand files open; maps may lie in more."""
    monkeypatch.setattr("headstart.features.extract.ROWS_PER_SHARD", 1)
    fds = Path("/proc/self/fd")
    if not fds.is_dir():
        pytest.skip("this system does not list open files")
    n_open = len(list(fds.iterdir()))
    maps = extract_maps(ImageDataset.from_arrays(helpers.noise(40)), middle, cache=cache)
    assert len(maps._maps) >= 3
    assert len(list(fds.iterdir())) <= n_open + 1


def test_without_a_cache_nothing_is_left(middle: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.features.stage_maps.tempfile.tempdir", str(tmp_path))
    left = tmp_path / "headstart-maps-old"
    left.mkdir()
    os.utime(left, (0, 0))
    maps = extract_maps(ImageDataset.from_arrays(helpers.noise(4)), middle)
    assert not left.exists()
    assert maps[:].shape == (4, *middle.row_shape)
    assert len(list(tmp_path.iterdir())) == 1
    del maps
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ImageError):
        extract_maps(ImageDataset.from_files([tmp_path / "none.png"]).with_hashes(["0" * 64]), middle)
    assert list(tmp_path.iterdir()) == []


# Refusals -------------------------------------------------------------------------------------------------------------


def test_pooled_features_are_no_stage_maps(cache: FeatureCache) -> None:
    dataset = ImageDataset.from_arrays(helpers.noise(2))
    with pytest.raises(InputError, match="need an extractor with a stage"):
        extract_maps(dataset, extractor(None), cache=cache)


def test_no_views_are_refused(middle: Extractor, cache: FeatureCache) -> None:
    with pytest.raises(InputError, match="No views were given"):
        extract_maps(ImageDataset.from_arrays(helpers.noise(2)), middle, views=[], cache=cache)


def test_a_disk_without_room_is_met_before_any_work(
    middle: Extractor, cache: FeatureCache, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ImageDataset.from_arrays(helpers.noise(5))
    monkeypatch.setattr("headstart.features.stage_maps.free_bytes", lambda folder: 10**9)
    with pytest.raises(StorageError, match=r"stage maps need 7\.68 kB more in .* where 1 GB are free.*later stage"):
        extract_maps(dataset, middle, cache=cache)
    assert computed == []
    monkeypatch.setattr("headstart.features.stage_maps.free_bytes", lambda folder: 2 * 10**9)
    kept = extract_maps(dataset, middle, cache=cache)[:]
    monkeypatch.setattr("headstart.features.stage_maps.free_bytes", lambda folder: 0)
    assert extract_maps(dataset, middle, cache=cache)[:].tobytes() == kept.tobytes()  # nothing new is needed


def test_a_limit_that_is_too_small_is_met_before_any_work(
    middle: Extractor, tmp_path: Path, computed: list[int]
) -> None:
    small = FeatureCache(tmp_path, limit=CacheLimit(1_000))
    with pytest.raises(StorageError, match=r"more than the cache's limit .*raise --cache-limit"):
        extract_maps(ImageDataset.from_arrays(helpers.noise(5)), middle, cache=small)
    assert computed == []


def test_room_is_needed_for_what_is_missing_and_once_for_copies(
    middle: Extractor, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = ImageDataset.from_arrays(np.repeat(helpers.noise(2), 50, axis=0))
    needed = StageMaps.estimate_bytes(middle.row_shape, 2)
    monkeypatch.setattr("headstart.features.stage_maps.free_bytes", lambda folder: 10**9 + needed)
    found = extract_maps(copies, middle, cache=cache)[:]
    small = FeatureCache(cache.folder, limit=CacheLimit(1_000))
    assert extract_maps(copies, middle, cache=small)[:].tobytes() == found.tobytes()  # all are there


def test_rows_of_another_kind_under_the_same_key_are_computed_again(
    middle: Extractor, cache: FeatureCache, tmp_path: Path
) -> None:
    dataset = ImageDataset.from_arrays(helpers.noise(3))
    hashes = [dataset.content_hash(row) for row in range(3)]
    cache.store(middle.settings(), hashes, np.zeros((3, 7), dtype=np.float16))
    found = extract_maps(dataset, middle, cache=cache)
    assert found[:].tobytes() == extract_maps(dataset, middle, cache=FeatureCache(tmp_path / "other"))[:].tobytes()


def test_a_disk_that_fills_up_meanwhile_stops_the_work(
    middle: Extractor, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("headstart.storage.tempfile.mkstemp", refuse)
    with pytest.raises(StorageError, match="the disk is full"):
        extract_maps(ImageDataset.from_arrays(helpers.noise(5)), middle, cache=cache)


def test_maps_that_vanish_again_and_again_are_an_error(
    middle: Extractor, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = FeatureCache.open_rows

    def vanished(self: FeatureCache, *arguments: Any) -> Any:
        self.clear()
        return plain(self, *arguments)

    monkeypatch.setattr(FeatureCache, "open_rows", vanished)
    with pytest.raises(StorageError, match="vanish as fast as they are computed"):
        extract_maps(ImageDataset.from_arrays(helpers.noise(3)), middle, cache=cache)


def test_the_examples_in_the_docs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "docs" / "views.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    helpers.write_folders(tmp_path / "photographs", 6)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert names["features"].shape == (6, 4, 1280)
    assert names["n_bytes"] == names["maps"].nbytes
    assert names["batch"].shape == (3, 4, 112, 14, 14)
    assert names["one_each"].shape == (3, 112, 14, 14)
    assert (names["one_each"] == names["batch"][:, 2]).all()
    assert names["engine"].is_reference
