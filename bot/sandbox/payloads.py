"""What Slack sends an app when a person does something."""

from __future__ import annotations

from typing import Any

from bot.sandbox.messages import Message
from bot.sandbox.people import APP_ID, PEOPLE, TEAM_ID
from bot.sandbox.traces import Trace
from bot.sandbox.views import View
from bot.sandbox.workspace import Workspace

Payload = dict[str, Any]
TEAM = {"id": TEAM_ID, "domain": "sandbox"}


def channel_name(channel: dict[str, Any]) -> str:
    return "directmessage" if channel["is_im"] else str(channel["name"])


def slash_command(space: Workspace, trace: Trace, channel: dict[str, Any], command: str, text: str) -> Payload:
    return {
        "token": "unused",
        "team_id": TEAM_ID,
        "team_domain": "sandbox",
        "channel_id": channel["id"],
        "channel_name": channel_name(channel),
        "user_id": trace.user,
        "user_name": PEOPLE[trace.user].name,
        "command": command,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": f"{space.address}/response/{trace.response}",
        "trigger_id": trace.trigger,
    }


def _interaction(trace: Trace, kind: str) -> Payload:
    person = PEOPLE[trace.user]
    user = {"id": person.id, "username": person.name, "name": person.name, "team_id": TEAM_ID}
    about = {"team": TEAM, "api_app_id": APP_ID, "token": "unused", "is_enterprise_install": False, "enterprise": None}
    return {"type": kind, "user": user, **about, "trigger_id": trace.trigger}


def message_action(
    space: Workspace, trace: Trace, channel: dict[str, Any], message: Message, action: Payload
) -> Payload:
    hidden = bool(message.get("ephemeral"))
    shown = {key: value for key, value in message.items() if key not in ("channel", "to", "ephemeral")}
    container = {"type": "message", "message_ts": message["ts"], "channel_id": channel["id"], "is_ephemeral": hidden}
    if message.get("thread_ts"):
        container["thread_ts"] = message["thread_ts"]
    return {
        **_interaction(trace, "block_actions"),
        "container": container,
        "channel": {"id": channel["id"], "name": channel_name(channel)},
        "message": shown,
        "state": {"values": {}},
        "response_url": f"{space.address}/response/{trace.response}",
        "actions": [{**action, "action_ts": f"{space.now():.6f}"}],
    }


def view_action(space: Workspace, trace: Trace, view: View, action: Payload) -> Payload:
    return {
        **_interaction(trace, "block_actions"),
        "container": {"type": "view", "view_id": view["id"]},
        "view": view,
        "actions": [{**action, "action_ts": f"{space.now():.6f}"}],
    }


def view_submission(trace: Trace, view: View) -> Payload:
    return {**_interaction(trace, "view_submission"), "view": view, "response_urls": []}


def view_closed(trace: Trace, view: View) -> Payload:
    return {**_interaction(trace, "view_closed"), "view": view, "is_cleared": False}


def pressed(element: Payload, block_id: str, value: Any) -> Payload:
    """The action of an element: a button's value, or the chosen option."""
    told: Payload = {key: element[key] for key in ("type", "action_id", "text", "value", "style") if key in element}
    return {**told, "block_id": block_id, **(chosen(element, value) if element["type"] != "button" else {})}


def chosen(element: Payload, value: Any) -> Payload:
    """The state of an element that holds `value`, in the words Slack has for that element's type."""
    kind = element["type"]
    if kind in ("static_select", "overflow", "radio_buttons"):
        return {"type": kind, "selected_option": option(element, value)}
    if kind in ("multi_static_select", "checkboxes"):
        wanted = value if isinstance(value, list) else [value] if value else []
        found = [option(element, one) for one in wanted]
        return {"type": kind, "selected_options": [one for one in found if one]}
    names = {
        "datepicker": "selected_date",
        "timepicker": "selected_time",
        "datetimepicker": "selected_date_time",
        "users_select": "selected_user",
        "channels_select": "selected_channel",
        "conversations_select": "selected_conversation",
    }
    return {"type": kind, names.get(kind, "value"): value if value != "" else None}


def option(element: Payload, value: Any) -> Payload | None:
    """The option that `value` names: by its value, or as the whole option; None when there is no such."""
    wanted = value.get("value") if isinstance(value, dict) else value
    groups = [group["options"] for group in element.get("option_groups", [])]
    for one in [*element.get("options", []), *(one for group in groups for one in group)]:
        if one.get("value") == wanted:
            return dict(one)
    return None
