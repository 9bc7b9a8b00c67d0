"""XGBoost, loaded without scikit-learn and pandas, which it would bring along for a face of it that nobody here uses.

A desk only asks its trees: the two would cost it 120 MB from the first model on. Who fits loads what it needs itself.
"""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any, cast

_HIDDEN = "sklearn"
_LOADING = threading.Lock()


def xgb() -> Any:
    """The module `xgboost`. Any thread."""
    with _LOADING:
        if "xgboost" in sys.modules or _HIDDEN in sys.modules:
            return _load()
        sys.modules[_HIDDEN] = cast(ModuleType, None)  # an import of it fails, and XGBoost goes on without
        try:
            return _load()
        finally:
            del sys.modules[_HIDDEN]


def _load() -> Any:
    import xgboost

    return xgboost
