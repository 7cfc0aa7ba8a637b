"""Mirrored and turned copies: found in every orientation, and pictures that look alike are none."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from headstart.data import ImageDataset, audit_dataset, read_dataset
from headstart.data.audit import perceptual_hash as perceptual_hashing
from headstart.data.audit.perceptual_hash import (
    close_pairs_between,
    perceptual_hash,
    symmetric_hashes,
    thumbnail,
)
from headstart.data.audit.symmetric_copies import symmetric_copies

N = 24


def picture(seed: int) -> Image.Image:
    blocks = np.random.default_rng(seed).integers(30, 225, (7, 5, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((90, 70), Image.Resampling.BICUBIC)


def encoded(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=85)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


ORIENTATIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "flipped": ImageOps.flip,
    "half a turn": lambda image: image.rotate(180),
    "a quarter": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "three quarters": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "over the diagonal": lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    "over the other": lambda image: image.transpose(Image.Transpose.TRANSVERSE),
}


def found(pictures: list[Image.Image]) -> list[tuple[int, int]]:
    thumbnails = np.stack([thumbnail(one) for one in pictures])
    return symmetric_copies(thumbnails, symmetric_hashes(thumbnails)).pairs


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("first", [0, N])
def test_every_orientation_is_found_from_either_side(name: str, first: int) -> None:
    pictures = [picture(seed) for seed in range(N)]
    copy = ImageEnhance.Brightness(encoded(ORIENTATIONS[name](pictures[3]))).enhance(0.97)
    place = 3 if first else 4
    pictures.insert(first, copy)
    assert found(pictures) == [(min(first, place), max(first, place))]


def test_many_orientations_of_one_picture_are_joined() -> None:
    pictures = [picture(seed) for seed in range(N)] + [turn(picture(3)) for turn in ORIENTATIONS.values()]
    pairs = found(pictures)
    assert {row for pair in pairs for row in pair} == {3, *range(N, N + 7)}


def test_symmetric_hashes_are_those_of_the_turned_pictures() -> None:
    image = picture(1)
    turned = [
        image,
        ORIENTATIONS["mirrored"](image),
        ORIENTATIONS["flipped"](image),
        ORIENTATIONS["half a turn"](image),
        ORIENTATIONS["over the diagonal"](image),
    ]
    hashes = symmetric_hashes(thumbnail(image)[None])[0]
    assert hashes[0] == perceptual_hash(image)
    for number, one in enumerate(turned):
        assert (int(hashes[number]) ^ perceptual_hash(one)).bit_count() <= 2


def test_pictures_that_look_alike_are_no_copies(rng: np.random.Generator) -> None:
    base = np.asarray(picture(0), dtype=np.float64)
    alike = [Image.fromarray(np.clip(base + rng.normal(0, 25, base.shape), 0, 255).astype(np.uint8)) for _ in range(N)]
    turned = [ImageOps.mirror(one) if number % 2 else one for number, one in enumerate(alike)]
    assert not found(turned)
    assert not found([Image.new("RGB", (40, 40), (9, 9, 9))] * N)
    assert not found([picture(0), ImageOps.mirror(picture(0))])  # nothing to hold the two against


@pytest.mark.parametrize("n_at_once", [7, 1 << 16])
def test_close_pairs_are_those_of_brute_force(monkeypatch: pytest.MonkeyPatch, n_at_once: int) -> None:
    monkeypatch.setattr(perceptual_hashing, "_COMPARED", n_at_once)
    rng = np.random.default_rng(2)
    base = rng.integers(0, 1 << 63, 40, dtype=np.uint64)
    first = np.repeat(base, 2)
    second = first ^ np.array(
        [sum(1 << int(bit) for bit in rng.choice(63, rng.integers(0, 8), False)) for _ in first], dtype=np.uint64
    )
    close, n_left_out = close_pairs_between(first, second, max_hamming=4)
    pairs = {tuple(pair) for pair in close.tolist()}
    brute = {
        (left, right)
        for left in range(len(first))
        for right in range(left + 1, len(first))
        if (int(first[left]) ^ int(second[right])).bit_count() <= 4
    }
    assert pairs == brute
    assert n_left_out == 0
    assert brute
    closest, n_left_out = close_pairs_between(first, second, max_hamming=4, max_pairs=3)
    assert len(closest) == 3
    assert {tuple(pair) for pair in closest.tolist()} <= brute
    assert n_left_out == len(brute) - 3


def test_the_audit_names_copies_and_differing_labels(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        picture(number).save(tmp_path / "ab"[number % 2] / f"{number:02d}.png")
    ImageOps.mirror(picture(0)).save(tmp_path / "b" / "copy.png")
    audit = audit_dataset(read_dataset(tmp_path))
    assert audit.to_json()["mirrored_or_turned_copies"] == [["a/00.png", "b/copy.png"]]
    assert any("mirrored or turned copy: a/00.png = b/copy.png" in words for words in audit.warnings)
    assert any("In 1 of them the labels differ" in words for words in audit.warnings)
    assert "mirrored or turned copies: 1 pair" in audit.lines()


def test_of_arrays_copies_are_found_too() -> None:
    pixels = np.stack([np.asarray(picture(seed)) for seed in range(12)] + [np.asarray(picture(5))[::-1]])
    assert audit_dataset(ImageDataset.from_arrays(pixels)).copies == ((5, 12),)
