"""Duplicates in a file of people, without a platform: columns by their names, and odd values."""

from __future__ import annotations

import zipfile
from pathlib import Path

import polars as pl
import pytest

from marketing_platform.errors import InputError
from marketing_platform.identity.dedupe import dedupe, quality, read_people
from marketing_platform.identity.linkage import link

SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se")


def spoken(number: int, length: int) -> str:
    """A name for a number, another one for each."""
    signs = []
    for _ in range(length):
        number, place = divmod(number, len(SYLLABLES))
        signs.append(SYLLABLES[place])
    return "".join(signs).capitalize()


def people(count: int) -> pl.DataFrame:
    """So many people, each with two records that differ by a typo in the family name."""
    rows = [
        {
            "given_name": spoken(7 * person % 144, 2),
            "surname": spoken(person, 4) + ("" if copy else "a"),
            "dob": f"{1940 + person % 60}-{1 + person % 12:02}-{1 + person % 28:02}",
            "person": person,
        }
        for person in range(count)
        for copy in range(2)
    ]
    return pl.DataFrame(rows)


def written(frame: pl.DataFrame, folder: Path) -> Path:
    path = folder / "people.csv"
    frame.write_csv(path)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("head", ["", "sep=;\n", "\n"])
def test_a_file_of_any_editor_is_read(encoding: str, head: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    text = f'{head}Vorname;Nachname;Ort\r\nJürgen;"Müller; Sohn";Köln\r\n'
    path.write_bytes(text.encode(encoding))
    read = read_people(path)
    assert read.records.rows() == [("Jürgen", "Müller; Sohn", "Köln")]
    assert set(read.roles) == {"first_name", "last_name", "city"}


@pytest.mark.parametrize(
    ("row", "last"),
    [
        ("ann,lee,12345,", None),
        ("ann,lee,12345,a note,another", "a note"),
        ('ann,lee,"12345" or near,', None),
        ('ann,lee,12345"', None),
        ("ann,lee", None),
        ('ann,lee,12345,"a note\nof two lines"', "a note\nof two lines"),
    ],
)
@pytest.mark.parametrize("before", [0, 2_000])
def test_a_row_that_is_not_as_its_header_loses_nobody(
    row: str, last: str | None, before: int, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    lines = ["given_name,surname,postcode", *["bob,ray,54321"] * before, row, "cy,roe,67890"]
    path.write_text("\n".join(lines) + "\n")
    records = read_people(path).records
    assert records.height == before + 2
    assert records.row(before)[:2] == ("ann", "lee")
    assert records.row(-1)[:3] == ("cy", "roe", "67890")
    if last:
        assert records.row(before)[3] == last


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    lines = ["given_name,surname,postcode", 'ann,lee,"12345', *["cy,roe,67890"] * 9]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="a quote is opened and not closed, and 9 lines"):
        read_people(path)


@pytest.mark.parametrize("text", ["", "\n\n", "given_name,surname\n"])
def test_a_file_of_nothing_is_told_by_its_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text)
    with pytest.raises(InputError) as told:
        read_people(path)
    assert told.value.where == str(path)


def test_an_archive_is_no_file_of_people_though_its_text_can_be_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "people.csv.zip", "w") as archive:
        archive.writestr("people.csv", "given_name,surname\nann,lee\nbea,king\n")
    with pytest.raises(InputError, match="this is an archive"):
        read_people(tmp_path / "people.csv.zip")


def test_a_file_that_says_nothing_of_people_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("colour,size\nred,1\n")
    with pytest.raises(InputError, match="--map last_name=COLUMN"):
        read_people(tmp_path / "people.csv")


@pytest.mark.parametrize(
    "form",
    [
        *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d %B %Y", "%Y%m%d", "%Y-%m-%d 00:00:00"),
        *("%Y-%m-%dT00:00:00.000Z", "%Y-%m-%d 00:00:00+00:00", "%m/%d/%Y 0:00"),
    ],
)
@pytest.mark.parametrize("is_whole", [False, True])
def test_whole_names_and_dates_of_any_form_are_compared_as_parts(
    form: str, is_whole: bool, tmp_path: Path
) -> None:
    frame = people(300).with_columns(pl.col("dob").str.to_date().dt.strftime(form))
    if is_whole:
        frame = frame.select("dob", "person", name=pl.col("surname") + ", " + pl.col("given_name"))
    read = read_people(written(frame, tmp_path), ignored=["person"])
    found = quality(dedupe(read).clusters, frame["person"])
    assert found["pairwise"]["f1"] > 0.99


def test_what_very_many_have_ties_nobody_and_makes_no_pairs(tmp_path: Path) -> None:
    count = 2_000
    number = pl.int_range(pl.len())
    frame = people(count).with_columns(
        email=pl.when(number % 3 > 0)
        .then(pl.lit("none@none.com"))
        .otherwise(pl.format("p{}@example.com", "person")),
        phone=pl.lit("0000000"),
    )
    read = read_people(written(frame, tmp_path), ignored=["person"])
    found = dedupe(read)
    assert found.pairs.height < 20 * count
    assert quality(found.clusters, frame["person"])["pairwise"]["f1"] > 0.98


def test_a_name_that_is_given_twice_is_not_compared_with_all_others_of_it() -> None:
    frame = people(2_000).select(
        first_name=pl.lit("test"), last_name=pl.lit("test"), birth_date="dob"
    )
    assert link(frame).pairs.height < 100_000


def test_names_that_half_of_all_have_do_not_make_the_square_of_them_in_pairs() -> None:
    frame = people(2_500).select(
        first_name=pl.lit("ada"),
        last_name=pl.when(pl.int_range(pl.len()) % 2 == 0)
        .then(pl.lit("anchor"))
        .otherwise("surname"),
        birth_date="dob",
    )
    # A quarter of all pairs agree in both names: three millions.
    assert link(frame).pairs.height < 2_500_000


ADA = "ada,lovelace,ada@example.org,1980-01-02"
BOB = "bob,smith,bob@example.org,1981-03-04"


@pytest.mark.parametrize(
    ("lines", "clusters"),
    [([ADA, ADA], 1), ([ADA, BOB], 2), ([ADA, ADA, ADA, BOB], 2), ([ADA], 1), ([",,,", ",,,"], 2)],
)
def test_a_file_of_a_few_people_is_read_too(
    tmp_path: Path, lines: list[str], clusters: int
) -> None:
    path = tmp_path / "people.csv"
    path.write_text("\n".join(["given_name,surname,email,date_of_birth", *lines]) + "\n")
    assert dedupe(read_people(path)).clusters.n_unique() == clusters
