"""The cache: equal to a plain dictionary, whatever happens to its files, its disk and its neighbours."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pytest
import warm
from click.testing import CliRunner

from headstart.augment import View
from headstart.cli import main
from headstart.data import ImageDataset
from headstart.errors import InputError, StorageError
from headstart.features.cache import CacheLimit, FeatureCache, parse_size
from headstart.features.cache.lookup import as_keys, find
from headstart.features.cache.shard import DamagedShardError, read_head, read_shard, write_shard
from headstart.features.cache.size_limit import StoredFile, default_limit, free_bytes, to_evict
from headstart.features.extract import extract_features, n_cached
from headstart.features.extractor import Extractor
from headstart.features.row_array import new_row_array

SETTINGS = {
    "backbone": "net",
    "stage": "s4",
    "preparation": {"size": [8, 9], "resize": "squash", "decode": "exact", "white_level": 65_535},
    "view": "identity",
    "engine": {"name": "torch", "precision": "fp32"},
}
OTHER = SETTINGS | {
    "backbone": "other",
    "engine": {"name": "torch", "precision": "bf16", "folded": True, "compiled": False},
    "view": View("strong", seed=3, index=2).settings(),
    "preparation": {"size": [8, 9], "resize": "pad", "decode": "fast", "white_level": 65_535},
}


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def digests(numbers: Any) -> list[str]:
    return [digest(number) for number in numbers]


def rows_of(numbers: Any, shape: tuple[int, ...] = (5,), dtype: Any = np.float32) -> np.ndarray:
    """A row that only its number decides."""
    return np.stack([np.random.default_rng(number).normal(size=shape) for number in numbers]).astype(dtype)


def put(cache: FeatureCache, numbers: Any, settings: dict[str, Any] = SETTINGS) -> Path:
    """Store a shard; its file."""
    before = set(shards(cache))
    assert cache.store(settings, digests(numbers), rows_of(numbers))
    (path,) = set(shards(cache)) - before
    return path


def shards(cache: FeatureCache) -> list[Path]:
    return sorted((cache.folder / "features").rglob("*.safetensors"))


def get(cache: FeatureCache, numbers: Any, settings: dict[str, Any] = SETTINGS) -> np.ndarray:
    """Fill an array; which rows were kept, and those are right."""
    out = np.full((len(numbers), 5), np.nan, dtype=np.float32)
    kept = cache.fill(settings, digests(numbers), out)
    assert out[kept].tobytes() == rows_of(np.asarray(numbers)[kept]).tobytes() if kept.any() else True
    assert np.isnan(out[~kept]).all()
    return kept


@pytest.fixture
def notes() -> helpers.Notes:
    return helpers.Notes()


@pytest.fixture
def cache(tmp_path: Path, notes: helpers.Notes) -> FeatureCache:
    return FeatureCache(tmp_path / "cache", limit=CacheLimit(10**9), progress=notes)


# Files and look-up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "dtype"), [((7,), np.float32), ((3, 4, 2), np.float16), ((6, 2), np.float16)])
def test_a_shard_is_a_safetensors_file(shape: tuple[int, ...], dtype: Any, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    numbers = range(300)  # keys that one small read does not hold
    rows = rows_of(numbers, shape, dtype)
    path, n_bytes = write_shard(tmp_path, as_keys(digests(numbers)), [rows[:100], rows[100:]])
    assert path.stat().st_size == n_bytes
    tensors = load_file(path)
    assert tensors["features"].tobytes() == rows.tobytes()
    assert [row.tobytes().hex() for row in tensors["keys"]] == digests(numbers)
    layout, content = read_shard(path)
    assert layout.rows(content).tobytes() == rows.tobytes()
    assert layout.rows(content).dtype == dtype
    head, keys = read_head(path)
    assert head == layout
    assert keys.tobytes() == layout.keys(content).tobytes() == tensors["keys"].tobytes()


def test_look_up_equals_a_dictionary() -> None:
    rng = np.random.default_rng(4)
    kept = [digests(rng.integers(0, 400, size=n)) for n in (50, 0, 1, 200, 90)]
    wanted = digests(rng.integers(0, 600, size=700))
    first: dict[str, tuple[int, int]] = {}
    for number, shard in enumerate(kept):
        for row, key in enumerate(shard):
            first.setdefault(key, (number, row))
    found = {
        int(position): (hit.shard, int(row))
        for hit in find(as_keys(wanted), [as_keys(shard) for shard in kept])
        for position, row in zip(hit.positions, hit.rows, strict=True)
    }
    assert found == {position: first[key] for position, key in enumerate(wanted) if key in first}
    assert 100 < len(found) < 600
    assert find(as_keys([]), [as_keys(kept[0])]) == find(as_keys(wanted), []) == []


def test_what_is_no_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="64 digits"):
        as_keys(["ab", "cd" * 63])


def test_rows_come_back_wherever_they_lie_and_however_often_they_are_wanted(cache: FeatureCache) -> None:
    for numbers in (range(10), range(40, 60), [70], range(5, 8)):
        put(cache, list(numbers))
    wanted = [59, 3, 3, 999, 45, 46, 47, 70, 6, 0, 998, 59]
    assert get(cache, wanted).tolist() == [number < 900 for number in wanted]
    assert cache.kept(SETTINGS, digests(wanted)).tolist() == [number < 900 for number in wanted]
    assert not get(cache, wanted, OTHER).any()


def test_counting_reads_no_row(cache: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    put(cache, range(30))
    monkeypatch.setattr("headstart.features.cache.read.read_shard", None)
    assert FeatureCache(cache.folder).kept(SETTINGS, digests(range(20, 40))).sum() == 10


def test_many_small_files_become_one(cache: FeatureCache) -> None:
    for number in range(70):
        put(cache, [number])
    assert get(cache, list(range(70))).all()
    assert len(shards(cache)) == 1
    assert get(FeatureCache(cache.folder), [69, 0, 70]).tolist() == [True, True, False]
    assert cache.verify() == []
    assert cache.info().n_rows == 70


# Damage ---------------------------------------------------------------------------------------------------------------


def flipped(place: int) -> Any:
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)

    return flip


DAMAGE = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "cut in the keys": lambda path: path.write_bytes(path.read_bytes()[:300]),
    "emptied": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "bit of the length": flipped(0),
    "high bit of the length": flipped(7),
    "bit of the header": flipped(30),
    "bit of a key": flipped(220),
    "bit of a row": flipped(-1),
    "something else": lambda path: path.write_bytes(b"\x80\x04" * 500),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_found_dropped_and_its_rows_are_not_kept(
    damage: Any, cache: FeatureCache, notes: helpers.Notes
) -> None:
    path = put(cache, range(10))
    put(cache, range(10, 20))
    damage(path)
    assert cache.info().n_bytes > 0  # to look at it is no error
    assert get(cache, list(range(20))).tolist() == [False] * 10 + [True] * 10
    assert any("damaged" in text and str(path) in text for text in notes.texts)
    assert not path.exists()
    assert get(cache, list(range(20))).sum() == 10


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_verify_finds_every_damage(damage: Any, cache: FeatureCache) -> None:
    path, whole = put(cache, range(10)), put(cache, range(10, 20))
    damage(path)
    assert cache.verify() == [path]
    assert shards(cache) == [whole]
    assert cache.verify() == []


def test_a_renamed_file_is_not_believed(cache: FeatureCache) -> None:
    path = put(cache, range(10))
    path.rename(path.with_name(f"{'0' * 40}.safetensors"))
    assert not get(cache, list(range(10))).any()
    assert shards(cache) == []


@pytest.mark.parametrize(
    "header",
    [
        {},
        [],
        {"keys": 3, "features": 4},
        {"keys": {}, "features": {}},
        *(
            {
                "keys": {"dtype": "U8", "shape": [n_keys, 32], "data_offsets": [0, 64]},
                "features": {"dtype": dtype, "shape": shape, "data_offsets": offsets},
            }
            for n_keys, dtype, shape, offsets in [
                (2, "F32", [2, 10**15], [64, 104]),
                (2, "F64", [2, 5], [64, 104]),
                (2, "F32", [-2, -5], [64, 104]),
                (2, "F32", [2, 5], [-40, 0]),
                (10**12, "F32", [10**12, 5], [64, 104]),
                (2, "F32", [], [64, 104]),
                (2, "F32", ["a", 5], [64, 104]),
                (2, "F32", [float("inf"), 5], [64, 104]),
                (2, "F32", [2, 5], [64, 100]),
                (2, "F32", [2, 5], None),
            ]
        ),
    ],
)
def test_headers_that_lie_under_the_right_name_are_not_believed(header: Any, tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + bytes(64 + 40)
    path = tmp_path / f"{hashlib.sha256(content).hexdigest()[:40]}.safetensors"
    path.write_bytes(content)
    for read in (read_head, read_shard):
        with pytest.raises(DamagedShardError, match="header"):
            read(path)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**6])
def test_an_absurd_header_is_not_read_into_memory(length: int, tmp_path: Path) -> None:
    path = tmp_path / f"{'1' * 40}.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + bytes(5_000))
    with pytest.raises(DamagedShardError, match="impossible length"):
        read_head(path)


def test_rows_of_another_kind_are_dropped(cache: FeatureCache, notes: helpers.Notes) -> None:
    cache.store(SETTINGS, digests(range(3)), rows_of(range(3), (4, 2), np.float16))
    assert not get(cache, [0, 1, 2]).any()
    assert "holds rows of float16 (4, 2); expected float32 (5,)" in notes.texts[0]


def test_files_of_others_are_left_alone(cache: FeatureCache) -> None:
    path = put(cache, range(4))
    strangers = [
        path.with_name("notes.txt"),
        path.with_name("thesis.safetensors"),
        cache.folder / "features" / "mine.safetensors",
        cache.folder / "weights" / "net.safetensors",
        cache.folder / "networks" / "readme",
    ]
    for stranger in strangers:
        stranger.parent.mkdir(exist_ok=True)
        stranger.write_bytes(b"mine")
    assert get(cache, [0, 1]).all()
    assert cache.verify() == []
    assert cache.prune(0)[0] == 1
    assert cache.clear() == 0
    assert all(stranger.read_bytes() == b"mine" for stranger in strangers)
    assert not path.exists()


def test_clear_takes_what_can_be_made_again(cache: FeatureCache) -> None:
    size = put(cache, range(4)).stat().st_size
    network = cache.folder / "networks" / f"{'a' * 40}.{'b' * 40}.safetensors"
    speeds = cache.folder / "speeds" / f"{'c' * 40}.json"
    for path in (network, speeds):
        path.parent.mkdir()
        path.write_bytes(b"12345")
    assert cache.info().other == {"networks": 5, "speeds": 5}
    assert cache.clear() == size + 5
    assert list((cache.folder / "features").iterdir()) == []
    assert not network.exists()
    assert speeds.exists()  # by them the next run chooses as the last one did


# Limit ----------------------------------------------------------------------------------------------------------------


def test_the_least_recently_used_go_first() -> None:
    stored = [StoredFile(Path(name), 10, used) for name, used in (("b", 2.0), ("a", 1.0), ("d", 4.0), ("c", 3.0))]
    assert [file.path.name for file in to_evict(stored, 25)] == ["a", "b"]
    assert [file.path.name for file in to_evict(stored, 25, in_use={Path("a")})] == ["b", "c"]
    assert [file.path.name for file in to_evict(stored, 0, before=3.0)] == ["a", "b"]
    assert to_evict(stored, 40) == []


def aged(cache: FeatureCache, numbers: Any, seconds: float) -> Path:
    path = put(cache, numbers)
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_storing_evicts_what_was_not_used_for_longest(cache: FeatureCache) -> None:
    old, older, read = (
        aged(cache, range(10), 2_000),
        aged(cache, range(10, 20), 3_000),
        aged(cache, range(20, 30), 4_000),
    )
    size = old.stat().st_size
    later = FeatureCache(cache.folder, limit=CacheLimit(3 * size))
    assert get(later, list(range(20, 30))).all()
    new = put(later, range(30, 40))
    assert set(shards(later)) == {read, new}  # down to nine tenths of the limit
    assert not older.exists()


def test_what_this_run_used_stays_and_the_limit_is_spoken_of_once(tmp_path: Path, notes: helpers.Notes) -> None:
    cache = FeatureCache(tmp_path, limit=CacheLimit(100, grace_s=0), progress=notes)
    for start in range(0, 40, 10):
        put(cache, range(start, start + 10))
    assert get(cache, list(range(40))).all()
    (text,) = notes.texts
    assert re.search(r"holds [\d.]+ B, more than its limit of 100 B: .*Raise --cache-limit", text.replace("kB", "B"))


def test_what_another_run_used_lately_stays(cache: FeatureCache) -> None:
    theirs = put(cache, range(10))
    mine = FeatureCache(cache.folder, limit=CacheLimit(100))
    put(mine, range(10, 20))
    assert theirs.exists()
    without_grace = FeatureCache(cache.folder, limit=CacheLimit(100, grace_s=0))
    put(without_grace, range(20, 30))
    assert not theirs.exists()


def test_reading_counts_as_use(cache: FeatureCache) -> None:
    path = aged(cache, range(10), 5_000)
    cache.kept(SETTINGS, digests(range(10)))
    assert time.time() - path.stat().st_mtime > 4_000
    get(FeatureCache(cache.folder), [3])
    assert time.time() - path.stat().st_mtime < 60


def test_prune_goes_down_to_the_requested_size(cache: FeatureCache) -> None:
    paths = [aged(cache, range(start, start + 10), 9_000 - start) for start in range(0, 50, 10)]
    size = paths[0].stat().st_size
    assert cache.prune(2 * size) == (3, 3 * size)
    assert shards(cache) == sorted(paths[3:])
    assert cache.prune(0) == (2, 2 * size)
    assert cache.info().settings == ()
    assert list((cache.folder / "features").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("12", 12),
        ("20GB", 20 * 10**9),
        ("20 gb", 20 * 10**9),
        ("1.5TB", 15 * 10**11),
        ("2GiB", 2**31),
        ("7kB", 7000),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-3GB", "3 XB", "1e9", "3GB4", "nan", "٣GB²", "9" * 400 + "GB"])
def test_what_is_no_size(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"is no size\. Expected a number with a unit, such as 20GB"):
        parse_size(text)
    if text:
        monkeypatch.setenv("HEADSTART_CACHE_LIMIT", text)
        with pytest.raises(InputError, match="environment variable HEADSTART_CACHE_LIMIT"):
            default_limit(tmp_path, 0)


def test_default_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.features.cache.size_limit.free_bytes", lambda folder: 6 * 10**9)
    assert default_limit(tmp_path, 2 * 10**9).n_bytes == 4 * 10**9
    monkeypatch.setattr("headstart.features.cache.size_limit.free_bytes", lambda folder: 10**12)
    assert default_limit(tmp_path, 0).n_bytes == 20 * 10**9
    monkeypatch.setenv("HEADSTART_CACHE_LIMIT", "3GB")
    assert default_limit(tmp_path, 0).n_bytes == 3 * 10**9


# The disk refuses -----------------------------------------------------------------------------------------------------


def test_a_disk_that_is_full_half_way_through_a_file(
    cache: FeatureCache, notes: helpers.Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache, range(10))
    plain = os.fdopen

    def full(descriptor: int, mode: str) -> Any:
        handle = plain(descriptor, mode)
        write = handle.write

        class Full:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *exception: object) -> None:
                handle.close()

            def write(self, content: bytes) -> int:
                if handle.tell() > 300:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return int(write(content))

        return Full()

    with monkeypatch.context() as patch:
        patch.setattr("headstart.storage.os.fdopen", full)
        assert not cache.store(SETTINGS, digests(range(10, 20)), rows_of(range(10, 20)))
        assert not cache.store(SETTINGS, digests(range(20, 30)), rows_of(range(20, 30)))
    (text,) = notes.texts
    assert "the disk is full" in text
    assert "The work goes on without the cache" in text
    assert isinstance(cache.refusal, StorageError)
    later = FeatureCache(cache.folder)
    assert get(later, list(range(30))).sum() == 10
    assert not list(cache.folder.rglob(".*"))


@pytest.mark.parametrize("name", ["info", "verify", "prune", "clear"])
def test_a_file_in_place_of_the_folder_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    monkeypatch.setenv("HEADSTART_CACHE", str(file))
    found = CliRunner().invoke(main, ["cache", name])
    assert (found.exit_code, found.output) == (
        2,
        f"Error: The cache folder {file} is a file. Name a folder with --cache or in HEADSTART_CACHE.\n",
    )
    assert file.read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has no permissions of this kind")
def test_a_folder_behind_a_locked_one_is_an_error_in_words(cache: FeatureCache) -> None:
    put(cache, range(3))
    cache.folder.parent.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # whom no lock stops
            os.seteuid(65_534)
        found = CliRunner().invoke(main, ["cache", "info", "--cache", str(cache.folder)])
        assert free_bytes(cache.folder) > 0
    finally:
        os.seteuid(user)
        cache.folder.parent.chmod(0o700)
    assert (found.exit_code, found.output) == (
        1,
        f"Error: Cannot read {cache.folder}: permission denied; choose a folder you may write to.\n",
    )


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_folder_that_cannot_be_read_is_spoken_of_once(
    number: int, cache: FeatureCache, notes: helpers.Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache, range(10))

    def refuse(path: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("headstart.features.cache.cache_files.os.scandir", refuse)
    for _ in range(3):
        assert not get(cache, [1, 2]).any()
        assert not cache.store(SETTINGS, digests([77]), rows_of([77]))
    (text,) = notes.texts
    assert f"Cannot read {cache.folder}" in text
    for ask in (cache.info, cache.verify, cache.prune, cache.clear):
        with pytest.raises(StorageError, match="Cannot read"):
            ask()


def test_a_file_that_cannot_be_read_is_neither_kept_nor_removed(
    cache: FeatureCache, notes: helpers.Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(cache, range(10))

    def refuse(path: Path, room: Any = None) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("headstart.features.cache.read.read_shard", refuse)
        assert not get(cache, [1]).any()
    assert "cannot be read, its rows are computed again" in notes.texts[0]
    assert path.exists()
    assert get(cache, [1]).all()


def test_a_file_that_vanishes_between_listing_and_reading(
    cache: FeatureCache, notes: helpers.Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.features.cache import read as reading

    doomed = put(cache, range(10))
    put(cache, range(10, 20))
    plain = reading.read_shard

    def vanishing(path: Path, room: Any = None) -> Any:
        if path == doomed:
            doomed.unlink(missing_ok=True)
        return plain(path)

    monkeypatch.setattr(reading, "read_shard", vanishing)
    assert get(cache, list(range(20))).tolist() == [False] * 10 + [True] * 10
    assert notes.texts == []


def test_rows_that_another_process_moved_meanwhile_are_found(
    cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merging by another process: the rows lie in a new file when the old one is asked for."""
    from headstart.features.cache import read as reading

    doomed = put(cache, range(10))
    plain = reading.read_shard

    def moved(path: Path, room: Any = None) -> Any:
        if path == doomed and doomed.exists():
            FeatureCache(cache.folder).store(SETTINGS, digests(range(12)), rows_of(range(12)))
            doomed.unlink()
        return plain(path)

    monkeypatch.setattr(reading, "read_shard", moved)
    assert get(cache, list(range(10))).all()


def test_what_killed_processes_left_is_removed_in_time(cache: FeatureCache) -> None:
    path = put(cache, range(3))
    left = path.with_name(f".{path.name}.ab12.tmp")
    fresh = path.with_name(f".{path.name}.cd34.tmp")
    mine = path.with_name(".notes.ab12.tmp")
    for name in (left, fresh, mine):
        name.write_bytes(b"half")
    for name in (left, mine):
        os.utime(name, (0, 0))
    cache.prune(10**9)
    assert not left.exists()
    assert fresh.exists()
    assert mine.exists()


def test_what_killed_processes_left_is_removed_by_the_next_run_and_by_prune(cache: FeatureCache) -> None:
    """Wherever it lies: the description of the place is there, or the place holds nothing else."""
    path = put(cache, range(3))
    left = path.with_name(f".{path.name}.ab12.tmp")
    left.write_bytes(b"half")
    alone = cache.folder / "features" / ("a" * 40) / left.name
    alone.parent.mkdir()
    alone.write_bytes(b"half")
    for file in (left, alone):
        os.utime(file, (0, 0))
    put(cache, range(3, 5))
    assert left.exists()  # looked for once, by the run that stores first
    put(FeatureCache(cache.folder), range(5, 7))
    assert not left.exists()
    cache.prune(10**9)
    assert not alone.exists()


# Neighbours -----------------------------------------------------------------------------------------------------------

HAMMER = """
import hashlib, sys
import numpy as np
from pathlib import Path
from headstart.features.cache import CacheLimit, FeatureCache
rng = np.random.default_rng({seed})
def digests(numbers):
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]
def rows_of(numbers):
    return np.stack([np.random.default_rng(number).normal(size=5) for number in numbers]).astype(np.float32)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(60):
    cache = FeatureCache(Path({folder!r}), limit=CacheLimit(6_000, grace_s=0))
    numbers = rng.integers(0, 200, size=30)
    out = np.empty((30, 5), dtype=np.float32)
    kept = cache.fill({settings!r}, digests(numbers), out)
    assert out[kept].tobytes() == rows_of(numbers)[kept].tobytes(), "wrong rows"
    missing = numbers[~kept]
    if len(missing):
        assert cache.store({settings!r}, digests(missing), rows_of(missing)), cache.refusal
print("done", flush=True)
"""


def test_processes_that_evict_each_other_never_see_a_wrong_row(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    workers = []
    for seed in range(3):
        code = HAMMER.format(settings=SETTINGS, folder=str(folder), seed=seed)
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        workers.append(subprocess.Popen([sys.executable, "-c", code], text=True, **pipes))
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        out, err = worker.communicate(timeout=120)
        assert (worker.returncode, out, err) == (0, "done\n", "")
    cache = FeatureCache(folder)
    assert cache.verify() == []
    assert 0 < cache.info().n_bytes < 30_000
    assert not list(folder.rglob(".*"))


@pytest.mark.parametrize("how", ["clear", "prune"])
def test_a_neighbour_that_empties_the_cache_at_the_wrong_moment_costs_nothing(
    how: str, cache: FeatureCache, notes: helpers.Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making the folder and the file, and again between writing the file and giving it its name."""
    for moment in ("tempfile.mkstemp", "os.replace"):
        put(cache, range(3))
        plain = tempfile.mkstemp if moment == "tempfile.mkstemp" else os.replace
        pending = [how]

        def meddled(*arguments: Any, plain: Any = plain, pending: list[str] = pending, **options: Any) -> Any:
            if pending:
                pending.pop()
                other = FeatureCache(cache.folder)
                other.clear() if how == "clear" else other.prune(0)
            return plain(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(f"headstart.storage.{moment}", meddled)
            assert cache.store(SETTINGS, digests(range(3, 6)), rows_of(range(3, 6)))
        assert not pending
        assert get(cache, range(6)).tolist() == [False] * 3 + [True] * 3
        assert (shards(cache)[0].parent / "settings.json").is_file()
        cache.clear()
    assert notes.texts == []


# Extraction -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return helpers.extractor()


def test_large_results_lie_in_a_file_that_leaves_nothing(
    extractor: Extractor, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ImageDataset.from_arrays(helpers.noise(40)[[*range(30), *range(10)]])
    plain = extract_features(dataset, extractor)
    monkeypatch.setattr("headstart.features.row_array.LARGE_BYTES", 0)
    monkeypatch.setattr("headstart.features.row_array._FREE_EVERY", 1_000)
    first = extract_features(dataset, extractor, cache=cache)
    again = extract_features(dataset, extractor, cache=FeatureCache(cache.folder))
    assert plain.tobytes() == first.tobytes() == again.tobytes()
    first[:] = 0  # the caller's own
    assert sorted(path.name for path in cache.folder.iterdir()) == ["features"]


def test_an_array_in_a_file_takes_its_room_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.features.row_array.LARGE_BYTES", 1_000)
    rows = new_row_array((500, 100), np.dtype(np.float32), tmp_path / "new")
    rows.array[:] = np.arange(50_000).reshape(500, 100)
    rows.advise_free(10**9)
    assert rows.array[499, 99] == 49_999
    assert list((tmp_path / "new").iterdir()) == []


def test_without_room_for_a_file_the_work_goes_on_in_memory(
    extractor: Extractor, cache: FeatureCache, notes: helpers.Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    dataset = ImageDataset.from_arrays(helpers.noise(3))
    plain = extract_features(dataset, extractor)
    monkeypatch.setattr("headstart.features.row_array.LARGE_BYTES", 0)
    monkeypatch.setattr("headstart.features.row_array.os.posix_fallocate", full)
    found = extract_features(dataset, extractor, cache=cache, progress=notes)
    assert found.tobytes() == plain.tobytes()
    assert "the disk is full" in notes.texts[0]
    assert "held in memory instead" in notes.texts[0]


def test_moved_is_a_hit_one_changed_pixel_a_miss_and_ten_more_are_ten(
    extractor: Extractor, cache: FeatureCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    plain = Extractor.compute

    def counted(self: Extractor, pixels: np.ndarray) -> Any:
        computed.append(len(pixels))
        return plain(self, pixels)

    monkeypatch.setattr(Extractor, "compute", counted)
    images = helpers.noise(30)
    paths = [helpers.write_image(tmp_path / "a" / f"{row}.png", images[row]) for row in range(20)]
    extract_features(ImageDataset.from_files(paths), extractor, cache=cache)
    (tmp_path / "a").rename(tmp_path / "b")
    moved = [(tmp_path / "b" / path.name).rename(tmp_path / "b" / f"x{path.name}") for path in paths]
    extract_features(ImageDataset.from_files(moved), extractor, cache=cache)
    assert sum(computed) == 20
    images[7, 0, 0, 0] ^= 1
    helpers.write_image(moved[7], images[7])
    extract_features(ImageDataset.from_files(moved), extractor, cache=cache)
    assert sum(computed) == 21
    more = [helpers.write_image(tmp_path / "b" / f"{row}.png", images[row]) for row in range(20, 30)]
    extract_features(ImageDataset.from_files([*moved, *more]), extractor, cache=cache)
    assert sum(computed) == 31


# A process started in the background by a shell ignores SIGINT, and so would its children.
SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {tests!r})
from headstart.features import extract
from headstart.features.extractor import Extractor
extract.ROWS_PER_SHARD = 4
plain = Extractor.compute
def slow(self, pixels):
    time.sleep(0.05)
    print("computed", flush=True)
    return plain(self, pixels)
Extractor.compute = slow
"""

EXTRACT = """
import helpers
from pathlib import Path
from headstart.data import ImageDataset
from headstart.features.cache import FeatureCache
extract.extract_features(ImageDataset.from_arrays(helpers.noise(60)), helpers.extractor(batch_size=2),
                         cache=FeatureCache(Path({cache!r})))
"""


def started(code: str, n_computed: int) -> warm.Child:
    """A process that is some batches into its work."""
    process = warm.Child(code)
    for _ in range(n_computed):
        line = process.stdout.readline()
        assert line == "computed\n", process.stderr.read()
    return process


def test_killed_in_the_middle_the_rest_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    code = (SLOW + EXTRACT).format(tests=str(Path(__file__).parents[1]), cache=str(folder))
    process = started(code, 16)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    dataset, extractor = ImageDataset.from_arrays(helpers.noise(60)), helpers.extractor(batch_size=2)
    cache = FeatureCache(folder)
    n_kept = n_cached(dataset, extractor, cache)
    assert 4 <= n_kept < 60
    assert cache.verify() == []
    computed: list[int] = []
    plain = Extractor.compute
    monkeypatch.setattr(
        Extractor, "compute", lambda self, pixels: (computed.append(len(pixels)), plain(self, pixels))[1]
    )
    found = extract_features(dataset, extractor, cache=cache)
    assert sum(computed) == 60 - n_kept
    assert found.tobytes() == extract_features(dataset, extractor).tobytes()


FIT = """
from headstart.augment import View
from headstart.cli import main
main({arguments!r})
"""


@pytest.mark.usefixtures("no_figures")
def test_interrupted_in_the_middle_says_so_in_a_line_and_goes_on(folders: Path, tmp_path: Path) -> None:
    place = tmp_path / "cache"
    arguments = [
        "fit",
        str(folders),
        "-o",
        str(tmp_path / "run"),
        "--backbone",
        helpers.BACKBONE,
        "--weights",
        "random",
    ]
    arguments += ["--input-size", str(helpers.SIDE), "--split", "nested:3x2", "--threads", "1", "--batch-size", "2"]
    arguments += [
        "--engine",
        "torch",
        "--precision",
        "fp32",
        "--cache",
        str(place),
        "--no-baselines",
        "--features",
        "last",
        "--no-explanations",
        "--study",
        str(helpers.STUDY),
    ]
    code = (SLOW + FIT).format(tests=str(Path(__file__).parents[1]), arguments=arguments)
    process = started(code, 14)  # four of them are the trial that tells the time needed
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "Interrupted; what was finished is kept. The same command goes on from there."
    n_kept = FeatureCache(place).info().n_rows
    assert 4 <= n_kept < 48
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 0, again.output
    assert f"features of {48 - n_kept} images ({n_kept} are cached)" in again.output
    assert FeatureCache(place).info().n_rows == 48


# Command line ---------------------------------------------------------------------------------------------------------


def verb(*arguments: str, code: int = 0) -> str:
    found = CliRunner().invoke(main, ["cache", *arguments])
    assert found.exit_code == code, found.output
    return found.output


def test_info_tells_setting_by_setting(cache: FeatureCache) -> None:
    put(cache, range(10))
    put(cache, range(5, 20))
    put(cache, range(3), OTHER)
    place = ["--cache", str(cache.folder)]
    found = json.loads(verb("info", *place, "--json"))
    told = ("backbone", "precision", "input", "view", "n_images", "row")
    assert {tuple(one[name] for name in told) for one in found["settings"]} == {
        ("other", "torch bf16 (folded)", "8 x 9, resize pad, decode fast", "strong 2 (seed 3)", 3, "5"),
        ("net", "torch fp32", "8 x 9", "identity", 20, "5"),
    }
    assert found["n_bytes"] == sum(path.stat().st_size for path in shards(cache))
    assert found["n_rows"] == 23
    for setting in (cache.folder / "features").iterdir():
        (setting / "settings.json").write_text("{")
    assert {one["backbone"] for one in json.loads(verb("info", *place, "--json"))["settings"]} == {"unknown"}
    assert get(cache, list(range(20))).all()


@pytest.mark.parametrize(
    "description",
    [
        OTHER,
        SETTINGS | {"engine": "torch"},
        SETTINGS | {"preparation": []},
        SETTINGS | {"preparation": {"size": 3}},
        [],
        "[" * 100_000,
    ],
)
def test_a_damaged_description_is_shown_as_unknown(description: Any, cache: FeatureCache) -> None:
    """Whatever stands in it, and though another's would be readable."""
    path = put(cache, range(3))
    text = description if isinstance(description, str) else json.dumps(description)
    (path.parent / "settings.json").write_text(text)
    (found,) = cache.info().settings
    assert (found.backbone, found.input, found.precision, found.n_images) == ("unknown", "unknown", "unknown", 3)


def test_info_as_a_table(cache: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    put(cache, range(10))
    text = verb("info", "--cache", str(cache.folder))
    for word in (
        "net",
        "s4",
        "8 x 9",
        "identity",
        "torch fp32",
        "last used",
        "10",
        " of at most ",
        "Next: headstart cache",
    ):
        assert word in text


def test_prune_and_clear(cache: FeatureCache) -> None:
    place = ["--cache", str(cache.folder)]
    put(cache, range(10))
    assert "Removed 0 files" in verb("prune", *place)
    assert "is no size" in verb("prune", *place, "--limit", "lots", code=2)
    assert "Removed 1 file," in verb("prune", *place, "--limit", "10B")
    path = put(cache, range(10))
    asked = CliRunner().invoke(main, ["cache", "clear", *place], input="n\n")
    assert asked.exit_code == 1
    assert "Remove all features and stage maps (10 rows, " in asked.output
    assert path.exists()
    assert verb("clear", *place, "--yes").startswith("Freed ")
    assert not path.exists()


def test_a_size_that_is_none_is_refused_before_any_work(folders: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["fit", str(folders), "-o", str(tmp_path / "run"), "--cache-limit", "lots"])
    assert found.exit_code == 2
    assert "'lots' is no size" in found.output
    assert not (tmp_path / "run").exists()
