"""Contracts of `activation`. The ledger itself lives in the state database, not in the warehouse."""

from __future__ import annotations

from marketing_platform.contracts.contract import Contract

ACTIVATION: tuple[Contract, ...] = ()
