"""How soon Slack hears from the desk while a backtest, or a training, runs beside it and its database is busy.

    python benchmarks/slack_ack.py               # a minute of commands, beside a backtest
    python benchmarks/slack_ack.py --training    # the same beside a training of `direction`, as the desk starts it
    python benchmarks/slack_ack.py --full        # five minutes

Two people type commands into the sandbox; the simulated market runs at 60 times real time. Prints one JSON object on
stdout; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from desk_process import ROOT, SIGNALS, DeskProcess  # noqa: E402
from report import Board, percentile  # noqa: E402

SHORT, FULL = 60.0, 300.0
COINS, BARS = 1, 262_800
PEOPLE = ("U_ADMIN", "U_TRADER")
COMMANDS = ("/positions", "/signals", "/health", "/performance", "/desk help")
PAUSE = 0.5  # seconds between one person's commands
ROWS = 1_000


def write_bars(path: Path) -> None:
    """Seeded one-minute bars of a few coins, for the backtest."""
    import pandas as pd
    from backtest import made

    frames = []
    for coin in range(COINS):
        columns = made(BARS, coin)
        times = pd.to_datetime(columns.pop("time"), unit="us", utc=True)
        frames.append(pd.DataFrame({"symbol": f"C{coin}/USD", "time": times, **columns}))
    pd.concat(frames).to_parquet(path)


def command_of(kind: str, home: Path) -> list[str]:
    """The long work beside the desk."""
    line, bars = [sys.executable, "-m", "bot", kind], ["--bars", str(home / "bars.parquet")]
    if kind == "backtest":
        return [*line, "--playbook", str(HERE / "ema_peers.yaml"), *bars, "--out", str(home / "out")]
    return [*line, "--playbook", "direction", *bars, "--data-dir", str(home / "training"), "--gentle"]


class Neighbours:
    """Long work that starts again whenever it ends, and a client that writes into the desk's database, as threads."""

    def __init__(self, home: Path, desk: DeskProcess, kind: str) -> None:
        self.kind = kind
        self.ended = self.rows = 0
        self._home = home
        self._desk = desk
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._test, self._write)]

    def __enter__(self) -> Neighbours:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _test(self) -> None:
        line = command_of(self.kind, self._home)
        while not self._over.is_set():
            with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
                while process.poll() is None:
                    if self._over.wait(0.1):
                        process.kill()
                        return
                if process.returncode:
                    raise SystemExit(f"the {self.kind} ended with {process.returncode}")
            self.ended += 1

    def _write(self) -> None:
        """Batches of rows into a table of this benchmark's own, a commit each."""
        from engine.store.database import embedded
        from engine.store.embedded import EmbeddedPostgres

        with embedded(EmbeddedPostgres(self._desk.data)).connect() as connection:
            connection.execute("CREATE TABLE busy (number bigint PRIMARY KEY, value float8, words text)")
            connection.commit()
            while not self._over.is_set():
                with connection.cursor().copy("COPY busy FROM STDIN") as copy:
                    for number in range(self.rows, self.rows + ROWS):
                        copy.write_row((number, number / 7, f"row {number}"))
                connection.commit()
                self.rows += ROWS


async def type_away(desk: DeskProcess, user: str, until: float, acks: list[float], answers: list[float]) -> None:
    """One person's commands, one after the other; milliseconds to the acknowledgement, seconds to the content."""
    dice = random.Random(user)
    while time.monotonic() < until:
        command, _, text = dice.choice(COMMANDS).partition(" ")
        asked = time.monotonic()
        answer = await desk.ask("command", {"user": user, "channel": SIGNALS, "command": command, "text": text})
        if not answer.get("ok") or not answer["replies"]:
            raise SystemExit(f"{command} of {user} was not answered: {str(answer)[:300]}")
        acks.append(answer["ack_ms"])
        answers.append(time.monotonic() - asked)
        await asyncio.sleep(PAUSE)


async def measured(home: Path, seconds: float, kind: str, board: Board) -> None:
    """A quarter of the time alone, then the whole time beside busy neighbours."""
    await asyncio.to_thread(write_bars, home / "bars.parquet")
    async with DeskProcess(home, "--feed", "simulated", "--speed", "60") as desk:
        board.add("start to greeting", await desk.greeting(), "s")
        await crowd(desk, "alone", seconds / 4, board)
        with Neighbours(home, desk, kind) as busy:
            await crowd(desk, f"beside a {kind} and a writing client", seconds, board)
        board.add(f"{kind}s that ended meanwhile, rows written", busy.ended, "runs", busy.rows)
        database = (await asyncio.to_thread(desk.numbers))["database"]
        board.add("record to the database meanwhile, p99", database and database["p99_ms"], "ms")


async def crowd(desk: DeskProcess, what: str, seconds: float, board: Board) -> None:
    """All people type for `seconds`."""
    acks: list[float] = []
    answers: list[float] = []
    until = time.monotonic() + seconds
    await asyncio.gather(*(type_away(desk, user, until, acks, answers) for user in PEOPLE))
    say(board, what, acks, answers)


def say(board: Board, what: str, acks: list[float], answers: list[float]) -> None:
    for share in (0.5, 0.99, 1.0):
        name = "worst" if share == 1.0 else f"p{share * 100:.0f}"
        board.add(f"ack of {len(acks)} commands {what}, {name}", percentile(acks, share), "ms")
    board.add(f"content of the answer {what}, p99", percentile(answers, 0.99), "s")


def main() -> None:
    parser = argparse.ArgumentParser(description="Slack acknowledgements of a busy desk; one JSON object on stdout.")
    parser.add_argument("--full", action="store_true", help=f"{FULL:.0f} s of commands instead of {SHORT:.0f}")
    parser.add_argument("--training", action="store_true", help="beside a training instead of a backtest")
    args = parser.parse_args()
    kind = "train" if args.training else "backtest"
    board, began, seconds = Board(), os.getloadavg()[0], FULL if args.full else SHORT
    with tempfile.TemporaryDirectory(prefix="nightdesk-ack-") as home:
        asyncio.run(measured(Path(home), seconds, kind, board))
    size = "full size" if args.full else "smaller size"
    board.publish(f"slack ack, {size}: {seconds:.0f} s, 2 people", f"{began:.1f} at the start")


if __name__ == "__main__":
    main()
