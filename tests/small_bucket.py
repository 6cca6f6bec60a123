"""A bucket on the loopback: the few calls of a vendor's API that reading and writing files takes.

- s3: ListObjectsV2, GetObject with ranges, HeadObject and PutObject, as AWS describes them
- gs: the same calls of Google's XML API, unsigned
- az: List Blobs, Get Blob with ranges, Get Blob Properties and Put Blob, as Azure describes them

A request to S3 or Azure that is not signed with the bucket's key is refused.
"""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEY_ID, SECRET, ACCOUNT = "AKIDEXAMPLE", "bucket-secret-4711", "shopaccount"
_REFUSED = (
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)


class SmallBucket:
    """Serves the objects of one bucket, by key, from `with` to the end of it."""

    def __init__(self, name: str, objects: Mapping[str, bytes], kind: str = "s3") -> None:
        self.name, self.objects, self.kind = name, dict(objects), kind
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def store(self) -> dict[str, str]:
        """The options with which it is read."""
        address = f"http://127.0.0.1:{self._server.server_port}"
        if self.kind == "gs":
            key = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
            more = {"gcs_base_url": address, "disable_oauth": True}
            return {"service_account_key": json.dumps(key | more)}
        if self.kind == "az":
            account = {"account_name": ACCOUNT, "account_key": b64encode(SECRET.encode()).decode()}
            return {"endpoint": f"{address}/{ACCOUNT}", **account}
        return {
            "endpoint": address,
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
                if not self.is_signed():
                    self.answer(403, _REFUSED)
                    return
                key = self.key()
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
                if not self.is_signed():
                    self.answer(403, _REFUSED)
                    return
                bucket.objects[self.key()] = content
                self.answer(201 if bucket.kind == "az" else 200, b"")

            def is_signed(self) -> bool:
                wanted = {"s3": f"Credential={KEY_ID}/", "az": f"SharedKey {ACCOUNT}:", "gs": ""}
                return wanted[bucket.kind] in self.headers.get("Authorization", "")

            def key(self) -> str:
                """The object's, without the account and the bucket before it."""
                parts = unquote(urlsplit(self.path).path).lstrip("/").split("/")
                return "/".join(parts[2 if bucket.kind == "az" else 1 :])

            def give(self, content: bytes) -> None:
                span = self.headers.get("Range") or self.headers.get("x-ms-range", "")
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
        """All objects whose keys begin so, as ListObjectsV2 or List Blobs answers."""
        if self.kind == "az":
            return self._blobs(prefix)
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

    def _blobs(self, prefix: str) -> bytes:
        rows = "".join(
            f"<Blob><Name>{escape(key)}</Name><Properties><Content-Length>{len(content)}"
            f"</Content-Length><Last-Modified>{formatdate(0, usegmt=True)}</Last-Modified>"
            "<Content-Type>application/octet-stream</Content-Type><Etag>e</Etag></Properties></Blob>"
            for key, content in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        return (
            "<?xml version='1.0' encoding='utf-8'?><EnumerationResults>"
            f"<Blobs>{rows}</Blobs><NextMarker /></EnumerationResults>"
        ).encode()
