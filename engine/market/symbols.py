"""The symbol map: what a source calls a pair, and which coin that was, at any time.

A source is named as on the command line (`kraken`, `kraken-csv`, `massive`, `massive-rest`, `massive-files`, `files`,
`ccxt:binance` …). A coin that changed its name at par is one series under the name that the desk knows; a name that
passed from one coin to another (LUNA) never joins two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache

from engine.domain import Symbol
from engine.market.coins import Coin, Era, coins
from engine.market.names import canonical, split_joined
from engine.ports import Listing

_FORMS = {
    "kraken": "{}/{}",  # WebSocket v2
    "kraken-rest": "{}{}",  # altname
    "kraken-csv": "{}{}",
    "massive": "{}-{}",  # WebSocket
    "massive-rest": "X:{}{}",
    "massive-files": "X:{}-{}",
    "binance": "{}{}",
    "files": "{}{}",
}
_FAMILIES = {
    "kraken": ("kraken",),
    "kraken-rest": ("kraken", "kraken-v1"),
    "kraken-csv": ("kraken", "kraken-v1"),
    "massive": ("massive",),
    "massive-rest": ("massive",),
    "massive-files": ("massive",),
    "binance": ("binance",),
    "files": ("binance",),
    "ccxt:kraken": (),  # ccxt has translated Kraken's codes already
}


EARLY = timedelta(days=60)  # venues take a new name on days of their own


@dataclass(frozen=True, slots=True)
class Absent:
    """Why a name means no coin at a source, or a source has no such pair: a reason code and a sentence."""

    code: str  # NOT_A_PAIR, OTHER_COIN, CONVERTED, DELISTED, RENAMED or NOT_CARRIED
    sentence: str


def find(source: str, name: str, at: datetime | None = None) -> Symbol | Absent:
    """The desk's symbol for what `source` calls `name` (at `at`; None: today).

    A coin that the table does not know goes by its own name. `Absent` when the name is no pair, or meant another coin.
    """
    base, slash, quote = split_joined(name).partition("/")
    if not (base and slash and quote) or "/" in quote:
        return Absent("NOT_A_PAIR", f"{name!r} is no pair of two coins")
    meant = _coin_called(source, base, at)
    priced = _coin_called(source, quote, at)
    if isinstance(meant, Absent):
        return meant
    return priced if isinstance(priced, Absent) else f"{meant}/{priced}"


def name_for(source: str, symbol: Symbol, at: datetime | None = None) -> str:
    """What `source` called `symbol` at `at` (None: today), in the form that the source writes."""
    base, _, quote = symbol.partition("/")
    return _FORMS.get(source, "{}/{}").format(_code(source, base, at), _code(source, quote, at))


def names_for(source: str, symbol: Symbol) -> tuple[str, ...]:
    """Every name that `symbol` ever had at `source`, the newest first: venues change over on days of their own."""
    base, _, quote = symbol.partition("/")
    form = _FORMS.get(source, "{}/{}")
    codes = [era.name for era in reversed(_eras_at(source, base))] or [base]
    return tuple(form.format(code, _code(source, quote, None)) for code in dict.fromkeys(codes))


def lives(source: str, name: str, first: datetime, last: datetime) -> Sequence[tuple[datetime, Symbol | Absent]]:
    """What `name` meant at `source` from `first` to `last`: (from when on, which pair), oldest first.

    A ticker that passed from one coin to another has two entries; most names have one.
    """
    codes = split_joined(name).split("/")
    eras = [era for code in codes for era, _ in _meanings(source).get(code, ())]
    turns = {at for era in eras for at in (era.since, era.since and era.since - EARLY, era.until) if at}
    found: list[tuple[datetime, Symbol | Absent]] = []
    for at in [first, *sorted(at for at in turns if first < at <= last)]:
        meant = find(source, name, at)
        if not found or found[-1][1] != meant:
            found.append((at, meant))
    return found


def current(symbol: Symbol) -> Symbol:
    """The desk's name of a pair that may carry an old one: `MATIC/USD` → `POL/USD`; any other as it is."""
    found = find("", symbol)
    return symbol if isinstance(found, Absent) else found


@lru_cache(maxsize=4096)
def kraken_symbol(name: str) -> Symbol:
    """The desk's symbol for a name of Kraken's (`XBT/USD`, `LUNA2/USD`); what is no pair stays as it is."""
    found = find("kraken-rest", name)
    return canonical(name) if isinstance(found, Absent) else found


def listing(source: str, symbol: Symbol) -> Listing:
    """What the table knows of the life of `symbol` at `source`; the source itself may know more."""
    coin = coins().get(symbol.partition("/")[0])
    first = coin.born if coin else None
    last = _left(source, coin) if coin else None
    return Listing(symbol, name_for(source, symbol), first, last, story(symbol))


def story(symbol: Symbol) -> str:
    """One sentence about a coin whose name or life has one; "" for the others."""
    coin = coins().get(symbol.partition("/")[0])
    if coin is None:
        return ""
    parts = [f"{era.name} until {era.until:%Y-%m-%d}" for era in coin.eras if era.until]
    if coin.became:
        new = coin.became
        parts.append(f"holders got {new.ratio:g} {new.coin} for each on {new.day:%Y-%m-%d}, which is another series")
    return "; ".join(parts) + (f" (uncertain: {coin.unsure})" if parts and coin.unsure else "")


def absence(source: str, symbol: Symbol) -> Absent:
    """Why `source` does not carry `symbol`, as far as the table knows; the sentence leaves the symbol out."""
    coin = coins().get(symbol.partition("/")[0])
    where = f"not on {venue_of(source)}"
    if coin is None:
        return Absent("NOT_CARRIED", where)
    unsure = f" (uncertain: {coin.unsure})" if coin.unsure else ""
    if last := _left(source, coin):
        return Absent("DELISTED", f"{where}: delisted {last:%Y-%m-%d}{unsure}")
    if new := coin.became:
        words = f"became {new.coin} (1 : {new.ratio:g}) {new.day:%Y-%m-%d}, which is another series"
        return Absent("CONVERTED", f"{where}: {words}{unsure}")
    if len(coin.eras) > 1:
        return Absent("RENAMED", f"{where}, under none of its names ({', '.join(names_for('', symbol))}){unsure}")
    return Absent("NOT_CARRIED", where)


def venue_of(source: str) -> str:
    """A source as people say it: `ccxt:binance` → Binance."""
    return source.removeprefix("ccxt:").partition("-")[0].capitalize()


# ------------------------------------------------------------ eras at a source


def _families(source: str) -> tuple[str, ...]:
    return _FAMILIES.get(source, (source.removeprefix("ccxt:"),))


def _left(source: str, coin: Coin) -> datetime | None:
    """The first day without the coin at `source`."""
    return next((coin.left[family] for family in _families(source) if family in coin.left), None)


def _eras_at(source: str, name: str) -> tuple[Era, ...]:
    """What `source` called the desk's coin `name`, oldest first; a code of its own holds at all times."""
    coin = coins().get(name)
    if coin is None:
        return ()
    own = [coin.called[family] for family in _families(source) if family in coin.called]
    if source == "ccxt:kraken" and "kraken" in coin.called:  # ccxt has put the coin's name of today in its place
        own = [coin.eras[-1].name]
    return (Era(own[-1], coin.born),) if own else coin.eras


def _code(source: str, name: str, at: datetime | None) -> str:
    eras = _eras_at(source, name)
    return next((era.name for era in eras if era.holds(at)), eras[0].name if eras else name)


@cache
def _meanings(source: str) -> Mapping[str, tuple[tuple[Era, Coin], ...]]:
    """Code → the coins that it has meant at `source`. A coin's common names count too where no other coin has them."""
    found: dict[str, list[tuple[Era, Coin]]] = {}
    for coin in coins().values():
        for era in _eras_at(source, coin.name):
            found.setdefault(era.name, []).append((era, coin))
    taken = set(found)
    for era, coin in _common_names():
        if era.name not in taken:
            found.setdefault(era.name, []).append((era, coin))
    return {code: tuple(meanings) for code, meanings in found.items()}


def _common_names() -> Iterator[tuple[Era, Coin]]:
    for coin in coins().values():
        yield from ((era, coin) for era in coin.eras)
        yield from ((Era(code), coin) for family, code in coin.called.items() if family == "kraken-v1")


def _coin_called(source: str, code: str, at: datetime | None) -> str | Absent:
    """The coin that `code` meant. After its time an old name still means the coin that had it last."""
    meanings = _meanings(source).get(code, ())
    if not meanings:
        return code
    now = [coin.name for era, coin in meanings if era.holds(at)]
    if now:
        return now[0]
    past = [(era.until, coin.name) for era, coin in meanings if era.until and (at is None or era.until <= at)]
    if past:
        return max(past)[1]
    began, coin = min(((era.since, coin) for era, coin in meanings if era.since), key=lambda meaning: meaning[0])
    if at is not None and began != coin.born and began - at <= EARLY:
        return coin.name
    return Absent("OTHER_COIN", f"{code} before {began:%Y-%m-%d} was not {coin.words}, which has that name since")
