-- An order. A test order is told as one, and held back by that.
with
told as (
    select
        *,
        try_cast(discount_codes as json[]) as codes
    from (
        select
            id, email, phone, created_at, processed_at, updated_at, cancelled_at, deleted_at, test,
            currency, total_line_items_price, total_discounts, total_tax, total_price,
            total_shipping_price_set, total_shipping_price_set__shop_money__amount,
            fulfillment_status, customer, customer__id, billing_address,
            billing_address__first_name, billing_address__last_name, billing_address__address1,
            billing_address__city, billing_address__zip, billing_address__province_code,
            billing_address__country_code, shipping_address, shipping_address__country_code,
            discount_codes
        from orders
    )
)
select
    id as source_order_id,
    coalesce(customer ->> '$.id', customer__id) as source_contact_id,
    email,
    coalesce(phone, billing_address ->> '$.phone', shipping_address ->> '$.phone') as phone,
    coalesce(billing_address ->> '$.first_name', billing_address__first_name) as first_name,
    coalesce(billing_address ->> '$.last_name', billing_address__last_name) as last_name,
    coalesce(billing_address ->> '$.address1', billing_address__address1) as street,
    coalesce(billing_address ->> '$.city', billing_address__city) as city,
    coalesce(billing_address ->> '$.zip', billing_address__zip) as postcode,
    coalesce(billing_address ->> '$.province_code', billing_address__province_code) as region,
    coalesce(processed_at, created_at) as ordered_at,
    case
        when try_cast(test as boolean) then 'test'
        when cancelled_at is not null then 'cancelled'
        else 'placed'
    end as order_status,
    total_line_items_price as gross_amount,
    total_discounts as discount_amount,
    coalesce(
        total_shipping_price_set ->> '$.shop_money.amount',
        total_shipping_price_set__shop_money__amount
    ) as shipping_amount,
    total_tax as tax_amount,
    total_price as total_amount,
    currency,
    coalesce(
        billing_address ->> '$.country_code',
        billing_address__country_code,
        shipping_address ->> '$.country_code',
        shipping_address__country_code
    ) as country,
    nullif(array_to_string(list_transform(codes, c -> c ->> '$.code'), ','), '') as discount_codes,
    fulfillment_status as fulfilment_status,
    updated_at,
    deleted_at is not null as is_deleted
from told
