"""The audit log: what was recommended, asked, decided and promoted, by whom, in a chain that shows any change."""

from .log import AuditLog, Entry, Fault, Keyring, Kind, Mark

__all__ = ["AuditLog", "Entry", "Fault", "Keyring", "Kind", "Mark"]
