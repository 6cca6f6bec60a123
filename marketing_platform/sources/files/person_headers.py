"""What the columns of a file of people go by, in the exports of shops and in those of anybody.

Words in lower case without accents, joined by `_`, in the languages that shops export in; the first
that a file has wins.
"""

from __future__ import annotations

from collections.abc import Mapping

PERSON_HEADERS: Mapping[str, tuple[str, ...]] = {
    "first_name": (
        *("first_name", "firstname", "given_name", "givenname", "forename", "fname", "vorname"),
        *("prenom", "nombre", "voornaam", "nome"),
    ),
    "last_name": (
        *("last_name", "lastname", "surname", "family_name", "familyname", "lname", "nachname"),
        *("familienname", "nom", "apellido", "apellidos", "achternaam", "cognome"),
    ),
    "full_name": (
        *("full_name", "fullname", "name", "customer_name", "contact_name", "person_name"),
    ),
    "birth_date": (
        *("birth_date", "birthdate", "date_of_birth", "dob", "birthday", "geburtsdatum"),
        *("geburtstag", "date_de_naissance", "fecha_de_nacimiento"),
    ),
    "email": (
        *("email", "e_mail", "email_address", "e_mail_address", "mail", "mail_address"),
        *("email_adresse", "e_mail_adresse", "mailadresse", "adresse_e_mail", "adresse_mail"),
        *("courriel", "e_mailadres", "correo", "correo_electronico", "indirizzo_e_mail"),
        # Of people with several.
        *("email_1", "e_mail_1", "e_mail_1_value"),
    ),
    "phone": (
        *("phone", "phone_number", "mobile", "mobile_phone", "mobile_number", "telephone", "tel"),
        *("cell", "landline", "telefon", "telefonnummer", "handy", "telefono"),
        *("telefoon", "telefoonnummer", "portable", "phone_1", "phone_1_value"),
    ),
    "street": (
        *("street", "address", "address_1", "address1", "street_address", "address_line_1"),
        *("strasse", "adresse", "anschrift", "direccion", "rue"),
    ),
    "city": (
        *("city", "town", "suburb", "locality", "ort", "stadt", "wohnort", "ville", "ciudad"),
        "plaats",
    ),
    "postcode": (
        *("postcode", "post_code", "zip", "zip_code", "zipcode", "postal_code", "plz"),
        *("postleitzahl", "code_postal", "codigo_postal"),
    ),
    "region": (
        *("region", "state", "province", "state_region", "state_province", "county", "bundesland"),
    ),
    "country": ("country", "country_code", "country_region", "land", "pays", "pais"),
}
