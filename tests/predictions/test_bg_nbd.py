"""BG/NBD against its own definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, gamma

from marketing_platform.predictions import bg_nbd

MODEL = bg_nbd.BgNbd(r=0.8, alpha=3.0, a=0.9, b=2.5, log_likelihood=0.0)


@pytest.mark.parametrize(("x", "t_x", "t"), [(0, 0.0, 10.0), (1, 4.0, 10.0), (6, 9.0, 10.0)])
def test_the_closed_form_of_buying_again_is_the_integral_over_rates_and_dropouts(
    x: int, t_x: float, t: float
) -> None:
    horizon, middles = 5.0, (np.arange(2_000) + 0.5) / 2_000
    rate = gamma.ppf(middles, MODEL.r, scale=1 / MODEL.alpha)[:, None]
    p = beta.ppf(middles, MODEL.a, MODEL.b)[None, :]
    alive = rate**x * (1 - p) ** x * np.exp(-rate * t)
    dead = rate**x * p * (1 - p) ** (x - 1) * np.exp(-rate * t_x) if x else 0.0
    total = np.mean(alive + dead)
    buys = np.mean(alive * (1 - np.exp(-rate * horizon)))
    history = (np.array([x]), np.array([t_x]), np.array([t]))
    assert MODEL.buys_within(horizon, *history)[0] == pytest.approx(buys / total, rel=5e-3)
    log_likelihood = bg_nbd.log_likelihood((MODEL.r, MODEL.alpha, MODEL.a, MODEL.b), *history)
    assert log_likelihood[0] == pytest.approx(np.log(total), abs=5e-3)


def test_very_long_histories_stay_finite() -> None:
    x, t_x, t = np.array([5_000.0, 5_000.0]), np.array([1.0, 9_999.0]), np.array([1e4, 1e4])
    assert np.isfinite(bg_nbd.log_likelihood((0.8, 3.0, 0.9, 2.5), x, t_x, t)).all()
    alive = MODEL.alive(x, t_x, t)
    assert alive[0] < 1e-9
    assert alive[1] > 0.5


def test_parameters_that_made_the_data_are_found_again() -> None:
    draw = np.random.default_rng(3)
    count, t = 4_000, 60.0
    rates, dropouts = draw.gamma(0.8, 1 / 5, count), draw.beta(0.9, 2.5, count)
    x, t_x = np.zeros(count), np.zeros(count)
    for i in range(count):
        now = draw.exponential(1 / rates[i])
        while now <= t:
            x[i], t_x[i] = x[i] + 1, now
            if draw.random() < dropouts[i]:
                break
            now += draw.exponential(1 / rates[i])
    found = bg_nbd.fit(x, t_x, np.full(count, t))
    assert found.r == pytest.approx(0.8, rel=0.15)
    assert found.alpha == pytest.approx(5, rel=0.2)
    assert found.a / (found.a + found.b) == pytest.approx(0.9 / 3.4, rel=0.15)


def test_one_buyer_or_buyers_who_never_came_back_give_finite_answers() -> None:
    for x in (np.array([0.0]), np.array([3.0]), np.zeros(20)):
        t = np.full(len(x), 30.0)
        model = bg_nbd.fit(x, x * 5, t)
        found = model.buys_within(14, x, x * 5, t)
        assert ((found >= 0) & (found <= 1)).all()


def test_no_buyers_cannot_be_fitted() -> None:
    with pytest.raises(ValueError, match="no buyers"):
        bg_nbd.fit(np.empty(0), np.empty(0), np.empty(0))
