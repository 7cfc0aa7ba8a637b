"""Successive halving: every trajectory briefly on one inner fold, the best share further, the best of those to the end.

The runner, which fits and scores, is a parameter. Only numbers of candidates, inner folds and epochs pass to it, and
only scores of inner validation rows come back: outer rows are out of reach.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from headstart.heads import HeadSpec
from headstart.metrics import find_metric
from headstart.storage import canonical_json
from headstart.study.search.halving.plan import Dropped, Halved, HalvingPlan, Request, Runner

if TYPE_CHECKING:
    from numpy.typing import NDArray


def trajectories(keys: Sequence[str], heads: Sequence[HeadSpec]) -> list[tuple[int, ...]]:
    """Candidates that differ in epochs alone, together, those of fewer epochs first.

    Parameters
    ----------
    keys : sequence of str
        Name of the features of each candidate.
    heads : sequence of HeadSpec
    """
    found: dict[str, list[int]] = {}
    for index, (key, head) in enumerate(zip(keys, heads, strict=True)):
        rest = {name: value for name, value in head.settings.items() if name != "epochs"}
        found.setdefault(canonical_json([key, head.kind, rest]), []).append(index)
    return [tuple(sorted(members, key=lambda index: _epochs(heads[index]))) for members in found.values()]


def _epochs(head: HeadSpec) -> int:
    return int(head.settings.get("epochs", 0))


@dataclass(eq=False)
class _State:
    """State of the halving between rungs; lists grow as rungs are run."""

    heads: Sequence[HeadSpec]
    n_folds: int
    sign: float
    run: Runner
    scores: NDArray[np.float64]
    rung: NDArray[np.int64]
    failed: NDArray[np.bool_]
    dropped: list[Dropped] = field(default_factory=list)
    fits: int = 0
    epochs: int = 0

    def ask(self, members: Sequence[tuple[int, ...]], folds: tuple[int, ...], epochs: int | None) -> dict[int, float]:
        """Run a request; remember scores at full epochs; mean score so far of every candidate asked for."""
        requested = tuple(index for trajectory in members for index in trajectory)
        if not requested or not folds:
            return {index: self._mean(index) for index in requested}
        found = np.asarray(self.run(Request(requested, folds, epochs)), dtype=np.float64)
        if found.shape != (len(requested), len(folds)):
            raise ValueError(f"the runner gave scores of shape {found.shape} for {len(requested)} x {len(folds)}")
        self._count(members, folds, epochs)
        means = {}
        for index, row in zip(requested, found, strict=True):
            self.failed[index] |= not np.isfinite(row).all()
            if epochs is None or _epochs(self.heads[index]) <= epochs:
                self.scores[index, list(folds)] = np.where(np.isfinite(row), row, np.nan)
                means[index] = self._mean(index)
            else:
                means[index] = float(row.mean())
        return means

    def _mean(self, index: int) -> float:
        seen = self.scores[index][~np.isnan(self.scores[index])]
        return float("nan") if self.failed[index] or not seen.size else float(seen.mean())

    def _count(self, members: Sequence[tuple[int, ...]], folds: tuple[int, ...], epochs: int | None) -> None:
        self.fits += len(members) * len(folds)
        for trajectory in members:
            longest = max(_epochs(self.heads[index]) for index in trajectory)
            self.epochs += (longest if epochs is None else min(longest, epochs)) * len(folds)

    def best(self, means: dict[int, float], trajectory: tuple[int, ...]) -> float:
        """Best mean score of a trajectory's candidates, larger is better; minus infinity where all failed."""
        known = [self.sign * means[index] for index in trajectory if index in means and np.isfinite(means[index])]
        return max(known, default=-math.inf)


def halve(
    heads: Sequence[HeadSpec], run: Runner, *, n_folds: int, metric: str, plan: HalvingPlan, keys: Sequence[str] = ()
) -> Halved:
    """Score candidates rung by rung, letting the best share of each kind pass.

    Kinds compete only among themselves: a dense head trained briefly says little beside one that needs no epochs.
    Equal scores let the earlier candidate pass. A trajectory whose every score failed never passes.

    Parameters
    ----------
    heads : sequence of HeadSpec
        Head of every candidate.
    run : callable
        See `Runner`.
    n_folds : int
        Inner folds there are.
    metric : str
        Name of the score, for its direction.
    plan : HalvingPlan
    keys : sequence of str
        Name of each candidate's features. Default: all the same.

    Returns
    -------
    Halved

    Raises
    ------
    InputError
        When the plan wants to see more inner folds than there are.
    """
    plan.check_folds(n_folds)
    n = len(heads)
    state = _State(
        heads,
        n_folds,
        1.0 if find_metric(metric).greater_is_better else -1.0,
        run,
        scores=np.full((n, n_folds), np.nan),
        rung=np.zeros(n, dtype=np.int64),
        failed=np.zeros(n, dtype=bool),
    )
    everything = trajectories(keys or [""] * n, heads)
    alive = _run_rungs(state, everything, plan)
    kept = tuple(sorted(index for trajectory in alive for index in trajectory))
    longest = sum(max(_epochs(heads[index]) for index in trajectory) for trajectory in everything)
    return Halved(
        kept,
        state.scores,
        state.rung,
        state.failed,
        tuple(state.dropped),
        (state.fits, len(everything) * n_folds),
        (state.epochs, longest * n_folds),
    )


def _run_rungs(state: _State, alive: list[tuple[int, ...]], plan: HalvingPlan) -> list[tuple[int, ...]]:
    """Trajectories alive after the last rung, which sees all folds."""
    complete: dict[tuple[int, ...], int] = {}  # folds seen to the end, by trajectory
    for rung, n_seen in enumerate((*plan.folds, state.n_folds)):
        last = rung == len(plan.folds)
        means: dict[int, float] = {}
        news = set(alive)  # trajectories that this rung tells something new of
        if rung == 0:
            means = _first_rung(state, alive, tuple(range(n_seen)), plan, complete)
        else:
            news = {trajectory for trajectory in alive if complete[trajectory] < n_seen}
            for done in sorted({complete[trajectory] for trajectory in alive}):
                members = [trajectory for trajectory in alive if complete[trajectory] == done]
                means |= state.ask(members, tuple(range(done, n_seen)), None)
                complete |= dict.fromkeys(members, n_seen)
        for trajectory in alive:
            state.rung[list(trajectory)] = rung
        if not last:
            alive = _pass_on(state, alive, means, keep=plan.keep, least=plan.least, rung=rung, news=news)
    return alive


def _first_rung(
    state: _State,
    alive: list[tuple[int, ...]],
    folds: tuple[int, ...],
    plan: HalvingPlan,
    complete: dict[tuple[int, ...], int],
) -> dict[int, float]:
    """The shortest candidate of every trajectory, no further than the plan's epochs."""
    shortest = [trajectory[:1] for trajectory in alive]
    means = state.ask(shortest, folds, plan.epochs)
    for trajectory in alive:
        reached = plan.epochs is None or _epochs(state.heads[trajectory[0]]) <= plan.epochs
        complete[trajectory] = len(folds) if reached and len(trajectory) == 1 else 0
        state.failed[list(trajectory)] = state.failed[trajectory[0]]  # the longer ones pass through the same epochs
    return means


def _pass_on(
    state: _State,
    alive: list[tuple[int, ...]],
    means: dict[int, float],
    *,
    keep: float,
    least: int,
    rung: int,
    news: set[tuple[int, ...]],
) -> list[tuple[int, ...]]:
    """The best share of each kind, in the old order; the others are noted as dropped.

    A kind of which the rung told nothing new (no epochs to go on with) passes as a whole, but for failures.
    """
    passing: set[tuple[int, ...]] = set()
    for kind in dict.fromkeys(state.heads[trajectory[0]].kind for trajectory in alive):
        members = [trajectory for trajectory in alive if state.heads[trajectory[0]].kind == kind]
        share = keep if news.intersection(members) else 1.0
        n_passing = min(len(members), max(least, math.ceil(share * len(members))))
        ranked = sorted(members, key=lambda trajectory: -state.best(means, trajectory))
        passing |= {trajectory for trajectory in ranked[:n_passing] if np.isfinite(state.best(means, trajectory))}
    for trajectory in alive:
        if trajectory not in passing:
            best = state.best(means, trajectory)
            state.dropped.append(Dropped(trajectory, rung, state.sign * best if np.isfinite(best) else float("nan")))
    return [trajectory for trajectory in alive if trajectory in passing]
