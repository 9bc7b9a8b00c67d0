"""`nightdesk backtest`: a playbook over bar files, without database, Slack or network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bot.cli.errors import fail
from bot.settings import SettingsError, read_settings

EPILOG = """\
examples:
  nightdesk backtest --playbook ema --bars btc_1m.parquet --out out/ema
  nightdesk backtest --playbook my.yaml --bars a.csv b.csv --symbols BTC,ETH --from 2025-05-10 --out out/my

Bar files are Parquet or CSV with the columns symbol, time, open, high, low, close, volume, where time is the bar's
OPEN with a time zone (2025-05-04T00:00:00Z). The folder gets summary.json, trade_log.csv, equity_curve.csv, equity.png.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "backtest",
        help="try a playbook on bar files",
        description="Trade a playbook over past bars, by the same core that trades live, and say what came of it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--playbook", default="ema", metavar="NAME|FILE", help="a playbook by name or a YAML file (default: ema)"
    )
    command.add_argument(
        "--bars", nargs="+", required=True, type=Path, metavar="FILE", help="Parquet or CSV files of bars"
    )
    command.add_argument(
        "--symbols",
        type=_words,
        default=[],
        metavar="A,B",
        help="coins: ADAUSDT, ADA/USDT or ADA (default: the playbook's)",
    )
    command.add_argument(
        "--from", dest="start", type=_instant, metavar="TIME", help="first bar, UTC: 2025-05-10 or 2025-05-10T12:00"
    )
    command.add_argument(
        "--to", dest="end", type=_instant, metavar="TIME", help="end, UTC; a bar that opens then is left out"
    )
    command.add_argument("--capital", type=float, metavar="N", help="money at the start (default: the playbook's)")
    command.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder for the results; made when absent"
    )
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    from engine import backtest as room

    overrides = {} if args.capital is None else {"CAPITAL": args.capital}
    try:
        timezone = read_settings().timezone
        playbook = room.load(args.playbook, overrides)
        _say("reading bars")
        market, notes = room.prepare(playbook, args.bars, args.symbols, args.start, args.end)
        for note in notes:
            _say(f"note: {note}")
        with _progress() as moved:
            done = room.backtest(playbook, market, timezone, moved)
        figures = room.measured(done)
        paths = room.write(done, figures, args.out)
    except (SettingsError, room.PlaybookError, room.StrategyError, room.BarsError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write to {args.out}: {error.strerror or error}")
    print(room.table(done, figures))
    print(f"\nwritten to {args.out}: {', '.join(path.name for path in paths)}")
    return 0


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """A bar on a terminal; elsewhere a plain line every quarter."""
    from tqdm import tqdm

    if not sys.stderr.isatty():
        yield _quarters()
        return
    with tqdm(total=100, unit="%", desc="trading", file=sys.stderr, bar_format="{desc} {bar} {n:.0f} %") as bar:

        def moved(share: float) -> None:
            bar.update(100 * share - bar.n)

        yield moved


def _quarters() -> Callable[[float], None]:
    said = 0

    def moved(share: float) -> None:
        nonlocal said
        quarter = int(share * 4)
        if quarter > said:
            said = quarter
            _say(f"trading {25 * quarter} %")

    return moved


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _instant(text: str) -> datetime:
    """A date or time; without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write 2025-05-10 or 2025-05-10T12:00") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
