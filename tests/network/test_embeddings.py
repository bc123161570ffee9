"""`Embedding`: which columns become which rows of A[0], and what is refused."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn._core import registry
from fastnn.embeddings import Embedding


def test_columns_become_rows_in_their_order():
    """Number (1 + 3 rows), category (8), plain (1), number (4)."""
    embedding = Embedding([3, 0], {1: 5})
    assert embedding.first_rows(4) == (0, 4, 12, 13, 17)
    assert embedding.width(4) == 17
    assert embedding.width(6) == 19


def test_the_shapes_of_the_parameters():
    embedding = Embedding([0, 4], {1: 5, 2: 3}, n_frequencies=7, n_outputs=2, vector_size=6)
    assert embedding.shapes == {"frequencies": (2, 7), "phases": (2, 7), "weights": (2, 2, 7), "biases": (2, 2),
                                "vectors": (8, 6)}


def test_without_arguments_all_columns_stay_as_they_are():
    assert Embedding().width(5) == 5
    assert all(0 in shape for shape in Embedding().shapes.values())


@given(st.dictionaries(st.integers(0, 11), st.none() | st.integers(1, 9)), st.integers(1, 5), st.integers(1, 9))
def test_the_table_counts_numbers_and_codes_by_ascending_columns(columns, n_outputs, vector_size):
    numbers = [column for column, count in columns.items() if count is None]
    categories = {column: count for column, count in columns.items() if count is not None}
    embedding = Embedding(numbers, categories, n_outputs=n_outputs, vector_size=vector_size)
    row, n_numbers, n_codes = 0, 0, 0
    for column, (kind, first, index, count) in enumerate(embedding.table(12).tolist()):
        assert first == row
        if column in categories:
            assert (kind, index, count) == (registry.CATEGORY, n_codes, categories[column])
            n_codes, row = n_codes + count, row + vector_size
        elif column in numbers:
            assert (kind, index) == (registry.NUMBER, n_numbers)
            n_numbers, row = n_numbers + 1, row + 1 + n_outputs
        else:
            assert kind == registry.PLAIN
            row += 1
    assert embedding.width(12) == row


def test_equal_embeddings_are_equal_in_every_way():
    one = Embedding(np.array([3, 0]), {2: 4, 1: np.int64(9)})
    other = Embedding((0, 3), {1: 9, 2: 4})
    assert one == other and hash(one) == hash(other)
    assert repr(one) == repr(other)
    assert repr(one) == ("Embedding(numbers=(0, 3), categories={1: 9, 2: 4}, n_frequencies=16, n_outputs=3, "
                         "frequency_scale=0.1, vector_size=8)")
    assert eval(repr(one)) == one
    assert one != Embedding((0, 3), {1: 9, 2: 5}) != Embedding((0, 3), {1: 9, 2: 5}, n_outputs=2)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_are_equal(duplicate):
    embedding = Embedding([0], {1: 3})
    assert duplicate(embedding) == embedding
    assert hash(duplicate(embedding)) == hash(embedding)


def test_an_embedding_cannot_be_changed():
    counts = {1: 3}
    embedding = Embedding([0], counts)
    counts[1] = 9
    assert embedding.categories == {1: 3}
    with pytest.raises(AttributeError):
        embedding.n_outputs = 4
    with pytest.raises(TypeError):
        embedding.categories[1] = 4


@pytest.mark.parametrize("arguments, error, message", [
    ({"numbers": "01"}, TypeError, "numbers must be a sequence of columns of X, got '01'"),
    ({"numbers": 3}, TypeError, "numbers must be a sequence of columns of X, got 3"),
    ({"numbers": {1: 2}}, TypeError, "numbers must be a sequence of columns of X"),
    ({"numbers": [0.5]}, TypeError, "an item of numbers must be a whole number, got 0.5"),
    ({"numbers": [True, False]}, TypeError, "an item of numbers must be a whole number, got True"),
    ({"numbers": [-1]}, ValueError, "an item of numbers must be from 0 to 2147483647, got -1"),
    ({"numbers": [1, 1]}, ValueError, "numbers must name each column once, got 1 twice"),
    ({"numbers": [1, 2], "categories": {2: 3}}, ValueError,
     "column 2 must be in numbers or in categories, not in both"),
    ({"categories": [1]}, TypeError, "categories must be a dict {column of X: number of codes}"),
    ({"categories": {"a": 3}}, TypeError, "a column of categories must be a whole number, got 'a'"),
    ({"categories": {1: 0}}, ValueError, "the number of codes of column 1 must be from 1 to 16777216, got 0"),
    ({"categories": {1: 2**24 + 1}}, ValueError, "the number of codes of column 1 must be from 1 to 16777216"),
    ({"n_frequencies": 0}, ValueError, "n_frequencies must be from 1"),
    ({"n_outputs": 2.0}, TypeError, "n_outputs must be a whole number, got 2.0"),
    ({"vector_size": -3}, ValueError, "vector_size must be from 1"),
    ({"frequency_scale": 0}, ValueError, "frequency_scale must be finite and above 0, got 0"),
    ({"frequency_scale": "wide"}, TypeError, "frequency_scale must be a number, got 'wide'"),
    ({"categories": {0: 2**24}, "vector_size": 2**31 - 1, "numbers": range(1, 2**10), "n_frequencies": 2**31 - 1,
      "n_outputs": 2**31 - 1}, ValueError, "the embedding has more parameters than any memory holds"),
])  # fmt: skip
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error) as caught:
        Embedding(**arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("embedding, name", [(Embedding([5]), "numbers"), (Embedding(categories={5: 2}), "categories")])
def test_a_column_beyond_X_is_refused(embedding, name):
    assert embedding.width(6) > 6
    with pytest.raises(ValueError, match=rf"{name} of the embedding names column 5, but X has n\[0\] = 5 columns"):
        embedding.width(5)


def test_more_rows_than_BLAS_counts_are_refused():
    embedding = Embedding(categories={0: 1, 1: 1}, vector_size=2**30)
    with pytest.raises(ValueError, match="makes 2147483648 rows"):
        embedding.width(2)
