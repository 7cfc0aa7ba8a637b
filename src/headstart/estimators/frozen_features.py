"""`FrozenFeatures`: a transformer from images to what a frozen backbone sees in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from headstart.estimators.base import ImageEstimator
from headstart.estimators.inputs import Images

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags


class FrozenFeatures(TransformerMixin, ImageEstimator):  # type: ignore[misc]
    """Features of images from a pretrained network, as the first step of a scikit-learn pipeline.

    Nothing is learned from the images: `fit` loads the backbone and checks the options, and an image's features do not
    depend on the other images in the call. Use `TransferClassifier` for a whole classifier of images.

    Parameters
    ----------
    backbone : str
        A name that ``headstart backbones`` lists, or any timm name.
    weights : path, optional
        A file (``.safetensors``, or ``.pth`` in timm's layout), or ``"random"`` (a baseline, not transfer learning).
        Default: pretrained ones, from a package that ships them, the local hub cache or a download.
    input_size : int or (int, int), optional
        Side, or height and width, in pixels that images are brought to. Default: what the weights were trained at.
    resize : {"squash", "crop", "pad"}
        ``squash`` keeps the whole picture and changes its proportions; ``crop`` keeps the proportions and the largest
        centred rectangle; ``pad`` keeps both and adds black bars.
    white_level : int in 1..65535
        The 16-bit value shown as white; 4095 suits 12-bit cameras. Default: 65535.
    decode : {"exact", "fast"}
        ``fast`` lets the JPEG decoder leave out detail that the network's input is too small to show.
    normalise : {"weights", "training"}
        Mean and spread of the channels that pixels are normalised by: the weights' own, or those of the images given to
        `fit`, which are read for that.
    channels : list of str, optional
        Names or numbers of the channels that make up an image, ``"none"`` for a black one; another count than three
        adapts the network's first layer. Default: red, green and blue.
    device : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes CUDA, then MPS, then the CPU.
    threads : int, optional
        Threads of the network on the CPU and of decoding. Default: the number of processors. Give 1 where the caller
        runs several fits side by side (``GridSearchCV(..., n_jobs=2)``).
    engine : {"torch", "auto", "openvino"}
        Library that runs the network. ``auto``: the first by expected speed (docs/speed.md) that agrees
        with plain torch on some of the images given to `fit`.
    precision : {"fp32", "auto", "bf16", "int8"}
        Precision of the network's arithmetic. ``auto``: the fastest whose features agree with fp32 on images given to
        `fit`.
        The defaults, plain fp32 with torch, let fits on parts of one data set, as in cross-validation, see the same
        features; ``engine="auto", precision="auto"`` may be several times as fast, best with a cache.
    batch_size : int, optional
        Images per forward pass. Default: what suits the engine.
    cache : path, optional
        Folder that keeps features between calls, ``"default"`` for the user's own cache folder. Default: nothing is
        kept. Worth its disk space in cross-validation, which otherwise computes the same features again in each fold.
    offline : bool
        Never look for weights in the network.
    seed : int >= 0
        Seed of random weights; nothing else is random.
    features : str, optional
        ``multi``: mean and max of several stages. ``last``: the pooled output of the last stage. ``best``: those of
        ``multi``, averaged over the eight mirrored and turned views of an image, at eight times the cost. Or blocks
        ``STAGE:POOLING`` joined by ``+``, such as ``"block4:rows+last"``; docs/blocks.md tells of them. Default:
        ``multi``; of old dense layers (``vgg19:fc``) these alone.

    Attributes
    ----------
    backbone_ : Backbone
        The network; see `headstart.backbones.backbone.Backbone`.
    preparation_ : Preparation
        How an image becomes the network's input.
    engine_ : Engine
        Where and how the network runs.

    Notes
    -----
    A pickle of the fitted transformer holds the network as code and tensors; as with any pickle, load only your own.
    To share a model, save a `TransferClassifier` as a bundle (``to_model().save(folder)``), which holds no pickle.

    Examples
    --------
    >>> import numpy as np
    >>> from headstart import FrozenFeatures
    >>> images = np.zeros((2, 8, 8), dtype=np.uint8)
    >>> last = FrozenFeatures("test_vit", features="last", weights="random", input_size=32, threads=1)
    >>> last.fit_transform(images).shape
    (2, 64)
    >>> blocks = FrozenFeatures("test_vit", weights="random", input_size=32, threads=1).fit(images)
    >>> blocks.transform(images).shape, blocks.get_feature_names_out()[64]
    ((2, 256), 'test_vit_block5:max_0')
    """

    def __sklearn_tags__(self) -> Tags:
        """Features are float32 whatever the type of the pixels."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(self, X: Images, y: ArrayLike | None = None) -> Self:
        """Load the backbone.

        Parameters
        ----------
        X : ImageDataset, path, Pillow image, array, tensor, sequence of these, data set, or table
            Only looked at for its form, unless a faster engine is to be tried on some, or channels are normalised by
            them. docs/data.md lists what is taken.
        y : ignored

        Returns
        -------
        FrozenFeatures
            Itself.

        Raises
        ------
        ArgumentError
            When X is none of these, or an option is of the wrong kind; also a ValueError.
        InputError, WeightsError
            When a name is unknown, or weights are missing or damaged.
        """
        extractor = self._open_extractor(self._dataset(X))
        self._extractor = extractor
        self.backbone_ = extractor.backbone
        self.preparation_ = extractor.preparation
        self.engine_ = extractor.engine
        return self

    def transform(self, X: Images) -> NDArray[np.float32]:
        """Features of every image.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_images, n_features), float32
            One row per image, in the order of X: by default the globally pooled output of the convolutional base.

        Raises
        ------
        ArgumentError
            When X is no collection of images; also a ValueError.
        ImageError
            The first image that cannot be read.
        """
        check_is_fitted(self)
        return self._extract(self._dataset(X), self._extractor)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the features: the backbone's name, the block where it is not the last stage, and a number.

        Parameters
        ----------
        input_features : ignored
            Pixels have no names.

        Returns
        -------
        ndarray of shape (n_features,), of str
        """
        check_is_fitted(self)
        return np.array(self._extractor.column_names(), dtype=object)
