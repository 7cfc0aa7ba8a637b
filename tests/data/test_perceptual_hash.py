"""Perceptual hashes and the pairs that are close in them."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
from image_files import encode
from PIL import Image

from headstart.data import decode, join_groups
from headstart.data.audit.perceptual_hash import near_pairs, perceptual_hash


def test_close_pairs_equal_brute_force(rng: np.random.Generator) -> None:
    hashes = rng.integers(0, 2**63, 60, dtype=np.uint64)
    hashes = np.concatenate([hashes] * 5)
    for _ in range(4):
        hashes ^= np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64)
    values = hashes.tolist()
    for limit in (0, 3, 6):
        expected = [
            (i, j, (values[i] ^ values[j]).bit_count())
            for i in range(len(values))
            for j in range(i + 1, len(values))
            if (values[i] ^ values[j]).bit_count() <= limit
        ]
        pairs, cut = near_pairs(hashes, max_hamming=limit)
        assert sorted(pairs) == expected
        assert not cut
    closest, cut = near_pairs(hashes, max_pairs=10)
    assert cut
    assert closest == sorted(expected, key=lambda pair: (pair[2], pair[0], pair[1]))[:10]


def test_many_copies_of_many_alike_images_stay_bounded() -> None:
    """33 copies of each of 200 close hashes are 20 million pairs; only as many as asked for are ever made."""
    ones = itertools.islice(itertools.combinations(range(64), 3), 200)
    distinct = np.array([sum(1 << bit for bit in bits) for bits in ones], dtype=np.uint64)
    tracemalloc.start()
    try:
        pairs, cut = near_pairs(np.repeat(distinct, 33), max_pairs=110_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(pairs), cut) == (110_000, True)
    assert [bits for _, _, bits in pairs] == sorted(bits for _, _, bits in pairs)
    assert sum(bits == 0 for _, _, bits in pairs) == 200 * (32 * 31 // 2 + 1)
    assert peak < 100e6


def test_a_folder_of_equal_hashes_stays_small() -> None:
    pairs, cut = near_pairs(np.zeros(5_000, dtype=np.uint64))
    assert len(pairs) == 32 * 31 // 2 + 5_000 - 32
    assert not cut
    assert np.unique(join_groups(None, [pair[:2] for pair in pairs], 5_000)).tolist() == [0]


def test_perceptual_hash_survives_scaling_and_compression(rng: np.random.Generator) -> None:
    coarse = Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8))
    image = coarse.resize((300, 260), Image.Resampling.BICUBIC)
    other = Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).resize((300, 260))
    original = perceptual_hash(image)
    assert (original ^ perceptual_hash(image.resize((150, 130)))).bit_count() <= 6
    again = decode(encode(np.asarray(image), "JPEG", quality=60), "x")
    assert (original ^ perceptual_hash(again)).bit_count() <= 6
    assert (original ^ perceptual_hash(other)).bit_count() > 12
