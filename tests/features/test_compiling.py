"""Sets run uncompiled too, with the same bits, and a desk that does not use one does not load it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.features.sets import find_set, known
from tests.features.made import rough

ROOT = Path(__file__).resolve().parents[2]

HASH = """
import hashlib
from engine.features.sets import find_set
from tests.features.made import rough
rows = find_set({name!r}).batch(rough(900, seed=5))
print(hashlib.sha256(rows.tobytes()).hexdigest())
"""


def python(code: str, **environment: str) -> str:
    settings = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=settings, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["core6", "trend52"])
def test_uncompiled_rows_are_the_same_bytes(name: str) -> None:
    rows = find_set(name).batch(rough(900, seed=5))
    assert known(rows).sum() > 100
    assert python(HASH.format(name=name), NUMBA_DISABLE_JIT="1") == hashlib.sha256(rows.tobytes()).hexdigest()


def test_the_desk_loads_no_set_that_no_model_asked_for() -> None:
    code = "import sys\nimport engine.runtime\nprint([m for m in sys.modules if 'trend52' in m or 'core6' in m])"
    assert python(code) == "[]"
