"""A command's one-line failure."""

from __future__ import annotations

from typing import NoReturn


class CliError(Exception):
    """What went wrong, with what value, and what to do; printed as one line without a traceback."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code


def fail(sentence: str, code: int = 1) -> NoReturn:
    raise CliError(sentence, code)
