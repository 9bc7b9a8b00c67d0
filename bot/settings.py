"""The environment (and `.env`) as one frozen `Settings`, read once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_HISTORIES = ("auto", "off", "kraken", "massive", "massive-files")
_WITH_A_NAME = ("ccxt", "ccxt-trades", "files", "kraken-csv", "massive-files")


class SettingsError(ValueError):
    """A setting in the environment cannot be used; the message names it and what is allowed."""


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Ids = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_blank_is_none)]
OptionalText = Annotated[str | None, BeforeValidator(_blank_is_none)]
OptionalNumber = Annotated[float | None, BeforeValidator(_blank_is_none)]


def _address(value: str, *schemes: str) -> str:
    parts = urlsplit(value)
    if not value.startswith(schemes) or not parts.hostname:
        raise ValueError(f"use an address that starts with {' or '.join(schemes)}")
    return value


class Settings(BaseSettings):
    """Every setting of the desk. Secrets are `SecretStr`: they print as stars."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,  # a name without a value is not set
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    slack_bot_token: OptionalSecret = None
    slack_app_token: OptionalSecret = None
    slack_api_url: str = "https://slack.com/api/"
    slack_webhook_url: OptionalSecret = None
    dead_man_url: OptionalSecret = None

    desk_admins: Ids = ()
    desk_risk: Ids = ()
    desk_traders: Ids = ()
    desk_viewers: Ids = ()

    channel_signals: str = "ml-signals"
    channel_reports: str = "daily-reports"
    channel_alerts: str = "system-alerts"

    database_url: OptionalSecret = None
    polygon_api_key: OptionalSecret = Field(
        default=None, validation_alias=AliasChoices("polygon_api_key", "massive_api_key")
    )
    kraken_api_key: OptionalSecret = None
    kraken_api_secret: OptionalSecret = None
    kraken_ws_url: str = "wss://ws.kraken.com/v2"
    kraken_rest_url: str = "https://api.kraken.com"
    exchange_url: OptionalText = None  # stands in for the address of ccxt's exchange
    massive_ws_url: str = "wss://socket.massive.com/crypto"
    massive_rest_url: str = "https://api.massive.com"
    massive_files_url: str = "https://files.massive.com"
    massive_files_key: OptionalSecret = None
    massive_files_secret: OptionalSecret = None

    playbook: OptionalText = None
    second_source: Annotated[str, Field(pattern=r"^(auto|off|kraken-rest|massive|ccxt:[a-z0-9_]+)$")] = "auto"
    second_source_limit: Annotated[float, Field(gt=0, le=0.5)] = 0.01

    position_size: OptionalNumber = None
    max_positions: Annotated[int | None, BeforeValidator(_blank_is_none)] = None
    stop_loss_pct: OptionalNumber = None
    take_profit_pct: OptionalNumber = None
    min_confidence: OptionalNumber = None

    environment: Literal["development", "testing", "production"] = "development"
    timezone: str = "America/Los_Angeles"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    store_ticks: Literal["segments", "database", "off"] = "segments"
    tick_days: int = Field(default=7, ge=1)
    backups_kept: int = Field(default=3, ge=0)
    history_source: str = "auto"
    dask_scheduler: OptionalText = None
    train_backend: Literal["sequential", "loky", "dask"] | None = None
    train_workers: Annotated[int | None, Field(ge=1)] = None

    @field_validator("slack_api_url", "kraken_rest_url", "massive_rest_url", "massive_files_url", mode="after")
    @classmethod
    def _web_address(cls, value: str) -> str:
        return _address(value, "https://", "http://")

    @field_validator("kraken_ws_url", "massive_ws_url", mode="after")
    @classmethod
    def _socket_address(cls, value: str) -> str:
        return _address(value, "wss://", "ws://")

    @field_validator("slack_api_url", mode="after")
    @classmethod
    def _ends_with_slash(cls, value: str) -> str:
        return value if value.endswith("/") else value + "/"

    @field_validator("channel_signals", "channel_reports", "channel_alerts", mode="after")
    @classmethod
    def _without_hash(cls, value: str) -> str:
        return value.removeprefix("#")

    @field_validator("timezone", mode="after")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("use an IANA name such as America/Los_Angeles or Europe/Berlin")
        return value

    @field_validator("history_source", mode="after")
    @classmethod
    def _known_history(cls, value: str) -> str:
        kind, _, rest = value.partition(":")
        if kind not in (_WITH_A_NAME if rest else _HISTORIES):
            raise ValueError(f"use {', '.join(_HISTORIES)}, {', '.join(f'{one}:…' for one in _WITH_A_NAME)}")
        return value

    @field_validator("train_backend", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _dask_has_a_scheduler(self) -> Settings:
        if self.train_backend == "dask" and self.dask_scheduler is None:
            raise ValueError("TRAIN_BACKEND was 'dask': it needs DASK_SCHEDULER, like tcp://10.0.0.5:8786")
        return self

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def backend(self) -> str:
        """Where trainings fit their folds: as it is set; without that on the Dask cluster, if there is one."""
        return self.train_backend or ("dask" if self.dask_scheduler else "sequential")

    @property
    def has_slack(self) -> bool:
        return self.slack_bot_token is not None and self.slack_app_token is not None

    def secrets(self) -> tuple[str, ...]:
        """Every secret value in use, for redaction."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))

    def overrides(self) -> dict[str, float | int]:
        """The playbook overrides that are set, by their setting's name."""
        names = ("position_size", "max_positions", "stop_loss_pct", "take_profit_pct", "min_confidence")
        return {name.upper(): value for name in names if (value := getattr(self, name)) is not None}


def read_settings(env_file: Path | None = None) -> Settings:
    """Settings from the environment over `env_file` (default: `.env` here).

    Raises:
        SettingsError: one line per unusable setting, without its value when it may be a secret.
    """
    try:
        return Settings() if env_file is None else Settings(_env_file=env_file)
    except ValidationError as error:
        raise SettingsError("; ".join(map(_fault, error.errors()))) from None


def _fault(error: Mapping[str, Any]) -> str:
    """One unusable setting in words; what may be a secret is not shown."""
    if not error["loc"]:  # two that do not go together: the sentence names them
        return str(error["msg"]).removeprefix("Value error, ")
    name = str(error["loc"][0]).upper()
    value = "" if name.lower() in _SECRET else f" was {error['input']!r}"
    return f"{name}{value}: {_WANTED.get(error['type']) or error['msg'].removeprefix('Value error, ')}"


_WANTED = {"float_parsing": "use a number, such as 5 or 2.5", "int_parsing": "use a whole number, such as 3"}
"""What is allowed, by the parser's own name for what went wrong."""


_SECRET = frozenset(name for name, field in Settings.model_fields.items() if field.annotation == SecretStr | None)
