"""What an export file may say: the fields of each stream, and the headers they go by.

`synonyms` are headers in lower case without anything but letters and digits; the first under which
the file says anything wins. They come from the exports of the common shop, ad and CRM systems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from marketing_platform.sources.files.person_headers import PERSON_HEADERS

Kind = Literal[
    "text",
    "id",
    "person",
    "email",
    "phone",
    "number",
    "discount",
    "integer",
    "timestamp",
    "date",
    "birthday",
    "postcode",
    "flag",
    "mark",
]


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
    field must be mapped. Some exports say what is `shared` by the records of a `group` only in its
    first record; amounts under a header of `totals` may be those of a whole group, which each of
    its records says. A header of `only_with` has its meaning only beside one of others: in an
    export of order lines with `Lineitem name`, `Name` is that of the order. One of `bare_people`
    may have keys of people or their names.
    """

    stream: str
    fields: tuple[Field, ...]
    clock: str
    required: tuple[tuple[str, ...], ...]
    group: str = ""
    shared: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    only_with: tuple[tuple[str, tuple[str, ...]], ...] = ()
    bare_people: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """The names of the fields."""
        return [field.name for field in self.fields]


def _field(name: str, kind: Kind, synonyms: str) -> Field:
    return Field(name, kind, (name.replace("_", ""), *synonyms.split()))


def _of_person(name: str, kind: Kind, synonyms: str = "") -> Field:
    """A field that a file of people has too; `synonyms` are those of exports alone."""
    known = (word.replace("_", "") for word in PERSON_HEADERS[name])
    return Field(name, kind, (*known, *synonyms.split()))


_EMAIL = _of_person(
    "email", "email", "customeremail buyeremail useremail contactemail billingemail emailbilling"
)
_PHONE = _of_person("phone", "phone", "defaultaddressphone billingphone phonebilling shippingphone")
_CURRENCY = _field(
    "currency",
    "text",
    "currencycode ordercurrency ordercurrencycode currencyiso wahrung wahrungscode devise"
    " valuta moneda",
)
_COUNTRY = _of_person(
    "country",
    "text",
    "billingcountry countrycodebilling shippingcountry defaultaddresscountrycode mailingcountry"
    " shipcountry",
)

ORDERS = StreamFields(
    stream="orders",
    fields=(
        _field(
            "order_id",
            "id",
            # Every order has these. Not each has a receipt, an invoice or a payment with a number.
            "ordernumber orderno salesordernumber incrementid bestellnummer auftragsnummer"
            " ordernummer bestelnummer numerodecommande numerodepedido numeroordine order name"
            " reference number id invoiceno invoice invoicenumber invoiceid rechnungsnummer"
            " transactionid transactionno orderkey orderreference basketid receiptid receiptno"
            " receiptnumber checkoutid purchaseid saleid",
        ),
        _field("line_id", "id", "orderlineid orderitemid lineitemid"),
        # Where there are both, `customer_id` is another one for each order (Olist).
        Field(
            "customer_id",
            "person",
            (
                *("customeruniqueid", "customerid", "customerno", "customernumber", "customerkey"),
                *("customercode", "customer", "clientid", "clientno", "clientnumber", "client"),
                *("buyerid", "buyeruserid", "buyerusername", "userid", "customeruserid"),
                *("memberid", "memberno", "cid", "masterid", "custid", "custno", "shopperid"),
                *("householdkey", "householdid", "accountid"),
                *("visitorid", "kundennummer", "kundennr", "klantnummer", "numeroclient"),
                *("numerodeclient", "codeclient", "kunde", "klant", "cliente", "buyer"),
            ),
        ),
        _EMAIL,
        _PHONE,
        _field(
            "ordered_at",
            "timestamp",
            "invoicedate orderdate orderedat createdat orderpurchasetimestamp purchasedate"
            " transactiondate transactiondt tdat transactiontime ordertime orderdatetime"
            " ordertimestamp orderdatekey saledate salesdate dateofsale dateofpurchase purchasedat"
            " purchasetime dateordered paidat datecreated createddate created date datetime"
            " timestamp bestelldatum auftragsdatum erstelldatum besteldatum orderdatum"
            " datedecommande datedelacommande datecommande fechadepedido fechapedido dataordine"
            " rechnungsdatum kaufdatum datum",
        ),
        _field(
            "product_id",
            "id",
            "stockcode sku productsku lineitemsku itemid productcode productkey articleid itemcode"
            " itemno itemnumber orderitemsku skuid barcode ean asin artikelnummer artikelnr"
            " artikelcode",
        ),
        _field(
            "product_title",
            "text",
            "description productname lineitemname itemname producttitle productdescription"
            " itemdescription orderitemname articlename title item artikelbezeichnung"
            " artikelname bezeichnung omschrijving designation libelle descripcion descrizione",
        ),
        _field(
            "quantity",
            "integer",
            "qty lineitemquantity orderquantity itemquantity quantityrefund quantitysold units"
            " unitssold qtyordered quantityordered orderedquantity orderqty"
            " orderitemquantity positionquantity pieces numberofcds menge anzahl stuck stuckzahl"
            " stk quantite cantidad aantal quantita antal",
        ),
        _field(
            "unit_price",
            "number",
            "price unitcost lineitemprice itemprice itemcost orderitemprice positionunitprice"
            " sellingprice soldfor priceperunit prixunitaire prixunitairettc einzelpreis preis"
            " prijs stukprijs preciounitario precio prezzounitario prezzo",
        ),
        _field(
            "amount",
            "number",
            "lineamount total totalamount orderamount ordertotal ordertotalamount grandtotal"
            " subtotal revenue sales value ordervalue totalprice totalvalue totalpaid totalsales"
            " totalrevenue linetotal rowtotal linevalue extendedprice salesamount salesvalue"
            " saleamount"
            " salesprice purchaseamount transactionamount amountpaid amountspent dollarvalue"
            " netamount netsales amounttotal ordertotalinctax grandtotalbase paymentvalue"
            " betrag gesamtbetrag gesamtbetragbrutto gesamt summe umsatz montant montanttotal"
            " totalttc importe bedrag totaalbedrag totaal totale",
        ),
        # Those words that mean money alone: `Discount` is a share as often.
        _field(
            "discount",
            "discount",
            "discountamount orderdiscount orderdiscountamount cartdiscount cartdiscountamount"
            " totaldiscount totaldiscounts totaldiscountamount discounttotal rabattbetrag",
        ),
        _CURRENCY,
        _COUNTRY,
        _field(
            "status",
            "text",
            "orderstatus financialstatus linestatus paymentstatus statename statut etat"
            " bestellstatus estado stato",
        ),
        _field(
            "cancelled_at",
            "mark",
            "canceledat cancelledon canceledon cancelleddate canceleddate cancellationdate"
            " canceldate datecancelled cancelled canceled iscancelled iscanceled storniertam"
            " fullyrefunded",
        ),
        # Of a line, which that of its order may leave out: then the subtotal says what was left.
        Field("line_discount", "discount", ("lineitemdiscount",)),
        Field("subtotal", "discount", ("subtotal",)),
        # `Refunded` alone is a tick as often.
        _field(
            "refunded_amount",
            "discount",
            "amountrefunded totalrefunded refundamount refundtotal totalrefund totalrefundedamount"
            " refundedtotal partialrefund",
        ),
        _field("utm_source", "text", "metawcorderattributionutmsource"),
        _field("utm_medium", "text", "metawcorderattributionutmmedium"),
        _field("utm_campaign", "text", "metawcorderattributionutmcampaign"),
        # Whom the bill names. Where it is sent to may be another one's home.
        _field(
            "first_name",
            "text",
            "billingfirstname firstnamebilling customerfirstname buyerfirstname vorname",
        ),
        _field(
            "last_name",
            "text",
            "billinglastname lastnamebilling customerlastname buyerlastname nachname",
        ),
        _field("full_name", "text", "billingname customername buyername clientname"),
        _field("street", "text", "billingstreet billingaddress1 address1billing billingaddress"),
        _field("city", "text", "billingcity citybilling customercity"),
        _field("postcode", "postcode", "billingzip billingpostcode postcodebilling customerzip"),
        _field("region", "text", "billingprovince billingstate statecodebilling customerstate"),
    ),
    clock="ordered_at",
    required=(("ordered_at",), ("amount", "unit_price"), ("order_id", "customer_id", "email")),
    group="order_id",
    shared=(
        *("ordered_at", "customer_id", "email", "phone", "currency", "country", "status"),
        "cancelled_at",
        *("first_name", "last_name", "full_name", "street", "city", "postcode", "region"),
        *("utm_source", "utm_medium", "utm_campaign"),
    ),
    totals=(
        *("ordertotal", "ordertotalamount", "ordertotalinctax", "orderamount", "ordervalue"),
        *("grandtotal", "grandtotalbase", "amounttotal", "totalorderamount"),
    ),
    only_with=(
        ("name", ("lineitemname",)),
        # Else they may be those of a line or a product.
        ("id", ("grandtotal", "grandtotalbase", "ordertotal", "amountrefunded")),
        ("reference", ("payment", "paiement", "orderstatus")),
        ("number", ("buyeremail", "billingemail", "customeremail")),
    ),
    bare_people=("customer", "client", "kunde", "klant", "cliente", "buyer"),
)
CONTACTS = StreamFields(
    stream="contacts",
    fields=(
        _field(
            "customer_id",
            "person",
            "contactid id userid squarecustomerid memberid recordid customernumber"
            " customerno clientid kundennummer kundennr klantnummer",
        ),
        _EMAIL,
        _PHONE,
        _of_person("first_name", "text", "billingfirstname firstnamebilling"),
        _of_person("last_name", "text", "billinglastname lastnamebilling"),
        _of_person("full_name", "text", "displayname"),
        _COUNTRY,
        _field(
            "email_consent",
            "flag",
            "acceptsemailmarketing acceptsmarketing emailmarketingconsent emailoptin subscribed"
            " optin emailsubscriptionstatus emailsubscriberstatus emailstatus subscriptionstatus"
            " emailmarketingstatus emailmarketing emailsubscribed issubscribed marketingconsent"
            " marketingoptin newsletter newslettersubscription newsletteroptin acceptsnewsletter",
        ),
        # What says that a person left, whatever else says that they agreed once.
        _field(
            "email_refusal",
            "mark",
            "emailoptout hasoptedoutofemail emailoptedout unsubscribedfromallemail"
            " unsubscribedfromallemails portalunsubscribe emailblacklisted emailsuppressions"
            " emailunsubscribed emailunsubscribedat unsubtime cleantime unsubscribed unsubscribedat"
            " unsubscribedate unsubscribeddate unsubscribetime dateunsubscribed isunsubscribed"
            " emailsuppressed suppressed"
            " blacklisted blocklisted optout optedout optoutdate donotemail donotcontact abgemeldet"
            " abgemeldetam desabonne",
        ),
        # Of a list of a newsletter; of anything else it says neither.
        _field("list_status", "text", "status contactstatus memberstatus subscriberstatus"),
        _of_person("birth_date", "birthday"),
        _of_person(
            "street",
            "text",
            "defaultaddressaddress1 billingaddress1 billingstreet billingaddress mailingstreet",
        ),
        _of_person("city", "text", "defaultaddresscity billingcity mailingcity"),
        _of_person(
            "postcode",
            "postcode",
            "defaultaddresszip billingzip billingpostcode billingpostalcode mailingzippostalcode"
            " mailingpostalcode mailingzip",
        ),
        _of_person(
            "region",
            "text",
            "provincecode defaultaddressprovincecode billingstate billingprovince"
            " mailingstateprovince mailingstate",
        ),
        _field("loyalty_number", "text", "loyaltyid loyaltycard membershipnumber"),
        _field("push_token", "text", "devicetoken fcmtoken"),
        _field(
            "sms_consent",
            "flag",
            "smsoptin acceptssmsmarketing smsmarketingconsent smssubscriptionstatus"
            " smssubscriberstatus smsmarketingstatus smsstatus",
        ),
        _field(
            "sms_refusal",
            "mark",
            "smsoptout smsoptedout smsblacklisted smssuppressions smsunsubscribed"
            " smsunsubscribedat donottext",
        ),
        _field(
            "created_at",
            "timestamp",
            "createdate created createddate datecreated signup signupdate registrationdate"
            " registered dateregistered dateadded",
        ),
        _field(
            "updated_at",
            "timestamp",
            "lastmodifieddate modified updated lastchanged lastupdated datemodified dateupdated"
            " modifiedat",
        ),
    ),
    clock="updated_at",
    required=(("customer_id", "email", "phone"),),
)
PRODUCTS = StreamFields(
    stream="products",
    fields=(
        _field(
            "product_id",
            "id",
            "sku variantsku stockcode id productcode itemid artikelnummer handle",
        ),
        _field("title", "text", "name productname producttitle bezeichnung description"),
        _field(
            "category",
            "text",
            "productcategory categoryname producttype categories kategorie warengruppe type",
        ),
        _field("price", "number", "listprice unitprice variantprice regularprice preis prix"),
        _CURRENCY,
        _field("url", "text", "link producturl permalink"),
        _field("image_url", "text", "imagelink image imagesrc productimage"),
        _field("barcode", "text", "gtin ean upc"),
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
        _field(
            "occurred_at",
            "timestamp",
            "timestamp eventtime eventtimestamp eventdatetime originaltimestamp sentat receivedat"
            " datetime time ts date eventdate",
        ),
        _field("customer_id", "person", "userid"),
        _field("anonymous_id", "id", "deviceid visitorid clientid userpseudoid usersession"),
        _EMAIL,
        _field("product_id", "id", "propertiesproductid propertiessku sku itemid"),
        _field("order_id", "id", "propertiesorderid transactionid"),
        _field("device_type", "text", "devicecategory contextdevicetype device platformtype"),
    ),
    clock="occurred_at",
    required=(("event",), ("occurred_at",), ("customer_id", "anonymous_id", "email")),
)
AD_PERFORMANCE = StreamFields(
    stream="ad_performance",
    fields=(
        _field(
            "performance_date",
            "date",
            "date day byday reportdate reportingstarts gregoriandate timeperiod tag datum",
        ),
        # A record of more than a day says on which day nothing of it was.
        _field("last_date", "date", "reportingends enddate dateend reportend"),
        _field("platform", "text", "source network channel"),
        _field("campaign_id", "id", "campaign kampagne"),
        _field("campaign_name", "text", "campaignname kampagnenname"),
        _field("ad_group_id", "id", "adsetid"),
        _field("ad_group_name", "text", "adgroup adset adsetname anzeigengruppe"),
        _field("ad_id", "id", "creativeid"),
        _field("ad_name", "text", "ad creativename"),
        _field("impressions", "integer", "impressioncount impr impressionen"),
        _field("clicks", "integer", "clickcount linkclicks clicksall clicksdestination klicks"),
        _field(
            "cost",
            "number",
            "spend spent amountspent costamount totalcost adspend kosten ausgaben",
        ),
        _field("conversions", "number", "conversioncount purchases conversionen"),
        _field(
            "conversion_value",
            "number",
            "conversionsvalue convvalue totalconvvalue purchasevalue purchasesvalue"
            " purchasesconversionvalue purchaseconversionvalue revenue conversionwert convwert",
        ),
        _CURRENCY,
    ),
    clock="performance_date",
    required=(("performance_date",), ("campaign_id", "campaign_name"), ("cost", "clicks")),
)

STREAMS: dict[str, StreamFields] = {
    stream.stream: stream for stream in (ORDERS, CONTACTS, PRODUCTS, EVENTS, AD_PERFORMANCE)
}
