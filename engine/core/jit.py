"""How the core compiles: one decorator, and a cache folder that changes whenever a source does.

Numba's on-disk cache looks only at the file of the function it stores, never at the functions that one calls in other
files. So the folder's name is a hash of every source that is compiled, the numba version and the CPU.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
import platformdirs
from numba.core import types as _types

F = TypeVar("F", bound=Callable[..., Any])

_ENGINE = Path(__file__).resolve().parent.parent
_LOG = logging.getLogger(__name__)


def source_hash() -> str:
    """24 hex digits of everything that compiled code depends on."""
    digest = hashlib.sha256()
    for path in sorted(p for room in ("core", "features") for p in (_ENGINE / room).rglob("*.py")):
        digest.update(str(path.relative_to(_ENGINE)).encode() + b"\0" + path.read_bytes() + b"\0")
    for word in (numba.__version__, platform.python_version(), llvm.get_host_cpu_name()):
        digest.update(word.encode() + b"\0")
    return digest.hexdigest()[:24]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def cache_folder() -> Path:
    """Where compiled code is kept; a private temporary folder when the user's cache cannot be written."""
    root = Path(os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_dir("nightdesk"))
    folder = root / "compiled" / source_hash()
    if _writable(folder):
        return folder
    fallback = Path(tempfile.mkdtemp(prefix="nightdesk-compiled-"))
    _LOG.warning("cannot write %s; compiled code goes to %s and is lost at the end", folder, fallback)
    return fallback


vars(numba.config)["CACHE_DIR"] = str(cache_folder())

_njit: Any = numba.njit
_unliteral: Any = _types.unliteral
_SETTINGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""`_nrt`: compiled code makes no arrays, so it need not count references to those it is given: 40 % of a run."""


def compiled(function: F) -> F:
    """Something Python calls: compiled on first call, kept on disk; plain Python under NUMBA_DISABLE_JIT=1."""
    return _made(function, cache=True)


def part(function: F) -> F:
    """Something only compiled code calls: no wrapper for Python and no copy on disk, which halves compiling."""
    return _made(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _made(function: F, **settings: bool) -> F:
    made = _njit(**_SETTINGS, **settings)(function)
    if hasattr(made, "get_call_template"):
        made.get_call_template = _without_literals(made.get_call_template)
    return cast(F, made)


def _without_literals(template: Callable[..., Any]) -> Callable[..., Any]:
    """One version per type: numba would compile a callee anew for every constant it is called with (20 for events)."""

    def call_template(args: Sequence[Any], kws: Mapping[str, Any]) -> Any:
        return template(tuple(map(_unliteral, args)), {name: _unliteral(kind) for name, kind in kws.items()})

    return call_template
