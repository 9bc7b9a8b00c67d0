"""The engine's façade: what the bot may import. Heavy rooms open on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.clock import Clock, SystemClock
    from engine.codec import encode
    from engine.core import compile as compile_core
    from engine.market import FeedNameError, MarketError, feed_named
    from engine.origins import birth, born_as, held_symbols, last_state
    from engine.playbook import Playbook, PlaybookError
    from engine.playbook import load as load_playbook
    from engine.ports import Feed
    from engine.replaying import Anchor, replay_file, verify
    from engine.runtime import Desk, Terms
    from engine.storage import look_at_database
    from engine.store.errors import StoreError
    from engine.store.folder import lock_folder, lock_token
    from engine.store.ledger import LedgerError
    from engine.store.migrating import migrate_folder
    from engine.supply import prepared
    from engine.trader import stop_fault

__all__ = [
    "Anchor",
    "Clock",
    "Desk",
    "Feed",
    "FeedNameError",
    "LedgerError",
    "MarketError",
    "Playbook",
    "PlaybookError",
    "StoreError",
    "SystemClock",
    "Terms",
    "birth",
    "born_as",
    "compile_core",
    "encode",
    "feed_named",
    "held_symbols",
    "last_state",
    "load_playbook",
    "lock_folder",
    "lock_token",
    "look_at_database",
    "migrate_folder",
    "prepared",
    "replay_file",
    "stop_fault",
    "verify",
]

_ROOMS = {
    "engine.origins": ("birth", "born_as", "held_symbols", "last_state"),
    "engine.clock": ("Clock", "SystemClock"),
    "engine.codec": ("encode",),
    "engine.core": ("compile:compile_core",),
    "engine.market": ("FeedNameError", "MarketError", "feed_named"),
    "engine.playbook": ("Playbook", "PlaybookError", "load:load_playbook"),
    "engine.ports": ("Feed",),
    "engine.replaying": ("Anchor", "replay_file", "verify"),
    "engine.runtime": ("Desk", "Terms"),
    "engine.storage": ("look_at_database",),
    "engine.store.errors": ("StoreError",),
    "engine.store.folder": ("lock_folder", "lock_token"),
    "engine.store.ledger": ("LedgerError",),
    "engine.store.migrating": ("migrate_folder",),
    "engine.supply": ("prepared",),
    "engine.trader": ("stop_fault",),
}
_DOORS = {words.split(":")[-1]: (room, words.split(":")[0]) for room, names in _ROOMS.items() for words in names}


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"the engine has no {name!r}")
    room, inside = _DOORS[name]
    return getattr(importlib.import_module(room), inside)
