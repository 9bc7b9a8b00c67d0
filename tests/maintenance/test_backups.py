"""Back-ups: whole and proven, or not there at all; and a desk that starts from one is the desk that was."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from engine.domain import Role
from engine.maintenance.backups import FOLDER, MANIFEST, ROOM, BackupError, back_up, prune, standing, sweep
from engine.messages import Pause
from engine.replaying import verify
from engine.restoring import Restoring
from engine.store.ledger import SqliteLedger
from engine.trader import Trader
from tests.maintenance.made import NOW, busy_floor, recorded, rows, versions

DIES = """
import sys
from pathlib import Path
from datetime import datetime, UTC
from engine.maintenance import backups as room
def block(*_):
    print("copied", flush=True)
    sys.stdin.read()

room._seal = block
room.back_up(Path(sys.argv[1]), datetime(2026, 11, 22, 2, tzinfo=UTC))
"""


def plenty(folder):
    return 100 * ROOM


def test_the_copy_is_the_ledger_as_it_was_between_two_writes_of_its_writer(tmp_path):
    ledger = recorded(tmp_path)
    made = back_up(tmp_path, NOW, free=plenty)
    seq, head = ledger.head()
    ledger.append(Pause(NOW, "U1", Role.TRADER), (), (), {})  # the writer was never in the way, nor closed
    assert made.path == tmp_path / FOLDER / "2026-11-22T020003Z"
    assert (made.rows, made.head) == (seq, head)
    found = verify(made.path / "ledger.sqlite")
    assert (found.rows, found.bad_seq) == (seq, None)
    assert rows(made.path / "experiments.sqlite", "experiments") == rows(tmp_path / "experiments.sqlite", "experiments")
    assert standing(tmp_path) == [made.path]


def test_the_manifest_names_every_file_with_its_hash(tmp_path):
    recorded(tmp_path)
    versions(tmp_path, "v1")
    made = back_up(tmp_path, NOW, [tmp_path / "models" / "direction" / "v1"], free=plenty)
    told = json.loads((made.path / MANIFEST).read_text())["sha256"]
    files = {str(path.relative_to(made.path)): path for path in made.path.rglob("*") if path.is_file()}
    assert told.keys() == files.keys() - {MANIFEST}
    assert "models/direction/v1/model.json" in told
    assert all(sha256(files[name].read_bytes()).hexdigest() == told[name] for name in told)


def test_a_back_up_that_is_killed_before_its_last_step_is_never_taken_for_one(tmp_path):
    recorded(tmp_path).close()
    line = [sys.executable, "-c", DIES, str(tmp_path)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"copied\n"
        one.send_signal(signal.SIGKILL)
    left = list((tmp_path / FOLDER).iterdir())
    assert [path.name for path in left] == [".2026-11-22T020000Z.new"]
    assert standing(tmp_path) == []
    assert sweep(tmp_path) > 0
    assert list((tmp_path / FOLDER).iterdir()) == []
    assert back_up(tmp_path, NOW, free=plenty).rows > 0


def test_a_damaged_ledger_is_not_copied_over_good_back_ups(tmp_path):
    recorded(tmp_path).close()
    good = back_up(tmp_path, NOW, free=plenty)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection:
        connection.execute("DROP TRIGGER records_refuse_update")
        connection.execute("UPDATE records SET at = '2020-01-01' WHERE seq = 2")
        connection.commit()
    with pytest.raises(BackupError, match=r"row 2 .* was edited"):
        back_up(tmp_path, NOW + timedelta(days=7), free=plenty)
    assert list((tmp_path / FOLDER).iterdir()) == [good.path]


def test_without_room_nothing_is_begun_and_the_sentence_has_the_numbers(tmp_path):
    recorded(tmp_path).close()
    with pytest.raises(BackupError, match="2,048 must stay free, but 2,048 are"):
        back_up(tmp_path, NOW, free=lambda _: ROOM)
    assert not (tmp_path / FOLDER).exists()


def test_the_last_few_are_kept_and_a_person_s_own_folder_beside_them(tmp_path):
    recorded(tmp_path).close()
    own = tmp_path / FOLDER / "before the upgrade"
    own.mkdir(parents=True)
    made = [back_up(tmp_path, NOW + timedelta(days=7 * week), free=plenty).path for week in range(4)]
    gone, freed = prune(tmp_path, 2)
    assert gone == 2
    assert freed > 0
    assert standing(tmp_path) == made[2:]
    assert own.is_dir()


def test_a_start_from_a_copy_in_an_empty_folder_is_the_desk_that_was(tmp_path):
    floor = busy_floor()
    recorded(tmp_path / "old", floor)
    made = back_up(tmp_path / "old", NOW, free=plenty)
    shutil.copytree(made.path, tmp_path / "new")
    ledger = SqliteLedger(tmp_path / "new" / "ledger.sqlite")
    trader, judged = Restoring(ledger, Trader, None).trader()
    assert judged == made.rows == len(floor.told)
    before, after = floor.trader.snapshot(), trader.snapshot()
    assert before.positions
    assert (after.cash, after.equity, after.positions) == (before.cash, before.equity, before.positions)
    assert (after.seq, after.head) == (made.rows, made.head)
    ledger.append(Pause(NOW, "U1", Role.TRADER), (), (), {})
    assert verify(ledger.path).bad_seq is None, "it goes on where the copy ends"
