"""`docs/profile-fields.md`: what each field of a profile means, from the SQL that computes it.

python -m marketing_platform.profiles.fields > docs/profile-fields.md
"""

from __future__ import annotations

import sys

from marketing_platform.contracts import CONTRACTS
from marketing_platform.contracts.definitions import definitions
from marketing_platform.contracts.profiles import FIELD_GROUPS

_TITLES = {
    "customers": "Who it is, and where it stands",
    "rfm": "Recency, frequency, value",
    "buying": "How it buys",
    "behaviour": "What it does on the site",
    "affinity": "What it likes, and how price moves it",
    "carts": "What lies in its cart",
    "engagement": "How it takes messages",
    "acquisition": "Where it came from",
    "service": "What the CRM and the help desk know",
    "reviews": "What they said of products",
}
_HEAD = """# Fields of a profile

Generated from the comments in `marketing_platform/profiles/*.sql`; see
`marketing_platform/profiles/fields.py`. All is as it was known at the clock: nothing that happened
later, and nothing that was known later. A segment may ask for every one.
"""


def fields_text() -> str:
    """The document."""
    profile = CONTRACTS["profiles.customers"].columns
    parts = [_HEAD]
    for table, columns in FIELD_GROUPS.items():
        told = definitions("profiles", table)
        rows = [
            f"| `{name}` | {column.duckdb_type.lower()} | {told[name]} |"
            for name, column in columns.items()
            if name in profile
        ]
        head = f"\n## {_TITLES[table]} (`profiles/{table}.sql`)\n"
        parts.append("\n".join([head, "| field | type | what |", "|---|---|---|", *rows, ""]))
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(fields_text())
