"""Views: exact symmetries, random views, their names and their errors."""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from headstart.augment import IDENTITY, POLICIES, RANGES, SYMMETRIES, View, n_distinct, view_from_json, views
from headstart.errors import InputError

RANDOM = ("geometric", "photometric", "strong")


HASH = "ab" * 32


def picture(height: int = 24, width: int = 24, *, seed: int = 0) -> np.ndarray:
    """A soft coloured picture; no two of its symmetries are alike."""
    small = np.random.default_rng(seed).integers(40, 216, (5, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def dihedral(pixels: np.ndarray, index: int) -> np.ndarray:
    return View("dihedral", index=index).apply(pixels, "")


def test_the_eight_symmetries_by_hand() -> None:
    letters = np.repeat(np.array([[1, 2], [3, 4]], dtype=np.uint8)[..., None], 3, axis=2)
    by_name = {view.symmetry: view.apply(letters, "")[..., 0].tolist() for view in views("dihedral", 8)}
    assert by_name == {
        "identity": [[1, 2], [3, 4]],
        "mirror": [[2, 1], [4, 3]],
        "flip": [[3, 4], [1, 2]],
        "turn_180": [[4, 3], [2, 1]],
        "transpose": [[1, 3], [2, 4]],
        "turn_90": [[2, 4], [1, 3]],
        "turn_270": [[3, 1], [4, 2]],
        "transverse": [[4, 2], [3, 1]],
    }
    assert list(by_name) == list(SYMMETRIES)


def test_symmetries_are_closed_and_each_has_an_inverse() -> None:
    pixels = picture()
    all_eight = [dihedral(pixels, index).tobytes() for index in range(8)]
    assert len(set(all_eight)) == 8
    for first in range(8):
        products = [dihedral(dihedral(pixels, first), second).tobytes() for second in range(8)]
        assert sorted(products) == sorted(all_eight)  # closed, and a permutation: so one of them is the identity
        assert all_eight[0] in products


def test_symmetries_are_associative() -> None:
    pixels = picture()
    table = {
        (a, b): next(c for c in range(8) if dihedral(pixels, c).tobytes() == dihedral(dihedral(pixels, a), b).tobytes())
        for a, b in itertools.product(range(8), repeat=2)
    }
    assert all(table[table[a, b], c] == table[a, table[b, c]] for a, b, c in itertools.product(range(8), repeat=3))


def test_flips_are_the_first_four_and_fit_any_rectangle() -> None:
    pixels = picture(10, 16)
    for flipped, view in zip(views("flips", 4), views("dihedral", 4), strict=True):
        assert flipped.apply(pixels, "").tobytes() == view.apply(pixels, "").tobytes()
        assert flipped.settings() == view.settings()  # so they share what is cached


@pytest.mark.parametrize("index", range(4, 8))
def test_views_that_exchange_height_and_width_refuse_rectangles(index: int) -> None:
    view = View("dihedral", index=index)
    with pytest.raises(InputError, match=r"expected square pixels, came 10 x 16\. Use a square input size, the policy"):
        view.apply(picture(10, 16), HASH)
    with pytest.raises(InputError, match=f"View {index} of policy 'dihedral'"):
        view.check_takes((10, 16))
    view.check_takes((16, 16))


@pytest.mark.parametrize("policy", POLICIES)
def test_view_0_is_the_image_itself(policy: str) -> None:
    pixels = picture()
    view = View(policy, seed=7, index=0)
    assert view.apply(pixels, HASH).tobytes() == pixels.tobytes()
    assert view.is_identity
    assert view.settings() == IDENTITY.settings() == "identity"


@pytest.mark.parametrize("policy", RANDOM)
def test_everything_that_names_a_view_changes_it_and_nothing_else_does(policy: str) -> None:
    pixels = picture()
    view = View(policy, seed=3, index=1)
    again = View(policy, seed=3, index=1).apply(pixels.copy(), HASH)
    assert again.tobytes() == view.apply(pixels, HASH).tobytes()
    others = {
        "seed": View(policy, seed=4, index=1).apply(pixels, HASH),
        "index": View(policy, seed=3, index=2).apply(pixels, HASH),
        "content": view.apply(pixels, "cd" * 32),
        "none": pixels,
    }
    assert len({again.tobytes(), *(other.tobytes() for other in others.values())}) == 5


def test_the_same_in_another_process_and_under_other_random_states() -> None:
    code = (
        "import hashlib, sys, numpy as np; sys.path.insert(0, 'tests/augment'); np.random.seed(5)\n"
        "from test_views import digest_of_all; print(digest_of_all())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest_of_all()


def digest_of_all() -> str:
    pixels = picture(17, 23)
    chosen = [view for policy in RANDOM for view in views(policy, 4, seed=11)]
    return hashlib.sha256(b"".join(view.apply(pixels, HASH).tobytes() for view in chosen)).hexdigest()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", [(24, 24), (1, 1), (2, 31), (31, 2)], ids=str)
def test_shape_and_type_stay_and_the_input_is_left_alone(policy: str, size: tuple[int, int]) -> None:
    pixels = picture(*size)
    pixels.setflags(write=False)
    before = pixels.tobytes()
    for view in views(policy, min(4, n_distinct(policy)), seed=1):
        found = view.apply(pixels, HASH)
        assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
    assert pixels.tobytes() == before


@pytest.mark.parametrize("policy", RANDOM)
def test_a_grey_picture_stays_grey(policy: str) -> None:
    grey = np.repeat(picture()[..., :1], 3, axis=2)
    for view in views(policy, 6, seed=2):
        found = view.apply(grey, HASH)
        assert (found == found[..., :1]).all()


def test_geometric_views_of_an_even_picture_are_that_picture() -> None:
    """No black edges come in: beyond its edges a picture is continued by its mirror image."""
    even = np.full((40, 40, 3), 200, dtype=np.uint8)
    for view in views("geometric", 40, seed=0):
        assert (view.apply(even, HASH) == 200).all()


def test_geometric_views_stay_within_the_stated_ranges() -> None:
    """A bright dot 15 px right of the centre is found where rotation, zoom and shift can have put it, and moves."""
    side, off = 201, 60
    pixels = np.zeros((side, side, 3), dtype=np.uint8)
    pixels[side // 2 - 2 : side // 2 + 3, side // 2 - 2 : side // 2 + 3] = 255
    pixels[side // 2 - 2 : side // 2 + 3, side // 2 + off - 2 : side // 2 + off + 3] = 255
    angles, zooms, shifts = [], [], []
    for index in range(1, 60):
        rows, columns = np.nonzero(View("geometric", index=index).apply(pixels, HASH)[..., 0] > 100)
        left = columns < columns.mean()
        centre = np.array([columns[left].mean(), rows[left].mean()])
        across, down = np.array([columns[~left].mean(), rows[~left].mean()]) - centre
        angles.append(np.degrees(np.arctan2(down, across)))
        zooms.append(np.hypot(across, down) / off)
        shifts.append(np.abs(centre - side // 2).max() / side)
    slack = 0.4
    assert max(np.abs(angles)) <= RANGES.rotation_deg + slack < 2 * max(np.abs(angles))
    assert RANGES.zoom[0] - 0.01 <= min(zooms) < 0.95 < 1.15 < max(zooms) <= RANGES.zoom[1] + 0.01
    assert 0.02 < max(shifts) <= RANGES.shift * RANGES.zoom[1] + 0.005


def test_photometric_views_keep_every_edge_in_its_place() -> None:
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[:, 32:] = (200, 150, 100)
    for view in views("photometric", 12, seed=4)[1:]:
        found = view.apply(pixels, HASH).astype(int).sum(axis=2)
        assert found[:, :28].max() < found[:, 36:].min()
        assert found.tobytes() != pixels.astype(int).sum(axis=2).tobytes()


def test_settings_are_json_and_differ_where_pixels_do() -> None:
    chosen = [view for policy in ("dihedral", *RANDOM) for seed in (0, 1) for view in views(policy, 8, seed=seed)]
    keys: dict[str, str] = {}
    for view in chosen:
        key = json.dumps(view.settings(), sort_keys=True)
        pixels = view.apply(picture(), HASH).tobytes().hex()
        assert keys.setdefault(key, pixels) == pixels
    assert len(set(keys.values())) == len(keys) == 8 + 3 * 2 * 7


def test_numbers_of_numpy_name_the_same_view() -> None:
    view = View("strong", seed=np.int64(3), index=np.uint8(2))
    assert json.dumps(view.settings()) == json.dumps(View("strong", seed=3, index=2).settings())


def test_wrong_views_are_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"Unknown augmentation policy 'flip'\. Did you mean 'flips'"):
        views("flip", 2)
    with pytest.raises(InputError, match=r"Policy 'flips' has 4 different views; expected 1 to 4 of them, came 5\."):
        views("flips", 5)
    with pytest.raises(InputError, match="expected 1 to 8 of them, came 0"):
        views("dihedral", 0)
    with pytest.raises(InputError, match="View 8 of policy 'dihedral' does not exist; expected 0 to 7"):
        View("dihedral", index=8)
    with pytest.raises(InputError, match="The seed of a view is -1; expected a whole number from 0"):
        View("strong", seed=-1)
    for name in ("seed", "index"):
        with pytest.raises(InputError, match=f"The {name} of a view is 1.5; expected a whole number"):
            View("strong", **{name: 1.5})
    with pytest.raises(ValueError, match=r"pixels are float64 of shape \(4, 4, 3\); expected uint8"):
        View("strong", index=1).apply(np.zeros((4, 4, 3)), HASH)
    with pytest.raises(ValueError, match="needs the content hash of its image"):
        View("strong", index=1).apply(picture(), "")


@pytest.mark.parametrize("view", [View("flips", 0, 2), View("strong", 7, 3), View("none")])
def test_a_view_comes_back_from_its_description(view: View) -> None:
    assert view_from_json(view.to_json()) == view
