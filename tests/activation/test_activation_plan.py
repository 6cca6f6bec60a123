"""What a plan decides, and when it is held."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from small_shop import SEGMENT, SmallShop, Standing, small_settings, webhook

from marketing_platform.activation import (
    Plan,
    conservation,
    dispatch,
    ledger_sums,
    make_plan,
    plan_all,
)
from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations import Answer, Batch
from marketing_platform.destinations.base import Row
from marketing_platform.destinations.vendors.mailchimp import MailchimpDestination
from marketing_platform.errors import ConfigError
from marketing_platform.quality.findings import find_all
from marketing_platform.settings import ActivationRule, DestinationSettings, Settings
from marketing_platform.state import messages, open_state, reading, utc_now

VENDOR = ("crm", SEGMENT)


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver) -> Settings:
    return small_settings(tmp_path, {"crm": webhook(receiver.url)}, max_removal_share=1.0)


def plan(shop: SmallShop, engine: sa.Engine, settings: Settings, **options: object) -> Plan:
    [made] = plan_all(shop.warehouse, engine, settings, **options)  # type: ignore[arg-type]
    return made


def rows_of(engine: sa.Engine, customer_id: str) -> list[tuple[str, str, str | None]]:
    """Operation, state and reason of a customer's messages, in their order."""
    statement = (
        sa.select(messages.c.operation, messages.c.state, messages.c.reason)
        .where(messages.c.customer_id == customer_id)
        .order_by(messages.c.sequence)
    )
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(statement)]


def test_what_was_told_and_is_not_known_any_more_is_told_as_that(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    rule = ActivationRule(
        segment=SEGMENT, destination="crm", attributes=("email", "first_name", "phone")
    )
    there = {"crm": webhook("http://127.0.0.1:9")}
    settings = small_settings(tmp_path, there, rules=[rule], max_removal_share=1.0)

    def activated(fails: bool = False, **values: object) -> tuple[object, frozenset[str]] | None:
        new: list[Row] = []

        def take(batch: Batch) -> Answer:
            if fails:
                return Answer("retry", "not now")
            new.extend(batch.rows)
            return Answer("accepted")

        shop.know("ada", **values)
        plan(shop, engine, settings)
        dispatch(engine, settings, make=lambda name, settings: Standing("crm", "audience", take))
        assert all("cleared" not in row.payload for row in new)
        return (new[0].payload["phone"], new[0].cleared) if new else None

    shop.members(["ada"])
    nothing: frozenset[str] = frozenset()
    # Nobody was told of a phone: the vendor may know one.
    assert activated(first_name="Ada") == (None, nothing)
    assert activated(phone="+4915") == ("+4915", nothing)
    # It was somebody else's. What could not be told is told with the next one.
    assert activated(phone=None, fails=True) is None
    assert activated(first_name="Augusta") == (None, frozenset({"phone"}))
    assert activated(first_name="Ada") == (None, nothing)
    assert activated(phone="+4916") == ("+4916", nothing)
    # Who comes back is told too of what is gone since.
    shop.members([])
    assert activated() == ("+4916", nothing)
    shop.members(["ada"])
    assert activated(phone=None) == (None, frozenset({"phone"}))


MAILCHIMP = MailchimpDestination(type="mailchimp", api_key=SecretStr("hush-us1"), list_id="a")


class Told:
    """What a vendor is told from one activation to the next, as (operation, e-mail)."""

    def __init__(
        self, shop: SmallShop, engine: sa.Engine, folder: Path, kind: DestinationSettings
    ) -> None:
        self.refuses_removals = False
        self._settings = small_settings(folder, {"crm": kind}, max_removal_share=1.0)
        self._shop, self._engine = shop, engine
        self._told: list[tuple[str, object]] = []

    def activate(self) -> list[tuple[str, object]]:
        self._told = []
        self.counts = plan(self._shop, self._engine, self._settings).counts
        crm = Standing("crm", "audience", self._answer)
        dispatch(self._engine, self._settings, make=lambda *_: crm)
        assert all(balance.adds_up for balance in conservation(self._engine))
        return self._told

    def _answer(self, batch: Batch) -> Answer:
        self._told += [(row.operation, row.payload["email"]) for row in batch.rows]
        if self.refuses_removals and batch.rows[0].operation == "remove":
            return Answer("refused", "no")
        return Answer("accepted")


def test_who_has_another_address_leaves_a_vendor_under_the_one_that_it_knows(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    vendor = Told(shop, engine, tmp_path, MAILCHIMP)
    shop.know("ada", email="ada@old.example")
    shop.members(["ada"])
    assert vendor.activate() == [("add", "ada@old.example")]
    shop.know("ada", email="ada@new.example", first_name="Ada")
    assert vendor.activate() == [("remove", "ada@old.example")]
    assert vendor.activate() == [("add", "ada@new.example")]
    assert vendor.activate() == []
    shop.know("ada", first_name="Augusta")
    assert vendor.activate() == [("update", "ada@new.example")]
    shop.members([])
    assert vendor.activate() == [("remove", "ada@new.example")]


def test_who_became_another_customer_stays_in_an_audience_under_the_address_of_both(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    vendor = Told(shop, engine, tmp_path, MAILCHIMP)
    shop.know("ada", email="ada@shop.example")
    shop.members(["ada"])
    assert vendor.activate() == [("add", "ada@shop.example")]
    # A removal that comes late, or is worked on late, would take out who has just been added.
    shop.forget("ada")
    shop.know("augusta", email="ada@shop.example")
    shop.members(["augusta"])
    assert vendor.activate() == [("add", "ada@shop.example")]
    assert vendor.activate() == []
    assert vendor.counts.audience_count == 1
    assert vendor.counts.leaving_count == 0
    shop.members([])
    assert set(vendor.activate()) == {("remove", "ada@shop.example")}
    assert vendor.activate() == []


def test_who_became_another_customer_who_must_not_be_told_leaves_the_audience(
    shop: SmallShop, tmp_path: Path
) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    asks = MAILCHIMP.model_copy(update={"consent": "email"})
    vendor = Told(shop, engine, tmp_path, asks)
    shop.know("ada", email="ada@shop.example")
    shop.members(["ada"])
    vendor.activate()
    shop.forget("ada")
    shop.know("augusta", email="ada@shop.example", has_email_unsubscribed=True)
    shop.members(["augusta"])
    assert vendor.activate() == [("remove", "ada@shop.example")]


def test_a_vendor_that_knows_people_by_our_id_is_told_of_another_address_by_an_update(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    vendor = Told(shop, engine, tmp_path, webhook("http://127.0.0.1:9"))
    shop.know("ada", email="ada@old.example")
    shop.members(["ada"])
    vendor.activate()
    shop.know("ada", email="ada@new.example")
    assert vendor.activate() == [("update", "ada@new.example")]


def test_an_old_address_that_cannot_be_taken_out_keeps_the_new_one_from_nothing(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path
) -> None:
    vendor = Told(shop, engine, tmp_path, MAILCHIMP)
    shop.know("ada", email="ada@old.example")
    shop.members(["ada"])
    vendor.activate()
    vendor.refuses_removals = True
    shop.know("ada", email="ada@new.example")
    assert vendor.activate() == [("remove", "ada@old.example")]
    assert vendor.activate() == [("update", "ada@new.example")]
    assert vendor.activate() == []


def test_a_member_is_added_updated_and_removed(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.know("ada", first_name="Ada")
    shop.members(["ada"])
    assert plan(shop, engine, settings).counts.add_count == 1
    dispatch(engine, settings)
    assert receiver.received.audiences[VENDOR]["ada"]["first_name"] == "Ada"

    shop.know("ada", first_name="Augusta")
    assert plan(shop, engine, settings).counts.update_count == 1
    dispatch(engine, settings)
    assert receiver.received.audiences[VENDOR]["ada"]["first_name"] == "Augusta"

    shop.members([])
    assert plan(shop, engine, settings).counts.remove_count == 1
    dispatch(engine, settings)
    assert receiver.received.audiences[VENDOR] == {}
    assert [row[:2] for row in rows_of(engine, "ada")] == [
        ("add", "sent"),
        ("update", "sent"),
        ("remove", "sent"),
    ]


def test_an_unchanged_segment_writes_no_message_and_sends_nothing(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(30)
    plan(shop, engine, settings)
    dispatch(engine, settings)
    before = receiver.received.requests
    again = plan(shop, engine, settings)
    report = dispatch(engine, settings)
    assert (again.eligible_count, again.status) == (0, "done")
    assert report.sent_count == 0
    assert receiver.received.requests == before
    assert ledger_sums(engine)["eligible"] == 30


def test_planning_again_before_sending_writes_nothing_twice(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.fill(10)
    plan(shop, engine, settings)
    assert plan(shop, engine, settings).eligible_count == 0
    assert ledger_sums(engine)["eligible"] == 10


def test_who_comes_back_after_a_removal_is_a_new_message(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.know("ada")
    for members in (["ada"], [], ["ada"]):
        shop.members(members)
        plan(shop, engine, settings)
        dispatch(engine, settings)
    assert [row[0] for row in rows_of(engine, "ada")] == ["add", "remove", "add"]
    assert len(receiver.received.rows) == 3
    assert "ada" in receiver.received.audiences[VENDOR]


def test_a_message_that_nobody_wants_any_more_is_superseded(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.know("ada")
    shop.members(["ada"])
    plan(shop, engine, settings)
    shop.members([])
    second = plan(shop, engine, settings)
    dispatch(engine, settings)
    assert second.counts.superseded_count == 1
    assert second.eligible_count == 0, "who was never told needs no removal"
    assert rows_of(engine, "ada") == [("add", "suppressed", "superseded")]
    assert receiver.received.requests == 0
    assert all(balance.adds_up for balance in conservation(engine))


def test_a_newer_content_takes_the_place_of_a_waiting_one(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.know("ada", first_name="Ada")
    shop.members(["ada"])
    plan(shop, engine, settings)
    shop.know("ada", first_name="Augusta")
    plan(shop, engine, settings)
    dispatch(engine, settings)
    assert [row["first_name"] for row in receiver.received.rows.values()] == ["Augusta"]


def test_a_waiting_removal_is_superseded_when_the_customer_returns(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.know("ada")
    shop.members(["ada"])
    plan(shop, engine, settings)
    dispatch(engine, settings)
    shop.members([])
    plan(shop, engine, settings)
    shop.members(["ada"])
    plan(shop, engine, settings)
    dispatch(engine, settings)
    assert rows_of(engine, "ada") == [
        ("add", "sent", None),
        ("remove", "suppressed", "superseded"),
    ]


def test_who_cannot_be_told_is_suppressed_once_with_the_reason(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    strict = webhook(receiver.url, requires=("email", "phone"), consent="email")
    settings = small_settings(tmp_path, {"crm": strict})
    unreachable: dict[str, dict[str, object]] = {
        "no_email": {"email": None},
        "no_email ": {"email": "  "},
        "no_phone": {"phone": None},
        "no_consent": {"has_email_consent": False},
        "no_consent ": {"has_email_consent": None},
    }
    for reason, known in unreachable.items():
        shop.know(reason, phone="+4915112345678")
        shop.know(reason, **known)
    shop.members(unreachable)
    for _ in range(2):
        plan(shop, engine, settings)
        dispatch(engine, settings)
    for reason in unreachable:
        assert rows_of(engine, reason) == [("add", "suppressed", reason.strip())]
    assert receiver.received.requests == 0
    assert ledger_sums(engine)["suppressed"] == len(unreachable)


def test_push_goes_to_who_has_the_app_and_to_nobody_else(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url, consent="push")})
    shop.know("ada", push_token="tok")
    shop.know("bob")
    shop.members(["ada", "bob"])
    plan(shop, engine, settings)
    dispatch(engine, settings)
    assert rows_of(engine, "ada") == [("add", "sent", None)]
    assert rows_of(engine, "bob") == [("add", "suppressed", "no_consent")]


def test_a_member_without_a_profile_is_suppressed_not_dropped(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.members(["nobody"])
    plan(shop, engine, settings)
    assert rows_of(engine, "nobody") == [("add", "suppressed", "no_profile")]


def test_who_takes_consent_back_is_removed(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url, consent="email")})
    shop.know("ada")
    shop.members(["ada"])
    plan(shop, engine, settings)
    dispatch(engine, settings)
    shop.know("ada", has_email_consent=False)
    for _ in range(3):
        plan(shop, engine, settings)
        dispatch(engine, settings)
    assert receiver.received.audiences[VENDOR] == {}
    assert rows_of(engine, "ada") == [
        ("add", "sent", None),
        ("remove", "sent", None),
        ("add", "suppressed", "no_consent"),
    ]


def test_a_removal_names_the_customer_as_the_destination_knows_them(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.know("ada", source_contact_id="s1")
    shop.members(["ada"])
    plan(shop, engine, settings)
    dispatch(engine, settings)
    shop.members([])
    shop.forget("ada")
    plan(shop, engine, settings)
    dispatch(engine, settings)
    [removal] = [r for r in receiver.received.rows.values() if r["operation"] == "remove"]
    assert removal["email"] == "ada@example.com"
    assert removal["source_contact_id"] == "s1"


def test_money_and_moments_travel_as_text(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    rule = ActivationRule(
        segment=SEGMENT,
        destination="crm",
        attributes=("lifetime_value_amount", "last_ordered_at", "order_count", "phone"),
    )
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=[rule])
    shop.know("ada", lifetime_value_amount="12.30", last_ordered_at="2025-05-01 10:00:00")
    shop.know("ada", order_count=2)
    shop.members(["ada"])
    plan(shop, engine, settings)
    dispatch(engine, settings)
    [row] = receiver.received.rows.values()
    assert row["lifetime_value_amount"] == "12.30"
    assert row["last_ordered_at"] == "2025-05-01T10:00:00Z"
    assert row["order_count"] == 2
    assert row["phone"] is None, "a value that is gone is told too"


def test_a_plan_that_removes_too_many_is_held_and_sends_nothing(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, minimum_audience=10)
    shop.fill(20)
    plan(shop, engine, settings)
    dispatch(engine, settings)
    shop.members(["c00001"])
    held = plan(shop, engine, settings)
    assert held.is_held
    assert "would remove 19 of 20 customers (95%; limit 50%)" in held.held_reasons[0]
    assert dispatch(engine, settings).sent_count == 0
    forced = plan(shop, engine, settings, force=True)
    assert not forced.is_held
    assert dispatch(engine, settings).sent_count == 19
    assert len(receiver.received.audiences[VENDOR]) == 1


def test_a_plan_that_grows_an_audience_too_much_is_held_but_the_first_is_not(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, minimum_audience=10)
    shop.fill(50)
    everybody = [f"c{number:05}" for number in range(50)]
    shop.members(everybody[:20])
    assert not plan(shop, engine, settings).is_held
    shop.members(everybody)
    held = plan(shop, engine, settings)
    assert held.is_held
    assert "from 20 to 50 customers (2.5 times; limit 2)" in held.held_reasons[0]


def test_a_small_audience_is_not_judged(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, minimum_audience=100)
    shop.fill(20)
    plan(shop, engine, settings)
    dispatch(engine, settings)
    shop.members([])
    assert not plan(shop, engine, settings).is_held


def test_a_held_segment_and_the_callers_reasons_hold_a_plan_even_when_forced(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(5)
    shop.hold("the model was not promoted")
    held = plan(shop, engine, settings, holds=["orders are stale"], force=True)
    assert held.held_reasons == (
        "orders are stale",
        "the segment winback is held: the model was not promoted",
    )
    assert ledger_sums(engine)["eligible"] == 0
    [balance] = conservation(engine)
    assert (balance.status, balance.adds_up) == ("held", True)


def test_what_waits_is_not_sent_while_the_latest_plan_is_held(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(5)
    plan(shop, engine, settings)
    plan(shop, engine, settings, holds=["orders are stale"])
    assert dispatch(engine, settings).sent_count == 0
    plan(shop, engine, settings)
    assert dispatch(engine, settings).sent_count == 5


def test_a_backfill_of_an_earlier_day_tells_nobody(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(5)
    plan(shop, engine, settings)
    dispatch(engine, settings)
    shop.clock("2025-05-01 00:00:00")
    shop.members([])
    held = plan(shop, engine, settings)
    assert held.is_held
    assert "before the plan of 2025-06-01" in held.held_reasons[0]


def test_after_a_clock_that_was_wrong_a_plan_that_is_forced_lets_the_next_ones_pass(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, settings: Settings
) -> None:
    shop.fill(5)
    shop.clock("2035-06-01 00:00:00")
    plan(shop, engine, settings)
    shop.clock("2025-06-01 00:00:00")
    assert plan(shop, engine, settings).is_held
    assert not plan(shop, engine, settings, force=True).is_held
    shop.clock("2025-06-02 00:00:00")
    assert plan(shop, engine, settings).held_reasons == ()
    shop.clock("2025-05-01 00:00:00")
    assert plan(shop, engine, settings).is_held, "and a backfill is held as ever"


def test_a_dry_run_counts_and_writes_nothing(
    engine: sa.Engine, shop: SmallShop, settings: Settings
) -> None:
    shop.fill(8)
    dry = plan(shop, engine, settings, dry_run=True)
    assert (dry.plan_id, dry.eligible_count, len(dry.sample)) == (None, 8, 5)
    assert dry.sample[0]["operation"] == "add"
    assert conservation(engine) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"destination": "crn"}, "unknown destination 'crn'.* Did you mean crm?"),
        ({"segment": "winbak"}, "unknown segment 'winbak'.* Did you mean winback?"),
        ({"attributes": ("emial",)}, "unknown attribute 'emial'.* Did you mean email?"),
    ],
)
def test_a_misspelt_name_is_told_with_the_nearest_one(
    engine: sa.Engine, shop: SmallShop, tmp_path: Path, rule: dict[str, object], said: str
) -> None:
    wrong = ActivationRule.model_validate({"segment": SEGMENT, "destination": "crm", **rule})
    settings = small_settings(tmp_path, {"crm": webhook("http://127.0.0.1:9")}, rules=[wrong])
    with pytest.raises(ConfigError, match=said):
        plan_all(shop.warehouse, engine, settings)


def test_the_same_rule_twice_is_refused(engine: sa.Engine, shop: SmallShop, tmp_path: Path) -> None:
    rule = ActivationRule(segment=SEGMENT, destination="crm")
    settings = small_settings(tmp_path, {"crm": webhook("http://127.0.0.1:9")}, rules=[rule, rule])
    with pytest.raises(ConfigError, match="twice"):
        plan_all(shop.warehouse, engine, settings)


def test_a_warehouse_that_is_not_built_is_told_in_one_line(
    engine: sa.Engine, settings: Settings
) -> None:
    shop = SmallShop()
    with shop.warehouse.connect() as connection:
        connection.execute("drop table segments.sizes")
    with pytest.raises(ConfigError, match=r"segments\.sizes is not built"):
        plan_all(shop.warehouse, engine, settings)


def test_planners_at_the_same_time_write_each_message_once(
    engine: sa.Engine, settings: Settings, tmp_path: Path
) -> None:
    shops = [SmallShop(tmp_path / f"{number}.duckdb") for number in range(2)]
    for shop in shops:
        shop.fill(300)
    [rule] = settings.platform.activations
    ready = threading.Barrier(len(shops))

    def work(shop: SmallShop) -> None:
        ready.wait()
        make_plan(shop.warehouse, engine, settings, rule)

    threads = [threading.Thread(target=work, args=(shop,)) for shop in shops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    balances = conservation(engine)
    assert len(balances) == 2
    assert all(balance.adds_up for balance in balances)
    assert ledger_sums(engine)["eligible"] == 300


def test_an_audience_of_which_nobody_may_be_told_is_an_incident_and_one_that_is_told_is_not(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    strict = webhook(receiver.url, requires=("email",), consent="email")
    settings = small_settings(tmp_path, {"crm": strict}, max_growth_ratio=100)

    def silenced() -> list[str]:
        found = find_all(engine, settings, now=utc_now())
        return [one.detail for one in found if one.key.startswith("suppressed:")]

    shop.fill(250)
    agree(shop, 0)
    plan(shop, engine, settings)
    assert silenced() == ["250 of 250 are suppressed"]

    agree(shop, 120)
    plan(shop, engine, settings)
    dispatch(engine, settings)
    assert len(receiver.received.audiences[VENDOR]) == 120
    assert silenced() == []

    # Something changed of those who have not agreed, and they are suppressed anew; the others
    # are still there.
    with shop.warehouse.connect() as connection:
        connection.execute(
            "update profiles.customers set first_name = 'Eve' where not has_email_consent"
        )
    assert plan(shop, engine, settings).counts.suppressed_count == 130
    assert silenced() == []


def test_an_audience_whose_rule_is_taken_out_is_no_incident_any_more(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    strict = webhook(receiver.url, consent="email")
    settings = small_settings(tmp_path, {"crm": strict, "other": strict})
    shop.fill(250)
    agree(shop, 0)
    held_rule = settings.platform.activations[1]
    plan_all(shop.warehouse, engine, settings)
    make_plan(shop.warehouse, engine, settings, held_rule, holds=["orders are stale"])

    def wrong(settings: Settings) -> set[str]:
        keys = {one.key for one in find_all(engine, settings, now=utc_now())}
        return {key for key in keys if key.startswith(("plan:", "suppressed:"))}

    nobody = {f"suppressed:{name}:{SEGMENT}" for name in ("crm", "other")}
    assert wrong(settings) == {*nobody, f"plan:other:{SEGMENT}"}
    platform = settings.platform.model_copy(update={"activations": ()})
    assert wrong(settings.model_copy(update={"platform": platform})) == set()


def agree(shop: SmallShop, count: int) -> None:
    """Let so many of the customers have agreed to e-mail, and no others."""
    with shop.warehouse.connect() as connection:
        connection.execute(
            "update profiles.customers set has_email_consent = substr(customer_id, 2)::int < $n",
            {"n": count},
        )
