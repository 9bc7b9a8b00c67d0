"""Market time: closed minutes and prints settle what waits for a price; silence raises an alarm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from engine.domain import Alarm, BarQuality, instant, micros
from engine.messages import Doubted, FeedChanged, Minute, Slice, Suspected
from engine.outcomes import AlarmCleared, AlarmRaised
from engine.trader import settling
from engine.trader.deciding import without_analysis
from engine.trader.events import apply, relevel
from engine.trader.memory import NEVER, Memory

MINUTE = timedelta(minutes=1)
_SETTLES = (BarQuality.GOOD, BarQuality.QUIET, BarQuality.HEALED)
_SLACK = timedelta(seconds=3)
_MOMENT = timedelta(microseconds=1)


def on_minute(desk: Memory, message: Minute) -> None:
    """Settle what prints did not cover, mark, and wait for the analysis. A minute that came before is ignored."""
    if message.at <= desk.last_minute:
        return
    desk.last_minute = message.at
    settling.settle(desk, message)
    if message.caught_up:
        _catch_up(desk, message)
        return
    if desk.waiting is not None:
        without_analysis(desk, desk.waiting, message.at)
    watched = desk.book.watched()
    start, end = micros(message.at - MINUTE), micros(message.at)
    rows = zip(
        message.symbols,
        message.open,
        message.high,
        message.low,
        message.close,
        message.volume,
        message.quality,
        strict=True,
    )
    for symbol, open_, high, low, close, volume, quality in rows:
        if symbol in watched and quality == BarQuality.QUIET:
            desk.book.cover(symbol, end)
        elif symbol in watched and quality in _SETTLES:
            apply(desk, desk.book.settle(symbol, start, end, open_, high, low, close, volume))
    relevel(desk, end)
    _note_closes(desk, message)
    desk.waiting = message


def _note_closes(desk: Memory, message: Minute) -> None:
    rows = zip(message.symbols, message.close, message.quality, strict=True)
    good = {symbol: (message.at, close) for symbol, close, quality in rows if quality in _SETTLES}
    desk.closes = {**desk.closes, **good}
    alive = message.at + (desk.plan.grace + _SLACK * desk.plan.stretch)
    for symbol in desk.book.watched():
        if symbol in good:
            _heard(desk, symbol, alive)


def _catch_up(desk: Memory, message: Minute) -> None:
    """A minute missed while down: it opens nothing; a stop crossed in it becomes due at the first live price."""
    watched = desk.book.watched()
    start, end = micros(message.at - MINUTE), micros(message.at)
    for symbol, high, low in zip(message.symbols, message.high, message.low, strict=True):
        if symbol in watched:
            apply(desk, desk.book.mark_missed(symbol, start, end, high, low))
    closes = dict(zip(message.symbols, message.close, strict=True))
    _mark_missed(desk, message.at, {symbol: closes[symbol] for symbol in desk.plan.symbols if symbol in closes})
    desk.closes = {**desk.closes, **{symbol: (message.at, close) for symbol, close in closes.items()}}


def _mark_missed(desk: Memory, at: datetime, closes: Mapping[str, float]) -> None:
    """Value the book as of then. A local midnight that passed while down begins the day at the equity it had: by the
    closes of that very instant, else by the last ones before it."""
    day = desk.plan.day(at)
    if desk.plan.day(at - _MOMENT) == day:
        apply(desk, desk.book.begin_day(day, micros(at)))
        desk.book.mark(closes)
    else:
        desk.book.mark(closes)
        apply(desk, desk.book.begin_day(day, micros(at)))


def on_slice(desk: Memory, message: Slice) -> None:
    """Prints of a watched symbol, or the quote that a market order waits for."""
    if message.symbol not in desk.book.watched():
        return
    _heard(desk, message.symbol, message.at)
    at = micros(message.last)
    apply(
        desk,
        desk.book.settle(
            message.symbol, at, at, message.open, message.high, message.low, message.close, message.volume
        ),
    )
    relevel(desk, at)
    _note_extremes(desk, message)
    desk.moved[message.symbol] = instant(desk.book.judged_until(message.symbol))


def _note_extremes(desk: Memory, message: Slice) -> None:
    """A new extreme moves a trailing stop at the next close, so its slice must be in the record."""
    if all(position.trailing is None for position in desk.book.positions(message.symbol)):
        return
    low, high = desk.extremes.get(message.symbol, (math.inf, -math.inf))
    if message.low < low or message.high > high:
        desk.extremes[message.symbol] = min(low, message.low), max(high, message.high)
        desk.matters = True


def on_feed_changed(desk: Memory, message: FeedChanged) -> None:
    """While a feed is down nothing is entered; exits wait for prices."""
    if message.symbols:
        change = desk.silent.difference_update if message.up else desk.silent.update
        change(message.symbols)
        return
    desk.feed_up, desk.feed_detail = message.up, message.detail


def on_suspected(_desk: Memory, _message: Suspected) -> None:
    """What was decided was decided on the bars there were; only the store looks at them again."""


def on_doubted(desk: Memory, message: Doubted) -> None:
    """Nothing is entered at a price that a second source contradicts; exits go on acting on the venue's own."""
    if message.doubtful:
        desk.doubted[message.symbol] = message.detail
    else:
        desk.doubted.pop(message.symbol, None)


def _heard(desk: Memory, symbol: str, at: datetime) -> None:
    desk.seen[symbol] = max(at, desk.seen.get(symbol, NEVER))
    alarm = desk.alarms.pop(_key(symbol), None)
    if alarm is not None:
        desk.say(AlarmCleared(alarm))


def _key(symbol: str) -> str:
    return f"prices:{symbol}"


def is_own(key: str) -> bool:
    """Whether an alarm is the Trader's own, which the health check must not clear."""
    return key.startswith("prices:")


def silences(desk: Memory) -> dict[str, datetime]:
    """When each held symbol will have been without prices for too long; those already said are left out."""
    return {
        symbol: (desk.seen.get(symbol) or instant(entered)) + desk.plan.silence
        for symbol, entered in desk.book.held_since().items()
        if _key(symbol) not in desk.alarms
    }


def check_silence(desk: Memory, symbol: str, due: datetime, at: datetime) -> None:
    """Raise the alarm when the prices of a held symbol stopped. Only its own timer asks: prints leave no row, so a
    replay must not find silence where the desk heard them."""
    if silences(desk).get(symbol, at + MINUTE) > at:
        return
    seconds = desk.plan.silence.total_seconds()
    words = f"{symbol} is held and has had no price for {seconds:.0f} s; its stop cannot be judged"
    alarm = Alarm(_key(symbol), "critical", words, due, mention=True, numbers={"seconds": seconds})
    desk.alarms[alarm.key] = alarm
    desk.say(AlarmRaised(alarm))


def forget_silence(desk: Memory, at: datetime) -> None:
    """A process starts: silence is counted from now."""
    desk.seen = {position.symbol: at for position in desk.book.positions()}


def judged(desk: Memory, symbol: str, until: datetime) -> None:
    """Prints up to `until` were judged and settled nothing; they have no row of their own."""
    desk.book.cover(symbol, micros(until))
