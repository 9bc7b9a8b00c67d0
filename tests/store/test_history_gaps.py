"""What a source does not have, told again and again for stretches that overlap: always as it was told last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.store.database import Database
from engine.store.history_gaps import PastGap, read_past_gaps, replace_gaps

_SINCE = datetime(2025, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_CAUSES = ("", "no trades", "venue outage")  # "": there is a bar

_TOLD = st.tuples(st.integers(0, 40), st.lists(st.sampled_from(_CAUSES), min_size=1, max_size=20), st.booleans())


def _gaps(symbol: str, first: int, causes: list[str]) -> Iterator[PastGap]:
    for cause, group in groupby(enumerate(causes, first), key=lambda item: item[1]):
        places = [place for place, _ in group]
        if cause:
            yield PastGap(symbol, _SINCE + places[0] * _MINUTE, _SINCE + (places[-1] + 1) * _MINUTE, cause)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_TOLD, min_size=1, max_size=8))
def test_every_minute_has_the_reason_that_was_told_last(
    database: Database, told: list[tuple[int, list[str], bool]]
) -> None:
    truth: dict[str, dict[int, str]] = {"BTC/USD": {}, "ETH/USD": {}}
    with database.connect() as connection:
        connection.execute("DELETE FROM gaps")
        for first, causes, other in told:
            symbol = "ETH/USD" if other else "BTC/USD"
            since, until = _SINCE + first * _MINUTE, _SINCE + (first + len(causes)) * _MINUTE
            for _ in range(2):  # saying it again changes nothing
                gaps = list(_gaps(symbol, first, causes))
                assert replace_gaps(connection, "live", "vendor", [symbol], since, until, gaps) == len(gaps)
            truth[symbol] |= dict(enumerate(causes, first))
        for symbol, minutes in truth.items():
            found: dict[int, str] = {}
            for gap in read_past_gaps(connection, "live", "vendor", symbol):
                places = range(int((gap.start - _SINCE) / _MINUTE), int((gap.end - _SINCE) / _MINUTE))
                assert places
                assert not found.keys() & set(places)  # no minute twice
                found |= dict.fromkeys(places, gap.cause)
            assert found == {place: cause for place, cause in minutes.items() if cause}


def test_markets_sources_and_desks_do_not_meet(database: Database) -> None:
    gap = PastGap("BTC/USD", _SINCE, _SINCE + _MINUTE, "no trades")
    with database.connect() as connection:
        for market, feed in (("live", "a"), ("live", "b"), ("simulated:D1", "a")):
            replace_gaps(connection, market, feed, ["BTC/USD"], _SINCE, _SINCE + _MINUTE, [gap])
        replace_gaps(connection, "live", "a", ["BTC/USD"], _SINCE, _SINCE + _MINUTE, [])
        assert read_past_gaps(connection, "live", "a", "BTC/USD") == []
        assert read_past_gaps(connection, "live", "b", "BTC/USD") == [gap]
        assert read_past_gaps(connection, "simulated:D1", "a", "BTC/USD") == [gap]
