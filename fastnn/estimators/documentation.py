"""What the docstrings of both estimators have in common."""

from textwrap import indent
from typing import TypeVar

__all__ = ["documented"]

T = TypeVar("T", bound=type)

PARAMETERS = """\
hidden_layer_sizes : array-like of shape (n_layers - 2,), default=(100,)
    Units of each hidden layer.
activation : {'identity', 'logistic', 'tanh', 'relu'} or *, default='relu'
    Of the hidden layers. * Also 'leaky_relu', 'elu', 'selu', 'gelu', 'silu', 'softplus', or a sequence of one name per
    hidden layer.
solver : {'lbfgs', 'sgd', 'adam'} or *, default='adam'
    * Also 'rmsprop', and 'adamw', whose decoupled weight decay is `alpha`.
alpha : float, default=0.0001
    Strength of the L2 penalty, which is divided by the examples of a mini-batch (by the sum of their weights).
batch_size : int or 'auto', default='auto'
    Examples of a mini-batch; 'auto' is min(200, m). Not used by 'lbfgs'.
learning_rate : {'constant', 'invscaling', 'adaptive'} or *, default='constant'
    For 'sgd'. * 'cosine' and 'one_cycle' run over max_iter epochs, step by step, with every stochastic solver.
learning_rate_init : float, default=0.001
power_t : float, default=0.5
    The exponent of 'invscaling'.
max_iter : int, default=200
    Epochs; of 'lbfgs' iterations.
shuffle : bool, default=True
random_state : int, RandomState instance or None, default=None
    Draws the weights, the split of early stopping, and the order of the examples.
tol : float, default=1e-4
    A loss (score) that is not better by this much does not count as improved; of 'lbfgs' the largest entry of the
    gradient at which it has converged.
verbose : bool, int or *, default=False
    * 'bar' shows a progress bar (needs tqdm).
warm_start : bool, default=False
    Go on from the last fit's parameters.
momentum : float, default=0.9
    Of 'sgd', from 0 to 1.
nesterovs_momentum : bool, default=True
early_stopping : bool, default=False
    Stop when the validation score no longer improves, with the parameters of the best epoch.
validation_fraction : float, default=0.1
    The share that early stopping holds out.
beta_1, beta_2, epsilon : float, default=0.9, 0.999, 1e-8
    Of 'adam' and 'adamw'; 'rmsprop' has the epsilon.
n_iter_no_change : int, default=10
    Stop after more epochs than this without an improvement.
max_fun : int, default=15000
    Evaluations of 'lbfgs'."""

EXTRAS = """\
dropout : float or sequence of float, default=0.0
    * The share of each hidden layer's units, or one number per hidden layer, that a training step leaves out.
clip_norm : float or None, default=None
    * A larger gradient is scaled to this norm.
scoring : str, callable or None, default=None
    * The score that early stopping watches, as scikit-learn's `scoring` everywhere; None is that of `score`. It gets
    the weights of the validation data if it takes a `sample_weight`.
callbacks : sequence, default=()
    * Functions that are called after each epoch as ``callback(estimator, record)`` and stop the training if they return
    True; or `fastnn.callbacks.LambdaCallback` and `CSVLogger`.
dtype : {'float32', 'float64'} or None, default=None
    * Of the parameters and of all that is computed; None is X's, float64 for 'lbfgs'.
n_threads : int or None, default=None
    * At most so many; None is FASTNN_NUM_THREADS, OMP_NUM_THREADS, or all cores."""

ATTRIBUTES = """\
coefs_, intercepts_ : list of ndarray of shape (n[l-1], n[l]) and (n[l],)
    The transposes of the notes' W[l], and b[l]: writable views of one array.
loss_ : float
    Of the last epoch: the mean over its mini-batches, each before its update, the L2 penalty included.
loss_curve_ : list of float
    One number an epoch. Not for 'lbfgs'.
best_loss_ : float or None
    The smallest of them; None with early stopping.
validation_scores_, best_validation_score_ : list of float, float
    With early stopping or X_val; else None.
validation_loss_curve_ : list of float
    * Likewise, without the penalty.
t_ : int
    Examples that were trained on.
n_iter_, n_layers_, n_outputs_, n_features_in_ : int
feature_names_in_ : ndarray of shape (n_features_in_,)
    Where X had names.
out_activation_ : str"""

FIT_PARAMETERS = """\
Parameters
----------
X : {array-like, sparse matrix} of shape (m, n_x)
y : array-like of shape (m,) or (m, n_outputs)
sample_weight : array-like of shape (m,), default=None
    Not negative, and not all zero in a mini-batch.
X_val, y_val, sample_weight_val : as X, y and sample_weight, default=None
    * What early stopping watches, in place of a part of X; without early stopping it is only recorded.

Returns
-------
self : object

Raises
------
ValueError, TypeError
    If an argument is not as described, or the parameters did not stay finite."""

TEXTS = {"parameters": PARAMETERS, "extras": EXTRAS, "attributes": ATTRIBUTES, "fit_parameters": FIT_PARAMETERS}


def documented(kind: T) -> T:
    """Put the common texts into a class's docstring and that of its `fit`, where their names stand in braces."""
    for owner, depth in ((kind, 4), (kind.fit, 8)):  # type: ignore[attr-defined]
        for name, text in TEXTS.items():
            if owner.__doc__:
                owner.__doc__ = owner.__doc__.replace(f"{{{name}}}", indent(text, " " * depth).lstrip())
    return kind
