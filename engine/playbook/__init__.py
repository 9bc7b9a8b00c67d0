"""Playbooks: one YAML file says what to trade and how; `load` makes a frozen `Playbook` of it or says what is wrong."""

from engine.playbook.errors import PlaybookError
from engine.playbook.loading import load, names, parse
from engine.playbook.model import Playbook
from engine.playbook.parts import StrategyUse

__all__ = ["Playbook", "PlaybookError", "StrategyUse", "load", "names", "parse"]
