"""What an export file may say: the fields of each stream, and the headers they go by.

`synonyms` are headers in lower case without anything but letters and digits; the first that the
file has wins. They come from the exports of the common shop, ad and CRM systems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "id", "number", "integer", "timestamp", "date", "flag"]


@dataclass(frozen=True)
class Field:
    """A field of a stream: its kind, and the headers that mean it."""

    name: str
    kind: Kind
    synonyms: tuple[str, ...]


@dataclass(frozen=True)
class StreamFields:
    """The fields of one stream.

    `clock` is the field whose day a record belongs to. Of each group in `required` at least one
    field must be mapped.
    """

    stream: str
    fields: tuple[Field, ...]
    clock: str
    required: tuple[tuple[str, ...], ...]

    def names(self) -> list[str]:
        """The names of the fields."""
        return [field.name for field in self.fields]


def _field(name: str, kind: Kind, synonyms: str) -> Field:
    return Field(name, kind, (name.replace("_", ""), *synonyms.split()))


_EMAIL = _field("email", "text", "emailaddress customeremail buyeremail useremail mail")
_PHONE = _field("phone", "text", "phonenumber mobile mobilephone telephone billingphone")
_CURRENCY = _field("currency", "text", "currencycode")
_COUNTRY = _field("country", "text", "billingcountry shippingcountry countrycode")

ORDERS = StreamFields(
    stream="orders",
    fields=(
        _field(
            "order_id",
            "id",
            "invoiceno invoice invoicenumber invoiceid ordernumber orderno order transactionid",
        ),
        _field("line_id", "id", "orderlineid orderitemid lineitemid"),
        _field(
            "customer_id",
            "id",
            "customerno customernumber customer clientid buyerid userid memberid cid masterid",
        ),
        _EMAIL,
        _PHONE,
        _field(
            "ordered_at",
            "timestamp",
            "invoicedate orderdate orderedat createdat orderpurchasetimestamp purchasedate"
            " transactiondate datecreated date datetime timestamp",
        ),
        _field("product_id", "id", "stockcode sku productsku lineitemsku itemid productcode"),
        _field(
            "product_title", "text", "description productname lineitemname producttitle title item"
        ),
        _field("quantity", "integer", "qty lineitemquantity units pieces numberofcds"),
        _field("unit_price", "number", "price unitcost lineitemprice itemprice"),
        _field(
            "amount",
            "number",
            "lineamount total totalamount orderamount ordertotal grandtotal subtotal revenue"
            " sales value ordervalue totalprice dollarvalue netamount paymentvalue",
        ),
        _CURRENCY,
        _COUNTRY,
        _field("status", "text", "orderstatus financialstatus linestatus"),
    ),
    clock="ordered_at",
    required=(("ordered_at",), ("amount", "unit_price"), ("order_id", "customer_id", "email")),
)
CONTACTS = StreamFields(
    stream="contacts",
    fields=(
        _field("customer_id", "id", "contactid id userid memberid recordid customernumber"),
        _EMAIL,
        _PHONE,
        _field("first_name", "text", "firstname givenname forename"),
        _field("last_name", "text", "lastname surname familyname"),
        _COUNTRY,
        _field(
            "email_consent", "flag", "emailconsent acceptsmarketing emailoptin subscribed optin"
        ),
        _field("sms_consent", "flag", "smsconsent smsoptin acceptssmsmarketing"),
        _field("created_at", "timestamp", "createdate created signupdate registrationdate"),
        _field("updated_at", "timestamp", "lastmodifieddate modified updated lastchanged"),
    ),
    clock="updated_at",
    required=(("customer_id", "email", "phone"),),
)
PRODUCTS = StreamFields(
    stream="products",
    fields=(
        _field("product_id", "id", "sku stockcode id productcode itemid"),
        _field("title", "text", "name productname description producttitle"),
        _field("category", "text", "productcategory categoryname producttype type"),
        _field("price", "number", "listprice unitprice regularprice"),
        _CURRENCY,
        _field("updated_at", "timestamp", "modified updated lastmodified"),
    ),
    clock="updated_at",
    required=(("product_id",),),
)
EVENTS = StreamFields(
    stream="events",
    fields=(
        _field("event_id", "id", "messageid id insertid"),
        _field("event", "text", "eventname eventtype action"),
        _field("occurred_at", "timestamp", "timestamp eventtime originaltimestamp time date"),
        _field("customer_id", "id", "userid"),
        _field("anonymous_id", "id", "deviceid visitorid clientid userpseudoid usersession"),
        _EMAIL,
        _field("product_id", "id", "propertiesproductid propertiessku sku"),
        _field("order_id", "id", "propertiesorderid"),
    ),
    clock="occurred_at",
    required=(("event",), ("occurred_at",), ("customer_id", "anonymous_id", "email")),
)
AD_PERFORMANCE = StreamFields(
    stream="ad_performance",
    fields=(
        _field("performance_date", "date", "date day reportdate"),
        _field("platform", "text", "source network channel"),
        _field("campaign_id", "id", "campaign"),
        _field("campaign_name", "text", "campaignname"),
        _field("impressions", "integer", "impressioncount"),
        _field("clicks", "integer", "clickcount"),
        _field("cost", "number", "spend amountspent costamount"),
        _field("conversions", "integer", "conversioncount purchases"),
        _field("conversion_value", "number", "conversionsvalue purchasevalue revenue"),
        _CURRENCY,
    ),
    clock="performance_date",
    required=(("performance_date",), ("campaign_id", "campaign_name"), ("cost", "clicks")),
)

STREAMS: dict[str, StreamFields] = {
    stream.stream: stream for stream in (ORDERS, CONTACTS, PRODUCTS, EVENTS, AD_PERFORMANCE)
}
