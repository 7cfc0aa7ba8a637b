"""Which dense heads are trained together, and the memory that takes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from headstart.errors import InputError
from headstart.heads.settings import Scalar
from headstart.heads.spec import HeadSpec
from headstart.storage import canonical_json

CHUNK_BYTES = 512 * 2**20
"""Memory of a chunk in bytes by default: two processes, with features and torch itself, stay far below 3 GB."""

CHUNK_LANES = 12
"""Number of trajectories of a chunk by default. Chunks are what is kept when a run is interrupted."""

STEPS_PER_EPOCH = 8
MIN_BATCH = 8
COLUMN_TILE = 16
"""The columns of the first layer are filled up to a multiple of this, so that rows begin where vectors do."""


@dataclass(frozen=True)
class Shape:
    """Size of a dense head.

    Attributes
    ----------
    n_features, n_layers, n_units, n_classes : int
        Numbers of inputs, of hidden layers (0: softmax regression), of units of each, and of outputs.
    """

    n_features: int
    n_layers: int
    n_units: int
    n_classes: int

    @property
    def n_columns(self) -> int:
        """Number of columns of the first layer: features, a one whose weight is the bias, zeros up to a full tile."""
        return self.n_features + 1 + -(self.n_features + 1) % COLUMN_TILE

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Numbers of inputs, bias left out, and of outputs of every layer."""
        widths = [self.n_features, *[self.n_units] * self.n_layers, self.n_classes]
        return list(itertools.pairwise(widths))

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """Shape of every layer's weights as they are stacked, the bias the column after the inputs."""
        (_, first), *others = self.layers
        return [(first, self.n_columns), *((outputs, inputs + 1) for inputs, outputs in others)]

    @property
    def n_parameters(self) -> int:
        """Count of the numbers that are learned, and of the zeros that fill up the first layer."""
        return sum(rows * columns for rows, columns in self.matrices)

    @classmethod
    def of(cls, spec: HeadSpec, n_features: int, n_classes: int) -> Shape:
        """Size of the head a spec describes."""
        return cls(n_features, spec.whole("layers"), spec.whole("units"), n_classes)


OUTPUT_NAMES = ("output_weights", "output_bias")


def layer_names(n_hidden: int) -> list[tuple[str, str]]:
    """Names under which the weights and the bias of every layer of a dense head are stored.

    >>> layer_names(2)
    [('hidden_weights', 'hidden_bias'), ('hidden_weights_2', 'hidden_bias_2'), ('output_weights', 'output_bias')]
    """
    suffixes = ["", *(f"_{number}" for number in range(2, n_hidden + 1))][:n_hidden]
    return [*((f"hidden_weights{suffix}", f"hidden_bias{suffix}") for suffix in suffixes), OUTPUT_NAMES]


@dataclass(frozen=True)
class Lane:
    """A training trajectory: settings, and the epochs after which a candidate takes its parameters.

    Attributes
    ----------
    spec : HeadSpec
        Spec of the candidate that trains longest.
    places : mapping of int to tuple of int
        Epoch to the numbers of the chunk's candidates that end there.
    """

    spec: HeadSpec
    places: Mapping[int, tuple[int, ...]]

    @property
    def n_epochs(self) -> int:
        """Number of epochs of the trajectory."""
        return max(self.places)


@dataclass(frozen=True)
class Chunk:
    """Dense heads of one shape and batch size, trained together and kept together.

    Attributes
    ----------
    indices : tuple of int
        Positions of the candidates in the list that was planned.
    specs : tuple of HeadSpec
    """

    indices: tuple[int, ...]
    specs: tuple[HeadSpec, ...]

    @cached_property
    def lanes(self) -> list[Lane]:
        """Trajectories, in an order that puts those that are alike side by side."""
        return lanes_of(self.specs)


def plan_chunks(
    specs: Sequence[HeadSpec],
    *,
    n_features: int,
    n_classes: int,
    n_rows: int | None = None,
    budget: int = CHUNK_BYTES,
    max_lanes: int = CHUNK_LANES,
) -> list[Chunk]:
    """Chunks of dense heads; the same for the same arguments.

    Candidates that differ in `epochs` alone are snapshots of one trajectory and always share a chunk. A chunk holds
    trajectories of one shape and batch size, as many as the budget and `max_lanes` allow.

    Parameters
    ----------
    specs : sequence of HeadSpec
        All dense.
    n_features, n_classes : int
    n_rows : int, optional
        Number of training rows, which bounds the batches. Default: as large as the specs say.
    budget : int
        Number of bytes that a chunk may take: weights, running averages, activations and the snapshots it hands out.
    max_lanes : int >= 1
        Largest number of trajectories of a chunk.

    Returns
    -------
    list of Chunk
        Their `indices` cover the specs once.

    Raises
    ------
    InputError
        When a spec is of another kind or one head alone takes more than the budget.

    Examples
    --------
    >>> specs = [HeadSpec("dense", {"epochs": epochs, "dropout": 0.3}) for epochs in (5, 10)]
    >>> [chunk.indices for chunk in plan_chunks([*specs, HeadSpec("dense", {"layers": 2})], n_features=8, n_classes=2)]
    [(0, 1), (2,)]
    """
    for spec in specs:
        if spec.kind != "dense":
            raise InputError(f"Dense heads are trained together, not {spec.kind} heads ({spec.label}). Give one kind.")
    chunks = []
    for _, alike in _grouped(specs, ("layers", "units", "batch_size")):
        lanes = lanes_of([specs[index] for index in alike])
        for part in _within(lanes, (n_features, n_classes, n_rows), budget, max_lanes):
            taken = itertools.chain.from_iterable(places for lane in part for places in lane.places.values())
            indices = tuple(sorted(alike[place] for place in taken))
            chunks.append(Chunk(indices, tuple(specs[index] for index in indices)))
    return chunks


def lanes_of(specs: Sequence[HeadSpec]) -> list[Lane]:
    """Trajectories of candidates of one shape and batch size.

    Those that end together come first by length, then those of one activation and dropout: a product of the rates of a
    grid then falls into tiles whose elementwise work is one call.
    """
    by_settings: dict[str, list[int]] = {}
    for place, spec in enumerate(specs):
        by_settings.setdefault(_without_epochs(spec), []).append(place)
    lanes = []
    for members in by_settings.values():
        places: dict[int, tuple[int, ...]] = {}
        for place in members:
            epochs = specs[place].whole("epochs")
            places[epochs] = (*places.get(epochs, ()), place)
        longest = max(members, key=lambda place: specs[place].whole("epochs"))
        lanes.append(Lane(specs[longest], dict(sorted(places.items()))))
    return sorted(lanes, key=_rank)


def lane_bytes(lane: Lane, shape: Shape, n_rows: int | None = None, precision: str = "bf16") -> int:
    """Bytes one trajectory takes while it is trained: weights, two running averages, bf16 weights, activations.

    `n_rows` training rows bound the batch; None: it is as large as the spec asks for.
    """
    states = 4 * 3 + (2 if precision == "bf16" else 0)
    requested = lane.spec.whole("batch_size")
    size = requested if n_rows is None else batch_rows(requested, n_rows)
    activations = 4 * 6 * shape.n_units * max(1, shape.n_layers) * size
    return states * shape.n_parameters + activations


def batch_rows(batch_size: int, n_rows: int) -> int:
    """Rows of a batch: `batch_size`, less where fewer than about 8 batches would make an epoch, but 8 at least.

    >>> batch_rows(128, 60), batch_rows(128, 200), batch_rows(128, 2000)
    (8, 25, 128)
    """
    return min(batch_size, max(MIN_BATCH, n_rows // STEPS_PER_EPOCH))


def batch_notes(specs: Sequence[HeadSpec], n_rows: int) -> list[str]:
    """Notes on batch sizes that so few training rows do not allow; empty where all are used as they are.

    Sizes that are too large all come to the same batches, so one sentence speaks of all of them.

    Parameters
    ----------
    specs : sequence of HeadSpec
        Heads of any kind; only dense ones have batches.
    n_rows : int
        Number of training rows of a fold.

    Examples
    --------
    >>> batch_notes([HeadSpec("dense", {"batch_size": 256}), HeadSpec("svm")], 146)
    ['Batch size 256 is too large for 146 training rows: batches of 18 rows are used, so that about 8 make an epoch.']
    >>> batch_notes([HeadSpec("dense", {"batch_size": size}) for size in (16, 128, 256)], 146)[0][:58]
    'Batch sizes 128, 256 are too large for 146 training rows: '
    >>> batch_notes([HeadSpec("dense", {"batch_size": 256})], 3667)
    []
    """
    requested = sorted({spec.whole("batch_size") for spec in specs if spec.kind == "dense"})
    large = [size for size in requested if batch_rows(size, n_rows) < size]
    if not large:
        return []
    named = f"Batch size {large[0]} is" if len(large) == 1 else f"Batch sizes {', '.join(map(str, large))} are"
    used = f"batches of {batch_rows(large[0], n_rows)} rows are used, so that about {STEPS_PER_EPOCH} make an epoch"
    return [f"{named} too large for {n_rows} training rows: {used}."]


def _within(lanes: list[Lane], sizes: tuple[int, int, int | None], budget: int, max_lanes: int) -> Iterator[list[Lane]]:
    """Lanes in parts that keep to the budget; `sizes` are features, classes and training rows."""
    n_features, n_classes, n_rows = sizes
    part: list[Lane] = []
    taken = 0
    for lane in lanes:
        shape = Shape.of(lane.spec, n_features, n_classes)
        needed = lane_bytes(lane, shape, n_rows) + 4 * shape.n_parameters * len(lane.places)
        if needed > budget:
            raise InputError(
                f"Training '{lane.spec.label}' on {n_features} features takes {needed / 2**20:,.0f} MiB, more than the "
                f"{budget / 2**20:,.0f} MiB allowed. Use fewer units or layers, or allow more."
            )
        if part and (taken + needed > budget or len(part) == max_lanes):
            yield part
            part, taken = [], 0
        part.append(lane)
        taken += needed
    if part:
        yield part


def _grouped(specs: Sequence[HeadSpec], names: Sequence[str]) -> list[tuple[tuple[Scalar, ...], list[int]]]:
    """Places of the specs that agree in the settings named, in the order they first come."""
    groups: dict[tuple[Scalar, ...], list[int]] = {}
    for index, spec in enumerate(specs):
        groups.setdefault(tuple(spec.settings[name] for name in names), []).append(index)
    return list(groups.items())


def _without_epochs(spec: HeadSpec) -> str:
    return canonical_json({name: value for name, value in spec.settings.items() if name != "epochs"})


def _rank(lane: Lane) -> tuple[int, str, float, str, str]:
    settings = lane.spec.settings
    alike = (str(settings["activation"]), float(settings["dropout"]), str(settings["optimizer"]))
    return -lane.n_epochs, *alike, _without_epochs(lane.spec)
