"""Examining images in worker processes: the findings of one thread, whatever lies in the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import encode, huge_png, portable_pixmaps
from PIL import Image

from headstart.data import ImageDataset, audit_dataset, read_dataset
from headstart.data.audit import examine_all as module
from headstart.data.audit.examine import ImageFacts, examine
from headstart.data.audit.examine_all import examine_all
from headstart.data.images.bounds import MAX_PIXELS, LargeClaimError, claim_working, claims_up_to
from headstart.errors import WorkerError
from headstart.progress import Silent

N_IMAGES = 70


@pytest.fixture
def images(rng: np.random.Generator, tmp_path: Path) -> Path:
    """Small pictures, some of them bad, and a larger one, of which the first 16 are small and sound."""
    root = tmp_path / "images"
    for number in range(N_IMAGES):
        path = root / "ab"[number % 2] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        side = 700 if number == 65 else 12
        path.write_bytes(encode(rng.integers(0, 255, (side, side, 3), dtype=np.uint8), "PNG"))
    (root / "b" / "051.png").write_bytes((root / "b" / "053.png").read_bytes())
    (root / "b" / "055.png").write_bytes(b"PK\3\4")
    (root / "b" / "057.png").write_bytes(huge_png())
    (root / "b" / "059.png").write_bytes(b"")
    whole = encode(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), "JPEG")
    (root / "b" / "061.jpg").write_bytes(whole[: 3 * len(whole) // 4])
    return root


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the images of every part that processes examined, of which few images are enough."""
    numbers: list[int] = []
    original = module.done_in_processes

    def done(work: Callable[[Any], Any], parts: Iterator[Any], n_processes: int) -> Iterator[Any]:
        for found in original(work, parts, n_processes):
            numbers.append(len(found))
            yield found

    monkeypatch.setattr(module, "done_in_processes", done)
    monkeypatch.setattr(module, "_MIN_IMAGES", 40)
    monkeypatch.setattr(module, "_FIRST", 16)
    monkeypatch.setattr(module, "_PART", 16)
    return numbers


def examined(dataset: ImageDataset, n_threads: int) -> list[ImageFacts]:
    return examine_all(dataset, MAX_PIXELS, None, n_threads=n_threads, progress=Silent())


def test_processes_find_what_one_thread_finds(images: Path, sent: list[int]) -> None:
    dataset = read_dataset(images)
    alone, together = (audit_dataset(dataset, n_workers=n_threads) for n_threads in (1, 2))
    assert sum(sent) == len(dataset) - 16
    assert len(alone.unreadable) == 4
    assert len(alone.duplicates) == 1
    assert together.to_json() == alone.to_json()
    assert together.hashes == alone.hashes
    assert examined(dataset, 2) == examined(dataset, 1)


def test_half_pictures_that_are_kept_are_noted_in_the_main_process(images: Path, sent: list[int]) -> None:
    damaged = []
    for n_threads in (1, 2):
        dataset = read_dataset(images, accept_damaged=True)
        assert [one for one in examined(dataset, n_threads) if one.damage is not None]
        damaged.append(dataset.pixels.damage)  # type: ignore[attr-defined]
    assert list(damaged[0]) == ["b/061.jpg"]
    assert damaged[1] == damaged[0]
    assert sent


def test_pictures_that_take_much_memory_are_left_to_the_main_process(
    images: Path, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WORKER_BYTES", 1_500_000)
    here = []

    def examine_here(dataset: ImageDataset, row: int, *more: Any) -> ImageFacts:
        here.append(dataset.names[row])
        return examine(dataset, row, *more)

    monkeypatch.setattr(module, "examine", examine_here)
    dataset = read_dataset(images)
    found = examined(dataset, 2)
    assert here[16:] == ["b/065.png"]
    assert found == examined(dataset, 1)


def test_threads_go_on_where_a_process_was_ended(
    images: Path, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(work: Callable[[Any], Any], parts: Iterator[Any], n_processes: int) -> Iterator[Any]:
        yield work(next(parts))
        raise WorkerError("ended")

    dataset = read_dataset(images)
    alone = examined(dataset, 1)
    monkeypatch.setattr(module, "done_in_processes", ended)
    assert examined(dataset, 2) == alone
    assert not sent


def test_a_few_images_one_thread_and_own_formats_need_no_processes(
    images: Path, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = read_dataset(images)
    examined(dataset, 1)
    with portable_pixmaps():
        examined(dataset, 2)
    monkeypatch.setattr(module, "_MIN_IMAGES", len(dataset) + 1)
    examined(dataset, 2)
    assert not sent


def test_large_pictures_and_arrays_need_no_processes(rng: np.random.Generator, tmp_path: Path, sent: list[int]) -> None:
    for number in range(40):
        path = tmp_path / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (200, 200), number).save(path)
    examined(read_dataset(tmp_path), 2)
    arrays = rng.integers(0, 255, (40, 8, 8), dtype=np.uint8)
    examined(ImageDataset.from_arrays(arrays, labels=list("ab") * 20), 2)
    assert not sent


def test_a_limit_on_memory_holds_in_its_own_context_alone() -> None:
    with claims_up_to(1_000) as refused:
        claim_working(1_000)
        with pytest.raises(LargeClaimError):
            claim_working(1_001)
    assert refused == [1_001]
    claim_working(1_001)
