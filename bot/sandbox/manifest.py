"""What the app's manifest allows it: commands, scopes and events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

MANIFEST = Path(__file__).parents[2] / "manifest.yml"


@dataclass(frozen=True)
class SlashCommand:
    command: str
    description: str
    usage_hint: str = ""


@dataclass(frozen=True)
class Manifest:
    """`None` for scopes or events: the app may have any; for commands: any word with a slash is one."""

    commands: tuple[SlashCommand, ...] | None = None
    scopes: frozenset[str] | None = None
    events: frozenset[str] | None = None

    def knows(self, command: str) -> bool:
        return self.commands is None or any(known.command == command for known in self.commands)

    def listens(self, event: str) -> bool:
        return self.events is None or event in self.events


def load_manifest(path: Path) -> Manifest:
    """Read a manifest v2; ValueError with a sentence when it is not one."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(raw, dict):
        raise ValueError(f"{path} is not an app manifest: it should be a YAML mapping")
    commands = (raw.get("features") or {}).get("slash_commands") or []
    scopes = ((raw.get("oauth_config") or {}).get("scopes") or {}).get("bot")
    events = ((raw.get("settings") or {}).get("event_subscriptions") or {}).get("bot_events")
    return Manifest(
        tuple(SlashCommand(one["command"], one.get("description", ""), one.get("usage_hint", "")) for one in commands),
        frozenset(scopes) if scopes is not None else None,
        frozenset(events or ()),
    )
