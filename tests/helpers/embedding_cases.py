"""Input stages that the tests of embeddings share: columns, an arena of parameters, and error bounds of the kernels."""

from dataclasses import dataclass, field

import numpy as np
from helpers.kernel_cases import arrays, smallest, unit_roundoff
from hypothesis import strategies as st

from fastnn.embeddings import Embedding

EXAMPLES = (1, 2, 31, 33, 63, 64, 65, 257)  # around the blocks of 32 and 256 examples
BEFORE, AFTER = 5, 3  # elements of the arena that belong to other parameters


@dataclass
class Stage:
    """An input stage with the arena of its parameters, `BEFORE` others and `AFTER` others."""

    embedding: Embedding
    n_columns: int
    scaled: bool
    shapes: dict = field(init=False)
    offsets: dict = field(init=False)
    size: int = field(init=False)

    def __post_init__(self):
        scale = {"scale": (self.embedding.width(self.n_columns),)} if self.scaled else {}
        self.shapes = scale | self.embedding.shapes
        self.offsets, self.size = {"scale": -1}, BEFORE
        for name, shape in self.shapes.items():
            self.offsets[name] = self.size
            self.size += int(np.prod(shape))
        self.size += AFTER

    @property
    def arguments(self):
        """The keywords of the kernels."""
        e = self.embedding
        return {"table": e.table(self.n_columns), "sizes": (e.n_frequencies, e.n_outputs, e.vector_size),
                "offsets": tuple(self.offsets[name] for name in ("scale", *e.shapes))}

    @property
    def reference(self):
        """The columns, as the reference takes them."""
        return self.embedding.numbers, dict(self.embedding.categories)

    def views(self, arena):
        return {name: arena[self.offsets[name] :][: int(np.prod(shape))].reshape(shape)
                for name, shape in self.shapes.items()}

    def bounds(self, X, dA, parameters, scale, dtype):
        """Return the largest errors of A, and of the gradient by name, each computed by the kernel and the reference.

        With the unit roundoff u: a wave's angle is off by u (3 |c| + 4 pi |v x|), as c / (2 pi) takes two roundings,
        v x and the sum one each; and its cosine or sine by 8 u more. U s and d s are rounded once, a sum of n terms n
        times. A sum over the m examples is multiplied by at most three factors.
        """
        u, tiny, (K, F) = unit_roundoff(dtype), 100 * smallest(dtype), parameters["weights"].shape[1:]
        X, size, m = np.abs(X), np.abs(scale) * np.abs(dA), X.shape[1]
        p = {name: np.abs(values) for name, values in parameters.items()}
        s = p.get("scale", np.ones(len(dA)))
        A, bounds = np.zeros(dA.shape), {name: np.zeros(shape) for name, shape in self.shapes.items()}
        ds = np.zeros(len(dA))
        for kind, row, index, count in self.embedding.table(self.n_columns).tolist():
            column = list(self.embedding.table(self.n_columns)["row"]).index(row)
            x = X[column]
            rows = slice(row, row + (1 + K if kind == 1 else self.embedding.vector_size if kind == 2 else 1))
            if kind == 2:
                largest = p["vectors"][index : index + count].max(axis=0)[:, None]
                A[rows] = u * s[rows, None] * largest
                sums = np.sum(size[rows], axis=1)
                bounds["vectors"][index : index + count] = (m + 5) * u * s[rows] * sums
                ds[rows] = (m + 5) * u * sums * largest[:, 0]
                continue
            A[row] = u * s[row] * x
            ds[row] = (m + 5) * u * np.sum(size[row] * x)
            if kind == 0:
                continue
            own = slice(row + 1, row + 1 + K)
            U, d, v, c = (p[name][index] for name in ("weights", "biases", "frequencies", "phases"))
            wave = np.minimum(u * (3 * c[:, None] + 4 * np.pi * np.outer(v, x) + 8) + tiny, 2)  # (F, m)
            A[own] = s[own, None] * (U @ wave + (F + 6) * u * (np.sum(U, axis=1) + d)[:, None])
            dE = s[own, None] * size[own]
            inner = U.T @ dE  # (F, m)
            slope = inner * (wave + (m + K + 10) * u)
            bounds["weights"][index] = dE @ (wave + (m + 8) * u).T
            bounds["biases"][index] = (m + 6) * u * np.sum(dE, axis=1)
            bounds["phases"][index] = np.sum(slope, axis=1)
            bounds["frequencies"][index] = 2 * np.pi * slope @ x
            ds[own] = np.sum(size[own] * (U @ wave + (m + F + 8) * u * (np.sum(U, axis=1) + d)[:, None]), axis=1)
        if self.scaled:
            bounds["scale"] = ds
        # numbers that underflow: each is off by less than `tiny`, and multiplied by what follows
        large = [np.max(values, initial=1) for values in (*p.values(), X, size)]
        lost = tiny * (m + F) * np.prod(np.sort(large)[-3:])
        return A + lost, {name: bound + lost for name, bound in bounds.items()}


@st.composite
def stages(draw):
    """An input stage of one to six columns of any kinds."""
    kinds = draw(st.lists(st.sampled_from(["plain", "number", "category"]), min_size=1, max_size=6), label="columns")
    counts = {i: draw(st.sampled_from([1, 2, 9]), label="codes") for i, kind in enumerate(kinds) if kind == "category"}
    sizes = {"n_frequencies": draw(st.sampled_from([1, 7, 16, 17, 33])),
             "n_outputs": draw(st.integers(1, 6)), "vector_size": draw(st.sampled_from([1, 3, 8, 17]))}
    embedding = Embedding([i for i, kind in enumerate(kinds) if kind == "number"], counts, **sizes)
    return Stage(embedding, len(kinds), draw(st.booleans(), label="factors"))


def wrong_codes(count):
    return [-1.0, 0.5, count - 0.5, float(count), 1e30, -1e30, np.nan, np.inf, -np.inf]


@st.composite
def inputs(draw, stage, dtype):
    """X (n_columns, m): numbers of many scales, and codes of which some are wrong."""
    m = draw(st.sampled_from(EXAMPLES), label="m")
    X = draw(arrays((stage.n_columns, m), dtype), label="X")
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    for column, count in stage.embedding.categories.items():
        codes = np.concatenate([np.arange(count), wrong_codes(count)]) if draw(st.booleans()) else np.arange(count)
        X[column] = rng.choice(codes, m).astype(dtype)
    return X
