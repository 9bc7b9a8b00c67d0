"""The table that a backtest prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from statistics import median

from engine.backtest.outputs import calmar
from engine.backtest.runner import Backtest
from engine.domain import ExitReason, TradeRecord
from engine.performance import Performance, Tally

_MOST_ROWS = 25
NO_SPREAD = "costs are fees and slippage; bars know no spread, which a live entry has to be worth as well"


def table(done: Backtest, measured: Performance) -> str:
    """The result as text of at most 100 columns."""
    span = f"{done.start:%Y-%m-%d %H:%M} to {done.end:%Y-%m-%d %H:%M} UTC"
    coins = ", ".join(done.symbols[:5]) + (f" and {len(done.symbols) - 5} more" if len(done.symbols) > 5 else "")
    head = [f"{done.playbook.name} on {coins}", f"{span}, {done.bars:,} bars of {_span(done.interval)}", ""]
    blocks = [*head, *_pairs(list(_figures(done, measured))), NO_SPREAD]
    if len(measured.by_symbol) > 1:
        blocks += ["", *_tallies("by coin", measured.by_symbol)]
    if len(measured.by_strategy) > 1:
        blocks += ["", *_tallies("by strategy", measured.by_strategy)]
    blocks += ["", *_tallies("by exit", measured.by_exit)]
    if done.refusals:
        refused = ", ".join(f"{code} {count:,}" for code, count in done.refusals.items())
        blocks += ["", f"refused    {refused}"]
    if thin := thin_stop(done.trades):
        blocks += ["", thin]
    return "\n".join(blocks)


def thin_stop(trades: Sequence[TradeRecord]) -> str:
    """A sentence when the stops lay nearer than what a round trip costs; "" otherwise."""
    stopped = [trade for trade in trades if trade.exit_reason is ExitReason.STOP]
    if not stopped:
        return ""
    away = median(abs(trade.exit_price / trade.entry_price - 1) for trade in stopped)
    costs = median(trade.fees / trade.notional for trade in stopped)
    said = f"note: the stop was {away:.2%} away (median), and a round trip costs {costs:.2%}: costs outweigh the stop"
    return said if away < costs else ""


def money(value: float | None) -> str:
    return "–" if value is None else f"{value:+,.2f}"


def _share(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.2%}"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _figures(done: Backtest, measured: Performance) -> Iterator[tuple[str, str]]:
    total, ratios, fall = measured.total, measured.ratios, measured.drawdown
    yield "trades", f"{total.trades:,}"
    yield "P&L after costs", money(total.pnl)
    yield "capital at start", f"{done.capital:,.2f}"
    yield "return", _share(measured.equity_return, "+")
    yield "buy and hold", _share(measured.benchmark_return, "+")
    yield "costs paid", f"{total.fees:,.2f}"
    yield "win rate", _share(total.win_rate)
    yield "profit factor", _ratio(total.profit_factor)
    yield "mean P&L a trade", money(total.expectancy)
    yield "mean win / loss", f"{money(total.average_win)} / {money(total.average_loss)}"
    yield f"Sharpe, a year ({ratios.period})" if ratios else "Sharpe", _ratio(ratios.sharpe if ratios else None)
    yield "Sortino", _ratio(ratios.sortino if ratios else None)
    yield "Calmar", _ratio(calmar(measured))
    yield "deepest drawdown", _share(fall.depth if fall else None)
    yield "time in the market", _share(measured.exposure)
    yield "mean holding time", _duration(measured.average_hold)
    yield "probability of an edge", _share(ratios.psr if ratios else None)
    yield "longest losing streak", f"{measured.losing_streak:,}"


def _pairs(figures: Sequence[tuple[str, str]]) -> list[str]:
    """Two figures a line."""
    half = (len(figures) + 1) // 2
    cells = [f"{name:<24}{value:>20}" for name, value in figures]
    right = [*cells[half:], ""][:half]
    return [f"{a}    {b}".rstrip() for a, b in zip(cells[:half], right, strict=True)]


def _tallies(title: str, tallies: Sequence[Tally]) -> list[str]:
    lines = [f"{title:<20}{'trades':>8}{'P&L':>16}{'mean':>12}{'win rate':>11}{'costs':>14}"]
    shown = tallies if len(tallies) <= _MOST_ROWS else [*tallies[:12], *tallies[-12:]]
    for number, one in enumerate(shown):
        if len(tallies) > _MOST_ROWS and number == 12:
            lines.append(f"  … {len(tallies) - 24} more in summary.json …")
        lines.append(
            f"{one.name:<20}{one.trades:>8,}{money(one.pnl):>16}{money(one.expectancy):>12}"
            f"{_share(one.win_rate):>11}{one.fees:>14,.2f}"
        )
    return lines


def _span(micros: int) -> str:
    seconds = micros // 1_000_000
    for size, word in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size} {word}"
    return f"{seconds} s"


def _duration(span: timedelta | None) -> str:
    if span is None:
        return "–"
    minutes = int(span.total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    return f"{days} d {hours} h" if days else f"{hours} h {rest} min" if hours else f"{rest} min"
