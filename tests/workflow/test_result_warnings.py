"""Warnings of predictions and folds; a split that only copies make impossible says so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import helpers
import numpy as np
import pytest
from PIL import Image, ImageOps

import headstart
from headstart.errors import SplitError
from headstart.results.models.label_issues import LabelIssueFacts
from headstart.workflow.job.audit import audit_data
from headstart.workflow.job.near_duplicates import copy_names, find_near_duplicates, join_copies
from headstart.workflow.job.result_warnings import (
    label_issue_warnings,
    near_duplicate_warnings,
    never_predicted_warnings,
)


def test_a_class_that_is_never_predicted_is_named() -> None:
    assert never_predicted_warnings(("a", "b"), [[3.0, 1.0], [2.0, 0.0]]) == []
    (words,) = never_predicted_warnings(("a", "b"), [[3.0, 0.0], [2.0, 0.0]])
    assert words.startswith("No image was predicted to be 'b':")


def test_label_issues_are_counted_and_their_file_is_named() -> None:
    def issues(n_listed: int) -> LabelIssueFacts:
        return cast("LabelIssueFacts", SimpleNamespace(n_listed=n_listed, n_judged=40, n_wrong_estimated=2.2))

    assert label_issue_warnings(issues(0)) == []
    (words,) = label_issue_warnings(issues(3))
    assert words.startswith("3 labels of 40 judged images are contradicted")
    assert "about 2 are estimated to be wrong. label_issues.csv" in words


def test_near_duplicates_name_the_options_for_groups_of_every_kind_of_data() -> None:
    near = [("a.png", "b.png"), ("c.png", "d.png")]
    assert near_duplicate_warnings(near, 40, groups_given=True) == []
    (words,) = near_duplicate_warnings(near, 40, groups_given=False)
    assert words.endswith("by --group-from or a group column, of lesions by --patient-column.")


def test_copies_that_shrink_a_class_are_named_before_features_are_computed(tmp_path: Path) -> None:
    root = helpers.write_folders(tmp_path / "data", 24)
    one = Image.fromarray(helpers.noise(1, seed=9)[0])
    (root / "rare").mkdir()
    for number in range(4):
        one.save(root / "rare" / f"{number}.png")
    with pytest.raises(SplitError, match=r"'rare' has 4 images in 1 group .* these are near-duplicates") as caught:
        headstart.fit(root, tmp_path / "run", helpers.options())
    assert "rare/0.png = rare/1.png" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_run_says_that_no_groups_were_given(run: Any) -> None:
    assert run.results.task.groups_given is False
    page = run.report.read_text(encoding="utf-8")
    assert "No groups were given, so nothing was kept together" in page
    assert "no groups were given, so images were split one by one" in page
    assert "never split apart" not in page
    facts = run.results.audit.file_facts
    assert facts is None or np.all(np.array(list(facts.values())) <= 1.0)


def test_mirrored_copies_are_joined_before_the_folds_are_drawn(tmp_path: Path) -> None:
    root = helpers.write_folders(tmp_path / "data", 24)
    for place in ("calm/000.png", "rough/001.png"):
        ImageOps.mirror(Image.open(root / place)).save(root / place.replace(".", "_mirrored."))
    audited = audit_data(root, skip_unreadable=False, n_threads=1)
    assert copy_names(audited) == [
        ("calm/000.png", "calm/000_mirrored.png"),
        ("rough/001.png", "rough/001_mirrored.png"),
    ]
    groups = join_copies(audited).groups
    assert groups is not None
    assert len(np.unique(groups)) == 24
    found = find_near_duplicates(audited.dataset, audited.audit, np.zeros((26, 4), dtype=np.float32))
    assert found.turned == found.pairs == copy_names(audited)
    assert found.to_json()["mirrored_or_turned"][0] == "calm/000.png = calm/000_mirrored.png"
