"""`transform`: the activations of any hidden layer, in any container."""

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import BOTH
from helpers.estimator_data import X_iris, fitted, quiet
from sklearn import config_context
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

LAYERS = {0: 7, 1: 4, 2: 5, -3: 7, -2: 4, -1: 5}
FRAMES = ["pandas", "polars"]


@pytest.fixture(params=BOTH)
def model(request):
    return fitted(request.param, hidden_layer_sizes=(7, 4, 5), activation=("tanh", "gelu", "relu"))


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("configure", ["set_output", "config_context"])
def test_each_layer_has_its_columns_in_a_frame(model, layer, frame, configure):
    pytest.importorskip(frame)
    bare = model.transform(X_iris, layer=layer)
    if configure == "set_output":
        result = model.set_output(transform=frame).transform(X_iris, layer=layer)
    else:
        with config_context(transform_output=frame):
            result = model.transform(X_iris, layer=layer)
    prefix = type(model).__name__.lower()
    assert type(result).__module__.startswith(frame)
    assert list(result.columns) == [f"{prefix}{column}" for column in range(LAYERS[layer])]
    assert np.array_equal(np.asarray(result), bare)


def test_names_are_those_of_the_last_layer(model):
    pytest.importorskip("pandas")
    frame = model.set_output(transform="pandas").transform(X_iris)
    assert list(frame.columns) == list(model.get_feature_names_out())
    assert list(quiet(model, "fit_transform", X_iris, np.arange(len(X_iris)) % 3).columns) == list(frame.columns)


def test_rows_of_a_frame_keep_their_index(model):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(X_iris, columns=list("abcd"), index=range(1000, 1000 + len(X_iris)))
    quiet(model, "fit", X, np.arange(len(X)) % 3)
    assert (model.set_output(transform="pandas").transform(X, layer=0).index == X.index).all()


def test_default_output_restores_arrays(model):
    pytest.importorskip("pandas")
    model.set_output(transform="pandas").set_output(transform="default")
    assert type(model.transform(X_iris, layer=0)) is np.ndarray


def test_pipelines_pass_frames_on(model):
    pytest.importorskip("pandas")
    pipeline = make_pipeline(StandardScaler(), make_union(model, StandardScaler())).set_output(transform="pandas")
    frame = quiet(pipeline, "fit_transform", X_iris, np.arange(len(X_iris)) % 3)
    assert frame.shape == (len(X_iris), 5 + 4) and list(frame.columns) == list(pipeline.get_feature_names_out())


def test_layer_may_be_any_whole_number(model):
    for layer in (np.int64(1), np.uint8(1), np.int8(-2)):
        assert np.array_equal(model.transform(X_iris, layer=layer), model.transform(X_iris, layer=1))


@pytest.mark.parametrize("layer", [True, False, np.True_, 3, -4, 0.0, "0", None])
def test_other_layers_are_refused(model, layer):
    with pytest.raises(ValueError, match="layer must be one of the 3 hidden layers, from -3 to 2, got "):
        model.transform(X_iris, layer=layer)


def test_sparse_rows_have_the_activations_of_dense_ones(model):
    for layer in range(3):
        np.testing.assert_allclose(model.transform(scipy.sparse.csr_array(X_iris), layer=layer),
                                   model.transform(X_iris, layer=layer), rtol=1e-10, atol=1e-12)
