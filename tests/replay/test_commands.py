"""`nightdesk verify` and `nightdesk replay`, as a person types them, beside a desk that keeps writing."""

import sqlite3

import pytest

from bot.__main__ import main
from engine.messages import Attempted
from tests.desk.kit import START
from tests.replay.test_replay import session


@pytest.fixture
def desk(tmp_path):
    floor = session(tmp_path / "ledger.sqlite", 3, 20)
    yield floor
    floor.ledger.close()


def folder(desk):
    return str(desk.ledger.path.parent)


def test_verify_prints_the_rows_checked_and_ends_0(desk, capsys):
    assert main(["verify", "--data-dir", folder(desk)]) == 0
    assert f"all in order: {len(desk.records)} rows checked" in capsys.readouterr().out


def test_verify_names_the_first_bad_row_and_ends_1(desk, capsys):
    connection = sqlite3.connect(desk.ledger.path)
    connection.execute("DROP TRIGGER records_refuse_update")
    connection.execute("UPDATE records SET kind = 'Pause' WHERE seq = 4")
    connection.commit()
    connection.close()
    assert main(["verify", "--data-dir", folder(desk)]) == 1
    words = capsys.readouterr().out
    assert words.index("recorded by another version of the code") < words.index("first bad row 4")


def test_verify_checks_an_anchor(desk, capsys):
    row = desk.records[-3]
    assert main(["verify", "--data-dir", folder(desk), "--anchor", f"{row.seq}:{row.head[:12]}"]) == 0
    assert main(["verify", "--data-dir", folder(desk), "--anchor", f"{row.seq}:{'0' * 12}"]) == 1
    out = capsys.readouterr().out
    assert f"anchor {row.seq} holds" in out
    assert "rewritten" in out
    assert "recorded by" not in out  # whose version it is explains no wrong anchor


def test_an_anchor_beyond_the_end_is_no_bad_row(desk, capsys):
    assert main(["verify", "--data-dir", folder(desk), "--anchor", "999999:" + "a" * 12]) == 1
    out = capsys.readouterr().out
    assert out.strip() == f"the ledger ends at row {len(desk.records)}, before the anchor's row 999999"


def test_a_wrong_anchor_or_folder_is_one_line(desk, tmp_path, capsys):
    assert main(["verify", "--data-dir", folder(desk), "--anchor", "yesterday"]) == 1
    (tmp_path / "empty").mkdir()
    assert main(["verify", "--data-dir", str(tmp_path / "empty")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert any("write SEQ:HASH" in line for line in lines)
    assert any("there is no ledger" in line for line in lines)
    assert not any("Traceback" in line for line in lines)


def test_replay_decides_the_same_again_and_ends_0(desk, capsys):
    assert main(["replay", "--data-dir", folder(desk)]) == 0
    assert f"{len(desk.records)} records replayed" in capsys.readouterr().out


def test_replay_prints_the_first_difference_and_ends_1(desk, capsys):
    desk.ledger.append(Attempted(START, "U1", "/panic", False), (), (), {})
    assert main(["replay", "--data-dir", folder(desk)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("recorded by another version of the code (unnamed; this is ")
    assert f"first difference in row {len(desk.records) + 1} (Attempted), outcome 0" in out
    assert "recorded: nothing" in out
    assert "Audited" in out
