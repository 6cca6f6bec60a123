"""What the columns of a file of people are taken for."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from marketing_platform.identity.dedupe import read_people
from marketing_platform.identity.headers import recognised


@pytest.mark.parametrize(
    ("header", "roles"),
    [
        (
            "unique_id,cluster,full_name,first_name,surname,dob,birth_place,postcode_fake",
            {
                "first_name": "first_name", "last_name": "surname", "birth_date": "dob",
                "city": "birth_place", "postcode": "postcode_fake",
            },
        ),
        (
            "Vorname,Nachname,Geburtsdatum,Straße,PLZ,Ort,Telefon",
            {
                "first_name": "Vorname", "last_name": "Nachname", "birth_date": "Geburtsdatum",
                "street": "Straße", "postcode": "PLZ", "city": "Ort", "phone": "Telefon",
            },
        ),
        (
            "Name,Billing ZIP,contact email,email type,phone verified",
            {"full_name": "Name", "postcode": "Billing ZIP", "email": "contact email"},
        ),
        (
            "customer first name,customer last name,customer id",
            {"first_name": "customer first name", "last_name": "customer last name"},
        ),
        (
            "First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,"
            "Default Address Address1,Default Address Address2,Default Address City,"
            "Default Address Province Code,Default Address Country Code,Default Address Zip,Phone",
            {
                "first_name": "First Name", "last_name": "Last Name", "email": "Email",
                "phone": "Phone", "street": "Default Address Address1",
                "city": "Default Address City", "postcode": "Default Address Zip",
                "region": "Default Address Province Code",
                "country": "Default Address Country Code",
            },
        ),
        (
            "billing_address_1,billing_address_2,billing_city,billing_postcode,billing_email,"
            "billing_phone,billing_first_name,billing_last_name,shipping_first_name",
            {
                "first_name": "billing_first_name", "last_name": "billing_last_name",
                "email": "billing_email", "phone": "billing_phone",
                "street": "billing_address_1", "city": "billing_city",
                "postcode": "billing_postcode",
            },
        ),
        (
            "Full Name,Mailing Street,Mailing City,Mailing State/Province,"
            "Mailing Zip/Postal Code,Mailing Country,Email Opt Out",
            {
                "full_name": "Full Name", "street": "Mailing Street", "city": "Mailing City",
                "postcode": "Mailing Zip/Postal Code", "region": "Mailing State/Province",
                "country": "Mailing Country",
            },
        ),
        (
            "last_name,first_name,midl_name,name_sufx,sex,street_number,res_street_address,"
            "res_city_desc,zip_code,full_phone_num,email_address_1",
            {
                "first_name": "first_name", "middle_name": "midl_name", "last_name": "last_name",
                "name_suffix": "name_sufx", "gender": "sex", "email": "email_address_1",
                "phone": "full_phone_num", "street": "res_street_address",
                "city": "res_city_desc", "postcode": "zip_code",
            },
        ),
    ],
)  # fmt: skip
def test_columns_are_recognised_by_their_names(
    header: str, roles: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    path.write_text(header + "\n" + "," * header.count(",") + "\n")
    assert dict(read_people(path).roles) == roles


@pytest.mark.parametrize(
    ("header", "values", "role"),
    [
        ("mail_sent_at", ["2026-01-01", "2026-02-01"], "email"),
        ("phone_kind", ["mobile", "home"], "phone"),
        ("land_code", ["49", "43"], "country"),
        ("birth_date_source", ["crm", "shop"], "birth_date"),
    ],
)
def test_a_column_whose_values_say_otherwise_is_not_taken_for_what_its_header_ends_or_begins_with(
    header: str, values: list[str], role: str
) -> None:
    assert role not in recognised(pl.DataFrame({header: values}), ())
    right = {"email": "a@b.example", "phone": "+49 151 234567", "country": "Austria"}
    mended = [right.get(role, "1990-01-31")] * 2
    assert recognised(pl.DataFrame({header: mended}), ()) == {role: header}


def test_what_is_told_is_not_looked_for() -> None:
    records = pl.DataFrame({"surname": ["Ada"], "last_name": ["King"]})
    assert recognised(records.select("last_name"), {"last_name"}) == {}


@pytest.mark.parametrize(
    ("names", "taken_for"),
    [
        (["Lovelace", "Hopper", "Curie"], {"first_name": "Vorname", "last_name": "Name"}),
        (["Ada Lovelace", "Hopper, Grace", "M. Curie"], {"full_name": "Name"}),
    ],
)
def test_a_name_beside_a_given_name_is_the_family_name_or_the_whole(
    names: list[str], taken_for: dict[str, str]
) -> None:
    given = ["Ada", "Grace", "Marie"]
    assert recognised(pl.DataFrame({"Name": names, "Vorname": given}), ()) == taken_for
