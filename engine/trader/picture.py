"""The frozen view of the desk, cheap enough to draw after every record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar, overload

from engine.domain import MarketKind
from engine.snapshot import Snapshot
from engine.trader import holds
from engine.trader.memory import Memory
from engine.trader.positions import positions
from engine.trader.terms import own_limits

T = TypeVar("T")


class Prefix(Sequence[T], Generic[T]):
    """The first `length` items of a list that only grows: frozen without a copy."""

    __slots__ = ("_items", "_length")

    def __init__(self, items: list[T]) -> None:
        self._items = items
        self._length = len(items)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._items[i] for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(f"index {index} is outside {self._length} items")
        return self._items[index % self._length]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prefix) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[T]:
        return (self._items[i] for i in range(self._length))


def draw(desk: Memory, seq: int, head: str) -> Snapshot:
    """The desk as of record `seq`."""
    book, plan, started, born = desk.book, desk.plan, desk.started, desk.born
    equity = book.equity
    peak = max(desk.peak, equity)
    return Snapshot(
        at=desk.now,
        seq=seq,
        head=head,
        version=started.version if started else "",
        desk_id=desk.desk_id,
        kind=born.kind if born else MarketKind.SIMULATED,
        label=born.label if born else "",
        playbook=born.playbook if born else plan.playbook.name,
        settings=started.settings if started else {},
        symbols=plan.symbols,
        state=holds.strictest(desk),
        holds=tuple(desk.holds.values()),
        tiers={strategy: desk.tier(strategy) for strategy in plan.tiers()},
        capital=plan.rules.capital,
        cash=book.cash,
        equity=equity,
        peak_equity=peak,
        drawdown=max(0.0, 1 - equity / peak) if peak > 0 else 0.0,
        exposure=book.exposure,
        day_start_equity=book.day_start,
        day_pnl=equity - book.day_start,
        positions=positions(desk),
        proposals=tuple(card.proposal for card in desk.cards.values()),
        trades=Prefix(desk.trades),
        signals=tuple(desk.signals),
        decisions=desk.decisions,
        limits=(*book.limits(), *own_limits(desk)),
        alarms=tuple(desk.alarms.values()),
        roles=dict(desk.roles),
        equity_curve=Prefix(desk.curve),
        benchmark=Prefix(desk.benchmark),
        closes=desk.closes,
        started=started.at if started else desk.now,
        feed_up=desk.feed_up,
        feed_detail=desk.feed_detail,
        fates=desk.fates,
        terms=desk.terms,
        rules=desk.rules[:12],
        rules_before=desk.rules_before[:12],
        rules_since=desk.rules_since,
        model=plan.playbook.model.name if plan.playbook.model else "",
        models=desk.models,
        jobs=desk.ended,
    )
