"""The compiled code is never stale, and runs uncompiled too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENGINE = Path(__file__).resolve().parents[2] / "engine"


def python(code: str, folder: Path, **environment: str) -> str:
    """Stdout of a fresh interpreter that sees `folder` first."""
    settings = {**os.environ, "PYTHONPATH": str(folder), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=settings, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_edited_callee_in_another_file_takes_effect_at_the_next_start(tmp_path: Path) -> None:
    tree = tmp_path / "engine"
    shutil.copytree(ENGINE, tree, ignore=shutil.ignore_patterns("__pycache__"))
    caller = tree / "core" / "caller.py"
    caller.write_text(
        "from engine.core.jit import compiled\nfrom engine.core.rounding import on_grid\n\n\n"
        "@compiled\ndef three_steps(step):\n    return on_grid(3.0, step)\n"
    )
    code = "from engine.core.caller import three_steps\nprint(three_steps(0.5))"
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert python(code, tmp_path, **cache) == "1.5"
    assert python(code, tmp_path, **cache) == "1.5"
    rounding = tree / "core" / "rounding.py"
    rounding.write_text(rounding.read_text().replace("return count / inverse", "return 10.0 * count / inverse"))
    assert python(code, tmp_path, **cache) == "15.0"


@pytest.mark.skipif(os.name != "posix", reason="a folder that cannot be written is made with a file in its place")
def test_a_cache_that_cannot_be_written_falls_back_with_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    code = (
        "import logging, sys\nlogging.basicConfig(stream=sys.stdout, format='%(message)s')\n"
        "import numba, engine.core.jit\nprint(numba.config.CACHE_DIR)"
    )
    lines = python(code, ENGINE.parent, NUMBA_CACHE_DIR=str(blocked)).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"cannot write {blocked}")
    assert Path(lines[1]).is_dir()
    Path(lines[1]).rmdir()


HASH = """
import hashlib
from tests.core.test_parity import random_world, RULES_FOR_HASH as rules
from engine.core.run import run
times, bars, wishes = random_world(rules, 7, 2500)
result = run(rules, times, bars, wishes, interval_us=60_000_000)
assert len(result.trades) > 100
print(hashlib.sha256(result.trades.tobytes() + result.equity.tobytes()).hexdigest())
"""


def test_uncompiled_trades_are_the_same_bytes() -> None:
    compiled = python(HASH, ENGINE.parent)
    assert python(HASH, ENGINE.parent, NUMBA_DISABLE_JIT="1") == compiled


def test_a_start_says_that_it_compiles_only_where_nothing_is_kept_yet(tmp_path: Path) -> None:
    code = "from engine.core import compile\ncompile(lambda share, what: print(what))"
    first, second = (python(code, ENGINE.parent, NUMBA_CACHE_DIR=str(tmp_path)).splitlines() for _ in range(2))
    assert (first[0], first[-1]) == ("Compiling the trading core: fills and exits", "The trading core is compiled")
    assert (second[0], second[-1]) == ("Loading the trading core: fills and exits", "The trading core is loaded")
