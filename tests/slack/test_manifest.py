"""The manifest and the code say the same, within Slack's rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.commands import COMMANDS
from bot.connection import NEEDED, PRIVATE

MANIFEST = Path(__file__).parents[2] / "manifest.yml"
TAKEN = {
    "/status", "/me", "/away", "/dnd", "/msg", "/remind", "/join", "/leave", "/open", "/search", "/topic", "/mute",
    "/who", "/feed", "/collapse", "/expand", "/shrug", "/shortcuts", "/pro", "/archive", "/invite", "/kick",
    "/rename", "/call", "/star", "/apps",
}  # fmt: skip
SCOPES = {
    "commands", "chat:write", "channels:read", "channels:join", "channels:history", "groups:read",
    "groups:history", "files:write", "im:write", "usergroups:read",
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))


def test_every_command_is_in_the_manifest_and_the_other_way_round(manifest: dict[str, Any]) -> None:
    told = {
        one["command"]: (one["description"], one.get("usage_hint", ""))
        for one in manifest["features"]["slash_commands"]
    }

    assert told == {one.name: (one.description, one.usage) for one in COMMANDS}
    assert len(manifest["features"]["slash_commands"]) == len(told)


def test_command_names_are_ones_that_slack_takes(manifest: dict[str, Any]) -> None:
    for one in manifest["features"]["slash_commands"]:
        assert re.fullmatch(r"/[a-z0-9_-]{1,31}", one["command"])
        assert one["command"] not in TAKEN
        assert one["should_escape"] is True
        assert len(one["description"]) <= 2000
        assert len(one.get("usage_hint", "")) <= 1000


def test_scopes_are_known_and_enough(manifest: dict[str, Any]) -> None:
    scopes = manifest["oauth_config"]["scopes"]["bot"]

    assert set(scopes) == SCOPES
    assert len(scopes) == len(set(scopes))
    assert {*NEEDED, PRIVATE} <= set(scopes)


def test_it_is_a_socket_mode_app_with_buttons_and_a_home_tab(manifest: dict[str, Any]) -> None:
    settings = manifest["settings"]

    assert manifest["_metadata"]["major_version"] == 2
    assert settings["socket_mode_enabled"] is True
    assert settings["interactivity"] == {"is_enabled": True}
    assert settings["event_subscriptions"] == {"bot_events": ["app_home_opened"]}
    assert manifest["features"]["app_home"]["home_tab_enabled"] is True
    assert not re.search(r"\burl\b", MANIFEST.read_text(encoding="utf-8").split("oauth_config")[1])


def test_its_texts_are_within_slacks_lengths(manifest: dict[str, Any]) -> None:
    shown = manifest["display_information"]

    assert len(shown["name"]) <= 35
    assert len(shown["description"]) <= 140
    assert 175 <= len(shown["long_description"]) <= 4000
    assert re.fullmatch(r"#[0-9a-f]{6}", shown["background_color"])
    assert len(manifest["features"]["bot_user"]["display_name"]) <= 80
