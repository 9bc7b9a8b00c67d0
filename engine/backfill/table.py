"""The closing report as a person reads it on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from engine.backfill.gaps import NOT_LISTED
from engine.backfill.report import Report
from engine.domain import instant

LINES = 12  # of each kind
_SAID = {NOT_LISTED: "before the source's first bar or after its last"}


def table(report: Report) -> str:
    """Several lines; the figures first, then what is worth a look."""
    return "\n".join([*_head(report), *_gaps(report), *_trouble(report), *_differences(report)])


def _head(report: Report) -> Iterator[str]:
    wanted = report.wanted
    said = f"{report.fate}{f': {report.why}' if report.why else ''}"
    span = f"{wanted.since:%Y-%m-%d %H:%M} to {wanted.until:%Y-%m-%d %H:%M} UTC"
    yield f"{wanted.source}, {wanted.interval_name} bars, {span}: {said}"
    earlier = f" ({report.before:,} by an earlier run)" if report.before else ""
    yield f"pieces      {report.before + report.done:,} of {report.pieces:,}{earlier}, {len(report.failed):,} failed"
    yield f"rows        {report.rows:,}: {report.new:,} new, {report.revised:,} revised, {report.same:,} as they were"
    if report.before:
        yield f"earlier     {report.earlier:,} rows by an earlier run, not asked for again (--again does)"
    if report.findings.kept:
        yield f"kept        {report.findings.kept:,} bars of other sources stay as they are (--replace takes them over)"
    rejected = ", ".join(f"{code} {count:,}" for code, count in report.rejected().items()) or "none"
    yield f"rejected    {rejected}"
    yield f"duplicates  {report.findings.duplicates:,}"
    rate = f", {report.rows / report.seconds:,.0f} rows a second" if report.seconds and not report.before else ""
    yield f"took        {report.seconds:,.1f} s{rate}"


def _gaps(report: Report) -> Iterator[str]:
    if not report.checked:
        return
    for symbol, one in report.symbols.items():
        if not one.bars:
            yield f"no bars     {symbol}"
    causes = sorted({cause for one in report.symbols.values() for cause in one.gaps})
    for cause in causes:
        count, bars = report.gaps(cause)
        symbol, (start, end, most) = max(
            ((symbol, one.longest[cause]) for symbol, one in report.symbols.items() if cause in one.longest),
            key=lambda item: item[1][2],
        )
        longest = f"longest {symbol} {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} ({most:,} bars)"
        yield f"gaps        {_SAID.get(cause, cause)}: {count:,} stretches, {bars:,} bars; {longest}"
    if not causes:
        yield "gaps        none"
    yield f"outliers    {len(report.outliers):,}"
    for odd in report.outliers[:LINES]:
        times = math.exp(abs(odd.move))
        yield f"            {odd.kind} of {odd.symbol}, {odd.at:%Y-%m-%d %H:%M}, to {odd.price:g} (×{times:.3g})"


def _trouble(report: Report) -> Iterator[str]:
    for symbol, why in report.absent.items():
        yield f"absent      {symbol}: {why}"
    reasons: dict[str, list[str]] = {}
    for key, why in report.failed.items():
        reasons.setdefault(why, []).append(key)
    for why, keys in list(reasons.items())[:LINES]:
        yield f"failed      {keys[0]}{f' and {len(keys) - 1:,} more' if len(keys) > 1 else ''}: {why}"
    for (_, code), (count, sentence) in list(report.findings.rejected.items())[:LINES]:
        yield f"rejected    {code} ×{count:,}, first: {sentence}"
    for note in report.findings.notes[:LINES]:
        yield f"note        {note}"


def _differences(report: Report) -> Iterator[str]:
    for (symbol, source), one in list(report.findings.differences.items())[:LINES]:
        apart = f"median {one.quantile(0.5):.2f} bp, p99 {one.quantile(0.99):.2f} bp, worst {one.worst:.1f} bp"
        at = f" at {instant(one.worst_at):%Y-%m-%d %H:%M}" if one.worst_at else ""
        yield f"against     {symbol} {source}: {one.bars:,} bars, {apart}{at}, volume ×{one.volume_ratio:.3f}"
