"""What was asked of Kraken and what it answered, per channel and symbol: nothing may stay silently empty."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engine.domain import Symbol

log = logging.getLogger(__name__)

ALL = ""  # stands for the symbols of a channel that has none of its own
BATCH = 50  # symbols in one request
ACK_WITHIN = timedelta(seconds=10)
RATE_PAUSE = timedelta(seconds=5)  # after the first "Exceeded msg rate"; each further one doubles it
RATE_PAUSE_MOST = timedelta(seconds=60)
RATE_SPACING = timedelta(seconds=1)  # between requests once the venue has complained

Request = dict[str, Any]
Key = tuple[str, Symbol]


@dataclass(frozen=True, slots=True)
class Channel:
    """One subscription: its name and the parameters beside the symbols."""

    name: str
    params: Mapping[str, Any]
    essential: bool = True  # without it the symbol cannot be traded
    by_symbol: bool = True


class Subscriptions:
    """Requests to send, acknowledgements to come, refusals by symbol. A new connection starts a new one."""

    def __init__(
        self, channels: Sequence[Channel], symbols: Sequence[Symbol], names: Mapping[Symbol, str] | None = None
    ) -> None:
        """`names`: what the venue calls a symbol where that is not the desk's own name."""
        self.channels = {channel.name: channel for channel in channels}
        self.waiting: dict[Key, datetime] = {}
        self.acked: set[Key] = set()
        self.refused: dict[Symbol, str] = {}
        self._symbols = tuple(symbols)
        self._names = dict(names or {})
        self._meant_by = {name: symbol for symbol, name in self._names.items()}
        self._requests: dict[int, tuple[str, tuple[Symbol, ...]]] = {}
        self._request_id = 0
        self._again: dict[Key, None] = {}
        self._complaints = 0
        self._unsure = False  # the venue dropped requests and did not say which
        self._pause_until: datetime | None = None

    def open(self, now: datetime) -> list[Request]:
        """The requests of a fresh connection."""
        return [request for name in self.channels for request in self.ask(name, self._symbols, now)]

    def ask(self, channel: str, symbols: Sequence[Symbol], now: datetime) -> list[Request]:
        """Subscribe `symbols`, in batches."""
        if not self.channels[channel].by_symbol:
            symbols = (ALL,)
        self.waiting.update({(channel, symbol): now for symbol in symbols})
        self.acked.difference_update((channel, symbol) for symbol in symbols)
        return [self._request("subscribe", channel, symbols[at : at + BATCH]) for at in range(0, len(symbols), BATCH)]

    def renew(self, channel: str, symbol: Symbol, now: datetime) -> list[Request]:
        """Drop a subscription and ask for it again: the venue then sends a fresh snapshot."""
        return [self._request("unsubscribe", channel, (symbol,)), *self.ask(channel, (symbol,), now)]

    def overdue(self, now: datetime) -> list[Request]:
        """Ask again for what was not answered in time, once a pause that the venue wished is over.

        A venue that has complained of too many messages is sent one request at a time from then on.
        """
        if self._pause_until and now < self._pause_until:
            return []
        late = [key for key, asked in self.waiting.items() if self._unsure or now - asked > ACK_WITHIN]
        self._again = {key: None for key in (*self._again, *late) if key in self.waiting}
        self._unsure, self._pause_until = False, None
        requests: list[Request] = []
        while self._again and not (requests and self._complaints):
            requests += self._ask_again(now)
        if self._again:
            self._pause_until = now + RATE_SPACING
        return requests

    def _ask_again(self, now: datetime) -> list[Request]:
        """One request of what is to be asked again."""
        channel = next(iter(self._again))[0]
        keys = [key for key in self._again if key[0] == channel][:BATCH]
        for key in keys:
            del self._again[key]
        return self.ask(channel, [symbol for _, symbol in keys], now)

    def answer(self, frame: Mapping[str, Any], now: datetime) -> tuple[Key, ...]:
        """Take one acknowledgement of a subscribe; returns the (channel, symbol) pairs that it made live."""
        error = frame.get("error") or frame.get("Error")
        if error is None and frame.get("success") is True:
            result = frame["result"]
            return self._live([(str(result["channel"]), self._symbol(str(result.get("symbol", ALL))))])
        return self._refuse(frame, str(error or "refused without a reason"), now)

    def live(self, channel: str) -> frozenset[Symbol]:
        """The symbols whose subscription the venue has acknowledged."""
        return frozenset(symbol for name, symbol in self.acked if name == channel)

    def _request(self, method: str, channel: str, symbols: Sequence[Symbol]) -> Request:
        self._request_id += 1
        self._requests[self._request_id] = (channel, tuple(symbols))
        params = {"channel": channel, **self.channels[channel].params}
        if self.channels[channel].by_symbol:
            params["symbol"] = [self._names.get(symbol, symbol) for symbol in symbols]
        if method == "unsubscribe":
            params.pop("snapshot", None)
        return {"method": method, "params": params, "req_id": self._request_id}

    def _symbol(self, name: str) -> Symbol:
        return self._meant_by.get(name, name)

    def _live(self, keys: Iterable[Key]) -> tuple[Key, ...]:
        live = tuple((channel, symbol) for channel, symbol in keys if (channel, symbol) in self.waiting)
        self.acked.update(live)
        for key in live:
            self.waiting.pop(key, None)
        return live

    def _refuse(self, frame: Mapping[str, Any], error: str, now: datetime) -> tuple[Key, ...]:
        if re.search(r"\brate\b", error, re.IGNORECASE):
            self._complain(error, now)
            return ()
        keys = self._meant(frame)
        if "already subscribed" in error.lower():
            return self._live(keys)
        for channel, symbol in keys:
            self.waiting.pop((channel, symbol), None)
            if self.channels[channel].essential and symbol != ALL:
                self.refused[symbol] = f"{channel}: {error}"
            log.warning("Kraken refused %s of %s: %s", channel, symbol, error)
        if not keys:
            log.warning("Kraken answered %r to no request that is still open", error)
        return ()

    def _complain(self, error: str, now: datetime) -> None:
        """The venue was sent too much. Complaints about the requests of one moment count once."""
        self._complaints += not self._unsure
        self._unsure = True
        pause = min(RATE_PAUSE * 2 ** (self._complaints - 1), RATE_PAUSE_MOST)
        self._pause_until = now + pause
        log.warning("Kraken says %r: asking again for %d subscriptions in %s", error, len(self.waiting), pause)

    def _meant(self, frame: Mapping[str, Any]) -> list[Key]:
        """Which open requests an error is about. It may name a request, a symbol, both or neither.

        A symbol without a request means all that is open for it: acknowledgements of one pair come together.
        """
        request, symbol = frame.get("req_id"), frame.get("symbol")
        channel, symbols = self._requests.get(request, (None, ())) if isinstance(request, int) else (None, ())
        wanted = (self._symbol(symbol),) if isinstance(symbol, str) else symbols
        return [key for key in self.waiting if key[1] in wanted and channel in (None, key[0])]
