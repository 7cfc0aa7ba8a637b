"""The demonstration: 2,624 real electroluminescence images of solar cells, healthy or defective."""

from __future__ import annotations

import os

from headstart.progress import Progress
from headstart.samples.solar_cells import INPUT_SIZE, protocol, solar_cells
from headstart.workflow.fit import Run, fit
from headstart.workflow.options.fit import FitOptions


def run_demo(
    output: str | os.PathLike[str],
    *,
    cache: str | None = "default",
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Run:
    """Fit on the solar cells with weights that a package ships; nothing is downloaded.

    Protocol A of the benchmark: a cell is defective when its probability of a defect is above one half.

    Parameters
    ----------
    output : path
        The run folder.
    cache, n_threads
        As in `FitOptions`.
    progress : Progress, optional

    Raises
    ------
    DataError
        When the package with the images is not installed.
    """
    dataset = protocol(solar_cells(), "A").dataset
    options = FitOptions(input_size=INPUT_SIZE, positive="defective", cache=cache, n_threads=n_threads, offline=True)
    return fit(dataset, output, options, progress=progress)
