"""Numbers as people read them: the same few rules in every table, figure and sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from headstart.report.locale.messages import mark, tr
from headstart.results.models.base import Part

MISSING: Final = mark("n/a")
"""Stands for what there is not; `missing` gives it in the language of the report."""


def missing() -> str:
    """What stands for what there is not."""
    return tr(MISSING)


def undefined() -> str:
    """Word for a score that the judged images do not define."""
    return tr("undefined")


def score(value: float | None) -> str:
    """A score with three decimals; four significant digits from 10 on; `MISSING` where there is none.

    >>> score(0.91249), score(12.3456), score(None)
    ('0.912', '12.35', 'n/a')
    """
    if value is None:
        return missing()
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def interval(bounds: Sequence[float] | None) -> str:
    """A pair of bounds in words.

    >>> interval([0.8944, 0.9271]), interval(None)
    ('0.894 to 0.927', 'n/a')
    """
    return missing() if bounds is None else _span(score(bounds[0]), score(bounds[1]))


def _span(low: str, high: str) -> str:
    return tr("{low} to {high}", low=low, high=high)


def judged(value: float | None) -> str:
    """A score of predictions, which the judged images may leave undefined.

    >>> judged(0.91249), judged(None)
    ('0.912', 'undefined')
    """
    return undefined() if value is None else score(value)


def interval_of(value: float | None, bounds: Sequence[float] | None) -> str:
    """Interval of a score, undefined where the score is; `MISSING` where a score has none.

    >>> interval_of(0.9, [0.8, 0.95]), interval_of(None, None), interval_of(0.1, None)
    ('0.800 to 0.950', 'undefined', 'n/a')
    """
    return undefined() if value is None else interval(bounds)


def difference(value: float | None, bounds: Sequence[float] | None) -> tuple[str, str]:
    """A difference of scores with its sign, and its interval.

    >>> difference(0.03, [-0.01, 0.07]), difference(None, None), difference(0.03, None)
    (('+0.030', '-0.010 to +0.070'), ('undefined', 'undefined'), ('+0.030', 'n/a'))
    """
    if value is None:
        return undefined(), undefined()
    return f"{value:+.3f}", missing() if bounds is None else _span(f"{bounds[0]:+.3f}", f"{bounds[1]:+.3f}")


def p_value(value: float | None) -> str:
    """A p value with three decimals, and what is too small for them as a bound.

    >>> p_value(0.0171), p_value(0.00018).split(), p_value(None)
    ('0.017', ['<', '0.001'], 'n/a')
    """
    return score(value) if value is None or value >= 0.0005 else "<\N{NO-BREAK SPACE}0.001"


class Scored(Protocol):
    """A score with its 95 % interval, where it has them."""

    @property
    def value(self) -> float | None:
        """The score."""

    @property
    def ci95(self) -> tuple[float, float] | None:
        """Both ends of its interval."""


def estimate(entry: Scored) -> str:
    """A value with its interval, as ``results.json`` holds it.

    >>> from headstart.results.models.estimates import PlainEstimate
    >>> estimate(PlainEstimate(value=0.912, ci95=(0.894, 0.927))), estimate(PlainEstimate(value=0.03, ci95=None))
    ('0.912 (0.894 to 0.927)', '0.030')
    """
    return judged(entry.value) + (f" ({interval(entry.ci95)})" if entry.ci95 else "")


def percent(fraction: float) -> str:
    """A share of one as a percentage; the space does not break.

    >>> percent(0.3141).split()
    ['31.4', '%']
    """
    return f"{100 * fraction:.1f}\N{NO-BREAK SPACE}%"


def count(number: float) -> str:
    """A count with thousands set apart; one decimal where weights or repeats made it fractional.

    >>> count(2624), count(12.5), count(12.0)
    ('2,624', '12.5', '12')
    """
    return f"{number:,.0f}" if abs(number - round(number)) < 5e-7 * max(1.0, abs(number)) else f"{number:,.1f}"


def duration(seconds: float) -> str:
    """A time span at a sensible grain.

    >>> duration(0.42), duration(41.7), duration(125), duration(7325)
    ('0.4 s', '42 s', '2 min 5 s', '2 h 2 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def listed(items: Sequence[str], *, limit: int = 8) -> str:
    """Items joined for a sentence, the tail counted beyond `limit`.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], limit=2)
    ('a, b and c', 'a, b and 2 more')
    """
    shown = [*items] if len(items) <= limit else [*items[:limit], tr("{n_more} more", n_more=f"{len(items) - limit:,}")]
    return tr("{first} and {last}", first=", ".join(shown[:-1]), last=shown[-1]) if len(shown) > 1 else "".join(shown)


def plain(value: object) -> str:
    """Any JSON value on one line, for settings and machine facts.

    >>> plain({"alpha": 0.5, "layers": [1, 2], "bias": True})
    'alpha=0.5, layers=[1, 2], bias=yes'
    """
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if value is None:
        return tr("none")
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_nested(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_nested(item) for item in value) + "]"
    return str(value)


def fields_of(part: Part) -> dict[str, Any]:
    """The fields of a part of the results that hold something, in the order of their names."""
    return {key: value for key, value in _in_order(part.model_dump(mode="json")).items() if value not in ("", None)}


def _in_order(value: Any) -> Any:
    return {key: _in_order(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


def _nested(value: object) -> str:
    return f"({plain(value)})" if isinstance(value, Mapping) else plain(value)


def words(key: str) -> str:
    """A JSON key as words.

    >>> words("feature_width"), words("n_images")
    ('feature width', 'number of images')
    """
    return re.sub("^n_", "number of ", key).replace("_", " ")


def fold_name(repeat: int, fold: int, n_repeats: int) -> str:
    """Fold counted from one, after its repeat where there are several.

    >>> fold_name(0, 2, 1), fold_name(1, 2, 3)
    ('3', '2.3')
    """
    return str(fold + 1) if n_repeats == 1 else f"{repeat + 1}.{fold + 1}"
