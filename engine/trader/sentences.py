"""What a refusal says to a person: one sentence per reason code, with the numbers that decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from engine.domain import Refusal, Symbol

_SENTENCES = {
    # the core's
    "IN_POSITION": "this strategy already holds a position in the symbol",
    "PENDING": "a proposal for this symbol is still waiting",
    "WORKING": "an entry order for this symbol is still working",
    "SIDE_OFF": "the strategy or the venue does not allow this side",
    "HELD": "new entries are held: {why}",
    "DAILY_LOSS": "the day's loss limit is reached (equity {equity:.2f}, the day began at {day_start:.2f})",
    "DRAWDOWN": "the drawdown limit is reached (equity {equity:.2f}, peak {peak:.2f})",
    "LOSSES": "{count:.0f} losses in a row; the limit is {limit:.0f}",
    "NOT_ENOUGH_GOOD_BARS": "only {good_bars:.0f} good minutes since the last gap; {needed:.0f} are needed",
    "NO_PRICE": "there is no price to size the entry with",
    "DATA": "this minute's bar is not good enough to enter on",
    "COOL_DOWN": "the symbol rests for another {seconds_left:.0f} s after its last trade",
    "NO_SLOT": "{used:.0f} of {limit:.0f} position slots are taken",
    "PER_COIN": "{used:.0f} of {limit:.0f} positions in this coin are taken",
    "NO_SIZE": "the sizing rule lacks its input (a volatility or a stop distance)",
    "NOT_LIQUID": "the coin is not among the {participants:.0f} most liquid",
    "MIN_ORDER": "an order of {notional:.2f} is below the venue's minimum",
    "EXPOSURE": "exposure {used:.2f} plus {wanted:.2f} would pass the limit of {limit:.2f}",
    "STRATEGY_CAPITAL": "the strategy uses {used:.2f} and wants {wanted:.2f}; its share is {limit:.2f}",
    "HEAT": "portfolio heat {used:.2%} plus {wanted:.2%} would pass the limit of {limit:.2%}",
    "NO_CASH": "{free:.2f} is free and {wanted:.2f} is wanted",
    "COSTS": "an expected {expected:.2%} does not cover {costs:.2%} of fee and slippage and a spread of {spread:.3%}",
    "BEYOND_STOP": "the price is at or beyond the stop or the target",
    "WORSE_PRICE": "the price {price:g} is worse than the {worst:g} that was approved",
    "NO_INTENT": "the proposal is gone",
    # the desk's own
    "NO_ANALYSIS": "the analyst did not answer in time, so this minute has no entries",
    "RESTING": "the symbol rests for {minutes:.0f} min after a card that was not approved",
    "FEED_DOWN": "the market feed is down, so nothing is entered",
    "DOUBTFUL": "two sources disagree about the price, so nothing is entered",
    "EXITS_ONLY": "the venue takes no new entries in this symbol",
    "BAD_BAR": "this minute's bar is {why}, and nothing is entered on one that is not good",
    "UNKNOWN_ORDER": "an order on this symbol has no known outcome yet; the venue is being asked",
    "STOPPING": "the desk is stopping and enters nothing",
    "CARDS_PER_HOUR": "{limit:.0f} cards went out within the hour; this one goes into the digest",
    "OPPOSITE_SIGNAL": "the opposite signal came",
}


class _Known(dict[str, float | str]):
    def __missing__(self, key: str) -> float:
        return float("nan")


def who(by: str | None) -> str:
    """An actor in a sentence: `@U0ADMIN` (which Slack turns into a name), `the console`, `the rule drawdown`."""
    if not by or by in ("console", "desk"):
        return f"the {by or 'desk'}"
    return f"the rule {by.removeprefix('rule:')}" if by.startswith("rule:") else f"@{by}"


def sentence_of(code: str, numbers: Mapping[str, float], why: str = "") -> str:
    """The sentence for a code. An unknown code reads as itself."""
    words = _SENTENCES.get(code, code.replace("_", " ").lower())
    return words.format_map(_Known({**numbers, "why": why or "the desk is not ACTIVE"}))


def refusal(
    code: str,
    at: datetime,
    strategy: str | None = None,
    symbol: Symbol | None = None,
    numbers: Mapping[str, float] | None = None,
    sentence: str = "",
) -> Refusal:
    """A refusal in words; `sentence` replaces the code's own."""
    known = dict(numbers or {})
    return Refusal(code, at, sentence or sentence_of(code, known), strategy, symbol, known)
