"""The contracts of all tables, by layer. A table without a contract cannot be built."""

from __future__ import annotations

from marketing_platform.contracts.contract import Contract
from marketing_platform.contracts.core import CORE
from marketing_platform.contracts.identity import IDENTITY
from marketing_platform.contracts.predictions import PREDICTIONS
from marketing_platform.contracts.profiles import PROFILES
from marketing_platform.contracts.quality import QUALITY
from marketing_platform.contracts.segments import SEGMENTS
from marketing_platform.contracts.staging import STAGING

CONTRACTS: dict[str, Contract] = {
    str(contract.name): contract
    for layer in (STAGING, CORE, IDENTITY, PROFILES, PREDICTIONS, SEGMENTS, QUALITY)
    for contract in layer
}
