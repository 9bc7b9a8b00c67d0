"""Open positions in words."""

from __future__ import annotations

from engine.core.book import Holding
from engine.core.events import Event
from engine.domain import ExitReason, Position, Side, instant
from engine.trader.memory import Cell, Memory, Story


def positions(desk: Memory) -> tuple[Position, ...]:
    """Every open position, in the core's order."""
    return tuple(_in_words(desk, holding) for holding in desk.book.positions())


def position_of(desk: Memory, cell: Cell) -> Position | None:
    """The position of one strategy in one symbol; None without one."""
    for holding in desk.book.positions(cell[1]):
        if holding.strategy == cell[0]:
            return _in_words(desk, holding)
    return None


def position_of_fill(event: Event, story: Story) -> Position:
    """The position as an entry's fill left it, when the same slice closed it again."""
    numbers = event.numbers
    return Position(
        trade_id=story.trade_id,
        strategy=event.strategy,
        symbol=event.symbol,
        side=event.side or Side.LONG,
        quantity=numbers.get("position", event.quantity),
        entry_price=numbers.get("average", event.price),
        entry_time=instant(event.at),
        mark=event.price,
        pnl=-(event.fee + event.slippage),
        pnl_pct=0.0,
        fees=event.fee + event.slippage,
        stop=numbers.get("stop"),
        target=numbers.get("target"),
        trailing=story.signal.trailing,
        due=None,
        held_exit=None,
        confidence=story.signal.confidence,
        approved_by=story.proposal.decided_by,
    )


def _in_words(desk: Memory, holding: Holding) -> Position:
    story = desk.stories.get((holding.strategy, holding.symbol))
    held_exit: ExitReason | None = holding.held_exit
    return Position(
        trade_id=story.trade_id if story else f"T?{holding.trade}",
        strategy=holding.strategy,
        symbol=holding.symbol,
        side=holding.side,
        quantity=holding.quantity,
        entry_price=holding.entry_price,
        entry_time=instant(holding.entry_time),
        mark=holding.mark,
        pnl=holding.pnl,
        pnl_pct=holding.pnl_pct,
        fees=holding.fees,
        stop=holding.stop,
        target=holding.target,
        trailing=holding.trailing,
        due=instant(holding.due) if holding.due is not None else None,
        held_exit=held_exit.value if held_exit is not None else None,
        confidence=story.signal.confidence if story else None,
        approved_by=story.proposal.decided_by if story else None,
    )
