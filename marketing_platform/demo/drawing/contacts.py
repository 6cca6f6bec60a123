"""People, and the records that the shop, the CRM and the service desk keep of them."""

from __future__ import annotations

import numpy as np
import polars as pl

from marketing_platform.demo.contacts import BY_PHONE, BY_REWRITTEN_EMAIL
from marketing_platform.demo.drawing.shared import MONEY, keep_until, moments
from marketing_platform.demo.homes import HOME
from marketing_platform.demo.phones import rewrite_phones
from marketing_platform.demo.shop import World
from marketing_platform.demo.window import DAY_SECONDS, Ints

_LANGUAGES = {"GB": "en", "US": "en", "DE": "de", "FR": "fr", "NL": "nl"}
_EMAIL_CONSENT, _SMS_CONSENT = (0.58, 0.30), (0.22, 0.60)
_CHANGED_SHARE = 0.3
_TYPO_SHARE = 0.03
_DELETED_SHARE = 0.02
_OWNERS = ("Alma Agate", "Bruno Basalt", "Celia Cobalt", "Dora Diorite", "Egon Epidote")
_COMPANIES = ("Amber", "Birch", "Cedar", "Dune", "Echo", "Fjord", "Glade", "Heath", "Islet", "Jade")
_INDUSTRIES = ("RETAIL", "HOSPITALITY", "CONSUMER_SERVICES")


def draw_people_tables(rng: np.random.Generator, world: World) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The people, and the versions of their shop accounts."""
    people = _people(world)
    there = np.flatnonzero(world.records.account_id.is_not_null().to_numpy())
    at = world.records.account_at[there]
    keeps = (world.records.link[there] == BY_PHONE) | (rng.random(len(there)) < 0.7)
    first = (
        people[there]
        .drop("alternative_email")
        .with_columns(
            pl.when(pl.Series(keeps)).then("phone").alias("phone"),
            world.records.account_id[there].cast(pl.Int64).alias("account_id"),
            _consent(rng, "has_email_consent", _EMAIL_CONSENT, len(there)),
            _consent(rng, "has_sms_consent", _SMS_CONSENT, len(there)),
            moments("created_at", world.window, at),
            moments("updated_at", world.window, at),
        )
    )
    later = _later(rng, world, at)
    asked = _consent(rng, "has_email_consent", (0.7, 0.3), len(there))
    second = first.with_columns(asked, moments("updated_at", world.window, later))
    changed = second.filter(pl.Series(rng.random(len(there)) < _CHANGED_SHARE))
    return people, keep_until(world.window, pl.concat([first, changed]))


def draw_crm(rng: np.random.Generator, world: World) -> dict[str, pl.DataFrame]:
    """Contacts, leads, companies and owners of the CRM."""
    owners, companies = _owners(world), _companies(world)
    people = _people(world)
    there = np.flatnonzero(world.records.crm_id.is_not_null().to_numpy())
    size = len(there)
    at = world.records.crm_at[there]
    has_company = pl.Series(rng.random(size) < 0.15)
    first = people[there].with_columns(
        pl.Series("email", _crm_emails(rng, world, people)[there]),
        rewrite_phones(rng, people["phone"])[there].alias("phone"),
        world.records.crm_id[there].str.strip_prefix("crm-").cast(pl.Int64).alias("crm_id"),
        _pick(rng, "company_id", companies["company_id"], size),
        _pick(rng, "owner_id", owners["owner_id"], size),
        pl.Series("lifecycle", np.where(world.buyers.is_lead[there], "lead", "subscriber")),
        _consent(rng, "has_email_consent", _EMAIL_CONSENT, size),
        moments("created_at", world.window, at),
        moments("updated_at", world.window, at),
        is_deleted=pl.lit(False),
    )
    first = first.drop("alternative_email").with_columns(
        pl.when(has_company).then("company_id").alias("company_id")
    )
    is_customer = pl.Series(~world.buyers.is_lead[there])
    later = first.with_columns(
        moments("updated_at", world.window, _later(rng, world, at)),
        pl.when(is_customer).then(pl.lit("customer")).otherwise("lifecycle").alias("lifecycle"),
        pl.Series("is_deleted", rng.random(size) < _DELETED_SHARE),
    )
    changed = later.filter(pl.Series(rng.random(size) < 2 * _CHANGED_SHARE))
    return {
        "crm_contacts": keep_until(world.window, pl.concat([first, changed])),
        "leads": _leads(rng, world, people, owners),
        "companies": companies,
        "owners": owners,
    }


def draw_service(
    rng: np.random.Generator, world: World, contacts: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """Deals and tickets of CRM contacts."""
    known = contacts.unique("crm_id", keep="first", maintain_order=True).sort("crm_id")
    return {"deals": _deals(rng, world, known), "tickets": _tickets(rng, world, known)}


def _people(world: World) -> pl.DataFrame:
    return world.people.rows.with_columns(
        person=pl.int_range(len(world.people), dtype=pl.Int64),
        language=pl.col("country").replace_strict(_LANGUAGES),
    )


def _later(rng: np.random.Generator, world: World, at: Ints) -> Ints:
    """A moment between these and the end, more often soon."""
    passed = (world.window.stop - at) * rng.random(len(at)) ** 2
    return np.asarray(at + 1 + passed.astype(np.int64))


def _consent(
    rng: np.random.Generator, name: str, shares: tuple[float, float], size: int
) -> pl.Series:
    drawn = rng.random(size)
    asked = pl.Series(drawn < sum(shares))
    yes = pl.Series(drawn < shares[0])
    return pl.select(pl.when(asked).then(yes).alias(name)).to_series()


def _pick(rng: np.random.Generator, name: str, ids: pl.Series, size: int) -> pl.Series:
    return ids[rng.integers(0, len(ids), size)].alias(name)


def _crm_emails(rng: np.random.Generator, world: World, people: pl.DataFrame) -> pl.Series:
    """The same address, the same typed differently, another one, none, or one with a typo."""
    link = pl.Series(world.records.link)
    coin = pl.Series(rng.random(people.height) < 0.5)
    is_typo = pl.Series(rng.random(people.height) < _TYPO_SHARE)
    email = pl.col("email")
    rewritten = pl.when(coin).then(email.str.to_uppercase()).otherwise("  " + email + " ")
    other = pl.when(coin).then("alternative_email")
    return people.select(
        pl.when(link == BY_PHONE)
        .then(other)
        .when(is_typo)
        .then(email.str.replace("example", "exmaple", literal=True))
        .when(link == BY_REWRITTEN_EMAIL)
        .then(rewritten)
        .otherwise(email)
    ).to_series()


def _owners(world: World) -> pl.DataFrame:
    names = pl.Series("name", _OWNERS).str.split(" ")
    first, last = names.list.get(0), names.list.get(1)
    at = moments("created_at", world.window, np.zeros(len(_OWNERS), dtype=np.int64))
    return pl.DataFrame(
        {
            "owner_id": np.arange(len(_OWNERS)) + 701,
            "email": first.str.to_lowercase() + "@shop.example",
            "first_name": first,
            "last_name": last,
            "created_at": at,
            "updated_at": at,
            "is_active": [True] * (len(_OWNERS) - 1) + [False],
        }
    )


def _companies(world: World) -> pl.DataFrame:
    names = pl.Series("name", _COMPANIES)
    at = moments("created_at", world.window, np.arange(len(_COMPANIES)) * DAY_SECONDS)
    return pl.DataFrame(
        {
            "company_id": np.arange(len(_COMPANIES)) + 3001,
            "name": names + " Ltd",
            "domain": names.str.to_lowercase() + ".example",
            "industry": [_INDUSTRIES[i % len(_INDUSTRIES)] for i in range(len(_COMPANIES))],
            "country": [list(_LANGUAGES)[i % len(_LANGUAGES)] for i in range(len(_COMPANIES))],
            "created_at": at,
            "updated_at": at,
            "is_deleted": [False] * (len(_COMPANIES) - 1) + [True],
        }
    )


def _leads(
    rng: np.random.Generator, world: World, people: pl.DataFrame, owners: pl.DataFrame
) -> pl.DataFrame:
    """People asked the sales team something: leads, and some customers before they bought."""
    asks = world.buyers.is_lead | (rng.random(people.height) < 0.05)
    there = np.flatnonzero(asks)
    size = len(there)
    at = world.buyers.first_day[there] * DAY_SECONDS + rng.integers(0, DAY_SECONDS // 2, size)
    first = people[there].select(
        pl.Series("lead_id", np.arange(size) + 60_001),
        "person",
        "email",
        "phone",
        "first_name",
        "last_name",
        pl.Series("company", rng.choice(_COMPANIES, size)) + " Ltd",
        "country",
        *HOME,
        pl.lit("open").alias("status"),
        _pick(rng, "owner_id", owners["owner_id"], size),
        moments("created_at", world.window, at),
        moments("updated_at", world.window, at),
        is_deleted=pl.lit(False),
    )
    is_lead = pl.Series(world.buyers.is_lead[there])
    later = first.with_columns(
        moments("updated_at", world.window, _later(rng, world, at)),
        pl.when(is_lead).then(pl.lit("working")).otherwise(pl.lit("converted")).alias("status"),
        pl.Series("is_deleted", rng.random(size) < _DELETED_SHARE),
    )
    return keep_until(world.window, pl.concat([first, later]))


def _deals(rng: np.random.Generator, world: World, known: pl.DataFrame) -> pl.DataFrame:
    chosen = known.filter(pl.Series(rng.random(known.height) < 0.12))
    size = chosen.height
    later = _seconds(world, chosen) + 1
    at = later + ((world.window.stop - later) * rng.random(size) * 0.6).astype(np.int64)
    first = chosen.select(
        pl.Series("deal_id", np.arange(size) + 90_001),
        "crm_id",
        "company_id",
        "owner_id",
        ("Order of " + pl.col("last_name")).alias("title"),
        pl.lit("open").alias("stage"),
        pl.Series("amount", np.round(rng.lognormal(6, 0.6, size), 2)).cast(MONEY),
        pl.lit("EUR").alias("currency"),
        moments("close", world.window, at + 30 * DAY_SECONDS).dt.date().alias("close_date"),
        moments("created_at", world.window, at),
        moments("updated_at", world.window, at),
        is_deleted=pl.lit(False),
    )
    closed = first.with_columns(
        moments("updated_at", world.window, at + 1 + rng.integers(0, 40, size) * DAY_SECONDS),
        pl.Series("stage", rng.choice(["won", "lost"], size)),
    )
    return keep_until(world.window, pl.concat([first, closed]))


def _tickets(rng: np.random.Generator, world: World, known: pl.DataFrame) -> pl.DataFrame:
    chosen = known.filter(pl.Series(rng.random(known.height) < 0.1))
    size = chosen.height
    later = _seconds(world, chosen) + 1
    at = later + ((world.window.stop - later) * rng.random(size) * 0.9).astype(np.int64)
    closing = moments("closed_at", world.window, at + 1 + rng.integers(1, 9, size) * DAY_SECONDS)
    first = chosen.select(
        pl.Series("ticket_id", np.arange(size) + 40_001),
        "crm_id",
        "owner_id",
        pl.Series("subject", rng.choice(["Where is my order", "Wrong size", "Invoice"], size)),
        pl.lit("open").alias("status"),
        pl.Series("priority", rng.choice(["LOW", "MEDIUM", "HIGH"], size)),
        moments("created_at", world.window, at),
        pl.lit(None, closing.dtype).alias("closed_at"),
        moments("updated_at", world.window, at),
        is_deleted=pl.lit(False),
    )
    closed = first.with_columns(closing, closing.alias("updated_at"), status=pl.lit("closed"))
    return keep_until(world.window, pl.concat([first, closed]))


def _seconds(world: World, frame: pl.DataFrame) -> Ints:
    """`created_at` in seconds of the window."""
    start = moments("start", world.window, np.zeros(1, dtype=np.int64))[0]
    passed = (frame["created_at"] - start).dt.total_seconds()
    return np.asarray(passed.to_numpy(), dtype=np.int64)
