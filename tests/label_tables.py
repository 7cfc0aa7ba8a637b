"""Tables of soft labels, of several raters' labels and of weights, and published ratings, that tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helpers
import numpy as np

# K. Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": sections A (two raters, two classes), B (two
# raters, five classes) and C (four raters with gaps; values 1 to 5).
SECTION_A = ("0100000010", "1110010000")


SECTION_B = ("aabbdcccedda", "babbbccceddd")


SECTION_C = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def ratings(rows: tuple[str, ...], classes: str) -> np.ndarray:
    """Codes of shape (n_images, n_raters) from one text per rater; a point is a gap."""
    return np.array([[-1 if cell == "." else classes.index(cell) for cell in row] for row in rows]).T


def images(root: Path, n_images: int = 24) -> list[dict[str, Any]]:
    helpers.write_folders(root, n_images)
    return [{"image": f"{helpers.CLASSES[row % 2]}/{row:03d}.png"} for row in range(n_images)]


def table(root: Path, rows: list[dict[str, Any]]) -> Path:
    return helpers.write_table(root / "labels.csv", rows)


def soft_rows(root: Path, prefix: str = "p:") -> list[dict[str, Any]]:
    rows = images(root)
    for number, row in enumerate(rows):
        share = (1.0, 2 / 3, 0.5)[number // 2 % 3]
        row[f"{prefix}rough"], row[f"{prefix}calm"] = (1 - share, share) if number % 2 == 0 else (share, 1 - share)
    return rows


VOTES = [
    ("calm", "calm", ""),
    ("rough", "rough", "calm"),
    ("calm", "NA", "rough"),
    ("", "rough", ""),
    ("rough",) * 3,
]


def wide_rows(root: Path) -> list[dict[str, Any]]:
    rows = images(root, 5)
    return [row | dict(zip(("anna", "ben", "carl"), said, strict=True)) for row, said in zip(rows, VOTES, strict=True)]


def long_rows(root: Path) -> list[dict[str, Any]]:
    """The same ratings, one a row, in no order; a gap is left out or empty."""
    rows = [
        {"image": row["image"], "rater": rater, "label": row[rater] if row[rater] != "NA" else ""}
        for row in wide_rows(root)
        for rater in ("carl", "anna", "ben")
    ]
    return [row for row in rows if row["label"] or row["rater"] == "ben"]


def weighted_rows(root: Path, weights: list[float]) -> list[dict[str, Any]]:
    rows = images(root, len(weights))
    return [{**row, "label": helpers.CLASSES[number % 2], "weight": weights[number]} for number, row in enumerate(rows)]
