"""Features of every source of a fit, of the images and of their views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.features.cache import FeatureCache
from headstart.features.extract import extract_features
from headstart.features.views import extract_views
from headstart.workflow.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def extract_all(job: Job, cache: FeatureCache) -> tuple[NDArray[np.float32], ...]:
    """Features of every source, one after the other; networks that are done with are let go."""
    found = []
    for source in job.sources:
        found.append(extract_features(job.audited.dataset, source.extractor, cache=cache, progress=job.progress))
        source.extractor.release()
    if len(found) > 1 and job.audited.audit.candidates:
        job.progress.note(f"Near duplicates are confirmed by the features of {job.sources[0].spec.label}.")
    return tuple(found)


def extract_all_views(job: Job, cache: FeatureCache) -> tuple[dict[str, NDArray[np.float32]], ...]:
    """Features of the views of every policy, for every source; nothing where nothing is augmented."""
    wanted = job.views
    every = wanted.all()
    if not every:
        return ()
    place = {str(view.settings()): number for number, view in enumerate(every)}
    found = []
    for source in job.sources:
        rows = extract_views(job.audited.dataset, source.extractor, every, cache=cache, progress=job.progress)
        source.extractor.release()
        of_policy = {
            name: [place[str(view.settings())] for view in listed] for name, listed in wanted.of_policy.items()
        }
        found.append({name: _some_views(rows, numbers) for name, numbers in of_policy.items()})
    return tuple(found)


def _some_views(rows: NDArray[np.float32], numbers: list[int]) -> NDArray[np.float32]:
    """Views of one policy, as a slice where they lie side by side: large arrays stay in their file."""
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return rows[:, numbers[0] : numbers[0] + len(numbers)]
    return rows[:, numbers]
