"""The machine that a fitted model predicts on: threads, images per forward pass, the cache of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.workflow.job.sources import open_cache

if TYPE_CHECKING:
    from headstart.model import Model
    from headstart.progress import Progress
    from headstart.workflow.options.machine import EngineOptions, MachineOptions


def model_on_machine(model: Model, machine: MachineOptions, engine: EngineOptions, progress: Progress) -> Model:
    """A model with the threads, the batch size and the cache that options name; what they leave open stays as it is.

    A cache that the model has already stays, too.

    Raises
    ------
    InputError
        When the network is quantised for batches of another size, or the limit of the cache is no size.
    """
    cache = model.cache or open_cache(machine.cache, limit=machine.cache_limit, progress=progress)
    return model.on_machine(threads=machine.threads, batch_size=engine.batch_size, cache=cache)
