"""Soft labels of judged images reach no model."""

from __future__ import annotations

import numpy as np


def test_soft_labels_of_test_images_reach_no_model() -> None:
    """The poison test: other soft labels of the images that are judged leave their predictions as they were."""
    from headstart.data.split.make import make_split
    from headstart.heads import HeadSpec
    from headstart.study.data import StudyData
    from headstart.study.folds import outer_folds
    from headstart.study.nested_cv import run_folds
    from headstart.study.plan import StudyPlan

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
