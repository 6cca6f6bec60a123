"""Models as files: written whole, and never unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from predictions_shop import some_features
from scipy.special import expit, logit
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from marketing_platform.errors import InputError
from marketing_platform.predictions import model, store
from marketing_platform.predictions.bg_nbd import BgNbd
from marketing_platform.predictions.classic import Classic
from marketing_platform.predictions.matrix import COLUMNS, PLAIN_COLUMNS
from marketing_platform.predictions.parts import from_parts, to_parts


def some_model() -> model.Model:
    draw = np.random.default_rng(0)
    features = some_features(600)
    outcomes = (features[:, 0] + draw.normal(size=600) > 1).astype(np.int64)
    classic = Classic(BgNbd(0.5, 30.0, 0.8, 2.5, 0.0), "purchase", 14)
    days = np.repeat(np.arange(6), 100)
    return model.retrain(features, outcomes, days, lambda _: classic, (0.4, 0.5, 0.2))


def test_a_loaded_model_gives_the_same_probabilities(tmp_path: Path) -> None:
    kept = some_model()
    path = store.save(tmp_path, "purchase-1", to_parts(kept))
    loaded = from_parts(store.load(tmp_path, "purchase-1"))
    assert isinstance(loaded, model.Model)
    features = some_features(50)
    assert (loaded.probabilities(features) == kept.probabilities(features)).all()
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_of_two_halves_that_an_earlier_version_kept_says_what_it_said_then() -> None:
    new = some_model()
    kept = {"method": "model", "linear": new.linear, "trees": new.trees}
    kept |= {"slope": 0.9, "centre": -1.2, "columns": COLUMNS}
    features = some_features(50)
    halves = [one.predict_proba(features[:, : len(PLAIN_COLUMNS)])[:, 1] for one in new.trees]
    grown = np.mean([logit(half) for half in halves], axis=0)
    mean = (logit(new.linear.predict_proba(features)[:, 1]) + grown) / 2
    loaded = from_parts(kept)
    assert isinstance(loaded, model.Model)
    assert np.allclose(loaded.probabilities(features), expit(-1.2 + 0.9 * (mean + 1.2)))


def test_a_missing_model_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.skops: the model is missing"):
        store.load(tmp_path, "gone")


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("evil"),)  # type: ignore[return-value]


def test_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store.path_of(tmp_path, "bad").write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(InputError, match="not readable"):
        store.load(tmp_path, "bad")
    assert not (tmp_path / "evil").exists()


def test_arrays_beside_plain_values_come_back_as_they_were(tmp_path: Path) -> None:
    weights = np.array([[0, 0.5], [0.25, 0]], np.float16)
    parts = {"products": ["tea", "pot"], "weights": weights, "of": {"a": 1.5}}
    path = store.save(tmp_path, "affinity-1", parts)
    assert path == store.path_of(tmp_path, "affinity-1")
    loaded = store.load(tmp_path, "affinity-1")
    assert (loaded.pop("weights") == parts.pop("weights")).all()
    assert loaded == parts


def test_an_archive_of_arrays_with_a_pickle_in_it_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "bad.npz", weights=np.array([_Evil()], dtype=object))
    with pytest.raises(InputError, match=r"bad\.npz: not readable"):
        store.load(tmp_path, "bad")
    assert not (tmp_path / "evil").exists()
    (tmp_path / "half.npz").write_bytes((tmp_path / "bad.npz").read_bytes()[:60])
    with pytest.raises(InputError, match=r"half\.npz: not readable"):
        store.load(tmp_path, "half")


def test_a_type_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    # All workers read this file, and importing it takes seconds.
    import skops.io

    parts = {"method": "model", "linear": LogisticRegression(), "trees": np.vectorize(len)}
    store.path_of(tmp_path, "odd").write_bytes(skops.io.dumps({**parts, "more": KMeans}))
    with pytest.raises(InputError, match=r"Build predictions\.models again"):
        store.load(tmp_path, "odd")


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r".+"):
        store.save(tmp_path, "broken", {"trees": (line for line in ())})
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_written_again_or_spoilt_is_read_again(tmp_path: Path) -> None:
    path = store.save(tmp_path, "purchase-1", {"kind": "rule", "level": 1.0})
    read = store.load(tmp_path, "purchase-1")
    read["level"] = 9.0
    assert store.load(tmp_path, "purchase-1")["level"] == 1.0
    store.save(tmp_path, "purchase-1", {"kind": "rule", "level": 2.0})
    assert store.load(tmp_path, "purchase-1")["level"] == 2.0
    path.write_bytes(b"no model")
    with pytest.raises(InputError, match="not readable"):
        store.load(tmp_path, "purchase-1")
    path.unlink()
    with pytest.raises(InputError, match="the model is missing"):
        store.load(tmp_path, "purchase-1")
