"""The environment becomes one frozen Settings, and says clearly what it cannot use."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, read_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_an_empty_environment_gives_the_sandbox_defaults() -> None:
    settings = read_settings()
    assert not settings.has_slack
    assert (settings.timezone, settings.channel_signals, settings.overrides()) == (
        "America/Los_Angeles",
        "ml-signals",
        {},
    )


def test_the_environment_wins_over_the_env_file(monkeypatch, tmp_path) -> None:
    (tmp_path / ".env").write_text("CHANNEL_SIGNALS=#from-file\nDESK_ADMINS=U1, U2\n")
    monkeypatch.setenv("CHANNEL_SIGNALS", "#from-environment")
    settings = read_settings()
    assert settings.channel_signals == "from-environment"
    assert settings.desk_admins == ("U1", "U2")


def test_blank_values_of_the_example_file_mean_not_set(monkeypatch) -> None:
    for name in ("SLACK_BOT_TOKEN", "DATABASE_URL", "POSITION_SIZE", "MAX_POSITIONS", "PLAYBOOK", "TIMEZONE"):
        monkeypatch.setenv(name, "")
    settings = read_settings()
    assert settings.slack_bot_token is None
    assert settings.overrides() == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_POSITIONS", "many"),
        ("TIMEZONE", "Mars/Base"),
        ("ENVIRONMENT", "prod"),
        ("LOG_LEVEL", "LOUD"),
        ("KRAKEN_WS_URL", "ws.kraken.com"),
        ("KRAKEN_REST_URL", "https://"),
        ("SLACK_API_URL", "slack.com"),
        ("TRAIN_BACKEND", "threads"),
        ("TRAIN_WORKERS", "0"),
        ("TRAIN_WORKERS", "all"),
        ("TRAIN_BACKEND", "dask"),
        ("HISTORY_SOURCE", "binance"),
        ("HISTORY_SOURCE", "ccxt"),
        ("HISTORY_SOURCE", "kraken:BTC"),
    ],
)
def test_an_unusable_value_is_named_in_one_line(monkeypatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert f"{name} was {value!r}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("named", "backend"),
    [
        ({}, "sequential"),
        ({"DASK_SCHEDULER": "tcp://10.0.0.5:8786"}, "dask"),
        ({"TRAIN_BACKEND": "Loky", "TRAIN_WORKERS": "3"}, "loky"),
        ({"TRAIN_BACKEND": "sequential", "DASK_SCHEDULER": "tcp://10.0.0.5:8786"}, "sequential"),
        ({"TRAIN_BACKEND": "dask", "DASK_SCHEDULER": "tcp://10.0.0.5:8786"}, "dask"),
    ],
)
def test_a_cluster_is_used_where_there_is_one_unless_another_backend_is_named(monkeypatch, named, backend) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert read_settings().backend == backend


def test_secrets_never_print(monkeypatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-very-secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:very-secret@h/d")
    settings = read_settings()
    assert "very-secret" not in repr(settings)
    assert set(settings.secrets()) == {"xoxb-very-secret", "postgresql://u:very-secret@h/d"}


def test_the_polygon_key_is_known_by_both_its_names(monkeypatch) -> None:
    monkeypatch.setenv("MASSIVE_API_KEY", "key")
    found = read_settings().polygon_api_key
    assert found is not None
    assert found.get_secret_value() == "key"


def test_every_name_in_the_example_is_a_setting_and_either_name_of_a_key_will_do(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("POLYGON_API_KEY", raising=False)
    monkeypatch.delenv("MASSIVE_API_KEY", raising=False)
    example = (Path(__file__).parents[2] / ".env.example").read_text()
    assert {"POLYGON_API_KEY=", "MASSIVE_API_KEY="} <= set(example.splitlines())
    filled = tmp_path / ".env"
    filled.write_text(example.replace("MASSIVE_API_KEY=\n", "MASSIVE_API_KEY=key\n"))

    found = Settings(_env_file=filled).polygon_api_key

    assert found is not None
    assert found.get_secret_value() == "key"
