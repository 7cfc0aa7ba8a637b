"""The result in one sentence."""

from __future__ import annotations

from headstart.metrics import Evaluation, find_metric
from headstart.results.models.run_results import HeadlineFacts
from headstart.study.out_of_fold import HEADLINE


def headline(
    evaluation: Evaluation, size: str, *, random_weights: bool, has_network: bool = True, provisional: bool = False
) -> HeadlineFacts:
    """The result in one sentence, and the number it stands on; `size` says of how many images."""
    main = evaluation.metrics[HEADLINE].to_json()
    scores = "; ".join(_worded(name, evaluation) for name in (HEADLINE, "accuracy", "roc_auc"))
    text = f"{scores[0].upper()}{scores[1:]}; {size}, 95 % intervals."
    if random_weights:
        text = f"Random weights, no transfer learning. {text}"
    if not has_network:
        text = f"An array of the user's own, no network. {text}"
    if provisional:
        text = f"Provisional, of one head on one holdout. {text}"
    return HeadlineFacts(metric=HEADLINE, value=main["value"], ci95=main["ci95"], text=text, verdict=None)


def _worded(name: str, evaluation: Evaluation) -> str:
    estimate = evaluation.metrics[name].to_json()
    title = find_metric(name).title
    title = title if title[:3].isupper() else title[0].lower() + title[1:]
    if estimate["value"] is None:
        return f"{title} undefined"
    if estimate["ci95"] is None:
        return f"{title} {estimate['value']:.3f}"
    low, high = estimate["ci95"]
    return f"{title} {estimate['value']:.3f} ({low:.3f} to {high:.3f})"
