"""A destination with rules that may be repeated beside rules that may not."""

from __future__ import annotations

from pathlib import Path

import httpx
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, Standing, events, small_settings

from marketing_platform.activation import dispatch, failures, ledger_sums, plan_all
from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations import (
    Answer,
    Batch,
    Destination,
    RowAnswer,
    make_destination,
)
from marketing_platform.destinations.http import HttpDestination
from marketing_platform.destinations.vendors.braze import BrazeDestination
from marketing_platform.settings import ActivationRule, Settings
from marketing_platform.state import messages, reading


def test_what_a_vendor_took_before_it_asked_to_wait_is_not_told_again(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    shop.fill(5)
    settings = events(tmp_path, receiver, consent=None)
    plan_all(shop.warehouse, engine, settings)
    asked: list[int] = []

    def answer(batch: Batch) -> Answer:
        asked.append(len(batch.rows))
        told = {row.key: RowAnswer("ok") for row in batch.rows[:2]}
        return Answer("retry", "429", rows=told, is_counted=False)

    crm = Standing("crm", "event", answer)
    crm.calls_per_run = 3
    dispatch(engine, settings, make=lambda *_: crm)
    assert asked == [5]
    told = ledger_sums(engine)
    assert (told["sent"], told["deferred"], told["failed"]) == (2, 3, 0)
    with reading(engine) as connection:
        waiting = sa.select(messages.c.attempts).where(messages.c.state == "deferred")
        assert set(connection.execute(waiting).scalars()) == {0}


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
