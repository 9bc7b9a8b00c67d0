"""A Slack-compatible workspace on localhost, with a page, for trying and testing the desk without an account."""

from bot.sandbox.people import SANDBOX_ROLES
from bot.sandbox.server import Sandbox

__all__ = ["SANDBOX_ROLES", "Sandbox"]
