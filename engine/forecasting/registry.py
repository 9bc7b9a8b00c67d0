"""Models on disk: a folder a version, trees and passport beside each other, nothing loaded whose hash is not right.

There is no pickle anywhere: trees are XGBoost's own UBJSON, all else is JSON. A version appears at once and whole, or
not at all: it is written beside and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.forecasting.boosting import xgb
from engine.forecasting.calibrators import Calibrator
from engine.forecasting.drift import Reference
from engine.forecasting.model import Model, Passport

TREES, PASSPORT, CARD = "trees.ubj", "model.json", "card.png"
SCHEMA = 1


class ModelError(Exception):
    """A model cannot be kept or used. `code` is for machines; the text says what was wrong and what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class ModelFolder:
    """The versions of all models of one data folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, passport: Passport, booster: Any, card: bytes | None = None) -> str:
        """Keep a version; returns the artefact's hash, by which `load` knows it again. Raises `ModelError`."""
        home = self.path(passport.name, passport.version)
        if home.exists():
            raise ModelError("EXISTS", f"{passport.name} {passport.version} exists already; a version is never changed")
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=home.parent) as fresh:
            trees = bytes(booster.save_raw("ubj"))
            told = {"schema": SCHEMA, "trees": _sha256(trees), "passport": _as_json(passport)}
            text = json.dumps(told, sort_keys=True, indent=1).encode()
            for name, raw in ((TREES, trees), (PASSPORT, text), *(((CARD, card),) if card else ())):
                _write(Path(fresh) / name, raw)
            inside = Path(fresh) / "version"
            inside.mkdir()
            for name in (TREES, PASSPORT, CARD):
                if (Path(fresh) / name).exists():
                    (Path(fresh) / name).rename(inside / name)
            inside.rename(home)
        return _sha256(text)

    def load(self, name: str, version: str, artefact: str | None = None, threads: int = 1) -> Model:
        """The model, after its hashes were checked. `artefact`: what `save` returned (None: not asked).

        Raises `ModelError`: ABSENT, CORRUPT, or SCHEMA for one that another version of the desk wrote.
        """
        passport, expected = self._read(name, version, artefact)
        trees = self._bytes(name, version, TREES)
        if _sha256(trees) != expected:
            raise ModelError("CORRUPT", f"the trees of {name} {version} are not those that were trained; train anew")
        booster = xgb().Booster()
        booster.load_model(bytearray(trees))
        if booster.num_features() != len(passport.features):
            raise ModelError(
                "FEATURES",
                f"{name} {version} has {booster.num_features()} features in its trees and {len(passport.features)} in "
                "its passport; train anew",
            )
        return Model(passport, booster, threads)

    def passport(self, name: str, version: str, artefact: str | None = None) -> Passport:
        """What a version is, without loading its trees. Raises `ModelError` like `load`."""
        return self._read(name, version, artefact)[0]

    def artefact(self, name: str, version: str) -> str:
        """The hash by which a version is known again. Raises `ModelError`."""
        return _sha256(self._bytes(name, version, PASSPORT))

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions that are there, oldest first."""
        home = self.root / name
        found = (path for path in home.iterdir() if (path / PASSPORT).is_file()) if home.is_dir() else ()
        return tuple(sorted(path.name for path in found if not path.name.startswith(".")))

    def path(self, name: str, version: str) -> Path:
        if not name.isidentifier() or not version.replace("-", "").isalnum():
            raise ModelError("ABSENT", f"there is no model {name!r} {version!r}")
        return self.root / name / version

    def remove(self, name: str, version: str) -> None:
        """Forget a version; its rows in the ledger stay."""
        shutil.rmtree(self.path(name, version))

    def _read(self, name: str, version: str, artefact: str | None) -> tuple[Passport, str]:
        text = self._bytes(name, version, PASSPORT)
        if artefact is not None and _sha256(text) != artefact:
            raise ModelError(
                "CORRUPT", f"the passport of {name} {version} was changed since it was trained; train anew"
            )
        try:
            told = json.loads(text)
            if told["schema"] != SCHEMA:
                raise ModelError(
                    "SCHEMA", f"{name} {version} has schema {told['schema']}, this desk {SCHEMA}; train anew"
                )
            return _from_json(told["passport"]), str(told["trees"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                "CORRUPT", f"the passport of {name} {version} cannot be read ({error}); train anew"
            ) from error

    def _bytes(self, name: str, version: str, file: str) -> bytes:
        try:
            return (self.path(name, version) / file).read_bytes()
        except OSError as error:
            raise ModelError(
                "ABSENT", f"{name} {version} is not in {self.root} ({error.strerror}); train anew"
            ) from error


def new_version(at: datetime, dataset: str, experiment: int) -> str:
    """A name that sorts by time: `20261121T020000-3f9a2c`. Its end is of the data and of the number of the fit: where
    time stands still the same training twice makes two versions."""
    return f"{at:%Y%m%dT%H%M%S}-{_sha256(f'{dataset} {experiment}'.encode())[:6]}"


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _write(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _as_json(passport: Passport) -> dict[str, Any]:
    told = {field.name: getattr(passport, field.name) for field in fields(passport)}
    return {name: _plain(value) for name, value in told.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Calibrator):
        return value.as_json()
    if isinstance(value, tuple) and value and isinstance(value[0], Reference):
        return [asdict(one) for one in value]
    return value


def _from_json(told: dict[str, Any]) -> Passport:
    given = dict(told)
    for name in ("created", "expires", "train_start", "train_end"):
        given[name] = datetime.fromisoformat(given[name])
    for name in ("interval", "horizon"):
        given[name] = timedelta(seconds=given[name])
    for name in ("features", "moves", "symbols", "failing"):
        given[name] = tuple(given.get(name, ()))
    given["importances"] = tuple((str(feature), float(share)) for feature, share in given["importances"])
    given["reference"] = tuple(
        Reference(tuple(one["edges"]), tuple(one["shares"]), one.get("furthest", 0.0)) for one in given["reference"]
    )
    given["calibration"] = Calibrator.from_json(given["calibration"])
    return Passport(**given)
