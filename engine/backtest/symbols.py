"""Names of coins: what a file calls them, what the desk calls them, and what a person types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.backtest.frames import BarsError
from engine.domain import Symbol


def base(symbol: Symbol) -> str:
    return symbol.partition("/")[0]


def choose(asked: Sequence[str], files: Mapping[str, Symbol]) -> list[str]:
    """The file names that `asked` means, in that order, each once. `files` maps a file's name to its canonical one."""
    chosen = [_one(word, files) for word in asked]
    return list(dict.fromkeys(chosen))


def _one(word: str, files: Mapping[str, Symbol]) -> str:
    if word in files:
        return word
    wanted = word.strip().upper()
    fits = [name for name, symbol in files.items() if wanted in (symbol, name.upper())]
    fits = fits or [name for name, symbol in files.items() if base(symbol) == wanted]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise BarsError(f"{word} could be {' or '.join(sorted(fits))}; name one of them")
    raise BarsError(f"there are no bars of {word}; the files have {listed(files)}")


def from_universe(universe: Sequence[Symbol], files: Mapping[str, Symbol]) -> list[str]:
    """The file names that play a playbook's universe: the same pair, else the same base in another dollar.

    Raises `BarsError` when the files hold none of them.
    """
    chosen: list[str] = []
    for symbol in universe:
        exact = [name for name, pair in files.items() if pair == symbol]
        alike = [name for name, pair in files.items() if base(pair) == base(symbol)]
        if exact or len(alike) == 1:
            chosen.append((exact or alike)[0])
    if not chosen:
        raise BarsError(
            f"the files have none of the playbook's coins ({listed(universe, 5)}); they have {listed(files)}; "
            "choose with --symbols"
        )
    return chosen


def listed(names: Iterable[str], most: int = 40) -> str:
    """The names in alphabetical order, cut short when there are many."""
    ordered = sorted(names)
    rest = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + rest
