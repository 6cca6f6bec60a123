"""Who is told what and where, and when a plan is refused."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from marketing_platform.mistakes import first_mistake
from marketing_platform.settings.group import Group, as_text

Channel = Literal["email", "sms", "push"]
Mode = Literal["audience", "event", "message", "task"]
# What a list of products in a message may have.
MOST_PRODUCTS = 10


class Limits(Group):
    """When a plan is refused because it looks wrong rather than right."""

    # Share of an audience that one plan may remove, and how much one plan may grow it.
    max_removal_share: float = Field(default=0.5, ge=0, le=1)
    max_growth_ratio: float = Field(default=2.0, gt=1)
    # Audiences smaller than this are not judged by share and ratio.
    minimum_audience: int = Field(default=100, ge=0)
    # An audience that would be smaller or larger than these, and more messages than this at once.
    min_size: int = Field(default=0, ge=0)
    max_size: int | None = Field(default=None, ge=1)
    max_messages: int | None = Field(default=None, ge=1)


class QuietHours(Group):
    """From which full hour to which nobody is written to, by the clock where they live."""

    start: int = Field(ge=0, le=23)
    end: int = Field(ge=0, le=23)

    @model_validator(mode="after")
    def _some_hours(self) -> Self:
        if self.start == self.end:
            raise ValueError("start and end are the same hour")
        return self

    def has(self, hour: int) -> bool:
        """Whether an hour of the day is one of them."""
        if self.start < self.end:
            return self.start <= hour < self.end
        return hour >= self.start or hour < self.end


class DestinationSettings(Group):
    """What every destination is told; a type adds its own (the class `SETTINGS` of its module).

    `type` is the name of a module in `destinations/vendors/`. Who lacks what it `requires`, or has
    not agreed to the channel of `consent`, is not sent there. In `quiet_hours` nobody is written to
    by it. Who is in an audience is told again after `refresh_days`, where it forgets its members.
    `limits` take the place of the shop's.
    """

    # The channel by which it reaches people whatever they were asked to agree to.
    own_channel: ClassVar[Channel | None] = None
    # The attributes by which it finds a person again; none where it does by our own id.
    known_by: ClassVar[tuple[str, ...]] = ()
    # The attributes of which a rule has to tell one: without it nobody is found or reached there.
    asks_for: ClassVar[tuple[str, ...]] = ()

    type: str
    requires: tuple[Literal["email", "phone"], ...] = ()
    consent: Channel | None = None
    quiet_hours: QuietHours | None = None
    refresh_days: int | None = Field(default=None, ge=1)
    limits: Limits | None = None

    @property
    def reaches_by(self) -> Channel | None:
        """The channel by which people are reached; none where nobody is written to."""
        return self.consent or self.own_channel

    def takes(self, attribute: str) -> bool:
        """Whether an audience there has room for an attribute."""
        return True

    @property
    def place(self) -> str:
        """The key of the settings that makes room for more; empty where nothing can."""
        return ""

    @property
    def links(self) -> Mapping[str, str]:
        """What templates of messages may name besides the rule's attributes, and must name.

        Each by its own template, of a URL.
        """
        return {}

    @property
    def link_words(self) -> frozenset[str]:
        """What the templates of links may name besides what the rule tells."""
        return frozenset()

    @property
    def lacks_for_messages(self) -> str:
        """What must be added before it may write to people; empty where nothing is missing."""
        return ""

    def lacks_words(self, content: Content) -> str:
        """What a message or a task still has to say there; empty where nothing is missing."""
        return ""


def _of_its_type(value: Any) -> Any:
    """The settings of a destination, checked by the class that its type has."""
    if isinstance(value, DestinationSettings):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("destination", "expected keys and values")
    kind = str(value.get("type", ""))
    known = destination_types()
    if kind not in known:
        near = difflib.get_close_matches(kind, known, n=1)
        mend = f"perhaps {near[0]}" if near else f"there are: {', '.join(known)}"
        told = f"no destination of type {kind!r}; {mend}" if kind else f"type is missing; {mend}"
        raise PydanticCustomError("destination", "{told}", {"told": told})
    module = importlib.import_module(f"marketing_platform.destinations.vendors.{kind}")
    try:
        return module.SETTINGS.model_validate(value)
    except ValidationError as error:
        told = first_mistake(error, module.SETTINGS)
        raise PydanticCustomError("destination", "{told}", {"told": told}) from None


@cache
def destination_types() -> tuple[str, ...]:
    """The types of destinations: the modules of `destinations/vendors/`."""
    folder = Path(__file__).parent.parent / "destinations" / "vendors"
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)])))


Destination = Annotated[SerializeAsAny[DestinationSettings], BeforeValidator(_of_its_type)]


class Content(Group):
    """The words of a message or a task: Jinja templates over the attributes of the rule.

    Each destination says which of them it uses; `template` is the vendor's own template, and
    `variables` what it is filled in with, where the vendor names its variables otherwise than the
    attributes are named.
    """

    subject: str | None = None
    text: str | None = None
    html: str | None = None
    template: str | None = None
    variables: dict[str, str] = Field(default_factory=dict)

    @field_validator("variables", mode="before")
    @classmethod
    def _names(cls, given: Any) -> Any:
        """YAML reads 1 as a number; here it is a name."""
        return {str(name): value for name, value in given.items()} if type(given) is dict else given

    @property
    def templates(self) -> dict[str, str]:
        """Each template of ours by its key."""
        words = {"subject": self.subject, "text": self.text, "html": self.html}
        words |= {f"variables.{name}": value for name, value in self.variables.items()}
        return {key: template for key, template in words.items() if template}


class When(Group):
    """An odd day of a series of the business, as in `quality.anomalies`.

    `kind` none: whatever is odd about it. It counts for `days` days, the odd one among them.
    """

    metric: str
    kind: Literal["spike", "dip", "level_shift", "flat"] | None = None
    slice_kind: str = "all"
    slice: str = "all"
    days: int = Field(default=1, ge=1, le=60)

    @property
    def label(self) -> str:
        """The series and what is odd about it as one word."""
        of = () if self.slice_kind == "all" else (self.slice_kind, self.slice)
        told = [word for word in (self.metric, *of, self.kind) if word is not None]
        return re.sub(r"\W+", "_", "_".join(told)).strip("_").lower()


class Holdout(Group):
    """The part of a rule's members who are not told, to see what telling is worth.

    Who is in it is settled by a hash of the customer's id and `bucket`, as in segments: rules of
    one bucket leave out the same people; each rule has its own unless told. What people bought is
    compared for `days` after the plan that told them, or would have.
    """

    share: Decimal = Field(gt=0, le=Decimal("0.5"))
    days: int = Field(default=14, ge=1, le=365)
    bucket: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_share(cls, given: Any) -> Any:
        """`holdout: 0.1` is the share alone."""
        if isinstance(given, int | float | Decimal) and not isinstance(given, bool):
            return {"share": given}
        if not isinstance(given, Mapping | Holdout):
            raise PydanticCustomError("holdout", "expected a share, such as 0.1, or share and days")
        return given

    @field_validator("bucket")
    @classmethod
    def _plain_bucket(cls, bucket: str | None) -> str | None:
        return plain_name(bucket) if bucket is not None else None

    @field_validator("share", mode="before")
    @classmethod
    def _as_written(cls, given: Any) -> Any:
        """0.1 is a tenth, and not the binary number next to it."""
        return str(given) if isinstance(given, float) else given


class ActivationRule(Group):
    """A segment that is sent to a destination, with the attributes to send along.

    By itself it keeps an audience: the list, tag or user list `audience` of the destination, or a
    property named after the segment. With `event` who enters the segment is told as that event,
    with `message` they are written to, with `task` somebody is asked to call them; each once for
    each time that they enter, and not again within `repeat_after_days`. `per_day` is how many of
    them at most; the others wait. With `only` the other members are as if they were none, and
    nobody is held out.

    With `when` the segment counts as empty but while a series is odd: an audience is filled for
    that time, and what is told once is told once for each time that it is.
    """

    segment: str
    destination: str
    attributes: tuple[str, ...] = ("email", "phone", "first_name", "last_name", "country")
    # Of each list of products among them.
    product_count: int = Field(default=5, ge=1, le=MOST_PRODUCTS)
    # Those of them without which a person is not told.
    needs: tuple[str, ...] = ()
    audience: Annotated[str | None, BeforeValidator(as_text)] = None
    event: str | None = None
    message: Content | None = None
    task: Content | None = None
    repeat_after_days: int = Field(default=30, ge=0, le=3650)
    per_day: int | None = Field(default=None, ge=1)
    # While a rule is tried out: of its members these alone, by e-mail, phone or customer's id.
    only: tuple[str, ...] | None = Field(default=None, min_length=1)
    # A part who are not told, to compare with.
    holdout: Holdout | None = None
    when: When | None = None

    @model_validator(mode="after")
    def _needs_what_it_tells(self) -> Self:
        for name in self.needs:
            if name not in self.attributes:
                raise ValueError(f"needs {name}, which is not among its attributes")
        return self

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        told = [n for n in ("audience", "event", "message", "task") if getattr(self, n) is not None]
        if len(told) > 1:
            raise ValueError(f"{told[0]} and {told[1]} stand side by side; write two rules")
        return self

    @model_validator(mode="after")
    def _paces_what_is_told_once(self) -> Self:
        if self.per_day is not None and not self.is_once:
            raise ValueError("per_day is for event, message and task; an audience is kept whole")
        return self

    @property
    def trial(self) -> str | None:
        """That the rule is tried out, in words; None where it is not."""
        named = len(self.only or ())
        return f"tried out: only the {named} named under `only` may be told" if named else None

    @property
    def held_out(self) -> Holdout | None:
        """Who is held out; nobody while the rule is tried out."""
        return None if self.only else self.holdout

    @property
    def bucket(self) -> str:
        """By what, beside the customer's id, it is drawn who is held out."""
        told = self.holdout.bucket if self.holdout else None
        return told or f"{self.name} {self.destination}"

    @property
    def drawn(self) -> str | None:
        """Bucket and share of who is held out: what makes another comparison of it; or None."""
        return f"{self.bucket}: {self.held_out.share.normalize():f}" if self.held_out else None

    @property
    def mode(self) -> Mode:
        """What the destination is asked to do."""
        if self.event is not None:
            return "event"
        if self.message is not None:
            return "message"
        return "task" if self.task is not None else "audience"

    @property
    def is_once(self) -> bool:
        """Whether entering the segment is told once, rather than membership kept."""
        return self.mode != "audience"

    @property
    def label(self) -> str:
        """What a destination calls the members where `audience` does not say: tag, property, flag.

        Those of a rule that waits are others than all of the segment.
        """
        return f"{self.segment}_when_{self.when.label}" if self.when else self.segment

    @property
    def name(self) -> str:
        """What the ledger calls it: the label, for what is told once with how."""
        return f"{self.label}.{self.mode}" if self.is_once else self.label

    @property
    def target(self) -> str:
        """What makes the same members another audience: where they go and what is said to them."""
        if not self.is_once:
            return self.audience or ""
        return self.event or ""


class Fatigue(Group):
    """How many messages a person may get in 24 hours and in 7 days, over all destinations."""

    per_day: int = Field(default=2, ge=1)
    per_week: int = Field(default=5, ge=1)


def plain_name(name: str) -> str:
    """The name, if it can be part of a file's; raises `ValueError` otherwise."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError("a name is small letters, digits and _")
    return name


class Feed(Group):
    """What the shop sells, as a file that each activation writes anew where something changed.

    With `destination` it is no file: its offers are told to that destination, one by one. `folder`
    is a folder or a bucket's URL, `store` the options of obstore for it. `link` is the page of an
    offer where the source tells none, with `{product_id}` (the source's) or `{sku}` in it. A feed
    that would lose a larger share of its offers than `max_removal_share` is held.
    """

    format: Literal["google_merchant", "csv", "jsonl"] = "google_merchant"
    destination: str | None = None
    folder: str | None = None
    store: dict[str, SecretStr] = Field(default_factory=dict)
    link: str | None = None
    sources: tuple[str, ...] = ()
    max_removal_share: float = Field(default=0.5, ge=0, le=1)

    @field_validator("link")
    @classmethod
    def _page(cls, link: str | None) -> str | None:
        if link and not re.fullmatch(r"https?://\S*\{(product_id|sku)\}\S*", link):
            raise ValueError("write https://... with {product_id} or {sku} in it")
        return link

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.destination and (self.folder or self.format != "google_merchant"):
            raise ValueError("write destination, or folder and format, not both")
        return self
