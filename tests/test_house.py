"""The house rules that a reader relies on: which room may know which, who reads the clock, who may send an order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import engine

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "engine").rglob("*.py"), *(ROOT / "bot").rglob("*.py")])

# A room may import rooms further down this list, never up. Rooms of one line do not know each other.
FLOORS = (
    ("engine.__init__",),
    ("engine.runtime", "engine.origins"),
    ("engine.parts",),
    ("engine.data_health",),
    ("engine.maintenance",),
    ("engine.training",),
    ("engine.supply", "engine.healing", "engine.crosscheck", "engine.serving"),
    (
        "engine.storage",
        "engine.delivery",
        "engine.warming",
        "engine.loop",
        "engine.replaying",
        "engine.backtest",
        "engine.backfill",
    ),
    ("engine.restoring", "engine.writing"),
    ("engine.checkpoint", "engine.disk_watch", "engine.faults", "engine.inbox", "engine.watch", "engine.vitals"),
    ("engine.tasks",),
    ("engine.recovery",),
    ("engine.trader", "engine.analyst", "engine.health"),
    ("engine.market", "engine.brokers", "engine.store"),
    ("engine.evaluation", "engine.verdict"),
    ("engine.playbook",),
    ("engine.strategies", "engine.forecasting", "engine.performance"),
    ("engine.features", "engine.curve"),
    ("engine.core", "engine.inference"),
    (
        "engine.snapshot",
        "engine.codec",
        "engine.gaps",
        "engine.ports",
        "engine.slots",
        "engine.client_ids",
        "engine.latency",
        "engine.written",
    ),
    ("engine.records",),
    ("engine.messages", "engine.outcomes"),
    ("engine.clock", "engine.forecasts"),
    ("engine.domain",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
OPEN_TO_BOT = {
    "engine",
    "engine.domain",
    "engine.forecasts",
    "engine.messages",
    "engine.outcomes",
    "engine.records",
    "engine.snapshot",
    "engine.ports",
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def room_of(module: str) -> str:
    if module == "engine":
        return "engine.__init__"
    return ".".join(module.split(".")[:2])


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Modules of ours that a file imports, with the line; submodules imported from a package count as themselves."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for name in node.names:
                inside = ROOT / Path(*node.module.split("."), name.name)
                is_module = inside.with_suffix(".py").exists() or inside.is_dir()
                yield (f"{node.module}.{name.name}" if is_module else node.module), node.lineno


def ours(path: Path, package: str) -> list[tuple[str, int]]:
    return [(name, line) for name, line in imports(path) if name == package or name.startswith(f"{package}.")]


def of(package: str) -> list[Path]:
    return [path for path in FILES if module_of(path).split(".")[0] == package]


def matching(pattern: re.Pattern[str], allowed: str) -> list[str]:
    found = []
    for path in FILES:
        lines = enumerate(path.read_text().splitlines(), start=1)
        found += [
            f"{path.name}:{number}" for number, text in lines if pattern.search(text) and module_of(path) != allowed
        ]
    return found


def test_every_room_has_a_floor() -> None:
    assert {room_of(module_of(path)) for path in of("engine")} <= set(FLOOR)


def test_engine_rooms_import_downward_only() -> None:
    upward = [
        f"{path.name}:{line}: {here} knows {room_of(name)}"
        for path in of("engine")
        if (here := room_of(module_of(path))) != "engine.__init__"
        for name, line in ours(path, "engine")
        if room_of(name) != here and FLOOR[here] >= FLOOR[room_of(name)]
    ]
    assert not upward


def test_the_engine_knows_nothing_of_the_bot() -> None:
    assert not [path.name for path in of("engine") if ours(path, "bot")]


def test_the_bot_enters_by_the_facade() -> None:
    nodes = [(path, node) for path in of("bot") for node in ast.walk(ast.parse(path.read_text()))]
    deep = [
        f"{path.name}:{node.lineno}: {node.module}"
        for path, node in nodes
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").split(".")[0] == "engine"
        and node.module not in OPEN_TO_BOT
    ]
    whole = [
        f"{path.name}:{node.lineno}"
        for path, node in nodes
        if isinstance(node, ast.Import) and any(name.name.split(".")[0] == "engine" for name in node.names)
    ]
    assert not deep + whole


def taken_from_the_facade() -> dict[str, str]:
    """Name that some file of the bot takes from `engine` → that file."""
    return {
        name.name: path.name
        for path in of("bot")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "engine"
        for name in node.names
    }


def test_the_bot_takes_what_the_facade_offers_and_no_room_through_it() -> None:
    taken = taken_from_the_facade()

    assert {name: where for name, where in taken.items() if name not in engine.__all__} == {}


def test_the_facade_offers_what_is_there_and_what_is_taken() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    benchmarks = "\n".join(path.read_text() for path in (ROOT / "benchmarks").rglob("*.py"))

    assert all(getattr(engine, name) is not None for name in engine.__all__)
    idle = set(engine.__all__) - taken_from_the_facade().keys()
    assert {name for name in idle if not re.search(rf"\b{name}\b", tests + benchmarks)} == set()


def test_only_the_clock_reads_the_wall_clock() -> None:
    pattern = re.compile(r"datetime\.now\(|utcnow\(|time\.time\(|time_ns\(|Timestamp\.now\(|date\.today\(")
    engine = {path.name for path in of("engine")}
    assert not [place for place in matching(pattern, "engine.clock") if place.split(":")[0] in engine]


def test_only_the_gateway_sends_orders() -> None:
    pattern = re.compile(r"\.(place|create_order|cancel_order|cancel_all_orders|create_market_order)\(|AddOrder")
    assert not matching(pattern, "engine.brokers.gateway")


def test_only_the_wiring_knows_the_gateway_and_the_brokers() -> None:
    knowing = {module_of(path) for path in FILES if any(name.startswith("engine.brokers") for name, _ in imports(path))}
    assert {module for module in knowing if not module.startswith("engine.brokers")} == {"engine.runtime"}
