"""The slash commands: one table, which the app registers and the manifest repeats."""

from __future__ import annotations

from dataclasses import dataclass

from bot.commands import desk, models, performance, reading, safety, state, why
from bot.front import Handler, Need
from engine.domain import Role


@dataclass(frozen=True, slots=True)
class Command:
    """One slash command: what it is called, who may use it, how Slack describes it, and who answers."""

    name: str
    need: Need
    description: str
    usage: str
    handler: Handler


COMMANDS: tuple[Command, ...] = (
    Command("/ml-status", Role.VIEWER, "Models: version, hit rate, verdict", "[model]", models.ml_status),
    Command(
        "/performance",
        Role.VIEWER,
        "Profit and loss after costs, with the equity chart",
        "[today|7d|30d|all] [strategy|symbol]",
        performance.performance,
    ),
    Command("/positions", Role.VIEWER, "Open positions, with buttons to close them", "[symbol]", state.positions),
    Command("/trades", Role.VIEWER, "The last closed trades", "[n]", state.trades),
    Command("/signals", Role.VIEWER, "The last signals and what became of each", "[n]", state.signals),
    Command("/pause", Role.TRADER, "Stop new entries; exits go on", "[reason]", safety.pause),
    Command("/resume", Role.RISK, "Allow new entries again", "", safety.resume),
    Command("/why", Role.VIEWER, "Why the desk did or did not trade a coin", "SYMBOL", why.why),
    Command("/risk", Role.VIEWER, "Every limit and its use; what holds the desk back", "", safety.risk),
    Command("/health", Role.VIEWER, "Feeds, database, scheduler, Slack delivery, disk, memory", "", reading.health),
    Command("/report", Role.VIEWER, "The daily or weekly report now", "[daily|weekly]", reading.report),
    Command("/panic", Role.RISK, "Close everything and halt; asks first", "[reason]", safety.panic),
    Command("/desk", desk.need, "Help, playbook, universe, config, audit, version, claim", "help", desk.desk),
)
