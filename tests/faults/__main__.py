"""`python -m tests.faults --runs 1000 --seed 1`: so many random runs, and what they came to, as one JSON object."""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys

from engine.clock import monotonic
from tests.faults.runs import runner, summed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="how many runs")
    parser.add_argument("--seed", type=int, default=1, help="of the first one; run n has seed + n")
    parser.add_argument("--minutes", type=int, default=24, help="of market in a run")
    parser.add_argument("--processes", type=int, default=2, help="runs at a time")
    parser.add_argument("--share", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    began = monotonic()
    results = run_share(asked, asked.share) if asked.share is not None else run_all(asked)
    if asked.share is not None:
        print(json.dumps(results))
        return 0
    account = summed(results) | {"seconds": round(monotonic() - began, 1)}
    print(json.dumps(account, indent=1))
    return 1 if account["bad"] else 0


def run_share(asked: argparse.Namespace, share: int) -> list[dict[str, object]]:
    """Every so many-eth run, in this process's children."""
    results: list[dict[str, object]] = []
    with runner() as made:
        for number in range(share, asked.runs, asked.processes):
            seed = asked.seed + number
            try:
                result = made.run(seed, asked.minutes)
            except (RuntimeError, OSError) as error:
                result = {"seed": seed, "faults": [str(error)], "counts": {}, "kinds": []}
            if result["faults"]:
                print(f"seed {seed}: {result['faults']}", file=sys.stderr, flush=True)
            results.append(result)
            if len(results) % 20 == 0:
                print(f"{len(results)} runs of share {share}", file=sys.stderr, flush=True)
    return results


def run_all(asked: argparse.Namespace) -> list[dict[str, object]]:
    line = [sys.executable, "-m", "tests.faults", "--runs", str(asked.runs), "--seed", str(asked.seed)]
    line += ["--minutes", str(asked.minutes), "--processes", str(asked.processes)]
    children = [
        subprocess.Popen([*line, "--share", str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(asked.processes)
    ]
    results: list[dict[str, object]] = []
    for child in children:
        answer, _ = child.communicate()
        results += json.loads(answer)
    return results


if __name__ == "__main__":
    sys.exit(main())
