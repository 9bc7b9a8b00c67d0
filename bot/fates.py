"""What became of a signal, in a few words: from its card to the result of its trade."""

from __future__ import annotations

from collections.abc import Sequence

from bot.render import Words
from engine.domain import TradeRecord
from engine.outcomes import SignalSeen
from engine.snapshot import Fate, Snapshot

CARDED = "proposed"


def fate_lines(words: Words, snapshot: Snapshot, n: int) -> list[str]:
    """The last `n` lines of `/signals`, newest first. What came again and again and met the same "no" is one line."""
    return [_line(words, run, snapshot) for run in _runs(snapshot.signals)[-n:][::-1]]


def _runs(signals: Sequence[SignalSeen]) -> list[list[SignalSeen]]:
    """Signals, oldest first, those together that repeat the one before of their strategy and coin."""
    runs: dict[tuple[str, str], list[SignalSeen]] = {}
    done: list[list[SignalSeen]] = []
    for seen in signals:
        cell = (seen.signal.strategy, seen.signal.symbol)
        before = runs.get(cell)
        if before is not None and (seen.refusal or seen.fate == "observed") and _kind(before[-1]) == _kind(seen):
            before.append(seen)
        else:
            runs[cell] = [seen]
            done.append(runs[cell])
    return sorted(done, key=lambda run: run[-1].signal.at)


def _kind(seen: SignalSeen) -> tuple[str, str, str]:
    return seen.signal.action, seen.fate, seen.refusal.code if seen.refusal else ""


def _line(words: Words, run: Sequence[SignalSeen], snapshot: Snapshot) -> str:
    seen = run[-1]
    return words.line(
        "signals",
        "line",
        signal=seen.signal,
        fate=seen.fate,
        refusal=seen.refusal,
        story=_fate(seen, snapshot),
        trade=_ended(seen, snapshot),
        times=len(run),
        since=run[0].signal.at,
    )


def _fate(seen: SignalSeen, snapshot: Snapshot) -> Fate | None:
    """The card that the signal opened: the last one that began no later."""
    if seen.fate != CARDED:
        return None
    signal = seen.signal
    own = [fate for fate in snapshot.fates.values() if (fate.strategy, fate.symbol) == (signal.strategy, signal.symbol)]
    return max((fate for fate in own if fate.signal_at <= signal.at), key=lambda fate: fate.signal_at, default=None)


def _ended(seen: SignalSeen, snapshot: Snapshot) -> TradeRecord | None:
    """The trade that an exit signal closed; None while its order is on the way."""
    signal = seen.signal
    if seen.fate != "exit":
        return None
    own = (one for one in snapshot.trades if (one.strategy, one.symbol) == (signal.strategy, signal.symbol))
    return next((one for one in own if one.exit_time >= signal.at), None)
