"""Supervised learning: which application uses which network, and how an image becomes a column of X.

Note 001, "Supervised learning with Neural N/w": a table of input x, output y, application and network. "Binary
classification": "unroll pixel values into a feature vector; if img is 64 x 64, 3 [colours], n_x = 64 x 64 x 3 =
12288"; "X in R^(n_x x m), Y in R^(1 x m)". fastnn only builds dense ("standard") networks.
"""

from pathlib import Path

import numpy as np
from pictures import parser

from fastnn import Network

# input x, output y, application, network
APPLICATIONS = (
    ("ad, user info", "click on ad? (0/1)", "online advertising", "standard NN"),
    ("image", "object (1, ..., 1000)", "photo tagging", "CNN"),
    ("audio", "text transcript", "speech recognition", "RNN"),
    ("image, radar info", "position of other cars", "autonomous driving", "hybrid, complex"),
)


def built_here(network):
    """Whether fastnn builds this kind of network."""
    return network == "standard NN"


def unroll(pictures):
    """Flatten images (m, height, width, colours) to X (n_x, m), one per column, and scale 0 .. 255 to 0 .. 1."""
    return pictures.reshape(len(pictures), -1).T / 255


def main(out: Path | None = None) -> None:
    print(f"{'input x':20}{'output y':26}{'application':22}{'network':18}built by fastnn")
    for row in APPLICATIONS:
        x, y, application, network = row
        print(f"{x:20}{y:26}{application:22}{network:18}{'yes' if built_here(network) else 'no'}")
    pictures = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3))
    X = unroll(pictures)
    print(f"5 pictures of 64 x 64 pixels in 3 colours -> X {X.shape}: n_x = 64 * 64 * 3 = {64 * 64 * 3}, m = 5")
    net = Network([len(X), 1], output="sigmoid", random_state=0)
    print(f"logistic regression on them has {net.n_parameters} parameters; its y_hat for each:",
          " ".join(f"{y_hat:.3f}" for y_hat in net.predict_proba(X.T)))


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
