"""Headless Chromium, driven by its DevTools protocol: to open a page, read it, click, and look."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from websockets.sync.client import connect

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
_PATIENCE = 180
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-port=0", "--window-size=1600,1100", "--hide-scrollbars",
)  # fmt: skip


class Browser:
    """One page, from `with` to the end of it."""

    def __enter__(self) -> Browser:
        assert PROGRAM, "chromium is not installed"
        self._folder = tempfile.mkdtemp(prefix="chromium-")
        self._process = subprocess.Popen(
            [PROGRAM, *_FLAGS, f"--user-data-dir={self._folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        note = Path(self._folder) / "DevToolsActivePort"
        end = time.monotonic() + 60
        while not (note.exists() and note.read_text().count("\n")):
            assert time.monotonic() < end, "chromium does not come up"
            time.sleep(0.1)
        port = note.read_text().splitlines()[0]
        pages = httpx.get(f"http://127.0.0.1:{port}/json", timeout=30).json()
        address = next(page for page in pages if page["type"] == "page")["webSocketDebuggerUrl"]
        self._open = ExitStack()
        self._socket = self._open.enter_context(connect(address, max_size=None))
        self._numbers = itertools.count(1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def open(self, url: str) -> None:
        """Go to a page."""
        self._tell("Page.navigate", url=url)

    def value(self, script: str) -> Any:
        """What a piece of JavaScript says in the page."""
        told = self._tell("Runtime.evaluate", expression=script, returnByValue=True)
        return told["result"].get("value")

    def text(self) -> str:
        """All that can be read on the page."""
        return str(self.value("document.body ? document.body.innerText : ''"))

    def wait_for(self, *words: str) -> str:
        """The text of the page once it has all these words."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            text = self.text()
            if all(word in text for word in words):
                return text
            time.sleep(0.3)
        raise AssertionError(f"waited for {words}, and read {self.text()[:2000]}")

    def click(self, words: str) -> None:
        """Click the innermost element that reads so, once it is there."""
        script = (
            "(() => {const found = [...document.querySelectorAll('a, button, span, div')]"
            f".filter(e => e.innerText && e.innerText.trim() === {json.dumps(words)});"
            "if (!found.length) return false; found[found.length - 1].click(); return true})()"
        )
        end = time.monotonic() + _PATIENCE
        while not self.value(script):
            assert time.monotonic() < end, f"nothing reads {words}: {self.text()[:2000]}"
            time.sleep(0.3)

    def picture(self, path: Path) -> None:
        """What it looks like, as PNG."""
        path.write_bytes(base64.b64decode(self._tell("Page.captureScreenshot")["data"]))

    def _tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv(60))
            if told.get("id") == number:
                assert "result" in told, told
                return dict(told["result"])
