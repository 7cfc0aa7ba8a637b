"""Cost of a candidate to whoever uses it: features, one fit and predictions, in rough seconds on one core."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.heads import HeadSpec, cost, prediction_cost

N_PREDICTED = 1000
"""Images predicted after one fit: what the fit and the predictions are weighed by."""


@dataclass(frozen=True)
class Scale:
    """Sizes that costs depend on.

    Attributes
    ----------
    n_images : int
        Number of images trained on.
    n_features, n_classes : int
    seconds_per_image : float
        Seconds of the forward pass that gives the features; 0 where only heads are to be compared.
    n_rows_per_image : float
        Number of rows trained on for each image.
    n_views_trained, n_views_predicted : int
        Number of views of each image that features are computed of.
    """

    n_images: int
    n_features: int
    n_classes: int
    seconds_per_image: float = 0.0
    n_rows_per_image: float = 1.0
    n_views_trained: int = 1
    n_views_predicted: int = 1

    @property
    def n_rows(self) -> int:
        """Number of rows trained on."""
        return round(self.n_images * self.n_rows_per_image)


def candidate_cost(head: HeadSpec, scale: Scale) -> float:
    """Rough seconds for the features of all images, one fit, and the predictions of 1,000 more images.

    ``(n_images + 1000) x seconds_per_image + fit + 1000 x prediction``, every
    view counted. Searching is not counted: it is paid once, and
    whoever uses the model pays for features and predictions ever after.

    >>> scale = Scale(2000, 1280, 2)
    >>> candidate_cost(HeadSpec("logistic"), scale) < candidate_cost(HeadSpec("svm"), scale)
    True
    """
    n_forward = scale.n_images * scale.n_views_trained + N_PREDICTED * scale.n_views_predicted
    features = n_forward * scale.seconds_per_image
    fit = cost(head, scale.n_rows, scale.n_features, scale.n_classes)
    return features + fit + N_PREDICTED * scale.n_views_predicted * prediction_seconds(head, scale)


def prediction_seconds(head: HeadSpec, scale: Scale) -> float:
    """Rough seconds to predict one image from its features, at 30 GFLOP/s in float64.

    Heads that keep training rows compare each image with all of them: kNN with every row, in float32 where there are
    more than 2,000, an SVM with about half.
    """
    return prediction_cost([head], scale.n_rows, scale.n_features, scale.n_classes)
