"""The engine's façade: what the bot may import. Heavy rooms open on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.birth import born_as as born_as
    from engine.birth import last_state as last_state
    from engine.clock import Clock as Clock
    from engine.clock import SystemClock as SystemClock
    from engine.clock import SystemClock as SystemClock
    from engine.market import FeedNameError as FeedNameError
    from engine.market import MarketError as MarketError
    from engine.market import feed_named as feed_named
    from engine.playbook import Playbook as Playbook
    from engine.playbook import PlaybookError as PlaybookError
    from engine.playbook import load as load_playbook  # noqa: F401
    from engine.runtime import Desk as Desk
    from engine.runtime import Terms as Terms
    from engine.runtime import prepared as prepared
    from engine.store.errors import StoreError as StoreError
    from engine.store.folder import lock_folder as lock_folder
    from engine.store.folder import lock_token as lock_token
    from engine.store.ledger import LedgerError as LedgerError

_ROOMS = {
    "born_as": "engine.birth",
    "last_state": "engine.birth",
    "Clock": "engine.clock",
    "SystemClock": "engine.clock",
    "SystemClock": "engine.clock",
    "FeedNameError": "engine.market",
    "MarketError": "engine.market",
    "feed_named": "engine.market",
    "Playbook": "engine.playbook",
    "PlaybookError": "engine.playbook",
    "Desk": "engine.runtime",
    "Terms": "engine.runtime",
    "prepared": "engine.runtime",
    "StoreError": "engine.store.errors",
    "lock_folder": "engine.store.folder",
    "lock_token": "engine.store.folder",
    "LedgerError": "engine.store.ledger",
}
_RENAMED = {"load_playbook": ("engine.playbook", "load")}


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        room, inside = _RENAMED[name]
        return getattr(importlib.import_module(room), inside)
    if name in _ROOMS:
        return getattr(importlib.import_module(_ROOMS[name]), name)
    raise AttributeError(f"the engine has no {name!r}")
