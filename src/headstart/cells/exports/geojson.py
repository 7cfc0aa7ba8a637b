"""Cells as a GeoJSON FeatureCollection, which QuPath opens as detections with class, colour and measurements."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.cells.exports.outlines import Outline, Part, Ring, filled, outlines
from headstart.errors import DataError, InputError
from headstart.storage import canonical_json

_NAMESPACE: Final = uuid.UUID("6d1c1c4e-9a3b-5f0e-8f43-0f5b7e6b7a11")


def geojson(
    labels: NDArray[Any],
    classes: Sequence[str],
    colours: Mapping[str, tuple[int, int, int]],
    measurements: Mapping[str, Sequence[float]] | None = None,
    *,
    name: str = "",
) -> bytes:
    """Outlines of every cell in pixels of the picture, as QuPath has them: 0, 0 is its upper left corner.

    Parameters
    ----------
    labels : ndarray of shape (height, width), int
        0 is background.
    classes : sequence of str
        Class of every cell, by rising label.
    colours : mapping of str to (int, int, int)
        Red, green and blue from 0 to 255 of every class.
    measurements : mapping of str to sequence of float, optional
        Values of every cell by their names, by rising label; a value that is not finite is left out.
    name : str
        Name of the micrograph: with the label it makes the identifier of a cell.

    Raises
    ------
    InputError
        When there are not as many classes or values as cells.
    """
    found = list(outlines(labels))
    columns = dict(measurements or {})
    for what, values in {"classes": classes, **columns}.items():
        if len(values) != len(found):
            raise InputError(f"There are {len(values):,} {what} for {len(found):,} cells; expected one for each.")
    lines = (
        canonical_json(
            _feature(outline, classes[row], colours, {key: float(columns[key][row]) for key in columns}, name)
        )
        for row, outline in enumerate(found)
    )
    return ('{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n").encode()


def label_image_of_geojson(content: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Label image from the polygons of a FeatureCollection, numbered in their order: outlines mended in QuPath, say.

    Raises
    ------
    DataError
        When it is no FeatureCollection of polygons.
    """
    labels = np.zeros(shape, dtype=np.int32)
    try:
        geometries = [feature["geometry"] for feature in content["features"]]
        for number, geometry in enumerate(geometries, start=1):
            labels[filled(list(_stored_rings(geometry)), shape)] = number
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"This is no FeatureCollection of polygons ({error!r}). Export objects as GeoJSON, as a FeatureCollection."
        ) from error
    return labels


def _stored_rings(geometry: Mapping[str, Any]) -> Iterator[Sequence[tuple[float, float]]]:
    if geometry["type"] not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"a geometry is of type {geometry['type']}")
    for polygon in geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]:
        yield from polygon


def _feature(
    outline: Outline, name: str, colours: Mapping[str, tuple[int, int, int]], values: dict[str, float], micrograph: str
) -> dict[str, Any]:
    parts = [_polygon(part) for part in outline.parts]
    many = len(parts) > 1
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(_NAMESPACE, f"{micrograph}\n{outline.label}")),
        "geometry": {"type": "MultiPolygon" if many else "Polygon", "coordinates": parts if many else parts[0]},
        "properties": {
            "objectType": "detection",
            "name": str(outline.label),
            "classification": {"name": name, "color": list(colours[name])},
            "measurements": {key: value for key, value in values.items() if np.isfinite(value)},
        },
    }


def _polygon(part: Part) -> list[list[list[int]]]:
    return [_closed(ring) for ring in (part.outer, *part.holes)]


def _closed(ring: Ring) -> list[list[int]]:
    """Corners with the first at the end again, as GeoJSON asks (RFC 7946, section 3.1.6)."""
    return [list(corner) for corner in (*ring, ring[0])]
