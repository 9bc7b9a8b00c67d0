"""YAML to a frozen `Playbook`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from engine.domain import Tier
from engine.playbook.errors import PlaybookError, describe, did_you_mean
from engine.playbook.model import Playbook
from engine.playbook.overrides import apply_overrides
from engine.playbook.parts import StrategyUse
from engine.strategies.registry import Strategy, StrategyError, find_strategy

SHELF = Path(__file__).parents[1] / "playbooks"
_LATER = (Tier.AUTO_SMALL, Tier.AUTO)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice and reads the word `none` as nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise PlaybookError(f"line {key_node.start_mark.line + 1}: the key `{key}` is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {key: list(value) for key, value in yaml.SafeLoader.yaml_implicit_resolvers.items()}
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"none$"), ["n"])


def names() -> list[str]:
    """The playbooks that come with the desk."""
    return sorted(path.stem for path in SHELF.glob("*.yaml"))


def load(name_or_path: str | Path, overrides: Mapping[str, object] | None = None) -> Playbook:
    """Read a playbook by name (`ema`) or file, with settings on top.

    `overrides` maps settings (`POSITION_SIZE`, `STOP_LOSS_PCT`, …, `CAPITAL`) to their values. Raises `PlaybookError`.
    """
    path = _resolve(str(name_or_path))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlaybookError(f"{path} cannot be read as a playbook: {error}") from error
    return parse(text, source=str(path), folder=path.parent, overrides=overrides)


def parse(
    text: str, source: str = "playbook", folder: Path | None = None, overrides: Mapping[str, object] | None = None
) -> Playbook:
    """A playbook from YAML text; `folder` is where files of the user's own strategies are looked for."""
    tree = _read_yaml(text, source)
    applied = apply_overrides(tree, overrides or {})
    try:
        playbook = Playbook.model_validate_json(json.dumps(tree, default=str))
    except ValidationError as error:
        raise PlaybookError(describe(error, source, Playbook)) from error
    _refuse_later_tiers(playbook, source)
    return _with_programs(playbook, source, folder or Path.cwd(), applied)


def _resolve(name: str) -> Path:
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise PlaybookError(f"there is no playbook file {name}. Playbooks by name: {', '.join(names())}.")
        return path
    if name not in names():
        hint = did_you_mean(name, names())
        raise PlaybookError(f"there is no playbook {name!r}.{hint} By name: {', '.join(names())}; or name a YAML file.")
    return SHELF / f"{name}.yaml"


def _read_yaml(text: str, source: str) -> dict[str, Any]:
    try:
        tree = yaml.load(text, Loader=_Loader)
    except PlaybookError as error:
        raise PlaybookError(f"{source}: {error}") from error
    except yaml.YAMLError as error:
        raise PlaybookError(f"{source} is no valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise PlaybookError(f"{source} holds no keys; a playbook is a list of `key: value` lines")
    return tree


def _refuse_later_tiers(playbook: Playbook, source: str) -> None:
    asked = [playbook.approval.tier, *(use.tier for use in playbook.strategies)]
    later = [tier for tier in asked if tier in _LATER]
    if later:
        raise PlaybookError(
            f"{source}: the tier `{later[0]}` comes later; today the desk knows `observe` (no orders) "
            "and `propose` (a person approves every entry)."
        )


def _with_programs(playbook: Playbook, source: str, folder: Path, applied: dict[str, str]) -> Playbook:
    """Find each strategy's function, check its parameters and write its defaults out."""
    uses, programs = [], []
    for number, use in enumerate(playbook.strategies):
        key = f"strategies[{number}]"
        program = _find(use.strategy, folder, f"{source}: `{key}.strategy`")
        parameters = _parameters(program, use.parameters, f"{source}: `{key}.parameters`")
        _refuse_without_model(playbook, use, program, f"{source}: `{key}")
        filtered = use.cost_filter is not False if program.forecasts else None
        known = {"parameters": parameters, "strategy": program.where, "cost_filter": filtered}
        uses.append(use.model_copy(update=known))
        programs.append(program)
    complete = playbook.model_copy(update={"strategies": tuple(uses)})
    complete._programs = tuple(programs)
    complete._settings = applied
    return complete


def _refuse_without_model(playbook: Playbook, use: StrategyUse, program: Strategy, where: str) -> None:
    if program.forecasts and playbook.model is None:
        raise PlaybookError(f"{where}.strategy`: {program.name} trades on forecasts; describe the model under `model`.")
    if use.cost_filter and not program.forecasts:
        raise PlaybookError(f"{where}.cost_filter`: {program.name} makes no forecast that could be held against costs.")


def _find(name: str, folder: Path, where: str) -> Strategy:
    try:
        return find_strategy(name, folder)
    except StrategyError as error:
        raise PlaybookError(f"{where}: {error}") from error


def _parameters(program: Strategy, given: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        return program.check(given)
    except ValidationError as error:
        raise PlaybookError(describe(error, where, program.parameters)) from error
    except StrategyError as error:
        raise PlaybookError(f"{where}: {error}") from error
