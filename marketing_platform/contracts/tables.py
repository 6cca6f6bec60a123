"""The contracts of all tables, by layer. A table without a contract cannot be built.

Those of staging follow from the configured sources: see `staging_contract`.
"""

from __future__ import annotations

from marketing_platform.contracts.activation import ACTIVATION
from marketing_platform.contracts.contract import Contract
from marketing_platform.contracts.core import CORE
from marketing_platform.contracts.identity import IDENTITY
from marketing_platform.contracts.predictions import PREDICTIONS
from marketing_platform.contracts.profiles import PROFILES
from marketing_platform.contracts.quality import QUALITY
from marketing_platform.contracts.reference import REFERENCE
from marketing_platform.contracts.segments import SEGMENTS
from marketing_platform.contracts.staging import staging_contract

CONTRACTS: dict[str, Contract] = {
    str(contract.name): contract
    for layer in (REFERENCE, CORE, IDENTITY, PROFILES, PREDICTIONS, SEGMENTS, ACTIVATION, QUALITY)
    for contract in layer
}


def contract_of(name: str) -> Contract:
    """The contract of a table; a table without one cannot be built."""
    if name.startswith("staging."):
        return staging_contract(name)
    if name not in CONTRACTS:
        raise KeyError(f"{name} has no contract in marketing_platform/contracts")
    return CONTRACTS[name]
