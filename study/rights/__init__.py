"""What people may ask of us: to have their data deleted, to be forgotten in time, and to know what is stored."""

from study.rights.retention import delete_due_identities
from study.rights.sheet import data_protection_sheet
from study.rights.withdrawal import WithdrawalError, Withdrawn, read_code, withdraw, withdrawal_code

__all__ = [
    "WithdrawalError",
    "Withdrawn",
    "data_protection_sheet",
    "delete_due_identities",
    "read_code",
    "withdraw",
    "withdrawal_code",
]
