"""The real recorded streams: every line is counted, and what is delivered is what the file has, read offline."""

import asyncio
import json
from collections import Counter

import pandas as pd
import pyarrow as pa
import pytest

from engine.domain import micros
from tests.market.data import market_data
from tests.market.replaying import replayed

BINANCE = "streams/hft_spot_btcusdt_20240808.jsonl.zst"
KRAKEN_V1 = "streams/cryptofeed_KRAKEN.ws.50.0.txt.zst"
KRAKEN_V2 = "streams/kraken_v2_btcusd_book25.jsonl"


def lines_of(name):
    with pa.input_stream(str(market_data(name)), compression="zstd" if name.endswith(".zst") else None) as stream:
        return stream.read().decode().splitlines()


def after_the_stamp(line):
    return json.loads(line[min(line.find(mark) for mark in "{[" if mark in line) :])


@pytest.fixture(scope="module")
def binance_replay():
    return asyncio.run(replayed(market_data(BINANCE)))


def binance_kind(frame):
    return frame["data"].get("e", "bookTicker") if "data" in frame else "depth snapshot"


def test_every_line_of_the_binance_record_is_a_print_a_quote_or_counted_depth(binance_replay):
    frames = [after_the_stamp(line) for line in lines_of(BINANCE)]
    trades = [frame["data"] for frame in frames if binance_kind(frame) == "trade"]
    quotes = [frame["data"] for frame in frames if binance_kind(frame) == "bookTicker"]
    feed, sink, account = binance_replay
    assert account.lines == Counter(map(binance_kind, frames))
    assert sum(account.lines.values()) == 41_249
    assert (account.prints, account.quotes) == (len(trades), len(quotes)) == (9_757, 28_040)
    assert (account.late_prints, account.lost_prints, account.set_aside) == (0, 0, {})
    assert [(p.symbol, p.trade_id, micros(p.at), p.price, p.quantity, p.side) for p in sink.prints] == [
        ("BTC/USDT", t["t"], t["T"] * 1_000, float(t["p"]), float(t["q"]), "sell" if t["m"] else "buy") for t in trades
    ]
    assert [(q.bid, q.ask) for q in sink.quotes] == [(float(q["b"]), float(q["a"])) for q in quotes]
    assert feed.symbols == ("BTC/USDT",)


def test_the_binance_record_has_the_trades_and_quotes_that_others_read_from_it(binance_replay):
    trades = pd.read_parquet(market_data("ticks/ticks_binance_trades_20240808.parquet"))
    quotes = pd.read_parquet(market_data("ticks/ticks_binance_bbo_20240808.parquet"))
    _, sink, _ = binance_replay
    last = int(lines_of(BINANCE)[-1].split()[0]) // 1_000
    trades, quotes = (
        table[(table["symbol"] == "spot:BTCUSDT") & (table["recv_us"] <= last)] for table in (trades, quotes)
    )
    assert [p.trade_id for p in sink.prints] == trades["trade_id"].tolist()
    assert [(p.price, p.quantity) for p in sink.prints] == list(zip(trades["price"], trades["qty"], strict=True))
    assert [(q.bid, q.ask) for q in sink.quotes] == list(zip(quotes["bid"], quotes["ask"], strict=True))
    whole = trades.set_index("time")["price"].resample("1min", label="right", closed="left").ohlc().iloc[1:]
    whole = whole[whole.index <= "2024-08-09"]  # the record begins within the first minute and ends after the last
    bars = [(m.at, m.open[0], m.high[0], m.low[0], m.close[0]) for m in sink.minutes[1:]]
    assert bars == [(at.to_pydatetime(), *row) for at, row in zip(whole.index, whole.to_numpy(), strict=True)]
    assert sink.minutes[0].missing == ("BTC/USDT",)


def v1_kind(line):
    if line.startswith("wss://"):
        return "recorder's note"
    frame = after_the_stamp(line)
    return frame["event"] if isinstance(frame, dict) else frame[-2].removesuffix("-1000")


def best_of(frames):
    """Each pair's best bid and ask after all frames, by plain dictionaries."""
    books = {}
    for *_, pair in frames:
        books[pair] = {"a": {}, "b": {}}
    for _, *parts, _, pair in frames:
        for part in parts:
            for key, rows in part.items():
                for price, quantity, *_ in rows if key != "c" else ():
                    books[pair][key[0]][float(price)] = float(quantity)
    return {
        pair: (max(p for p, left in book["b"].items() if left), min(p for p, left in book["a"].items() if left))
        for pair, book in books.items()
    }


async def test_every_line_of_the_old_kraken_record_counts_and_every_checksum_agrees():
    lines = [line for line in lines_of(KRAKEN_V1) if line]
    frames = [after_the_stamp(line) for line in lines if v1_kind(line) == "book"]
    told = sum("c" in part for frame in frames for part in frame[1:-2])
    feed, sink, account = await replayed(market_data(KRAKEN_V1))
    assert account.lines == Counter(map(v1_kind, lines))
    assert (account.checksums_good, account.checksums_bad) == (told, 0) == (4_269, 0)
    assert account.quotes == len(frames) == 4_279
    assert (account.prints, account.set_aside) == (0, {})
    assert set(feed.symbols) == {pair.replace("XBT", "BTC") for *_, pair in frames}
    assert {q.symbol: (q.bid, q.ask) for q in sink.quotes} == {
        pair.replace("XBT", "BTC"): best for pair, best in best_of(frames).items()
    }


async def test_every_line_of_the_new_kraken_record_counts():
    frames = [json.loads(line) for line in lines_of(KRAKEN_V2)]
    _, sink, account = await replayed(market_data(KRAKEN_V2))
    assert account.lines == Counter(frame.get("channel", frame.get("method")) for frame in frames)
    assert account.checksums_good == account.quotes == len(sink.quotes) == account.lines["book"] == 20
    assert (account.prints, account.checksums_bad, account.set_aside) == (0, 0, {})


async def test_a_spoiled_checksum_costs_that_book_alone_and_what_follows_is_set_aside_with_the_reason(tmp_path):
    lines = lines_of(KRAKEN_V1)[:800]
    bad = next(k for k, line in enumerate(lines) if line.endswith('"XMR/USD"]') and '"c":' in line)
    lost = [line for line in lines[bad:] if line.endswith('"XMR/USD"]')]
    told = sum('"c":' in line for line in lines)
    lines[bad] = lines[bad].replace('"c":"', '"c":"1')
    path = tmp_path / "frames.txt"
    path.write_text("\n".join(lines))
    feed, sink, account = await replayed(path)
    assert (account.checksums_good, account.checksums_bad) == (told - len(lost), 1)
    assert account.set_aside == {"CHECKSUM": len(lost)}
    assert account.quotes == len(sink.quotes) == account.lines["book"] - len(lost)
    assert {aside.symbol for aside in feed.quarantine()} == {"XMR/USD"}
