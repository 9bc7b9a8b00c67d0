"""A few of the random runs; `python -m tests.faults --runs 1000` does the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.store.errors import EmbeddedError
from engine.store.wheel import wheel_package

ROOT = Path(__file__).parents[2]


def test_after_bad_weather_the_store_is_true_every_gap_is_named_and_nothing_was_entered_on_a_bad_bar():
    try:
        wheel_package()
    except EmbeddedError as error:
        pytest.skip(str(error))
    line = [sys.executable, "-m", "tests.faults", "--runs", "5", "--seed", "202", "--minutes", "20"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    assert done.stdout, done.stderr[-4000:]
    account = json.loads(done.stdout)
    assert account["bad"] == 0, json.dumps(account["worst"], indent=1) + done.stderr[-4000:]
    counts = account["counts"]
    assert min(counts[name] for name in ("gaps", "minutes missed", "bars healed", "cards", "entries")) > 0
    assert {"kill", "database_away"} <= account["kinds"].keys()
