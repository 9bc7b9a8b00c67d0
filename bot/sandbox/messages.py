"""The messages of all channels, in the order of their ids."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

Message = dict[str, Any]


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
        return self._with_thread(json.loads(row[0])) if row else None

    def heads(self, channel: str, oldest: str = "", latest: str = "~", limit: int = 1000) -> list[Message]:
        """The newest `limit` channel messages within [oldest, latest], oldest first; replies only if broadcast."""
        rows = self._db.execute(
            "SELECT body FROM messages WHERE channel=? AND ts>=? AND ts<=? AND (thread_ts IS NULL OR thread_ts=ts "
            "OR json_extract(body, '$.subtype')='thread_broadcast') ORDER BY ts DESC LIMIT ?",
            (channel, oldest, latest, limit),
        ).fetchall()
        return [self._with_thread(json.loads(row[0])) for row in reversed(rows)]

    def thread(self, channel: str, head: str) -> list[Message]:
        """The head and its replies, oldest first; empty when there is no such head."""
        rows = self._db.execute(
            "SELECT body FROM messages WHERE channel=? AND (ts=? OR thread_ts=?) ORDER BY ts", (channel, head, head)
        ).fetchall()
        return [self._with_thread(json.loads(row[0])) for row in rows]

    def latest(self, channel: str) -> str:
        """The id of the newest head; empty in an empty channel."""
        heads = self.heads(channel, limit=1)
        return str(heads[-1]["ts"]) if heads else ""

    def unread(self, channel: str, after: str) -> int:
        return len(self.heads(channel, oldest=after + "0"))

    def _with_thread(self, message: Message) -> Message:
        """A head learns of its replies as Slack tells them: thread_ts, reply_count, reply_users, latest_reply."""
        if message.get("thread_ts") not in (None, message["ts"]):
            return message
        rows = self._db.execute(
            "SELECT ts, json_extract(body, '$.user') FROM messages "
            "WHERE channel=? AND thread_ts=? AND ts!=? ORDER BY ts",
            (message["channel"], message["ts"], message["ts"]),
        ).fetchall()
        if not rows:
            return message
        users = list(dict.fromkeys(row[1] for row in rows))
        told = {"thread_ts": message["ts"], "reply_count": len(rows), "latest_reply": rows[-1][0]}
        return {**message, **told, "reply_users": users, "reply_users_count": len(users)}
