"""The engine's façade: what the bot may import, and nothing else of the engine. Rooms open on first use.

The rule, which `tests/test_house.py` keeps: `from engine import NAME` for a NAME in `__all__`, or the four files of
shared words `engine.domain`, `engine.messages`, `engine.snapshot` and `engine.ports`. Most names are a room's word or
function. Whole rooms are open where the bot does a room's own trade: `backfill`, `backtest`, `maintenance`, `training`
(commands), `clock` (waiting), `health`, `watch` and `vitals` (the check), `curve`, `performance`, `slots`, `verdict`
(reports).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine import (
        backfill,
        backtest,
        clock,
        curve,
        health,
        maintenance,
        performance,
        slots,
        training,
        verdict,
        vitals,
        watch,
    )
    from engine.clock import Clock, SystemClock
    from engine.codec import encode
    from engine.core import compile as compile_core
    from engine.forecasting.card import ModelCard
    from engine.forecasting.live import LiveRecord, live_record
    from engine.forecasting.live_verdict import live_verdict
    from engine.forecasting.registry import ModelError, ModelFolder
    from engine.market.errors import FeedNameError, MarketError
    from engine.market.feeds import feed_named
    from engine.market.massive_access import MassiveAccess
    from engine.market.names import meant_pair
    from engine.market.planted import LABEL as PLANTED_LABEL
    from engine.market.planted import invented_past
    from engine.market.planted_edge import require_share
    from engine.market.second_source import PriceSource, price_source
    from engine.market.symbols import current as renamed
    from engine.origins import birth, champion_of, held_symbols, keeps_live_history, last_feed, last_state
    from engine.playbook import Playbook, PlaybookError
    from engine.playbook import load as load_playbook
    from engine.playbook import names as playbook_names
    from engine.ports import Feed
    from engine.recovery import Part, Recovery
    from engine.replaying import Anchor, replay_file, verify
    from engine.runtime import Desk, Terms
    from engine.serving import ServingStatus
    from engine.storage import look_at_database
    from engine.store.errors import StoreError
    from engine.store.folder import lock_folder, lock_token
    from engine.store.ledger import LedgerError
    from engine.store.migrating import migrate_folder
    from engine.store.tick_keeping import TickTerms
    from engine.supply import prepared
    from engine.tasks import Tasks
    from engine.trader import stop_fault

__all__ = [
    "PLANTED_LABEL",
    "Anchor",
    "Clock",
    "Desk",
    "Feed",
    "FeedNameError",
    "LedgerError",
    "LiveRecord",
    "MarketError",
    "MassiveAccess",
    "ModelCard",
    "ModelError",
    "ModelFolder",
    "Part",
    "Playbook",
    "PlaybookError",
    "PriceSource",
    "Recovery",
    "ServingStatus",
    "StoreError",
    "SystemClock",
    "Tasks",
    "Terms",
    "TickTerms",
    "backfill",
    "backtest",
    "birth",
    "champion_of",
    "clock",
    "compile_core",
    "curve",
    "encode",
    "feed_named",
    "health",
    "held_symbols",
    "invented_past",
    "keeps_live_history",
    "last_feed",
    "last_state",
    "live_record",
    "live_verdict",
    "load_playbook",
    "lock_folder",
    "lock_token",
    "look_at_database",
    "maintenance",
    "meant_pair",
    "migrate_folder",
    "performance",
    "playbook_names",
    "prepared",
    "price_source",
    "renamed",
    "replay_file",
    "require_share",
    "slots",
    "stop_fault",
    "training",
    "verdict",
    "verify",
    "vitals",
    "watch",
]

_ROOMS = {
    "engine.origins": ("birth", "champion_of", "held_symbols", "keeps_live_history", "last_feed", "last_state"),
    "engine.clock": ("Clock", "SystemClock"),
    "engine.codec": ("encode",),
    "engine.core": ("compile:compile_core",),
    "engine.forecasting.card": ("ModelCard",),
    "engine.forecasting.live": ("LiveRecord", "live_record"),
    "engine.forecasting.live_verdict": ("live_verdict",),
    "engine.serving": ("ServingStatus",),
    "engine.forecasting.registry": ("ModelError", "ModelFolder"),
    "engine.market.errors": ("FeedNameError", "MarketError"),
    "engine.market.feeds": ("feed_named",),
    "engine.market.massive_access": ("MassiveAccess",),
    "engine.market.names": ("meant_pair",),
    "engine.market.planted": ("LABEL:PLANTED_LABEL", "invented_past"),
    "engine.market.planted_edge": ("require_share",),
    "engine.market.second_source": ("PriceSource", "price_source"),
    "engine.market.symbols": ("current:renamed",),
    "engine.playbook": ("Playbook", "PlaybookError", "load:load_playbook", "names:playbook_names"),
    "engine.ports": ("Feed",),
    "engine.recovery": ("Part", "Recovery"),
    "engine.replaying": ("Anchor", "replay_file", "verify"),
    "engine.runtime": ("Desk", "Terms"),
    "engine.storage": ("look_at_database",),
    "engine.store.errors": ("StoreError",),
    "engine.store.folder": ("lock_folder", "lock_token"),
    "engine.store.ledger": ("LedgerError",),
    "engine.store.migrating": ("migrate_folder",),
    "engine.store.tick_keeping": ("TickTerms",),
    "engine.supply": ("prepared",),
    "engine.tasks": ("Tasks",),
    "engine.trader": ("stop_fault",),
}
_OPEN = {
    *("backfill", "backtest", "clock", "curve", "health", "maintenance", "performance"),
    *("slots", "training", "verdict", "vitals", "watch"),
}
_DOORS = {words.split(":")[-1]: (room, words.split(":")[0]) for room, names in _ROOMS.items() for words in names}


def __getattr__(name: str) -> Any:
    if name in _OPEN:
        return importlib.import_module(f"engine.{name}")
    if name not in _DOORS:
        raise AttributeError(f"the engine has no {name!r}")
    room, inside = _DOORS[name]
    return getattr(importlib.import_module(room), inside)
