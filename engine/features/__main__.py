"""Print the page about the sets."""

from __future__ import annotations

import sys

from engine.features.docs import page

sys.stdout.write(page())
