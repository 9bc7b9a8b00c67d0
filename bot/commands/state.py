"""/positions, /trades, /signals: what is, in a few lines."""

from __future__ import annotations

from bot.blocks import Rendered, actions, assemble, button, confirm, section, stacked
from bot.cards import REASONS, away, base, labelled
from bot.commands.asking import count_of, lines, symbol_of
from bot.fates import fate_lines
from bot.front import Ask, Front
from bot.ids import ActionId
from engine.domain import Position, TradeRecord

FEW, MANY = 10, 50


async def positions(front: Front, ask: Ask) -> Rendered:
    """Every open position with its buttons."""
    snapshot = front.snapshot()
    wanted = symbol_of(ask.text, snapshot.symbols) if ask.text else None
    if ask.text and wanted is None:
        return front.sentence("unknown_symbol", text=ask.text, symbols=list(snapshot.symbols))
    held = [item for item in snapshot.positions if wanted in (None, item.symbol)]
    if not held:
        return front.sentence("no_positions", symbol=wanted or "", pending=len(snapshot.proposals))
    total = sum(item.pnl for item in held)
    head = assemble(front.words.parts("positions", {"count": len(held), "total": total, "equity": snapshot.equity}))
    cards = [position_card(front, item) for item in held]
    return labelled(stacked(head, *cards), snapshot.label)


def position_card(front: Front, item: Position) -> Rendered:
    """One position: Entry, Mark, P&L, Stop, Target, Time left, and its buttons."""
    left = None if item.due is None else item.due - front.snapshot().at
    data = {
        "position": item,
        "base": base(item.symbol),
        "left": left,
        "stop_away": away(item.stop, item.mark),
        "target_away": away(item.target, item.mark),
    }
    made = assemble(front.words.parts("position", data))
    return Rendered(made.text, [*made.blocks, actions(*position_buttons(item))])


def position_buttons(item: Position) -> list[dict[str, object]]:
    whole = confirm(f"Close {item.symbol}?", f"Sells all of it at the market now ({item.symbol}).", "Close it")
    half = confirm(f"Close half of {item.symbol}?", "Sells half of it at the market now.", "Close half")
    return [
        button("Close", ActionId.POSITION_CLOSE, item.trade_id, style="danger", confirm=whole),
        button("Close ½", ActionId.POSITION_HALF, item.trade_id, confirm=half),
        button("Move stop", ActionId.POSITION_MOVE_STOP, item.trade_id),
        button("Why", ActionId.POSITION_WHY, item.trade_id),
    ]


async def trades(front: Front, ask: Ask) -> Rendered:
    """The last closed trades, newest first."""
    n = count_of(ask.text, FEW, MANY)
    if n is None:
        return front.sentence("usage", command="/trades", usage="[number of trades, 1 to 50]", given=ask.text)
    done = list(front.snapshot().trades)[-n:][::-1]
    if not done:
        return front.sentence("no_trades")
    return _listed(front, "trades", [_trade_line(front, item) for item in done], sum(item.pnl for item in done))


def _trade_line(front: Front, item: TradeRecord) -> str:
    held = item.exit_time - item.entry_time
    return front.words.line("trades", "line", trade=item, held=held, sentence=REASONS[item.exit_reason])


async def signals(front: Front, ask: Ask) -> Rendered:
    """The last signals and what became of each, newest first."""
    n = count_of(ask.text, FEW, MANY)
    if n is None:
        return front.sentence("usage", command="/signals", usage="[number of signals, 1 to 50]", given=ask.text)
    rows = fate_lines(front.words, front.snapshot(), n)
    if not rows:
        return front.sentence("no_signals", symbols=len(front.snapshot().symbols))
    return _listed(front, "signals", rows, 0.0)


def _listed(front: Front, template: str, rows: list[str], total: float) -> Rendered:
    text = front.words.line(template, "heading", n=len(rows), total=total)
    shown = "\n".join([text, *rows])
    return labelled(Rendered(shown, [section(part) for part in lines([text, *rows])]), front.snapshot().label)
