"""The ledger: durable, append-only, hash-chained, readable beside its writer."""

import os
import signal
import sqlite3
import subprocess
import sys
import zlib
from datetime import UTC, datetime, timedelta

import pytest

from engine.domain import Role
from engine.messages import Attempted, Pause
from engine.outcomes import Audited
from engine.records import Post
from engine.replaying import Anchor, verify
from engine.store.ledger import LedgerError, SqliteLedger, canonical, link, read_records, read_rows, record_of

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


def fill(path, rows=5):
    ledger = SqliteLedger(path)
    for number in range(rows):
        at = START + timedelta(seconds=number)
        message = Attempted(at, f"U{number}", "approve", False, "no role")
        posts = (Post(f"k{number}", "alerts", "post", "s", "t", {"n": number}),)
        ledger.append(message, (Audited(f"U{number}", "approve", False, "no role"),), posts, {"BTC/USD": at})
    return ledger


def tamper(path, sql, *values):
    """What someone with a hammer does: the triggers go first."""
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER records_refuse_update; DROP TRIGGER records_refuse_delete;")
    connection.execute(sql, values)
    connection.commit()
    connection.close()


def test_what_was_appended_reads_back_equal(tmp_path):
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    message = Pause(START, "U1", Role.TRADER, "lunch")
    written = ledger.append(message, (), (), {"ETH/USD": START})
    assert list(ledger.read()) == [written]
    assert written.message == message
    assert ledger.head() == (1, written.head)


def test_a_second_reader_sees_rows_while_the_writer_is_open(tmp_path):
    ledger = fill(tmp_path / "ledger.sqlite", 3)
    assert [record.seq for record in read_records(ledger.path, after=1)] == [2, 3]
    fill_more = Attempted(START, "U9", "x", True)
    ledger.append(fill_more, (), (), {})
    assert [record.seq for record in read_records(ledger.path, after=3)] == [4]


def test_a_reopened_ledger_goes_on_with_the_chain(tmp_path):
    path = tmp_path / "ledger.sqlite"
    fill(path, 3).close()
    ledger = SqliteLedger(path)
    ledger.append(Attempted(START, "U9", "x", True), (), (), {})
    assert verify(path).bad_seq is None
    assert verify(path).rows == 4


@pytest.mark.parametrize("sql", ["UPDATE records SET at = 'x' WHERE seq = 2", "DELETE FROM records WHERE seq = 2"])
def test_the_file_itself_refuses_changes(tmp_path, sql):
    ledger = fill(tmp_path / "ledger.sqlite")
    connection = sqlite3.connect(ledger.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(sql)
    connection.close()


def test_an_untouched_ledger_verifies_with_its_row_count(tmp_path):
    ledger = fill(tmp_path / "ledger.sqlite", 7)
    found = verify(ledger.path)
    assert (found.rows, found.bad_seq) == (7, None)
    assert found.head == ledger.head()[1]


def test_verify_names_an_edited_row(tmp_path):
    path = fill(tmp_path / "ledger.sqlite").path
    row = next(row for row in read_rows(path) if row.seq == 3)
    forged = zlib.compress(zlib.decompress(row.body).replace(b"U2", b"U7"))
    tamper(path, "UPDATE records SET body = ? WHERE seq = 3", forged)
    found = verify(path)
    assert found.bad_seq == 3
    assert "edited" in found.sentence


@pytest.mark.parametrize("column", ["at", "kind"])
def test_verify_names_a_row_whose_column_was_edited(tmp_path, column):
    path = fill(tmp_path / "ledger.sqlite").path
    tamper(path, f"UPDATE records SET {column} = '2020-01-01' WHERE seq = 4")
    assert verify(path).bad_seq == 4


def test_verify_names_a_missing_row(tmp_path):
    path = fill(tmp_path / "ledger.sqlite").path
    tamper(path, "DELETE FROM records WHERE seq = 2")
    found = verify(path)
    assert found.bad_seq == 2
    assert "missing" in found.sentence


def test_verify_names_reordered_rows(tmp_path):
    path = fill(tmp_path / "ledger.sqlite").path
    tamper(path, "UPDATE records SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq IN (2, 3)")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE records SET seq = -seq WHERE seq < 0")
    connection.commit()
    connection.close()
    assert verify(path).bad_seq == 2


def test_an_anchor_finds_a_history_that_was_rewritten_with_a_perfect_chain(tmp_path):
    path = fill(tmp_path / "ledger.sqlite").path
    anchor = Anchor(4, next(row.hash for row in read_rows(path) if row.seq == 4)[:12])
    assert verify(path, anchor).bad_seq is None
    rewrite(path)
    assert verify(path).bad_seq is None, "the forged chain is consistent in itself"
    assert verify(path, anchor).bad_seq == 4


def rewrite(path):
    """Forge every row and every hash after it."""
    head, forged = "", []
    for row in read_rows(path):
        text = zlib.decompress(row.body).replace(b"no role", b"allowed")
        head = link(head, row.seq, row.at, row.kind, text)
        forged.append((zlib.compress(text), head, row.seq))
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER records_refuse_update")
    connection.executemany("UPDATE records SET body = ?, hash = ? WHERE seq = ?", forged)
    connection.commit()
    connection.close()


def test_an_anchor_finds_a_history_that_was_cut_short(tmp_path):
    path = fill(tmp_path / "ledger.sqlite").path
    last = list(read_rows(path))[-1]
    tamper(path, "DELETE FROM records WHERE seq >= 4")
    assert verify(path).bad_seq is None
    assert verify(path, Anchor(5, last.hash[:12])).bad_seq == 4


@pytest.mark.parametrize("text", ["12", "x:abcdef", "0:abcdef", "5:abc", "5:zzzzzz", ""])
def test_an_anchor_that_cannot_be_read_is_refused_with_its_shape(text):
    with pytest.raises(ValueError, match="SEQ:HASH"):
        Anchor.parse(text)


def test_a_full_disk_writes_nothing_and_says_so(tmp_path):
    ledger = fill(tmp_path / "ledger.sqlite", 2)
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count={pages}")
    long = Attempted(START, "U1", os.urandom(60_000).hex(), False)
    with pytest.raises(LedgerError, match="row 3 could not be written"):
        ledger.append(long, (), (), {})
    assert ledger.head()[0] == 2
    ledger._connection.execute("PRAGMA max_page_count=100000")
    assert ledger.append(long, (), (), {}).seq == 3
    assert verify(ledger.path).rows == 3


def test_rows_written_together_are_seen_by_nobody_before_their_end(tmp_path):
    ledger = fill(tmp_path / "ledger.sqlite", 2)
    with ledger.together():
        for name in "AB":
            ledger.append(Attempted(START, name, "x", True), (), (), {})
        assert len(list(read_rows(ledger.path))) == 2
    assert verify(ledger.path).rows == 4


def one_and_no_more(ledger):
    ledger.append(Attempted(START, "A", "x", True), (), (), {})
    raise LedgerError("no room for the next")


def test_of_rows_written_together_none_is_left_when_one_fails(tmp_path):
    ledger = fill(tmp_path / "ledger.sqlite", 2)
    with pytest.raises(LedgerError), ledger.together():
        one_and_no_more(ledger)
    assert ledger.head()[0] == 2
    assert ledger.append(Attempted(START, "B", "x", True), (), (), {}).seq == 3
    assert verify(ledger.path).rows == 3


def test_two_writers_cannot_fork_the_chain(tmp_path):
    first = fill(tmp_path / "ledger.sqlite", 2)
    second = SqliteLedger(first.path)
    first.append(Attempted(START, "A", "x", True), (), (), {})
    with pytest.raises(LedgerError):
        second.append(Attempted(START, "B", "x", True), (), (), {})
    assert verify(first.path).rows == 3


def test_no_ledger_is_said_in_a_sentence(tmp_path):
    with pytest.raises(LedgerError, match="no ledger at"):
        verify(tmp_path / "ledger.sqlite")


def test_an_unreadable_row_is_named(tmp_path):
    path = fill(tmp_path / "ledger.sqlite").path
    row = next(read_rows(path))
    with pytest.raises(LedgerError, match="row 1 cannot be read"):
        record_of(row._replace(body=zlib.compress(canonical({"message": {}}))))


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from engine.messages import Attempted
from engine.store.ledger import SqliteLedger
ledger = SqliteLedger(Path(sys.argv[1]))
while True:
    record = ledger.append(Attempted(datetime(2026, 1, 1, tzinfo=UTC), "U1", "x" * 500, True), (), (), {})
    print(record.seq, flush=True)
"""


def test_kill_nine_in_the_middle_of_appending_loses_nothing_that_was_acknowledged(tmp_path):
    path = tmp_path / "ledger.sqlite"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    acknowledged = 0
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged >= 40:
            break
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read()
    process.wait()
    process.stdout.close()
    acknowledged = max([acknowledged, *(int(line) for line in rest.splitlines())])
    found = verify(path)
    assert found.bad_seq is None
    assert found.rows >= acknowledged >= 40
