"""auth.test, users.*, usergroups.*, apps.connections.open and the views of people."""

from __future__ import annotations

from typing import Any

from bot.sandbox.api import Call, method
from bot.sandbox.errors import SlackError
from bot.sandbox.people import APP_ID, BOT_ID, BOT_USER, PEOPLE, TEAM_ID, TEAM_NAME, profile
from bot.sandbox.views import View, built, refuse_bad_view


@method("auth.test", tier=4)
def auth_test(call: Call) -> dict[str, Any]:
    about = {"url": f"{call.space.address}/", "team": TEAM_NAME, "team_id": TEAM_ID, "app_id": APP_ID}
    return {
        **about,
        "user": PEOPLE[BOT_USER].name,
        "user_id": BOT_USER,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


@method("apps.connections.open", tier=2, token="xapp")
def open_connection(call: Call) -> dict[str, Any]:
    address = call.space.address.replace("http://", "ws://", 1)
    return {"url": f"{address}/link?ticket={call.space.sockets.ticket()}&app_id={APP_ID}"}


@method("users.info", scope="users:read", tier=4)
def user_info(call: Call) -> dict[str, Any]:
    person = PEOPLE.get(str(call.need("user")))
    if person is None:
        raise SlackError("user_not_found")
    return {"user": profile(person)}


@method("users.list", scope="users:read", tier=2)
def users_list(_call: Call) -> dict[str, Any]:
    return {"members": [profile(one) for one in PEOPLE.values()], "response_metadata": {"next_cursor": ""}}


@method("usergroups.users.list", scope="usergroups:read", tier=2)
def usergroup_users(_call: Call) -> dict[str, Any]:
    """The workspace has no user groups, as a free Slack has none."""
    raise SlackError("no_such_subteam")


@method("bots.info", scope="users:read", tier=4)
def bot_info(_call: Call) -> dict[str, Any]:
    return {
        "bot": {"id": BOT_ID, "app_id": APP_ID, "name": PEOPLE[BOT_USER].name, "user_id": BOT_USER, "deleted": False}
    }


def checked(call: Call, kind: str) -> View:
    view: View = call.need("view")
    refuse_bad_view(view, kind)
    return view


def triggered(call: Call) -> tuple[str, View, str]:
    """Who pressed, the checked view and the trigger, which is used up by this."""
    view, trigger = (
        checked(call, "modal"),
        str(call.args.get("trigger_id") or call.args.get("interactivity_pointer") or ""),
    )
    if not trigger:
        raise SlackError("invalid_trigger_id")
    return call.space.triggers.use(trigger), view, trigger


@method("views.open", tier=4, writes=True)
def open_view(call: Call) -> dict[str, Any]:
    user, view, trigger = triggered(call)
    made = call.space.modals.open(user, view)
    call.space.show_modals(user)
    call.space.traces.viewed(made, user, trigger)
    return {"view": made}


@method("views.push", tier=4, writes=True)
def push_view(call: Call) -> dict[str, Any]:
    user, view, trigger = triggered(call)
    made = call.space.modals.push(user, view)
    call.space.show_modals(user)
    call.space.traces.viewed(made, user, trigger)
    return {"view": made}


@method("views.update", tier=4, writes=True)
def update_view(call: Call) -> dict[str, Any]:
    wanted = str(call.args.get("view_id") or call.args.get("external_id") or "")
    user, made = call.space.modals.update(wanted, checked(call, "modal"), call.text("hash"))
    call.space.show_modals(user)
    call.space.traces.viewed(made, user)
    return {"view": made}


@method("views.publish", tier=4, writes=True)
def publish_view(call: Call) -> dict[str, Any]:
    """An App Home; with `hash`, only when nobody published since (hash_conflict)."""
    user, view = str(call.need("user_id")), checked(call, "home")
    if user not in PEOPLE:
        raise SlackError("user_not_found")
    old = call.space.store.home(user)
    if old and call.text("hash") not in ("", old["hash"]):
        raise SlackError("hash_conflict")
    home = f"V_HOME_{user}"
    made = built(view, {"id": home, "root_view_id": home, "previous_view_id": None})
    call.space.published(user, made)
    return {"view": made}
