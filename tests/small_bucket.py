"""A bucket on the loopback: the few calls of S3's REST API that reading and writing files takes.

ListObjectsV2, GetObject with ranges, HeadObject and PutObject, as AWS describes them. A request
that is not signed with the bucket's key is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEY_ID, SECRET = "AKIDEXAMPLE", "bucket-secret-4711"
_REFUSED = (
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)


class SmallBucket:
    """Serves the objects of one bucket, by key, from `with` to the end of it."""

    def __init__(self, name: str, objects: Mapping[str, bytes]) -> None:
        self.name, self.objects = name, dict(objects)
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def store(self) -> dict[str, str]:
        """The options with which it is read."""
        return {
            "endpoint": f"http://127.0.0.1:{self._server.server_port}",
            "region": "eu-central-1",
            "access_key_id": KEY_ID,
            "secret_access_key": SECRET,
        }

    def __enter__(self) -> SmallBucket:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                bucket.requests.append(f"{self.command} {address.path}")
                if f"Credential={KEY_ID}/" not in self.headers.get("Authorization", ""):
                    self.answer(403, _REFUSED)
                    return
                _, _, key = unquote(address.path).lstrip("/").partition("/")
                if not key:
                    prefix = parse_qs(address.query).get("prefix", [""])[0]
                    self.answer(200, bucket.listing(prefix))
                elif key in bucket.objects:
                    self.give(bucket.objects[key])
                else:
                    self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_PUT(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if f"Credential={KEY_ID}/" not in self.headers.get("Authorization", ""):
                    self.answer(403, _REFUSED)
                    return
                _, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
                bucket.objects[key] = content
                self.answer(200, b"")

            def give(self, content: bytes) -> None:
                span = self.headers.get("Range", "")
                if not span:
                    self.answer(200, content)
                    return
                first, _, last = span.removeprefix("bytes=").partition("-")
                end = min(int(last) + 1 if last else len(content), len(content))
                place = f"bytes {first}-{end - 1}/{len(content)}"
                self.answer(206, content[int(first) : end], {"Content-Range": place})

            def answer(
                self, status: int, content: bytes, more: Mapping[str, str] | None = None
            ) -> None:
                self.send_response(status)
                headers = {
                    "Content-Length": str(len(content)),
                    "ETag": '"e"',
                    "Last-Modified": formatdate(0, usegmt=True),
                    "Accept-Ranges": "bytes",
                    **(more or {}),
                }
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler

    def listing(self, prefix: str) -> bytes:
        """All objects whose keys begin so, as ListObjectsV2 answers."""
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z"
            f"</LastModified><ETag>e</ETag><Size>{len(content)}</Size></Contents>"
            for key, content in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        return (
            "<?xml version='1.0' encoding='UTF-8'?>"
            "<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
            f"<Name>{self.name}</Name><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        ).encode()
