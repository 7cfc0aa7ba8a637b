"""Doubtful labels: weights, soft labels, several raters, and the ranked list of labels to look at again."""

from __future__ import annotations

import csv
import io
import itertools
import json
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

from headstart.cli import main
from headstart.data import ImageDataset, read_dataset
from headstart.data.labels.raters import Ratings
from headstart.errors import DataError, HeadstartError, InputError, SplitError
from headstart.metrics import OutOfFold
from headstart.metrics.alpha import krippendorff_alpha, vote_counts
from headstart.metrics.label_issues import class_thresholds, confident_class, find_label_issues
from headstart.metrics.rater_agreement import rater_agreement
from headstart.results.agreement import agreement_document

# K. Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": sections A (two raters, two classes), B (two
# raters, five classes) and C (four raters with gaps; values 1 to 5).
SECTION_A = ("0100000010", "1110010000")
SECTION_B = ("aabbdcccedda", "babbbccceddd")
SECTION_C = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def ratings(rows: tuple[str, ...], classes: str) -> np.ndarray:
    """Codes of shape (n_images, n_raters) from one text per rater; a point is a gap."""
    return np.array([[-1 if cell == "." else classes.index(cell) for cell in row] for row in rows]).T


def pairs_alpha(codes: np.ndarray, difference: Any) -> float:
    """Alpha by its definition: every pair of votes on one image against every pair of all pairable votes."""
    images = [[int(code) for code in row if code >= 0] for row in codes]
    images = [votes for votes in images if len(votes) > 1]
    pooled = [vote for votes in images for vote in votes]
    observed = sum(
        sum(difference(a, b) for a, b in itertools.permutations(votes, 2)) / (len(votes) - 1) for votes in images
    )
    expected = sum(difference(a, b) for a, b in itertools.permutations(pooled, 2)) / (len(pooled) - 1)
    return 1 - observed / expected


def test_alpha_of_the_published_examples() -> None:
    assert round(krippendorff_alpha(vote_counts(ratings(SECTION_A, "01"), 2)), 3) == 0.095
    assert round(krippendorff_alpha(vote_counts(ratings(SECTION_B, "abcde"), 5)), 3) == 0.692
    gaps = vote_counts(ratings(SECTION_C, "12345"), 5)
    assert gaps.sum() == 41  # of which one, on the last image, has no other to pair with
    assert round(krippendorff_alpha(gaps), 3) == 0.743
    assert round(krippendorff_alpha(gaps, level="ordinal"), 3) == 0.815


def test_alpha_by_hand() -> None:
    # Images (0, 0), (0, 1), (1, 1): three of each class, six votes. Observed 2 of 6 ordered pairs differ, expected
    # 2 * 3 * 3 / (6 * 5) = 0.6, so alpha = 1 - (1/3) / 0.6.
    assert krippendorff_alpha([[2, 0], [1, 1], [0, 2]]) == pytest.approx(1 - (1 / 3) / 0.6)


@pytest.mark.parametrize("seed", range(5))
def test_alpha_equals_its_definition_over_pairs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    codes = np.where(generator.random((12, 4)) < 0.25, -1, generator.integers(0, 4, (12, 4)))
    counts = vote_counts(codes, 4)
    pairable = counts[counts.sum(axis=1) > 1].sum(axis=0)
    middle = np.cumsum(pairable) - pairable / 2
    assert krippendorff_alpha(counts) == pytest.approx(pairs_alpha(codes, lambda a, b: float(a != b)))
    ordinal = krippendorff_alpha(counts, level="ordinal")
    assert ordinal == pytest.approx(pairs_alpha(codes, lambda a, b: (middle[a] - middle[b]) ** 2))


def test_alpha_heeds_the_order_of_classes_and_nothing_else() -> None:
    codes = ratings(SECTION_C, "12345")
    backwards, mixed = np.where(codes < 0, -1, 4 - codes), np.where(codes < 0, -1, np.array([2, 0, 4, 1, 3])[codes])
    nominal = krippendorff_alpha(vote_counts(codes, 5))
    ordinal = krippendorff_alpha(vote_counts(codes, 5), level="ordinal")
    assert krippendorff_alpha(vote_counts(mixed, 5)) == pytest.approx(nominal)
    assert krippendorff_alpha(vote_counts(backwards, 5), level="ordinal") == pytest.approx(ordinal)
    assert krippendorff_alpha(vote_counts(mixed, 5), level="ordinal") != pytest.approx(ordinal, abs=0.05)
    two = vote_counts(ratings(SECTION_A, "01"), 2)
    assert krippendorff_alpha(two, level="ordinal") == pytest.approx(krippendorff_alpha(two))


def test_alpha_where_it_is_undefined_says_why() -> None:
    alone = rater_agreement([[1, 0], [0, 1]])
    assert np.isnan(alone.value) and alone.interval is None and "no image was rated by two" in alone.reason
    same = rater_agreement([[2, 0], [2, 0]])
    assert np.isnan(same.value) and "all ratings are of one class" in same.reason
    assert same.to_json() == {"value": None, "ci95": None, "reason": same.reason}
    with pytest.raises(InputError, match=r"Did you mean 'ordinal'"):
        krippendorff_alpha([[1, 1]], level="ordinl")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"class codes from 0 to 1, or -1"):
        vote_counts([[0, 2]], 2)


def test_interval_of_alpha_repeats_covers_the_value_and_widens_with_groups() -> None:
    generator = np.random.default_rng(0)
    truth = np.repeat(generator.integers(0, 2, 20), 5)
    wrong = np.repeat(generator.random((20, 3)) < 0.2, 5, axis=0)  # the same raters err on all five of a group
    counts = vote_counts(np.where(wrong, 1 - truth[:, None], truth[:, None]), 2)
    plain, again = rater_agreement(counts, seed=1), rater_agreement(counts, seed=1)
    grouped = rater_agreement(counts, groups=np.repeat(np.arange(20), 5), seed=1)
    assert plain == again
    assert plain.interval is not None and grouped.interval is not None
    assert plain.interval[0] < plain.value < plain.interval[1]
    assert np.ptp(grouped.interval) > 1.5 * np.ptp(plain.interval)


def test_perfect_agreement_on_few_images_is_no_proof() -> None:
    few, many = rater_agreement([[2, 0]] * 3 + [[0, 2]] * 3), rater_agreement([[2, 0]] * 300 + [[0, 2]] * 300)
    assert few.value == many.value == 1
    assert few.interval is not None and many.interval is not None
    assert few.interval[0] < 0.3 and 0.98 < many.interval[0] < 1 == many.interval[1]


def out_of_fold(labels: Any, probabilities: Any, fold: Any = None, **more: Any) -> OutOfFold:
    """One array of probabilities, or one for each repeat."""
    stacked = np.asarray(probabilities, dtype=float)
    stacked = stacked[None] if stacked.ndim == 2 else stacked
    folds = np.zeros(stacked.shape[:2], dtype=np.int64) if fold is None else np.asarray(fold)
    classes = tuple("abcdef"[: stacked.shape[2]])
    return OutOfFold(np.asarray(labels), stacked, folds, classes, **more)


def test_doubtful_labels_by_hand() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    first = np.array([0.9, 0.8, 0.1, 0.65, 0.3, 0.4])  # of class 0; means 0.6 and 0.55
    probabilities = np.stack([first, 1 - first], axis=1)
    assert class_thresholds(labels, probabilities) == pytest.approx([0.6, 0.55])
    assert confident_class(probabilities, np.array([0.6, 0.55])).tolist() == [0, 0, 1, 0, 1, 1]
    found = find_label_issues(out_of_fold(labels, probabilities))
    assert found.rows.tolist() == [2, 3] and found.labels.tolist() == [0, 1] and found.suggested.tolist() == [1, 0]
    assert found.own == pytest.approx([0.1, 0.35]) and found.other == pytest.approx([0.9, 0.65])
    assert found.joint.tolist() == [[2, 1], [1, 2]]
    assert found.n_wrong == pytest.approx(2) and found.n_judged == 6


def test_a_label_that_is_the_most_probable_class_is_never_doubtful() -> None:
    # The models are so sure of class 1 and so unsure of class 0 that 0.4 for class 0 reaches its threshold.
    probabilities = np.array([[0.4, 0.6], [0.35, 0.65], [0.4, 0.6], [0.0, 1.0], [0.0, 1.0]])
    found = find_label_issues(out_of_fold([0, 0, 1, 1, 1], probabilities))
    assert found.thresholds == pytest.approx([0.375, 2.6 / 3])
    assert found.joint.tolist() == [[1, 0], [1, 2]]  # by thresholds alone the third image would be called class 0
    assert found.rows.tolist() == []


def test_repeats_that_agree_are_counted_each_by_itself() -> None:
    certain = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.05, 0.95]])
    doubting = certain.copy()
    doubting[4] = 0.55, 0.45
    fold = np.zeros((3, 5), dtype=np.int64)
    fold[2, 4] = -1  # not judged in the last repeat
    found = find_label_issues(out_of_fold([0, 0, 1, 1, 0], [certain, doubting, certain], fold))
    assert found.rows.tolist() == [4] and found.own == pytest.approx([0.3])
    assert found.n_agree.tolist() == [1] and found.n_repeats.tolist() == [2]


def test_images_of_weight_zero_and_images_not_judged_take_no_part() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.05, 0.95], [0.02, 0.98]])
    labels = [0, 0, 1, 1, 0, 0]
    whole = find_label_issues(out_of_fold(labels, probabilities))
    assert whole.rows.tolist() == [5, 4]
    weighted = find_label_issues(out_of_fold(labels, probabilities, weights=np.array([1.0, 1, 1, 1, 1, 0])))
    held_out = find_label_issues(out_of_fold(labels, probabilities, [[0, 0, 0, 0, 0, -1]]))
    for found in (weighted, held_out):
        assert found.rows.tolist() == [4] and found.n_judged == 5
        assert found.thresholds == pytest.approx([(0.9 + 0.8 + 0.05) / 3, 0.85])


def test_labels_flipped_at_random_are_found() -> None:
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 3, 3000)
    logits = generator.normal(0, 1, (3000, 3))
    logits[np.arange(3000), truth] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    flipped = generator.random(3000) < 0.1
    given = np.where(flipped, (truth + generator.integers(1, 3, 3000)) % 3, truth)
    found = find_label_issues(out_of_fold(given, probabilities))
    listed = np.isin(np.arange(3000), found.rows)
    assert (listed & flipped).sum() / flipped.sum() > 0.9  # recall
    assert (listed & flipped).sum() / listed.sum() > 0.8  # precision; one in ten by chance
    assert flipped[found.rows[:100]].mean() > 0.98
    assert found.n_wrong == pytest.approx(flipped.sum(), rel=0.25)
    agreeing = found.rows[flipped[found.rows]]
    assert (found.suggested[flipped[found.rows]] == truth[agreeing]).mean() > 0.95


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


def test_soft_labels_of_a_table(tmp_path: Path) -> None:
    rows = soft_rows(tmp_path)
    dataset = read_dataset(table(tmp_path, rows))
    assert dataset.classes == ("calm", "rough") and dataset.soft is not None
    assert dataset.soft == pytest.approx(np.array([[row["p:calm"], row["p:rough"]] for row in rows]))
    assert dataset.label_names()[:6] == ["calm", "rough", "calm", "rough", "calm", "calm"]  # ties: the first class
    part = dataset.subset([3, 0])
    assert part.soft is not None and (part.soft == dataset.soft[[3, 0]]).all()
    assert dataset.with_groups(np.zeros(24, dtype=np.int64)).soft is dataset.soft


def test_soft_labels_of_parquet_with_other_names_other_order_and_a_label_column(tmp_path: Path) -> None:
    rows = soft_rows(tmp_path, "chance of ")
    for number, row in enumerate(rows):
        row["label"] = helpers.CLASSES[number % 2]
    path = tmp_path / "labels.parquet"
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), path)
    dataset = read_dataset(path, columns={"soft": "chance of "}, classes=("rough", "calm", "none"))
    assert dataset.classes == ("rough", "calm", "none") and dataset.soft is not None
    assert dataset.soft[:, 0] == pytest.approx([row["chance of rough"] for row in rows])
    assert not dataset.soft[:, 2].any()
    assert dataset.label_names() == [row["label"] for row in rows]  # not the most probable class where that is a tie


def test_soft_labels_change_the_fingerprint_and_survive_in_arrays() -> None:
    pixels = helpers.noise(4)
    soft = np.array([[1, 0], [0.25, 0.75], [0.5, 0.5], [0, 1]])
    dataset = ImageDataset.from_arrays(pixels, soft=soft, classes=("calm", "rough"))
    assert dataset.label_names() == ["calm", "rough", "calm", "rough"]
    hard = ImageDataset.from_arrays(pixels, dataset.label_names())
    assert hard.soft is None and hard.fingerprint() != dataset.fingerprint()
    other = ImageDataset.from_arrays(pixels, dataset.label_names(), soft=np.eye(2)[[0, 1, 0, 1]])
    assert len({hard.fingerprint(), dataset.fingerprint(), other.fingerprint()}) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"p:calm": 0.6}, "do not sum to one .rows counted from 1: row 3 sums to 1.1.*Divide each row by its sum"),
        ({"p:calm": -0.1, "p:rough": 1.1}, "'p:calm' must hold a probability from 0 to 1; 1 rows do not: row 3 has"),
        ({"p:calm": "nan"}, "row 3 has 'nan'. Write 0 for a class that is ruled out"),
        ({"p:calm": ""}, "row 3 has ''"),
        ({"label": "wild"}, "Unknown class 'wild'.*the soft labels do not; mend the label"),
    ],
)
def test_bad_soft_labels_are_refused_by_file_and_row(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    rows = [{"label": "calm", **row, "p:calm": 0.5, "p:rough": 0.5} for row in images(tmp_path, 6)]
    rows[2] |= change
    with pytest.raises(DataError, match=words) as caught:
        read_dataset(table(tmp_path, rows))
    assert str(tmp_path / "labels.csv") in str(caught.value)


def test_soft_labels_of_one_class_or_of_two_kinds_are_refused(tmp_path: Path) -> None:
    rows = images(tmp_path, 6)
    with pytest.raises(DataError, match=r"has 1 columns that begin with 'p:'; soft labels need one for each class"):
        read_dataset(table(tmp_path, [{**row, "p:calm": 1} for row in rows]))
    with pytest.raises(DataError, match=r"has 0 columns that begin with 'q_'.*--soft-prefix"):
        read_dataset(table(tmp_path, [{**row, "p:calm": 1} for row in rows]), columns={"soft": "q_"})
    both = [{**row, "p:calm": 1, "p:rough": 0, "anna": "calm", "ben": "calm"} for row in rows]
    with pytest.raises(DataError, match=r"gives labels in two ways: soft labels .* and one column for each rater"):
        read_dataset(table(tmp_path, both), columns={"raters": "anna,ben"})
    with pytest.raises(DataError, match=r"both given"):
        ImageDataset.from_arrays(helpers.noise(2), soft=np.eye(2), ratings=[["a"], ["b"]])
    with pytest.raises(DataError, match=r"shape \(2, 3\); expected \(2, 2\)"):
        ImageDataset.from_arrays(helpers.noise(2), soft=np.eye(3)[:2], classes=("a", "b"))


WIDE = [("calm", "calm", ""), ("rough", "rough", "calm"), ("calm", "NA", "rough"), ("", "rough", ""), ("rough",) * 3]


def wide_rows(root: Path) -> list[dict[str, Any]]:
    rows = images(root, 5)
    return [row | dict(zip(("anna", "ben", "carl"), said, strict=True)) for row, said in zip(rows, WIDE, strict=True)]


def long_rows(root: Path) -> list[dict[str, Any]]:
    """The same ratings, one a row, in no order; a gap is left out or empty."""
    rows = [
        {"image": row["image"], "rater": rater, "label": row[rater] if row[rater] != "NA" else ""}
        for row in wide_rows(root)
        for rater in ("carl", "anna", "ben")
    ]
    return [row for row in rows if row["label"] or row["rater"] == "ben"]


@pytest.mark.parametrize("form", ["wide", "long", "arrays"])
def test_raters_vote_and_ties_are_soft(form: str, tmp_path: Path) -> None:
    if form == "wide":
        dataset = read_dataset(table(tmp_path, wide_rows(tmp_path)), columns={"raters": "anna, ben,carl"})
    elif form == "long":
        dataset = read_dataset(table(tmp_path, long_rows(tmp_path)))
    else:
        cells = [[None if cell in ("", "NA") else cell for cell in row] for row in WIDE]
        dataset = ImageDataset.from_arrays(helpers.noise(5), ratings=cells)
    assert dataset.classes == ("calm", "rough") and dataset.ratings is not None and dataset.soft is not None
    assert dataset.ratings.codes.tolist() == [[0, 0, -1], [1, 1, 0], [0, -1, 1], [-1, 1, -1], [1, 1, 1]]
    assert dataset.label_names() == ["calm", "rough", "calm", "rough", "rough"]
    assert dataset.soft.tolist() == [[1, 0], [0, 1], [0.5, 0.5], [0, 1], [0, 1]]
    assert dataset.ratings.disagreement(2) == pytest.approx([0, 1 / 3, 0.5, 0, 0])
    said = " ".join(dataset.notes)
    assert "4 of 15 ratings are missing" in said and "1 of 5 images were rated once" in said
    assert "The votes on 1 of 5 images are tied" in said
    assert dataset.subset([2]).ratings.codes.tolist() == [[0, -1, 1]]  # type: ignore[union-attr]


def test_shares_of_the_votes_can_be_the_soft_labels(tmp_path: Path) -> None:
    dataset = read_dataset(table(tmp_path, long_rows(tmp_path)), votes="shares")
    assert dataset.soft is not None
    assert dataset.soft[1] == pytest.approx([1 / 3, 2 / 3])
    with pytest.raises(DataError, match=r"Unknown way of counting votes 'share'. Did you mean 'shares'"):
        read_dataset(table(tmp_path, long_rows(tmp_path)), votes="share")


def test_a_label_column_beside_raters_is_the_label(tmp_path: Path) -> None:
    rows = [{**row, "label": "calm" if number else "rough"} for number, row in enumerate(wide_rows(tmp_path))]
    dataset = read_dataset(table(tmp_path, rows), columns={"raters": "anna,ben,carl"})
    assert dataset.label_names() == ["rough", "calm", "calm", "calm", "calm"] and dataset.soft is None
    assert dataset.ratings is not None and "tell how far they agree" in " ".join(dataset.notes)
    given = read_dataset(table(tmp_path, rows), columns={"raters": "anna,ben,carl"}, classes=("rough", "calm"))
    assert given.ratings is not None and given.ratings.codes[1].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"anna": "", "ben": "n/a", "carl": ""}, "1 images have no label of any rater: calm/002.png. Have them rated"),
        ({"anna": "rouhg"}, "Unknown class 'rouhg'. Did you mean 'rough'"),
        ({"anna": "ro\nugh"}, "column 'anna' holds control characters"),
    ],
)
def test_bad_ratings_are_refused_by_file(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    rows = wide_rows(tmp_path)
    rows[2] |= change
    with pytest.raises(DataError, match=words) as caught:
        read_dataset(table(tmp_path, rows), columns={"raters": "anna,ben,carl"}, classes=helpers.CLASSES)
    assert str(tmp_path / "labels.csv") in str(caught.value)


def test_bad_tables_of_raters_are_refused(tmp_path: Path) -> None:
    rows = long_rows(tmp_path)
    twice = [*rows, {"image": rows[0]["image"], "rater": "anna", "label": "rough"}]
    with pytest.raises(DataError, match=r"raters give one image more than one label.*'anna' on calm/000.png"):
        read_dataset(table(tmp_path, twice))
    assert (
        read_dataset(table(tmp_path, [*rows, rows[0]])).fingerprint()
        == read_dataset(table(tmp_path, rows)).fingerprint()
    )
    with pytest.raises(DataError, match=r"the rater .column 'rater'. is missing .* in 1 rows"):
        read_dataset(table(tmp_path, [*rows[:-1], rows[-1] | {"rater": ""}]))
    with pytest.raises(DataError, match=r"Unknown column 'bne'. Did you mean 'ben'"):
        read_dataset(table(tmp_path, wide_rows(tmp_path)), columns={"raters": "anna,bne"})
    with pytest.raises(DataError, match=r"not all different"):
        read_dataset(table(tmp_path, wide_rows(tmp_path)), columns={"raters": "anna,anna"})
    with pytest.raises(DataError, match=r"no rater gave any label"):
        read_dataset(table(tmp_path, [row | {"label": ""} for row in rows]))
    with pytest.raises(DataError, match=r"names raters .* but has no column of their labels"):
        read_dataset(table(tmp_path, rows), columns={"label": None})  # type: ignore[dict-item]


def test_a_misspelled_vote_is_pointed_at_when_training_is_refused(tmp_path: Path) -> None:
    rows = wide_rows(tmp_path)
    rows[4]["carl"] = "rouhg"
    dataset = read_dataset(table(tmp_path, rows), columns={"raters": "anna,ben,carl"})
    with pytest.raises(DataError, match=r"Class 'rouhg' has no image.*Raters' votes for it: 'carl' 1; is it miss"):
        dataset.validate_for_training()


def test_one_rater_alone_is_said_and_alpha_undefined(tmp_path: Path) -> None:
    rows = [
        {**row, "rater": "anna", "label": helpers.CLASSES[number % 2]} for number, row in enumerate(images(tmp_path, 6))
    ]
    dataset = read_dataset(table(tmp_path, rows))
    assert "one rater, 'anna'" in dataset.notes[0] and dataset.soft is None
    found = agreement_document(dataset)
    assert found is not None and found["alpha_nominal"]["value"] is None
    assert "no image was rated by two raters" in found["alpha_nominal"]["reason"]


def test_agreement_of_ordered_classes_and_the_most_disputed(tmp_path: Path) -> None:
    codes = ratings(SECTION_C, "12345")
    cells = [[None if code < 0 else f"grade {code + 1}" for code in row] for row in codes.tolist()]
    dataset = ImageDataset.from_arrays(helpers.noise(12), ratings=cells)
    found = agreement_document(dataset)
    assert found is not None
    assert round(found["alpha_nominal"]["value"], 3) == 0.743 and round(found["alpha_ordinal"]["value"], 3) == 0.815
    assert found["n_rated_once"] == 1 and found["n_rated_by_several"] == 11 and found["n_disputed"] == 3
    assert found["disputed"][0] == {
        "image": "000005",
        "votes": {"grade 1": 1, "grade 2": 1, "grade 3": 1, "grade 4": 1},
        "disagreement": 0.75,
    }
    assert found["n_tied"] == 1 and found["n_gaps"] == 7
    assert agreement_document(ImageDataset.from_arrays(helpers.noise(2), ["a", "b"])) is None
    assert Ratings(np.array([[-1, -1]]), ("a", "b")).disagreement(2).tolist() != [0.0]


def weighted_rows(root: Path, weights: list[float]) -> list[dict[str, Any]]:
    rows = images(root, len(weights))
    return [{**row, "label": helpers.CLASSES[number % 2], "weight": weights[number]} for number, row in enumerate(rows)]


def test_bad_weights_are_refused_by_file_and_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels.csv: column 'weight'.*negative; 1 rows do not: row 2 has '-1'. Wr"):
        read_dataset(table(tmp_path, weighted_rows(tmp_path, [1, -1, 1, 1])))
    with pytest.raises(DataError, match=r"labels.csv: all weights .column 'weight'. are 0"):
        read_dataset(table(tmp_path, weighted_rows(tmp_path, [0, 0, 0, 0])))


def test_a_fold_whose_weights_are_all_zero_is_refused_by_name(tmp_path: Path) -> None:
    """A split.json that was drawn without weights may leave a part of it with nothing that counts."""
    from headstart import fit
    from headstart.data.split.file import write_split
    from headstart.data.split.make import split_dataset

    rows = weighted_rows(tmp_path, [1.0] * 24)
    split = split_dataset(read_dataset(table(tmp_path, rows)), scheme="nested:3x2")
    write_split(tmp_path / "split.json", split)
    for row, fold in zip(rows, split.fold_of(0).tolist(), strict=True):
        row["weight"] = float(fold == 1)  # nothing that trains where the second fold is judged
    dataset = read_dataset(table(tmp_path, rows))
    with pytest.raises(
        SplitError, match=r"split.json: all 16 images that train in outer fold 2 have weight 0, such as"
    ):
        fit(dataset, tmp_path / "run", helpers.options(split=str(tmp_path / "split.json")))
    assert not (tmp_path / "run").exists()


def headstart(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A finished run on images that three raters labelled: two agree mostly, the third guesses; two repeats."""
    from headstart import DataSource, fit

    root = tmp_path_factory.mktemp("rated")
    generator = np.random.default_rng(5)
    rows = []
    for number, row in enumerate(images(root, 48)):
        truth = number % 2
        for rater, share in (("anna", 0.05), ("ben", 0.1), ("carl", 0.4)):
            if generator.random() < 0.8:
                label = helpers.CLASSES[truth ^ int(generator.random() < share)]
                rows.append({"image": row["image"], "rater": rater, "label": label})
    path = table(root, rows)
    run = fit(DataSource(str(path)), root / "run", helpers.options(repeats=2))
    return path, run


def test_check_tells_how_far_raters_agree(rated: tuple[Path, Any]) -> None:
    path, _ = rated
    done = headstart("check", path, "--no-features", "--quiet")
    assert done.exit_code == 0, done.output
    assert "Krippendorff's alpha, classes without order: 0." in done.output
    assert "images of each rater: anna" in done.output and "are tied" in done.output
    found = json.loads(headstart("check", path, "--no-features", "--quiet", "--json").stdout)["agreement"]
    low, high = found["alpha_nominal"]["ci95"]
    assert 0 < low < found["alpha_nominal"]["value"] < high < 1 and found["alpha_ordinal"] is None


def test_options_of_labels_reach_the_reader(tmp_path: Path) -> None:
    path = table(tmp_path, wide_rows(tmp_path))
    done = headstart(
        "check", path, "--rater-columns", "anna,ben,carl", "--votes", "shares", "--no-features", "--json", "-q"
    )
    assert json.loads(done.stdout)["agreement"]["n_tied"] == 1
    said = headstart(
        "check", path, "--rater-columns", "anna,ben,carl", "--classes", "rough,calm", "--no-features", "-q"
    )
    assert "classes: rough 3, calm 2" in said.output
    assert "--rater-columns anna,ben,carl --classes rough,calm" in said.output  # the next command
    soft = table(tmp_path, [{**row, "q_calm": 0.9, "q_rough": 0.1} for row in images(tmp_path, 4)])
    done = headstart("check", soft, "--soft-prefix", "q_", "--no-features", "-q")
    assert "classes: calm 4, rough 0" in done.output
    refused = headstart("check", tmp_path / "calm", "--votes", "shares")
    assert refused.exit_code == 2 and "no option 'votes'" in refused.output


def test_a_run_lists_its_doubtful_labels(rated: tuple[Path, Any]) -> None:
    _, run = rated
    labels = run.results["labels"]
    with (run.folder / "doubtful.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert labels["doubtful"]["n_listed"] == len(rows) > 0
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    confidence = [float(row["self_confidence"]) for row in rows]
    assert confidence == sorted(confidence)
    first, entry = rows[0], labels["doubtful"]["top"][0]
    assert first["image"] == entry["image"] and first["label"] != first["suggested"]
    assert float(first["margin"]) == entry["probability"] - entry["self_confidence"] > 0
    assert 0 <= int(first["repeats_agree"]) <= int(first["repeats"]) == 2 and first["votes"]
    assert labels["n_soft"] == run.results["audit"]["agreement"]["n_tied"]
    assert sum(map(sum, labels["doubtful"]["confident_joint"])) <= labels["doubtful"]["n_judged"] == 48


def test_the_list_is_what_the_predictions_of_the_run_say(rated: tuple[Path, Any]) -> None:
    """Remade from predictions.csv by the plain definition."""
    _, run = rated
    rows = list(csv.DictReader(io.StringIO((run.folder / "predictions.csv").read_text())))
    names = sorted({row["image"] for row in rows})
    mean = {name: np.mean([float(row["probability:rough"]) for row in rows if row["image"] == name]) for name in names}
    label = {row["image"]: row["label"] for row in rows}
    threshold = {
        "rough": np.mean([mean[name] for name in names if label[name] == "rough"]),
        "calm": np.mean([1 - mean[name] for name in names if label[name] == "calm"]),
    }
    wrong = [name for name in names if label[name] == "calm" and mean[name] >= max(threshold["rough"], 0.5)]
    wrong += [name for name in names if label[name] == "rough" and 1 - mean[name] >= max(threshold["calm"], 0.5)]
    listed = {row["image"] for row in csv.DictReader(io.StringIO((run.folder / "doubtful.csv").read_text()))}
    assert listed == set(wrong)


def test_the_report_shows_doubtful_labels_and_agreement(rated: tuple[Path, Any], tmp_path: Path) -> None:
    import re
    import shutil

    from headstart.workflow.fit import rewrite_report

    _, run = rated
    page = run.report.read_text(encoding="utf-8")
    section = page[page.index('id="labels"') :]
    section = section[: section.index("<section", 10)] if "<section" in section[10:] else section
    first = run.results["labels"]["doubtful"]["top"][0]
    assert "The images were labelled by 3 raters; Krippendorff's alpha was 0." in page.replace("&#39;", "'")
    assert "Computing Krippendorff" in page[page.index('id="methods"') :]
    assert "not a correction" in section and first["image"] in section and "Krippendorff" in section
    assert section.count("data:image/jpeg") == min(12, run.results["labels"]["doubtful"]["n_listed"])
    assert "of 2 repeats agree" in section and re.search(r"votes: \w+ \d", section)
    copy = tmp_path / "run"
    shutil.copytree(run.folder, copy)
    rewrite_report(copy, images=False)
    hidden = (copy / "report.html").read_text(encoding="utf-8")
    assert "rank 1" in hidden and "data:image/jpeg" not in hidden
    assert not [row["image"] for row in run.results["labels"]["doubtful"]["top"] if row["image"] in hidden]


def test_runs_without_raters_say_nothing_of_them(run: Any) -> None:
    assert run.results["audit"]["agreement"] is None and run.results["labels"]["n_soft"] is None
    assert "Krippendorff" not in run.report.read_text(encoding="utf-8")
    header = (run.folder / "doubtful.csv").read_text().splitlines()[0]
    assert header == "rank,image,label,suggested,self_confidence,probability,margin,repeats_agree,repeats"


def test_errors_of_labels_leave_no_traceback(tmp_path: Path) -> None:
    rows = [{**row, "p:calm": 0.5, "p:rough": 0.6} for row in images(tmp_path, 4)]
    done = headstart("fit", table(tmp_path, rows), "-o", tmp_path / "run")
    assert done.exit_code == 2 and "do not sum to one" in done.output and not (tmp_path / "run").exists()
    assert issubclass(DataError, HeadstartError)


def test_protocols_of_the_solar_cells() -> None:
    pytest.importorskip("elpv_dataset")
    from headstart.samples.solar_cells import protocol, solar_cells

    cells = solar_cells()
    a, b, c = (protocol(cells, name) for name in ("A", "B", "C"))
    assert [len(one.rows) for one in (a, b, c)] == [2624, 2624, 2223]
    assert [int((one.dataset.labels == 1).sum()) for one in (a, b, c)] == [821, 1116, 715]
    assert a.dataset.weights is None and c.dataset.weights is None and b.dataset.weights is not None
    assert b.dataset.weights.sum() == pytest.approx(1508 + 295 / 3 + 106 * 2 / 3 + 715)
    assert len(np.unique(a.strata)) == 8 and len(np.unique(c.strata)) == 4
    soft = cells.soft_dataset()
    assert soft.soft is not None and soft.soft[:, 1].sum() == pytest.approx(295 / 3 + 106 * 2 / 3 + 715)
    assert (soft.labels == a.dataset.labels).all()
    with pytest.raises(InputError, match=r"Unknown protocol 'D'"):
        protocol(cells, "D")  # type: ignore[arg-type]


def test_soft_labels_are_trained_on_and_hard_ones_judged(tmp_path: Path) -> None:
    from headstart import fit

    dataset = read_dataset(table(tmp_path, soft_rows(tmp_path)))
    hard = ImageDataset.from_files([tmp_path / name for name in dataset.names], dataset.label_names())
    soft_run = fit(dataset, tmp_path / "soft", helpers.options(split="nested:2x2"))
    hard_run = fit(hard, tmp_path / "hard", helpers.options(split="nested:2x2"))
    assert soft_run.results["labels"]["n_soft"] == 16 and hard_run.results["labels"]["n_soft"] is None
    assert soft_run.results["task"]["class_counts"] == hard_run.results["task"]["class_counts"]

    def spread(run: Any) -> float:
        rows = csv.DictReader(io.StringIO((run.folder / "predictions.csv").read_text()))
        return float(np.std([float(row["probability:rough"]) for row in rows]))

    assert spread(soft_run) != spread(hard_run)
    assert "16 of 24 images are shared between classes" in soft_run.report.read_text(encoding="utf-8").replace(
        "\n", " "
    )


def test_soft_labels_of_test_images_reach_no_model() -> None:
    """The poison test: other soft labels of the images that are judged leave their predictions as they were."""
    from headstart.data.split.make import make_split
    from headstart.heads import HeadSpec
    from headstart.study.nested_cv import run_folds
    from headstart.study.plan import StudyData, StudyPlan, outer_folds

    generator = np.random.default_rng(0)
    labels = np.arange(60) % 2
    features = (generator.normal(size=(60, 5)) + labels[:, None]).astype(np.float32)
    soft = np.eye(2)[labels] * 0.8 + 0.1
    fold = outer_folds(make_split(labels, scheme="nested:3x2"))[0]
    plan = StudyPlan.of_heads([HeadSpec("logistic", {"C": 1.0}), HeadSpec("svm", {"C": 1.0})])

    def predicted(changed: np.ndarray) -> np.ndarray:
        shares = soft.copy()
        shares[changed] = shares[changed, ::-1]
        return run_folds(StudyData((features,), labels, 2, soft=shares), [fold], plan)[0].probabilities

    plain = predicted(fold.test[:0])
    assert (predicted(fold.test) == plain).all()
    assert (predicted(fold.train[:5]) != plain).any()


def test_interval_of_alpha_is_efrons_by_the_slow_way() -> None:
    """Resampled, and left out one by one, image for image."""
    from scipy.stats import norm, t

    generator = np.random.default_rng(2)
    truth = generator.integers(0, 3, 40)[:, None]
    counts = vote_counts(np.where(generator.random((40, 3)) < 0.25, generator.integers(0, 3, (40, 3)), truth), 3)
    found = rater_agreement(counts, level="ordinal", seed=4, n_resamples=300)
    draws = np.random.default_rng(4)
    drawn = [krippendorff_alpha(counts[draws.integers(0, 40, 40)], level="ordinal") for _ in range(300)]
    left = [krippendorff_alpha(np.delete(counts, row, axis=0), level="ordinal") for row in range(40)]
    push = np.mean(left) - np.array(left)
    skew = (push**3).sum() / (6 * (push**2).sum() ** 1.5)
    bias = norm.ppf(np.mean(np.array(drawn) < found.value))
    for end, side in zip(found.interval or (), (-1, 1), strict=True):
        point = bias + side * t.ppf(0.975, 39) * np.sqrt(40 / 39)
        assert end == pytest.approx(np.percentile(drawn, 100 * norm.cdf(bias + point / (1 - skew * point))))
