"""One HTTP client under all sources: limits, retries, authorisation; see `Api` for what differs."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import random
import re
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
)

from marketing_platform.errors import SourceError
from marketing_platform.sources.json_text import is_json_text, read_json
from marketing_platform.sources.oauth import TokenAuth
from marketing_platform.sources.pace import limiter
from marketing_platform.sources.secrets import mask, secrets_of
from marketing_platform.sources.words import words_of
from marketing_platform.tls import trusted

if TYPE_CHECKING:
    from marketing_platform.sources.active import ActiveSource
    from marketing_platform.sources.system import Api, SystemSettings

# It writes every URL into the log, and some vendors want their token in the URL.
logging.getLogger("httpx").setLevel(logging.WARNING)
# How far a pull is, in a line every few seconds.
PULLING = logging.getLogger("marketing_platform.pulling")
PULLING.setLevel(logging.INFO)
_TOLD_EVERY_SECONDS = 10.0

_PASSING = frozenset({408, 425, 429})
_LONGEST_MESSAGE = 300
_MOST_REDIRECTS = 5


@dataclass(frozen=True)
class Request:
    """A request without secrets or base URL; plain data, so that a checkpoint can hold it.

    `path` is relative to the API's base URL, or a whole URL that the vendor gave for the next page
    (of the same host, or it is refused). At most one of `json` and `form` is the body. A
    `is_download` fetches a file that the vendor has put on any host: it is sent without
    authorisation and without the API's headers.
    """

    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    json: Any = None
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_download: bool = False


@dataclass(frozen=True)
class Answer:
    """A good answer (2xx): `content` as it came."""

    status: int
    headers: httpx.Headers
    content: bytes
    is_json: bool

    @cached_property
    def body(self) -> Any:
        """Its JSON, read when it is asked for; None for 204 or another type."""
        return read_json(self.content) if self.is_json else None


@dataclass(frozen=True)
class Traffic:
    """What a client has sent and received: requests with their retries, waits, bytes received."""

    requests: int = 0
    retries: int = 0
    waited_seconds: float = 0.0
    received_bytes: int = 0


class Client(ABC):
    """Sends requests to one system; made by `open_client(source)`, closed at the end of a pull.

    An answer that is not good is tried again as the API says; one that claims to be JSON and is
    not counts as a broken answer and is tried again too. In the end a `SourceError` says what the
    vendor said, without secrets.
    """

    # By how many seconds the vendor's clock is ahead of ours, as its last answer says.
    clock_skew_seconds: float | None = None
    traffic = Traffic()

    @abstractmethod
    def send(self, request: Request) -> Answer:
        """The answer to one request."""

    def send_all(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The answers in the order of the requests, as many at a time as the API allows."""
        return map(self.send, requests)

    def stop(self) -> None:  # noqa: B027 - not every client waits
        """End a wait for a better answer at once: nobody will take it."""


@contextmanager
def open_client(
    source: ActiveSource, *, in_turn: bool = False, stream: str = ""
) -> Iterator[Client]:
    """The client of a source, its connections closed at the end.

    `in_turn` sends one request at a time, whatever the API allows. `stream` is what is asked for,
    as `PULLING` names it.
    """
    make_api = source.system.api
    if make_api is None:
        raise SourceError(f"{source.system.title} is not asked over HTTP", where=source.name)
    api = make_api(source.settings)
    if isinstance(api.auth, TokenAuth) and source.tokens_dir:
        api.auth.keep_in(source.tokens_dir)
    api = replace(api, concurrency=1) if in_turn else api
    with _HttpClient(source.name, api, source.settings, stream) as client:
        yield client


# Numbers that say no more than the words behind them.
_ERRNO = re.compile(r"\[Errno -?\d+\] ")
# What a pull does when it is started again.
GOES_ON = "Run again; it goes on where it stopped"


class _NotYet(Exception):  # noqa: N818 - no error until the last attempt
    """An answer that may be better next time; `seconds` is what the vendor asks to wait."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds


class _HttpClient(Client):
    """The client itself: connections are kept, and shared by the threads of `send_all`."""

    def __init__(self, name: str, api: Api, settings: SystemSettings, stream: str) -> None:
        self._name = name
        self._asked_for = f"{name} {stream}".rstrip()
        self._told_at, self._told_waited = time.monotonic(), 0.0
        self._api = api
        self._settings = settings
        self._secrets = secrets_of(settings)
        self._base = httpx.URL(api.base_url)
        timeout = httpx.Timeout(settings.timeout_seconds)
        trust = trusted()
        self._http = httpx.Client(
            auth=api.auth, headers=dict(api.headers), timeout=timeout, verify=trust
        )
        # Downloads lie on other hosts, which must not see what authorises us.
        self._plain = httpx.Client(timeout=timeout, follow_redirects=True, verify=trust)
        self._limiters = [limiter(rate.count, rate.seconds) for rate in api.rates]
        self._pool = ThreadPoolExecutor(api.concurrency, thread_name_prefix=name)
        self._counting = threading.Lock()
        self._stopped = threading.Event()
        self._waits = {self._stopped}

    def __enter__(self) -> _HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._pool.shutdown(cancel_futures=True)
        self._http.close()
        self._plain.close()
        for one in self._limiters:
            one.close()

    def stop(self) -> None:
        """End every wait for a better answer at once: nobody will take it."""
        for wait in list(self._waits):
            wait.set()

    def send(self, request: Request) -> Answer:
        """The answer to one request."""
        return self._send(request, self._stopped)

    def send_all(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The answers in the order of the requests, as many at a time as the API allows."""
        if self._api.concurrency == 1:
            yield from map(self.send, requests)
            return
        remaining, waiting = iter(requests), deque[Future[Answer]]()
        stopped = threading.Event()
        self._waits.add(stopped)
        if self._stopped.is_set():
            stopped.set()

        def ask(count: int) -> None:
            for request in itertools.islice(remaining, count):
                waiting.append(self._pool.submit(self._send, request, stopped))

        try:
            ask(self._api.concurrency)
            while waiting:
                answer = waiting.popleft().result()
                ask(1)
                yield answer
        finally:
            stopped.set()
            self._waits.discard(stopped)
            for future in waiting:
                future.cancel()

    def _send(self, request: Request, stopped: threading.Event) -> Answer:
        retrying = Retrying(
            retry=retry_if_exception_type(_NotYet),
            stop=stop_after_attempt(self._settings.attempts),
            wait=self._pause,
            sleep=lambda seconds: self._wait(seconds, stopped),
            reraise=True,
        )
        try:
            return retrying(self._once, request)
        except _NotYet as last:
            tries = self._settings.attempts
            raise self._error(f"{last.reason}, after {tries} attempts", GOES_ON) from None

    def _pause(self, state: RetryCallState) -> float:
        """Full jitter over a doubling range, or what the vendor asks for."""
        outcome = state.outcome.exception() if state.outcome else None
        if isinstance(outcome, _NotYet) and outcome.seconds is not None:
            return outcome.seconds
        longest = self._settings.retry_seconds * 2 ** (state.attempt_number - 1)
        return random.uniform(0, min(longest, self._settings.max_wait_seconds))  # noqa: S311

    def _wait(self, seconds: float, stopped: threading.Event) -> None:
        self._count(retries=1, waited_seconds=seconds)
        if stopped.wait(seconds):
            raise self._error("stopped, as another request failed")

    def _once(self, request: Request) -> Answer:
        for one in self._limiters:
            one.try_acquire(self._name)
        try:
            response = self._response(request)
        except httpx.TransportError as error:
            raise _NotYet(self._told(error)) from None
        except httpx.HTTPError as error:
            raise self._error(self._told(error)) from None
        self._note(response)
        return self._judged(request, response)

    def _response(self, request: Request) -> httpx.Response:
        """The response, redirections within the host followed."""
        if request.is_download:
            url = _with_params(request.path, request.params)
            return self._plain.send(_built(self._plain, request, url))
        sent = _built(self._http, request, self._url(request))
        for _ in range(_MOST_REDIRECTS):
            response = self._http.send(sent)
            if response.next_request is None:
                return response
            sent = response.next_request
            sent.url = self._checked(sent.url)
        raise self._error("redirects without end")

    def _url(self, request: Request) -> httpx.URL:
        path = request.path
        params = {**self._api.params, **request.params} if self._api.params else request.params
        if path.startswith(("http://", "https://")):
            return self._checked(_with_params(path, params))
        base = self._api.base_url.rstrip("/")
        return _with_params(f"{base}/{path.lstrip('/')}", params)

    def _checked(self, url: httpx.URL) -> httpx.URL:
        """The URL, of our host; behind a proxy a vendor may not know that it is asked by TLS."""
        if (url.host, url.port) != (self._base.host, self._base.port):
            raise self._error(
                f"the vendor points to another host, {url.host}", "It is not asked with our secrets"
            )
        scheme = "https" if self._base.scheme == "https" else url.scheme
        return url.copy_with(scheme=scheme, username=None, password=None)

    def _judged(self, request: Request, response: httpx.Response) -> Answer:
        status, content = response.status_code, response.content
        kind = response.headers.get("content-type", "").lower()
        claims = _claims_json(kind, status)
        is_json = (
            status != 204 and (claims or content[:1] in (b"{", b"[")) and is_json_text(content)
        )
        is_broken = claims and not is_json
        answer = Answer(status, response.headers, content, is_json)
        asked = None if is_broken or request.is_download else self._api.pause(answer)
        is_passing = status in _PASSING or status >= 500
        if asked is None and is_passing:
            asked = _retry_after(response.headers.get("retry-after", ""))
        if is_passing or asked is not None:
            self._refuse_long_pause(asked, answer, response)
            raise _NotYet(self._said(answer, response), asked)
        if not 200 <= status < 300:
            mend = f"Check the credentials of sources.{self._name}" if status in (401, 403) else ""
            raise self._error(self._said(answer, response), mend)
        if is_broken:
            raise _NotYet("the answer is broken off or no JSON")
        return answer

    def _refuse_long_pause(
        self, seconds: float | None, answer: Answer, response: httpx.Response
    ) -> None:
        longest = self._settings.max_wait_seconds
        if seconds is not None and seconds > longest:
            raise self._error(
                f"{self._said(answer, response)}; asks to wait {seconds:.0f} s",
                f"That is more than max_wait_seconds ({longest:.0f}); run again later",
            )

    def _said(self, answer: Answer, response: httpx.Response) -> str:
        """The vendor's status and the beginning of its message, without secrets."""
        message = words_of(answer.body) or answer.content[:4000].decode(errors="replace")
        line = " ".join(self._masked(message, response.request).split())[:_LONGEST_MESSAGE]
        return f"the vendor answers {answer.status}" + (f": {line}" if line else "")

    def _masked(self, text: str, request: httpx.Request | None) -> str:
        authorisation = request.headers.get("authorization", "") if request else ""
        sent = {authorisation, authorisation.partition(" ")[2]} - {""}
        auth = self._api.auth
        asked_for = auth.secrets() if isinstance(auth, TokenAuth) else frozenset()
        return mask(text, self._secrets | sent | asked_for)

    def _told(self, error: httpx.HTTPError) -> str:
        request = getattr(error, "_request", None)
        words = self._masked(_ERRNO.sub("", str(error)), request)
        host = request.url.netloc.decode() if request is not None else self._base.host
        if isinstance(error, httpx.ConnectTimeout | httpx.ReadTimeout):
            return f"no answer from {host} within {self._settings.timeout_seconds:g} s"
        if isinstance(error, httpx.ConnectError):
            return f"no connection to {host}: {words}"
        return f"{type(error).__name__} of {host}" + (f": {words}" if words else "")

    def _error(self, what: str, mend: str = "") -> SourceError:
        where = f"sources.{self._name}"
        return SourceError(mask(what, self._secrets), where=where, mend=mend or None)

    def _note(self, response: httpx.Response) -> None:
        self._count(requests=1, received_bytes=len(response.content))
        try:
            told = parsedate_to_datetime(response.headers["date"])
        except (KeyError, ValueError):
            return
        self.clock_skew_seconds = told.timestamp() - time.time()

    def _count(self, **more: float) -> None:
        with self._counting:
            counted = {name: getattr(self.traffic, name) + add for name, add in more.items()}
            self.traffic = replace(self.traffic, **counted)
            traffic, now = self.traffic, time.monotonic()
            if now - self._told_at < _TOLD_EVERY_SECONDS:
                return
            has_waited = traffic.waited_seconds > self._told_waited
            self._told_at, self._told_waited = now, traffic.waited_seconds
        PULLING.info(
            "%s: %s requests, %.1f MB%s",
            self._asked_for,
            f"{traffic.requests:,}",
            traffic.received_bytes / 1e6,
            ", waiting as the vendor asks" if has_waited else "",
        )


def _built(http: httpx.Client, request: Request, url: httpx.URL) -> httpx.Request:
    return http.build_request(
        request.method,
        url,
        json=request.json,
        data=dict(request.form) if request.form is not None else None,
        headers=dict(request.headers),
    )


def _with_params(url: str, params: Mapping[str, Any]) -> httpx.URL:
    """The address with more parameters, each of which takes the place of one that is there."""
    if params and "?" in url:
        return httpx.URL(url).copy_merge_params(params)
    # To parse an address takes longer than all else that a request is made of.
    return httpx.URL(f"{url}?{httpx.QueryParams(params)}" if params else url)


def _claims_json(kind: str, status: int) -> bool:
    return (
        status != 204
        and ("json" in kind or "javascript" in kind)
        and not any(lines in kind for lines in ("ndjson", "jsonl", "json-seq"))
    )


def _retry_after(value: str) -> float | None:
    """Seconds from `Retry-After`: a number, or an HTTP date."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, moment.timestamp() - time.time())
