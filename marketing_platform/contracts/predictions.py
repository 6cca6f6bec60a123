"""Contracts of `predictions`: what customers will do, and how well that is known."""

from __future__ import annotations

from marketing_platform.contracts.contract import (
    Column,
    Contract,
    contract,
    date,
    flag,
    integer,
    key,
    money,
    number,
    share,
    text,
    timestamp,
)

TASKS = ("purchase", "churn")
# What is not a probability of something that happens or not.
OTHER_TASKS = ("value", "affinity", "lead")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_REASONS = {
    "reason_1": text("Strongest reason, and which way it moves the score.", nullable=True),
    "reason_2": text("Second reason.", nullable=True),
    "reason_3": text("Third reason.", nullable=True),
}
_FACTS = {
    "reason_1": text("What it follows from, in words."),
    "reason_2": text("What else it follows from.", nullable=True),
    "reason_3": text("And what else.", nullable=True),
}
BANDS = ("very_low", "low", "medium", "high", "very_high")


def _score_columns(probability: str) -> dict[str, Column]:
    return {
        "customer_id": key("Key: the person."),
        "as_of_date": date("The day at whose end this was known."),
        "score": share(probability),
        "percentile": share("Share of the scored customers whose score is lower or equal."),
        "band": text("Fifth of the scored customers that the score lies in.", one_of=BANDS),
        "model_version": key("Which model said so."),
        "is_promoted": flag("Whether that model passed its backtest; if not, segments hold."),
        **_REASONS,
    }


def _value_columns(days: int) -> dict[str, Column]:
    return {
        f"expected_orders_{days}d": number(f"Expected days of purchase in {days} days.", ge=0),
        f"expected_{days}d_amount": money(f"Expected to be spent in {days} days.", ge=0),
        f"low_{days}d_amount": money("One of ten such buyers spends less.", ge=0),
        f"high_{days}d_amount": money("One of ten such buyers spends more.", ge=0),
    }


PREDICTIONS: tuple[Contract, ...] = (
    contract(
        "predictions.as_of_dates",
        {
            "task": text("What is predicted.", one_of=(*TASKS, *OTHER_TASKS)),
            "as_of_date": date("The day at whose end features are taken."),
            "ends_at": timestamp("When that day ends where the shop is."),
            "horizon_days": integer("Days looked ahead.", ge=1),
            "active_days": integer("Days after a purchase that a buyer counts as active.", ge=1),
            "active_gaps": number(
                "Typical gaps after a purchase, in place of those days; null: the days count.",
                nullable=True,
                ge=1,
            ),
            "role": text("What the day is for.", one_of=("train", "test", "score")),
        },
        key=["task", "as_of_date"],
    ),
    contract(
        "predictions.features",
        {
            "customer_id": key("The person."),
            "as_of_date": date("The day at whose end this was known."),
            "recency_days": integer("Days since the last day of purchase.", ge=0),
            "tenure_days": integer("Days since the first day of purchase.", ge=0),
            "order_days_count": integer("Days with a purchase.", ge=1),
            "order_days_30d_count": integer("Of them in the last 30 days.", ge=0),
            "order_days_90d_count": integer("Of them in the last 90 days.", ge=0),
            "order_days_180d_count": integer("Of them in the last 180 days.", ge=0),
            "order_days_fading_15d": number("Sum over them of exp(-age in days / 15).", ge=0),
            "order_days_fading_60d": number("Sum over them of exp(-age in days / 60).", ge=0),
            "gap_mean_days": number("Mean gap between days of purchase.", nullable=True, ge=0),
            "gap_std_days": number("Its standard deviation.", nullable=True, ge=0),
            "gap_last_days": integer("Gap before the last of them.", nullable=True, ge=1),
            "typical_gap_days": number(
                "Mean gap, the shop's mean gap counted as one more of the buyer's.", ge=0
            ),
            "gross_amount_sum": number("Spent.", ge=0),
            "gross_amount_mean": number("Spent per day of purchase.", ge=0),
            "gross_amount_last": number("Spent on the last day of purchase.", ge=0),
            "gross_amount_90d_sum": number("Spent in the last 90 days.", ge=0),
            "last_seen_days": integer("Days since the last event.", nullable=True, ge=0),
            "active_7d_days": integer("Days with an event in the last 7 days.", ge=0),
            "active_30d_days": integer("Days with an event in the last 30 days.", ge=0),
            "product_viewed_7d_count": integer("Views in the last 7 days.", ge=0),
            "product_viewed_30d_count": integer("Views in the last 30 days.", ge=0),
            "product_added_7d_count": integer("Products added in the last 7 days.", ge=0),
            "product_added_30d_count": integer("Products added in the last 30 days.", ge=0),
            "last_engaged_days": integer(
                "Days since a message was last opened or clicked; null: not in 90.",
                nullable=True,
                ge=0,
            ),
            "opened_30d_count": integer("Messages opened in the last 30 days.", ge=0),
            "opened_90d_count": integer("Messages opened in the last 90 days.", ge=0),
            "clicked_90d_count": integer("Messages clicked in the last 90 days.", ge=0),
        },
        key=["customer_id", "as_of_date"],
    ),
    contract(
        "predictions.outcomes",
        {
            "task": text("What is predicted.", one_of=(*TASKS, *OTHER_TASKS)),
            "customer_id": key("The person."),
            "as_of_date": date("The day at whose end features are taken."),
            "is_positive": flag("Whether it came true within the horizon."),
            "order_count": integer("Days of purchase within the horizon.", ge=0),
            "gross_amount": number("Spent within the horizon.", ge=0),
        },
        key=["task", "customer_id", "as_of_date"],
    ),
    contract(
        "predictions.models",
        {
            "model_version": key("Key: task, day and fingerprint of the training data."),
            "task": text("What is predicted.", one_of=(*TASKS, *OTHER_TASKS)),
            "trained_as_of_date": date("Last day that training has seen."),
            "horizon_days": integer("Days looked ahead.", ge=1),
            "method": text("How scores are made.", one_of=("model", "rule")),
            "standing": text(
                "champion: scores are its; challenger: it did not win; former: it reigned before.",
                one_of=("champion", "challenger", "former"),
            ),
            "recipe": text("Fingerprint of how it was trained: code, libraries and settings."),
            "is_promoted": flag("Whether its scores may be used."),
            "reason": text("Why it was promoted or not."),
            "metrics": text("The backtest as JSON: customers, positives and the metrics of each."),
            "learned_from": text(
                "As JSON: first and last day of the rows, how many, their features, and libraries."
            ),
        },
        key=["model_version"],
    ),
    contract(
        "predictions.watch",
        {
            "task": text("What is predicted.", one_of=TASKS),
            "as_of_date": date("The day on which this was found."),
            "model_version": key("The model that reigned."),
            "score_psi": number("Stability index of its scores, today against a horizon ago."),
            "feature_psi": number("That of the feature that changed most."),
            "feature": text("Which one that is."),
            "judged_date": date("The day whose scores have come true or not.", nullable=True),
            "judged_version": text(
                "The model in use, or, where it is younger, the newest of that day.", nullable=True
            ),
            "expected_share": share("Share that it expected to be positive.", nullable=True),
            "seen_share": share("Share that was.", nullable=True),
            "roc_auc": share("Its ROC AUC by now.", nullable=True),
            "ece": share("Its calibration error by now.", nullable=True),
            "is_sound": flag("Whether scores may be used as far as this tells."),
            "finding": text("In words."),
        },
        key=["task", "as_of_date"],
    ),
    contract(
        "predictions.purchase_14d",
        _score_columns("Probability of at least one purchase within the horizon."),
        key=["customer_id"],
    ),
    contract(
        "predictions.churn_30d",
        _score_columns("Probability that an active buyer buys nothing within the horizon."),
        key=["customer_id"],
    ),
    contract(
        "predictions.score_history",
        {
            "as_of_date": date("The day at whose end this was known."),
            "task": text("What is predicted.", one_of=TASKS),
            "customer_id": key("The person."),
            "score": share("What the model that reigned on that day says of it."),
            "percentile": share("Share of the scored customers whose score is lower or equal."),
            "band": text("Fifth of the scored customers that the score lies in.", one_of=BANDS),
            "model_version": key("Which model said so."),
        },
        key=["as_of_date", "task", "customer_id"],
        partition_by="as_of_date",
    ),
    contract(
        "predictions.lead_features",
        {
            "customer_id": key("The person."),
            "as_of_date": date("The day at whose end this was known."),
            "known_days": integer("Days since they became known.", ge=0),
            "last_seen_days": integer("Days since the last event.", nullable=True, ge=0),
            "active_30d_days": integer("Days with an event in the last 30.", ge=0),
            "viewed_7d_count": integer("Products viewed in 7 days.", ge=0),
            "viewed_30d_count": integer("Products viewed in 30 days.", ge=0),
            "added_30d_count": integer("Products put into the cart in 30 days.", ge=0),
            "checkout_30d_count": integer("Checkouts begun in 30 days.", ge=0),
            "opened_90d_count": integer("Messages opened in 90 days.", ge=0),
            "clicked_90d_count": integer("Messages clicked in 90 days.", ge=0),
            "deal_count": integer("Deals begun in the CRM.", ge=0),
            "is_positive": flag("Bought in the 30 days after it; null: not over.", nullable=True),
        },
        key=["customer_id", "as_of_date"],
    ),
    contract(
        "predictions.lead_score",
        {
            "customer_id": key("Key: the person, who has not bought yet."),
            "as_of_date": date("The day at whose end this was known."),
            "score": share("Probability of a first purchase within 30 days."),
            "percentile": share("Share of the leads whose score is lower or equal."),
            "band": text("Fifth of the leads that the score lies in.", one_of=BANDS),
            "model_version": key("Which model said so."),
            "is_promoted": flag("Whether that model passed its backtest; if not, segments hold."),
            **_REASONS,
        },
        key=["customer_id"],
    ),
    contract(
        "predictions.lifetime_value",
        {
            "customer_id": key("Key: the person."),
            "as_of_date": date("The day at whose end this was known."),
            "historic_order_days_count": integer("Days with a purchase so far.", ge=1),
            "historic_amount": money("Spent so far, before refunds.", ge=0),
            **_value_columns(90),
            **_value_columns(365),
            "percentile": share("Share of the buyers whose expected value is lower or equal."),
            "band": text("Fifth of the buyers that it lies in.", one_of=BANDS),
            "model_version": key("Which model said so."),
            "is_promoted": flag("Whether that model passed its backtest."),
            **_REASONS,
        },
        key=["customer_id"],
    ),
    contract(
        "predictions.next_order",
        {
            "customer_id": key("Key: the person."),
            "as_of_date": date("The day at whose end this was known."),
            "typical_gap_days": number("Days between orders that are typical of the buyer.", ge=0),
            "expected_date": date(
                "Day of the next order, of who comes back; null: not expected.", nullable=True
            ),
            "earliest_date": date("A quarter of such orders come before it.", nullable=True),
            "latest_date": date("A quarter of such orders come after it.", nullable=True),
            **_FACTS,
        },
        key=["customer_id"],
    ),
    contract(
        "predictions.product_affinity",
        {
            "customer_id": key("The person."),
            "as_of_date": date("The day at whose end this was known."),
            "kind": text("Bought before, or new to the customer.", one_of=("again", "new")),
            "place": integer("1 is the likeliest of its kind.", ge=1, le=10),
            "product_id": key("The product."),
            "score": number("Orders products of one list; it is no probability."),
            "due_date": date("When it is due to be bought again; null: unknown.", nullable=True),
            "model_version": key("Which model said so."),
            "is_promoted": flag("Whether such lists beat the bestsellers in their backtest."),
            "reason": text("What it follows from, in words."),
        },
        key=["customer_id", "kind", "place"],
    ),
    contract(
        "predictions.bought_together",
        {
            "product_id": key("The product."),
            "other_product_id": key("What goes with it."),
            "place": integer("1 goes with it most.", ge=1, le=10),
            "order_count": integer("Orders with both.", ge=3),
            "together_share": share("Share of the product's orders that have the other one too."),
            "lift": number("How many times more often than by chance.", ge=0),
        },
        key=["product_id", "other_product_id"],
    ),
    contract(
        "predictions.send_time",
        {
            "customer_id": key("Key: the person."),
            "as_of_date": date("The day at whose end this was known."),
            "hour_utc": integer("Hour of the day in UTC.", ge=0, le=23),
            "weekday": text("Day of the week, of that hour in UTC.", one_of=_WEEKDAYS),
            "moment_count": integer("Opened messages and visits that this was learned from.", ge=1),
            "hour_share": share("Share of the person's moments within about an hour of it."),
            "reason": text("What it follows from, in words."),
        },
        key=["customer_id"],
    ),
)
