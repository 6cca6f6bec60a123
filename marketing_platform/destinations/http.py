"""What all vendors over HTTP share: the calls of a batch, their pace, and what goes wrong.

A vendor's module says which calls a batch takes (`exchange`, a generator that is sent each
response) and reads from the responses what became of each row. It does no I/O itself, so that its
requests can be shown before they are sent, and checked against the vendor's own description.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

import httpx
import orjson
import pyrate_limiter
from pydantic import Field, SecretStr, field_validator

from marketing_platform.destinations.answers import is_page, refusal, stop
from marketing_platform.destinations.base import (
    Answer,
    Audience,
    Batch,
    EventName,
    Place,
    Row,
    RowAnswer,
)
from marketing_platform.destinations.people import with_numbers
from marketing_platform.errors import SourceError
from marketing_platform.settings import ActivationRule, DestinationSettings, Mode
from marketing_platform.sources.oauth import TokenAuth
from marketing_platform.sources.pace import limiter
from marketing_platform.sources.secrets import mask, secrets_in_url, secrets_of
from marketing_platform.state import utc_now
from marketing_platform.tls import trusted

_log = logging.getLogger(__name__)
_Thing = TypeVar("_Thing")
Rows = Mapping[str, RowAnswer]
"""What became of the rows of a batch, by key; empty where all were taken."""


@dataclass(frozen=True)
class Call:
    """One request. `path` is relative to the base URL; at most one of the bodies is given.

    Responses of 2xx and of the statuses in `reads` go back to the vendor's module, any other ends
    the batch. One that is not paced has a limit of its own that is never reached one by one.
    """

    path: str
    json: Any = None
    method: str = "POST"
    params: Mapping[str, Any] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[int] = frozenset()
    is_paced: bool = True


@dataclass(frozen=True)
class Pause:
    """A wait between two calls, for a vendor that works on a job."""

    seconds: float


Exchange = Generator[Call | Pause, httpx.Response, Rows]


class Unusual(Exception):  # noqa: N818 - not an error
    """What a vendor's module makes of a response, where it is not what became of the rows."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class Failed(Unusual):
    """A call that came to nothing, thrown into the exchange: it ends the batch if nobody minds."""


class HttpSettings(DestinationSettings):
    """The settings that all vendors over HTTP have."""

    # Another host of the vendor (a region), or a stand-in. Some put a secret into the path.
    base_url: str = Field(default="", repr=False)
    batch_size: int = Field(default=1, ge=1)
    # Batches under way at the same time.
    concurrency: int = Field(default=4, ge=1, le=64)
    timeout_seconds: float = Field(default=10.0, gt=0)
    # Calls for one batch within a run, the pause before the second (it doubles from there), and the
    # longest pause that a run obeys; a vendor that asks for more is left for a later run.
    calls_per_run: int = Field(default=4, ge=1, le=20)
    retry_seconds: float = Field(default=0.5, ge=0)
    max_wait_seconds: float = Field(default=15.0, ge=0, le=60)
    # Runs in which a row is tried before it counts as failed.
    max_attempts: int = Field(default=10, ge=1)

    def make_auth(self) -> TokenAuth | None:
        """Where tokens come from, for a vendor that gives them by OAuth 2."""
        return None

    @field_validator("base_url")
    @classmethod
    def _http_url(cls, url: str) -> str:
        return checked_url(url) if url else url


def checked_url(url: str) -> str:
    """The URL, which must be of HTTP and without a password."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or any(character.isspace() for character in url):
        raise ValueError("not an http(s) URL")
    if "@" in parts.netloc:
        raise ValueError("a user name or password does not belong in the URL; use token")
    return url


class HttpDestination(ABC):
    """A vendor over HTTP. No secret appears in any text that it gives out."""

    modes: ClassVar[tuple[Mode, ...]] = ("audience",)
    # What the audience of a rule is; any text where nothing is said.
    audience: ClassVar[Audience | None] = None
    # What the name of an event must be; any text where nothing is said.
    event: ClassVar[EventName | None] = None
    # Whether rules may name one audience: nobody is taken out of it by its name.
    shares_audience: ClassVar[bool] = False
    # What the vendor lets be repeated without harm: it knows a row again, or sets what is set.
    repeatable: ClassVar[tuple[Mode, ...]] = ("audience", "event", "message", "task")
    # Whether its fields have types, so that of an amount that is a text it cannot say what is more.
    has_numbers: ClassVar[bool] = False
    # The vendor's published limits: so many calls in so many seconds.
    rates: ClassVar[tuple[tuple[int, float], ...]] = ()
    # Whether a batch of a rule that the settings no longer have can be sent all the same.
    needs_rule: ClassVar[bool] = True
    is_full_feed = False

    def __init__(self, name: str, settings: HttpSettings, place: Place) -> None:
        self.name = name
        self.rules = place.rules
        self.batch_size = settings.batch_size
        self.concurrency = settings.concurrency
        self.calls_per_run = settings.calls_per_run
        self.retry_seconds = settings.retry_seconds
        self.max_wait_seconds = settings.max_wait_seconds
        self.max_attempts = settings.max_attempts
        # The audiences whose batches may be repeated, and whether all are such.
        self.repeated = frozenset(n for n, r in place.rules.items() if r.mode in self.repeatable)
        self.is_idempotent = len(self.repeated) == len(place.rules)
        # Another way to the vendor than the network.
        self.transport: httpx.AsyncBaseTransport | None = None
        self._common = settings
        self._auth = settings.make_auth()
        if self._auth and place.tokens_dir:
            self._auth.keep_in(place.tokens_dir)
        self._secrets = secrets_of(settings) | secrets_in_url(settings.base_url)
        self._client: httpx.AsyncClient | None = None
        self._limiters: list[pyrate_limiter.Limiter] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @abstractmethod
    def exchange(self, batch: Batch, rule: ActivationRule) -> Exchange:
        """The calls of a batch, one after the other; what became of each row at the end.

        It is run again from the start where a call failed and may be repeated.
        """

    @property
    def base_url(self) -> str:
        """Where the paths of calls begin."""
        return self._common.base_url

    def headers(self) -> Mapping[str, str]:
        """The headers of every call, with what authorises it."""
        return {}

    def probing(self) -> Call | None:
        """The cheapest call that shows whether the vendor lets us in, and changes nothing there."""
        return None

    async def probe(self) -> Answer | None:
        """Whether the vendor lets us in, its trouble as the reason; None where it cannot be tried.

        Nothing is sent to anybody.
        """
        call = self.probing()
        if not all(_fits_a_header(value) for value in self.headers().values()):
            return stop("its token has characters that a header cannot carry")
        try:
            if call:
                got = await self._response(call, Batch("probe", self.name, "", ()))
            elif self._auth:
                # Vendors with tokens of their own say no where they give none.
                await asyncio.to_thread(self._auth.token)
                return Answer("accepted")
            else:
                return None
        except SourceError as error:
            return self._without_secrets(stop(str(error)))
        except httpx.RequestError as error:
            return self._without_secrets(self._trouble(error))
        return self._without_secrets(got) if isinstance(got, Answer) else Answer("accepted")

    def judge(self, response: httpx.Response, batch: Batch) -> Answer | None:
        """What a response means that only this vendor gives so; None where nothing is special."""
        return None

    async def send(self, batch: Batch) -> Answer:
        """Make the calls of a batch once; whatever happens becomes an answer."""
        if not all(_fits_a_header(value) for value in self.headers().values()):
            return stop("its token has characters that a header cannot carry")
        try:
            answer = await self._run(batch)
        except Unusual as unusual:
            answer = unusual.answer
        return self._without_secrets(answer)

    def preview(self, batch: Batch) -> str:
        """The first request of a batch, as text."""
        exchange = self._begin(batch)
        try:
            call = next(exchange)
        except StopIteration as done:
            return "\n".join(f"{key}: {row.message}" for key, row in (done.value or {}).items())
        except Unusual as unusual:
            return unusual.answer.reason
        finally:
            exchange.close()
        assert isinstance(call, Call)  # noqa: S101 - nobody waits before the first call
        with httpx.Client(base_url=self.base_url, verify=trusted()) as client:
            request = client.build_request(**_arguments(call))
        body = request.content.decode(errors="replace")
        return mask(f"{request.method} {request.url}\n{body}".rstrip(), self._secrets)

    def missing(self) -> tuple[str, ...]:
        """Nothing: the vendor keeps its own."""
        return ()

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.aclose()
            self._client = None
        for one in self._limiters:
            one.close()
        self._limiters = []

    def _rule(self, batch: Batch) -> ActivationRule:
        rule = self.rules.get(batch.audience)
        if rule is None and self.needs_rule:
            told = f"the settings have no rule for {batch.audience} any more"
            raise Unusual(Answer("refused", told, rows=errors(batch.rows, told)))
        return rule or ActivationRule(segment=batch.audience, destination=self.name)

    def _begin(self, batch: Batch) -> Exchange:
        rule = self._rule(batch)
        if self.has_numbers:
            batch = replace(batch, rows=tuple(with_numbers(row) for row in batch.rows))
        return self.exchange(batch, rule)

    async def _run(self, batch: Batch) -> Answer:
        exchange = self._begin(batch)
        try:
            step = next(exchange)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(exchange)
                    continue
                got = await self._response(step, batch)
                if isinstance(got, Answer):
                    step = exchange.throw(Failed(got))
                else:
                    step = self._read(exchange, got)
        except StopIteration as done:
            return Answer("accepted", rows=done.value or {})
        finally:
            exchange.close()

    def _read(self, exchange: Exchange, response: httpx.Response) -> Call | Pause:
        """What the vendor's module does next, where the response has what it looks for."""
        try:
            return exchange.send(response)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # Else it would stay in flight, and meet the next run in the same way.
            words = f"its answer of {response.status_code} cannot be read"
            _log.warning("%s: %s", self.name, words, exc_info=True)
            raise Unusual(Answer("retry", words, may_have_arrived=True)) from error

    async def _response(self, call: Call, batch: Batch) -> httpx.Response | Answer:
        """The response that the vendor's module reads, or what the trouble means."""
        try:
            response = await self._perform(call)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout):
            reason = f"no answer within {self._common.timeout_seconds:g} seconds"
            return Answer("retry", reason, may_have_arrived=True)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return stop("its URL cannot be used; correct it")
        except httpx.RequestError as error:
            return self._trouble(error)
        except SourceError as error:
            return stop(str(error))
        if special := self.judge(response, batch):
            return special
        if not (response.is_success or response.status_code in call.reads):
            return refusal(response, utc_now())
        if is_page(response):
            # A login or proxy page answers 200 too, and has taken nothing.
            return Answer("retry", "answers with a web page instead of a receiver's answer")
        return response

    async def _perform(self, call: Call) -> httpx.Response:
        client = self._open()
        for one in self._limiters if call.is_paced else ():
            await one.try_acquire_async(self.name)
        refused: str | None = None
        while True:
            request = client.build_request(**_arguments(call))
            if self._auth:
                token = await asyncio.to_thread(self._auth.token, refused)
                self._auth.authorise(request, token)
            # The limit of httpx is for each read; a receiver that drips bytes must end as well.
            async with asyncio.timeout(2 * self._common.timeout_seconds):
                response = await client.send(request)
            if not self._auth or response.status_code != 401 or refused:
                return response
            refused = token

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            # At INFO it logs whole URLs, and some vendors put a secret into the path.
            logging.getLogger("httpx").setLevel(logging.WARNING)
            headers = {"User-Agent": "marketing-platform", **self.headers()}
            seconds = self._common.timeout_seconds
            self._client = httpx.AsyncClient(
                base_url=self.base_url,
                headers=headers,
                timeout=httpx.Timeout(seconds, connect=min(seconds, _MOST_TO_CONNECT)),
                transport=self.transport,
                verify=trusted(),
            )
            self._limiters = [limiter(count, seconds) for count, seconds in self.rates]
        return self._client

    def _trouble(self, error: httpx.RequestError) -> Answer:
        cause = _root(error)
        host = httpx.URL(self.base_url).host
        if isinstance(cause, socket.gaierror):
            return stop(f"the host {host} does not resolve")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return stop(f"the certificate of {host} is not trusted")
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return Answer("retry", f"no connection to {host}")
        return Answer("retry", f"{host} dropped the connection", may_have_arrived=True)

    def _without_secrets(self, answer: Answer) -> Answer:
        """The same answer; a vendor that repeats a secret does not bring it into the ledger."""
        hidden = self._secrets | self._sent()
        if not hidden:
            return answer
        rows = {
            key: replace(row, message=mask(row.message, hidden)) for key, row in answer.rows.items()
        }
        return replace(answer, reason=mask(answer.reason, hidden), rows=rows)

    def _sent(self) -> frozenset[str]:
        """What authorises a call besides the secrets of the settings: made of them, or a token."""
        made = self.headers().get("Authorization", "").partition(" ")[2]
        tokens = self._auth.secrets() if self._auth else frozenset()
        return tokens | {made} if made else tokens


def plain(secret: SecretStr | None) -> str:
    """The secret itself; empty where there is none."""
    return secret.get_secret_value() if secret else ""


def basic(user: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def errors(rows: Sequence[Row], message: str) -> dict[str, RowAnswer]:
    """The same error for all of these rows."""
    return {row.key: RowAnswer("error", message) for row in rows}


def complete(rows: Sequence[Row], told: Rows) -> Rows:
    """An answer for every row: those that are not named in `told` were taken."""
    return {row.key: told.get(row.key, RowAnswer("ok")) for row in rows} if told else {}


def part_by_part(
    parts: Sequence[Sequence[Row]],
    call_for: Callable[[Sequence[Row]], Call],
    read: Callable[[Sequence[Row], httpx.Response], Rows] = lambda *_: {},
) -> Exchange:
    """A call for each part, where a vendor does not know again what it was told.

    A call that fails costs its own rows alone: those before it were taken and are not told twice,
    those after it wait for another run. `read` says what became of the rows of a part; all were
    taken where it says nothing. Where many in a row are refused, it is the vendor and not they.
    """
    told: dict[str, RowAnswer] = {}
    refused = 0
    for number, part in enumerate(parts):
        try:
            response = yield call_for(part)
        except Failed as failed:
            answer = failed.answer
            if answer.kind == "refused":
                told |= errors(part, answer.reason)
                refused += 1
                if refused >= _REFUSED_PARTS:
                    reason = f"refused {refused} rows in a row ({answer.reason})"
                    raise Unusual(replace(stop(reason), rows=told)) from None
                continue
            if not answer.may_have_arrived:
                raise Unusual(replace(answer, rows=told)) from None
            told |= {row.key: RowAnswer("unknown", answer.reason) for row in part}
            left = [row for later in parts[number + 1 :] for row in later]
            return told | {row.key: RowAnswer("later", answer.reason) for row in left}
        refused = 0
        told |= complete(part, read(part, response)) or {row.key: _TAKEN for row in part}
    return told


def in_parts(things: Sequence[_Thing], size: int) -> list[Sequence[_Thing]]:
    """Things in their order, in parts of at most `size`."""
    return [things[start : start + size] for start in range(0, len(things), size)]


def dump(content: Any) -> bytes:
    """JSON without blanks; the same content gives the same bytes."""
    return orjson.dumps(content)


_TAKEN = RowAnswer("ok")
_REFUSED_PARTS = 20
# Who takes long to answer does not take long to be reached.
_MOST_TO_CONNECT = 10.0


def _arguments(call: Call) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if call.json is not None:
        body = {"content": dump(call.json)}
    elif call.form is not None:
        body = {"data": dict(call.form)}
    elif call.content is not None:
        body = {"content": call.content}
    kind = {"Content-Type": "application/json"} if call.json is not None else {}
    return {
        "method": call.method,
        "url": call.path,
        "params": dict(call.params) or None,
        "headers": {**kind, **call.headers},
        **body,
    }


def _fits_a_header(value: str) -> bool:
    return value.isascii() and (value.isprintable() or not value)


def _root(error: BaseException) -> BaseException:
    """The innermost cause: httpx wraps what httpcore wraps what the socket said."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error
