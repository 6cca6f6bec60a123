"""People who are made up, by a fixed seed: households, and records of them with mistakes."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence

import polars as pl

FIRST = (
    *("ada", "ben", "cleo", "dan", "eva", "finn", "gus", "hana", "ivo", "jana", "karl", "lena"),
    *("milo", "nora", "otto", "pia", "quinn", "rosa", "sam", "tara", "ulf", "vera", "wim"),
    *("xenia", "yuri", "zoe", "anton", "berta", "cyril", "doris", "emil", "frida", "gerd"),
)
SOUNDS = ("ba", "de", "fi", "go", "hu", "ja", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu")
STREETS = ("oak", "elm", "pine", "lake", "hill", "park", "mill", "church", "station", "garden")


def households(
    count: int, *, seed: int, members: Sequence[int] = (1, 2, 3), surnames: int = 500
) -> pl.DataFrame:
    """So many households; each member is written one to three times, with mistakes.

    All of one household have one address, one family name and one phone. `truth` says who is who.
    """
    draw = random.Random(seed)  # noqa: S311 - people, not keys
    names = ["".join(draw.choices(SOUNDS, k=3)) for _ in range(surnames)]
    rows = []
    for number in range(count):
        home = {
            "last_name": draw.choice(names),
            "street": f"{draw.randrange(1, 200)} {draw.choice(STREETS)} street",
            "postcode": f"{draw.randrange(10_000, 99_999)}",
            "phone": f"+1{draw.randrange(2_000_000_000, 9_999_999_999)}",
        }
        for member, first in enumerate(draw.sample(FIRST, draw.choice(members))):
            born = dt.date(1940, 1, 1) + dt.timedelta(days=draw.randrange(25_000))
            person = {
                **home,
                "first_name": first,
                "date_of_birth": born.isoformat(),
                "email": f"{first}.{home['last_name']}{draw.randrange(90)}@example.com",
                "truth": f"{number}-{member}",
            }
            rows += [
                _written(person, draw, is_first=not time) for time in range(draw.choice((1, 2, 3)))
            ]
    draw.shuffle(rows)
    return pl.DataFrame(rows)


def _written(
    person: dict[str, str], draw: random.Random, *, is_first: bool
) -> dict[str, str | None]:
    row: dict[str, str | None] = dict(person)
    for name in ("first_name", "last_name", "street"):
        if not is_first and draw.random() < 0.15:
            text = person[name]
            place = draw.randrange(1, len(text))
            row[name] = text[:place] + draw.choice("aeimnrst") + text[place + 1 :]
    for name in ("first_name", "date_of_birth", "email", "phone", "street"):
        if draw.random() < 0.12:
            row[name] = None
    return row
