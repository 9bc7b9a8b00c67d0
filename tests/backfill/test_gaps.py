"""A hole in history: an outage, a quiet coin, one that was not listed, or a piece that was never fetched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from engine.backfill.checking import taken
from engine.backfill.closing import Closing
from engine.backfill.gaps import NOT_FETCHED, NOT_LISTED, OUTAGE, Gap
from engine.backfill.outliers import outliers
from engine.backfill.report import Report
from engine.backfill.wanted import Wanted
from engine.domain import micros
from engine.ports import BarColumns, Listing, Piece
from engine.store.history_gaps import QUIET
from tests.backfill.made import DAY, MINUTE, START, bars_of, without

HOURS = 48
COUNT = HOURS * 60


def thin(symbol: str, share: float, count: int = COUNT) -> BarColumns:
    """A coin that trades in a share of its minutes, mostly once."""
    bars = bars_of(symbol, count)
    chance = np.random.default_rng([*symbol.encode()])
    rows = np.flatnonzero(chance.random(count) < share)
    single = chance.random(count) < 0.6
    bars.high[single], bars.low[single] = bars.close[single], bars.close[single]
    bars.open[single] = bars.close[single]
    return taken(bars, rows)


def look(
    coins: Sequence[BarColumns],
    listings: Sequence[Listing] = (),
    left: Sequence[Piece] = (),
    until: datetime | None = None,
) -> tuple[list[Gap], Report]:
    end = until or START + COUNT * MINUTE
    wanted = Wanted("made", tuple(bars.symbol for bars in coins), START, end, coins[0].interval)
    closing = Closing(wanted, left)
    known = {one.symbol: one for one in listings}
    for bars in coins:
        closing.see(bars, known.get(bars.symbol, Listing(bars.symbol, bars.symbol)))
    report = Report(wanted)
    return closing.tell(report), report


def test_a_hole_that_all_coins_share_is_an_outage_and_a_lone_one_is_not() -> None:
    coins = [bars_of(symbol, COUNT) for symbol in ("A/USD", "B/USD", "C/USD", "D/USD", "E/USD")]
    coins = [without(bars, (600, 630)) for bars in coins]
    coins[1] = without(coins[1], (100, 104))

    gaps, report = look([*coins, without(thin("T/USD", 0.3), (0, 0))])

    outage = (START + 600 * MINUTE, START + 630 * MINUTE, 30)
    for bars in coins:
        mine = [(one.start, one.end, one.bars) for one in gaps if one.symbol == bars.symbol and one.cause == OUTAGE]
        assert mine == [outage]
    lone = [one for one in gaps if one.symbol == "B/USD" and one.cause == QUIET]
    assert [(one.start, one.bars) for one in lone] == [(START + 100 * MINUTE, 4)]
    assert report.symbols["A/USD"].gaps == {OUTAGE: (1, 30)}


def test_a_thin_coin_in_an_outage_has_both_reasons_one_after_the_other() -> None:
    brisk = [without(bars_of(symbol, COUNT), (600, 660)) for symbol in ("A/USD", "B/USD", "C/USD")]
    coin = without(thin("T/USD", 0.5), (0, 0))
    opened = (coin.time - coin.time[0]) // 60_000_000
    coin = taken(coin, np.flatnonzero((opened < 590) | (opened >= 670)))

    gaps, _ = look([*brisk, coin])

    around = [one for one in gaps if one.symbol == "T/USD" and START + 585 * MINUTE < one.end <= START + 680 * MINUTE]
    outage = next(one for one in around if one.cause == OUTAGE)
    assert (outage.start, outage.end) == (START + 600 * MINUTE, START + 660 * MINUTE)
    before, after = (
        next(one for one in around if one.end == outage.start),
        next(one for one in around if one.start == outage.end),
    )
    assert before.cause == after.cause == QUIET


def test_coins_that_are_all_thin_prove_no_outage() -> None:
    gaps, _ = look([thin(symbol, 0.3) for symbol in ("A/USD", "B/USD", "C/USD")])

    assert {one.cause for one in gaps} == {QUIET}


def test_a_coin_that_trades_all_the_time_tells_an_outage_alone() -> None:
    hours = bars_of("BTC/USD", 5000, step=timedelta(hours=1))

    gaps, _ = look([without(hours, (700, 701), (2000, 2006))], until=START + timedelta(hours=5000))

    assert [(one.cause, one.bars) for one in gaps] == [(OUTAGE, 1), (OUTAGE, 6)]


def test_before_the_first_day_and_after_the_last_a_coin_is_not_listed() -> None:
    coins = [bars_of("A/USD", COUNT), without(bars_of("B/USD", COUNT), (0, 600)), bars_of("C/USD", 900)]
    listing = Listing("B/USD", "B", first=START + 500 * MINUTE)

    gaps, _ = look(coins, [listing])

    told = [(one.symbol, one.cause, one.bars) for one in gaps]
    assert told == [("B/USD", NOT_LISTED, 500), ("B/USD", QUIET, 100), ("C/USD", NOT_LISTED, COUNT - 900)]


def test_what_was_never_fetched_is_not_called_quiet() -> None:
    bars = without(bars_of("A/USD", COUNT), (1440, 2880))

    gaps, _ = look([bars, bars_of("B/USD", COUNT)], left=[Piece("A 2", ("A/USD",), START + DAY, START + 2 * DAY)])

    assert [(one.cause, one.bars) for one in gaps] == [(NOT_FETCHED, 1440)]


def test_the_gaps_and_the_bars_of_a_coin_fill_the_range_without_overlap() -> None:
    coins = [thin(f"{name}/USD", share) for name, share in zip("ABCD", (0.1, 0.5, 0.9, 0.99), strict=True)]

    gaps, report = look([without(bars, (50, 90)) for bars in coins])

    for symbol, seen in report.symbols.items():
        mine = [one for one in gaps if one.symbol == symbol]
        assert seen.bars + sum(one.bars for one in mine) == COUNT
        assert all(one.end <= two.start for one, two in pairwise(mine))
        assert sum(bars for _, bars in seen.gaps.values()) == COUNT - seen.bars


def test_only_the_longest_gaps_without_trades_are_listed_and_the_others_counted() -> None:
    bars = bars_of("A/USD", 10_000)
    bars.high[::2] = bars.low[::2] = bars.open[::2] = bars.close[::2]
    rows = np.flatnonzero(np.arange(10_000) % 4 != 1)

    gaps, report = look([taken(bars, rows)], until=START + 10_000 * MINUTE)

    assert (len(gaps), report.unlisted) == (1000, 1500)
    assert report.gaps(QUIET) == (2500, 2500)


@pytest.mark.parametrize(("factor", "back", "kind"), [(1.3, True, "spike"), (0.6, True, "spike"), (1.3, False, "")])
def test_a_jump_that_comes_back_is_an_outlier_and_a_move_that_stays_is_none(
    factor: float, back: bool, kind: str
) -> None:
    bars = bars_of("A/USD", 2000)
    rows = slice(1000, 1001) if back else slice(1000, None)
    for column in (bars.open, bars.high, bars.low, bars.close):
        column[rows] *= factor

    found = [one for one in outliers(bars) if one.kind == "spike"]

    assert [one.kind for one in found] == ([kind] if kind else [])
    if found:
        assert found[0].at == START + 1000 * MINUTE
        assert found[0].move == pytest.approx(np.log(factor), abs=0.01)


def test_a_tick_far_out_within_a_bar_is_an_outlier() -> None:
    bars = bars_of("A/USD", 2000)
    bars.low[500] *= 0.5

    (found,) = outliers(bars)

    assert (found.kind, found.at) == ("wick", START + 500 * MINUTE)


def test_another_price_after_days_of_silence_may_be_another_coin() -> None:
    bars = bars_of("LUNA/USD", 6000)
    for column in (bars.open, bars.high, bars.low, bars.close):
        column[4000:] /= 5000

    (found,) = outliers(without(bars, (1000, 4000)))

    assert (found.kind, found.at) == ("break", START + 4000 * MINUTE)


def test_an_ordinary_walk_has_no_outliers() -> None:
    assert [*outliers(bars_of("A/USD", 20_000)), *outliers(thin("B/USD", 0.2))] == []


def test_where_everything_is_known_one_stretch_says_so_and_every_quiet_minute_lies_in_one() -> None:
    """Brisk coins tell an outage, a thin one has thousands of quiet minutes, a piece is missing, a row was refused."""
    brisk = [without(bars_of(symbol, COUNT), (600, 660)) for symbol in ("A/USD", "B/USD", "C/USD")]
    coin = without(thin("T/USD", 0.3), (0, 0))
    opened = (coin.time - micros(START)) // 60_000_000 - 1
    coin = taken(coin, np.flatnonzero(((opened < 600) | (opened >= 660)) & (opened != 2000)))
    left = [Piece("T 2", ("T/USD",), START + 1000 * MINUTE, START + 1200 * MINUTE)]
    wanted = Wanted("made", ("A/USD", "B/USD", "C/USD", "T/USD"), START, START + COUNT * MINUTE, MINUTE)
    closing = Closing(wanted, left)
    for bars in brisk:
        closing.see(bars, Listing(bars.symbol, bars.symbol))
    closing.see(coin, Listing("T/USD", "T"), [micros(START + 2000 * MINUTE)])
    report = Report(wanted)
    closing.tell(report)

    whole = [one for one in closing.whole if one.symbol == "T/USD"]
    covered = {place for one in whole for place in range((one.start - START) // MINUTE, (one.end - START) // MINUTE)}
    there = set((((coin.time - micros(START)) // 60_000_000) - 1).tolist())
    unknown = {*range(600, 660), *range(1000, 1200), 2000}
    assert covered - there == set(range(COUNT)) - there - unknown
    assert sum(one.bars for one in whole) == report.gaps(QUIET)[1]
    assert len(whole) <= 6
