"""What is true of the simulated shop, as tables from which every vendor module takes its records.

Ids are integers; moments are UTC datetimes (µs); money is decimal(18, 2) in EUR, unless a column
`currency` says otherwise; `person` is the number of the true person and must never be served.
Tables with "(versions)" have a row for each state a record was in; `updated_at` is when that state
began. All other tables have one row per key. `Facts.latest` gives the newest rows as of a moment.

- people: person, first_name, last_name, email, alternative_email, phone, country, language and
  home, which is street, city, postcode and region in all tables
- responses: person, and how that person takes messages (see `drawing.responses`); nobody is told
- accounts (versions): account_id, person, email, phone, first_name, last_name, home, country,
  language, has_email_consent, has_sms_consent (null: never asked), created_at, updated_at
- crm_contacts (versions): crm_id, person, email (same, typed differently, another or null), phone,
  first_name, last_name, home, country, language, company_id, owner_id, lifecycle (subscriber, lead,
  customer), has_email_consent, created_at, updated_at, is_deleted
- leads (versions): lead_id, person, email, phone, first_name, last_name, company, home, country,
  status (open, working, converted), owner_id, created_at, updated_at, is_deleted
- companies: company_id, name, domain, industry, country, created_at, updated_at, is_deleted
- owners: owner_id, email, first_name, last_name, created_at, updated_at, is_active
- products: product_id, sku, title, category, brand, price, currency, is_active, created_at,
  updated_at
- variants: variant_id, product_id, sku, title, price, inventory_quantity, created_at, updated_at
- orders (versions): order_id, number (text), account_id (null: guest), person, email, phone,
  first_name, last_name, home, country, is_web, ordered_at, updated_at, currency, discount_code,
  discount_amount, shipping_amount, tax_amount (within the total), gross_amount, total_amount,
  refunded_amount, fulfilled_at, cancelled_at. total = gross - discount + shipping.
- order_lines: line_id, order_id, product_id, variant_id, sku, title, quantity, price, line_amount
- refunds: refund_id, order_id, line_id, quantity, amount, refunded_at. A refund is of one line; an
  order has a version with its `updated_at` at each refund, so the refunds of a version are those
  with `refunded_at <= updated_at`.
- carts (versions): cart_id, account_id, person, email, phone, country, amount, currency,
  item_count, url, created_at, updated_at, completed_at (null: abandoned)
- cart_lines: cart_line_id, cart_id, product_id, variant_id, sku, title, quantity, price
- events: event_id (text), event ("Product Viewed", ...), occurred_at, updated_at, account_id (null:
  not signed in), anonymous_id, device_type (mobile, tablet, desktop), person (-1: a stranger),
  email (signed in only), product_id, sku, order_id, order_number, page_url,
  utm_source, utm_medium, utm_campaign
- ad_days (versions): performance_date (date), platform (google_ads, meta_ads, microsoft_ads),
  campaign_id, campaign_name, ad_group_id, ad_group_name, ad_id, ad_name, impressions, clicks, cost,
  conversions (float), conversion_value, currency, updated_at. Key: performance_date, ad_id. A day's
  conversions are restated some days later.
- messages: message_id, person, account_id, channel (email, sms), email, phone, campaign_id,
  campaign_name, sent_at, delivered_at, opened_at, clicked_at, clicked_url, bounced_at, bounce_type
  (hard, soft), complained_at, unsubscribed_at, replied_stop_at, updated_at (the last of them)
- deals (versions): deal_id, crm_id, company_id, owner_id, title, stage (open, won, lost), amount,
  currency, close_date, created_at, updated_at, is_deleted
- tickets (versions): ticket_id, crm_id, owner_id, subject, status (open, closed), priority,
  created_at, closed_at, updated_at, is_deleted
- reviews (versions): review_id, order_id, product_id, person, email (as on the order), author,
  rating (1 to 5), is_verified, status (pending, published), reviewed_at, updated_at
- subscriptions (versions): subscription_id, account_id, person, email, status (active, cancelled),
  amount (a month), currency, started_at, current_period_end_at, cancelled_at, updated_at
- invoices (versions): invoice_id, subscription_id, account_id, person, email, status (open, paid),
  due_amount, paid_amount, currency, invoiced_at, due_at, paid_at, updated_at
- charges (versions): charge_id, order_id, account_id, person, email, country, amount,
  refunded_amount, currency, status (succeeded, failed), created_at, updated_at
- charge_refunds: charge_refund_id, charge_id, order_id, amount, currency, created_at, updated_at
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from marketing_platform.demo.drawing.advertising import draw_ad_days, draw_messages
from marketing_platform.demo.drawing.contacts import draw_crm, draw_people_tables, draw_service
from marketing_platform.demo.drawing.payments import draw_payments, draw_subscriptions
from marketing_platform.demo.drawing.responses import draw_responses
from marketing_platform.demo.drawing.reviews import draw_reviews
from marketing_platform.demo.drawing.trade import draw_products, draw_trade
from marketing_platform.demo.drawing.web import draw_web
from marketing_platform.demo.shop import simulate
from marketing_platform.demo.window import Window

KEYS: dict[str, tuple[str, ...]] = {
    "people": ("person",),
    "responses": ("person",),
    "accounts": ("account_id",),
    "crm_contacts": ("crm_id",),
    "leads": ("lead_id",),
    "companies": ("company_id",),
    "owners": ("owner_id",),
    "products": ("product_id",),
    "variants": ("variant_id",),
    "orders": ("order_id",),
    "order_lines": ("line_id",),
    "refunds": ("refund_id",),
    "carts": ("cart_id",),
    "cart_lines": ("cart_line_id",),
    "events": ("event_id",),
    "ad_days": ("performance_date", "ad_id"),
    "messages": ("message_id",),
    "deals": ("deal_id",),
    "tickets": ("ticket_id",),
    "reviews": ("review_id",),
    "subscriptions": ("subscription_id",),
    "invoices": ("invoice_id",),
    "charges": ("charge_id",),
    "charge_refunds": ("charge_refund_id",),
}
# Where a table's moment is not called `updated_at`.
_MOMENTS = {"refunds": "refunded_at"}


@dataclass(frozen=True)
class Facts:
    """The tables, and the time that they span: from `start` to before `end`."""

    start: dt.datetime
    end: dt.datetime
    people: pl.DataFrame
    responses: pl.DataFrame
    accounts: pl.DataFrame
    crm_contacts: pl.DataFrame
    leads: pl.DataFrame
    companies: pl.DataFrame
    owners: pl.DataFrame
    products: pl.DataFrame
    variants: pl.DataFrame
    orders: pl.DataFrame
    order_lines: pl.DataFrame
    refunds: pl.DataFrame
    carts: pl.DataFrame
    cart_lines: pl.DataFrame
    events: pl.DataFrame
    ad_days: pl.DataFrame
    messages: pl.DataFrame
    deals: pl.DataFrame
    tickets: pl.DataFrame
    reviews: pl.DataFrame
    subscriptions: pl.DataFrame
    invoices: pl.DataFrame
    charges: pl.DataFrame
    charge_refunds: pl.DataFrame

    def latest(self, table: str, at: dt.datetime | None = None) -> pl.DataFrame:
        """The newest version of each row that is not after `at`, by key."""
        frame: pl.DataFrame = getattr(self, table)
        moment = _MOMENTS.get(table, "updated_at")
        if moment not in frame.columns:
            return frame
        frame = frame.filter(pl.col(moment) <= (at or self.end)).sort(moment, maintain_order=True)
        keys = list(KEYS[table])
        return frame.unique(keys, keep="last", maintain_order=True).sort(keys)


def make_facts(*, customers: int = 300, seed: int = 7, end: dt.date, days: int = 540) -> Facts:
    """The facts of a shop with so many customers, whose last day is `end` (UTC)."""
    root = np.random.default_rng(seed)
    worlds, _, tables = root.spawn(3)
    window = Window(end, days)
    world = simulate(worlds, window, customers)
    parts = iter(tables.spawn(10))
    people, accounts = draw_people_tables(next(parts), world)
    products, variants = draw_products(next(parts), world)
    trade = draw_trade(next(parts), world)
    web = draw_web(next(parts), world, accounts)
    crm = draw_crm(next(parts), world)
    subscriptions, invoices = draw_subscriptions(next(parts), world, accounts)
    campaigns = next(parts)
    last = dt.datetime.combine(end, dt.time(), dt.UTC) + dt.timedelta(days=1)
    charges, charge_refunds = draw_payments(trade)
    service = draw_service(next(parts), world, crm["crm_contacts"])
    responses = draw_responses(next(parts), people.height)
    reviews = draw_reviews(next(parts), world, trade)
    return Facts(
        start=last - dt.timedelta(days=days),
        end=last,
        people=people,
        responses=responses,
        accounts=accounts,
        products=products,
        variants=variants,
        reviews=reviews,
        subscriptions=subscriptions,
        invoices=invoices,
        charges=charges,
        charge_refunds=charge_refunds,
        ad_days=draw_ad_days(campaigns, world),
        messages=draw_messages(campaigns, world, accounts, responses),
        **crm,
        **trade,
        **web,
        **service,
    )
