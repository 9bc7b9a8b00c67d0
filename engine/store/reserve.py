"""Room on the disk: seen before it runs out, and a little kept back so that exits can still be recorded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024


def free_bytes(folder: Path) -> int:
    """Bytes free to this user on the disk that holds `folder`."""
    return shutil.disk_usage(folder).free


class DiskReserve:
    """A file of real bytes beside the ledger. `release` gives it up when a write failed; `refill` takes it back."""

    def __init__(
        self,
        folder: Path,
        low: int = 256 * MIB,
        kept: int = 16 * MIB,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.low = low
        self._folder = folder
        self._file = folder / "ledger.reserve"
        self._kept = kept
        self._free = free

    def is_low(self) -> bool:
        """Whether less than `low` bytes are free."""
        return self._free(self._folder) < self.low

    def is_roomy(self) -> bool:
        """Whether there is clearly more than `low`: what a hold waits for before it is lifted."""
        return self._free(self._folder) > self.low + 2 * self._kept

    def free(self) -> int:
        """Bytes free now."""
        return self._free(self._folder)

    def refill(self) -> bool:
        """Take the reserve when there is room; True when it is there."""
        if self._file.exists():
            return True
        if not self.is_roomy():
            return False
        self._file.write_bytes(b"\0" * self._kept)
        return True

    def release(self) -> bool:
        """Give the reserve up; True when there was one."""
        held = self._file.exists()
        self._file.unlink(missing_ok=True)
        return held
