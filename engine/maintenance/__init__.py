"""Maintenance: what the desk no longer needs goes, what it could not replace is copied. In a process of its own."""

from engine.maintenance.account import Account, last_account, sentence
from engine.maintenance.backups import Backup, BackupError, back_up
from engine.maintenance.running import Terms, maintain

__all__ = ["Account", "Backup", "BackupError", "Terms", "back_up", "last_account", "maintain", "sentence"]
