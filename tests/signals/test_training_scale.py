"""What windows are standardised by is learned from the training windows alone, and a bundle restores it."""

from __future__ import annotations

import numpy as np
import pytest
from made_recordings import recording

from headstart.data import ImageDataset, ImageResize
from headstart.data.preparation import cache_settings, learned, own_preparation, restore_preparation
from headstart.errors import DataError
from headstart.signals import Windowing, window_dataset
from headstart.signals.span import Span
from headstart.signals.training_scale import FittedTrainingScale, TrainingScale

BASE = ImageResize((32, 32))


def dataset(**about: object) -> ImageDataset:
    recordings = [recording(60, name=str(number), seed=number) for number in range(3)]
    return window_dataset(recordings, Windowing(Span(20, True), Span(10, True)), **about)


def fitted(data: ImageDataset, rows: list[int]) -> FittedTrainingScale:
    fittable = own_preparation(data.pixels, BASE)
    assert isinstance(fittable, TrainingScale)
    return fittable.fit(data, np.array(rows))


def test_the_scale_is_that_of_the_training_windows_alone() -> None:
    data = dataset()
    rows = [0, 1, 12]
    found = fitted(data, rows)
    samples = data.pixels.windows.values(rows).reshape(-1, 2)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found.centre, samples.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.spread, samples.std(axis=0), rtol=1e-4)
    data.pixels.windows.recordings[1].values[:] = 1e6  # type: ignore[attr-defined]
    again = fitted(data, rows)  # no row of the second recording
    assert again.centre.tolist() == found.centre.tolist()
    z = found.standardised(data.stored(0).values)  # type: ignore[attr-defined]
    assert abs(z.mean()) < 1


def test_a_data_set_with_a_reference_fits_nothing() -> None:
    recordings = [recording(80, name=str(number), seed=number) for number in range(2)]
    how = Windowing(Span(20, True), Span(10, True), reference=Span(20, True))
    assert own_preparation(window_dataset(recordings, how).pixels, BASE) is None
    assert own_preparation(object(), BASE) is None
    assert not dataset().pixels.may_hold_copies()
    assert not dataset().subset([0, 1]).pixels.may_hold_copies()


def test_pixels_are_those_of_a_restored_scale() -> None:
    data = dataset()
    found = fitted(data, [0, 1, 2, 3])
    restored = restore_preparation(found.settings(), learned(found))
    pixels = data.prepared(5, found)
    assert pixels.shape == (32, 32, 3)
    np.testing.assert_array_equal(data.prepared(5, restored), pixels)
    assert cache_settings(found) == cache_settings(restored)
    other = fitted(data, [4, 5])
    assert cache_settings(other) != cache_settings(found)
    assert (data.prepared(5, other) != pixels).any()


def test_what_it_cannot_do_is_refused() -> None:
    data = dataset()
    with pytest.raises(DataError, match="there is none"):
        fitted(data, [])
    found = fitted(data, [0, 1])
    pictures = ImageDataset.from_arrays(np.zeros((2, 8, 8), dtype=np.uint8))
    with pytest.raises(DataError, match="fitted on windows of recordings"):
        pictures.prepared(0, found)
    state = learned(found)
    with pytest.raises(DataError, match="not that of 2 channels"):
        restore_preparation(found.settings(), {**state, "centre": np.zeros(3)})
    with pytest.raises(DataError, match="damaged"):
        restore_preparation(found.settings(), {"centre": state["centre"]})
    with pytest.raises(DataError, match="Install a newer"):
        restore_preparation({**found.settings(), "version": 9}, state)
