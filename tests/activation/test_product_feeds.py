"""Product feeds: each offer is written or left out for a reason, and a bad day empties none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
import sqlalchemy as sa
from small_shop import small_settings

from marketing_platform.activation import FeedOutcome, product_feeds, write_feeds
from marketing_platform.pipeline import all_tables
from marketing_platform.settings import Feed, Platform, Settings
from marketing_platform.state import open_state
from marketing_platform.warehouse import Warehouse

SHIRT = {
    "product_id": "shop:1", "source": "shop", "source_product_id": "1", "sku": "S-1",
    "title": "Shirt", "price_amount": "19.90", "currency": "EUR", "is_active": True,
    "description": "<p>Soft &amp; warm</p>", "url": "https://shop.example/shirt",
    "image_url": "https://shop.example/shirt.jpg", "brand": "Acme", "category": "Shirts",
    "inventory_quantity": 3, "barcode": "4006381333931",
}  # fmt: skip
G = "{http://base.google.com/ns/1.0}"


class Shop:
    """A shop of products that a test names, and its one feed."""

    def __init__(self, folder: Path, **feed: Any) -> None:
        self.folder = folder / "out"
        self.warehouse = Warehouse(":memory:")
        self.state = open_state(f"sqlite:///{folder / 'state.db'}")
        self.settings = self._settings(folder, feed)
        for table in ("core.products", "core.variants"):
            self.warehouse.ensure(table)

    def _settings(self, folder: Path, feed: dict[str, Any]) -> Settings:
        base = small_settings(folder, {})
        feeds = {"google": Feed(folder=str(self.folder), **feed)}
        return base.model_copy(
            update={"platform": base.platform.model_copy(update={"feeds": feeds})}
        )

    def sell(self, *products: dict[str, Any], variants: tuple[dict[str, Any], ...] = ()) -> None:
        for table, rows in (("core.products", products), ("core.variants", variants)):
            with self.warehouse.connect() as connection:
                connection.execute(f"delete from {table}")
                for row in rows:
                    names = ", ".join(row)
                    marks = ", ".join(f"${name}" for name in row)
                    connection.execute(f"insert into {table} ({names}) values ({marks})", row)
        offers = all_tables(self.settings)["activation.offers"]
        self.warehouse.build("activation.offers", offers.sql)  # type: ignore[union-attr]

    def write(self, **more: Any) -> FeedOutcome:
        [outcome] = write_feeds(self.warehouse, self.state, self.settings, **more)
        return outcome

    @property
    def items(self) -> list[dict[str, str]]:
        """The offers of the file, as whoever fetches it reads them."""
        root = ElementTree.parse(self.folder / "products.xml").getroot()  # noqa: S314 - ours
        return [
            {str(part.tag).removeprefix(G): part.text or "" for part in item}
            for item in root.iter("item")
        ]


def product(number: int, **other: Any) -> dict[str, Any]:
    return {
        **SHIRT, "product_id": f"shop:{number}", "source_product_id": str(number),
        "sku": f"S-{number}", **other,
    }  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_feed_tells_of_an_offer_as_google_wants_it(shop: Shop) -> None:
    shop.sell(SHIRT)
    assert shop.write().status == "written"
    assert shop.items == [
        {
            "id": "shop:1", "title": "Shirt", "description": "Soft & warm",
            "link": "https://shop.example/shirt", "image_link": "https://shop.example/shirt.jpg",
            "price": "19.90 EUR", "availability": "in_stock", "condition": "new", "brand": "Acme",
            "gtin": "4006381333931", "mpn": "S-1", "product_type": "Shirts",
        }
    ]  # fmt: skip


def test_variants_are_offers_of_one_group_with_their_own_price(shop: Shop) -> None:
    common = {"source": "shop", "product_id": "shop:1", "currency": "EUR"}
    small = {"variant_id": "shop:11", "title": "S", "price_amount": "18.00", **common}
    large = {
        "variant_id": "shop:12", "title": "L", "price_amount": "21.00", "inventory_quantity": 0,
        **common,
    }  # fmt: skip
    shop.sell(SHIRT, variants=(small, large))
    shop.write()
    told = [(i["id"], i["title"], i["price"], i["item_group_id"]) for i in shop.items]
    assert told == [
        ("shop:11", "Shirt - S", "18.00 EUR", "shop:1"),
        ("shop:12", "Shirt - L", "21.00 EUR", "shop:1"),
    ]
    assert [item["availability"] for item in shop.items] == ["in_stock", "out_of_stock"]


def test_products_whose_long_keys_differ_in_the_end_are_offers_of_their_own(shop: Shop) -> None:
    handle = "shop:mens-organic-cotton-long-sleeve-crew-neck-shirt-in"
    shop.sell(*(product(1, product_id=f"{handle}-{color}") for color in ("black", "blue")))
    shop.write()
    ids = [item["id"] for item in shop.items]
    assert len(set(ids)) == 2
    assert {len(one) for one in ids} == {50}, "Google takes no longer ones"
    assert all(handle.startswith(one[:37]) for one in ids)


def test_what_cannot_be_offered_is_left_out_with_the_reason_and_the_sums_add_up(
    shop: Shop,
) -> None:
    bad = {
        "not for sale": {"is_active": False},
        "no title": {"title": " "},
        "no price": {"price_amount": "0"},
        "no currency": {"currency": None},
        "no picture": {"image_url": None},
        "no page": {"url": None},
    }
    shop.sell(SHIRT, *(product(n + 2, **other) for n, other in enumerate(bad.values())))
    outcome = shop.write()
    assert outcome.left_out == dict.fromkeys(bad, 1)
    assert outcome.offer_count + sum(outcome.left_out.values()) == 1 + len(bad)
    assert "left out: 1 no currency" in outcome.line()


@pytest.mark.parametrize(
    "title",
    [
        "<b>&\"'",
        "a\x00b\x0bc\uffff",
        "]]>",
        "\u202eevil",
        "x" * 10_000,
        "<![CDATA[",
        "'; drop table",
    ],
)
def test_a_hostile_title_is_carried_as_text(shop: Shop, title: str) -> None:
    shop.sell(product(1, title=title))
    shop.write()
    [item] = shop.items
    unspeakable = dict.fromkeys(map(ord, "\x00\x0b\uffff"))
    assert item["title"] == title[:150].translate(unspeakable)


def test_what_an_editor_wrote_in_html_is_told_as_it_is_read(shop: Shop) -> None:
    page = (
        "<style>p { color: red }</style><p>M&uuml;tze&nbsp;&#8211; &euro;&#x32;0 &amp;lt;</p>"
        "<script>track('?a=1&copy=2')</script> fish&chips R&D;"
    )
    shop.sell(product(1, title="Men&#8217;s M&uuml;tze &amp; Schal", description=page))
    shop.write()
    [item] = shop.items
    assert item["title"] == "Men\u2019s M\u00fctze & Schal"
    assert item["description"] == "M\u00fctze \u2013 \u20ac20 &lt; fish&chips R&D;"


def test_the_page_of_an_offer_may_be_made_of_its_number(tmp_path: Path) -> None:
    shop = Shop(tmp_path, link="https://shop.example/p/{sku}?from=feed")
    shop.sell(product(1, url=None, sku="a b/c"))
    shop.write()
    assert shop.items[0]["link"] == "https://shop.example/p/a%20b%2Fc?from=feed"


def test_a_path_is_no_page_and_no_picture(tmp_path: Path) -> None:
    shop = Shop(tmp_path, link="https://shop.example/p/{sku}")
    shop.sell(
        product(1, url="/shirt.html"),
        product(2, image_url="//cdn.example/2.jpg"),
        product(3, image_url="/s/h/shirt.jpg"),
    )
    outcome = shop.write()
    assert [(item["link"], item["image_link"]) for item in shop.items] == [
        ("https://shop.example/p/S-1", "https://shop.example/shirt.jpg"),
        ("https://shop.example/shirt", "https://cdn.example/2.jpg"),
    ]
    assert outcome.left_out == {"no picture": 1}


def test_a_barcode_that_is_none_is_not_told_as_one(shop: Shop) -> None:
    shop.sell(product(1, barcode="see box", brand=None))
    shop.write()
    assert "gtin" not in shop.items[0]
    assert shop.items[0]["identifier_exists"] == "no"


@pytest.mark.parametrize(
    ("barcode", "is_told"),
    [
        ("4006381333931", True),
        ("036000291452", True),
        ("96385074", True),
        ("14006381333938", True),
        ("4006381333932", False),  # mistyped
        ("2000000000015", False),  # a shop's own
        ("212345678992", False),  # of a scale in a shop
        ("9900000000004", False),  # a coupon
        ("12345678", False),
    ],
)
def test_a_barcode_that_google_would_refuse_is_not_told(
    shop: Shop, barcode: str, is_told: bool
) -> None:
    shop.sell(product(1, barcode=barcode))
    shop.write()
    assert shop.items[0].get("gtin") == (barcode if is_told else None)
    assert shop.items[0]["mpn"] == "S-1"


def test_a_feed_that_has_not_changed_is_not_written_again(shop: Shop) -> None:
    shop.sell(SHIRT)
    shop.write()
    assert shop.write().status == "unchanged"
    (shop.folder / "products.xml").unlink()
    assert shop.write().status == "written"


def test_a_feed_that_would_lose_most_offers_is_held_until_a_person_accepts_it(shop: Shop) -> None:
    shop.sell(*(product(n) for n in range(1, 11)))
    shop.write()
    shop.sell(*(product(n) for n in range(1, 4)))
    held = shop.write()
    assert held.status == "held"
    assert "3 offers instead of 10" in held.detail
    assert "marketing-platform activation feed google" in held.detail
    assert len(shop.items) == 10
    assert shop.write(accept="google").status == "written"
    assert len(shop.items) == 3


def test_a_reason_to_hold_keeps_the_feed_of_before(shop: Shop) -> None:
    shop.sell(SHIRT)
    shop.write()
    shop.sell(product(1, price_amount="1.00"))
    assert shop.write(holds=["core.orders: stale"]).status == "held"
    assert shop.items[0]["price"] == "19.90 EUR"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_other_formats_have_the_same_columns(tmp_path: Path, kind: str) -> None:
    shop = Shop(tmp_path, format=kind)
    shop.sell(product(1, title='two\nlines, "quoted"'))
    shop.write()
    lines = (shop.folder / f"products.{kind}").read_text().splitlines()
    if kind == "jsonl":
        assert json.loads(lines[0])["title"] == 'two\nlines, "quoted"'
    else:
        assert lines[0].startswith("id,title,description,link,image_link,price")
        assert '"two lines, ""quoted"""' in lines[1]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_offer_is_one_line_whatever_is_in_its_title(tmp_path: Path, kind: str) -> None:
    shop = Shop(tmp_path, format=kind)
    shop.sell(product(1, title="Shirt\u2028blue\x1cnew\x85\n"), product(2))
    assert shop.write().offer_count == 2
    lines = (shop.folder / f"products.{kind}").read_text().removesuffix("\n").split("\n")
    offers = lines[1:] if kind == "csv" else [json.loads(line)["id"] for line in lines]
    assert len(offers) == 2


@pytest.mark.parametrize("kind", ["google_merchant", "csv", "jsonl"])
def test_a_catalogue_is_rendered_in_parts_and_the_feed_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The texts of half a million products do not fit into memory."""
    shop = Shop(tmp_path, format=kind)
    shop.sell(*(product(number, title=f"Cup \u00e9 {number}") for number in range(7)))
    assert shop.write().status == "written"
    [file] = shop.folder.glob("products.*")
    whole, heights, lines = file.read_bytes(), [], product_feeds._lines

    def counted(frame: pl.DataFrame, feed: Feed) -> list[str]:
        heights.append(frame.height)
        return lines(frame, feed)

    monkeypatch.setattr(product_feeds, "_PART", 2)
    monkeypatch.setattr(product_feeds, "_lines", counted)
    assert shop.write().status == "unchanged"
    file.unlink()
    assert shop.write().offer_count == 7
    assert file.read_bytes() == whole
    assert max(heights) == 2


def test_a_folder_that_cannot_be_written_fails_and_says_so(shop: Shop) -> None:
    shop.sell(SHIRT)
    shop.folder.parent.joinpath("out").write_text("a file")
    outcome = shop.write()
    assert outcome.status == "failed"
    assert "cannot write" in outcome.detail


def test_only_the_named_sources_are_in_a_feed(tmp_path: Path) -> None:
    shop = Shop(tmp_path, sources=("shop",))
    shop.sell(SHIRT, product(2, product_id="other:2", source="other"))
    assert shop.write().offer_count == 1


def test_without_a_build_there_is_nothing_to_write(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.write().detail == "nothing was built yet"
    with shop.state.connect() as connection:
        assert connection.execute(sa.text("select count(*) from product_feeds")).scalar() == 0


@pytest.mark.parametrize(
    ("feeds", "mend"),
    [
        ({"google": {"link": "https://shop.example/{slug}"}}, "with {product_id} or {sku} in it"),
        ({"../google": {}}, "a name is small letters, digits and _"),
        ({"google": {"format": "xml"}}, "google_merchant"),
    ],
)
def test_a_mistake_in_the_settings_of_a_feed_says_what_to_write(
    feeds: dict[str, Any], mend: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(mend)):
        Platform.model_validate({"feeds": feeds})
