from __future__ import annotations

import csv
import io
import json
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import integers
from PIL import Image

from headstart.cells.exports.cellprofiler import object_columns, object_rows, safe_csv
from headstart.cells.exports.geojson import geojson, label_image_of_geojson
from headstart.cells.exports.imagej import imagej_rois, label_image_of_rois
from headstart.cells.exports.outlines import filled, outlines
from headstart.cells.exports.overlay import display, framed, palette
from headstart.cells.measure import measure_cells
from headstart.errors import DataError, InputError

COLOURS = {"dead": (255, 0, 0), "living": (0, 0, 255)}
RING = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 1, 1], [1, 1, 1, 0], [0, 0, 0, 2]], dtype=np.int32)


def numbered(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape) + (0 if (labels == 0).any() else 1)


def living(labels: np.ndarray) -> list[str]:
    return ["living"] * len(np.unique(labels[labels > 0]))


def test_the_outline_of_a_ring_by_hand() -> None:
    ring, corner = outlines(RING)
    assert ring.parts[0].outer == ((0, 0), (4, 0), (4, 3), (3, 3), (3, 4), (0, 4))
    [hole] = ring.parts[0].holes
    assert set(hole) == {(1, 1), (1, 3), (2, 3), (2, 2), (3, 2), (3, 1)}
    assert corner.rings == (((3, 4), (4, 4), (4, 5), (3, 5)),)


@settings(max_examples=40, deadline=None)
@given(arrays(np.int32, (7, 9), elements=integers(0, 2)))
def test_no_pixel_is_lost_between_mask_and_outline(labels: np.ndarray) -> None:
    """Noise has holes, islands in holes, and pixels that touch at a corner alone."""
    found = np.zeros_like(labels)
    for outline in outlines(labels):
        found[filled(outline.rings, labels.shape)] = outline.label
        assert all(len(part.outer) >= 4 for part in outline.parts)
    assert (found == labels).all()
    content = geojson(labels, living(labels), COLOURS)
    assert (label_image_of_geojson(json.loads(content), labels.shape) == numbered(labels)).all()
    assert (label_image_of_rois(imagej_rois(labels, living(labels), COLOURS), labels.shape) == numbered(labels)).all()


def test_parts_have_the_holes_that_lie_in_them() -> None:
    two = np.zeros((5, 12), dtype=np.int32)
    two[:, :5], two[:, 6:11] = 3, 3
    two[2, 2] = two[2, 8] = 0
    [outline] = outlines(two)
    assert [[min(hole) for hole in part.holes] for part in outline.parts] == [[(2, 2)], [(8, 2)]]


def test_polygons_with_slanted_sides_are_filled_by_the_middles_of_pixels() -> None:
    inside = filled([[(0, 0), (4.2, 0), (0, 4.2)]], (4, 5))
    assert inside.sum(axis=1).tolist() == [4, 3, 2, 1]
    beyond = filled([[(-3, -3), (2, -3), (2, 2), (-3, 2)]], (4, 5))
    assert beyond.sum() == 4, "what lies beyond the picture is left out"


def test_the_collection_is_what_qupath_reads() -> None:
    labels = np.zeros((4, 6), dtype=np.int32)
    labels[1:3, 1:3], labels[0, 5] = 1, 4
    content = geojson(labels, ["dead", "living"], COLOURS, {"Area": [4.0, np.nan]}, name="a.tif")
    collection = json.loads(content)
    assert collection["type"] == "FeatureCollection"
    first, second = collection["features"]
    assert first["geometry"] == {"type": "Polygon", "coordinates": [[[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]]}
    assert first["properties"] == {
        "objectType": "detection",
        "name": "1",
        "classification": {"name": "dead", "color": [255, 0, 0]},
        "measurements": {"Area": 4.0},
    }
    assert (second["properties"]["name"], second["properties"]["measurements"]) == ("4", {})
    assert first["id"] != second["id"]
    assert content == geojson(labels, ["dead", "living"], COLOURS, {"Area": [4.0, np.nan]}, name="a.tif")


def test_regions_have_name_and_colour_and_the_same_bytes() -> None:
    import roifile

    colours = COLOURS | {"alive/kicking": (1, 2, 3)}
    content = imagej_rois(RING, ["dead", "alive/kicking"], colours)
    assert content == imagej_rois(RING, ["dead", "alive/kicking"], colours)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["1-dead.roi", "2-alive_kicking.roi"]
        region = roifile.ImagejRoi.frombytes(archive.read("1-dead.roi"))
    assert (region.name, region.roitype) == ("1-dead", roifile.ROI_TYPE.TRACED)
    assert region.stroke_color == bytes((255, 255, 0, 0))


def test_a_picture_without_cells_gives_empty_exports() -> None:
    empty = np.zeros((4, 6), dtype=np.int32)
    assert json.loads(geojson(empty, [], COLOURS))["features"] == []
    assert (label_image_of_rois(imagej_rois(empty, [], COLOURS), empty.shape) == 0).all()


def test_without_roifile_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "roifile", None)
    with pytest.raises(InputError, match=r"pip install 'headstart\[cells\]'"):
        imagej_rois(RING, ["dead", "dead"], COLOURS)


def test_what_does_not_fit_is_refused() -> None:
    for make in (imagej_rois, geojson):
        with pytest.raises(InputError, match="1 classes for 2 cells"):
            make(RING, ["dead"], COLOURS)
    with pytest.raises(InputError, match=r"whole numbers; got shape \(2, 2\) of float64"):
        list(outlines(np.zeros((2, 2))))
    with pytest.raises(InputError, match="from 0 on"):
        list(outlines(np.array([[-1, 0]])))
    with pytest.raises(DataError, match="no archive of regions"):
        label_image_of_rois(b"no archive", (2, 2))
    with pytest.raises(DataError, match="no FeatureCollection"):
        label_image_of_geojson({"features": [{"geometry": {"type": "Point", "coordinates": [0, 0]}}]}, (2, 2))


def test_the_table_has_the_columns_of_cellprofiler() -> None:
    labels = np.zeros((5, 6), dtype=np.int32)
    labels[1:4, 2:5] = 1
    table = measure_cells(labels, {"DNA": labels * 7})
    columns = object_columns(
        table,
        image_number=2,
        metadata={"Plate": "P1", "Well": "B03"},
        classes=["dead"],
        probabilities={"dead": [0.9], "living": [0.1]},
    )
    [row] = object_rows(columns)
    expected = {
        "ImageNumber": 2,
        "ObjectNumber": 1,
        "Metadata_Well": "B03",
        "AreaShape_Area": 9.0,
        "AreaShape_BoundingBoxMinimum_X": 2,
        "Intensity_IntegratedIntensity_DNA": 63.0,
        "Intensity_MeanIntensityEdge_DNA": 7.0,
        "Location_Center_X": 3.0,
        "Location_Center_Y": 2.0,
        "Classify_dead": 1,
        "Classify_living": 0,
        "Classify_Probability_dead": 0.9,
    }
    assert {name: row[name] for name in expected} == expected
    with pytest.raises(InputError, match="0 classes for 1 cells"):
        object_columns(table, image_number=1, metadata={}, classes=[], probabilities={})


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_is_a_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(safe_csv([{text: text, "n": -1.5}], [text, "n"]).decode(), newline="")))
    safe = "'" + text
    assert rows == [[safe, "n"], [safe, "-1.5"]]


def test_frames_surround_the_cells_and_cover_none() -> None:
    picture = np.full((300, 400, 3), 40, dtype=np.uint8)
    boxes = np.array([[50, 60, 80, 100], [200, 300, 240, 340]])
    content = framed(picture, boxes, [False, True])
    shown = np.asarray(Image.open(io.BytesIO(content)))
    assert shown.shape == (600, 800, 3), "enlarged by a whole number"
    blue, red = palette("blue-red")
    assert tuple(shown[98, 150]) == blue
    assert tuple(shown[398, 640]) == red
    for top, left, bottom, right in boxes * 2:
        assert (shown[top:bottom, left:right] == 40).all()
    assert content == framed(picture, boxes, [False, True])


def test_frames_at_the_border_and_none_at_all() -> None:
    picture = np.zeros((1000, 1200, 3), dtype=np.uint8)
    whole = np.asarray(Image.open(io.BytesIO(framed(picture, np.array([[0, 0, 1000, 1200]]), [True]))))
    assert tuple(whole[0, 0]) == tuple(whole[999, 1199]) == palette("blue-red")[1]
    assert (np.asarray(Image.open(io.BytesIO(framed(picture, np.zeros((0, 4), dtype=np.int64), [])))) == 0).all()


def test_the_legend_stands_below_the_picture() -> None:
    picture = np.zeros((1000, 1000, 3), dtype=np.uint8)
    none = np.zeros((0, 4), dtype=np.int64)
    words = ["living 3", "dead 2", "a well"]
    shown = Image.open(io.BytesIO(framed(picture, none, [], legend=words)))
    assert shown.width == 1000
    assert (np.asarray(shown)[:1000] == 0).all()
    narrow = Image.open(io.BytesIO(framed(picture[:, :200], none, [], legend=words)))
    assert narrow.height > shown.height > 1000, "words that do not fit go to a further line"


def test_channels_are_stretched_each_by_itself() -> None:
    grey = np.linspace(100, 200, 10_000).reshape(100, 100)
    assert display([grey]).shape == (100, 100, 3)
    assert (display([grey]).min(), display([grey]).max()) == (0, 255)
    two = display([grey, np.zeros((100, 100), dtype=np.uint16)])
    assert two[:, :, 0].max() == 255
    assert two[:, :, 1:].max() == 0


def test_an_unknown_palette_lists_those_there_are() -> None:
    with pytest.raises(InputError, match="colour-blind"):
        palette("colourblind")
    with pytest.raises(InputError, match="1 classes for 0 frames"):
        framed(np.zeros((2, 2, 3), dtype=np.uint8), np.zeros((0, 4), dtype=np.int64), [True])
