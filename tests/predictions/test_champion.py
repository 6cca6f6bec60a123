"""Champion and challenger: who reigns, who is kept, and how a model is rolled back."""

from __future__ import annotations

import dataclasses
import json
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from predictions_shop import build_predictions, day, lively_shop, settings_in, warehouse_with
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from marketing_platform.errors import InputError
from marketing_platform.predictions import store, value_training
from marketing_platform.predictions.champion import contest, reigning_on
from marketing_platform.predictions.parts import from_parts, to_parts
from marketing_platform.predictions.score_history import build_score_history
from marketing_platform.settings import Settings
from marketing_platform.warehouse import Warehouse
from marketing_platform.warehouse.opened import close_all

ORDERS = lively_shop()
SCORES = "predictions.purchase_14d"
First = tuple[Warehouse, Settings]


def shop(clock: int) -> Warehouse:
    return warehouse_with([order for order in ORDERS if order[1] <= day(clock)], clock=day(clock))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a shop whose first models were trained on day 279; look, but do not touch."""
    folder = tmp_path_factory.mktemp("built")
    warehouse = Warehouse(folder / "warehouse.duckdb")
    made = shop(279)
    for name, count in made.row_counts().items():
        if count or not name.startswith("predictions."):
            warehouse.replace(name, made.read(name))
    build_predictions(warehouse, settings_in(folder), until=SCORES)
    # Else its file is closed a moment later, while it is copied.
    close_all()
    return folder


@pytest.fixture
def first(built: Path, tmp_path: Path) -> tuple[Warehouse, Settings]:
    """A copy of it."""
    shutil.copytree(built, tmp_path / "shop")
    return Warehouse(tmp_path / "shop" / "warehouse.duckdb"), settings_in(tmp_path / "shop")


def go_on(warehouse: Warehouse, settings: Settings, clock: int) -> None:
    """The same warehouse, so many days later."""
    later = shop(clock)
    for name in ("core.clock", "profiles.orders"):
        warehouse.replace(name, later.read(name))
    build_predictions(warehouse, settings, until=SCORES)


def models_of(warehouse: Warehouse, task: str = "purchase") -> pl.DataFrame:
    models = warehouse.read("predictions.models").filter(pl.col("task") == task)
    return models.sort("trained_as_of_date")


def test_a_worse_challenger_is_told_from_noise() -> None:
    draw = np.random.default_rng(2)
    truth = draw.normal(-1.5, 1.2, 4000)
    outcomes = (draw.random(4000) < expit(truth)).astype(np.int64)
    good, worse = expit(truth), expit(truth + draw.normal(0, 2, 4000))
    alike = expit(truth + draw.normal(0, 0.05, 4000))
    difference = roc_auc_score(outcomes, worse) - roc_auc_score(outcomes, good)
    assert contest(outcomes, worse, good).auc_difference == pytest.approx(difference)
    assert contest(outcomes, worse, good).is_worse
    assert not contest(outcomes, good, worse).is_worse
    assert not contest(outcomes, good, good).is_worse
    assert not contest(outcomes, alike, good).log_loss_difference > 0.01


def test_a_model_reigns_for_a_week_and_scores_every_day(first: First) -> None:
    warehouse, settings = first
    first = models_of(warehouse)["model_version"].to_list()
    go_on(warehouse, settings, 282)
    assert models_of(warehouse)["model_version"].to_list() == first
    scores = warehouse.read("predictions.purchase_14d")
    assert scores["as_of_date"].unique().to_list() == [day(282)]
    assert scores["model_version"].unique().to_list() == first
    go_on(warehouse, settings, 287)
    after = models_of(warehouse)
    assert after.height == 2
    assert set(after["standing"]) in ({"former", "champion"}, {"champion", "challenger"})


def test_each_model_says_what_it_was_learned_from(first: First) -> None:
    models = first[0].read("predictions.models")
    told = {row["task"]: json.loads(row["learned_from"]) for row in models.to_dicts()}
    assert set(told) == {"purchase", "churn", "value", "affinity", "lead"}
    purchase = told["purchase"]
    # The newest day whose 14 days of outcome are known, and how many days back of those there are.
    known = first[0].query(
        "select min(o.as_of_date) as first_date, max(o.as_of_date) as last_date, count(*) as rows,"
        " count(*) filter (where o.is_positive) as positives"
        " from predictions.outcomes as o where o.task = 'purchase'"
    )
    (row,) = known.to_dicts()
    assert purchase["last_date"] == day(279 - 14).isoformat()
    assert (purchase["first_date"], purchase["rows"]) == (
        row["first_date"].isoformat(),
        row["rows"],
    )
    assert purchase["positives"] == row["positives"]
    assert "recency_days" in purchase["features"]
    assert purchase["libraries"]["scikit-learn"] == metadata.version("scikit-learn")
    assert len(purchase["weights"]) == 3


def test_models_of_a_version_that_did_not_write_down_what_they_learned_from_still_reign(
    first: First,
) -> None:
    warehouse, settings = first
    old = warehouse.read("predictions.models").drop("learned_from")
    with warehouse.connect() as connection:
        connection.execute("drop table predictions.models")
        connection.register("old", old)
        connection.execute("create table predictions.models as select * from old")
    go_on(warehouse, settings, 282)
    assert models_of(warehouse)["model_version"].to_list() == (
        old.filter(pl.col("task") == "purchase")["model_version"].to_list()
    )
    assert models_of(warehouse)["learned_from"].to_list() == ["{}"]


def test_other_settings_have_models_trained_again_at_once(first: First) -> None:
    warehouse, settings = first
    changed = settings_in(settings.data_dir, training_origins=5)
    go_on(warehouse, changed, 280)
    assert models_of(warehouse).height == 2


def test_a_challenger_that_is_worse_is_kept_and_does_not_reign(
    first: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, settings = first
    reigning = models_of(warehouse)["model_version"].item()

    def upside_down(features: object, outcomes: np.ndarray, *rest: object) -> object:
        mixed = np.random.default_rng(0).permutation(outcomes)
        return real(features, mixed, *rest)  # type: ignore[arg-type]

    from marketing_platform.predictions import model, training

    real = model.train
    monkeypatch.setattr(training.models, "train", upside_down)
    go_on(warehouse, settings, 289)
    rows = {row["model_version"]: row for row in models_of(warehouse).to_dicts()}
    assert rows[reigning]["standing"] == "champion"
    assert rows[reigning]["is_promoted"]
    (other,) = (row for version, row in rows.items() if version != reigning)
    assert (other["standing"], other["is_promoted"]) == ("challenger", False)
    assert "worse than the reigning model beyond noise" in other["reason"]
    scores = warehouse.read("predictions.purchase_14d")
    assert scores["model_version"].unique().to_list() == [reigning]
    assert scores["is_promoted"].all()


def test_a_model_of_another_horizon_gives_way_even_to_one_that_orders_worse(
    first: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, settings = first
    from marketing_platform.predictions import model, training

    real = model.train

    def mixed_up(features: object, outcomes: np.ndarray, *rest: object) -> object:
        mixed = np.random.default_rng(0).permutation(outcomes)
        return real(features, mixed, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(training.models, "train", mixed_up)
    go_on(warehouse, settings_in(settings.data_dir, purchase_horizon_days=30), 289)
    (champion,) = models_of(warehouse).filter(pl.col("standing") == "champion").to_dicts()
    assert (champion["horizon_days"], champion["is_promoted"]) == (30, False)
    assert warehouse.read(SCORES)["model_version"].unique().to_list() == [champion["model_version"]]


def test_what_is_changed_on_the_day_of_the_training_reigns_from_then_on(first: First) -> None:
    warehouse, settings = first
    before = models_of(warehouse)["model_version"].item()
    # Some orders turn out to be nobody's: the model of this morning has seen the days of the test.
    orders = warehouse.read("profiles.orders").sort("order_id")
    warehouse.replace("profiles.orders", orders.filter(pl.int_range(pl.len()) % 50 > 0))
    build_predictions(warehouse, settings, until=SCORES)
    rows = {row["model_version"]: row for row in models_of(warehouse).to_dicts()}
    (new,) = (row for version, row in rows.items() if version != before)
    assert new["standing"] == "champion", new["reason"]
    assert rows[before]["standing"] == "former"
    assert warehouse.read(SCORES)["model_version"].unique().to_list() == [new["model_version"]]


def test_a_clearly_worse_model_of_the_same_day_does_not_reign(
    first: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, settings = first
    reigning = models_of(warehouse).row(0, named=True)
    from marketing_platform.predictions import model, training

    real = model.train

    def too_hopeful(*given: object) -> object:
        trained = real(*given)  # type: ignore[arg-type]
        return dataclasses.replace(trained, level=trained.level + 0.8)

    monkeypatch.setattr(training.models, "train", too_hopeful)
    go_on(warehouse, settings_in(settings.data_dir, training_origins=7), 279)
    rows = {row["model_version"]: row for row in models_of(warehouse).to_dicts()}
    (new,) = (row for version, row in rows.items() if version != reigning["model_version"])
    assert "worse than the reigning model of the same day: log loss" in new["reason"]
    assert rows[reigning["model_version"]]["standing"] == "champion"
    # What it reached on days it had not seen stays what is told of it.
    assert rows[reigning["model_version"]]["metrics"] == reigning["metrics"]


def test_a_reigning_model_that_fails_on_new_days_gives_way(
    first: First,
) -> None:
    warehouse, settings = first
    reigning = models_of(warehouse)["model_version"].item()
    parts = store.load(settings.models_dir, reigning)
    parts["linear"][-1].coef_ *= 0
    parts["linear"][-1].intercept_ += 12
    store.save(settings.models_dir, reigning, to_parts(from_parts(parts)))
    go_on(warehouse, settings, 289)
    champion = models_of(warehouse).filter(pl.col("standing") == "champion")
    assert champion["model_version"].item() != reigning


def test_a_model_is_rolled_back_by_pinning_it(first: First) -> None:
    warehouse, settings = first
    first = models_of(warehouse)["model_version"].item()
    go_on(warehouse, settings, 289)
    pinned = settings.model_copy(deep=True)
    pinned.platform.predictions.pinned["purchase"] = first
    go_on(warehouse, pinned, 290)
    scores = warehouse.read("predictions.purchase_14d")
    assert scores["model_version"].unique().to_list() == [first]
    pinned.platform.predictions.pinned["purchase"] = "purchase-of-nowhere"
    with pytest.raises(InputError, match="no model purchase-of-nowhere"):
        go_on(warehouse, pinned, 291)


def test_while_a_model_is_pinned_the_others_are_kept_and_it_is_the_one_that_is_judged(
    first: First,
) -> None:
    warehouse, settings = first
    first = models_of(warehouse)["model_version"].item()
    go_on(warehouse, settings, 287)
    # A week later another one won, and turned out to be bad.
    is_first = pl.col("model_version") == first
    standing = pl.when(is_first).then(pl.lit("former")).otherwise(pl.lit("champion"))
    models = warehouse.read("predictions.models").with_columns(
        pl.when(pl.col("task") == "purchase").then(standing).otherwise("standing").alias("standing")
    )
    warehouse.replace("predictions.models", models)
    (bad,) = models.filter((pl.col("task") == "purchase") & ~is_first)["model_version"]
    parts = store.load(settings.models_dir, bad)
    store.save(settings.models_dir, bad, {**parts, "level": parts["level"] + 3})
    pinned = settings.model_copy(deep=True)
    pinned.platform.predictions.pinned["purchase"] = first
    go_on(warehouse, pinned, 288)
    known = models_of(warehouse)
    # Its own settings are no reason to train a model every day.
    go_on(warehouse, pinned, 291)
    assert models_of(warehouse).equals(known)
    build_score_history(warehouse, pinned, day(288))
    history = warehouse.read("predictions.score_history").filter(pl.col("task") == "purchase")
    assert history["model_version"].unique().to_list() == [first]
    # The days that the bad one was there for have come true by now.
    go_on(warehouse, pinned, 302)
    (row,) = (
        warehouse.read("predictions.watch")
        .filter((pl.col("task") == "purchase") & (pl.col("as_of_date") == day(302)))
        .to_dicts()
    )
    assert row["judged_date"] == day(288)
    assert row["judged_version"] == first


def value_of(warehouse: Warehouse, settings: Settings, clock: int) -> list[str]:
    """So many days later: the versions that say what buyers will spend."""
    later = shop(clock)
    for name in ("core.clock", "profiles.orders"):
        warehouse.replace(name, later.read(name))
    build_predictions(warehouse, settings, until="predictions.lifetime_value")
    found = warehouse.read("predictions.lifetime_value")
    return found["model_version"].unique().to_list()


def test_a_model_of_value_is_rolled_back_by_pinning_it(first: First) -> None:
    warehouse, settings = first
    first = models_of(warehouse, "value")["model_version"].item()
    [second] = value_of(warehouse, settings, 289)
    assert second != first
    pinned = settings.model_copy(deep=True)
    pinned.platform.predictions.pinned["value"] = first
    assert value_of(warehouse, pinned, 290) == [first]


def test_a_model_of_value_that_misses_by_more_is_kept_and_not_used(
    first: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, settings = first
    first = models_of(warehouse, "value")["model_version"].item()
    real = value_training.train

    def too_hopeful(*given: object) -> object:
        made = real(*given)  # type: ignore[arg-type]
        generous = dataclasses.replace(made.spending, p=made.spending.p * 1.6)
        return dataclasses.replace(made, spending=generous)

    monkeypatch.setattr(value_training, "train", too_hopeful)
    assert value_of(warehouse, settings, 289) == [first]
    rows = {row["model_version"]: row for row in models_of(warehouse, "value").to_dicts()}
    [second] = set(rows) - {first}
    assert rows[second]["standing"] == "challenger"
    assert "worse than the reigning model beyond noise: mean error" in rows[second]["reason"]


def test_there_is_a_file_of_each_model_that_is_known_and_no_other(first: First) -> None:
    warehouse, settings = first
    for clock in (289, 299, 250):
        go_on(warehouse, settings, clock)
        known = warehouse.read("predictions.models")["model_version"].to_list()
        assert sorted(path.stem for path in settings.models_dir.iterdir()) == sorted(known)


def test_a_backfilled_score_is_what_that_days_champion_said(first: First) -> None:
    warehouse, settings = first
    then = warehouse.read(SCORES).select("customer_id", "score", "model_version")
    go_on(warehouse, settings, 289)
    for number in (278, 279, 289):
        build_score_history(warehouse, settings, day(number))
    history = warehouse.read("predictions.score_history").filter(pl.col("task") == "purchase")
    on = {
        date: rows.select("customer_id", "score", "model_version").sort("customer_id")
        for (date,), rows in history.group_by("as_of_date")
    }
    assert day(278) not in on, "no model was there yet"
    assert on[day(279)].equals(then.sort("customer_id"))
    now = warehouse.read(SCORES).select("customer_id", "score", "model_version")
    assert on[day(289)].equals(now.sort("customer_id"))


@pytest.mark.parametrize("later", ["a", "z"])
def test_of_two_models_of_a_day_the_one_that_replaced_the_other_reigned_at_its_end(
    later: str,
) -> None:
    models = pl.DataFrame(
        {
            "task": "purchase",
            "model_version": ["m", later],
            "standing": ["former", "champion"],
            "trained_as_of_date": day(9),
        }
    )
    assert reigning_on(models, "purchase", day(10)) == later


def test_a_champion_is_kept_however_many_challengers_it_beats(
    first: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, settings = first
    reigning = models_of(warehouse)["model_version"].item()
    monkeypatch.setattr("marketing_platform.predictions.succession.KEPT", 1)
    pinned = settings.model_copy(deep=True)
    pinned.platform.predictions.pinned["purchase"] = reigning
    for clock in (286, 293, 300):
        go_on(warehouse, pinned, clock)
    rows = models_of(warehouse)
    assert rows["standing"].to_list() == ["champion", "challenger", "challenger"]
    assert rows["model_version"][0] == reigning


def test_a_model_whose_file_is_spoilt_gives_way_at_the_next_build(first: First) -> None:
    warehouse, settings = first
    spoilt = models_of(warehouse)["model_version"].item()
    store.path_of(settings.models_dir, spoilt).write_bytes(b"half a f")
    go_on(warehouse, settings, 281)
    (version,) = warehouse.read(SCORES)["model_version"].unique()
    assert version != spoilt
    assert len(models_of(warehouse, "churn")) == 1, "the others are left"


def test_models_that_know_what_comes_after_the_clock_are_forgotten(first: First) -> None:
    warehouse, settings = first
    later = models_of(warehouse)["model_version"].item()
    go_on(warehouse, settings, 250)
    (version,) = models_of(warehouse)["model_version"]
    assert version != later
    assert warehouse.read(SCORES)["model_version"].unique().to_list() == [version]


def test_on_the_same_day_only_other_data_have_a_model_trained_again(
    first: First, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, settings = first
    before = models_of(warehouse)
    with monkeypatch.context() as untrained:
        untrained.setattr("marketing_platform.predictions.contested.train_and_test", None)
        for name in ("purchase", "churn"):
            assert models_of(warehouse, name).height == 1
        go_on(warehouse, settings, 279)
    assert models_of(warehouse).equals(before)
    mended = warehouse.read("profiles.orders").with_columns(pl.col("spent_amount") * 2)
    warehouse.replace("profiles.orders", mended.cast({"spent_amount": pl.Decimal(18, 2)}))
    build_predictions(warehouse, settings, until=SCORES)
    assert models_of(warehouse).height == 2
