"""`nightdesk train`: fit a playbook's model on past bars, judge it, and lay it beside the desk to be offered."""

from __future__ import annotations

import _thread
import argparse
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli import parent
from bot.cli.errors import fail
from bot.cli.train_progress import shown
from bot.settings import Settings, SettingsError, read_settings
from engine.domain import MarketKind
from engine.messages import Born

if TYPE_CHECKING:
    from engine import ModelCard, Playbook, training

LATE = "STALE_DATA"
EPILOG = """\
examples:
  nightdesk train --playbook direction
  nightdesk train --playbook direction --bars binance_spot_5m_2024.parquet --walk-forward --report out.json
  nightdesk train --playbook my.yaml --backend loky --cpcv --sweep sweep.yaml

Without --bars it learns from the store (`nightdesk backfill` brings history). The version lies in DATA/models; a
person promotes it by its button. Every fit is a row in DATA/experiments.sqlite.
"""


def add(subparsers: Any) -> None:
    command = subparsers.add_parser(
        "train",
        help="train a playbook's model and judge it",
        description="Fit the model of a playbook on past bars, judge it once on the newest, and say what it is worth.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--playbook", metavar="NAME|FILE", help="whose model (default: PLAYBOOK or direction)")
    command.add_argument("--bars", nargs="+", type=Path, metavar="FILE", help="Parquet or CSV files of bars")
    command.add_argument("--symbols", default="", metavar="A,B", help="learn from these (default: the playbook's)")
    command.add_argument("--data-dir", type=Path, metavar="DIR", help="the data folder (default: the live desk's)")
    command.add_argument("--planted", type=float, metavar="P", help="learn from the simulated market with this edge")
    command.add_argument("--history", type=_days, metavar="DAYS", help="learn from so much (default: the playbook's)")
    command.add_argument(
        "--backend",
        metavar="NAME",
        help="where folds are fitted: sequential, loky (processes here) or dask (default: TRAIN_BACKEND, else dask "
        "with DASK_SCHEDULER, else sequential)",
    )
    command.add_argument(
        "--workers", type=int, metavar="N", help="loky's processes (default: TRAIN_WORKERS, or one a core)"
    )
    command.add_argument("--walk-forward", action="store_true", help="also train again and again on what was before")
    command.add_argument("--cpcv", action="store_true", help="also test every path of 6 groups, 2 at a time")
    command.add_argument("--sweep", type=Path, metavar="FILE", help="YAML like `depth: [2, 3, 4]`: try these before")
    command.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write everything found there, as JSON (default: DATA/training/MODEL/comprehensive_results.json)",
    )
    command.add_argument("--gentle", action="store_true", help="lowest priority: beside a busy desk")
    command.add_argument(
        "--progress", choices=("auto", "json"), default="auto", help="json is for programs: it ends when its input does"
    )
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    from bot.market_choice import folder_of, require_planted
    from engine import LedgerError, MarketError, ModelError, PlaybookError, StoreError
    from engine import training as room

    if args.gentle:
        os.nice(19)
    if args.progress == "json":
        parent.when_it_dies(_thread.interrupt_main)
    try:
        settings = read_settings()
        playbook = _playbook(args, settings)
        kind = MarketKind.LIVE if args.planted is None else MarketKind.SIMULATED
        require_planted(args.planted)
        data = args.data_dir.expanduser() if args.data_dir else folder_of(playbook.name, kind, args.planted)
        trained, notes = _train(args, settings, playbook, data)
    except SettingsError as error:
        fail(str(error), code=2)
    except room.JudgementError as error:
        return _refuse(args, f"{error} ({error.code}); nothing has changed, an older model goes on", error.code)
    except (room.SpreadError, PlaybookError, MarketError, StoreError, LedgerError, ModelError) as error:
        fail(str(error))
    return _tell(args, trained, notes, data)


def _refuse(args: argparse.Namespace, why: str, code: str) -> int:
    """There is nothing to learn from as the data is now. What is only late may be there at another try, which a job
    that failed is given and one that was refused is not."""
    if args.progress == "json" and code != LATE:
        print(json.dumps({"result": {"fate": "refused", "why": why}}), flush=True)
        return 1
    fail(why)


def _playbook(args: argparse.Namespace, settings: Settings) -> Playbook:
    from engine import load_playbook
    from engine import training as room

    playbook = load_playbook(args.playbook or settings.playbook or "direction", settings.overrides())
    room.model_of(playbook)
    return playbook if args.history is None else room.with_history(playbook, args.history)


def _train(
    args: argparse.Namespace, settings: Settings, playbook: Playbook, data: Path
) -> tuple[training.Trained, Mapping[str, str]]:
    from engine import PLANTED_LABEL, ModelFolder, birth
    from engine import training as room

    born = birth(data)
    if born and args.planted not in (None, born.planted):
        fail(f"the desk in {data} is on another market; name another folder with --data-dir")
    now = _now(born, data)
    spread = spread_of(args, settings)
    swept = room.read_sweep(_text(args.sweep), str(args.sweep)) if args.sweep else None
    with shown(args.progress) as tell, room.opened(data / "experiments.sqlite") as experiments:
        tell("reading bars", 0.0)
        source = _source(args, settings, playbook, data, born, now)
        lab = room.Lab(experiments, lambda: now, room.code_hash(), spread=spread)
        study = room.Study(args.walk_forward, args.cpcv, swept)
        label = "" if args.bars else born.label if born else PLANTED_LABEL if args.planted is not None else ""
        folder = ModelFolder(data / "models")
        return room.train(playbook, source.bars, lab, folder, tell, _drawn(settings), label, study), source.absent


def spread_of(args: argparse.Namespace, settings: Settings) -> training.Spread:
    """Where folds are fitted: as the command line says, else the settings. Raises `SpreadError`."""
    from engine import training as room

    workers = args.workers or settings.train_workers or os.cpu_count() or 1
    return room.spread_named(args.backend or settings.backend, workers, settings.dask_scheduler or "")


def _source(
    args: argparse.Namespace, settings: Settings, playbook: Playbook, data: Path, born: Born | None, now: datetime
) -> training.Source:
    """Files, the past of an invented market, or the desk's store."""
    from engine import invented_past
    from engine import training as room

    asked = [part.strip() for part in args.symbols.split(",") if part.strip()]
    if args.bars:
        return room.from_files(playbook, args.bars, asked)
    terms = room.model_of(playbook)
    planted = born.planted if born else args.planted
    if planted is not None or (born and born.kind is MarketKind.SIMULATED):
        coins = room.wanted(playbook, asked) if asked else ()
        return room.from_bars(invented_past(planted, coins, terms.history.days, until=now))
    url = settings.database_url.get_secret_value() if settings.database_url else None
    market = room.market_of(born) if born else "live"
    return room.from_store(playbook, url, data, now, asked, market)


def _now(born: Born | None, data: Path) -> datetime:
    """The desk's own time: on an invented or recorded market that of its ledger."""
    from engine import SystemClock, last_state

    at = last_state(data)[0] if born and born.kind is not MarketKind.LIVE else None
    return at or SystemClock().now()


def _drawn(settings: Settings) -> Any:
    from bot.model_card import card_drawing
    from bot.model_card_picture import card_picture
    from bot.render import Words

    words = Words(settings.zone)

    def draw(card: ModelCard) -> bytes:
        return card_picture(card_drawing(card, words))

    return draw


def _tell(args: argparse.Namespace, trained: training.Trained, notes: Mapping[str, str], data: Path) -> int:
    """Write the report and its picture, and say what came of it."""
    from engine import training as room

    passport = trained.passport
    card = data / "models" / passport.name / passport.version / "card.png"
    report = args.report or data / "training" / passport.name / "comprehensive_results.json"
    picture = report.with_name("comprehensive_analysis.png")
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(room.results(trained, notes), indent=1, allow_nan=False))
        picture.write_bytes(card.read_bytes())
    except OSError as error:
        fail(f"the report cannot be written to {report}: {error.strerror or error}; the model is kept")
    if args.progress == "json":
        print(json.dumps({"result": room.summary(trained, str(card.resolve()))}), flush=True)
        return 0
    print(room.table(trained, notes))
    print(f"\nkept as {card.parent}; all figures in {report}, the card in {picture}")
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror or error}")


def _days(text: str) -> int:
    words = text.strip().lower().removesuffix("d").strip()
    if not words.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days; write 250")
    return int(words)
