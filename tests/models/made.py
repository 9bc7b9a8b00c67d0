"""A desk whose playbook has a model, told what an analyst and a training would tell it."""

from datetime import timedelta

from engine.domain import Role
from engine.forecasts import Forecast
from engine.messages import Analysis, ModelPressed, ModelTrained
from tests.desk.kit import MINUTE, SYMBOLS, Floor, playbook

MODEL = """
model:
  name: direction
  features: core6
  label: {{kind: direction, horizon: {horizon}}}
  predict_every: 1 min
  history: 30 d
  promotion: {promotion}
  watch: {{fewest_settled: {fewest}}}
"""


def with_model(promotion="button", horizon="10 min", fewest=20):
    return playbook() + MODEL.format(promotion=promotion, horizon=horizon, fewest=fewest)


def trained(floor, version="v1", promotable=True, by_rule=True, days=7, **more):
    return floor.tell(
        ModelTrained(
            floor.at,
            "U_ADMIN",
            "direction",
            version,
            f"hash-{version}",
            "edge" if promotable else "no edge",
            promotable,
            by_rule,
            floor.at,
            floor.at + timedelta(days=days),
            failing=() if promotable else ("Accuracy 51.0 %, below the 55 % asked for.",),
            **more,
        )
    )


def press(floor, action, version="v1", role=Role.ADMIN, by="U_ADMIN"):
    return floor.tell(ModelPressed(floor.at, by, role, action, "direction", version))


def promoted(version="v1", **terms):
    floor = Floor(with_model(**terms))
    trained(floor, version)
    press(floor, "promote", version)
    return floor


def forecast(floor, symbol, up=0.6, minutes=10, version="v1", shadow=False, price=100.0):
    return Forecast(
        "direction",
        version,
        symbol,
        floor.at,
        floor.at + minutes * MINUTE,
        (1 - up, up),
        price,
        0.1,
        "0" * 16,
        shadow,
    )


def minute_with(floor, *told, prices=100.0):
    """A minute whose analysis brings forecasts: `told` are (symbol, probability of up); all coins have one price."""
    outcomes = floor.minute(prices, analysed=False)
    at_hand = tuple(forecast(floor, symbol, up, price=prices) for symbol, up in told)
    return outcomes + floor.tell(Analysis(floor.at, floor.at, (), {}, at_hand))


__all__ = ["MINUTE", "SYMBOLS", "forecast", "minute_with", "press", "promoted", "trained", "with_model"]
