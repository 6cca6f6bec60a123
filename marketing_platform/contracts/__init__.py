"""What each table promises. `CONTRACTS` maps a table's name to its contract."""

from marketing_platform.contracts.contract import Contract, Violation
from marketing_platform.contracts.tables import CONTRACTS

__all__ = ["CONTRACTS", "Contract", "Violation"]
