"""`check`: the audit of a data set, near duplicates confirmed where a backbone is at hand."""

from __future__ import annotations

from typing import Any

from headstart.data.audit import audit_dataset
from headstart.errors import WeightsError
from headstart.features.engine import available_processors
from headstart.features.extract import extract_features
from headstart.progress import Progress, Silent
from headstart.workflow.inspect import Data, find_twins, open_cache, open_data, open_extractor, readable_part
from headstart.workflow.options import FitOptions


def check_data(
    data: Data, options: FitOptions | None = None, *, features: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Audit a data set without training on it.

    Parameters
    ----------
    data : path, DataSource or ImageDataset
    options : FitOptions, optional
        Backbone, engine and cache for the confirmation of near duplicates.
    features : bool
        Confirm near duplicates in feature space; False looks at the files only.
    progress : Progress, optional

    Returns
    -------
    dict
        The audit as in ``results.json``; ``twins`` is None where near duplicates were not confirmed.

    Raises
    ------
    DataError
        When the data set cannot be read at all. Unreadable images are listed, not raised.
    """
    options = options or FitOptions()
    progress = progress or Silent()
    dataset, _ = open_data(data)
    n_workers = options.n_threads or available_processors()
    audit = audit_dataset(dataset, n_workers=n_workers, progress=progress)
    found = audit.to_json()
    found["twins"] = None
    if features and audit.candidates:
        try:
            extractor = open_extractor(options)
        except WeightsError as error:
            found["warnings"].append(f"Near duplicates were not confirmed. {error}")
            return found
        readable = readable_part(dataset, audit)
        cache = open_cache(options.cache, progress=progress)
        computed = extract_features(readable, extractor, cache=cache, progress=progress)
        found["twins"] = find_twins(readable, audit, computed).to_json()
    return found
