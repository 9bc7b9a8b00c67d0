"""The benchmark of the desk under load counts the rows that lie on the disk, not those that a reader makes of them."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from engine.domain import micros
from engine.store.tick_journal import Journal, Tick
from engine.store.tick_segments import seal
from engine.store.ticks import FOLDER, read_ticks
from tests.e2e.desk import ROOT
from tests.store.worlds import START

SECOND = timedelta(seconds=1)


def tick(number: int, at: datetime, symbol: str = "BTC/USD") -> Tick:
    return Tick(micros(at), micros(at) + 900, "kraken", symbol, 100.0 + number, 0.5, 99.0, 101.0, number)


@pytest.mark.parametrize("sealed", [True, False])
def test_a_raw_trade_that_is_on_disk_twice_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "report", raising=False)
    import live_load

    folder = tmp_path / FOLDER / START.date().isoformat()
    folder.mkdir(parents=True)
    sent = [live_load.Trade("BTC/USD", START + k * SECOND, 100.0 + k, 0.5) for k in range(10)]
    journal, other = Journal(folder / "1.open"), Journal(folder / "2.open")
    journal.append([tick(k, START + k * SECOND) for k in range(10)])
    other.append([tick(4, START + 4 * SECOND)])
    for one in (journal, other):
        one.close()
    kept = live_load.Kept.of(tmp_path, sent)
    assert (kept.wrong, len(kept.on_the_way)) == (1, 11)
    if sealed:
        for one in (other, journal):
            assert seal(one.path)
        assert live_load.Kept.of(tmp_path, sent) == kept
    assert read_ticks(tmp_path, START.date(), "BTC/USD").time.size == 10, "the desk's own reader gives it once"
    assert live_load.Kept.of(tmp_path, [*sent, sent[4]]).wrong == 0
