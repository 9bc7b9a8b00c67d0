"""Rules that stop new entries: daily loss, drawdown, consecutive losses."""

from __future__ import annotations

from engine.core.emit import BREAKER, BREAKER_ENDED, emit, note
from engine.core.events import CODE
from engine.core.jit import part
from engine.core.limits import day_limit
from engine.core.orders import drop_all
from engine.core.state import State
from engine.core.usage import equity

DAILY_LOSS, DRAWDOWN, LOSSES = CODE["DAILY_LOSS"], CODE["DRAWDOWN"], CODE["LOSSES"]


@part
def _trip(st: State, code: int, at: int) -> None:
    emit(st, BREAKER, code, -1, at, 0.0, 0.0, 3)
    drop_all(st, at, code)


@part
def lift(st: State, code: int, at: int) -> None:
    """End a breaker; a lifted drawdown is measured from here on, lifted losses are counted anew."""
    if code == DAILY_LOSS and st.acct.daily_tripped == 1:
        st.acct.daily_tripped = 0
        st.acct.day_start = equity(st)
    elif code == DRAWDOWN and st.acct.drawdown_tripped == 1:
        st.acct.drawdown_tripped = 0
        st.acct.peak = equity(st)
    elif code == LOSSES and st.acct.losses_tripped != 0:
        st.acct.losses_tripped = 0
        st.acct.losses = 0
    else:
        return
    emit(st, BREAKER_ENDED, code, -1, at, 0.0, 0.0, 0)


@part
def roll_day(st: State, at: int, day: int) -> None:
    """A new local day: daily loss starts from the equity of this moment."""
    if day != st.acct.day:
        st.acct.day = day
        lift(st, DAILY_LOSS, at)
        st.acct.day_start = equity(st)


@part
def _check_day(st: State, at: int, worth: float) -> None:
    limit = day_limit(st)
    if st.acct.daily_tripped == 0 and st.acct.day_start - worth >= limit:
        st.acct.daily_tripped = 1
        note(st, worth, st.acct.day_start, limit)
        _trip(st, DAILY_LOSS, at)


@part
def _check_drawdown(st: State, at: int, worth: float) -> None:
    st.acct.peak = max(st.acct.peak, worth)
    if st.acct.drawdown_tripped == 0 and st.acct.peak - worth >= st.rule.max_drawdown * st.acct.peak:
        st.acct.drawdown_tripped = 1
        note(st, worth, st.acct.peak, st.rule.max_drawdown)
        _trip(st, DRAWDOWN, at)


@part
def _check_losses(st: State, at: int) -> None:
    if st.acct.losses_tripped == 0 and 0 < st.rule.max_losses <= st.acct.losses:
        st.acct.losses_tripped = at
        note(st, st.acct.losses, st.rule.max_losses, 0.0)
        _trip(st, LOSSES, at)
    elif st.acct.losses_tripped != 0 and 0 <= st.rule.losses_pause <= at - st.acct.losses_tripped:
        lift(st, LOSSES, at)


@part
def check_breakers(st: State, at: int) -> None:
    """Trip what must trip with the marks of this moment."""
    if st.rule.watches_equity == 1:
        worth = equity(st)
        _check_day(st, at, worth)
        _check_drawdown(st, at, worth)
    _check_losses(st, at)
