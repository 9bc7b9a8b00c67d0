"""What was asked of Massive and what it answered, by topic (`XT.BTC-USD`): nothing may stay silently empty."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from engine.domain import Symbol
from engine.market.symbols import Absent, find

log = logging.getLogger(__name__)

SOURCE = "massive"
TRADES, QUOTES, MINUTES, SECONDS = "XT", "XQ", "XA", "XAS"
WORDS = {TRADES: "trades", QUOTES: "quotes", MINUTES: "minute bars", SECONDS: "second bars"}
ALWAYS = (TRADES, QUOTES, MINUTES)
BATCH = 100  # topics in one request
ACK_WITHIN = timedelta(seconds=10)
TRIES = 3  # how often a topic is asked for that is never answered: one already held is not answered again

_TOPIC = re.compile(r"\b(XT|XQ|XAS|XA)\.(?:X:)?([A-Z0-9]+-[A-Z0-9]+)")
_CHANNEL = re.compile(r"\b(XT|XQ|XAS|XA)\b")

Topic = tuple[str, Symbol]


class Topics:
    """Requests to send, answers to come, refusals by topic. A new connection starts a new one.

    `pairs`: symbol → what Massive calls it.
    """

    def __init__(self, pairs: Mapping[Symbol, str]) -> None:
        self.symbols = tuple(pairs)
        self._pairs = dict(pairs)
        self.live: set[Topic] = set()
        self.refused: dict[Topic, str] = {}
        self._waiting: dict[Topic, tuple[datetime, int]] = {}

    def open(self, now: datetime) -> list[str]:
        """The requests of a connection that has just been let in."""
        return [request for channel in ALWAYS for request in self.ask([(channel, s) for s in self.symbols], now)]

    def ask(self, topics: Iterable[Topic], now: datetime) -> list[str]:
        """Subscribe; gives the `params` of each request."""
        asked = list(topics)
        for topic in asked:
            self._waiting[topic] = (now, self._waiting.get(topic, (now, 0))[1] + 1)
        names = [f"{channel}.{self._pairs[symbol]}" for channel, symbol in asked]
        return [",".join(names[at : at + BATCH]) for at in range(0, len(names), BATCH)]

    def overdue(self, now: datetime) -> list[str]:
        """Ask again for what was not answered in time; what is never answered is called refused."""
        late = [topic for topic, (asked, _) in self._waiting.items() if now - asked > ACK_WITHIN]
        given_up = [topic for topic in late if self._waiting[topic][1] >= TRIES]
        for topic in given_up:
            self._refuse([topic], f"no answer within {ACK_WITHIN.seconds} s, asked {TRIES} times")
        return self.ask([topic for topic in late if topic not in given_up], now)

    def accepted(self, message: str) -> list[Topic]:
        """Take `subscribed to: XT.BTC-USD`; gives the topics that it made live."""
        live = [topic for topic in _named(message) if topic in self._waiting]
        self.live.update(live)
        for topic in live:
            del self._waiting[topic]
            self.refused.pop(topic, None)
        return live

    def declined(self, message: str) -> list[Topic]:
        """Take an error. It may name topics, a channel, or nothing: then the oldest channel asked for is meant."""
        named = [topic for topic in _named(message) if topic in self._waiting]
        if not named:
            found = _CHANNEL.search(message)
            channel = found.group(1) if found else next((channel for channel, _ in self._waiting), "")
            named = [topic for topic in self._waiting if topic[0] == channel]
        if not named:
            log.warning("Massive answered %r to no request that is still open", message)
        self._refuse(named, message)
        return named

    def prices_of(self, symbol: Symbol) -> bool:
        """Whether anything that brings prices of `symbol` may still come."""
        return any((channel, symbol) not in self.refused for channel in (TRADES, MINUTES))

    def heard(self) -> frozenset[Symbol]:
        """The symbols of which Massive has said that it sends prices."""
        return frozenset(symbol for channel, symbol in self.live if channel in (TRADES, MINUTES))

    def why_not(self) -> dict[Symbol, str]:
        """Symbols that nothing brings prices of, with Massive's reason."""
        return {symbol: self.refused[(TRADES, symbol)] for symbol in self.symbols if not self.prices_of(symbol)}

    def _refuse(self, topics: Sequence[Topic], why: str) -> None:
        for topic in topics:
            self._waiting.pop(topic, None)
            self.refused[topic] = f"{WORDS[topic[0]]}: {why}"
        if topics:
            log.warning("Massive refused %s of %d symbols: %s", WORDS[topics[0][0]], len(topics), why)


def symbol_of(pair: str) -> Symbol:
    """The desk's symbol for `BTC-USD`; raises `ValueError` with the reason where it means none."""
    found = find(SOURCE, pair)
    if isinstance(found, Absent):
        raise ValueError(found.sentence)
    return found


def _named(message: str) -> list[Topic]:
    found = ((channel, find(SOURCE, pair)) for channel, pair in _TOPIC.findall(message))
    return [(channel, symbol) for channel, symbol in found if not isinstance(symbol, Absent)]
