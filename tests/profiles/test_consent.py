"""Who agreed to messages, left them and came back, as profiles know it."""

from __future__ import annotations

from profile_shop import Shop, profile


def test_a_stop_from_a_phone_holds_for_all_who_have_it(shop: Shop) -> None:
    family, other = "+4930901820", "+4930901821"
    for who, phone in (("ada", family), ("ben", family), ("cleo", other)):
        shop.add(
            "contacts", source_contact_id=who, first_name=who.title(), phone=phone,
            has_sms_consent=True, updated_at="2026-01-01",
        )  # fmt: skip
    shop.add(
        "engagements", source_engagement_id="1", channel="sms", engagement="replied_stop",
        occurred_at="2026-03-01 10:00", phone=family,
    )  # fmt: skip
    # Texts that came back say nothing of other phones, nor for good, unless they say so.
    bounces = {"gone": ("+4930901831", "hard"), "before": ("+4930901899", "hard")}
    bounces["full"] = ("+4930901833", "soft")
    for number, (who, (phone, kind)) in enumerate(bounces.items()):
        shop.add(
            "contacts", source_contact_id=who, first_name=who.title(),
            phone=f"+493090183{number + 1}", has_sms_consent=True, updated_at="2026-01-01",
        )  # fmt: skip
        shop.add(
            "engagements", source_engagement_id=who, channel="sms", engagement="bounced",
            bounce_type=kind, occurred_at="2026-03-01 10:00", source_contact_id=who, phone=phone,
        )  # fmt: skip
    warehouse = shop.build()
    found = {
        who: (row["has_sms_consent"], row["has_sms_unsubscribed"])
        for who in ("ada", "ben", "cleo", *bounces)
        for row in [profile(warehouse, who)]
    }
    assert found == {
        "ada": (False, True), "ben": (False, True), "cleo": (True, False),
        "gone": (False, False), "before": (True, False), "full": (True, False),
    }  # fmt: skip


def test_who_agreed_to_text_messages_agreed_for_one_number(shop: Shop) -> None:
    # The second contact of each is a later order: of the same phone, of another one, of none.
    phones = {"same": "+49 30 901820", "other": "+4930901899", "none": None}
    for number, (who, later) in enumerate(phones.items()):
        phone = "+4930901820" if who == "same" else f"+493090182{number}"
        shop.add(
            "contacts", source_contact_id=who, email=f"{who}@x.org", phone=phone,
            has_sms_consent=True, updated_at="2026-01-01",
        )  # fmt: skip
        shop.orders(f"{who}2", "2026-03-01", email=f"{who}@x.org", phone=later)
    shop.add("contacts", source_contact_id="unsaid", has_sms_consent=True, updated_at="2026-01-01")
    shop.add("contacts", source_contact_id="no", has_sms_consent=False, updated_at="2026-01-01")
    warehouse = shop.build()
    found = {who: profile(warehouse, who)["has_sms_consent"] for who in (*phones, "unsaid", "no")}
    assert found == {"same": True, "other": None, "none": True, "unsaid": True, "no": False}


def test_who_agreed_to_mails_agreed_for_one_address_however_it_is_written(shop: Shop) -> None:
    # The second contact of each is a later word: of the same address, of another one, of none.
    addresses = {
        "same": "same@x.org", "gmail": "gm.ail+shop@googlemail.com", "other": "evil@y.org",
        "none": None,
    }  # fmt: skip
    for number, (who, later) in enumerate(addresses.items()):
        address = "gmail@gmail.com" if who == "gmail" else f"{who}@x.org"
        phone = f"+493090182{number}"
        shop.add(
            "contacts", source_contact_id=who, email=address, phone=phone,
            has_email_consent=True, updated_at="2026-01-01",
        )  # fmt: skip
        shop.orders(f"{who}2", "2026-03-01", email=later, phone=phone)
    shop.add(
        "contacts", source_contact_id="unsaid", has_email_consent=True, updated_at="2026-01-01"
    )
    shop.add(
        "contacts", source_contact_id="no", email="no@x.org", phone="+4930901829",
        has_email_consent=False, updated_at="2026-01-01",
    )  # fmt: skip
    shop.orders("no2", "2026-03-01", email="yes@x.org", phone="+4930901829")
    warehouse = shop.build()
    names = (*addresses, "unsaid", "no")
    found = {who: profile(warehouse, who)["has_email_consent"] for who in names}
    assert found == {
        "same": True, "gmail": True, "other": None, "none": True, "unsaid": True, "no": False,
    }  # fmt: skip
    assert profile(warehouse, "other")["email"] == "evil@y.org"


def test_who_comes_back_by_a_familys_phone_is_back(shop: Shop) -> None:
    for who in ("ada", "ben"):
        shop.add(
            "contacts", source_contact_id=who, first_name=who.title(), phone="+4930901820",
            has_sms_consent=True, updated_at="2026-01-01",
        )  # fmt: skip
    for number, engagement in enumerate(("replied_stop", "resubscribed")):
        shop.add(
            "engagements", source_engagement_id=str(number), channel="sms",
            engagement=engagement, occurred_at=f"2026-03-0{number + 1} 10:00",
            phone="+4930901820",
        )  # fmt: skip
    warehouse = shop.build()
    for who in ("ada", "ben"):
        row = profile(warehouse, who)
        assert (row["has_sms_consent"], row["has_sms_unsubscribed"]) == (True, False)


def test_of_two_words_of_one_moment_the_one_counts_by_which_a_person_left(shop: Shop) -> None:
    leaving = {"ada": "complained", "ben": "replied_stop", "cleo": "unsubscribed"}
    for who, engagement in leaving.items():
        channel = "sms" if engagement == "replied_stop" else "email"
        shop.add(
            "contacts", source_contact_id=who, has_email_consent=True, has_sms_consent=True,
            updated_at="2026-01-01",
        )  # fmt: skip
        for number, said in enumerate(("resubscribed", engagement)):
            shop.add(
                "engagements", source_engagement_id=f"{who}{number}", channel=channel,
                engagement=said, occurred_at="2026-03-01 10:00", source_contact_id=who,
            )  # fmt: skip
    warehouse = shop.build()
    found = {
        who: (row["has_email_consent"], row["has_sms_consent"])
        for who in leaving
        for row in [profile(warehouse, who)]
    }
    assert found == {"ada": (False, True), "ben": (True, False), "cleo": (False, True)}


def test_who_left_and_was_deleted_since_has_not_come_back(shop: Shop) -> None:
    refused = {"has_email_consent": False, "has_sms_consent": False}
    said: dict[str, dict[str, bool]] = {"ada": refused, "ben": {}, "cleo": {}, "dora": refused}
    for number, (who, consent) in enumerate(said.items()):
        address = {"email": f"{who}@x.org", "phone": f"+493090182{number}"}
        shop.add(
            "contacts", source_contact_id=f"crm-{who}", updated_at="2026-03-01", is_deleted=True,
            **address, **consent,
        )  # fmt: skip
        # That of the shop, which knows them by another key.
        shop.orders(f"shop-{who}", "2026-02-01", **address)
    shop.add(
        "engagements", source_engagement_id="1", channel="email", engagement="unsubscribed",
        occurred_at="2026-02-01 10:00", source_contact_id="crm-cleo",
    )  # fmt: skip
    # Who is known by an order alone that was deleted is not known any more.
    shop.orders("eve", "2026-02-01", email="eve@x.org", is_deleted=True)
    # The same system lists this one again; the other one of the address is in no list.
    shop.add(
        "contacts", source_contact_id="new-dora", email="dora@x.org", phone="+4930901823",
        has_email_consent=True, updated_at="2026-03-20",
    )  # fmt: skip
    warehouse = shop.build()
    found = {
        who: (row["has_email_consent"], row["has_sms_consent"])
        for who in said
        for row in [profile(warehouse, f"shop-{who}")]
    }
    assert found == {
        "ada": (False, False), "ben": (None, None), "cleo": (False, None), "dora": (True, None),
    }  # fmt: skip
    assert "database:eve" not in warehouse.read("core.contacts")["contact_id"].to_list()
