"""A feed that Google Merchant Center is told offer by offer: what changed, and nothing else."""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import discovery
import polars as pl
import pytest
import sqlalchemy as sa
from shared_folder import find_shared_data
from small_shop import SmallShop, small_settings

from marketing_platform.activation import FeedOutcome, product_feeds, write_feeds
from marketing_platform.activation import told_offers as told_offers_module
from marketing_platform.activation.rules import check_declared
from marketing_platform.activation.told_offers import tell
from marketing_platform.destinations.http import HttpDestination
from marketing_platform.destinations.registry import make_destination
from marketing_platform.errors import ConfigError
from marketing_platform.pipeline import all_tables
from marketing_platform.settings import ActivationRule, Feed, Platform, Settings
from marketing_platform.state import open_state, told_offers

SOURCE = "accounts/12/dataSources/34"


class MerchantCenter:
    """Gives tokens, and keeps the offers that it is told; `answers` are those of the next calls."""

    def __init__(self) -> None:
        self.offers: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.answers: list[int] = []
        self.refuses: set[str] = set()
        self.rest_seconds = 0
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/token":
                    self.answer(200, {"access_token": "token", "expires_in": 3600})
                else:
                    self.answer(*served.insert(self.path, self.headers, body))

            def do_DELETE(self) -> None:
                self.answer(*served.delete(self.path))

            def answer(self, status: int, content: Any) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if status == 429:
                    self.send_header("Retry-After", str(served.rest_seconds))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def insert(self, address: str, headers: Any, body: bytes) -> tuple[int, Any]:
        product = json.loads(body)
        self.calls.append(f"insert {product['offerId']}")
        if self.answers and (status := self.answers.pop(0)) != 200:
            return status, {"error": {"message": f"status {status}"}}
        assert headers["Authorization"] == "Bearer token"
        parts = urlsplit(address)
        assert parts.path == "/products/v1/accounts/12/productInputs:insert"
        assert parse_qs(parts.query) == {"dataSource": [SOURCE]}
        discovery.check("merchantapi.products_v1.json", "ProductInput", product)
        if product["offerId"] in self.refuses:
            return 400, {"error": {"message": "[price] is not allowed"}}
        self.offers[product["offerId"]] = product
        return 200, product

    def delete(self, address: str) -> tuple[int, Any]:
        parts = urlsplit(address)
        assert parse_qs(parts.query) == {"dataSource": [SOURCE]}
        name = parts.path.removeprefix("/products/v1/accounts/12/productInputs/")
        language, label, offer = (
            base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode().split("~", 2)
        )
        assert (language, label) == ("de", "DE")
        self.calls.append(f"delete {offer}")
        return (200, {}) if self.offers.pop(offer, None) else (404, {"error": {"message": "none"}})


@pytest.fixture
def merchant() -> Iterator[MerchantCenter]:
    # What it is told is held to Google's description, which a clone may lack.
    find_shared_data("../specs")
    center = MerchantCenter()
    threading.Thread(target=center.server.serve_forever, args=(0.05,), daemon=True).start()
    yield center
    center.server.shutdown()
    center.server.server_close()


class Shop:
    """A shop whose products Merchant Center is told of."""

    def __init__(self, folder: Path, merchant: MerchantCenter) -> None:
        declared = {
            "type": "google_merchant", "base_url": merchant.url, "account_id": "12",
            "data_source_id": "34", "language": "de", "feed_label": "DE", "client_id": "id",
            "client_secret": "hush", "refresh_token": "hush", "token_url": f"{merchant.url}/token",
            "retry_seconds": 0.01, "calls_per_run": 2,
        }  # fmt: skip
        platform = Platform.model_validate(
            {"destinations": {"merchant": declared},
             "feeds": {"google": {"destination": "merchant", "max_removal_share": 0.5}}}
        )  # fmt: skip
        base = small_settings(folder, {})
        self.settings: Settings = base.model_copy(update={"platform": platform})
        self.warehouse = SmallShop().warehouse
        self.state = open_state(f"sqlite:///{folder / 'state.db'}")
        for table in ("core.products", "core.variants"):
            self.warehouse.ensure(table)

    def sell(self, **prices: str) -> None:
        """Sell these products at these prices, and nothing else."""
        with self.warehouse.connect() as connection:
            connection.execute("delete from core.products")
            for name, price in prices.items():
                connection.execute(
                    "insert into core.products by name select 'shop:~' || $name as product_id,"
                    " 'shop' as source, $name as source_product_id, $name as title,"
                    " $price as price_amount, 'EUR' as currency, true as is_active,"
                    " 'https://shop.example/' || $name as url,"
                    " 'https://shop.example/i' as image_url,"
                    " 'Acme' as brand, 'Shirts' as category, '4006381333931' as barcode",
                    {"name": name, "price": price},
                )
        offers = all_tables(self.settings)["activation.offers"]
        self.warehouse.build("activation.offers", offers.sql)  # type: ignore[union-attr]

    def write(self) -> FeedOutcome:
        [outcome] = write_feeds(self.warehouse, self.state, self.settings)
        return outcome


@pytest.fixture
def shop(tmp_path: Path, merchant: MerchantCenter) -> Shop:
    return Shop(tmp_path, merchant)


def test_what_changed_is_told_and_what_is_sold_no_more_is_taken_out(
    shop: Shop, merchant: MerchantCenter
) -> None:
    shop.sell(mug="12.50", cup="9.00", pot="30.00")
    first = shop.write()
    assert (first.status, first.offer_count) == ("written", 3)
    mug = merchant.offers["shop:~mug"]
    assert (mug["contentLanguage"], mug["feedLabel"]) == ("de", "DE")
    told = mug["productAttributes"]
    assert told["price"] == {"amountMicros": "12500000", "currencyCode": "EUR"}
    assert (told["availability"], told["condition"]) == ("IN_STOCK", "NEW")
    assert (told["gtins"], told["productTypes"]) == (["4006381333931"], ["Shirts"])
    merchant.calls.clear()
    assert shop.write().status == "unchanged"
    assert not merchant.calls
    shop.sell(mug="11.00", cup="9.00")
    second = shop.write()
    assert sorted(merchant.calls) == ["delete shop:~pot", "insert shop:~mug"]
    assert set(merchant.offers) == {"shop:~mug", "shop:~cup"}
    assert (second.offer_count, second.detail) == (2, "1 told and 1 taken out at merchant")


def test_what_could_not_be_told_is_told_by_the_next_activation(
    shop: Shop, merchant: MerchantCenter
) -> None:
    shop.sell(mug="12.50", cup="9.00")
    merchant.refuses = {"shop:~cup"}
    merchant.answers = [503, 200, 200]
    first = shop.write()
    assert (first.status, first.offer_count) == ("failed", 1)
    assert "1 refused: " in first.detail
    assert "[price] is not allowed" in first.detail
    merchant.refuses = set()
    merchant.calls.clear()
    assert (shop.write().status, merchant.calls) == ("written", ["insert shop:~cup"])
    # An outage is waited out.
    shop.sell(mug="12.00", cup="9.00")
    merchant.answers = [503, 503]
    assert "1 wait for the next activation" in shop.write().detail
    assert shop.write().detail == "1 told and 0 taken out at merchant"


def test_credentials_that_are_refused_end_it_at_once(shop: Shop, merchant: MerchantCenter) -> None:
    shop.sell(**{f"p{number}": "1.00" for number in range(50)})
    merchant.answers = [403] * 200
    outcome = shop.write()
    assert outcome.status == "failed"
    assert "50 wait for the next activation" in outcome.detail
    assert len(merchant.calls) <= 4


def test_an_outage_or_a_wish_for_rest_ends_it_until_the_next_activation(
    shop: Shop, merchant: MerchantCenter
) -> None:
    shop.sell(**{f"p{number:02}": "1.00" for number in range(50)})
    merchant.answers = [503] * 200
    out = shop.write()
    assert out.status == "failed"
    assert "no success in 3 batches" in out.detail
    assert "50 wait for the next activation" in out.detail
    # Each of the few that were under way at once was called twice.
    assert len(merchant.calls) <= 14
    merchant.calls.clear()
    merchant.answers = [429] * 200
    merchant.rest_seconds = 3600
    rested = shop.write()
    assert "it asks to be left alone for 3600 seconds; 50 wait" in rested.detail
    assert len(merchant.calls) <= 4
    merchant.answers = []
    assert shop.write().offer_count == 50


def test_a_bad_day_takes_nothing_out(shop: Shop, merchant: MerchantCenter) -> None:
    shop.sell(mug="12.50", cup="9.00", pot="30.00")
    shop.write()
    shop.sell(mug="12.50")
    outcome = shop.write()
    assert outcome.status == "held"
    assert len(merchant.offers) == 3


def test_an_offer_is_told_again_before_google_forgets_it_and_no_longer_than_there_is_time(
    shop: Shop, merchant: MerchantCenter
) -> None:
    shop.sell(mug="12.50", cup="9.00")
    shop.write()
    merchant.calls.clear()
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=16)
    with shop.state.begin() as connection:
        connection.execute(
            sa.update(told_offers)
            .where(told_offers.c.offer_id == "shop:~cup")
            .values(told_at=long_ago)
        )
    assert shop.write().status == "written"
    assert merchant.calls == ["insert shop:~cup"]
    destination = make_destination("merchant", shop.settings)
    assert isinstance(destination, HttpDestination)
    offers = pl.DataFrame({"id": ["a", "b"], "price": ["1.00 EUR", "2.00 EUR"]})
    telling = tell(shop.state, "other", destination, lambda: iter([offers]), longest_seconds=-1.0)
    assert (telling.told_count, telling.waiting_count) == (0, 2)


def test_of_many_offers_the_first_are_told_and_the_others_wait(
    shop: Shop, merchant: MerchantCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told_offers_module, "_MOST_AT_ONCE", 2)
    monkeypatch.setattr(product_feeds, "_PART", 1)
    shop.sell(mug="12.50", cup="9.00", pot="30.00")
    assert "1 wait for the next activation" in shop.write().detail
    assert len(merchant.offers) == 2
    assert shop.write().offer_count == 3
    assert len(merchant.offers) == 3
    assert shop.write().status == "unchanged"


def test_feeds_and_rules_each_have_destinations_of_their_own(shop: Shop) -> None:
    rule = ActivationRule(segment="vip", destination="merchant")
    with pytest.raises(ConfigError, match="takes product feeds alone"):
        check_declared(shop.settings, [rule], ["vip"])
    platform = shop.settings.platform.model_copy(
        update={"feeds": {"google": Feed(destination="merchent")}}
    )
    wrong = shop.settings.model_copy(update={"platform": platform})
    with pytest.raises(ConfigError, match="'merchent' is no destination that takes feeds"):
        write_feeds(shop.warehouse, shop.state, wrong)
    with pytest.raises(ValueError, match="write destination, or folder and format"):
        Feed(destination="merchant", folder="/srv/feeds")
