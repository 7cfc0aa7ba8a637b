"""Features: equal to the plain loop, computed once, kept safely; near-duplicates confirmed, look-alikes left apart."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import helpers
import numpy as np
import pytest
import torch
import warm

from headstart.data import ImageDataset
from headstart.data.images.decode import decode
from headstart.engines.engine import Engine, decide_engine, resolve_device
from headstart.errors import ImageError, InputError
from headstart.features.cache import FeatureCache
from headstart.features.extract import ROWS_PER_SHARD, extract_features, n_cached
from headstart.features.extractor import Extractor
from headstart.features.near_duplicates import BACKGROUND, RATIO, confirm_near_duplicates
from headstart.features.pipeline import stream_features
from headstart.storage import default_cache_folder, hash_json


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return helpers.extractor()


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of images in every forward pass."""
    counts: list[int] = []
    plain = Extractor.compute

    def counted(self: Extractor, pixels: np.ndarray) -> np.ndarray:
        counts.append(len(pixels))
        return plain(self, pixels)

    monkeypatch.setattr(Extractor, "compute", counted)
    return counts


def files(root: Path, images: np.ndarray) -> list[Path]:
    return [helpers.write_image(root / f"{row:03d}.png", pixels) for row, pixels in enumerate(images)]


# Extraction -----------------------------------------------------------------------------------------------------------


def test_equal_to_one_image_after_the_other(extractor: Extractor, tmp_path: Path) -> None:
    """The slow, obvious way: decode, resize, scale to 0..1, normalise, average the last map."""
    paths = files(tmp_path, helpers.noise(21))
    backbone = extractor.backbone
    rows = []
    for path in paths:
        pixels = extractor.preparation.resized(decode(path.read_bytes(), path.name)) / 255.0
        normal = ((pixels - np.array(backbone.mean)) / np.array(backbone.std)).astype(np.float32)
        with torch.inference_mode():
            rows.append(backbone.module.network.forward_features(torch.from_numpy(normal.transpose(2, 0, 1))[None]))
    expected = torch.cat(rows).mean(dim=(2, 3)).numpy()
    found = extract_features(ImageDataset.from_files(paths), extractor)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_an_image_does_not_see_its_company(batch_size: int) -> None:
    """To the last bit: alone, in another order, in another place of the batch."""
    extractor = helpers.extractor(batch_size=batch_size)
    dataset = ImageDataset.from_arrays(helpers.noise(19))
    together = extract_features(dataset, extractor)
    order = np.random.default_rng(1).permutation(19)
    assert extract_features(dataset.subset(order), extractor).tobytes() == together[order].tobytes()
    for row in (0, 7, 18):
        assert extract_features(dataset.subset([row]), extractor).tobytes() == together[row].tobytes()


def test_threads_of_torch_are_put_back(extractor: Extractor) -> None:
    before = torch.get_num_threads()
    three = Extractor(extractor.backbone, extractor.preparation, replace(extractor.engine, n_threads=3))
    seen = []
    first = extractor.backbone.staged.stages[0].module
    hook = first.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    extract_features(ImageDataset.from_arrays(helpers.noise(2)), three)
    hook.remove()
    assert seen == [3]
    assert torch.get_num_threads() == before


def test_no_images_give_no_rows(extractor: Extractor) -> None:
    empty = ImageDataset.from_arrays(helpers.noise(1)).subset([])
    assert extract_features(empty, extractor).shape == (0, extractor.backbone.feature_width)


def test_equal_images_are_computed_once(extractor: Extractor, computed: list[int]) -> None:
    images = helpers.noise(5)
    found = extract_features(ImageDataset.from_arrays(images[[0, 1, 0, 2, 1, 0]]), extractor)
    assert sum(computed) == 3
    assert found[0].tobytes() == found[2].tobytes() == found[5].tobytes()


def test_stream_hands_back_unreadable_images_in_their_place(extractor: Extractor, tmp_path: Path) -> None:
    paths = files(tmp_path, helpers.noise(6))
    paths[2].write_bytes(paths[2].read_bytes()[:60])
    paths[4].unlink()
    small = Extractor(extractor.backbone, extractor.preparation, replace(extractor.engine, batch_size=2))
    batches = list(stream_features(ImageDataset.from_files(paths), small))
    assert [batch.rows for batch in batches] == [[0, 1], [3], [5]]
    assert [[row for row, _ in batch.failed] for batch in batches] == [[], [2], [4]]
    assert batches[2].failed[0][1].reason == "no such file"


def test_a_batch_without_one_readable_image(extractor: Extractor, tmp_path: Path) -> None:
    (batch,) = stream_features(ImageDataset.from_files([tmp_path / "a.png", tmp_path / "b.png"]), extractor)
    assert batch.features.shape == (0, extractor.backbone.feature_width)
    assert len(batch.failed) == 2


def test_a_file_that_changed_since_it_was_audited_is_refused(extractor: Extractor, tmp_path: Path) -> None:
    images = helpers.noise(4)
    paths = files(tmp_path, images)
    dataset = ImageDataset.from_files(paths)
    audited = dataset.with_hashes([dataset.content_hash(row) for row in range(4)])
    helpers.write_image(paths[2], images[2] // 2)
    with pytest.raises(ImageError, match=r"002\.png: the file changed while it was being used"):
        extract_features(audited, extractor)


# Cache ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def test_hit_after_a_rename_and_miss_after_a_changed_pixel(
    extractor: Extractor, cache: FeatureCache, computed: list[int], tmp_path: Path
) -> None:
    images = helpers.noise(6)
    first = extract_features(ImageDataset.from_files(files(tmp_path / "a", images)), extractor, cache=cache)
    assert sum(computed) == 6
    renamed = [path.rename(path.with_name(f"other{path.name}")) for path in sorted((tmp_path / "a").iterdir())]
    again = extract_features(ImageDataset.from_files(renamed), extractor, cache=cache)
    assert sum(computed) == 6
    assert again.tobytes() == first.tobytes()
    images[3, 0, 0, 0] ^= 1
    helpers.write_image(renamed[3], images[3])
    changed = extract_features(ImageDataset.from_files(renamed), extractor, cache=cache)
    assert sum(computed) == 7
    assert np.abs(changed - first).sum(axis=1).nonzero()[0].tolist() == [3]


def test_three_images_more_cost_three_computations(
    extractor: Extractor, cache: FeatureCache, computed: list[int]
) -> None:
    images = helpers.noise(20)
    extract_features(ImageDataset.from_arrays(images[:17]), extractor, cache=cache)
    before = sum(computed)
    grown = ImageDataset.from_arrays(images)
    assert n_cached(grown, extractor, cache) == 17
    found = extract_features(grown, extractor, cache=cache)
    assert sum(computed) - before == 3
    assert found.tobytes() == extract_features(grown, extractor).tobytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda e: Extractor(e.backbone, replace(e.preparation, resize="pad"), e.engine),
        lambda e: Extractor(e.backbone, replace(e.preparation, white_level=4095), e.engine),
        lambda e: Extractor(e.backbone, e.preparation, replace(e.engine, batch_size=8)),
        lambda e: Extractor(e.backbone, e.preparation, replace(e.engine, n_threads=2)),
        lambda e: Extractor(replace(e.backbone, tensors_sha256="0" * 64), e.preparation, e.engine),
        lambda e: Extractor(replace(e.backbone, mean=(0.1, 0.1, 0.1)), e.preparation, e.engine),
    ],
    ids=["resize", "white level", "batch", "threads", "weights", "normalisation"],
)
def test_everything_that_shapes_features_is_part_of_the_key(change: object, extractor: Extractor) -> None:
    assert hash_json(change(extractor).settings()) != hash_json(extractor.settings())


@pytest.mark.parametrize("damage", [lambda content: content[:-40], lambda content: content[:-4] + b"\xff\xff\xff\x7f"])
def test_damaged_shard_is_found_and_computed_again(
    damage: object, extractor: Extractor, cache: FeatureCache, computed: list[int], tmp_path: Path
) -> None:
    dataset = ImageDataset.from_arrays(helpers.noise(5))
    first = extract_features(dataset, extractor, cache=cache)
    (shard,) = (tmp_path / "cache").rglob("*.safetensors")
    shard.write_bytes(damage(shard.read_bytes()))
    notes = helpers.Notes()
    again = extract_features(dataset, extractor, cache=FeatureCache(cache.folder, progress=notes))
    assert again.tobytes() == first.tobytes()
    assert sum(computed) == 10
    assert str(shard) in notes.texts[0]
    assert "damaged" in notes.texts[0]
    assert FeatureCache(cache.folder).verify() == []


def test_interrupted_work_keeps_what_was_computed(
    extractor: Extractor, cache: FeatureCache, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    n_images = ROWS_PER_SHARD + 40
    dataset = ImageDataset.from_arrays(helpers.noise(n_images, side=8))
    counted = Extractor.compute

    def interrupted(self: Extractor, pixels: np.ndarray) -> np.ndarray:
        if sum(computed) >= ROWS_PER_SHARD + 16:
            raise KeyboardInterrupt
        return counted(self, pixels)

    with monkeypatch.context() as patch:
        patch.setattr(Extractor, "compute", interrupted)
        with pytest.raises(KeyboardInterrupt):
            extract_features(dataset, extractor, cache=cache)
    assert cache.info().n_rows == sum(computed) == ROWS_PER_SHARD + 16
    computed.clear()
    found = extract_features(dataset, extractor, cache=cache)
    assert sum(computed) == n_images - (ROWS_PER_SHARD + 16)
    assert found.tobytes() == extract_features(dataset, extractor).tobytes()


def test_files_still_being_written_are_not_read(extractor: Extractor, cache: FeatureCache, tmp_path: Path) -> None:
    dataset = ImageDataset.from_arrays(helpers.noise(3))
    extract_features(dataset, extractor, cache=cache)
    (shard,) = (tmp_path / "cache").rglob("*.safetensors")
    (shard.parent / f".{shard.name}.x1.tmp").write_bytes(b"half")
    (shard.parent / f".{shard.name}").write_bytes(b"half")
    assert cache.verify() == []
    assert cache.info().n_rows == 3


BESIDE = """
import sys
sys.path.insert(0, {tests!r})
import helpers, numpy as np
from pathlib import Path
from headstart.data import ImageDataset
from headstart.features.cache import FeatureCache
from headstart.features.extract import extract_features
extractor = helpers.extractor()
dataset = ImageDataset.from_arrays(helpers.noise(300, side=8))
print("ready", flush=True)
sys.stdin.readline()
found = extract_features(dataset, extractor, cache=FeatureCache(Path({cache!r})))
np.save({out!r}, found)
"""


def test_two_processes_at_once_on_one_cache(extractor: Extractor, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    workers = []
    for number in range(2):
        code = BESIDE.format(
            tests=str(Path(__file__).parents[1]), cache=str(folder), out=str(tmp_path / f"{number}.npy")
        )
        workers.append(warm.Child(code))
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate(timeout=120)
        assert worker.returncode == 0
    expected = extract_features(ImageDataset.from_arrays(helpers.noise(300, side=8)), extractor)
    for number in range(2):
        assert np.load(tmp_path / f"{number}.npy").tobytes() == expected.tobytes()
    cache = FeatureCache(folder)
    assert cache.verify() == []
    assert n_cached(ImageDataset.from_arrays(helpers.noise(300, side=8)), extractor, cache) == 300
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.parametrize("number", ["EROFS", "ENOSPC", "EACCES"])
def test_work_goes_on_without_a_cache_that_cannot_be_written(
    number: str, extractor: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def refuse(*args: object, **options: object) -> None:
        raise OSError(getattr(errno, number), number)

    monkeypatch.setattr("headstart.storage.tempfile.mkstemp", refuse)
    notes = helpers.Notes()
    dataset = ImageDataset.from_arrays(helpers.noise(ROWS_PER_SHARD * 2 + 9, side=8))
    cache = FeatureCache(tmp_path / "cache", progress=notes)
    found = extract_features(dataset, extractor, cache=cache, progress=notes)
    assert found.shape == (len(dataset), extractor.backbone.feature_width)
    assert len(notes.texts) == 1  # said once, not for each shard
    assert "The work goes on without the cache" in notes.texts[0]


def test_work_goes_on_where_the_cache_is_no_folder(extractor: Extractor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    notes = helpers.Notes()
    cache = FeatureCache(tmp_path / "file", progress=notes)
    assert len(extract_features(ImageDataset.from_arrays(helpers.noise(2)), extractor, cache=cache)) == 2
    assert "is a file, not a folder" in notes.texts[0]
    assert cache.info().n_rows == 0


def test_clear_frees_what_info_counts_and_nothing_else(extractor: Extractor, cache: FeatureCache) -> None:
    extract_features(ImageDataset.from_arrays(helpers.noise(4)), extractor, cache=cache)
    own = cache.folder / "notes.txt"
    own.write_text("mine")
    info = cache.info()
    assert (info.n_settings, info.n_rows) == (1, 4)
    assert cache.clear() == info.n_bytes > 0
    assert cache.info().n_rows == 0
    assert own.read_text() == "mine"


def test_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "x"))
    assert default_cache_folder() == tmp_path / "x"
    monkeypatch.delenv("HEADSTART_CACHE")
    assert default_cache_folder().name == "headstart"


# Engine ---------------------------------------------------------------------------------------------------------------


def test_engine_survives_json() -> None:
    engine = Engine(device="cuda", n_threads=3, batch_size=7)
    assert Engine.from_json(json.loads(json.dumps(engine.to_json()))) == engine


def test_devices_that_are_unknown_or_absent_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    with pytest.raises(InputError, match=r"Unknown device 'gpu'\. Expected auto, cpu, cuda or mps\."):
        resolve_device("gpu")
    with pytest.raises(InputError, match=r"Device 'cuda' is not available on this machine\. Use --device cpu\."):
        decide_engine(device="cuda")
    with pytest.raises(InputError, match="0 for threads is out of range; expected 1 to 256"):
        decide_engine(n_threads=0)


# Near-duplicates -----------------------------------------------------------------------------------------------------


def likenesses(n_kinds: int = 6, n_each: int = 8, width: int = 40) -> np.ndarray:
    """Images of a few kinds, those of a kind much alike."""
    rng = np.random.default_rng(2)
    kinds = rng.normal(size=(n_kinds, width)) * 4
    return (np.repeat(kinds, n_each, axis=0) + rng.normal(size=(n_kinds * n_each, width))).astype(np.float32)


def every_pair(n_images: int) -> list[tuple[int, int, int]]:
    return [(first, second, 3) for first, second in itertools.combinations(range(n_images), 2)]


def test_copies_are_confirmed_and_look_alikes_are_not() -> None:
    features = likenesses()
    assert confirm_near_duplicates(features, every_pair(len(features))) == []
    rng = np.random.default_rng(3)
    copies = features[[4, 11, 11]] + rng.normal(scale=0.1, size=(3, features.shape[1])).astype(np.float32)
    both = np.concatenate([features, copies])
    assert confirm_near_duplicates(both, every_pair(len(both))) == [(4, 48), (11, 49), (11, 50), (49, 50)]


def test_only_candidates_are_confirmed_and_their_order_is_of_no_account() -> None:
    features = likenesses()
    features[20], features[30] = features[4], features[9]
    found = confirm_near_duplicates(features, [(30, 9, 0), (4, 5, 1)])
    assert found == [(9, 30)]


def by_hand(features: np.ndarray) -> list[tuple[int, int]]:
    unit = features - features.mean(axis=0, dtype=np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    found = []
    for first, second in itertools.combinations(range(len(features)), 2):
        around = [
            sorted(1 - unit[row] @ unit[other] for other in range(len(features)) if other != row)
            for row in (first, second)
        ]
        if 1 - unit[first] @ unit[second] <= RATIO * min(ranked[BACKGROUND - 1] for ranked in around):
            found.append((first, second))
    return found


def test_equal_to_the_ratio_test_by_hand() -> None:
    features = np.random.default_rng(5).normal(size=(12, 3)).astype(np.float32)
    expected = by_hand(features)
    assert 0 < len(expected) < 12
    assert confirm_near_duplicates(features, every_pair(12)) == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_images", [4, 30, 61])
def test_images_seen_block_by_block_give_the_pairs_of_all_at_once(
    seed: int, n_images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_images, 4)).astype(np.float32)
    features[n_images // 2] = features[0] + rng.normal(scale=1e-3, size=4).astype(np.float32)
    monkeypatch.setattr("headstart.features.near_duplicates._BLOCK", 7)
    monkeypatch.setattr("headstart.features.near_duplicates._ROWS_AT_ONCE", 5)
    monkeypatch.setattr("headstart.features.near_duplicates._IMAGES_AT_ONCE", 20)
    expected = by_hand(features)
    assert (0, n_images // 2) in expected
    assert confirm_near_duplicates(features, every_pair(n_images)) == expected
    beside = np.concatenate([rng.normal(size=(9, 4)).astype(np.float32), features])
    rows = range(9, len(beside))
    assert confirm_near_duplicates(beside, every_pair(n_images), rows=rows) == expected
    some = expected[:1] + every_pair(n_images)[::3]
    chosen = {(pair[0], pair[1]) for pair in some}
    assert confirm_near_duplicates(features, [(*pair, 0) for pair in chosen]) == sorted(chosen & set(expected))


def test_scale_and_shift_of_the_features_are_of_no_account() -> None:
    features = likenesses()
    features[20] = features[4] + 0.01
    moved = features * 8 + 32
    assert (
        confirm_near_duplicates(moved, every_pair(48)) == confirm_near_duplicates(features, every_pair(48)) == [(4, 20)]
    )


@pytest.mark.parametrize(
    "features", [np.ones((10, 4), np.float32), np.zeros((3, 4), np.float32), np.zeros((0, 4), np.float32)]
)
def test_data_sets_without_any_difference_have_no_near_duplicates(features: np.ndarray) -> None:
    """Where all images look the same to the network, nothing can tell a copy; exact copies are found by their bytes."""
    assert confirm_near_duplicates(features, every_pair(len(features))) == []
