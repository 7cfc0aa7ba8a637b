"""The input pipeline: equal to the plain loop, bounded, stopped at once; fast decoding close to exact; views."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import helpers
import numpy as np
import pytest
from PIL import Image

from headstart.augment import View, views
from headstart.data import ImageDataset, ImageResize, decode
from headstart.data.audit.examine import examine
from headstart.data.image_resize import FAST_MARGIN
from headstart.data.images.decode import decode_details
from headstart.data.images.free_memory import N_BLOCKS, PILLOW_BLOCKS
from headstart.data.images.source import StoredImage
from headstart.errors import DataError, ImageError, InputError
from headstart.features import pipeline
from headstart.features.cache import FeatureCache
from headstart.features.extract import extract_features, extract_views, n_cached
from headstart.features.extractor import Extractor
from headstart.features.pipeline import FeatureBatch, joined, stream_features
from headstart.runtime.warnings import QUIET, QUIET_PILLOW
from headstart.storage import hash_json

PATIENCE_S = 20.0


class Plain:
    """An extractor whose features are the sums over parts of the pixels, so that every expected value is at hand."""

    dtype = np.dtype(np.float32)
    row_shape: tuple[int, ...] = (3,)
    view: View | None = None

    def __init__(
        self,
        *,
        batch_size: int = 4,
        n_threads: int = 2,
        n_streams: int = 1,
        size: tuple[int, int] = (8, 8),
        before: Callable[[np.ndarray], object] = lambda pixels: None,
    ) -> None:
        self.engine = SimpleNamespace(batch_size=batch_size, n_threads=n_threads)
        self.n_streams = n_streams
        self.preparation = ImageResize(size)
        self._before = before

    def compute(self, pixels: np.ndarray) -> np.ndarray:
        assert len(pixels) <= self.engine.batch_size
        self._before(pixels)
        return pixels.sum(axis=(1, 2), dtype=np.int64).astype(self.dtype)


def files(root: Path, n_images: int, *, seed: int = 0) -> list[Path]:
    images = helpers.noise(n_images, seed=seed)
    return [helpers.write_image(root / f"{row:03d}.png", pixels) for row, pixels in enumerate(images)]


def plainly(extractor: Any, paths: Sequence[Path]) -> np.ndarray:
    """The obvious way: one image after the other, alone."""
    prepared = [extractor.preparation.resized(decode(path.read_bytes(), path.name)) for path in paths]
    return np.concatenate([extractor.compute(pixels[None]) for pixels in prepared])


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("headstart-")]


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.005)


# Order and equality ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_size", "n_streams", "n_threads"), [(1, 1, 1), (3, 2, 2), (4, 3, 4), (16, 2, 2), (64, 1, 2)]
)
def test_equal_to_the_plain_loop_whatever_the_order_of_work(
    batch_size: int, n_streams: int, n_threads: int, tmp_path: Path
) -> None:
    """Forward passes of random length, so that later batches are often done first."""
    pause = np.random.default_rng(0)
    lock = threading.Lock()

    def dawdle(pixels: np.ndarray) -> None:
        with lock:
            seconds = pause.uniform(0, 0.01)
        time.sleep(seconds)

    paths = files(tmp_path, 45)
    extractor = Plain(batch_size=batch_size, n_streams=n_streams, n_threads=n_threads, before=dawdle)
    batches = list(stream_features(ImageDataset.from_files(paths), extractor))
    assert [row for batch in batches for row in batch.rows] == list(range(45))
    assert {len(batch.rows) for batch in batches[:-1]} == {batch_size} - ({64} & {batch_size})
    found = np.concatenate([batch.features for batch in batches])
    assert found.tobytes() == plainly(Plain(), paths).tobytes()


@pytest.mark.parametrize("batch_size", [3, 16])
def test_a_real_network_gives_the_bytes_of_the_plain_loop(batch_size: int, tmp_path: Path) -> None:
    paths = files(tmp_path, 10)
    extractor = helpers.extractor(batch_size=batch_size)
    batches = list(stream_features(ImageDataset.from_files(paths), extractor))
    assert np.concatenate([batch.features for batch in batches]).tobytes() == plainly(extractor, paths).tobytes()


def test_rows_are_taken_in_the_order_given_and_arrays_are_read_as_files_are(tmp_path: Path) -> None:
    images = helpers.noise(9)
    paths = [helpers.write_image(tmp_path / f"{row}.png", pixels) for row, pixels in enumerate(images)]
    order = [7, 0, 3, 8]
    for dataset in (ImageDataset.from_files(paths), ImageDataset.from_arrays(images)):
        (batch,) = stream_features(dataset, Plain(), order)
        assert batch.rows == order
        assert batch.features.tobytes() == plainly(Plain(), [paths[row] for row in order]).tobytes()


def test_rows_of_any_shape_and_type_are_carried(tmp_path: Path) -> None:
    class Maps(Plain):
        dtype = np.dtype(np.float16)
        row_shape = (3, 8, 8)

        def compute(self, pixels: np.ndarray) -> np.ndarray:
            return pixels.transpose(0, 3, 1, 2).astype(np.float16)

    paths = files(tmp_path, 6)
    paths[4].unlink()
    paths[5].unlink()
    first, second = stream_features(ImageDataset.from_files(paths), Maps(batch_size=4))
    assert (first.features.shape, first.features.dtype) == ((4, 3, 8, 8), np.float16)
    assert (second.features.shape, second.features.dtype) == ((0, 3, 8, 8), np.float16)


def test_muted_warnings_stay_muted_until_the_last_context_is_left() -> None:
    """One thread decodes while another converts a network: neither may end the other's silence, nor keep its own."""
    before = list(warnings.filters)
    QUIET_PILLOW.__enter__()
    QUIET.__enter__()
    QUIET_PILLOW.__exit__(None, None, None)
    warnings.warn("of a library, which is an error in the tests where it is not muted", UserWarning, stacklevel=1)
    QUIET.__exit__(None, None, None)
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning, match="heard"):
        warnings.warn("heard", UserWarning, stacklevel=1)


# Overlap and bounds ---------------------------------------------------------------------------------------------------


def test_as_many_forward_passes_run_side_by_side_as_there_are_streams() -> None:
    """Each pass waits for the other two; were there fewer at a time, they would wait in vain."""
    meeting = threading.Barrier(3)
    extractor = Plain(batch_size=2, n_streams=3, before=lambda pixels: meeting.wait(PATIENCE_S))
    assert len(list(stream_features(ImageDataset.from_arrays(helpers.noise(12)), extractor))) == 6


def test_pictures_are_read_ahead_of_a_busy_engine_but_not_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is held; meanwhile the readers prepare what the next passes need, and then they rest."""
    read: list[int] = []
    plain = pipeline.read_prepared
    monkeypatch.setattr(
        pipeline, "read_prepared", lambda dataset, row, how: read.append(row) or plain(dataset, row, how)
    )
    gate = threading.Event()
    extractor = Plain(batch_size=4, n_streams=2, before=lambda pixels: gate.wait(PATIENCE_S))
    stream = stream_features(ImageDataset.from_arrays(helpers.noise(400)), extractor)
    helper = threading.Thread(target=lambda: next(stream))
    helper.start()
    bound = 4 * (2 + 32 // 4 + 1)  # two in the engine, 32 images ahead, one more to be handed over
    wait_until(lambda: len(read) == bound)
    time.sleep(0.1)
    assert len(read) == bound
    gate.set()
    helper.join()
    stream.close()
    assert max(read) < 2 * bound


def test_reading_ahead_is_bounded_in_bytes_too() -> None:
    """Of a 4,096-pixel input one image takes 50 MB; one batch is read ahead, not 32 images."""
    assert pipeline._batches_ahead(Plain(size=(4096, 4096), batch_size=4)) == 1
    assert pipeline._batches_ahead(Plain(size=(224, 224), batch_size=4)) == 8
    assert pipeline._batches_ahead(Plain(size=(224, 224), batch_size=16, n_threads=40)) == 5


def test_no_more_pictures_are_held_in_full_size_than_there_are_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, most, lock = 0, 0, threading.Lock()
    plain = ImageResize.prepare

    def counted(self: ImageResize, stored: StoredImage) -> np.ndarray:
        nonlocal live, most
        with lock:
            live += 1
            most = max(most, live)
        time.sleep(0.002)
        pixels = plain(self, stored)
        with lock:
            live -= 1
        return pixels

    monkeypatch.setattr(ImageResize, "prepare", counted)
    list(stream_features(ImageDataset.from_files(files(tmp_path, 40)), Plain(n_threads=3)))
    assert most == 3


# Failure and interruption ---------------------------------------------------------------------------------------------


def test_files_that_vanish_break_or_change_midway_are_named_and_the_others_kept(tmp_path: Path) -> None:
    paths = files(tmp_path, 120)
    expected = plainly(Plain(), paths)
    dataset = ImageDataset.from_files(paths)
    audited = dataset.with_hashes([dataset.content_hash(row) for row in range(120)])
    rows: list[int] = []
    found: list[np.ndarray] = []
    reasons: dict[int, str] = {}
    for number, batch in enumerate(stream_features(audited, Plain())):
        if number == 0:
            paths[90].unlink()
            paths[91].write_bytes(paths[91].read_bytes()[:70])
            helpers.write_image(paths[100], helpers.noise(1, seed=9)[0])
        rows += batch.rows
        found.append(batch.features)
        reasons.update((row, error.reason) for row, error in batch.failed)
    changed = "the file changed while it was being used; run the command again"
    assert reasons == {90: "no such file", 91: changed, 100: changed}
    assert rows == [row for row in range(120) if row not in reasons]
    assert np.concatenate(found).tobytes() == expected[rows].tobytes()


def test_a_truncated_file_is_refused_in_the_decoder_s_words(tmp_path: Path) -> None:
    paths = files(tmp_path, 3)
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    (batch,) = stream_features(ImageDataset.from_files(paths), Plain())
    assert batch.rows == [0, 2]
    ((row, error),) = batch.failed
    assert row == 1
    assert error.reason.startswith("damaged or truncated")


def test_an_image_too_large_for_the_memory_left_is_named_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ImageResize.resized

    def full(self: ImageResize, image: Image.Image, box: Any = None) -> np.ndarray:
        if image.width == 300:
            raise MemoryError
        return plain(self, image, box)

    monkeypatch.setattr(ImageResize, "resized", full)
    paths = [*files(tmp_path, 2), helpers.write_image(tmp_path / "large.png", np.zeros((9, 300, 3), np.uint8))]
    (batch,) = stream_features(ImageDataset.from_files(paths), Plain())
    assert batch.rows == [0, 1]
    ((row, error),) = batch.failed
    assert row == 2
    assert error.name.endswith("large.png")
    assert "needs more memory than is free" in error.reason


def test_what_was_computed_before_a_failure_is_not_computed_again(tmp_path: Path) -> None:
    paths = files(tmp_path / "data", 20)
    content = paths[13].read_bytes()
    dataset = ImageDataset.from_files(paths)
    audited = dataset.with_hashes([dataset.content_hash(row) for row in range(20)])
    extractor = helpers.extractor(batch_size=2)
    expected = extract_features(audited, extractor)
    cache = FeatureCache(tmp_path / "cache")
    paths[13].unlink()
    with pytest.raises(ImageError, match=r"013\.png: no such file"):
        extract_features(audited, extractor, cache=cache)
    assert n_cached(audited, extractor, cache) == 13
    paths[13].write_bytes(content)
    assert extract_features(audited, extractor, cache=cache).tobytes() == expected.tobytes()


@pytest.mark.parametrize("how", ["closed", "interrupted", "engine failed", "reader failed"])
def test_a_stream_that_ends_early_leaves_no_thread_and_reads_no_more(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    plain = pipeline.read_prepared

    def noted(dataset: ImageDataset, row: int, preparation: ImageResize) -> Any:
        read.append(row)
        if how == "reader failed" and row == 3:
            raise ArithmeticError("the reader broke")
        return plain(dataset, row, preparation)

    monkeypatch.setattr(pipeline, "read_prepared", noted)

    def fail(pixels: np.ndarray) -> None:
        raise ArithmeticError("the engine broke")

    extractor = Plain(batch_size=2, n_streams=2, before=fail if how == "engine failed" else lambda pixels: None)
    stream = stream_features(ImageDataset.from_arrays(helpers.noise(500)), extractor)
    if how == "engine failed":
        with pytest.raises(ArithmeticError, match="the engine broke"):
            next(stream)
    elif how == "reader failed":
        assert next(stream).rows == [0, 1]
        with pytest.raises(ArithmeticError, match="the reader broke"):
            next(stream)
    elif how == "interrupted":
        next(stream)
        with pytest.raises(KeyboardInterrupt):
            stream.throw(KeyboardInterrupt)
    else:
        next(stream)
        stream.close()
    assert own_threads() == []
    assert len(read) < 100


# Pillow's memory, copies that are not made ----------------------------------------------------------------------------


def test_pillow_keeps_memory_while_pictures_are_read_and_no_longer(tmp_path: Path) -> None:
    inside: list[int] = []
    before = Image.core.get_blocks_max()
    extractor = Plain(before=lambda pixels: inside.append(Image.core.get_blocks_max()))
    list(stream_features(ImageDataset.from_files(files(tmp_path, 4)), extractor))
    with PILLOW_BLOCKS, PILLOW_BLOCKS:
        inside.append(Image.core.get_blocks_max())
    assert set(inside) == {max(before, N_BLOCKS)}
    assert Image.core.get_blocks_max() == before


def stored(mode: str) -> bytes:
    """A PNG of this colour mode."""
    values = np.random.default_rng(3).integers(0, 256, (37, 53, 4), dtype=np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    elif mode in ("RGB", "RGBA"):
        picture = Image.fromarray(values[..., : len(mode)])
    elif mode == "LA":
        picture = Image.fromarray(values[..., :2].copy(), "LA")
    else:
        picture = Image.fromarray(values[..., 0]).convert(mode)
    return encoded(picture, "PNG")


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_grey_resized_in_one_channel_gives_the_pixels_of_three(mode: str, resize: str) -> None:
    content = stored(mode)
    for interpolation in ("bilinear", "bicubic", "lanczos", "box", "hamming"):
        preparation = ImageResize((16, 24), resize=resize, interpolation=interpolation)
        expected = preparation.resized(decode(content, "x"))
        assert preparation.read(content, "x").tobytes() == expected.tobytes()
        assert expected.shape == (16, 24, 3)


def test_hash_of_pixels_taken_in_strips_is_that_of_all(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (700, 301, 3), dtype=np.uint8)
    path = helpers.write_image(tmp_path / "a.png", pixels)
    found = examine(ImageDataset.from_files([path]), 0, 10**9)
    assert found.pixel_hash == hashlib.sha256(b"301x700" + pixels.tobytes()).hexdigest()


# Fast decoding --------------------------------------------------------------------------------------------------------


def photograph(width: int, height: int, *, orientation: int = 1, **options: Any) -> bytes:
    """A JPEG with soft shapes and some grain."""
    rng = np.random.default_rng(1)
    soft = Image.fromarray(rng.integers(30, 220, (9, 13, 3), dtype=np.uint8)).resize((width, height), 3)
    grain = rng.normal(0, 4, (height, width, 1))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8)
    return encoded(Image.fromarray(pixels), "JPEG", quality=92, exif=exif, **options)


def apart(exact: np.ndarray, fast: np.ndarray) -> np.ndarray:
    return np.abs(exact.astype(int) - fast)


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_fast_decoding_is_close_to_exact(orientation: int, resize: str) -> None:
    """Odd sides, so that the reduced grid sticks out of the picture: ignoring that would shift edges."""
    content = photograph(1003, 637, orientation=orientation)
    exact = ImageResize((48, 64), resize=resize)
    fast = ImageResize((48, 64), resize=resize, decode="fast")
    differences = apart(exact.read(content, "x"), fast.read(content, "x"))
    assert 0 < differences.mean() < 0.35
    assert differences.max() <= 4


@pytest.mark.parametrize("size", [(1003, 637), (2400, 1800), (130, 97)])
def test_fast_decoding_keeps_enough_for_the_resize(size: tuple[int, int]) -> None:
    content = photograph(*size)
    found = decode_details(content, "x", reduce=ImageResize((48, 64), decode="fast")._enough)
    whole = decode(content, "x")
    assert min(found.image.width / 64, found.image.height / 48) >= min(FAST_MARGIN, whole.width / 64)
    assert (found.header.width, found.header.height) == size  # as stored, not as reduced
    assert found.image.size == whole.size or found.image.width <= -(-whole.width // 2)


def test_fast_decoding_leaves_other_formats_and_small_pictures_alone() -> None:
    exact, fast = ImageResize((48, 64)), ImageResize((48, 64), decode="fast")
    picture = Image.open(io.BytesIO(photograph(1003, 637))).convert("RGB")
    for content in [encoded(picture, kind) for kind in ("PNG", "TIFF", "BMP", "WebP")] + [photograph(200, 150)]:
        assert fast.read(content, "x").tobytes() == exact.read(content, "x").tobytes()


def test_fast_decoding_of_a_grey_or_progressive_jpeg() -> None:
    grey = encoded(Image.open(io.BytesIO(photograph(1003, 637))).convert("L"), "JPEG", quality=92)
    for content in (grey, photograph(1003, 637, progressive=True)):
        differences = apart(
            ImageResize((48, 64)).read(content, "x"), ImageResize((48, 64), decode="fast").read(content, "x")
        )
        assert 0 < differences.mean() < 0.35


def test_fast_decoding_refuses_what_exact_decoding_refuses() -> None:
    fast = ImageResize((48, 64), decode="fast")
    content = photograph(1003, 637)
    with pytest.raises(ImageError, match="damaged or truncated"):
        fast.read(content[: len(content) // 2], "x")
    with pytest.raises(ImageError, match="1,003 x 637 pixels, more than the 1,000 allowed"):
        decode_details(content, "x", max_pixels=1000, reduce=fast._enough)


def test_the_way_to_decode_is_part_of_the_key_and_of_the_bundle() -> None:
    exact, fast = ImageResize((48, 64)), ImageResize((48, 64), decode="fast")
    assert hash_json(exact.settings()) != hash_json(fast.settings())
    for preparation in (exact, fast):
        assert ImageResize.from_settings(preparation.settings()) == preparation
    older = {name: value for name, value in fast.settings().items() if name != "decode"}
    assert ImageResize.from_settings(older) == exact
    with pytest.raises(InputError, match=r"Unknown way to decode 'quick'\. Known: exact, fast\."):
        ImageResize((48, 64), decode="quick")
    with pytest.raises(DataError, match="damaged"):
        ImageResize.from_settings({**fast.settings(), "size": None})


# Views ----------------------------------------------------------------------------------------------------------------


def with_view(extractor: Extractor, view: View) -> Extractor:
    return Extractor(extractor.backbone, extractor.preparation, extractor.engine, view=view)


@pytest.fixture
def n_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of the images read."""
    rows: list[int] = []
    plain = pipeline.read_prepared
    monkeypatch.setattr(
        pipeline, "read_prepared", lambda dataset, row, how: rows.append(row) or plain(dataset, row, how)
    )
    return rows


@pytest.mark.parametrize("policy", ["dihedral", "strong"])
def test_views_equal_those_computed_one_after_the_other(policy: str, tmp_path: Path) -> None:
    """By hand, by an extractor that has the view, and all at once: the same bytes."""
    paths = files(tmp_path, 7)
    dataset, extractor = ImageDataset.from_files(paths), helpers.extractor(batch_size=4)
    chosen = views(policy, 5, seed=3)
    found = extract_views(dataset, extractor, chosen)
    assert (found.shape, found.dtype) == ((7, 5, extractor.backbone.feature_width), np.float32)
    for number, view in enumerate(chosen):
        alone = extract_features(dataset, with_view(extractor, view))
        assert np.ascontiguousarray(found[:, number]).tobytes() == alone.tobytes()
    prepared = extractor.preparation.resized(decode(paths[2].read_bytes(), "x"))
    by_hand = extractor.compute(chosen[4].apply(prepared, dataset.content_hash(2))[None])
    assert found[2, 4].tobytes() == by_hand[0].tobytes()


def test_an_image_is_read_once_for_all_its_views_and_only_for_what_is_missing(
    n_read: list[int], tmp_path: Path
) -> None:
    dataset, extractor = ImageDataset.from_files(files(tmp_path / "data", 6)), helpers.extractor(batch_size=4)
    cache = FeatureCache(tmp_path / "cache")
    few = extract_views(dataset.subset([0, 1]), extractor, views("flips", 2), cache=cache)
    assert n_read == [0, 1]
    plain = extract_features(dataset, extractor, cache=cache)  # the identity of every policy
    assert n_read == [0, 1, 2, 3, 4, 5]
    assert plain[:2].tobytes() == np.ascontiguousarray(few[:, 0]).tobytes()
    n_read.clear()
    computed = []
    counting = helpers.extractor(batch_size=4)
    run = counting.compute
    counting.compute = lambda pixels: computed.append(len(pixels)) or run(pixels)
    found = extract_views(dataset, counting, views("dihedral", 4), cache=cache)
    assert sorted(n_read) == [0, 1, 2, 3, 4, 5]
    assert sum(computed) == 6 * 4 - 6 - 2  # all identities and two mirror images were there
    assert found.tobytes() == extract_views(dataset, extractor, views("dihedral", 4)).tobytes()
    n_read.clear()
    assert extract_views(dataset, counting, views("dihedral", 4), cache=cache).tobytes() == found.tobytes()
    assert n_read == []


def test_the_views_of_a_call_share_the_memory_of_its_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, extractor = ImageDataset.from_arrays(helpers.noise(8)), helpers.extractor(batch_size=4)
    monkeypatch.setattr("headstart.features.extract.BYTES_PER_SHARD", 8 * 4 * extractor.backbone.feature_width)
    sizes: list[int] = []
    store = FeatureCache.store
    monkeypatch.setattr(
        FeatureCache,
        "store",
        lambda self, one, digests, rows: sizes.append(len(digests)) or store(self, one, digests, rows),
    )
    extract_views(dataset, extractor, views("flips", 4), cache=FeatureCache(tmp_path))
    assert sizes == [2] * 16  # room for eight rows, shared by four


def test_copies_of_an_image_share_their_views_and_other_images_do_not(n_read: list[int]) -> None:
    images = np.repeat(helpers.noise(1), 3, axis=0)
    images[2, 0, 0, 0] ^= 1
    found = extract_views(ImageDataset.from_arrays(images), helpers.extractor(), views("geometric", 3, seed=1))
    assert n_read == [0, 2]
    assert found[0].tobytes() == found[1].tobytes()
    near, far = np.abs(found[0] - found[2]).max(axis=1)[[0, 1]]
    assert near < far  # one grey level apart as they are, drawn apart in view 1


def test_views_that_cannot_be_are_refused_before_anything_is_read(n_read: list[int], tmp_path: Path) -> None:
    extractor = helpers.extractor()
    flat = Extractor(extractor.backbone, ImageResize((32, 48)), extractor.engine)
    dataset = ImageDataset.from_files([tmp_path / "absent.png"])
    with pytest.raises(InputError, match="expected square pixels, came 32 x 48"):
        extract_views(dataset, flat, views("dihedral", 8))
    with pytest.raises(InputError, match="No views were asked for"):
        extract_views(dataset, extractor, [])
    assert n_read == []


def test_a_file_that_cannot_be_read_stops_the_views_and_is_named_once(tmp_path: Path) -> None:
    paths = files(tmp_path / "data", 5)
    dataset = ImageDataset.from_files(paths)
    audited = dataset.with_hashes([dataset.content_hash(row) for row in range(5)])
    paths[3].unlink()
    batches = list(pipeline.stream_views(audited, Plain(batch_size=3), ((row, views("flips", 4)) for row in range(5))))
    assert [row for batch in batches for row, _ in batch.failed] == [3]
    cache = FeatureCache(tmp_path / "cache")
    extractor = helpers.extractor(batch_size=4)
    with pytest.raises(ImageError, match=r"003\.png: no such file"):
        extract_views(audited, extractor, views("flips", 2), cache=cache)
    assert n_cached(audited, extractor, cache) == 3


# From the command line to the bundle ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("way", ["exact", "fast"])
def test_the_way_to_decode_goes_from_the_options_into_run_and_bundle(way: str, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from headstart.cli import main
    from headstart.model import load_model

    for row in range(12):
        name = tmp_path / "data" / helpers.CLASSES[row % 2] / f"{row}.jpg"
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(photograph(160 + row, 130))
    asked = ["fit", str(tmp_path / "data"), "-o", str(tmp_path / "run"), "--decode", way, "--split", "nested:2x2"]
    asked += [
        "--backbone",
        helpers.BACKBONE,
        "--weights",
        "random",
        "--input-size",
        "32",
        "--threads",
        "1",
        "--no-cache",
        "--no-baselines",
        "--no-explanations",
        "--study",
        str(helpers.STUDY),
    ]
    done = CliRunner().invoke(main, [*asked, "--device", "cpu", "-q"])
    assert done.exit_code == 0, done.output
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    assert results["backbone"]["preparation"]["decode"] == way
    assert load_model(tmp_path / "run" / "model").preparation.decode == way


def test_batches_are_joined_until_a_block_is_full() -> None:
    error = ImageError("a.png", "torn")
    batches = [
        FeatureBatch([row], np.full((1, 2), row), [(9, error)] if row == 1 else [], [row % 2]) for row in range(5)
    ]
    first, last = joined(batches, 3)
    assert first.rows == [0, 1, 2] and first.views == [0, 1, 0] and first.failed == [(9, error)]
    assert first.features.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert last.rows == [3, 4] and list(joined([], 3)) == []
