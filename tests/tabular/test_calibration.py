"""The temperature of a classifier's probabilities."""

import numpy as np
import pytest
from helpers.tabular_cases import made, table
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from fastnn.tabular._calibration import BOUNDS, temperature


def log_loss(Z, labels, weights, smoothing=0.0):
    logarithms = log_softmax(Z, axis=1)
    of_label = logarithms[np.arange(len(Z)), labels]
    return np.average(-(1 - smoothing) * of_label - smoothing * logarithms.mean(axis=1), weights=weights)


@given(st.integers(0, 1000), st.integers(5, 200), st.integers(2, 5), st.floats(0.1, 8), st.booleans())
def test_the_temperature_minimises_the_log_loss(seed, m, n_classes, scale, weighted):
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((m, n_classes))
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # of the probabilities softmax(logits)
    weights = rng.random(m) + 0.1 if weighted else None
    Z = scale * logits
    found = temperature(Z, labels, weights)
    smoothing = n_classes / (m + n_classes)
    best = minimize_scalar(lambda t: log_loss(Z / np.exp(t), labels, weights, smoothing), method="bounded",
                           bounds=-np.log(BOUNDS[::-1]), options={"xatol": 1e-9})
    if log_loss(Z / np.exp(best.x), labels, weights) < log_loss(Z, labels, weights) * (1 - 1e-9):
        # 1 / T is known to 1e-6 of itself, and the slope there is at most the largest logit.
        assert log_loss(Z / found, labels, weights, smoothing) <= best.fun + 1e-6 * np.abs(Z / found).max()
    assert log_loss(Z / found, labels, weights) <= log_loss(Z, labels, weights)


def test_overconfident_logits_are_divided():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((20_000, 3))
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    for scale in (0.25, 1.0, 4.0):  # the standard error of a temperature of 20,000 labels is about 1 %
        assert temperature(scale * logits, labels) == pytest.approx(scale, rel=0.05)


def test_a_few_right_examples_do_not_ask_for_certainty():
    Z = np.array([[1.0, 0.0]] * 10)
    p = 1 / (1 + np.exp(-1 / temperature(Z, np.zeros(10, int))))
    assert 0.85 < p < 0.95  # (m + 1) / (m + 2), as the rule of succession says


def test_calibration_changes_no_label_and_lowers_the_held_out_log_loss():
    X, y = table("classifier", m=600)
    plain, calibrated = (made("classifier", calibrate=on, epochs=32).fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:])
                         for on in (False, True))
    np.testing.assert_array_equal(plain.predict(X), calibrated.predict(X))
    labels = np.searchsorted(plain.classes_, y[400:])
    losses = [-model.predict_log_proba(X[400:])[np.arange(200), labels].mean() for model in (plain, calibrated)]
    assert losses[1] <= losses[0]
    T = calibrated.temperatures_[0]
    expected = log_softmax(plain.predict_log_proba(X) / T, axis=1)
    # Logits below 10 in float32, divided once more: a few units in the last place of 10.
    np.testing.assert_allclose(calibrated.predict_log_proba(X), expected, atol=1e-5)
