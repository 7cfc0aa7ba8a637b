"""Figures of maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from explained import pictures, small_model

from headstart.explain import Explanation, explain
from headstart.explain.explanation import full_colour
from headstart.explain.figures import overlay


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    return explain(small_model(), pictures(2), target="wild")


def test_a_figure_shows_the_image_and_its_map(explanation: Explanation) -> None:
    figure = explanation.figure(0)
    image, overlaid, _ = figure.axes
    assert image.get_images()[0].get_array().shape == (64, 64, 3)
    assert overlaid.get_images()[0].get_array().shape == (64, 64, 3)
    assert "wild against the rest" in overlaid.get_title()


def test_where_the_map_is_nothing_the_image_shows() -> None:
    pixels = np.full((2, 2, 3), 51, dtype=np.uint8)
    shown = overlay(pixels, np.array([[0.0, 1.0], [-1.0, 5.0]], dtype=np.float32), 1.0)
    np.testing.assert_allclose(shown[0, 0], 0.2)
    assert shown[0, 1, 0] > shown[0, 1, 2], "orange speaks for the class"
    assert shown[1, 0, 2] > shown[1, 0, 0], "violet against it"
    np.testing.assert_array_equal(shown[1, 1], shown[0, 1])


def test_a_map_of_nothing_shows_the_image() -> None:
    pixels = np.full((2, 2, 3), 51, dtype=np.uint8)
    np.testing.assert_allclose(overlay(pixels, np.zeros((2, 2), dtype=np.float32), 0.0), 0.2)


def test_maps_that_speak_against_alone_say_so(explanation: Explanation) -> None:
    against = replace(explanation, maps=-np.abs(explanation.maps))
    assert not against.speaks_for(0)
    assert against.title(0).startswith("nothing speaks for wild against the rest")
    assert against.figure(0).axes[1].get_title() == against.title(0)


def test_a_map_of_nothing_has_a_scale_still(explanation: Explanation) -> None:
    nothing = replace(explanation, maps=0 * explanation.maps, limits={"wild": 0.0})
    assert nothing.figure(0).axes[2].get_ylim() == (-1.0, 1.0)
    assert nothing.title(0).startswith("nothing speaks for wild")


def test_a_spike_leaves_the_other_maps_their_colour() -> None:
    maps = np.random.default_rng(0).standard_normal((12, 32, 32)).astype(np.float32)
    before = full_colour(maps)
    maps[0, 4, 4] = 1000.0
    assert full_colour(maps) == pytest.approx(before, rel=0.01)


def test_maps_that_are_empty_but_for_a_few_places_have_the_largest_value_as_their_scale() -> None:
    maps = np.zeros((3, 32, 32), dtype=np.float32)
    maps[1, 2, 3] = -7.0
    assert full_colour(maps) == 7.0
    assert full_colour(maps[:0]) == 0.0
