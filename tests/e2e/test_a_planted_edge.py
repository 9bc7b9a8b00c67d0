"""A newcomer's first hour with a model: no model, a training, a card, a promotion, a proposal, a trade."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.desk import ROOT, RunningDesk, command

BRIEF = {
    "history: 182 d": "history: 110 d",
    "fewest_trades: 100": "fewest_trades: 20\n    least_deflated_sharpe: null",
    "  calibration: best": "  learner: {rounds: 150, eta: 0.1}\n  calibration: best",
}


def brief_playbook(folder: Path) -> Path:
    """`direction`, learning from less, and promoted for less, than a real one."""
    text = (ROOT / "engine" / "playbooks" / "direction.yaml").read_text()
    for long, short in BRIEF.items():
        assert long in text
        text = text.replace(long, short)
    path = folder / "direction.yaml"
    path.write_text(text)
    return path


def showing(desk: RunningDesk, action: str) -> dict[str, Any] | None:
    return next((one for one in desk.messages() if f'"{action}"' in json.dumps(one["blocks"])), None)


def test_a_newcomer_trains_promotes_and_trades_on_a_market_with_a_known_edge(
    start: Callable[..., RunningDesk], tmp_path: Path
) -> None:
    options = ("--playbook", str(brief_playbook(tmp_path)), "--speed", "60")
    desk = start(*options, "--feed", "simulated", "--planted", "0.70").ready()
    greeting = json.dumps(desk.messages()[0]["blocks"], ensure_ascii=False)
    assert "No model is promoted yet" in greeting
    assert "planted edge" in greeting
    assert "AVAX/USD" in greeting

    assert "Started" in desk.run("/desk", "train")
    offer = desk.wait(lambda: showing(desk, "model_promote"), 150, "a model on offer")
    card = json.dumps(offer["blocks"], ensure_ascii=False)
    assert "Model direction: edge" in card
    assert "planted edge" in card
    assert "champion of direction now" in desk.press(offer, "model_promote", "U_ADMIN")

    proposal = desk.card(90)
    words = json.dumps(proposal["blocks"], ensure_ascii=False)
    assert "planted edge" in words
    assert "the model expects a rise, worth" in words
    assert "mostly by" in words
    assert "Approved" in desk.press(proposal, "proposal_approve")
    desk.wait(lambda: desk.outcomes("PositionOpened"), 30, "a position")
    signal = desk.outcomes("ProposalOpened")[0]["proposal"]
    assert signal["confidence"] > 0.60
    desk.kill()

    again = start(*options).ready()  # the folder knows its market
    version = desk.outcomes("ModelChanged")[0]["champion"]
    again.wait(lambda: version in again.run("/ml-status"), 60, "the champion that was promoted")
    assert "planted edge" in again.run("/positions")
    assert again.stop() == 0
    other = command(
        "run", "--data-dir", str(again.data), *options, "--feed", "simulated", "--planted", "0.6", home=tmp_path
    )
    assert other.returncode == 1
    assert "was born simulated (planted edge 70%) for playbook direction and never changes" in other.stderr
