"""Models into service: what the ledger says is champion or challenger is loaded beside the desk and handed over.

New versions in the model folder, from whoever trained them, are told to the desk once each, so that they are offered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from engine.analyst.forecaster import NO_MODEL, Forecaster, Lineup
from engine.clock import Clock, monotonic
from engine.domain import Symbol
from engine.forecasting.drift import Drift
from engine.forecasting.model import Model, Passport
from engine.forecasting.registry import CARD, ModelError, ModelFolder
from engine.forecasts import Explanation, ModelState, ModelVersion
from engine.messages import Message, ModelTrained
from engine.outcomes import ModelChanged, ModelOffered
from engine.records import Record
from engine.snapshot import Snapshot

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0  # real seconds between looks into the folder
SILENT = timedelta(minutes=30)  # without a forecast for so long, models are loaded anew
RELOAD_PAUSE = 300.0  # real seconds between two reloads

Submit = Callable[[Message], Future[Record]]


@dataclass(frozen=True, slots=True)
class ServingStatus:
    """`serving` and `shadows` are the versions that forecast; `idle` says why there is no champion at work. `silent`:
    minutes came, and the ledger's champion has forecast nothing for too long. `drift`: the furthest feature first."""

    model: str
    serving: str = ""
    shadows: tuple[str, ...] = ()
    idle: str = ""
    silent: bool = False
    reloads: int = 0
    drift: tuple[Drift, ...] | None = None


class Serving:
    """Keeps a forecaster's line-up equal to what the ledger says. `run` on the loop; the rest from any thread."""

    def __init__(
        self,
        folder: Path,
        forecaster: Forecaster,
        clock: Clock,
        submit: Submit,
        snapshot: Callable[[], Snapshot],
        trained: Callable[[], None] = lambda: None,
    ) -> None:
        """`trained` is called, from a worker thread, whenever somebody has trained, and once at the first look."""
        self.folder = ModelFolder(folder)
        self.forecaster = forecaster
        self.name = forecaster.terms.name
        self._clock = clock
        self._submit = submit
        self._snapshot = snapshot
        self._trainings = trained
        self._folders: tuple[str, ...] | None = None
        self._loaded: dict[str, Model] = {}
        self._refused: dict[str, str] = {}  # version → why it cannot be used
        self._wanted: tuple[str, ...] | None = None
        self._lined: Forecaster | None = None  # the one that was given what is wanted
        self._champion = ""
        self._told: set[str] = set()
        self._since = clock.now()  # since when the ledger's champion could have forecast
        self._reloads, self._reloaded = 0, monotonic()
        self._news: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def on_record(self, record: Record) -> None:
        """A durable record: models may have changed. Engine thread."""
        if self._loop is not None and any(isinstance(one, ModelChanged | ModelOffered) for one in record.outcomes):
            self._loop.call_soon_threadsafe(self._wake)

    async def run(self) -> None:
        """Look, load, hand over, for as long as the desk runs. What cannot be used is said, not raised."""
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        while True:
            self._news.clear()
            await asyncio.to_thread(self.look)
            try:
                await asyncio.wait_for(self._news.wait(), LOOK_EVERY)
            except TimeoutError:
                continue

    def look(self) -> None:
        """One look: tell of new versions, and bring the line-up up to date."""
        state = self._state()
        self._tell_of_new(state)
        now = self._clock.now()
        if self.is_silent(state) and monotonic() - self._reloaded > RELOAD_PAUSE:
            log.error("%s has not forecast for %s; its models are loaded anew", self.name, SILENT)
            self.restart()
        champion = state.champion.version if state.champion else ""
        wanted = (champion, *(one.version for one in state.challengers))
        forecaster = self.forecaster  # another may take over while this one is lined up
        if wanted != self._wanted or forecaster is not self._lined:
            self._line_up(forecaster, state)
            self._wanted, self._lined = wanted, forecaster
        if champion != self._champion:
            self._champion, self._since = champion, now

    def restart(self) -> None:
        """Forget what is loaded; the next look loads it from disk again."""
        self._loaded.clear()
        self._refused.clear()
        self._wanted, self._reloaded = None, monotonic()
        self._reloads += 1

    def take_over(self, forecaster: Forecaster) -> None:
        """Another forecaster is at work: the next look gives it the models that stand."""
        self.forecaster = forecaster

    def words_of(self, feature: str, value: float) -> str:
        """How a person reads a feature's value; "" for one that the desk's set does not have."""
        entries = self.forecaster.features.entries
        return next((entry.told(value) for entry in entries if entry.name == feature), "")

    def is_silent(self, state: ModelState) -> bool:
        """Whether minutes came and the ledger's champion forecast nothing for too long, in desk time. What is at work
        does not matter: a champion that broke, or could not be loaded, is as silent as one that says nothing."""
        minute = max((at for at, _ in self._snapshot().closes.values()), default=None)
        if minute is None or state.champion is None or state.champion.expires <= minute:
            return False
        last = max(state.last_forecast or self._since, self._since)
        return minute - last > max(SILENT * max(1.0, self._clock.speed), 2 * self.forecaster.terms.predict_every)

    def status(self) -> ServingStatus:
        """What forecasts now; drift is computed here, so ask from a worker thread."""
        lineup, state = self.forecaster.lineup, self._state()
        loading = state.champion is not None and lineup.idle == NO_MODEL
        return ServingStatus(
            self.name,
            lineup.champion.passport.version if lineup.champion else "",
            tuple(one.passport.version for one in lineup.challengers),
            "" if lineup.champion or loading else lineup.idle,
            self.is_silent(state),
            self._reloads,
            self.forecaster.drift(),
        )

    def explain(self, symbol: Symbol) -> Explanation | None:
        """The champion's last forecast of a coin, taken apart; computed when asked."""
        return self.forecaster.explain(symbol)

    def passport(self, version: str) -> Passport | None:
        """What a version is; None when its files are gone or damaged."""
        known = self._state().find(version)
        try:
            return self.folder.passport(self.name, version, known.artefact if known else None)
        except ModelError as error:
            log.warning("%s", error)
            return None

    # ------------------------------------------------------------ the steps

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()

    def _state(self) -> ModelState:
        return self._snapshot().models.get(self.name) or ModelState(self.name)

    def _tell_of_new(self, state: ModelState) -> None:
        """Each version once, oldest first; one that cannot be read is said in the log and left alone."""
        versions = self.folder.versions(self.name)
        if versions != self._folders:
            self._folders = versions
            self._trainings()
        for version in versions:
            if version in state.known or version in self._told:
                continue
            self._told.add(version)
            try:
                message = self._trained(version)
            except ModelError as error:
                log.error("a version in the model folder is not offered: %s", error)
                continue
            self._submit(message)

    def _trained(self, version: str) -> ModelTrained:
        artefact = self.folder.artefact(self.name, version)
        model = self.folder.load(self.name, version, artefact)  # its trees must be whole as well
        passport, unfit = model.passport, self.forecaster.why_not(model)
        card = self.folder.path(self.name, version) / CARD
        return ModelTrained(
            at=self._clock.now(),
            by="desk",
            model=passport.name,
            version=passport.version,
            artefact=artefact,
            verdict=passport.verdict,
            promotable=passport.promotable and not unfit,
            by_rule=passport.by_rule and not unfit,
            trained=passport.created,
            expires=passport.expires,
            sentence=passport.sentence,
            failing=(*passport.failing, *((unfit,) if unfit else ())),
            figures=passport.figures,
            label=passport.label,
            picture=str(card.resolve()) if card.exists() else "",
            about={
                "dataset": passport.dataset,
                "code": passport.code,
                "feature_set": passport.feature_set,
                "features": list(passport.features),
                "parameters": passport.parameters,
                "symbols": list(passport.symbols),
            },
        )

    def _line_up(self, forecaster: Forecaster, state: ModelState) -> None:
        champion = self._model(state.champion) if state.champion else None
        challengers = tuple(model for one in state.challengers if (model := self._model(one)) is not None)
        idle = NO_MODEL
        if state.champion is not None and champion is None:
            why = self._refused[state.champion.version]
            idle = f"The champion of {self.name} cannot be used: {why}."
        forecaster.use(Lineup(champion, challengers, idle))
        kept = {one.version for one in state.versions()}
        self._loaded = {version: model for version, model in self._loaded.items() if version in kept}

    def _model(self, wanted: ModelVersion) -> Model | None:
        """A version, loaded and checked; None, with the reason kept, when it cannot be used."""
        if wanted.version not in self._loaded:
            try:
                model = self.folder.load(self.name, wanted.version, wanted.artefact)
                why = self.forecaster.why_not(model)
            except ModelError as error:
                why, model = str(error), None
            if why is not None or model is None:
                self._refused[wanted.version] = str(why)
                log.error("the model %s %s cannot be used: %s", self.name, wanted.version, why)
                return None
            self._loaded[wanted.version] = model
        return self._loaded[wanted.version]
