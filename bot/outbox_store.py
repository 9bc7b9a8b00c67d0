"""The outbox's own file: what is to be said, what was said, and where each subject stands in Slack."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.records import Post, Record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS posts (
    key TEXT PRIMARY KEY, seq INTEGER NOT NULL, place INTEGER NOT NULL, channel TEXT NOT NULL, op TEXT NOT NULL,
    subject TEXT NOT NULL, thread TEXT, template TEXT NOT NULL, mention INTEGER NOT NULL, priority INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued', tries INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
    queued_at REAL NOT NULL, sent_at REAL
);
CREATE INDEX IF NOT EXISTS posts_waiting ON posts (channel, priority, seq, place) WHERE state IN ('queued', 'sending');
CREATE INDEX IF NOT EXISTS posts_subject ON posts (subject) WHERE state IN ('queued', 'sending');
CREATE INDEX IF NOT EXISTS posts_of_subject ON posts (subject, seq, place);
CREATE TABLE IF NOT EXISTS subjects (
    subject TEXT PRIMARY KEY, template TEXT NOT NULL, data TEXT NOT NULL, channel TEXT, ts TEXT, root TEXT
);
"""
LAST = 9  # priority of what may wait for everything else
_COLUMNS = (
    "key, seq, place, channel, op, subject, thread, template, mention, priority, state, tries, queued_at, sent_at"
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One post that has not been delivered. `sent_at` is real time of a first attempt whose end is unknown."""

    key: str
    seq: int
    place: int
    channel: str
    op: str
    subject: str
    thread: str | None
    template: str
    mention: bool
    priority: int
    state: str
    tries: int
    queued_at: float
    sent_at: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A subject: what it should say by now, and its message (`channel` is an id) once there is one."""

    subject: str
    template: str
    data: Mapping[str, Any]
    channel: str | None
    ts: str | None
    root: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far delivery is. Ages in real seconds; `why` is what Slack said of what waits; `read` the last ledger row."""

    waiting: int = 0
    oldest: float = 0.0
    failed: int = 0
    why: str = ""
    read: int | None = None
    trouble: str = ""  # why none of this could be found out


class OutboxStore:
    """One SQLite file; every call is one transaction and safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(
            "PRAGMA synchronous=NORMAL"
        )  # what a power cut takes away, the ledger and Slack's history give back
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def cursor(self) -> int | None:
        """The last ledger row taken in; None in a new outbox."""
        row = self._one("SELECT seq FROM cursor")
        return int(row[0]) if row else None

    def take(self, records: Iterable[Record], at: float, sent_at: float | None = None) -> int:
        """Queue the posts of ledger rows, each once, and remember how far this went. Gives how many rows there were.

        `sent_at`: an earlier outbox may have sent them, at this real time at the earliest.
        """
        taken = 0
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for record in records:
                    for place, post in enumerate(record.posts):
                        self._queue(post, record.seq, place, at, sent_at)
                    self._db.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (record.seq,))
                    taken += 1
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        return taken

    def _queue(self, post: Post, seq: int, place: int, at: float, sent_at: float | None = None) -> None:
        row = (post.key, seq, place, post.channel, post.op, post.subject, post.thread, post.template)
        new = self._db.execute(
            "INSERT OR IGNORE INTO posts (key, seq, place, channel, op, subject, thread, template, mention, priority, "
            "queued_at, sent_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, int(post.mention), post.priority, at, sent_at),
        ).rowcount
        if not new:
            return
        known = self._db.execute("SELECT data FROM subjects WHERE subject=?", (post.subject,)).fetchone()
        merged = {**(json.loads(known[0]) if known else {}), **post.data}
        self._db.execute(
            "INSERT INTO subjects (subject, template, data) VALUES (?, ?, ?) "
            "ON CONFLICT (subject) DO UPDATE SET template=excluded.template, data=excluded.data",
            (post.subject, post.template, json.dumps(merged)),
        )

    def retouch(self, subject: str, data: Mapping[str, Any], at: float) -> bool:
        """Lay newer data over a subject without a ledger row: one edit of it waits at most, behind everything else.

        False when the subject is not known (yet). For what may be lost: the subject's next ledger row says it all.
        """
        with self._lock:
            known = self._db.execute("SELECT data, template FROM subjects WHERE subject=?", (subject,)).fetchone()
            newest = self._db.execute(
                "SELECT seq, max(place), channel FROM posts WHERE subject=? GROUP BY seq, channel ORDER BY seq DESC",
                (subject,),
            ).fetchone()
            if known is None or newest is None:
                return False
            self._db.execute(
                "UPDATE subjects SET data=? WHERE subject=?", (json.dumps({**json.loads(known[0]), **data}), subject)
            )
            self._db.execute(
                "INSERT INTO posts (key, seq, place, channel, op, subject, template, mention, priority, queued_at) "
                "VALUES (?, ?, ?, ?, 'update', ?, ?, 0, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET state='queued', tries=0, error='', sent_at=NULL, seq=excluded.seq, "
                "place=excluded.place, queued_at=excluded.queued_at",
                (f"{subject}|now", newest[0], newest[1] + 1, newest[2], subject, known[1], LAST, at),
            )
            return True

    def waiting(self, channel: str, most: int = 200) -> list[Waiting]:
        """Undelivered posts of a channel: by priority, then in the order of the ledger."""
        rows = self._all(
            f"SELECT {_COLUMNS} FROM posts WHERE channel=? AND state IN ('queued', 'sending') "
            "ORDER BY priority, seq, place LIMIT ?",
            (channel, most),
        )
        return [_waiting(row) for row in rows]

    def standing(self, subject: str) -> Standing | None:
        row = self._one("SELECT subject, template, data, channel, ts, root FROM subjects WHERE subject=?", (subject,))
        return Standing(row[0], row[1], json.loads(row[2]), *row[3:]) if row else None

    def first_of(self, subject: str) -> Waiting | None:
        """The oldest undelivered post of a subject."""
        row = self._one(
            f"SELECT {_COLUMNS} FROM posts WHERE subject=? AND state IN ('queued', 'sending') "
            "ORDER BY seq, place LIMIT 1",
            (subject,),
        )
        return _waiting(row) if row else None

    def last_seq(self, subject: str) -> tuple[int, int]:
        """The place of the newest post of a subject: what is rendered now says everything up to here."""
        row = self._one(
            "SELECT seq, place FROM posts WHERE subject=? ORDER BY seq DESC, place DESC LIMIT 1", (subject,)
        )
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def begin(self, key: str, at: float) -> None:
        """An attempt starts; from here on its end is unknown until `delivered` or `failed`."""
        sql = "UPDATE posts SET state='sending', tries=tries+1, sent_at=COALESCE(sent_at, ?) WHERE key=?"
        self._all(sql, (at, key))

    def not_sent(self, key: str, error: str) -> None:
        """Slack said no: nothing was posted, the post waits on."""
        self._all("UPDATE posts SET state='queued', sent_at=NULL, error=? WHERE key=?", (error, key))

    def unsure(self, key: str, error: str) -> None:
        self._all("UPDATE posts SET error=? WHERE key=?", (error, key))

    def delivered(self, post: Waiting, channel: str, ts: str, root: str, upto: tuple[int, int]) -> None:
        """The message stands; older and equal updates of the subject went out with it."""
        self._all("UPDATE subjects SET channel=?, ts=?, root=? WHERE subject=?", (channel, ts, root, post.subject))
        self._all(
            "UPDATE posts SET state='done' WHERE subject=? AND state IN ('queued', 'sending') "
            "AND (seq < ? OR (seq = ? AND place <= ?))",
            (post.subject, upto[0], upto[0], upto[1]),
        )

    def give_up(self, key: str, state: str, error: str = "") -> None:
        """`failed`: Slack will never take it; `dropped`: it has nothing left to say."""
        self._all("UPDATE posts SET state=?, error=? WHERE key=?", (state, error, key))

    def drop_subject(self, subject: str) -> None:
        self._all("UPDATE posts SET state='dropped' WHERE subject=? AND state IN ('queued', 'sending')", (subject,))

    def note_missed(self, channel: str, card: Standing, at: float) -> None:
        """Count a card that nobody could see; a new line begins once the last one is out."""
        with self._lock:
            row = self._db.execute(
                "SELECT key FROM posts WHERE template='missed' AND channel=? AND state='queued'", (channel,)
            ).fetchone()
            seq = int((self._db.execute("SELECT seq FROM cursor").fetchone() or (0,))[0])
            subject = row[0] if row else f"missed:{card.subject}"
            known = self._db.execute("SELECT data FROM subjects WHERE subject=?", (subject,)).fetchone()
            symbols = [*(json.loads(known[0])["symbols"] if known else []), card.data["proposal"]["symbol"]]
            data = {"label": card.data.get("label", ""), "count": len(symbols), "symbols": symbols}
            self._queue(Post(subject, channel, "post", subject, "missed", data), seq, 0, at)
            self._db.execute("UPDATE subjects SET data=? WHERE subject=?", (json.dumps(data), subject))

    def counts(self) -> tuple[int, float | None, int, str]:
        """Waiting, the oldest one's real time, failed, and the last error."""
        waiting = self._one("SELECT count(*), min(queued_at) FROM posts WHERE state IN ('queued', 'sending')")
        failed = self._one("SELECT count(*) FROM posts WHERE state='failed'")
        worst = self._one("SELECT error FROM posts WHERE error != '' AND state != 'done' ORDER BY seq DESC LIMIT 1")
        count, oldest = waiting or (0, None)
        return int(count), oldest, int(failed[0]) if failed else 0, str(worst[0]) if worst else ""

    def backlog(self, now: float) -> Backlog:
        """Delivery as of the real time `now`."""
        waiting, oldest, failed, _ = self.counts()
        why = self._one(
            "SELECT error FROM posts WHERE error != '' AND state IN ('queued', 'sending') "
            "ORDER BY priority, seq, place LIMIT 1"
        )
        age = max(0.0, now - oldest) if oldest is not None else 0.0
        return Backlog(waiting, age, failed, str(why[0]) if why else "", self.cursor())

    def is_out(self, subject: str) -> bool:
        """Whether a message of this subject stands in Slack."""
        return self._one("SELECT 1 FROM subjects WHERE subject=? AND ts IS NOT NULL", (subject,)) is not None

    def quiet_since(self, at: float) -> list[tuple[str, str]]:
        """Subjects of which nothing waits and nothing was queued since `at` (real seconds), with their data as JSON."""
        sql = (
            "SELECT subject, data FROM subjects WHERE subject NOT IN "
            "(SELECT subject FROM posts WHERE queued_at >= ? OR state IN ('queued', 'sending'))"
        )
        return [(str(subject), str(data)) for subject, data in self._all(sql, (at,))]

    def forget(self, subjects: Sequence[str]) -> None:
        """Delete subjects and their posts; the cursor stays, so no ledger row brings them back."""
        named = [(subject,) for subject in subjects]
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for table in ("posts", "subjects"):
                    self._db.executemany(f"DELETE FROM {table} WHERE subject=?", named)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _one(self, sql: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
            return row

    def _all(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()


def _waiting(row: tuple[Any, ...]) -> Waiting:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Waiting(**{**values, "mention": bool(values["mention"])})
