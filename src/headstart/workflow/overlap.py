"""Images that weights of `headstart pretrain` were trained on with their labels, found again in the data of a fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from headstart.backbones.weights import RANDOM
from headstart.backbones.weights.provenance import MARK_LENGTH, read_image_marks
from headstart.progress import Progress
from headstart.study.search.space import Space
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.search_space import source_options
from headstart.workflow.preflight import AuditedDataset


def warned_of_overlap(audited: AuditedDataset, space: Space, options: FitOptions, progress: Progress) -> AuditedDataset:
    """The data set with a warning for every file of weights that was pretrained on some of its images.

    Such weights have seen labels of test images, so every score would flatter.
    """
    named = [source_options(options, source).weights for source in space.sources]
    found = []
    for path in dict.fromkeys(name for name in named if name not in (None, RANDOM)):
        marks = read_image_marks(Path(str(path)))
        hashes = audited.dataset.hashes or ()
        n_seen = sum(one[:MARK_LENGTH] in marks for one in hashes)
        if n_seen:
            found.append(
                f"{n_seen:,} of {len(hashes):,} images are among those that {Path(str(path)).name} was pretrained on, "
                "with their labels, so all scores flatter. Leave them out here, or pretrain without them."
            )
    for text in found:
        progress.note(text)
    return replace(audited, warnings=(*audited.warnings, *found))
