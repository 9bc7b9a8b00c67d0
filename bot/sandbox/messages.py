"""The messages of all channels, in the order of their ids."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

Message = dict[str, Any]
HEAD = "(thread_ts IS NULL OR thread_ts=ts OR json_extract(body, '$.subtype')='thread_broadcast')"
"""What a channel shows: all but the replies inside threads."""


class Messages:
    """Rows of the store's `messages` table; a message's `channel` and `ts` are its key."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, message: Message) -> None:
        """Keep a new message; durable when this returns."""
        key = (message["channel"], message["ts"], message.get("thread_ts"), json.dumps(message))
        self._db.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", key)

    def change(self, message: Message) -> None:
        key = (json.dumps(message), message["channel"], message["ts"])
        self._db.execute("UPDATE messages SET body=? WHERE channel=? AND ts=?", key)

    def remove(self, channel: str, ts: str) -> None:
        self._db.execute("DELETE FROM messages WHERE channel=? AND ts=?", (channel, ts))

    def get(self, channel: str, ts: str) -> Message | None:
        row = self._db.execute("SELECT body FROM messages WHERE channel=? AND ts=?", (channel, ts)).fetchone()
        return self._with_threads(channel, [json.loads(row[0])])[0] if row else None

    def heads(self, channel: str, oldest: str = "", latest: str = "~", limit: int = -1) -> list[Message]:
        """The newest `limit` (-1: all) channel messages within [oldest, latest], oldest first; replies if broadcast."""
        rows = self._db.execute(
            f"SELECT body FROM messages WHERE channel=? AND ts>=? AND ts<=? AND {HEAD} ORDER BY ts DESC LIMIT ?",
            (channel, oldest, latest, limit),
        ).fetchall()
        return self._with_threads(channel, [json.loads(row[0]) for row in reversed(rows)])

    def thread(self, channel: str, head: str) -> list[Message]:
        """The head and its replies, oldest first; empty when there is no such head."""
        rows = self._db.execute(
            "SELECT body FROM messages WHERE channel=? AND (ts=? OR thread_ts=?) ORDER BY ts", (channel, head, head)
        ).fetchall()
        return self._with_threads(channel, [json.loads(row[0]) for row in rows])

    def unread(self, channel: str, after: str) -> int:
        """How many channel messages came after the id `after`."""
        query = f"SELECT count(*) FROM messages WHERE channel=? AND ts>? AND {HEAD}"
        return int(self._db.execute(query, (channel, after)).fetchone()[0])

    def _with_threads(self, channel: str, messages: list[Message]) -> list[Message]:
        """Heads learn of their replies as Slack tells them: thread_ts, reply_count, reply_users, latest_reply."""
        if not messages:
            return []
        rows = self._db.execute(
            "SELECT thread_ts, count(*), max(ts), json_group_array(DISTINCT json_extract(body, '$.user')) "
            "FROM messages WHERE channel=? AND thread_ts>=? AND thread_ts<=? AND thread_ts!=ts GROUP BY thread_ts",
            (channel, messages[0]["ts"], messages[-1]["ts"]),
        )
        told = {row[0]: _replies(*row) for row in rows}
        return [{**one, **told.get(one["ts"], {})} for one in messages]


def _replies(head: str, count: int, latest: str, users: str) -> Message:
    people = json.loads(users)
    shown = {"thread_ts": head, "reply_count": count, "latest_reply": latest}
    return {**shown, "reply_users": people, "reply_users_count": len(people)}
