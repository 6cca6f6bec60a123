"""The records that shop and CRM keep of people: some have one, some both, some none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from marketing_platform.demo.buying import Buyers
from marketing_platform.demo.people import People
from marketing_platform.demo.phones import rewrite_phones
from marketing_platform.demo.window import DAY_SECONDS, Bools, Ints, Window

# How a CRM record can be recognised as the person of a shop account.
BY_EMAIL, BY_REWRITTEN_EMAIL, BY_PHONE = range(3)
_FIRST_ACCOUNT = 500_001
_EMAIL_CONSENT = (0.58, 0.30, 0.12)
_SMS_CONSENT = (0.22, 0.60, 0.18)


@dataclass(frozen=True)
class Records:
    """One entry is a person. Moments of records that do not exist are after the export.

    `account_id` and `crm_id` are null where there is no record; `link` says how the CRM record is
    tied to the person's other data.
    """

    account_at: Ints
    account_id: pl.Series
    crm_at: Ints
    crm_id: pl.Series
    link: Ints

    @property
    def has_both(self) -> Bools:
        """Who is in the shop and in the CRM."""
        both = self.account_id.is_not_null() & self.crm_id.is_not_null()
        return np.asarray(both.to_numpy(), dtype=bool)


def draw_records(
    rng: np.random.Generator, window: Window, buyers: Buyers, people: People, first_seen: Ints
) -> Records:
    """Draw who has which record; `first_seen` is the moment of the first order or of signing up."""
    size = len(buyers)
    account_at = _account_moments(rng, window, buyers, first_seen)
    has_account = account_at < window.stop
    # Leads without an account are known from the CRM, or would not be known at all.
    crm_share = np.where(has_account, 0.32, np.where(buyers.is_lead, 1.0, 0.06))
    crm_at = first_seen + rng.integers(-20, 60, size) * DAY_SECONDS + rng.integers(0, 3600, size)
    crm_at = np.minimum(crm_at, window.stop - 1 - rng.integers(0, 9 * DAY_SECONDS, size))
    crm_at = np.where(rng.random(size) < crm_share, crm_at, window.stop)
    link = rng.choice(3, size=size, p=[0.4, 0.35, 0.25])
    has_phone = people.rows["phone"].is_not_null().to_numpy()
    link = np.where((link == BY_PHONE) & ~(has_phone & has_account), BY_REWRITTEN_EMAIL, link)
    return Records(
        account_at=account_at,
        account_id=_number(account_at, window, "", _FIRST_ACCOUNT),
        crm_at=crm_at,
        crm_id=_number(crm_at, window, "crm-", 1001),
        link=link,
    )


def contact_rows(
    rng: np.random.Generator, window: Window, people: People, records: Records
) -> pl.DataFrame:
    """The lines of contacts.csv: one is a shop account or a CRM record."""
    link = pl.Series("link", records.link)
    account = _rows(people, records.account_id, records.account_at)
    phone_in_crm = rewrite_phones(rng, people.rows["phone"])
    crm = _rows(people, records.crm_id, records.crm_at).with_columns(
        pl.Series("Email", _crm_emails(rng, people, link)), phone_in_crm.alias("Phone")
    )
    # An account often lacks the phone that would tie it, but never where nothing else would.
    keeps = (records.link == BY_PHONE) | (rng.random(len(people)) < 0.7)
    account = account.with_columns(pl.when(pl.Series(keeps)).then("Phone").alias("Phone"))
    rows = pl.concat([account, crm]).filter(pl.col("Contact ID").is_not_null())
    rows = rows.sort("at", "Contact ID")
    created = rows["at"].to_numpy()
    updated = created + ((window.stop - created) * rng.random(len(created)) ** 2).astype(np.int64)
    return rows.with_columns(
        pl.Series("Email Consent", _consent(rng, _EMAIL_CONSENT, rows.height)),
        pl.Series("SMS Consent", _consent(rng, _SMS_CONSENT, rows.height)),
        window.text(created).alias("Created At"),
        window.text(updated).alias("Updated At"),
    ).drop("at")


def _account_moments(
    rng: np.random.Generator, window: Window, buyers: Buyers, first_seen: Ints
) -> Ints:
    """When accounts are opened: while ordering, some days before or after it, or never."""
    size = len(buyers)
    days = (rng.exponential(20, size) * DAY_SECONDS).astype(np.int64)
    at_checkout = first_seen - rng.integers(60, 600, size)
    how = rng.choice(4, size=size, p=[0.48, 0.22, 0.10, 0.20])
    opened = np.choose(how, [at_checkout, at_checkout - days, at_checkout + days, window.stop])
    lead_opened = np.where(rng.random(size) < 0.6, first_seen, window.stop)
    return np.minimum(np.where(buyers.is_lead, lead_opened, opened), window.stop)


def _number(at: Ints, window: Window, prefix: str, first: int) -> pl.Series:
    """Number the records in the order in which they were made."""
    rank = np.empty(len(at), dtype=np.int64)
    rank[np.argsort(at, kind="stable")] = np.arange(len(at))
    ids = pl.Series(rank + first).cast(pl.String)
    return pl.select(pl.when(pl.Series(at < window.stop)).then(prefix + ids)).to_series()


def _rows(people: People, contact_id: pl.Series, at: Ints) -> pl.DataFrame:
    return people.rows.select(
        contact_id.alias("Contact ID"),
        pl.col("email").alias("Email"),
        pl.col("phone").alias("Phone"),
        pl.col("first_name").alias("First Name"),
        pl.col("last_name").alias("Last Name"),
        pl.col("country").alias("Country"),
        pl.Series("at", at),
    )


def _crm_emails(rng: np.random.Generator, people: People, link: pl.Series) -> pl.Series:
    """E-mail as the CRM has it: the same, typed differently, or another one or none at all."""
    coin = pl.Series(rng.random(len(people)) < 0.5)
    email = pl.col("email")
    rewritten = pl.when(coin).then(email.str.to_uppercase()).otherwise("  " + email + " ")
    other = pl.when(coin).then("alternative_email")
    chosen = pl.when(link == BY_EMAIL).then(email).when(link == BY_PHONE).then(other)
    return people.rows.select(chosen.otherwise(rewritten)).to_series()


def _consent(
    rng: np.random.Generator, shares: tuple[float, float, float], size: int
) -> npt.NDArray[np.str_]:
    return np.asarray(rng.choice(["yes", "no", ""], size=size, p=shares))
