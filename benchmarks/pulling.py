"""Pulling orders from the sandbox into staging, as ratios within one run.

- to a bare loop that downloads and parses the same pages
- to dlt's `rest_api` source into DuckDB, which reads the same list

The sandbox (WooCommerce) runs in a process of its own; `--customers` says how large its shop is.
"""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
from pydantic import SecretStr

from marketing_platform.demo.sandbox.facts import make_facts
from marketing_platform.demo.sandbox.server import Sandbox
from marketing_platform.pipeline import build_table
from marketing_platform.settings import Platform, Settings
from marketing_platform.sources.active import active_sources
from marketing_platform.sources.pull import pull
from marketing_platform.sources.stream import Window
from marketing_platform.warehouse import Warehouse

CUSTOMERS = 50_000
END = dt.date(2025, 12, 31)
WINDOW = Window(dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
PAGE = {"per_page": "100", "orderby": "id", "order": "asc"}


def serve(customers: int, told: Connection) -> None:
    """Serve the shop until the other end of `told` says something."""
    facts = make_facts(customers=customers, end=END)
    with Sandbox(facts, vendors=["woocommerce"], has_limits=False) as sandbox:
        told.send({**sandbox.settings("woocommerce"), **sandbox.credentials("woocommerce")})
        told.recv()


@contextmanager
def served(customers: int) -> Iterator[dict[str, str]]:
    """The settings with which the shop can be pulled."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(customers, there))
    process.start()
    yield here.recv()
    here.send("end")
    process.join(30)


def seconds(work: Callable[[], int]) -> tuple[float, int]:
    """How long the work takes, and how many orders it brought."""
    started = time.perf_counter()
    count = work()
    return time.perf_counter() - started, count


def download(shop: dict[str, str]) -> int:
    """The bare loop."""
    count = 0
    url: str | None = f"{shop['base_url']}/wp-json/wc/v3/orders"
    params: dict[str, str] | None = PAGE
    with httpx.Client(auth=(shop["consumer_key"], shop["consumer_secret"])) as client:
        while url:
            answer = client.get(url, params=params)
            count += len(answer.json())
            url, params = answer.links.get("next", {}).get("url"), None
    return count


def pull_into_staging(shop: dict[str, str], folder: Path) -> int:
    """Pull the orders, and build them and their lines in staging."""
    platform = {"sources": {"woocommerce": {**shop, "streams": ["orders"]}}}
    settings = Settings(
        config_dir=Path(__file__).parent.parent / "config",
        data_dir=folder,
        state_url=SecretStr(f"sqlite:///{folder / 'state.db'}"),
        platform=Platform.model_validate(platform),
    )
    (source,) = active_sources(settings)
    pull(settings, source, source.system.stream("orders"), WINDOW)
    warehouse = Warehouse(settings.warehouse_path)
    orders = build_table(warehouse, settings, "staging.woocommerce_orders")
    build_table(warehouse, settings, "staging.woocommerce_order_items")
    return orders.row_count


def load_with_dlt(shop: dict[str, str], folder: Path) -> int:
    """The same list into DuckDB by dlt."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt
    from dlt.sources.rest_api import rest_api_source

    logging.getLogger("dlt").setLevel(logging.ERROR)
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{shop['base_url']}/wp-json/wc/v3/",
                "auth": {
                    "type": "http_basic",
                    "username": shop["consumer_key"],
                    "password": shop["consumer_secret"],
                },
                "paginator": "header_link",
            },
            "resources": [{"name": "orders", "endpoint": {"path": "orders", "params": PAGE}}],
        }
    )
    pipeline = dlt.pipeline(
        "bench",
        destination=dlt.destinations.duckdb(str(folder / "dlt.duckdb")),
        dataset_name="shop",
        pipelines_dir=str(folder / "dlt"),
    )
    pipeline.run(source)
    with pipeline.sql_client() as client, client.execute_query("select count(*) from orders") as c:
        return int(c.fetchone()[0])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--without-dlt", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, served(given.customers) as shop:
        bare, count = seconds(lambda: download(shop))
        ours, pulled = seconds(lambda: pull_into_staging(shop, Path(scratch) / "ours"))
        assert pulled == count
        print(f"{count:,} orders: bare loop {bare:.1f} s, into staging {ours:.1f} s")
        print(f"into staging / bare loop            {ours / bare:6.2f}")
        if not given.without_dlt:
            theirs, loaded = seconds(lambda: load_with_dlt(shop, Path(scratch)))
            assert loaded == count
            print(f"dlt / into staging                  {theirs / ours:6.2f}")


if __name__ == "__main__":
    main()
