"""Playbooks: what loads, what is refused and in which words, and what settings change."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from engine.domain import Instrument, Tier
from engine.playbook import PlaybookError, load, names, parse

ROOT = Path(__file__).parents[2]
EMA = (ROOT / "engine" / "playbooks" / "ema.yaml").read_text()


def test_the_shipped_playbook_says_what_the_product_promises() -> None:
    ema = load("ema")
    rules = ema.rules([Instrument(symbol) for symbol in ema.symbols])
    assert ema.symbols == ("BTC/USD", "ETH/USD", "SOL/USD", "POL/USD", "AVAX/USD")
    assert (ema.capital, ema.interval, ema.tier) == (1000, "1m", Tier.PROPOSE)
    assert ema.strategies[0].parameters == {"fast": 20, "slow": 50}
    assert (ema.strategies[0].exits.stop.atr, ema.strategies[0].exits.stop.length) == (2, 14)
    assert ema.strategies[0].exits.target is None
    assert ema.strategies[0].exits.max_hold is None
    assert (rules.strategies[0].sizing.min_weight, rules.strategies[0].sizing.max_weight) == (0.02, 0.2)
    assert (rules.costs.fee_rate, rules.costs.slippage_base, rules.costs.slippage_per_100k) == (0.004, 0.001, 0.001)
    assert (rules.costs.slippage_cap, rules.limits.max_heat, rules.good_bars_needed) == (0.01, 0.1, 3)
    assert ema.proposal.max_life == timedelta(minutes=10)
    assert (ema.proposal.max_drift, ema.proposal.max_cards_per_hour) == (0.005, 6)


@pytest.mark.parametrize(
    "path",
    [
        "ema",
        "direction",
        "trend",
        "benchmarks/ema_peers.yaml",
        "examples/my_playbook.yaml",
        "examples/my_forecasts.yaml",
    ],
)
def test_the_effective_text_reads_back_to_the_same_playbook(path: str) -> None:
    playbook = load(ROOT / path if "/" in path else path)
    again = parse(playbook.text)
    assert again.hash == playbook.hash
    assert again.model_dump() == playbook.model_dump()


def test_none_is_written_out_and_kept() -> None:
    peers = load(ROOT / "benchmarks" / "ema_peers.yaml")
    assert peers.volume_share is None
    assert parse(peers.text).volume_share is None
    assert peers.rules([]).quiet_bars_fill


def test_a_changed_number_changes_the_hash() -> None:
    assert load("ema").hash == load("ema").hash
    assert load("ema").hash != load("ema", {"CAPITAL": 100}).hash


WRONG = [
    ("capital: 1000", "capitl: 1000", ["`capital` is missing", "unknown key `capitl`", "Did you mean 'capital'?"]),
    (
        "fast: 20 ",
        "fst: 20 ",
        ["strategies[0].parameters", "`fst`", "Did you mean 'fast'?", "Allowed here: fast, slow"],
    ),
    ("fast: 20 ", "fast: 0 ", ["`fast` was 0", "greater than or equal to 1"]),
    ("fast: 20 ", "fast: '20' ", ["`fast` was '20'", "integer"]),
    ("atr: 2 ", "atr: two ", ["`strategies[0].exits.stop.atr` was 'two'", "number"]),
    ("atr: 2 ", "atr: 2\n        percent: 5 %", ["strategies[0].exits.stop", "not both"]),
    ("capital: 1000", "capital: -3", ["`capital` was -3", "greater than 0"]),
    ("capital: 1000", "capital: .nan", ["`capital`", "finite number"]),
    ("tier: propose", "tier: auto", ["`auto` comes later", "`observe`", "`propose`"]),
    ("tier: propose", "tier: ask", ["`approval.tier` was 'ask'", "'observe', 'propose'"]),
    ("policy: inverse_volatility", "policy: fixed", ["strategies[0].sizing", "`amount`"]),
    ("policy: inverse_volatility", "policy: kelly", ["'fixed', 'inverse_volatility' or 'risk'"]),
    ("max_life: 10 min", "max_life: 10", ["`proposal.max_life`", "10 min"]),
    ("max_life: 10 min", "max_life: 11 min", ["`proposal.max_life`", "at most 10 min"]),
    ("max_drift: 0.5 %", "max_drift: 6 %", ["`proposal.max_drift`", "at most 5 %"]),
    ("max_drift: 0.5 %", "max_drift: half", ["`proposal.max_drift`", "5 %"]),
    ("interval: 1m", "interval: 2m", ["`interval` was '2m'", "'1m', '5m', '15m', '1h', '4h', '1d'"]),
    ("min_weight: 2 %", "min_weight: 30 %", ["min_weight 0.3 is above max_weight 0.2"]),
    ("[BTC/USD,", "[BTCUSD,", ["'BTCUSD' is no symbol", "BTC/USD"]),
    ("[BTC/USD,", "[ETH/USD,", ["ETH/USD is named twice"]),
    ("strategy: ema ", "strategy: emma ", ["`strategies[0].strategy`", "built in: ema"]),
    ("strategy: ema ", "strategy: gone.py ", ["there is no strategy file", "gone.py"]),
    ("  fee: venue", "  fee: 40", ["`costs.fee`"]),
    ("  max_heat: 10 %", "  max_heat: 10 %\n  max_heat: 11 %", ["`max_heat` is given twice"]),
    ("capital_share: 100 %", "capital_share: 140 %", ["`strategies[0].capital_share`", "less than or equal to 1"]),
    ("name: ema\n", "name: [ema\n", ["no valid YAML"]),
]


@pytest.mark.parametrize(("old", "new", "words"), WRONG, ids=[new for _, new, _ in WRONG])
def test_a_mistake_is_answered_with_file_key_and_what_is_allowed(old: str, new: str, words: list[str]) -> None:
    assert old in EMA
    with pytest.raises(PlaybookError) as caught:
        parse(EMA.replace(old, new, 1), "mine.yaml")
    for word in ["mine.yaml", *words]:
        assert word in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_a_feature_set_that_does_not_exist_is_a_mistake_of_the_playbook() -> None:
    text = (ROOT / "engine" / "playbooks" / "direction.yaml").read_text()
    assert "features: core6" in text
    with pytest.raises(PlaybookError) as caught:
        parse(text.replace("features: core6", "features: core7", 1), "mine.yaml")
    for word in ["mine.yaml", "`model.features`", "'core7'", "Did you mean 'core6'?", "Allowed: core6, trend52"]:
        assert word in str(caught.value)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match="Did you mean 'ema'"):
        load("emma")
    with pytest.raises(PlaybookError, match=f"there is no playbook file .*{names()[0]}"):
        load(str(tmp_path / "mine.yaml"))


def test_settings_override_the_playbook_and_are_shown() -> None:
    ours = load(
        "ema",
        {
            "CAPITAL": "100",
            "POSITION_SIZE": "25",
            "MAX_POSITIONS": 2,
            "STOP_LOSS_PCT": 5.0,
            "TAKE_PROFIT_PCT": "10 %",
            "MIN_CONFIDENCE": "",
        },
    )
    rules = ours.rules([])
    assert rules.capital == 100
    assert (rules.strategies[0].sizing.policy, rules.strategies[0].sizing.amount) == ("fixed", 25)
    assert (rules.strategies[0].stop_pct, rules.strategies[0].target_pct) == (0.05, 0.10)
    assert rules.limits.max_positions == 2
    assert ours.settings["STOP_LOSS_PCT"] == "5.0"
    assert "MIN_CONFIDENCE" not in ours.settings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("STOP_LOSS_PCT", "0.05", "5 means 5 %"),
        ("STOP_LOSS_PCT", "five", "must be a number"),
        ("STOP_LOSS_PCT", "nan", "must be a number"),
        ("MAX_POSITIONS", "2.5", "whole number"),
        ("MAX_POSITIONS", "0", "from 1"),
        ("POSITION_SIZE", "-1", "money for one trade"),
        ("MIN_CONFIDENCE", "60", "0.6 means 60 %"),
        ("POSITION_SIZ", "5", "Did you mean 'POSITION_SIZE'"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(name: str, value: str, words: str) -> None:
    with pytest.raises(PlaybookError, match=name) as caught:
        load("ema", {name: value})
    assert words in str(caught.value)


def test_a_playbook_cannot_be_changed_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load("ema").capital = 5


def test_an_impossible_capital_is_named_as_it_was_typed() -> None:
    with pytest.raises(PlaybookError, match=r"--capital was '-5'; it must be a number from 1 to 1,000,000,000,000 "):
        load("ema", {"CAPITAL": "-5.0"})
