"""Massive (until 2025 Polygon.io): where it is, and what it is asked with.

Its bars and prints are composites of several exchanges, so they differ a little from any single venue's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.market.errors import MarketError

WS_URL = "wss://socket.massive.com/crypto"
REST_URL = "https://api.massive.com"
FILES_URL = "https://files.massive.com"
KEY_NAMES = "POLYGON_API_KEY (or MASSIVE_API_KEY)"
FILES_KEY_NAMES = "MASSIVE_FILES_KEY and MASSIVE_FILES_SECRET"


class MassiveRefused(MarketError):
    """Massive answered, and the answer is no: a key, a plan or a request that it does not take."""


@dataclass(frozen=True, slots=True)
class MassiveAccess:
    """Addresses and keys. The keys are not in its `repr`."""

    key: str = field(default="", repr=False)
    ws_url: str = WS_URL
    rest_url: str = REST_URL
    files_url: str = FILES_URL
    files_key: str = field(default="", repr=False)
    files_secret: str = field(default="", repr=False)

    def require_key(self) -> str:
        """The key; raises `MassiveRefused` when none is set."""
        if not self.key:
            raise MassiveRefused(f"Massive needs a key: set {KEY_NAMES} in the environment or in .env")
        return self.key

    def hide(self, text: str) -> str:
        """`text` without the keys in it: a server may repeat what it was sent."""
        for secret in (self.key, self.files_key, self.files_secret):
            text = text.replace(secret, "***") if secret else text
        return text
