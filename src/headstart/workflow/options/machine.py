"""Options of the machine: device, engine and threads of networks, and the cache of features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal, get_args

from headstart.workflow.options.option import Options, option

Engine = Literal["auto", "torch", "openvino", "measure"]
Precision = Literal["auto", "fp32", "bf16", "int8"]
Device = Literal["auto", "cpu", "cuda", "mps"]
DEVICES: Final = get_args(Device)
THREADS: Final = {"at_least": 1, "at_most": 256}
SKIP_UNREADABLE = "Leave unreadable images out instead of stopping."
OFFLINE = "Never touch the network."
OF_MODEL: Final = "that of the model"
"""Threads and batch size of a prediction where none are named."""
NOTHING_KEPT: Final = ("--no-cache", "Look no features up, and keep none.")
"""Flag that turns the cache off where there is no folder of a run."""
NETWORK_ACCESS = "whether the network is touched"


@dataclass(frozen=True)
class EngineOptions(Options):
    """The library that runs the network, and its arithmetic.

    Attributes
    ----------
    engine : {"auto", "torch", "openvino", "measure"}
        Library that runs the network. ``auto``: by a rule from facts of the machine (docs/speed.md). ``measure``: the
        fastest by a short trial, which decides the precision of fine-tuning too; its answer is written into the run.
    precision : {"auto", "fp32", "bf16", "int8"}
        ``auto``: by the rule, where the features agree with fp32 on these images.
    batch_size : int or None
        Images per forward pass. None: what suits the engine.
    skip_unreadable : bool
        Leave unreadable images out instead of stopping.
    """

    group: ClassVar[str] = "Machine"

    engine: Engine = field(
        default="auto",
        metadata=option(
            "Library that runs the network. auto: by rule; measure: the fastest, by a trial, written down.",
            choices=get_args(Engine),
        ),
    )
    precision: Precision = field(
        default="auto",
        metadata=option(
            "Of the network's arithmetic. auto: by rule, where the features agree with fp32 on your images.",
            choices=get_args(Precision),
        ),
    )
    batch_size: int | None = field(
        default=None,
        metadata=option("Images per forward pass.", at_least=1, at_most=1024, unset="what suits the engine"),
    )
    skip_unreadable: bool = field(default=False, metadata=option(SKIP_UNREADABLE, decides=True, group="Data"))


@dataclass(frozen=True)
class MachineOptions(Options):
    """Device, threads, network access and the feature cache.

    Attributes
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        Where networks run.
    threads : int or None
        Threads and worker processes. None: all processors.
    offline : bool
        Never touch the network.
    cache : str or None
        Folder of the feature cache, ``default``, or None to keep features in the run only.
    cache_limit : str or None
        Size such as ``20GB`` beyond which the least recently used features are removed. None:
        ``$HEADSTART_CACHE_LIMIT``, else 20 GB or half of the room on the disk, whichever is less.
    """

    group: ClassVar[str] = "Machine"

    device: Device = field(default="auto", metadata=option("Where networks run.", choices=DEVICES))
    threads: int | None = field(
        default=None, metadata=option("Threads and worker processes.", unset="all processors", **THREADS)
    )
    offline: bool = field(default=False, metadata=option(OFFLINE, by_hand=NETWORK_ACCESS, matters=True))
    cache: str | None = field(
        default="default",
        metadata=option(
            "Cache folder.",
            is_path=True,
            by_hand="where files are written",
            unset="$HEADSTART_CACHE or the user's",
            turned_off_by=("--no-cache", "Keep features in the run folder only."),
        ),
    )
    cache_limit: str | None = field(
        default=None,
        metadata=option(
            "Size beyond which the cache drops what was not used for longest.",
            metavar="SIZE",
            unset="$HEADSTART_CACHE_LIMIT, or 20GB",
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cache_limit is not None:
            from headstart.features.cache import parse_size

            parse_size(self.cache_limit)

    @property
    def n_worker_processes(self) -> int:
        """Number of worker processes: as many as threads are requested, else one for each processor."""
        from headstart.runtime.machine import available_processors

        return self.threads or available_processors()
