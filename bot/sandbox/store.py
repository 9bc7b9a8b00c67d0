"""What the workspace must never forget: one SQLite file, committed before anything is answered."""

from __future__ import annotations

import json
import secrets
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.sandbox.people import BOT_USER, PEOPLE, ROOMS

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS channels (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS members (channel TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (channel, user));
CREATE TABLE IF NOT EXISTS messages (
  channel TEXT NOT NULL, ts TEXT NOT NULL, thread_ts TEXT, body TEXT NOT NULL, PRIMARY KEY (channel, ts));
CREATE INDEX IF NOT EXISTS by_thread ON messages (channel, thread_ts, ts);
CREATE TABLE IF NOT EXISTS files (id TEXT PRIMARY KEY, body TEXT NOT NULL, content BLOB);
CREATE TABLE IF NOT EXISTS homes (user TEXT PRIMARY KEY, view TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reads (user TEXT NOT NULL, channel TEXT NOT NULL, ts TEXT NOT NULL,
  PRIMARY KEY (user, channel));
"""

Row = dict[str, Any]


class Store:
    """Channels, members, homes, files and read marks; messages have a room of their own on the same connection."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.executescript(SCHEMA)
        self._furnish()
        latest = self.db.execute("SELECT max(ts) FROM messages").fetchone()[0]
        self._last_us = max(micros_of(latest or "0.0"), int(self.meta("last_us", "0")))

    def _furnish(self) -> None:
        for room in ROOMS:
            body = {"purpose": room.purpose, "is_im": False}
            self.add_channel(room.id, room.name, body)
            people = [user for user in PEOPLE if user != BOT_USER or room.bot_inside]
            if not self.members(room.id):
                for user in people:
                    self.join(room.id, user)

    def close(self) -> None:
        self.db.close()

    def meta(self, key: str, default: str) -> str:
        """The kept value; `default` becomes it at the first question."""
        self.db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, default))
        return str(self.db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()[0])

    def token(self, prefix: str) -> str:
        """A token of this data folder, made once."""
        return self.meta(f"token:{prefix}", f"{prefix}-sandbox-{secrets.token_hex(16)}")

    def page_token(self) -> str:
        """What opens the page, made once: a bookmark and a phone's tab live on across restarts."""
        return self.meta("token:page", secrets.token_urlsafe(24))

    def next_ts(self, now: datetime) -> str:
        """A message id: real time, and above every id given before, also across restarts."""
        self._last_us = max(int(now.timestamp() * 1_000_000), self._last_us + 1)
        return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06d}"

    def forget(self, ts: str) -> None:
        """Keep `ts` from being given again after its message has gone."""
        self.db.execute(
            "INSERT INTO meta VALUES ('last_us', ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value "
            "WHERE CAST(excluded.value AS INTEGER) > CAST(value AS INTEGER)",
            (str(micros_of(ts)),),
        )

    def add_channel(self, channel: str, name: str, body: Row) -> None:
        self.db.execute("INSERT OR IGNORE INTO channels VALUES (?, ?, ?)", (channel, name, json.dumps(body)))

    def channels(self) -> list[Row]:
        found = self.db.execute("SELECT id, name, body FROM channels ORDER BY rowid").fetchall()
        return [{"id": row[0], "name": row[1], **json.loads(row[2])} for row in found]

    def channel(self, name_or_id: str) -> Row | None:
        """A channel by id or by name, with or without its #."""
        name = name_or_id.removeprefix("#")
        row = self.db.execute("SELECT id, name, body FROM channels WHERE id=? OR name=?", (name, name)).fetchone()
        return {"id": row[0], "name": row[1], **json.loads(row[2])} if row else None

    def members(self, channel: str) -> list[str]:
        rows = self.db.execute("SELECT user FROM members WHERE channel=? ORDER BY rowid", (channel,))
        return [row[0] for row in rows]

    def join(self, channel: str, user: str) -> bool:
        """True when `user` was not inside before."""
        return self.db.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (channel, user)).rowcount > 0

    def direct(self, user: str) -> Row:
        """The conversation between the app and one person, opened at first use."""
        channel = f"D_{user.removeprefix('U_')}"
        self.add_channel(channel, f"direct:{user}", {"is_im": True, "user": user, "purpose": ""})
        for inside in (user, BOT_USER):
            self.join(channel, inside)
        return {"id": channel, "name": f"direct:{user}", "is_im": True, "user": user, "purpose": ""}

    def put_home(self, user: str, view: Row) -> None:
        self.db.execute("INSERT OR REPLACE INTO homes VALUES (?, ?)", (user, json.dumps(view)))

    def home(self, user: str) -> Row | None:
        row = self.db.execute("SELECT view FROM homes WHERE user=?", (user,)).fetchone()
        return json.loads(row[0]) if row else None

    def put_file(self, body: Row, content: bytes | None) -> None:
        self.db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (body["id"], json.dumps(body), content))

    def file(self, file_id: str) -> tuple[Row, bytes | None] | None:
        row = self.db.execute("SELECT body, content FROM files WHERE id=?", (file_id,)).fetchone()
        return (json.loads(row[0]), row[1]) if row else None

    def mark_read(self, user: str, channel: str, ts: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO reads VALUES (?, ?, ?)", (user, channel, ts))

    def reads(self, user: str) -> dict[str, str]:
        return dict(self.db.execute("SELECT channel, ts FROM reads WHERE user=?", (user,)).fetchall())


def micros_of(ts: str) -> int:
    """Microseconds since 1970 of a message id."""
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int(fraction.ljust(6, "0")[:6])
