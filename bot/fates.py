"""What became of a signal, in a few words: from its card to the result of its trade."""

from __future__ import annotations

from bot.render import Words
from engine.domain import TradeRecord
from engine.outcomes import SignalSeen
from engine.snapshot import Fate, Snapshot

CARDED = ("proposed", "refreshed")


def fate_line(words: Words, seen: SignalSeen, snapshot: Snapshot) -> str:
    """One line of `/signals`."""
    return words.line(
        "signals",
        "line",
        signal=seen.signal,
        fate=seen.fate,
        refusal=seen.refusal,
        story=_fate(seen, snapshot),
        trade=_ended(seen, snapshot),
    )


def _fate(seen: SignalSeen, snapshot: Snapshot) -> Fate | None:
    """The card that the signal opened, or renewed: the last one that began no later."""
    if seen.fate not in CARDED:
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
