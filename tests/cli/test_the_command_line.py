"""What is typed is read and answered before the engine is loaded, which takes seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bot.__main__ import FILES, main

SLOW = ("numba", "numpy", "engine.core", "engine.market")


def loaded_by(*words: str) -> tuple[int, set[str]]:
    """The exit code of `nightdesk WORDS`, and which of the slow modules were loaded to get there."""
    code = (
        "import sys\nfrom bot.__main__ import main\ntry:\n    done = main(sys.argv[1:])\n"
        f"except SystemExit as end:\n    done = end.code\nprint(done, *({SLOW!r} & sys.modules.keys()))"
    ).replace(repr(SLOW), repr(set(SLOW)))
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, timeout=60)
    number, *names = done.stdout.splitlines()[-1].split()
    return int(number), set(names)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--version",), 0),
        (("--help",), 0),
        (("frob",), 2),
        (("run", "--port", "70000"), 2),
        (("backtest", "--stored", "--outt", "x"), 2),
        (("status", "--data-dir", "nowhere"), 1),
        (("bactest", "--stored"), 2),
    ],
)
def test_what_can_be_answered_without_the_engine_does_not_load_it(words: tuple[str, ...], code: int) -> None:
    assert loaded_by(*words) == (code, set())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--feeed", "simulated"), "nightdesk run: there is no --feeed; did you mean --feed?"),
        (("--feeed=simulated",), "nightdesk run: there is no --feeed=simulated; did you mean --feed?"),
        (("close", "BTC", "--haf"), "nightdesk close: there is no --haf; did you mean --half?"),
        (("verify", "--xyzzy"), "nightdesk verify: there is no --xyzzy; see nightdesk verify --help"),
    ],
)
def test_a_mistyped_option_is_answered_with_the_one_that_was_meant(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{said}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bactest", "--stored"), "nightdesk: there is no command bactest; did you mean backtest?"),
        (("xyzzy",), "nightdesk: there is no command xyzzy; there are run, backfill, "),
    ],
)
def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(said)


def test_a_file_that_is_not_there_is_said_without_loading_the_engine() -> None:
    assert loaded_by("backfill", "--source", "files:nowhere/bars") == (1, set())


@pytest.mark.parametrize("name", FILES)
def test_every_command_has_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: nightdesk {name}" in capsys.readouterr().out
