"""Model files of several networks with JSON values and arrays."""

import numpy as np
import pytest
from helpers.network_cases import parameter_bytes

from fastnn import ModelFileError, Network
from fastnn._model import bundles, file_format

KIND = "fastnn.Ensemble"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ensemble.fastnn"


@pytest.fixture
def networks():
    return [Network([3, 4, 2], random_state=0), Network([5, 1], output="sigmoid", dtype="float64", random_state=1)]


def test_networks_values_and_arrays_come_back(path, networks):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "encoder.b": np.array([1, 2])}
    content = {"names": ["x", None, 1.5], "encoder": {"kind": "table"}}
    bundles.write(path, KIND, [net._values() for net in networks], content, arrays)
    found, values, read = bundles.read(path, KIND)
    assert [parameter_bytes(Network._of_values(each)) for each in found] == list(map(parameter_bytes, networks))
    assert values == content
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


def test_a_bundle_may_hold_no_network_and_no_array(path):
    bundles.write(path, KIND, [], {}, {})
    assert bundles.read(path, KIND) == ([], {}, {})


def test_each_kind_of_file_names_its_reader(path, networks):
    bundles.write(path, KIND, [networks[0]._values()], {}, {})
    with pytest.raises(ModelFileError, match=r"no network: it holds 'fastnn.Ensemble', which fastnn.Ensemble.load"):
        Network.load(path)
    with pytest.raises(ModelFileError, match=r"holds no fastnn.Other: it holds 'fastnn.Ensemble'"):
        bundles.read(path, "fastnn.Other")
    networks[0].save(path)
    with pytest.raises(ModelFileError, match=r"no fastnn.Ensemble: it holds 'fastnn.Network', which fastnn.Network"):
        bundles.read(path, KIND)


WRONG = {
    "no networks": (lambda h, a: h.pop("networks"), "'networks'"),
    "networks in words": (lambda h, a: h.update(networks="two"), "holds no fastnn.Ensemble"),
    "a network of another kind": (lambda h, a: h["networks"][0].update(kind=3), "it holds 3"),
    "a network too few": (lambda h, a: h["networks"].pop(), "do not fit each other"),
    "an array of no network": (lambda h, a: a.update(W1=a["networks/0/W1"]), "do not fit each other"),
    "an array too few": (lambda h, a: a.pop("networks/1/b1"), "parameters do not fit"),
    "no arrays of a network": (lambda h, a: (a.pop("networks/1/b1"), a.pop("networks/1/W1")), "networks/1"),
    "no content": (lambda h, a: h.pop("content"), "'content'"),
    "content as a list": (lambda h, a: h.update(content=[1]), "do not fit each other"),
}


@pytest.mark.parametrize(("change", "text"), WRONG.values(), ids=WRONG)
def test_a_valid_file_of_other_content_is_refused(change, text, path, networks):
    bundles.write(path, KIND, [net._values() for net in networks], {}, {})
    header, arrays = file_format.read(path)
    change(header, arrays)
    file_format.write(path, header, arrays)
    with pytest.raises(ModelFileError, match=text) as caught:
        bundles.read(path, KIND)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("value", ["", [], "ä" * 9, {"a": [1, 2.5, None, True]}, list(range(1000))])
def test_packed_json_comes_back(value):
    array = bundles.packed(value)
    assert array.dtype == np.int64 and bundles.unpacked(array) == value
