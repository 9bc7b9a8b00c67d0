"""Backtests of playbooks that trade on forecasts: which model, over which bars, and the same money as a training's."""

import csv
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bot.cli.errors import CliError
from bot.folders import home
from engine import champion_of
from engine.analyst import Analyst
from engine.analyst.forecaster import Lineup
from engine.backtest import BarsError, assumptions, backtest, with_forecasts
from engine.backtest.forecasts import forecasts_of
from engine.backtest.wishes import wishes_of
from engine.domain import MarketKind, Role, instant
from engine.forecasting.calibrators import Calibrator
from engine.forecasting.registry import ModelFolder
from engine.messages import Born, ModelPressed, ModelTrained
from engine.playbook import load, parse
from engine.store.ledger import SqliteLedger
from engine.trader import Trader
from engine.training.counting import alike
from engine.training.dataset import build
from engine.training.experiments import opened
from engine.training.trading import Voice, fees_of, heard, terms_of, traded
from tests.backtest.command import command
from tests.desk.kit import born, started
from tests.playbooks.made import MINUTE, columns_of, drawn, fitted, wandering
from tests.strategies.test_live_equals_batch import minutes


@pytest.fixture(scope="module")
def market():
    return [wandering("BTC/USD", 12_000), wandering("ETH/USD", 12_000, seed=2)]


@pytest.fixture(scope="module")
def eager():
    """`direction` for a model that knows nothing: it enters at the slightest hint."""
    text = load("direction").text.replace("min_confidence: 0.6", "min_confidence: 0.5")
    text = text.replace("fee: venue", "fee: 0.0001").replace("slippage: 0.001", "slippage: 0.0001")
    return parse(text.replace("max_hold: 1d", "max_hold: 30m").replace("sample_every: 15m", "sample_every: 5m"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory, market, eager):
    """A data folder with one model."""
    data = tmp_path_factory.mktemp("data")
    return data, fitted(eager, market, ModelFolder(data / "models"))


@pytest.fixture
def model(kept):
    data, version = kept
    return ModelFolder(data / "models").load("direction", version)


def test_forecasts_in_batch_are_those_of_each_known_bar_that_is_due(market, eager, model):
    seen = forecasts_of(eager, model, market)["BTC/USD"]
    known = np.isfinite(seen["p_up"])
    assert not known[:384].any(), "core6 is known after 385 bars"
    assert known[384:].all()
    np.testing.assert_allclose(seen["p_up"][known] + seen["p_down"][known], 1.0)
    rarely = parse(eager.text.replace("predict_every: 1m", "predict_every: 15m"))
    due = np.isfinite(forecasts_of(rarely, model, market)["BTC/USD"]["p_up"])
    closes = market[0].time + MINUTE
    assert due.sum() > 100
    assert (closes[due] % (15 * MINUTE) == 0).all()


def test_what_the_model_learnt_from_is_left_out_unless_asked_for(market, eager, model):
    end = model.passport.train_end
    later, forecasts, (note,) = with_forecasts(eager, model, market)
    assert all(instant(int(series.time[0])) >= end for series in later)
    assert all(len(forecasts[one.symbol]["edge"]) == len(one) for one in later)
    whole = forecasts_of(eager, model, market)["ETH/USD"]
    assert forecasts["ETH/USD"]["edge"].tobytes() == whole["edge"][-len(later[1]) :].tobytes()
    assert "only later bars are traded" in note
    everything, _, (warning,) = with_forecasts(eager, model, market, instant(int(market[0].time[0])))
    assert len(everything[0]) == len(market[0])
    assert "is no test" in warning


def test_of_many_coins_that_the_model_has_not_learnt_from_a_few_are_named(market, eager, model):
    strangers = [replace(market[0], symbol=f"N{number}/USD") for number in range(9)]
    _, _, notes = with_forecasts(eager, model, strangers)
    assert notes[1].endswith("has not learnt from it: N0/USD, N1/USD, N2/USD, N3/USD and 5 more")


def test_bars_that_the_model_knows_already_are_refused(market, eager, model):
    cut = int(np.searchsorted(market[0].time, round(model.passport.train_end.timestamp() * 1e6)))
    early = [type(one)(one.symbol, one.interval, one.time[:cut], *(c[:cut] for c in one.prices)) for one in market]
    with pytest.raises(BarsError, match="learnt from bars until"):
        with_forecasts(eager, model, early)


def test_bars_that_the_model_cannot_read_are_refused(market, eager, model):
    hourly = [wandering("BTC/USD", 4_000, interval=60 * MINUTE)]
    with pytest.raises(BarsError, match="reads bars of 60 s"):
        forecasts_of(eager, model, hourly)
    with pytest.raises(BarsError, match="no model of the playbook trend"):
        forecasts_of(load("trend"), model, market)


@pytest.mark.parametrize("name", ["direction", "trend"])
def test_a_backtest_and_a_trainings_money_are_the_same_trades(tmp_path, name):
    playbook, market = load(name), [lively("BTC/USD", 1), lively("ETH/USD", 2), lively("SOL/USD", 3)]
    model = bold(playbook, market, ModelFolder(tmp_path))
    bars = [columns_of(series) for series in market]
    data = build(playbook.model, bars)
    rows = np.flatnonzero(data.cases.time > np.quantile(data.cases.time, 0.7))
    voices = [Voice.of(data, rows, model.predict, model.passport.moves)]
    said = list(heard(data, playbook.model.predict_every, bars, voices))
    money = traded(playbook, bars, voices, said, terms_of(playbook))
    span = [clipped(series, voices[0].since - MINUTE, voices[0].end - MINUTE) for series in market]
    forecasts = {
        short.symbol: {column: one[np.searchsorted(long.time, short.time)] for column, one in seen.items()}
        for short, long, seen in zip(span, market, forecasts_of(playbook, model, market).values(), strict=True)
    }
    done = backtest(playbook, with_warm_volatility(span, market), forecasts=padded(forecasts, span, market))
    fees = fees_of(playbook, bars, voices, said, terms_of(playbook), money)
    assert fees.differ == (name == "trend")
    assert (fees.pnl < money.pnl) == fees.differ
    assert money.trades > 10
    assert len(done.trades) == money.trades
    assert sum(trade.pnl for trade in done.trades) == pytest.approx(money.pnl)


def lively(symbol, seed):
    """A market that reaches stops and targets within hours, and in which no feature stands still."""
    made = wandering(symbol, 12_000, seed, size=6e-3)
    jitter = np.random.default_rng(seed).uniform(-1e-4, 1e-4, len(made))
    return replace(made, open=np.clip(made.open * (1 + jitter), made.low, made.high))


def bold(playbook, market, folder):
    """A model of the playbook that is as sure of a rise as it has no reason to be, half of the time."""
    model = folder.load(playbook.model.name, fitted(playbook, market, folder))
    rows = build(playbook.model, [columns_of(series) for series in market]).rows
    low, high = np.quantile(model.raw(rows)[:, -1], (0.3, 0.6)).tolist()
    sure, faint = ((0.0, 0.0), (low, 0.2), (high, 0.8), (1.0, 1.0)), ((0.0, 0.0), (1.0, 0.1))
    knots = (sure,) if model.passport.classes == 2 else (faint, faint, sure)
    model.passport = replace(model.passport, calibration=Calibrator("isotonic", knots))
    return model


def test_the_money_is_of_every_forecast_that_falls_due_not_of_the_rows_to_learn_from(market):
    bars = [columns_of(series) for series in market]
    for name, every in (("direction", 1), ("trend", 15)):
        playbook = load(name)
        data = build(playbook.model, bars)
        rows = np.flatnonzero(data.cases.time > np.quantile(data.cases.time, 0.7))
        even = np.full(data.cases.classes, 1 / data.cases.classes)
        voice = Voice.of(data, rows, lambda seen, even=even: np.tile(even, (len(seen), 1)), even)
        for (closes, told), one in zip(heard(data, playbook.model.predict_every, bars, [voice]), bars, strict=True):
            span = one.time[(one.time >= voice.since) & (one.time <= voice.end)]
            assert closes.tolist() == span[span % (every * MINUTE) == 0].tolist()
            assert told.shape == (len(closes), data.cases.classes + 1)


def test_one_voice_follows_another_where_it_begins(market):
    bars = [columns_of(market[0])]
    playbook = parse(load("direction").text.replace("sample_every: 15m", "sample_every: 10m"))
    data = build(playbook.model, bars)
    halves = np.array_split(np.arange(len(data)), 2)
    voices = [
        Voice.of(data, half, lambda seen, up=up: np.tile([1 - up, up], (len(seen), 1)), (-1.0, 1.0))
        for half, up in zip(halves, (0.25, 0.75), strict=True)
    ]
    ((closes, told),) = heard(data, playbook.model.predict_every, bars, voices)
    assert (np.diff(closes) == MINUTE).all()
    assert told[:, 1].tolist() == np.where(closes < voices[1].since, 0.25, 0.75).tolist()
    assert told[:, 2].tolist() == np.where(closes < voices[1].since, -0.5, 0.5).tolist()


def clipped(series, first, last):
    part = (series.time >= first) & (series.time <= last)
    return type(series)(series.symbol, series.interval, series.time[part], *(c[part] for c in series.prices))


def with_warm_volatility(span, market):
    """The span with an hour of bars before it, so that its first bars know their volatility."""
    return [
        clipped(long, int(short.time[0]) - 100 * MINUTE, int(short.time[-1]))
        for short, long in zip(span, market, strict=True)
    ]


def padded(forecasts, span, market):
    """The forecasts with nothing in that hour."""
    longer = with_warm_volatility(span, market)
    return {
        long.symbol: {
            name: np.concatenate((np.full(len(long) - len(column), np.nan), column))
            for name, column in forecasts[long.symbol].items()
        }
        for long in longer
    }


def saved(market, path):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("symbol", "time", "open", "high", "low", "close", "volume"))
        for series in market:
            for at, *row in zip(series.time.tolist(), *(column.tolist() for column in series.prices), strict=True):
                writer.writerow((series.symbol, instant(at).isoformat(), *row))
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory, market):
    return saved(market, tmp_path_factory.mktemp("bars") / "bars.csv")


@pytest.fixture
def playbook(tmp_path, eager):
    path = tmp_path / "eager.yaml"
    path.write_text(eager.text)
    return path


def test_the_command_trades_a_named_version(kept, file, playbook, tmp_path, capsys):
    data, version = kept
    words = ("--playbook", playbook, "--bars", file, "--data-dir", data, "--out", tmp_path / "out")
    assert command(*words, "--model", version) == 0
    assert f"the model is direction {version}, which learnt from bars until" in capsys.readouterr().err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["trades"] > 0
    assert (
        datetime.fromisoformat(summary["from"]) >= ModelFolder(data / "models").passport("direction", version).train_end
    )


def test_a_backtest_of_a_model_is_a_row_that_counts_with_its_trainings(kept, file, playbook, tmp_path):
    data, version = kept
    words = ("--playbook", playbook, "--bars", file, "--data-dir", data, "--out", tmp_path / "out")
    assert command(*words, "--model", version) == 0
    with opened(data / "experiments.sqlite", home() / "experiments.sqlite") as experiments:
        row = experiments.read()[-1]
        others = [one.uid for one in experiments.known()]
    assert (row.kind, row.model, row.status) == ("backtest", "direction", "done")
    assert row.parameters["version"] == version
    assert row.figures["trades"] > 0
    assert len(row.figures["days"]) > 1
    assert row.uid in others
    assert alike(row.parameters, "direction", "else", [row]) == [row]


def test_without_a_promoted_model_the_command_says_how_to_get_one(kept, file, playbook, tmp_path):
    data, version = kept
    words = ("--playbook", playbook, "--bars", file, "--out", tmp_path / "out")
    with pytest.raises(CliError, match=f"nightdesk train --playbook .*--model \\(there are {version}\\)"):
        command(*words, "--data-dir", data)
    with pytest.raises(CliError, match="no model of it has been promoted; train one with `nightdesk train"):
        command(*words, "--data-dir", tmp_path / "nowhere")
    with pytest.raises(CliError, match=r"has no version .* there are"):
        command(*words, "--data-dir", data, "--model", "20200101T000000-000000")
    with pytest.raises(CliError, match="trades by rule"):
        command("--playbook", "ema", "--bars", file, "--out", tmp_path / "out", "--model", version)


def test_the_champion_is_the_version_that_was_promoted_last(tmp_path):
    ledger, trader = SqliteLedger(tmp_path / "ledger.sqlite"), Trader()

    def tell(message):
        judged = trader.judge(message)
        trader.recorded(ledger.append(message, judged.outcomes, (), judged.judged_until))

    assert champion_of(tmp_path / "elsewhere", "direction") == ""
    beginning = born()
    tell(Born(beginning.at, "desk-1", MarketKind.SIMULATED, "direction", "0" * 64, "simulated"))
    tell(started(load("direction").text))
    at = beginning.at
    for version in ("v1", "v2"):
        day = timedelta(days=1)
        tell(ModelTrained(at, "U", "direction", version, "hash", "edge", True, False, at, at + day))
        assert champion_of(tmp_path, "direction") == ("" if version == "v1" else "v1")
        tell(ModelPressed(at, "U", Role.ADMIN, "promote", "direction", version))
        assert champion_of(tmp_path, "direction") == version
    tell(ModelPressed(at, "U", Role.ADMIN, "rollback", "direction", "v2"))
    assert champion_of(tmp_path, "direction") == "v1"
    assert champion_of(tmp_path, "trend") == ""
    ledger.close()


def test_where_no_person_resumes_losses_in_a_row_pause_for_a_day(market, eager):
    losing = parse(eager.text.replace("fee: 0.0001", "fee: 0.02").replace("cost_filter: true", "cost_filter: false"))
    done = backtest(losing, market, forecasts={series.symbol: drawn(series) for series in market})
    days = {trade.entry_time.date() for trade in done.trades}
    assert all(trade.pnl < 0 for trade in done.trades)
    assert len(days) > 3
    assert done.refusals["LOSSES"] > 0
    assert "a person must resume" in assumptions(losing)[0]
    assert assumptions(load("ema")) == []


def test_the_live_analyst_with_a_model_signals_what_the_backtest_wishes(market, eager, model):
    part = [clipped(series, 0, int(series.time[900])) for series in market]
    forecasts = forecasts_of(eager, model, part)
    analyst = Analyst(eager, [series.symbol for series in part])
    analyst.forecaster.use(Lineup(champion=model))
    live = [signal for minute in minutes(part) for signal in analyst.on(minute).signals]
    for series in part:
        batch = wishes_of(eager, series, 0, None, forecasts[series.symbol])
        ours = [signal for signal in live if signal.symbol == series.symbol]
        assert [signal.at for signal in ours] == [instant(at) for at in series.time[batch["row"]] + MINUTE]
        assert np.array([signal.confidence for signal in ours]).tobytes() == batch["confidence"].tobytes()
        assert np.array([signal.expected_value for signal in ours]).tobytes() == batch["value"].tobytes()
        assert len(ours) > 50


def test_a_playbook_without_a_promoted_model_wishes_nothing_and_says_how_to_get_one(market):
    analyst = Analyst(load("direction"), ["BTC/USD"])
    *_, last = (analyst.on(minute) for minute in minutes([clipped(market[0], 0, int(market[0].time[450]))]))
    steps = {step.gate: step for step in last.steps["BTC/USD"]}
    assert last.signals == ()
    assert (steps["model"].passed, steps["strategy"].passed) == (False, False)
    assert "/desk train" in steps["model"].sentence
    assert steps["strategy"].sentence == "direction: there is no forecast for this bar."


def test_the_costs_of_an_entry_are_told_and_stop_one_that_is_not_worth_them(market, eager, model):
    dear = parse(eager.text.replace("fee: 0.0001", "fee: 0.05"))
    part = [clipped(market[0], 0, int(market[0].time[700]))]
    told = {}
    for playbook in (eager, dear):
        analyst = Analyst(playbook, ["BTC/USD"])
        analyst.forecaster.use(Lineup(champion=model))
        answers = [analyst.on(minute) for minute in minutes(part)]
        told[playbook.hash] = [step for one in answers for step in one.steps["BTC/USD"] if step.gate == "costs"]
        entered = [signal for one in answers for signal in one.signals]
        assert bool(entered) == (playbook is eager)
        assert all(signal.numbers["expected"] > signal.numbers["costs"] for signal in entered)
        assert all("before 0.04% of costs" in signal.reason for signal in entered)
    assert any(step.passed for step in told[eager.hash])
    assert not any(step.passed for step in told[dear.hash])
    assert "does not cover the 10.02% that entering and leaving cost" in told[dear.hash][0].sentence


def test_a_strategy_of_ones_own_reads_forecasts_as_the_example_shows(market, file, tmp_path, capsys):
    example = Path(__file__).parents[2] / "examples" / "my_forecasts.yaml"
    cheap = tmp_path / "my_forecasts.yaml"
    cheap.write_text(example.read_text().replace("fee: venue, slippage: 0.1 %", "fee: 0.01 %").replace("55 %", "45 %"))
    (tmp_path / "my_forecasts.py").write_text(example.with_suffix(".py").read_text())
    version = fitted(load(example), market, ModelFolder(tmp_path / "models"))
    words = ("--bars", file, "--data-dir", tmp_path, "--model", version, "--out", tmp_path / "out")
    assert command("--playbook", cheap, *words) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["trades"] > 10
    assert {one["name"] for one in summary["by_exit"]} & {"stop", "target", "signal"}
