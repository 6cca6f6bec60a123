"""Rules that are refused before anything is planned."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from small_shop import SEGMENT, SmallShop, small_settings, texts, webhook

from marketing_platform.activation import plan_all
from marketing_platform.demo.receiver import Receiver
from marketing_platform.destinations.vendors.meta_ads import MetaAdsDestination
from marketing_platform.destinations.vendors.sendgrid import SendGridDestination
from marketing_platform.destinations.vendors.smtp import SmtpDestination
from marketing_platform.errors import ConfigError
from marketing_platform.settings import ActivationRule, DestinationSettings, Platform
from marketing_platform.state import open_state


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"message": {"text": "Hi"}}, "webhook takes audience or event, not message"),
        ({"task": {"text": "Call"}}, "webhook takes audience or event, not task"),
    ],
)
def test_what_a_destination_cannot_do_is_told_before_anything_is_planned(
    shop: SmallShop, receiver: Receiver, tmp_path: Path, rule: dict[str, Any], told: str
) -> None:
    chosen = ActivationRule.model_validate({"segment": SEGMENT, "destination": "crm", **rule})
    settings = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=[chosen])
    with pytest.raises(ConfigError, match=told):
        plan_all(shop.warehouse, sa.create_engine("sqlite://"), settings)


@pytest.mark.parametrize(
    ("audience", "told"),
    [(None, "meta_ads needs the number of a custom audience"), ("vip", "needs the number")],
)
def test_a_rule_without_the_vendors_audience_is_told_before_anything_is_planned(
    shop: SmallShop, tmp_path: Path, audience: str | None, told: str
) -> None:
    meta = MetaAdsDestination(type="meta_ads", access_token="hush")  # type: ignore[arg-type]
    rule = ActivationRule(segment=SEGMENT, destination="ads", audience=audience)
    settings = small_settings(tmp_path, {"ads": meta}, rules=[rule])
    with pytest.raises(ConfigError, match=told):
        plan_all(shop.warehouse, sa.create_engine("sqlite://"), settings)


@pytest.mark.parametrize(
    ("kind", "declared", "event", "told"),
    [
        ("mailchimp", {"api_key": "hush-us21", "list_id": "a1b2"}, "a" * 31,
         "Write a name of 2 to 30 characters"),
        ("klaviyo", {"api_key": "hush"}, "a" * 128, "less than 128 characters"),
        ("customer_io", {"site_id": "s", "api_key": "hush"}, "a" * 101, "at most 100 characters"),
        ("activecampaign", {"base_url": "https://x.example", "api_token": "hush"}, "a" * 33,
         "at most 32 characters"),
        ("hubspot", {"access_token": "hush"}, "Left a cart", "such as pe12345_left_a_cart"),
        ("salesforce", {"base_url": "https://x.example", "client_id": "i", "client_secret": "hush"},
         "Left a cart", "such as Left_Cart__e"),
    ],
)  # fmt: skip
def test_an_event_that_the_vendor_would_refuse_for_each_person_is_told_before_anything_is_planned(
    shop: SmallShop, tmp_path: Path, kind: str, declared: dict[str, Any], event: str, told: str
) -> None:
    there = Platform.model_validate({"destinations": {"there": {"type": kind, **declared}}})
    rule = ActivationRule(segment=SEGMENT, destination="there", event=event)
    settings = small_settings(tmp_path, there.destinations, rules=[rule])
    with pytest.raises(ConfigError, match=told):
        plan_all(shop.warehouse, sa.create_engine("sqlite://"), settings)


def test_two_segments_do_not_share_an_audience_out_of_which_one_would_take_the_members_of_the_other(
    engine: sa.Engine, shop: SmallShop, receiver: Receiver, tmp_path: Path
) -> None:
    meta = MetaAdsDestination.model_validate({"type": "meta_ads", "access_token": "t"})
    rules = [
        ActivationRule(segment=name, destination="meta", audience="123", attributes=("email",))
        for name in (SEGMENT, "other")
    ]
    with pytest.raises(ConfigError) as refused:
        plan_all(shop.warehouse, engine, small_settings(tmp_path, {"meta": meta}, rules=rules))
    assert "other to meta: its audience, 123, is that of winback too" in str(refused.value)
    apart = [rules[0], rules[1].model_copy(update={"audience": "124"})]
    assert plan_all(shop.warehouse, engine, small_settings(tmp_path, {"meta": meta}, rules=apart))
    crm = [rule.model_copy(update={"destination": "crm"}) for rule in rules]
    hook = small_settings(tmp_path, {"crm": webhook(receiver.url)}, rules=crm)
    assert plan_all(shop.warehouse, engine, hook), "a receiver keeps them apart by their names"


@pytest.mark.parametrize(
    ("kind", "declared", "told"),
    [
        (
            "mailchimp",
            {"api_key": "hush-us21", "list_id": "a1b2"},
            "mailchimp has no place for 'order_count'. Name its field under merge_fields of there",
        ),
        ("meta_ads", {"access_token": "hush"}, "meta_ads has no place for 'order_count'. Take it"),
        (
            "sendgrid",
            {"api_key": "hush", "from_email": "a@b.example", "custom_fields": {"tier": "w1"}},
            "Name its field under custom_fields of there",
        ),
    ],
)
def test_an_attribute_that_would_be_left_out_is_told_before_anything_is_planned(
    shop: SmallShop, tmp_path: Path, kind: str, declared: dict[str, Any], told: str
) -> None:
    told_of = Platform.model_validate({"destinations": {"there": {"type": kind, **declared}}})
    rule = ActivationRule.model_validate(
        {"segment": SEGMENT, "destination": "there", "audience": "12"}
    )
    asking = rule.model_validate({**rule.model_dump(exclude_unset=True),
                                  "attributes": ["email", "order_count"]})  # fmt: skip
    needing = asking.model_validate(
        {**asking.model_dump(exclude_unset=True), "needs": ["order_count"]}
    )
    for one, is_refused in ((rule, False), (asking, True), (needing, False)):
        settings = small_settings(tmp_path, told_of.destinations, rules=[one])
        with pytest.raises(ConfigError, match=told) if is_refused else nullcontext():
            plan_all(shop.warehouse, open_state("sqlite://"), settings)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Hi {{ frist_name }}", "asks for 'frist_name', which the rule does not send along"),
        ("Hi {{ first_name", "not a template"),
        ("{% for x in %}", "not a template"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_told_before_anything_is_planned(
    shop: SmallShop, tmp_path: Path, text: str, told: str
) -> None:
    settings = texts(tmp_path)
    rule = settings.platform.activations[0].model_copy(
        update={
            "message": settings.platform.activations[0].message.model_copy(update={"text": text})
        }  # type: ignore[union-attr]
    )
    platform = settings.platform.model_copy(update={"activations": (rule,)})
    with pytest.raises(ConfigError, match=told):
        plan_all(
            shop.warehouse,
            sa.create_engine("sqlite://"),
            settings.model_copy(update={"platform": platform}),
        )


MAIL = {"from_email": "shop@shop.example"}
MAILS = {"host": "127.0.0.1", **MAIL, "unsubscribe_url": "https://shop.example/leave"}
SMTP = SmtpDestination.model_validate({"type": "smtp", **MAILS})
WAY_OUT = "{{ unsubscribe_url }}"
SENDS = {"api_key": "hush", **MAIL, "has_subscription_tracking": True}
TEXTS = {"account_sid": "AC" + "0" * 32, "auth_token": "hush", "from_number": "+15005550006"}
PUSHES = {"project": "my-shop", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
LINES = {"token": "hush", "channel": "C1"}
SENDGRID = SendGridDestination.model_validate({"type": "sendgrid", "api_key": "hush", **MAIL})


@pytest.mark.parametrize(
    ("declared", "message", "told"),
    [
        (
            SMTP,
            {"subject": "Hi", "text": "Hi"},
            "message.text does not show people how to unsubscribe",
        ),
        (
            SMTP,
            {"subject": "Hi", "text": "{{ unsubscribe_url }}", "html": "<p>Hi</p>"},
            "message.html does not show people how to unsubscribe",
        ),
        (SENDGRID, {"template": "d-1"}, "could not unsubscribe"),
        (
            SENDGRID.model_copy(update={"unsubscribe_url": "https://shop.example/leave"}),
            {"subject": "Hi", "text": "Hi"},
            "message.text does not show people how to unsubscribe",
        ),
    ],
)
def test_mails_that_nobody_could_stop_are_refused_before_anything_is_planned(
    shop: SmallShop,
    tmp_path: Path,
    declared: DestinationSettings,
    message: dict[str, str],
    told: str,
) -> None:
    rule = ActivationRule.model_validate(
        {"segment": SEGMENT, "destination": "mail", "attributes": ["email"], "message": message}
    )
    settings = small_settings(tmp_path, {"mail": declared}, rules=[rule])
    with pytest.raises(ConfigError, match=told):
        plan_all(shop.warehouse, sa.create_engine("sqlite://"), settings)


@pytest.mark.parametrize(
    "way_out",
    [
        {"unsubscribe_group_id": 7},
        {"has_subscription_tracking": True},
        {"unsubscribe_url": "https://shop.example/leave"},
    ],
)
def test_a_template_of_sendgrid_may_leave_the_way_out_to_sendgrid(
    shop: SmallShop, tmp_path: Path, way_out: dict[str, Any]
) -> None:
    rule = ActivationRule.model_validate(
        {"segment": SEGMENT, "destination": "mail", "attributes": ["email"],
         "message": {"template": "d-1"}}
    )  # fmt: skip
    declared = SENDGRID.model_copy(update=way_out)
    settings = small_settings(tmp_path, {"mail": declared}, rules=[rule])
    [plan] = plan_all(shop.warehouse, open_state("sqlite://"), settings)
    assert not plan.is_held


@pytest.mark.parametrize(
    ("kind", "declared", "rule", "told"),
    [
        ("smtp", MAILS, {"message": {"text": WAY_OUT}}, "the message lacks subject"),
        ("smtp", MAILS, {"message": {"subject": "Hi"}}, "the message lacks text or html"),
        ("smtp", MAILS, {"message": {"template": "d-1"}}, "the message lacks subject"),
        ("sendgrid", SENDS, {"message": {"html": "<p>Hi</p>"}}, "the message lacks subject"),
        ("twilio", TEXTS, {"message": {"subject": "Hi"}}, "the message lacks text or template"),
        ("slack", LINES, {"task": {"subject": "Call"}}, "the task lacks text"),
    ],
)
def test_a_message_without_what_its_destination_shows_is_refused_before_anything_is_planned(
    shop: SmallShop,
    tmp_path: Path,
    kind: str,
    declared: dict[str, Any],
    rule: dict[str, Any],
    told: str,
) -> None:
    with pytest.raises(ConfigError, match=told):
        planned(shop, tmp_path, kind, declared, rule)


@pytest.mark.parametrize(
    ("kind", "declared", "rule", "told"),
    [
        ("smtp", MAILS, {"message": {"subject": "Hi", "text": WAY_OUT}}, "email is not told"),
        ("twilio", TEXTS, {"message": {"text": "Hi"}}, "phone is not told"),
        ("fcm", PUSHES, {"message": {"text": "Hi"}}, "push_token is not told"),
        ("hubspot", {"access_token": "hush"}, {"audience": "12"}, "email is not told"),
        ("omnisend", {"api_key": "hush"}, {}, "email or phone is not told"),
        ("meta_ads", {"access_token": "hush"}, {"audience": "12"}, "email or phone is not told"),
    ],
)
def test_a_rule_that_does_not_tell_whom_to_reach_is_refused_before_anything_is_planned(
    shop: SmallShop,
    tmp_path: Path,
    kind: str,
    declared: dict[str, Any],
    rule: dict[str, Any],
    told: str,
) -> None:
    with pytest.raises(ConfigError, match=told):
        planned(shop, tmp_path, kind, declared, {**rule, "attributes": ["first_name"]})


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://shop.example/leave?c={{ custmer_id }}", "unsubscribe_url asks for 'custmer_id'"),
        ("https://shop.example/leave?c={{ customer_id", "unsubscribe_url: not a template"),
        ("mailto:leave@shop.example", "unsubscribe_url gives no https"),
        ("shop.example/leave", "unsubscribe_url gives no https"),
        ("http://shop.example/leave", "unsubscribe_url gives no https"),
    ],
)
@pytest.mark.parametrize("kind", ["smtp", "sendgrid"])
def test_a_way_out_that_leads_nowhere_is_refused_before_anything_is_planned(
    shop: SmallShop, tmp_path: Path, kind: str, url: str, told: str
) -> None:
    declared = {**(MAILS if kind == "smtp" else SENDS), "unsubscribe_url": url}
    rule = {"attributes": ["email"], "message": {"subject": "Hi", "text": WAY_OUT}}
    with pytest.raises(ConfigError, match=told):
        planned(shop, tmp_path, kind, declared, rule)


@pytest.mark.parametrize("kind", ["smtp", "sendgrid"])
def test_a_way_out_has_a_token_where_there_is_a_secret_to_make_it_of(
    shop: SmallShop, tmp_path: Path, kind: str
) -> None:
    url = "https://shop.example/leave?c={{ customer_id }}&t={{ unsubscribe_token }}"
    declared = {**(MAILS if kind == "smtp" else SENDS), "unsubscribe_url": url}
    rule = {"attributes": ["email"], "message": {"subject": "Hi", "text": WAY_OUT}}
    with pytest.raises(ConfigError, match="unsubscribe_url asks for 'unsubscribe_token'"):
        planned(shop, tmp_path, kind, declared, rule)
    planned(shop, tmp_path, kind, {**declared, "unsubscribe_secret": "hush"}, rule)


def planned(
    shop: SmallShop, folder: Path, kind: str, declared: dict[str, Any], rule: dict[str, Any]
) -> None:
    """Plan one rule at a destination of a type."""
    there = Platform.model_validate({"destinations": {"there": {"type": kind, **declared}}})
    one = ActivationRule.model_validate({"segment": SEGMENT, "destination": "there", **rule})
    settings = small_settings(folder, there.destinations, rules=[one])
    plan_all(shop.warehouse, open_state("sqlite://"), settings)
