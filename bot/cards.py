"""A post's data → the message that people see: the same words at the first delivery and at every edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.blocks import Block, Rendered, assemble, button
from bot.ids import ActionId
from bot.job_card import job_buttons, job_values
from bot.model_news import model_buttons, offered_values
from bot.render import Words, slack
from bot.wire import load
from engine.domain import ExitReason, Hold, Position, Proposal, ProposalStatus, Side, TradeRecord

REASONS = {
    ExitReason.STOP: "The stop was touched",
    ExitReason.STOP_LATE: "The stop was crossed while prices were missing; sold at the first price after",
    ExitReason.TARGET: "The target was reached",
    ExitReason.TRAILING: "The trailing stop was touched",
    ExitReason.TIME: "The time limit was over",
    ExitReason.SIGNAL: "The strategy's exit signal came",
    ExitReason.MANUAL: "Closed by hand",
    ExitReason.END: "The data ended",
}


def base(symbol: str) -> str:
    """The coin of a symbol: BTC of BTC/USD."""
    return symbol.split("/")[0]


def verb(side: Side) -> str:
    return "Buy" if side is Side.LONG else "Sell short"


def render_post(words: Words, template: str, data: Mapping[str, Any]) -> Rendered:
    """One post as a message. The market's label, when there is one, leads the text and ends the note."""
    values = load(data)
    extend = _EXTEND.get(template)
    if extend is not None:
        values.update(extend(values))
    return labelled(assemble(words.parts(template, values), _buttons(template, values)), str(values.get("label", "")))


def labelled(message: Rendered, label: str) -> Rendered:
    """The message saying on its face and in its text that this market is not a real one."""
    if not label:
        return message
    shown = slack(label)
    blocks = [dict(block) for block in message.blocks]
    if blocks and blocks[-1]["type"] == "context":
        blocks[-1] = {**blocks[-1], "elements": [_led(blocks[-1]["elements"][0], shown), *blocks[-1]["elements"][1:]]}
    else:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": f"*{shown}*"}]})
    return Rendered(f"[{shown}] {message.text}", blocks)


def _led(element: Block, shown: str) -> Block:
    return {**element, "text": f"*{shown}* · {element['text']}"} if element.get("type") == "mrkdwn" else element


def proposal_buttons(proposal: Proposal) -> list[Block]:
    """Approve, Reject, ½ size, Why while the card is open; nothing once it is decided."""
    if proposal.status is not ProposalStatus.PENDING:
        return []
    at = (proposal.id, proposal.revision)
    return [
        button("Approve", ActionId.PROPOSAL_APPROVE, *at, style="primary"),
        button("Reject", ActionId.PROPOSAL_REJECT, *at, style="danger"),
        button("½ size", ActionId.PROPOSAL_HALF, *at),
        button("Why", ActionId.PROPOSAL_WHY, *at),
    ]


def _buttons(template: str, values: Mapping[str, Any]) -> list[Block]:
    if template == "proposal":
        return proposal_buttons(values["proposal"])
    if template == "model_offered":
        return model_buttons(values)
    if template == "job":
        return job_buttons(values)
    if template == "hold" and not values.get("lifted_by") and is_liftable(values["hold"]):
        return [button("Resume", ActionId.HOLD_RESUME, values["hold"].code)]
    return []


def is_liftable(hold: Hold) -> bool:
    """Whether a person may lift it: a day's loss ends at midnight, a lost database with the next start."""
    return hold.code not in ("DAILY_LOSS", "LEASE")


def _proposal(values: Mapping[str, Any]) -> dict[str, Any]:
    proposal: Proposal = values["proposal"]
    numbers = values.get("numbers") or {}
    drift = numbers.get("drift")
    held: Position | None = values.get("position")
    entry = held or proposal  # once open, the card shows the position's own levels
    price = held.entry_price if held else proposal.price
    return {
        "verb": verb(proposal.side),
        "base": base(proposal.symbol),
        "status": str(proposal.status),
        "age": proposal_age(values),
        "real_life": real_life(values),
        "stop_away": away(entry.stop, price),
        "target_away": away(entry.target, price),
        "cost_share": cost_share(proposal),
        "thin_stop": abs(away(proposal.stop, proposal.price) or 1.0) < cost_share(proposal),
        "why": values.get("why", ""),
        "crossed": crossed(proposal),
        "drift": f"{abs(drift) * 100:.2f} %" if drift is not None else "too far",
        "position": held,
        **_trade(values),
    }


def crossed(proposal: Proposal) -> str:
    """Which of its levels a card's price is at or beyond, the stop first; "" when it lies between them."""
    side = 1.0 if proposal.side is Side.LONG else -1.0
    if proposal.stop is not None and side * (proposal.price - proposal.stop) <= 0.0:
        return "stop"
    return "target" if proposal.target is not None and side * (proposal.target - proposal.price) <= 0.0 else ""


def proposal_age(values: Mapping[str, Any]) -> float:
    """Seconds between the price on a card and the moment that the card was made or re-quoted."""
    proposal: Proposal = values["proposal"]
    made = values.get("made_at") or proposal.opened
    return max(0.0, (max(made, proposal.opened) - proposal.price_at).total_seconds())


def real_life(values: Mapping[str, Any]) -> float:
    """Seconds by everybody's own clock from an offer to its expiry: a simulated market runs faster than they do."""
    proposal: Proposal = values["proposal"]
    made = max(values.get("made_at") or proposal.opened, proposal.opened)
    return (proposal.expires - made).total_seconds() / float(values.get("speed") or 1.0)


def cost_share(proposal: Proposal) -> float:
    """What getting in and out again is expected to cost, as a fraction of the notional."""
    return 2 * (proposal.fees + proposal.slippage) / proposal.notional if proposal.notional > 0 else 0.0


def away(level: float | None, price: float) -> float | None:
    """How far a level is from a price, as a fraction; None without a level."""
    return level / price - 1 if level is not None and price > 0 else None


def _trade(values: Mapping[str, Any]) -> dict[str, Any]:
    trade: TradeRecord | None = values.get("trade")
    if trade is None:
        return {"trade": None, "reason": "", "reason_sentence": ""}
    held = trade.exit_time - trade.entry_time
    sentence = REASONS[trade.exit_reason]
    return {
        "trade": trade,
        "base": base(trade.symbol),
        "held": held,
        "reason": str(trade.exit_reason),
        "reason_sentence": sentence,
    }


def _position(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**_trade(values), "base": base(values["position"].symbol)}


def _decision(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"base": base(values["proposal"].symbol)}


def _hold(values: Mapping[str, Any]) -> dict[str, Any]:
    by = values["hold"].by
    person = not by.startswith("rule:") and by != "desk"
    return {"by_person": person, "lifted_by": values.get("lifted_by", "")}


_EXTEND: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "proposal": _proposal,
    "decision": _decision,
    "opened": _position,
    "changed": _position,
    "closed": _trade,
    "big": _trade,
    "hold": _hold,
    "lifted": _hold,
    "job": job_values,
    "model_offered": offered_values,
}
