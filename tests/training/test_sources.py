"""Bars of files for a training: the newest history, at the playbook's interval, and what is not there."""

from datetime import timedelta

import pyarrow as pa
import pytest
from pyarrow import parquet

from engine.market.errors import BarsError
from engine.playbook import PlaybookError
from engine.training.sources import from_files, span_of, wanted, with_history
from tests.training.made import SMALL, walk


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path, tables = tmp_path_factory.mktemp("bars") / "bars.parquet", []
    for symbol, step in (("BTC", timedelta(seconds=30)), ("ETH", timedelta(seconds=30))):
        one = walk(symbol, 20, 1, step)
        opens = pa.array(one.time - 30_000_000).cast(pa.timestamp("us", tz="UTC"))
        columns = {name: getattr(one, name) for name in ("open", "high", "low", "close", "volume")}
        tables.append(pa.table({"symbol": [f"{symbol}USDT"] * len(opens), "time": opens, **columns}))
    parquet.write_table(pa.concat_tables(tables), path)
    return path


def test_shorter_bars_are_joined_to_the_playbooks_and_only_the_newest_history_is_taken(file):
    source = from_files(with_history(SMALL, 7), [file])
    assert {one.interval for one in source.bars} == {timedelta(minutes=1)}
    first, last = span_of(source)
    assert last - first == timedelta(days=7)
    assert all(one.time[0] % 60_000_000 == 0 for one in source.bars)


def test_coins_of_the_playbook_that_the_files_do_not_have_are_named(file):
    source = from_files(SMALL, [file])
    assert [one.symbol for one in source.bars] == ["BTC/USDT", "ETH/USDT"]
    assert source.absent["SOL/USD"] == "not in the files"
    assert "BTC/USD" not in source.absent


def test_a_coin_that_is_asked_for_and_not_there_is_an_error(file):
    with pytest.raises(BarsError, match="DOGE"):
        from_files(SMALL, [file], ["DOGE"])


def test_the_coins_to_learn_from_may_be_others_than_those_traded():
    other = SMALL.model_copy(update={"model": SMALL.model.model_copy(update={"universe": ("XMR/USD",)})})
    assert wanted(other, ()) == ("XMR/USD",)
    assert wanted(SMALL, ["eth"]) == ("ETH/USD",)


def test_a_history_that_cannot_be_is_refused_with_what_can():
    with pytest.raises(PlaybookError, match="7 d"):
        with_history(SMALL, 3)
