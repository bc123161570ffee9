"""Early stopping with several equally good epochs, and without an end before the last epoch."""

import numpy as np
import pytest
from helpers.fit_cases import blobs
from helpers.network_cases import parameter_bytes

from fastnn import Network
from fastnn.callbacks import Checkpoint, EarlyStopping

X, LABELS = blobs(m=90)
VALUES = (3.0, 1.0, 2.0, 1.0, 1.0, 4.0, 1.5, 1.0000001)  # of the epochs 1 to 8


class Values:
    """A metric with given values."""

    __name__ = "given"

    def __init__(self, *values):
        self.values = iter(values)

    def __call__(self, y_true, y_pred):
        return next(self.values)


def make(seed=0):
    return Network([4, 7, 3], activation="tanh", random_state=seed)


def fitted(rule, net=None, sign=1.0, values=VALUES, **settings):
    net = net or make()
    net.fit(X, LABELS, **{"epochs": 8, "batch_size": 30, "validation_data": (X, LABELS), "early_stopping": rule,
                          "metrics": [Values(*[sign * value for value in values])]} | settings)
    return net


@pytest.mark.filterwarnings("ignore:early stopping")  # of a metric that disagrees with the loss
@pytest.mark.parametrize(("ties", "epoch"), [("first", 2), ("last", 5)])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_ties_chooses_among_equally_good_epochs(ties, epoch, mode):
    """`patience` counts from the first of them, which later ones do not improve on."""
    rule = EarlyStopping("validation_given", None, mode=mode, ties=ties)
    net = fitted(rule, sign=1.0 if mode == "min" else -1.0)
    whole = fitted(None, epochs=epoch)
    assert net.history.best_epoch == epoch and len(net.history) == 8 and net.history.stop_reason == "epochs"
    assert parameter_bytes(net) == parameter_bytes(whole)
    stopped = fitted(EarlyStopping("validation_given", 3, mode="min", ties=ties))
    assert stopped.history.stop_reason == "early_stopping" and len(stopped.history) == 5
    assert stopped.history.best_epoch == epoch


@pytest.mark.filterwarnings("ignore:early stopping")
@pytest.mark.parametrize("ties", ["first", "last"])
@pytest.mark.parametrize("paused", [2, 3, 4, 5])
def test_a_resumed_fit_chooses_the_same_epoch(tmp_path, ties, paused):
    path, rule = tmp_path / "run.fastnn", EarlyStopping("validation_given", None, mode="min", ties=ties)
    whole = fitted(rule)

    def at_pause(network, record):
        return record["epoch"] == paused

    fitted(rule, callbacks=[Checkpoint(path), at_pause])
    again = fitted(rule, make(seed=4), values=VALUES[paused:], resume=path)
    assert parameter_bytes(again) == parameter_bytes(whole)
    assert again.history.best_epoch == whole.history.best_epoch
    other = EarlyStopping("validation_given", None, mode="min", ties="last" if ties == "first" else "first")
    with pytest.raises(ValueError, match="it has early_stopping="):
        fitted(other, make(seed=4), resume=path)


def test_a_standstill_is_checked_at_the_epoch_that_is_kept(recwarn):
    """The last of equal epochs has the lowest loss: nothing to warn of."""
    net = make()
    net.fit(X, LABELS, epochs=12, validation_data=(X, LABELS), metrics=[Values(*[0.5] * 12)],
            early_stopping=EarlyStopping("validation_given", None, mode="max", ties="last"))
    assert net.history.best_epoch == 12 and not recwarn.list
    assert np.argmin(net.history["validation_loss"]) == 11


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"ties": "middle"}, ValueError, "ties must be"), ({"patience": 0}, ValueError, "patience must be"),
    ({"patience": "none"}, TypeError, "patience must be"),
])  # fmt: skip
def test_impossible_rules_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        EarlyStopping(**arguments)
