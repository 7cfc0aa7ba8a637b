"""A fitted head: a spec, arrays and the probabilities they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headstart.errors import InputError
from headstart.heads.arithmetic import BlockPredictor, Features, Floats, in_blocks, over_all_classes, standardised
from headstart.heads.array_checks import check_arrays
from headstart.heads.scores import ClassScores
from headstart.heads.spec import KINDS, HeadSpec
from headstart.heads.training_rows import check_features


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A head after fitting; predicts with numpy alone.

    Made by `fit_heads` or `FittedHead.from_tensors`.

    Parameters
    ----------
    spec : HeadSpec
    arrays : dict of str to ndarray
        Learned arrays by name; `HeadKind.layout` lists the names of each kind.

    Examples
    --------
    >>> import numpy as np
    >>> from headstart.heads import HeadSpec, fit_heads
    >>> features = np.array([[0.0], [1.0], [4.0], [5.0]], dtype=np.float32)
    >>> head, = fit_heads([HeadSpec("logistic", {"C": 1.0})], features, np.array([0, 0, 1, 1]), n_classes=2, seed=0)
    >>> head.predict_proba(features).argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """

    spec: HeadSpec
    arrays: Mapping[str, npt.NDArray[Any]]

    @property
    def n_classes(self) -> int:
        """Number of classes, those absent from the training rows included."""
        return int(self.arrays["present"].size)

    @property
    def n_features(self) -> int:
        """Number of features a row must have."""
        return int(self.arrays["mean"].size)

    @property
    def holds_training_features(self) -> bool:
        """Whether the head contains features of training images (kNN), support vectors or landmarks (SVM)."""
        return self._has_learned and KINDS[self.spec.kind].holds_rows

    @property
    def failed(self) -> bool:
        """Whether training diverged: parameters are not finite, and so is no probability."""
        return any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in self.arrays.values())

    def predict_proba(self, features: Features) -> Floats:
        """Probability of every class for every row.

        A row's probabilities are the same to the last bit whatever other rows are in the call. No probability lies
        below 1e-6, which is also what a class absent from the training rows gets.

        Parameters
        ----------
        features : ndarray of shape (n_rows, n_features), float32

        Returns
        -------
        ndarray of shape (n_rows, n_classes), float64
            Rows sum to 1.

        Raises
        ------
        InputError
            When the features have another type or width, or are not finite.
        """
        return self.predictor()(features)

    def predictor(self) -> Callable[[Features], Floats]:
        """`predict_proba` with what it computes of the arrays alone computed once, for many calls.

        kNN heads standardise their training rows for it, which costs more than the prediction of an image; the rows
        stay in memory as long as the function does.
        """
        predict = self._block_predictor()
        n_present = int(np.count_nonzero(self.arrays["present"]))

        def probabilities(features: Features) -> Floats:
            self._check(features)
            seen = self._in_blocks(features, predict, n_present)
            return over_all_classes(seen, self.arrays["present"])

        return probabilities

    def _in_blocks(self, features: Features, predict: BlockPredictor, n_columns: int) -> Floats:
        """Values of `predict` (n_rows, n_columns) for rows of features as they come."""
        n_unpadded = KINDS[self.spec.kind].n_unpadded(self.arrays) if self._has_learned else 0
        return in_blocks(
            features, lambda block: predict(standardised(block, self.arrays)), n_columns, n_unpadded=n_unpadded
        )

    def _check(self, features: Features) -> None:
        check_features(features)
        if features.shape[1] != self.n_features:
            expected = f"this head was trained on {self.n_features}"
            raise InputError(
                f"The features have {features.shape[1]} columns, but {expected}. Use features of the same backbone."
            )

    def predict_together(self, others: Sequence[FittedHead], features: Features) -> Floats:
        """`predict_proba` of this head and of others that were fitted with it: the same to the last bit.

        kNN and SVM heads compare every row with the training rows once for all.

        Parameters
        ----------
        others : sequence of FittedHead
            Of the same kind.
        features : ndarray of shape (n_rows, n_features), float32

        Returns
        -------
        ndarray of shape (1 + n_others, n_rows, n_classes), float64

        Raises
        ------
        InputError
            As for `predict_proba`.
        """
        heads, predictors = (self, *others), KINDS[self.spec.kind].predictors
        if predictors is None or not self._has_learned or not all(map(self._was_fitted_with, others)):
            return np.stack([head.predict_proba(features) for head in heads])
        self._check(features)
        predict = predictors([head.spec for head in heads], [head.arrays for head in heads])
        n_present = int(np.count_nonzero(self.arrays["present"]))
        seen = self._in_blocks(features, lambda block: np.concatenate(predict(block), axis=1), n_present * len(heads))
        return np.stack([over_all_classes(part, self.arrays["present"]) for part in np.split(seen, len(heads), axis=1)])

    def _was_fitted_with(self, other: FittedHead) -> bool:
        """Whether another head comes from the same call of `fit_heads`, and standardises features by the same array."""
        return all(other.arrays[name] is self.arrays[name] for name in ("present", "mean", "inverse_scale"))

    def class_scores(self) -> ClassScores:
        """Scores (n, P) of the classes seen in training, of standardised features, before probabilities.

        Raises
        ------
        InputError
            When the training rows were of one class only.
        """
        if not self._has_learned:
            raise InputError("The head has seen one class only, so that no score tells it from another.")
        kind = KINDS[self.spec.kind]
        if kind.scores is None:
            return ClassScores(kind.predictor(self.spec, self.arrays))
        return kind.scores(self.spec, self.arrays)

    @property
    def _has_learned(self) -> bool:
        """Whether there were training rows of two classes or more, so that anything was learned."""
        return int(np.count_nonzero(self.arrays["present"])) > 1

    def _block_predictor(self) -> BlockPredictor:
        """Function from a block of standardised features to probabilities (BLOCK_ROWS, n_present)."""
        if not self._has_learned:
            return lambda block: np.ones((len(block), 1))
        return KINDS[self.spec.kind].predictor(self.spec, self.arrays)

    def to_tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of the arrays, contiguous, as safetensors stores them."""
        return {name: np.array(array, order="C") for name, array in self.arrays.items()}

    @classmethod
    def from_tensors(cls, spec: HeadSpec, tensors: Mapping[str, npt.NDArray[Any]]) -> FittedHead:
        """The head that `to_tensors` stored.

        Raises
        ------
        BundleError
            When an array is missing, unknown, of the wrong type or shape, not finite or out of range.
        """
        check_arrays(spec, tensors)
        return cls(spec, dict(tensors))
