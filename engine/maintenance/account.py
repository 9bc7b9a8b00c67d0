"""What the last maintenance did, in a file of the data folder: for `/health`, and so that no slot runs twice."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

FILE = "maintenance.json"


@dataclass(slots=True)
class Account:
    """`at` is real time, `slot` the last due instant that was answered ("": none yet); both as ISO 8601 UTC.

    `removed` counts by kind; `problems` are sentences, one for each step that did not come to its end.
    """

    at: str
    slot: str = ""
    removed: dict[str, int] = field(default_factory=dict)
    freed: int = 0  # bytes
    backup: str = ""  # the folder
    backup_bytes: int = 0
    ledger_rows: int = 0  # in the back-up
    head: str = ""
    tables: int = 0  # vacuumed
    vacuum: float | None = None  # real seconds; None where there was no database to reach
    took: float = 0.0
    problems: list[str] = field(default_factory=list)

    def gone(self, kind: str, count: int, size: int = 0) -> None:
        """Note what was removed."""
        if count:
            self.removed[kind] = self.removed.get(kind, 0) + count
        self.freed += size

    def as_json(self) -> dict[str, Any]:
        fate = "incomplete" if self.problems else "done"
        return {**asdict(self), "fate": fate, "why": " ".join(self.problems)}


def sentence(account: Account) -> str:
    """The account for `/health`; what went wrong comes first."""
    at = f"{datetime.fromisoformat(account.at):%Y-%m-%d %H:%M} UTC"
    if account.problems:
        return f"Not all was done on {at}. {' '.join(account.problems)}"
    said = [", ".join(f"{count:,} {kind} removed" for kind, count in account.removed.items()) or "nothing to remove"]
    if account.backup:
        said.append(f"{account.ledger_rows:,} ledger rows copied and proven ({Path(account.backup).name})")
    if account.vacuum is not None:
        said.append(f"{account.tables} tables vacuumed in {account.vacuum:.0f} s")
    return f"Done on {at}: {'; '.join(said)}."


def keep(data: Path, account: Account) -> None:
    """Write it in one step and durably. Raises `OSError`."""
    draft = data / f"{FILE}.new"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(asdict(account), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(data / FILE)


def last_account(data: Path) -> Account | None:
    """What the last maintenance of this folder did; None when there was none yet, or its file cannot be read."""
    try:
        told: Mapping[str, Any] = json.loads((data / FILE).read_text(encoding="utf-8"))
        account = Account(**told)
        datetime.fromisoformat(account.at)
        return account
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s cannot be read (%s)", data / FILE, error)
        return None
