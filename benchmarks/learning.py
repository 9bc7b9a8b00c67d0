"""How fast the learning loop is, part by part, beside other libraries.

    python benchmarks/learning.py [PART…]           # within 4 minutes
    uv run --group peers python benchmarks/learning.py --full

Prints one JSON object on stdout; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from learning_features import features  # noqa: E402
from learning_training import training  # noqa: E402
from report import Board  # noqa: E402

PARTS = {"features": features, "training": training}


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the learning loop is.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--full", action="store_true", help="more repetitions, six months to train on")
    asked = parser.parse_args()
    unknown = [part for part in asked.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}; parts are {', '.join(PARTS)}")
    board = Board()
    for part in asked.parts or PARTS:
        PARTS[part](board, asked.full)
    board.publish("learning", "medians; peers make the same features (levels simpler), checked against ours")


if __name__ == "__main__":
    main()
