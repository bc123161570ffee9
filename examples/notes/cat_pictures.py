"""Cat or not: logistic regression, a 2-layer and a 5-layer network on images from a file of yours.

Note 001, "Binary classification": "img -> 1 (cat) vs 0 (non cat); unroll pixel values into a feature vector". On the
images of the course (209 training and 50 test images) the published test accuracies are 70 % for logistic regression,
72 % for [12288, 7, 1] and 80 % for [12288, 20, 7, 5, 1].

The images are not part of fastnn. Pass a .npz file with X_train (m, 64, 64, 3) uint8, y_train (m,) of 0 and 1, and
X_test, y_test likewise: python cat_pictures.py FILE
"""

from pathlib import Path

import numpy as np
from pictures import parser, save
from supervised_learning import unroll

from fastnn import functional

RATES = (0.01, 0.001, 0.0001)
PUBLISHED = {"logistic regression": 0.70, "2 layers": 0.72, "5 layers": 0.80}


def load(path):
    """Return X_train (12288, m), Y_train (1, m), X_test, Y_test."""
    with np.load(path) as file:
        return tuple(array for part in ("train", "test")
                     for array in (unroll(file[f"X_{part}"]), file[f"y_{part}"].reshape(1, -1)))


def logistic(data, learning_rate=0.005, iterations=2000):
    """Return the probabilities of the test images, and the costs."""
    X, Y, X_test, Y_test = data
    d = functional.logistic_regression(X, Y, X_test, Y_test, num_iterations=iterations, learning_rate=learning_rate)
    return functional.sigmoid(d["w"].T @ X_test + d["b"])[0], d["costs"]


def two_layers(data, iterations=2500):
    X, Y, X_test, _ = data
    np.random.seed(1)  # noqa: NPY002  (the course draws from the global generator)
    parameters, costs = functional.two_layer_model(X, Y, (len(X), 7, 1), num_iterations=iterations)
    return functional.L_model_forward(X_test, parameters)[0], costs


def five_layers(data, iterations=2500):
    X, Y, X_test, _ = data
    np.random.seed(1)  # noqa: NPY002
    parameters, costs = functional.L_layer_model(X, Y, [len(X), 20, 7, 5, 1], num_iterations=iterations)
    return functional.L_model_forward(X_test, parameters)[0], costs


MODELS = {"logistic regression": logistic, "2 layers": two_layers, "5 layers": five_layers}


def accuracy(A, Y):
    return float(np.mean((A > 0.5) == Y))


def main(out: Path | None = None, file: Path | None = None) -> None:
    if file is None:
        print("No pictures given: python cat_pictures.py FILE.npz (see --help)")
        return
    data = load(file)
    Y_test = data[3]
    curves = {}
    for name, model in MODELS.items():
        A, curves[name] = model(data)
        print(f"{name:20} test accuracy {100 * accuracy(A, Y_test):.0f} %   (published: {100 * PUBLISHED[name]:.0f} %)")
    rates = {rate: logistic(data, rate, 1500)[1] for rate in RATES}
    print("logistic regression, cost after 1400 iterations: "
          + ", ".join(f"alpha = {rate:g}: {costs[-1]:.4f}" for rate, costs in rates.items()))

    def draw_costs(axes):
        for ax, lines, title in ((axes[0], {f"α = {rate:g}": costs for rate, costs in rates.items()},
                                  "Logistic regression"), (axes[1], curves, "The models")):
            for name, costs in lines.items():
                ax.plot(100 * np.arange(len(costs)), costs, label=name)
            ax.set(xlabel="iteration", ylabel="cost J", title=title)
            ax.legend()

    save(out, "cat_costs.png", draw_costs, columns=2, size=(9, 4))
    wrong = np.flatnonzero((A > 0.5)[0] != Y_test[0])
    with np.load(file) as pictures:
        X_test = pictures["X_test"]

    def draw_wrong(axes):
        for ax in axes.flat:
            ax.axis("off")
        for ax, i in zip(axes.flat, wrong, strict=False):
            ax.imshow(X_test[i])
            ax.set_title(f"{'cat' if Y_test[0, i] else 'not a cat'}, ŷ = {A[0, i]:.2f}", fontsize=9)

    print(f"misclassified by the 5 layers: {len(wrong)} of {len(X_test)} test pictures, {wrong.tolist()}")
    save(out, "cat_mistakes.png", draw_wrong, rows=2, columns=max(2, -(-len(wrong) // 2)), size=(12, 5.5))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("file", type=Path, nargs="?", help="the .npz file with the images")
    given = arguments.parse_args()
    main(given.out, given.file)
