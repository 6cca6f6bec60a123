"""A destination with rules that may be repeated beside rules that may not."""

from __future__ import annotations

from pathlib import Path

import httpx
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, small_settings

from marketing_platform.activation import dispatch, failures, ledger_sums, plan_all
from marketing_platform.destinations import Destination, make_destination
from marketing_platform.destinations.http import HttpDestination
from marketing_platform.destinations.vendors.braze import BrazeDestination
from marketing_platform.settings import ActivationRule, Settings


def test_an_audience_beside_an_event_is_told_again_after_a_doubtful_answer(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    shop.fill(5)
    braze = BrazeDestination.model_validate(
        {"type": "braze", "api_key": "hush", "base_url": "https://x.example", "retry_seconds": 0}
    )
    rules = [
        ActivationRule(segment=SEGMENT, destination="braze", attributes=("email",), event=event)
        for event in (None, "entered")
    ]
    settings = small_settings(tmp_path, {"braze": braze}, rules=rules)
    plan_all(shop.warehouse, engine, settings)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        kind = "events" if b'"events"' in request.content else "attributes"
        asked.append(kind)
        is_first = asked.count(kind) == 1
        return httpx.Response(500 if is_first else 201, json={"message": "success"})

    def make(name: str, shop_settings: Settings) -> Destination:
        made = make_destination(name, shop_settings)
        assert isinstance(made, HttpDestination)
        made.transport = httpx.MockTransport(answer)
        return made

    dispatch(engine, settings, make=make)
    assert sorted(asked) == ["attributes", "attributes", "events"]
    told = ledger_sums(engine)
    assert (told["sent"], told["deferred"], told["failed"]) == (5, 0, 5)
    assert all("unknown outcome" in str(failure.reason) for failure in failures(engine))
