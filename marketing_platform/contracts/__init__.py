"""What each table promises. `contract_of` gives the contract of a table by its name."""

from marketing_platform.contracts.contract import Contract, Days, Violation
from marketing_platform.contracts.tables import CONTRACTS, contract_of

__all__ = ["CONTRACTS", "Contract", "Days", "Violation", "contract_of"]
