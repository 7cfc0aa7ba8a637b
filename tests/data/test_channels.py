"""Channels by name, from arrays, archives and files; floating-point samples on a stated scale."""

from __future__ import annotations

import doctest
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from headstart.data import ImageDataset, ImageResize, audit_dataset, read_dataset
from headstart.data.images.arrays import ArrayImage
from headstart.data.images.decode import decode_details
from headstart.data.images.orientation import turned, turned_samples
from headstart.errors import ChannelError, DataError, ImageError, InputError

PLANES = np.random.default_rng(0).integers(0, 256, (5, 12, 16), dtype=np.uint8)
NAMES = ("dapi", "gfp", "cy3", "bf", "rna")
STACK = np.moveaxis(PLANES, 0, 2).copy()


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    handle = io.BytesIO()
    tifffile.imwrite(handle, pixels, **options)
    return handle.getvalue()


def image(pixels: np.ndarray, **about: Any) -> ArrayImage:
    return ArrayImage("cell", pixels, **about)


def test_channels_of_an_array_are_taken_by_name_or_number_in_the_order_asked() -> None:
    found = image(STACK, channels=NAMES).decoded(channels=("rna", "none", "dapi", "2"))
    assert found.samples is not None and found.samples.dtype == np.uint8
    for place, plane in enumerate((PLANES[4], np.zeros_like(PLANES[0]), PLANES[0], PLANES[1])):
        assert np.array_equal(found.samples[..., place], plane)
    assert found.header.mode == "5 channels"


def test_three_chosen_channels_of_bytes_are_a_picture() -> None:
    found = image(STACK, channels=NAMES).decoded(channels=("gfp", "none", "bf"))
    assert found.samples is None
    assert np.array_equal(np.asarray(found.image), np.stack([PLANES[1], np.zeros_like(PLANES[0]), PLANES[3]], axis=2))


@pytest.mark.parametrize("side", [3, 1])
def test_red_green_and_blue_by_name_are_what_is_shown_without_a_choice(side: int) -> None:
    plain, named = ImageResize((9, 7)), ImageResize((9, 7), channels=("red", "green", "blue"))
    colours = np.ascontiguousarray(STACK[..., :3])
    assert np.array_equal(plain.prepare(image(colours)), named.prepare(image(colours)))
    deep = colours.astype(np.uint16) * 257
    assert np.array_equal(plain.prepare(image(deep)), named.prepare(image(deep)))


def test_alpha_is_laid_over_white_unless_it_is_a_channel_like_others() -> None:
    pixels = np.concatenate([STACK[..., :3], np.zeros((12, 16, 1), np.uint8)], axis=2)
    assert np.asarray(image(pixels).decoded().image).min() == 255
    chosen = image(pixels).decoded(channels=("red", "alpha"))
    assert chosen.samples is not None and np.array_equal(chosen.samples[..., 0], PLANES[0])
    assert chosen.samples[..., 1].max() == 0


@pytest.mark.parametrize(
    ("pixels", "names", "message"),
    [
        (
            STACK,
            NAMES,
            r"5 channels \(dapi, gfp, cy3, bf, rna; .*choose with --channels, as in --channels dapi,gfp,cy3",
        ),
        (STACK, None, r"5 channels \(1, 2, 3, 4, 5;"),
        (STACK[..., :2], NAMES[:2], r"2 channels \(dapi, gfp;"),
    ],
)
def test_more_channels_than_a_picture_has_ask_for_a_choice(pixels: np.ndarray, names: Any, message: str) -> None:
    with pytest.raises(ChannelError, match=message):
        image(pixels, channels=names).decoded()


def test_a_channel_that_is_not_there_is_named_with_close_matches() -> None:
    with pytest.raises(
        ChannelError, match=r"cell: no channel 'dpai'\. Did you mean 'dapi'\? Known: bf, cy3, dapi, gfp, rna"
    ):
        image(STACK, channels=NAMES).decoded(channels=("dpai",))
    with pytest.raises(ChannelError, match=r"no channel '6'"):
        image(STACK).decoded(channels=("6",))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_shown_on_their_scale_and_clipped(dtype: type) -> None:
    values = np.array([[-1.0, 0.0, 0.5], [1.0, 2.0, 0.25]], dtype=dtype)
    found = image(values, scale=(0.0, 1.0)).decoded()
    assert found.samples is not None and found.samples.dtype == np.float32 and found.samples.shape == (2, 3, 3)
    assert found.samples[..., 1].tolist() == [[0, 0, 127.5], [255, 255, 63.75]]
    assert np.asarray(found.image)[..., 0].tolist() == [[0, 0, 128], [255, 255, 64]]
    assert found.header.bits == 8 * np.dtype(dtype).itemsize


def test_floats_that_are_bytes_give_the_pixels_of_bytes() -> None:
    floats = image(STACK[..., :3].astype(np.float32) / 255, scale=(0, 1))
    whole, exact = ImageResize((6, 8)), ImageResize((6, 8), pixels="float32")
    assert np.abs(exact.prepare(floats) - exact.prepare(image(STACK[..., :3]))).max() <= 1
    assert np.abs(whole.prepare(floats).astype(int) - whole.prepare(image(STACK[..., :3]))).max() <= 1
    assert (
        (whole.dtype, exact.dtype)
        == (np.uint8, np.float32)
        == (whole.prepare(floats).dtype, exact.prepare(floats).dtype)
    )


def test_alpha_of_floats_is_laid_over_white() -> None:
    pixels = np.zeros((2, 2, 2), np.float32)
    pixels[0, :, 1] = 1
    found = image(pixels, scale=(0, 1)).decoded().samples
    assert found is not None and found[..., 0].tolist() == [[0, 0], [255, 255]]


def test_floats_without_sense_are_refused() -> None:
    floats = np.zeros((2, 3, 3), np.float32)
    for scale, message in (
        (None, "state"),
        ((1, 0), "two numbers"),
        ((0, np.nan), "two numbers"),
        ((1,), "two numbers"),
    ):
        with pytest.raises(DataError, match=message):
            ImageDataset.from_arrays(floats, scale=scale)
    with pytest.raises(DataError, match="whose scale is fixed"):
        ImageDataset.from_arrays(STACK[None], scale=(0, 1))
    hollow = ImageDataset.from_arrays(np.full((1, 3, 3), np.nan, np.float32), scale=(0, 1))
    with pytest.raises(ImageError, match="holds NaN or infinite pixels"):
        hollow.load(0)


@pytest.mark.parametrize("names", [("a", "b"), ("a",) * 5, ("a", "b", "c", "d", ""), ("a", "b", "c", "d", "none")])
def test_names_that_do_not_fit_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="channels"):
        ImageDataset.from_arrays(STACK[None], channels=names)


@pytest.mark.parametrize("channels", [(), ("none",), ("a", ""), tuple("a" * 65)])
def test_a_choice_that_is_none_is_refused(channels: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="channels"):
        ImageResize((4, 4), channels=channels)


def test_names_and_scale_are_part_of_what_an_array_is() -> None:
    plain, named = image(STACK), image(STACK, channels=NAMES)
    assert plain.content_hash() != named.content_hash()
    floats = STACK.astype(np.float32)
    assert image(floats, scale=(0, 1)).content_hash() != image(floats, scale=(0, 2)).content_hash()


def test_the_choice_is_part_of_the_settings_and_comes_back_from_them() -> None:
    plain, chosen = ImageResize((4, 4)), ImageResize((4, 4), channels=("dapi", "none"), pixels="float32")
    assert not {"channels", "pixels"} & set(plain.settings())
    assert ImageResize.from_settings(chosen.settings()) == chosen
    assert chosen.n_channels == 2


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_every_channel_is_resized_as_it_would_be_alone(resize: str) -> None:
    several = ImageResize((6, 6), resize=resize, channels=NAMES)
    pixels = several.prepare(image(STACK, channels=NAMES))
    assert pixels.shape == (6, 6, 5)
    for place, plane in enumerate(PLANES):
        assert np.array_equal(pixels[..., place], ImageResize((6, 6), resize=resize).prepare(image(plane))[..., 0])


def test_an_archive_names_its_channels_and_states_its_scale(tmp_path: Path) -> None:
    path = tmp_path / "cells.npz"
    labels = np.array(["a", "b"])
    np.savez(
        path, images=np.stack([STACK, STACK[::-1]]).astype(np.float32), labels=labels, channels=NAMES, scale=[0, 255]
    )
    found = read_dataset(path).stored(0).decoded(channels=("cy3",)).samples
    assert found is not None and np.array_equal(found[..., 0], PLANES[2])
    np.savez(path, images=np.stack([STACK, STACK]).astype(np.float32), labels=labels)
    with pytest.raises(DataError, match=r"cells\.npz: .*nobody states which value is black"):
        read_dataset(path)
    np.savez(path, images=np.stack([STACK, STACK]).astype(np.float32), labels=labels, scale=[0, 1, 2])
    with pytest.raises(DataError, match=r"cells\.npz: its scale has shape \(3,\)"):
        read_dataset(path)
    np.savez(path, images=np.stack([STACK, STACK]), labels=labels, channels=NAMES[:2])
    with pytest.raises(DataError, match=r"cells\.npz: There are 2 names for 5 channels"):
        read_dataset(path)


MICROSCOPE = {
    "samples of a page": (tiff(STACK, photometric="minisblack", planarconfig="contig"), "12345"),
    "planes of a page": (tiff(PLANES, photometric="minisblack", planarconfig="separate"), "12345"),
    "16 bits": (tiff(PLANES.astype(np.uint16) * 257, photometric="minisblack", planarconfig="separate"), "12345"),
    "ImageJ": (tiff(PLANES, imagej=True, metadata={"axes": "CYX", "Labels": list(NAMES)}), NAMES),
    "OME": (
        tiff(PLANES, ome=True, photometric="minisblack", metadata={"axes": "CYX", "Channel": {"Name": NAMES}}),
        NAMES,
    ),
}


@pytest.mark.parametrize("kind", MICROSCOPE)
def test_channels_of_a_tiff_are_read_as_microscopes_write_them(kind: str) -> None:
    encoded, names = MICROSCOPE[kind]
    found = decode_details(encoded, "x.tif", channels=(names[3], "none", names[1], "5"))
    assert found.samples is not None and found.header.n_pages == 1
    for place, plane in ((0, 3), (2, 1), (3, 4)):
        assert np.array_equal(found.samples[..., place], PLANES[plane])


def test_a_tiff_of_many_samples_asks_for_a_choice() -> None:
    with pytest.raises(ChannelError, match="5 channels, and nobody says which of them to show; choose with --channels"):
        decode_details(MICROSCOPE["samples of a page"][0], "x.tif")


def test_pages_without_a_choice_are_read_as_before() -> None:
    assert np.array_equal(np.asarray(decode_details(MICROSCOPE["ImageJ"][0], "x.tif").image)[..., 0], PLANES[0])


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (tiff(PLANES, photometric="minisblack", planarconfig="separate", compression="zlib"), "compressed pages; save"),
        (tiff(np.stack([PLANES, PLANES]), imagej=True, metadata={"axes": "ZCYX"}), "a stack over depth or time"),
        (tiff(PLANES.astype(np.float32), photometric="minisblack", planarconfig="separate"), "floating-point"),
        (MICROSCOPE["planes of a page"][0][:600], "damaged or truncated"),
        (MICROSCOPE["OME"][0].replace(b'SizeC="5"', b'SizeC="9"'), "declares 9 channels and holds 5 pages"),
    ],
)
def test_tiffs_that_cannot_be_read_by_channel_are_refused(encoded: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_details(encoded, "x.tif", channels=("1", "2"))


def test_no_pixel_is_read_of_a_tiff_that_is_too_large() -> None:
    with pytest.raises(ImageError, match="more than the 100 allowed"):
        decode_details(MICROSCOPE["planes of a page"][0], "x.tif", channels=("1",), max_pixels=100)


@pytest.mark.parametrize(
    ("mode", "kind", "channels"),
    [("L", "PNG", ("grey",)), ("LA", "PNG", ("alpha",)), ("RGB", "JPEG", ("blue",)), ("P", "PNG", ("green",)),
     ("CMYK", "TIFF", ("red",)), ("1", "PNG", ("grey",)), ("RGBA", "PNG", ("red", "alpha"))],
)  # fmt: skip
def test_ordinary_pictures_have_channels_too(mode: str, kind: str, channels: tuple[str, ...]) -> None:
    handle = io.BytesIO()
    Image.fromarray(STACK[..., :3]).convert(mode).save(handle, kind)
    found = decode_details(handle.getvalue(), "x", channels=channels)
    assert found.samples is not None and found.samples.shape == (12, 16, len(channels))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_channels_are_turned_as_pictures_are(orientation: int) -> None:
    expected = np.asarray(turned(Image.fromarray(STACK[..., :3]), orientation))
    assert np.array_equal(turned_samples(STACK[..., :3], orientation), expected)


def test_the_audit_looks_at_the_chosen_channels() -> None:
    pixels = np.stack([STACK, STACK, STACK])
    pixels[1, ..., 4] = 0  # differs in a channel that is not shown to the eye
    pixels[2, ..., 2] = 0
    dataset = ImageDataset.from_arrays(pixels, channels=NAMES)
    assert audit_dataset(dataset, channels=("dapi", "gfp", "cy3", "bf")).duplicates == ((0, 1),)
    assert audit_dataset(dataset, channels=("dapi", "gfp", "cy3", "rna")).duplicates == ()
    assert audit_dataset(dataset).unreadable[0][2].startswith("5 channels")


def test_the_examples_in_the_docs_run() -> None:
    page = Path(__file__).parents[2] / "docs" / "channels.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert (found.failed, found.attempted) == (0, 6)
