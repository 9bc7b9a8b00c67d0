"""A shipped playbook with a champion at work: forecasts of every coin go out, and what comes true settles them."""

from datetime import timedelta
from types import SimpleNamespace

from bot.checkup import model_facts
from bot.commands.models import verdict_of
from engine import health
from engine.analyst import Analyst
from engine.clock import ManualClock
from engine.domain import Role
from engine.forecasting.live import live_record
from engine.forecasts import Forecast
from engine.messages import Analysis, ModelPressed, ModelTrained
from engine.playbook import load
from engine.serving import Serving, ServingStatus
from tests.desk.kit import MINUTE
from tests.playbooks.floor import Shipped


class AtWork(Shipped):
    """All coins of the playbook. `horizon` after `horizon`, one batch of forecasts at a time, so that none overlap."""

    def __init__(self, name):
        self.terms = load(name).model
        super().__init__(name, coins=load(name).symbols)
        self.at = self.at.replace(hour=15, minute=0) - MINUTE
        self.minute()
        week = self.at + timedelta(days=30)
        figures = {"accuracy_low": 0.0}
        self.tell(ModelTrained(self.at, "desk", name, "v1", "hash", "edge", True, True, self.at, week, figures=figures))
        self.tell(ModelPressed(self.at, "U_ADMIN", Role.ADMIN, "promote", name, "v1"))

    def later_minute(self, span, move=0.0):
        """The minute that closes a `span` later, every coin moved alike."""
        self.at += span - MINUTE
        return self.minute({coin: price * (1 + move) for coin, price in self.last.items()}, analysed=False)

    def forecast(self, *probabilities):
        """Every coin is forecast alike."""
        until = self.at + self.terms.label.horizon
        made = (
            Forecast(self.name, "v1", coin, self.at, until, probabilities, self.last[coin], 0.1, "0" * 16)
            for coin in self.coins
        )
        return self.tell(Analysis(self.at, self.at, (), {}, tuple(made)))

    def live(self, answers):
        """Each of `answers`, (probabilities, the move that comes): forecast at a due minute, and settled a horizon on.
        Where forecasts come seldom two quiet horizons follow, so that the next one knows what was before it."""
        horizon = self.terms.label.horizon
        for probabilities, move in answers:
            self.forecast(*probabilities)
            self.later_minute(horizon, move)
            for _ in range(0 if self.terms.predict_every <= horizon else 2):
                self.later_minute(horizon)

    @property
    def state(self):
        return self.view.models[self.name]

    @property
    def record(self):
        return live_record(self.state.live["v1"])

    @property
    def verdict(self):
        return verdict_of(self.state, self.record, ServingStatus(self.name, "v1"), self.terms.watch.fewest_settled)

    def readings(self, folder):
        """What the health check reads of the model, by name."""
        forecaster = Analyst(load(self.name), self.coins).forecaster
        serving = Serving(folder, forecaster, ManualClock(self.at), self.tell, lambda: self.view)
        facts = model_facts(SimpleNamespace(serving=serving, snapshot=lambda: self.view))
        return {one.name: one for one in health.judge(health.Facts(self.at, models=facts))}
