"""Views of an image: fixed, seeded variants that leave its class as it is.

One set of policies serves cached views of frozen features, training and test time alike. Every view is a pure function
of policy, seed, index and the image's content hash, so whoever asks for view 3 of an image gets the same pixels.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from headstart.augment.policies import Custom, custom_policy
from headstart.augment.transforms import RANGES, Pixels, PortableRandom, geometric_transform, photometric_transform
from headstart.errors import InputError, unknown_name

VIEWS_VERSION: Final = 1
"""Changes whenever the pixels of a view change; part of the cache key."""
MAX_VIEWS: Final = 10_000
MAX_SEED: Final = 2**32 - 1

SYMMETRIES: Final[Mapping[str, Callable[[Pixels], Pixels]]] = MappingProxyType(
    {
        "identity": lambda pixels: pixels,
        "mirror": lambda pixels: pixels[:, ::-1],  # left and right exchanged
        "flip": lambda pixels: pixels[::-1],  # top and bottom exchanged
        "turn_180": lambda pixels: pixels[::-1, ::-1],
        "transpose": lambda pixels: pixels.transpose(1, 0, 2),  # along the falling diagonal
        "turn_90": np.rot90,  # counter-clockwise
        "turn_270": lambda pixels: np.rot90(pixels, 3),
        "transverse": lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2),  # along the rising diagonal
    }
)
"""The eight exact symmetries of a square, in the order of ``dihedral``; the first four fit any rectangle."""

_RECTANGULAR: Final = 4

_EXACT: Final = {"none": 1, "flips": _RECTANGULAR, "dihedral": len(SYMMETRIES)}
CUSTOM: Final = "custom"
POLICIES: Final = (*_EXACT, "geometric", "photometric", "strong")
"""Names of the policies, mildest first; ``strong`` is ``geometric`` and then ``photometric``."""


def n_distinct(policy: str) -> int:
    """Number of views that a policy has.

    Raises
    ------
    InputError
        For an unknown policy.
    """
    if policy not in (*POLICIES, CUSTOM):
        raise InputError(unknown_name("augmentation policy", policy, POLICIES))
    return _EXACT.get(policy, MAX_VIEWS)


@dataclass(frozen=True)
class View:
    """One view of every image of a data set.

    Parameters
    ----------
    policy : {"none", "flips", "dihedral", "geometric", "photometric", "strong"}
        ``flips`` mirrors left-right, top-bottom and both; ``dihedral`` adds the quarter turns and both transpositions;
        the others draw small changes within `RANGES`, and never mirror.
    seed : int in 0..2**32 - 1
        Seed of the random policies; the exact ones do without.
    index : int >= 0
        Number of the view in its policy. View 0 is the image as it is, under every policy.
    custom : Custom, optional
        Symmetries and ranges of the policy ``custom``.

    Raises
    ------
    InputError
        For an unknown policy, or an index or seed out of range.

    Examples
    --------
    >>> pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> View("flips", index=1).apply(pixels, "")[0].tolist()
    [[3, 4, 5], [0, 1, 2]]
    """

    policy: str
    seed: int = 0
    index: int = 0
    custom: Custom | None = None

    def __post_init__(self) -> None:
        if (self.policy == CUSTOM) != (self.custom is not None):
            raise InputError("The policy 'custom', and it alone, needs its description. Read it from a file.")
        for name in ("seed", "index"):
            object.__setattr__(self, name, _whole_number(name, getattr(self, name)))
        n_views = n_distinct(self.policy)
        if not 0 <= self.index < n_views:
            raise InputError(
                f"View {self.index} of policy {self.policy!r} does not exist; expected 0 to {n_views - 1}."
            )
        if not 0 <= self.seed <= MAX_SEED:
            raise InputError(f"The seed of a view is {self.seed}; expected a whole number from 0 to {MAX_SEED:,}.")

    @property
    def symmetry(self) -> str | None:
        """Name of the exact symmetry in `SYMMETRIES`; None for a random view."""
        return list(SYMMETRIES)[self.index] if self.index == 0 or self.policy in _EXACT else None

    @property
    def turn(self) -> str:
        """Name of the symmetry that a user's policy begins with."""
        n = _EXACT[self.custom.symmetries] if self.custom else 1
        return list(SYMMETRIES)[self.index % n]

    @property
    def is_identity(self) -> bool:
        """Whether this view is the image as it is."""
        return self.index == 0

    def settings(self) -> str | dict[str, Any]:
        """Everything that the pixels of this view depend on, as plain JSON for cache keys; equal views share it."""
        if self.is_identity:
            return "identity"
        if self.symmetry is not None:
            return {"version": VIEWS_VERSION, "symmetry": self.symmetry}
        chosen = {"policy": self.policy, "seed": self.seed, "index": self.index}
        if self.custom is not None:
            return {"version": VIEWS_VERSION, **chosen, **asdict(self.custom)}
        return {"version": VIEWS_VERSION, **chosen, "ranges": asdict(RANGES)}

    def to_json(self) -> dict[str, Any]:
        """The attributes by name, as `view_from_json` takes them."""
        about = {"policy": self.policy, "seed": self.seed, "index": self.index}
        custom = self.custom
        return {**about, "custom": custom and {"symmetries": custom.symmetries, **asdict(custom.ranges)}}

    def check_takes(self, size: tuple[int, int]) -> None:
        """Refuse a size whose height and width this view would exchange.

        Parameters
        ----------
        size : (int, int)
            Height and width in pixels.

        Raises
        ------
        InputError
            When the view lays the image on its side and the size is no square.
        """
        height, width = size
        turned = self.turn if self.symmetry is None else self.symmetry
        turns = list(SYMMETRIES).index(turned) >= _RECTANGULAR
        if turns and height != width:
            raise InputError(
                f"View {self.index} of policy {self.policy!r} ({turned}) exchanges height and width; expected "
                f"square pixels, came {height} x {width}. Use a square input size, the policy 'flips', or at most "
                f"{_RECTANGULAR} views."
            )

    def apply(self, pixels: Pixels, content_hash: str) -> Pixels:
        """The pixels of this view.

        Parameters
        ----------
        pixels : ndarray of shape (height, width, n_channels), uint8 or float32
            Pixels from a `Preparation`, on the scale 0..255; left unchanged.
        content_hash : str
            Content hash of the image; random views of different images differ. The exact ones do not look at it.

        Returns
        -------
        ndarray of the same shape and type

        Raises
        ------
        InputError
            See `check_takes`.
        ValueError
            When shape or type of the pixels is another, or a random view has no hash.
        """
        if pixels.ndim != 3 or pixels.dtype not in (np.uint8, np.float32):
            raise ValueError(
                f"pixels are {pixels.dtype} of shape {pixels.shape}; expected uint8 or float32 (height, width, n)"
            )
        if self.symmetry is not None:
            self.check_takes((pixels.shape[0], pixels.shape[1]))
            return np.ascontiguousarray(SYMMETRIES[self.symmetry](pixels))
        if not content_hash:
            raise ValueError("a random view needs the content hash of its image; none came")
        draws = PortableRandom(f"{VIEWS_VERSION} {self.policy} {self.seed} {self.index} {content_hash}")
        if self.custom is not None:
            return self._apply_custom(self.custom, pixels, draws)
        if self.policy in ("geometric", "strong"):
            pixels = geometric_transform(pixels, draws)
        return photometric_transform(pixels, draws) if self.policy in ("photometric", "strong") else pixels

    def _apply_custom(self, custom: Custom, pixels: Pixels, draws: PortableRandom) -> Pixels:
        self.check_takes((pixels.shape[0], pixels.shape[1]))
        pixels = np.ascontiguousarray(SYMMETRIES[self.turn](pixels))
        pixels = geometric_transform(pixels, draws, custom.ranges) if custom.is_geometric else pixels
        return photometric_transform(pixels, draws, custom.ranges) if custom.is_photometric else pixels


def view_from_json(value: Mapping[str, Any]) -> View:
    """The view that `View.to_json` described.

    Raises
    ------
    InputError
        When the values are out of range.
    KeyError, TypeError
        When it is something else.
    """
    custom = value["custom"] and custom_policy(dict(value["custom"]))
    return View(str(value["policy"]), value["seed"], value["index"], custom)


def _whole_number(name: str, value: Any) -> int:
    """Python's whole number from any; numpy's would not go into the JSON of a cache key."""
    try:
        return int(operator.index(value))
    except TypeError as error:
        raise InputError(f"The {name} of a view is {value!r}; expected a whole number.") from error


IDENTITY: Final = View("none")
"""The image as it is."""


def views(policy: str, k: int, seed: int = 0, custom: Custom | None = None) -> tuple[View, ...]:
    """The first k views of a policy, the image as it is among them.

    Parameters
    ----------
    policy : str
        See `View`.
    k : int >= 1
        ``none`` has 1 view, ``flips`` 4, ``dihedral`` 8, the random ones 10,000.
    seed : int
        See `View`.
    custom : Custom, optional
        Symmetries and ranges of the policy ``custom``.

    Raises
    ------
    InputError
        When the policy is unknown or has fewer than k views.

    Examples
    --------
    >>> [view.symmetry for view in views("dihedral", 3)]
    ['identity', 'mirror', 'flip']
    """
    most = n_distinct(policy)
    if not 1 <= k <= most:
        raise InputError(f"Policy {policy!r} has {most:,} different views; expected 1 to {most:,} of them, came {k}.")
    return tuple(View(policy, seed, index, custom) for index in range(k))
