"""The compiled backtest: the desk's own `settle_slice` and `decide_minute` over rows of bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from engine.core.decide import decide_minute
from engine.core.events import REASONS
from engine.core.fills import fill_exit
from engine.core.intents import grant_all
from engine.core.jit import compiled, part
from engine.core.layout import ENTER, LEGS, NUMBERS
from engine.core.settle import settle_slice
from engine.core.state import State
from engine.core.usage import equity
from engine.domain import ExitReason

END = REASONS.index(ExitReason.END)
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
BLOCK = 32


@part
def load_wishes(st: State, wishes: Any, first: int, row: int) -> int:
    """Copy the wishes of `row` into the record; the index after them."""
    count = 0
    while first + count < len(wishes) and wishes[first + count]["row"] == row:
        wish = wishes[first + count]
        st.wish.cell[count] = wish["strategy"] * st.rule.n_symbols + wish["symbol"]
        st.wish.action[count] = wish["action"]
        st.wish.side[count] = wish["side"]
        st.wish.confidence[count] = wish["confidence"]
        st.wish.value[count] = wish["value"]
        if wish["action"] == ENTER:  # who leaves asks for nothing else
            st.wish.max_hold[count] = wish["max_hold"]
            st.wish.n_legs[count] = wish["n_legs"]
            st.wish.stop_distance[count] = wish["stop_distance"]
            st.wish.target_distance[count] = wish["target_distance"]
            st.wish.stop[count] = wish["stop"]
            st.wish.target[count] = wish["target"]
            st.wish.trailing[count] = wish["trailing"]
            st.wish.weight[count] = wish["weight"]
            st.wish.atr[count] = wish["atr"]
            st.wish.turnover[count] = wish["turnover"]
            for leg in range(wish["n_legs"]):
                st.wish.legs[count * LEGS + leg] = wish["legs"][leg]
        count += 1
    st.acct.n_wishes = count
    return first + count


@part
def drain(st: State, trades: Any, count: int) -> int:
    """Move closed trades from the events to `trades`; how many there are now."""
    for row in range(st.out.count):
        cell, base, trade = st.out.cell[row], row * NUMBERS, trades[count]
        trade["strategy"] = cell // st.rule.n_symbols
        trade["symbol"] = cell % st.rule.n_symbols
        trade["side"] = st.out.side[row]
        trade["exit_time"] = st.out.at[row]
        trade["reason"] = st.out.reason[row]
        trade["trade"] = st.out.trade[row]
        trade["slippage"] = st.out.slippage[row]
        trade["entry_price"] = st.out.numbers[base]
        trade["exit_price"] = st.out.numbers[base + 1]
        trade["entry_time"] = int(st.out.numbers[base + 2])
        trade["quantity"] = st.out.numbers[base + 3]
        trade["notional"] = st.out.numbers[base + 4]
        trade["fees"] = st.out.numbers[base + 5]
        trade["pnl"] = st.out.numbers[base + 6]
        trade["pnl_pct"] = st.out.numbers[base + 7]
        count += 1
    st.out.count = 0
    return count


@part
def settle_row(st: State, bars: Any, first: int, start: int, end: int) -> bool:
    """Every symbol's bar, from place `first` on; one within its triggers changes nothing. False: a price cannot be."""
    for s in range(st.rule.n_symbols):
        at = first + s
        close = bars[CLOSE, at]
        if math.isnan(close):
            st.sym.present[s] = 0
            continue
        if bars[LOW, at] > st.sym.low_trigger[s] and bars[HIGH, at] < st.sym.high_trigger[s]:
            st.sym.judged[s] = end
        elif bars[LOW, at] > 0.0:
            settle_slice(st, s, start, end, bars[OPEN, at], bars[HIGH, at], bars[LOW, at], bars[VOLUME, at])
        else:
            return False
        st.sym.present[s] = 1
        st.sym.close[s] = close
    return True


@part
def quiet_until(st: State, bars: Any, times: Any, first: int, last: int, interval: int) -> int:
    """The first row from `first` on that may change something for a lone symbol, at most `last`.

    A touch, a missing bar, a price at or below 0, a deadline; the caller bounds `last` by wishes and day edges.
    """
    if st.acct.losses_tripped != 0 or (st.rule.watches_equity == 1 and st.acct.n_open > 0):
        return first
    if st.acct.n_open > 0 or st.acct.n_orders > 0:
        for cell in range(st.rule.n_cells):
            last = _row_due(st, cell, times, first, last, interval)
    low, high = st.sym.low_trigger[0], st.sym.high_trigger[0]
    return max(first, first_touch(bars[LOW], bars[HIGH], first, last, low, high))


@part
def first_touch(lows: Any, highs: Any, first: int, last: int, low: float, high: float) -> int:
    """The first row whose bar is not within `low` and `high`, at most `last`.

    Block by block without a branch inside, which the compiler turns into vector instructions; then row by row.
    """
    while first + BLOCK <= last:
        low_part, high_part, outside = lows[first : first + BLOCK], highs[first : first + BLOCK], 0
        for i in range(BLOCK):
            outside += int(not low_part[i] > low) | int(not high_part[i] < high)
        if outside > 0:
            break
        first += BLOCK
    while first < last and lows[first] > low and highs[first] < high:
        first += 1
    return first


@part
def _row_due(st: State, cell: int, times: Any, first: int, last: int, interval: int) -> int:
    """The first row at whose close the cell's time exit or expiry may come; `last` when later or never."""
    if st.pos.side[cell] != 0:
        if st.plan.max_bars[cell] > 0:
            last = min(last, first + st.pos.entry_seen[cell] + st.plan.max_bars[cell] - 1 - st.sym.seen[0])
        if st.plan.max_hold[cell] > 0:
            last = _row_closing(times, st.pos.entry_time[cell] + st.plan.max_hold[cell] - interval, first, last)
    if st.ord.stage[cell] != 0 and st.ord.until[cell] > 0:
        last = _row_closing(times, st.ord.until[cell] - interval, first, last)
    return last


@part
def _row_closing(times: Any, since: int, first: int, last: int) -> int:
    """The first of the rows `first` to `last` that opens at `since` or later (bisection)."""
    while first < last:
        middle = (first + last) // 2
        if times[middle] < since:
            first = middle + 1
        else:
            last = middle
    return last


@part
def skip_rows(st: State, bars: Any, first: int, last: int, end: int) -> None:
    """Account for the quiet rows `first` to `last` (exclusive) at once."""
    st.sym.seen[0] += last - first
    st.sym.good[0] += last - first
    st.sym.present[0] = 1
    st.sym.judged[0] = end
    st.sym.close[0] = bars[CLOSE, last - 1]


@part
def draw(st: State, bars: Any, curve: Any, point: int, stride: int, row: int) -> int:
    """Points of the curve in the quiet rows before `row`, at their own closes; how many points there are then."""
    while (point + 1) * stride <= row:
        st.sym.close[0] = bars[CLOSE, (point + 1) * stride - 1]
        curve[point] = equity(st)
        point += 1
    return point


@compiled
def run_rows(
    box: Sequence[State],
    times: Any,
    bars: Any,
    edges: Any,
    wishes: Any,
    trades: Any,
    curve: Any,
    place: Any,
    last: int,
    interval: int,
    stride: int,
) -> None:
    """Rows from `place[0]` until `last`; `edges` are the rows whose close begins a day.

    `bars` is [field, row * symbols + symbol]: a lone symbol's lows lie side by side, and so do a row's.

    `place` is (row, next wish, trades, points, days) and moves on. Stops early when `trades` is nearly full (a row can
    close every cell twice) and before a bar whose price is impossible.
    """
    st = box[0]
    row, wish, count, point, day = place[0], place[1], place[2], place[3], place[4]
    room = len(trades) - st.rule.n_cells * 2
    while row < last and count < room:
        if st.rule.n_symbols == 1:
            stop = min(last, wishes[wish]["row"]) if wish < len(wishes) else last
            stop = min(stop, edges[day]) if day < len(edges) else stop
            stop = quiet_until(st, bars, times, row, stop, interval)
            if stop > row:
                point = draw(st, bars, curve, point, stride, stop)
                skip_rows(st, bars, row, stop, times[stop - 1] + interval)
                row = stop
                continue
        end = times[row] + interval
        if not settle_row(st, bars, row * st.rule.n_symbols, times[row], end):
            break
        if day < len(edges) and edges[day] == row:
            day += 1
        wish = load_wishes(st, wishes, wish, row)
        decide_minute(st, end, day)
        grant_all(st, end)
        if st.out.count > 0:
            count = drain(st, trades, count)
        if row == (point + 1) * stride - 1:
            curve[point] = equity(st)
            point += 1
        row += 1
    place[0], place[1], place[2], place[3], place[4] = row, wish, count, point, day


@compiled
def finish(box: Sequence[State], trades: Any, place: Any) -> None:
    """Close what is open at each symbol's last close."""
    st = box[0]
    for cell in range(st.rule.n_cells):
        if st.pos.side[cell] != 0:
            symbol = cell % st.rule.n_symbols
            fill_exit(st, cell, st.sym.judged[symbol], st.sym.close[symbol], st.pos.quantity[cell], END)
    place[2] = drain(st, trades, place[2])
