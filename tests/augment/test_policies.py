"""Augmentation policies of a user, from a TOML file."""

from __future__ import annotations

from pathlib import Path

import helpers
import numpy as np
import pytest

from headstart.augment import Custom, View, read_policy, view_from_json, views
from headstart.errors import InputError

OWN = """
symmetries = "flips"
rotation_deg = 20.0
zoom = [0.8, 1.25]
brightness = [0.9, 1.1]
"""


def own(folder: Path, text: str = OWN) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_a_policy_from_a_file_goes_through_symmetries_and_ranges(tmp_path: Path) -> None:
    policy = read_policy(own(tmp_path))
    assert policy.symmetries == "flips"
    assert policy.ranges.rotation_deg == 20.0
    assert policy.ranges.blur_px == 0.0
    pixels = helpers.noise(1, seed=5)[0]
    made = views("custom", 6, 0, policy)
    assert np.array_equal(made[0].apply(pixels, "a"), pixels)
    assert [view.turn for view in made] == ["identity", "mirror", "flip", "turn_180", "identity", "mirror"]
    assert not np.array_equal(made[1].apply(pixels, "a"), made[5].apply(pixels, "a"))
    assert np.array_equal(made[1].apply(pixels, "a"), made[1].apply(pixels, "a"))


def test_symmetries_alone_are_exact(tmp_path: Path) -> None:
    policy = read_policy(own(tmp_path, 'symmetries = "dihedral"'))
    pixels = helpers.noise(1, seed=5, side=20)[0][:, :20]
    assert np.array_equal(View("custom", 0, 1, policy).apply(pixels, "a"), pixels[:, ::-1])
    with pytest.raises(InputError, match="exchanges height and width"):
        View("custom", 0, 5, policy).check_takes((20, 24))


def test_what_a_policy_says_is_part_of_the_cache_key_not_its_name(tmp_path: Path) -> None:
    one, other = read_policy(own(tmp_path)), read_policy(own(tmp_path, OWN.replace("20.0", "25.0")))
    first, second = (View("custom", 0, 1, policy).settings() for policy in (one, other))
    assert first != second
    assert first == View("custom", 0, 1, read_policy(own(tmp_path))).settings()


def test_a_view_of_ones_own_comes_back_from_its_description(tmp_path: Path) -> None:
    view = View("custom", 3, 2, read_policy(own(tmp_path)))
    assert view_from_json(view.to_json()) == view


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rotate = 3.0", r"mine\.toml: Unknown key 'rotate'.*Did you mean 'rotation_deg'|Unknown key 'rotate'"),
        ("rotation_deg = 400.0", r"mine\.toml: key 'rotation_deg'"),
        ("zoom = [1.2, 0.9]", r"mine\.toml: key 'zoom' must go from the smaller"),
        ("zoom = [0.9]", r"mine\.toml: key 'zoom'"),
        ("", r"mine\.toml changes nothing"),
        ("= 3", r"mine\.toml is no valid TOML"),
    ],
)
def test_mistakes_of_a_policy_file_are_reported_with_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_policy(own(tmp_path, text))


def test_custom_needs_its_transforms() -> None:
    for view in (("custom", 0, 1, None), ("flips", 0, 1, Custom())):
        with pytest.raises(InputError, match="needs its description"):
            View(*view)
