-- An order. A test order is told as one, and held back by that.
select
    id as source_order_id,
    customer_id as source_contact_id,
    email,
    coalesce(billing_address_phone, shipping_address_phone) as phone,
    billing_address_first_name as first_name,
    billing_address_last_name as last_name,
    billing_address_address_1 as street,
    billing_address_city as city,
    billing_address_zip as postcode,
    coalesce(billing_address_province_code, billing_address_province) as region,
    coalesce(processed_at, created_at) as ordered_at,
    case
        when cast(test as boolean) then 'test'
        when cancelled_at is not null then 'cancelled'
        else 'placed'
    end as order_status,
    total_line_items_price as gross_amount,
    total_discounts as discount_amount,
    total_tax as tax_amount,
    total_price as total_amount,
    currency,
    coalesce(billing_address_country_code, shipping_address_country_code) as country,
    fulfillment_status as fulfilment_status,
    updated_at,
    coalesce(cast(_fivetran_deleted as boolean), false) as is_deleted
from "order"
