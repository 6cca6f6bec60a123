"""No secret of a system shows in what a run leaves behind or in what the UI is told."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster_webserver.app import create_app_from_workspace_process_context

from marketing_platform.definitions import run_job
from marketing_platform.settings import CONFIG_DIR_VARIABLE, DATA_DIR_VARIABLE, load_settings

KEY = "sk_live_s3cret/of+the=shop"
EVERYTHING = """
{
  runsOrError { ... on Runs { results {
    status tags { key value } runConfigYaml
    eventConnection { events {
      __typename
      ... on MessageEvent { message }
      ... on ExecutionStepFailureEvent { error { message stack causes { message stack } } }
      ... on MaterializationEvent { metadataEntries {
        label description
        ... on TextMetadataEntry { text }
        ... on JsonMetadataEntry { jsonString }
        ... on MarkdownMetadataEntry { mdStr }
      } }
    } }
  } } }
  assetNodes { assetKey { path } description metadataEntries { label description } }
  repositoriesOrError { ... on RepositoryConnection { nodes {
    allTopLevelResourceDetails { name description configuredValues { key value } }
  } } }
}
"""


class Echo(BaseHTTPRequestHandler):
    """A vendor that repeats what it was told in its pages and in its refusals."""

    def do_GET(self) -> None:
        told = self.headers["Authorization"].removeprefix("Bearer ")
        is_listed = self.path.startswith(("/v1/customers", "/v1/events"))
        customer = {"id": "cus_1", "created": 1767225600, "email": "a@b.example", "note": told}
        body = (
            {"data": [customer], "has_more": False, "url": f"/v1/customers?key={told}"}
            if is_listed
            else {"error": {"message": f"No such key: {told}"}}
        )
        content = json.dumps(body).encode()
        self.send_response(200 if is_listed else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


async def ask(app: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ui") as client:
        return await client.post("/graphql", json={"query": EVERYTHING})


def told_by_the_ui(home: Path) -> str:
    """All that the UI asks for of runs, assets and resources, as the web server answers it."""
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        WorkspaceProcessContext(
            instance, ModuleTarget("marketing_platform.definitions", None, None, None)
        ) as workspace,
    ):
        answer = asyncio.run(ask(create_app_from_workspace_process_context(workspace)))
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_secret_that_the_vendor_repeats_shows_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config, data = tmp_path / "config", tmp_path / "data"
    config.mkdir()
    (config / "segments").mkdir()
    monkeypatch.setenv(CONFIG_DIR_VARIABLE, str(config))
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(data))
    monkeypatch.setenv("SHOP_KEY", KEY)
    with echo() as url:
        stripe = {
            "base_url": url,
            "api_key": "${SHOP_KEY}",
            "history_start": dt.datetime.now(dt.UTC).date().isoformat(),
            "streams": ["customers", "charges", "events"],
        }
        (config / "platform.yaml").write_text(yaml.safe_dump({"sources": {"stripe": stripe}}))
        settings = load_settings()
        outcome = run_job(settings, "ingest")
    assert not outcome.success
    told = told_by_the_ui(settings.dagster_home)
    assert "No such key: ***" in told, "the vendor's words are shown"
    assert "stripe_customers" in told
    printed = "".join(capfd.readouterr())
    for text in (told, printed, str(outcome)):
        assert KEY not in text
    left = [path for path in data.rglob("*") if path.is_file()]
    assert any(path.suffix == ".parquet" for path in left)
    for path in left:
        assert KEY.encode() not in path.read_bytes(), path
