"""Massive's flat files by S3, with keys of their own."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from datetime import date
from typing import Any

from engine.market.errors import FeedUnreachable, MarketError
from engine.market.massive_access import FILES_KEY_NAMES, MassiveAccess, MassiveRefused
from engine.market.massive_files import key_of

BUCKET = "flatfiles"
REGION = "us-east-1"  # signed with, and meant by no one: the store has one place
CONNECT_WITHIN = 5
READ_WITHIN = 60
ATTEMPTS = 3
_BAD_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "401")
_NO_FILE = ("NoSuchKey", "404")


class S3Store:
    """Implements `FileStore`. Needs the extra `s3` (boto3). Threads share one client."""

    def __init__(self, access: MassiveAccess) -> None:
        if importlib.util.find_spec("boto3") is None:
            raise MarketError("massive-files needs boto3: install nightdesk[s3], or name a folder of files")
        if not (access.files_key and access.files_secret):
            raise MassiveRefused(f"Massive's files need keys of their own: set {FILES_KEY_NAMES} (from its dashboard)")
        self._access = access
        self._lock = threading.Lock()
        self._client: Any = None

    def read(self, day: date) -> tuple[str, bytes]:
        from botocore.exceptions import BotoCoreError, ClientError

        key = key_of(day)
        try:
            answer = self._connected().get_object(Bucket=BUCKET, Key=key)
            content: bytes = answer["Body"].read()
        except ClientError as error:
            raise self._refusal(key, error.response) from error
        except (BotoCoreError, OSError) as error:
            reason = self._access.hide(str(error))
            raise FeedUnreachable(f"{self._access.files_url} did not give {key}: {reason}") from error
        return key, content

    def samples(self) -> Sequence[date]:
        return ()

    def _connected(self) -> Any:
        import boto3
        from botocore.config import Config

        with self._lock:
            if self._client is None:
                config = Config(
                    signature_version="s3v4",
                    s3={"addressing_style": "path"},
                    connect_timeout=CONNECT_WITHIN,
                    read_timeout=READ_WITHIN,
                    retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                )
                self._client = boto3.session.Session().client(
                    "s3",
                    endpoint_url=self._access.files_url,
                    region_name=REGION,
                    aws_access_key_id=self._access.files_key,
                    aws_secret_access_key=self._access.files_secret,
                    config=config,
                )
            return self._client

    def _refusal(self, key: str, answer: Any) -> MarketError:
        code = str(answer.get("Error", {}).get("Code", ""))
        said = self._access.hide(str(answer.get("Error", {}).get("Message", "") or code))
        if code in _NO_FILE:
            return MarketError(f"Massive has no file {key} (a day's file comes about 16:00 UTC on the next)")
        if code in _BAD_KEYS:
            return MassiveRefused(f"Massive does not take the keys in {FILES_KEY_NAMES}: {said}")
        if code in ("AccessDenied", "403"):
            return MassiveRefused(f"the plan of the keys in {FILES_KEY_NAMES} does not include {key}: {said}")
        return MarketError(f"Massive's files answered {key} with {code}: {said}")
