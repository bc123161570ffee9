"""Computation graphs: the example of the course, every operation, whole networks, drawings, bad input."""

import doctest
import gc
import math
import operator
import subprocess
import sys
import weakref
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from helpers.core_cases import Task
from helpers.kernel_cases import unit_roundoff
from helpers.pass_errors import PassErrors
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import Network, graph, reference
from fastnn.gradcheck import check_function
from fastnn.graph import Node

U = np.finfo(np.float64).eps / 2


def course_example():
    """J = 3 (a + bc) of the course with its intermediate variables."""
    a, b, c = Node(5, "a"), Node(3, "b"), Node(2, "c")
    u = b * c
    v = a + u
    J = 3 * v
    u.name, v.name, J.name = "u", "v", "J"
    return a, b, c, u, v, J


# ---- the example of the course


def test_values_and_derivatives_of_the_course_example():
    a, b, c, u, v, J = course_example()
    assert (u.value, v.value, J.value) == (6, 11, 33)
    assert all(node.grad is None for node in (a, b, c, u, v, J))
    J.backward()
    assert (a.grad, b.grad, c.grad, u.grad, v.grad, J.grad) == (3, 6, 9, 3, 3, 1)


def test_nodes_know_parents_operation_and_formula():
    a, b, c, u, v, J = course_example()
    assert (a.parents, u.parents, v.parents, J.parents) == ((), (b, c), (a, u), (v,))
    assert (a.operation, u.operation, v.operation, J.operation) == (None, "*", "+", "*")
    assert repr(u) == "Node(u = 6)"
    assert repr(b + c) == "Node(b + c = 5)"
    assert repr(Node(2)) == "Node(2)"
    assert repr((b + c) * 2) == "Node((...) * 2 = 10)"
    assert repr(Node(2, "two\nlines")) == "Node(two lines = 2)"


def test_scalars_are_floats_and_arrays_keep_their_shape():
    x = Node(np.float32(2))
    y = Node([[1, 2, 3]])
    out = (x * y).sum()
    out.backward()
    assert type(x.value) is type(x.grad) is type(out.value) is float
    assert y.value.dtype == y.grad.dtype == np.float64
    assert y.grad.shape == y.shape == (1, 3)


def test_value_is_a_read_only_copy():
    source = np.array([1.0, 2.0])
    x = Node(source)
    source[0] = 7
    assert x.value[0] == 1
    for node in (x, x + 1, x.T, x.reshape(2, 1), x.sum(keepdims=True)):
        with pytest.raises(ValueError, match="read-only"):
            node.value[...] = 0
    with pytest.raises(AttributeError):
        x.value = 3


# ---- backward


def test_contributions_of_a_reused_node_are_summed():
    x = Node(3.0)
    y = x * x + x**2 + 5 * x - x  # 2 x^2 + 4 x
    y.backward()
    assert y.value == 30
    assert x.grad == 16


def test_second_backward_replaces_the_derivatives():
    x, other = Node(3.0), Node(4.0)
    y = x * other
    y.backward()
    y.backward()
    assert (x.grad, other.grad, y.grad) == (4, 3, 1)
    (x**2).backward()
    assert (x.grad, other.grad, y.grad) == (6, 3, 1)  # nodes that were not reached keep theirs


def test_derivatives_of_different_nodes_do_not_share_memory():
    x, y = Node([1.0, 2.0]), Node([3.0, 4.0])
    (x + y).backward(np.ones(2))
    x.grad *= 5
    assert y.grad.tolist() == [1, 1]


def test_backward_accepts_a_derivative_of_the_same_shape_only():
    x = Node([1.0, 2.0])
    (x**2).backward([10, 100])
    assert x.grad.tolist() == [20, 400]
    for bad in ([1.0], 1.0, [[1.0, 2.0]]):
        with pytest.raises(ValueError, match=r"grad must have the shape of y of shape \(2,\)"):
            y = x * 1
            y.name = "y"
            y.backward(bad)
    with pytest.raises(ValueError, match=r"backward of \(x \* 1\) of shape .* needs grad") as error:
        x.name = "x"
        (x * 1).backward()
    assert "single number" in str(error.value)
    single = Node([[3.0]])
    (single * 2).backward()  # a single number of any shape
    assert single.grad.tolist() == [[2]]


def test_failed_backward_changes_nothing():
    x, y = Node(0.0, "x"), Node(1.0, "y")
    root = x**0.5
    out = root * y + y
    with pytest.raises(ValueError, match=r"derivative of x \*\* 0\.5 by x is not finite at x = 0"):
        out.backward()
    assert all(node.grad is None for node in (x, y, root, out))


# ---- every operation, compared with NumPy and numerical derivatives

BINARY = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
}
UNARY = {
    "exp": (graph.exp, np.exp), "log": (graph.log, np.log), "tanh": (graph.tanh, np.tanh),
    "sigmoid": (graph.sigmoid, lambda z: reference.activate("sigmoid", z)),
    "relu": (graph.relu, lambda z: reference.activate("relu", z)), "neg": (operator.neg, np.negative),
    "T": (lambda x: x.T, np.transpose), "square": (lambda x: x * x, np.square),
}


def positive(rng, shape, low=1.5, high=3.0):
    """Numbers away from the zeros of all derivatives here, and from the kink of relu."""
    return rng.uniform(low, high, shape)


def assert_derivatives(function, *arguments):
    """Assert that the derivative of `function` with respect to each argument agrees with a numerical one.

    The result is weighted and summed to get a number. A numerical derivative is off by at most 1e-8 of the norm of the
    gradient (RELIABLE in fastnn.gradcheck), the backward pass by a few rounding errors.
    """
    nodes = [Node(argument) for argument in arguments]
    out = function(*nodes)
    weights = np.random.default_rng(1).uniform(0.5, 2, out.shape)
    (out * weights).sum().backward()
    for k, node in enumerate(nodes):
        def f(x, k=k):
            moved = [*arguments[:k], x, *arguments[k + 1 :]]
            return (function(*map(Node, moved)) * weights).sum().value

        result = check_function(f, arguments[k], node.grad)
        assert result.passed(2e-8), str(result)
        assert result.left_out == 0


@st.composite
def broadcastable(draw):
    """Two shapes that broadcast together."""
    full = draw(st.lists(st.integers(1, 3), max_size=3))
    shapes = []
    for _ in range(2):
        shape = [n if draw(st.booleans()) else 1 for n in full]
        shapes.append(tuple(shape[draw(st.integers(0, len(full))) :]))
    return shapes


@pytest.mark.parametrize("symbol", BINARY)
@settings(max_examples=25)
@given(shapes=broadcastable(), seed=st.integers(0, 2**32 - 1))
def test_binary_operations_broadcast(symbol, shapes, seed):
    rng = np.random.default_rng(seed)
    x, y = (positive(rng, shape) for shape in shapes)
    out = BINARY[symbol](Node(x), Node(y))
    assert np.array_equal(out.value, BINARY[symbol](x, y))
    assert out.operation == symbol
    assert_derivatives(BINARY[symbol], x, y)


@pytest.mark.parametrize("symbol", [*BINARY, "@"])
@pytest.mark.parametrize("kind", ["ndarray", "list", "Node"])
def test_arrays_and_lists_may_stand_on_the_left(symbol, kind):
    function = BINARY.get(symbol, operator.matmul)
    x, y = positive(np.random.default_rng(0), (2, 2, 2))
    node = Node(y)
    left = {"ndarray": x, "list": x.tolist(), "Node": Node(x)}[kind]
    out = function(left, node)
    assert isinstance(out, Node)
    assert np.array_equal(out.value, function(x, y))
    expected = Node(y)
    function(Node(x), expected).backward(np.ones((2, 2)))
    out.backward(np.ones((2, 2)))
    assert np.array_equal(node.grad, expected.grad)
    assert np.array_equal(function(node, left).value, function(y, x))


@pytest.mark.parametrize("number", [3, 2.5, True, np.float32(1.5), np.float64(2), np.int8(3), np.array(2.0)])
def test_numbers_may_stand_on_the_left(number):
    for function in BINARY.values():
        x = Node(2.0)
        out = function(number, x)
        assert isinstance(out, Node) and type(out.value) is float
        assert out.value == function(float(number), 2.0)
        assert out.parents == (x,)


@pytest.mark.parametrize("name", UNARY)
@settings(max_examples=15)
@given(shape=st.lists(st.integers(1, 3), max_size=3), seed=st.integers(0, 2**32 - 1))
def test_unary_operations_have_correct_derivatives(name, shape, seed):
    ours, theirs = UNARY[name]
    x = positive(np.random.default_rng(seed), shape)
    assert np.allclose(ours(Node(x)).value, theirs(x), rtol=4 * U, atol=0)  # at most 2 rounding errors a side
    assert_derivatives(ours, x)
    if name != "log":
        assert_derivatives(ours, -x)


@settings(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_matmul_of_vectors_and_matrices_has_correct_derivatives(data, seed):
    n, k, m = (data.draw(st.integers(1, 4)) for _ in range(3))
    left, right = data.draw(st.sampled_from([(n, k), (k,)])), data.draw(st.sampled_from([(k, m), (k,)]))
    rng = np.random.default_rng(seed)
    x, y = positive(rng, left), positive(rng, right)
    assert np.array_equal((Node(x) @ Node(y)).value, x @ y)
    assert_derivatives(operator.matmul, x, y)


@settings(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), keepdims=st.booleans())
def test_sum_mean_and_reshape_have_correct_derivatives(data, seed, keepdims):
    shape = data.draw(st.lists(st.integers(1, 3), max_size=3))
    axes = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
    several = st.lists(st.integers(0, len(shape) - 1), unique=True).map(tuple) if shape else st.just(())
    axis = data.draw(st.none() | axes | several)
    x = positive(np.random.default_rng(seed), shape)
    for ours, theirs in ((graph.sum, np.sum), (graph.mean, np.mean)):
        out, expected = ours(Node(x), axis, keepdims), theirs(x, axis=axis, keepdims=keepdims)
        assert out.shape == expected.shape
        assert np.allclose(out.value, expected, rtol=2 * (x.size + 2) * U, atol=0)  # two sums of positive numbers
        assert_derivatives(lambda node, ours=ours: ours(node, axis, keepdims), x)
    assert_derivatives(lambda node: node.reshape(-1) * 2, x)
    assert Node(np.ones((2, 3))).reshape((3, 2)).shape == Node(np.ones((2, 3))).reshape(3, -1).shape == (3, 2)


def test_functions_and_methods_agree():
    x = positive(np.random.default_rng(0), (2, 3))
    for name in ("exp", "log", "sigmoid", "tanh", "relu", "sum", "mean"):
        assert np.array_equal(getattr(graph, name)(x).value, getattr(Node(x), name)().value)


@pytest.mark.parametrize("z", [-800.0, -40.0, -20.0, 20.0, 40.0, 800.0])
def test_saturated_activations_keep_their_accuracy(z):
    for name in ("sigmoid", "tanh", "relu"):
        x = Node(z)
        out = getattr(x, name)()
        out.backward()
        # both sides compute exp twice and a few products; exp(-800) is 0
        assert out.value == pytest.approx(float(reference.activate(name, z)), rel=8 * U, abs=0)
        assert x.grad == pytest.approx(float(reference.activate_backward(name, 1.0, z)), rel=32 * U, abs=0)


def test_mean_of_equal_numbers_is_exact():
    """Sums of up to 1000 threes are exact; a mean computed as the sum times 1 / n would not be (for n = 49)."""
    for n in range(1, 1000):
        x = Node(np.full(n, 3.0))
        x.mean().backward()
        assert x.mean().value == 3
        assert np.array_equal(x.grad, np.full(n, 1 / n))


def test_no_intermediate_result_overflows():
    """A derivative or norm that can be represented is computed without overflow."""
    x = Node(0.0)
    x.tanh().backward(1e308)
    assert x.grad == 1e308
    assert repr(Node(np.full((2, 2), 1e200))) == "Node(array(2, 2), norm 2e+200)"


def test_results_do_not_depend_on_numpy_errstate():
    """Underflow gives 0, and overflow raises our own error."""
    with np.errstate(all="raise"):
        assert graph.exp(-1000.0).value == graph.sigmoid(-800.0).value == 0
        with pytest.raises(ValueError, match="is not a finite number"):
            graph.sum(np.repeat([1e308, -1e308], 1000))  # infinity - infinity


def test_derivatives_of_relu_and_powers_at_zero():
    x = Node([0.0, -0.0])
    x.relu().backward([1, 1])
    assert x.grad.tolist() == [0, 0]
    for exponent, expected in ((0, 0), (1, 1), (2, 0), (3, 0)):
        x = Node(0.0)
        (x**exponent).backward()
        assert x.grad == expected
    x = Node(-2.0)
    (x**3).backward()
    assert x.grad == 12
    y = Node(2.0)
    (0.0**y).backward()
    assert y.grad == 0


# ---- whole networks


def network_of_nodes(task, rows):
    """The network and the cost of the task as a graph, with the formulas of the course."""
    X, Y, _ = task.batch(rows)
    W = [Node(M, f"W{l}") for l, M in enumerate(task.W, 1)]
    b = [Node(v, f"b{l}") for l, v in enumerate(task.b, 1)]
    A = X
    for W_l, b_l, g in zip(W, b, task.activations, strict=True):
        A = getattr(graph, g)(W_l @ A + b_l)
    J = -graph.mean(Y * graph.log(A) + (1 - Y) * graph.log(1 - A))
    return J, A.value, W, b


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 9), order=st.permutations(["tanh", "relu", "sigmoid"]))
def test_graph_network_and_reference_have_the_same_gradients(seed, rows, order):
    """The gradients agree up to rounding errors.

    `PassErrors` bounds the difference between Network and reference. The graph computes dA = -y/a + (1 - y)/(1 - a), as
    the course does. The quotients amplify the error e(A) >= 8 u and the rounding error of 1 - a by at most
    1 / min(a, 1 - a), so dZ[L] of the graph is off by at most 4 / min(a, 1 - a) times the bound on dZ[L], and all later
    errors are linear in that bound. J is off by e(A) / min(a, 1 - a) and a few rounding errors of each logarithm.
    """
    t = Task((4, 5, 3, 1), (*order[:2], "sigmoid"), "binary_cross_entropy", "float64", rows=rows, seed=seed)
    every = slice(0, rows)
    X, Y, _ = t.batch(every)
    expected_J, dW, db = reference.gradients(X, Y, t.W, t.b, t.activations, t.loss)
    bound = PassErrors(t, every, unit_roundoff(t.dtype))

    J, A, W, b = network_of_nodes(t, every)
    J.backward()
    factor = 4 / np.min(np.minimum(A, 1 - A))
    magnified = factor * np.max(bound.eA[-1]) + (rows + 16) * U * (1 + abs(expected_J))
    assert abs(J.value - expected_J) <= bound.J + magnified

    net = Network(t.sizes, activation=t.activations[:-1], output="sigmoid", dtype="float64")
    net.W[:], net.b[:] = t.W, t.b
    net_J, net_dW, net_db = net.gradients(t.X, t.Y)
    assert abs(net_J - expected_J) <= bound.J
    for mine, theirs, exact, error in ((W, net_dW, dW, bound.dW), (b, net_db, db, bound.db)):
        for l in range(3):
            assert np.all(np.abs(mine[l].grad - exact[l]) <= factor * error[l])
            assert np.all(np.abs(theirs[l] - exact[l]) <= error[l])


# ---- large graphs

LONG = """
import gc
from fastnn.graph import Node
x = Node(2.0, "x")
y = x
for _ in range(100_000):
    y = y + 1
assert y.value == 100_002
y.backward()
assert x.grad == 1
text = y.draw().splitlines()
assert len(text) < 300 and any("99801 more nodes" in line for line in text), len(text)
assert text[0].startswith("layer 0") and text[-1].startswith("layer 100000")
assert y._repr_svg_() is None
try:
    y.draw("never.svg")
except ValueError as error:
    assert "100001 nodes" in str(error) and "200" in str(error)
else:
    raise AssertionError("drawn")
del y
gc.collect()
print("alive")
"""


def test_chain_of_100_000_nodes_needs_no_recursion(tmp_path):
    """Run in another process, because a recursion would crash it."""
    done = subprocess.run([sys.executable, "-c", LONG], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.strip() == "alive", done.stderr
    assert not list(tmp_path.iterdir())


def test_shared_nodes_are_visited_once():
    x = Node(1.0)
    y = x
    for _ in range(60):  # 2^60 paths
        y = y + y
    y.backward()
    assert y.value == x.grad == 2.0**60


def test_nodes_are_freed_without_garbage_collection():
    gc.disable()
    try:
        x = Node(1.0)
        y = x.exp()
        y.backward()
        watched = weakref.ref(y)
        del y
        assert watched() is None
    finally:
        gc.enable()


# ---- drawings


def test_text_drawing_is_that_of_the_docstring():
    *_, J = course_example()
    assert "dJ" not in J.draw()  # no derivatives yet
    J.backward()
    assert J.draw() in graph.__doc__


def test_text_drawing_labels_arrays_and_unnamed_nodes():
    W = Node(np.eye(3), "W")
    out = (W @ [1, -1, 0]).sum()
    out.backward()
    assert out.draw() == """\
layer 0  W = array(3, 3), norm 1.732      doutput/dW = array(3, 3), norm 2.449
layer 1  #1 = W @ array(3,) = [1, -1, 0]  doutput/d#1 = [1, 1, 1]
layer 2  output = sum(#1) = 0             doutput/doutput = 1"""


def test_derivatives_are_labelled_with_their_output():
    *_, v, J = course_example()
    J.backward()
    assert "dJ/dv = 3" in v.draw()


NAMES = st.text(max_size=30).filter(lambda name: all(ord(c) < 0xD800 or ord(c) > 0xDFFF for c in name))


def texts(document):
    root = ET.fromstring(document.encode())
    return root, [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


@settings(max_examples=60)
@given(names=st.lists(NAMES, min_size=5, max_size=5))
def test_svg_is_valid_for_any_names(names):
    a, b, c, u, _, J = course_example()
    a.name, b.name, c.name, u.name, J.name = names
    J.backward()
    root, lines = texts(J._repr_svg_())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(lines) == 3 * 6
    assert "33" in lines and "11" in lines
    J.draw()


def test_svg_shows_formulas_values_and_derivatives(tmp_path):
    *_, J = course_example()
    J.backward()
    J.name = 'J <&> "quoted"\x00'
    document = J.draw(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_bytes() == document.encode()
    _, lines = texts(document)
    for line in ("u = b * c", "6", "dJ/du = 3", 'J <&> "quoted"\ufffd = 3 * v', "33", "dJ/da = 3"):
        assert line in lines
    assert document.count("marker-end") == 5  # b, c -> u; a, u -> v; v -> J


@st.composite
def random_graphs(draw):
    nodes = [Node(float(k), f"x{k}") for k in range(draw(st.integers(1, 4)))]
    for _ in range(draw(st.integers(1, 25))):
        left, right = (nodes[draw(st.integers(0, len(nodes) - 1))] for _ in range(2))
        nodes.append(graph.tanh(left + 0.5 * right))
    return nodes[-1]


@settings(max_examples=80)
@given(output=random_graphs())
def test_boxes_do_not_overlap_and_arrows_point_right(output):
    output.backward()
    root, _ = texts(output._repr_svg_())
    svg = "{http://www.w3.org/2000/svg}"
    boxes = [tuple(float(rect.get(key)) for key in ("x", "y", "width", "height"))
             for rect in root.iter(f"{svg}rect") if rect.get("rx")]
    width, height = float(root.get("width")), float(root.get("height"))
    for i, (x, y, w, h) in enumerate(boxes):
        assert min(x, y) >= 0 and x + w <= width and y + h <= height
        for X, Y, W, H in boxes[:i]:
            assert x + w <= X or x >= X + W or y + h <= Y or y >= Y + H
    for path in root.iter(f"{svg}path"):
        if path.get("marker-end"):
            numbers = path.get("d").replace("M", "").replace("C", " ").split()
            start, end = (float(numbers[0]), float(numbers[1])), (float(numbers[-2]), float(numbers[-1]))
            assert start[0] < end[0]
            assert any(math.isclose(end[0], x, abs_tol=0.2) and y < end[1] < y + h for x, y, w, h in boxes)


def test_other_formats_than_svg_are_refused(tmp_path):
    *_, J = course_example()
    for bad in ("graph.png", "graph"):
        with pytest.raises(ValueError, match=r"must end in \.svg, got 'graph"):
            J.draw(bad)
    with pytest.raises(OSError):
        J.draw(tmp_path / "missing" / "graph.svg")


# ---- bad input


@pytest.mark.parametrize(("value", "error", "text"), [
    ("3", TypeError, "real number"), (None, TypeError, "real number"), (1j, TypeError, "complex"),
    (Node(1.0), TypeError, "got Node"), ([Node(1.0)], TypeError, "real number"), (object(), TypeError, "object"),
    ([[1, 2], [3]], ValueError, "number or an array"), ([], ValueError, "not empty"),
    (np.ones((2, 0)), ValueError, "(2, 0)"), (np.ma.array([1.0, 2.0], mask=[0, 1]), ValueError, "masked"),
    (math.nan, ValueError, "finite"), ([1, math.inf], ValueError, "finite"), (10**400, TypeError, "real number"),
])
def test_invalid_values_are_refused(value, error, text):
    with pytest.raises(error, match="the value of w must be") as raised:
        Node(value, "w")
    assert text in str(raised.value)
    if not isinstance(value, (Node, list)):
        with pytest.raises((TypeError, ValueError)):
            Node(1.0) + value


def test_names_that_are_not_str_are_refused():
    with pytest.raises(TypeError, match="name of a node must be a str, got int"):
        Node(1.0, 3)
    with pytest.raises(TypeError, match="name"):
        Node(1.0).name = ["a"]


W1, B1, X0 = Node(np.ones((4, 3)), "W1"), Node(np.ones((2, 1)), "b1"), Node(np.ones((2, 5)), "X")
ZERO, MINUS, HUGE = Node(0.0, "zero"), Node([-1.0, 2.0], "minus"), Node(1000.0, "huge")


@pytest.mark.parametrize(("run", "texts"), [
    (lambda: W1 @ X0, ["W1 @ X", "(4, 3)", "(2, 5)", "3 columns", "2 rows"]),
    (lambda: W1 @ 2, ["W1 @ 2", "use *"]),
    (lambda: W1 @ np.ones((1, 3, 2)), ["W1 @ array(1, 3, 2)", "vectors and matrices"]),
    (lambda: W1 + B1, ["W1 + b1", "(4, 3) and (2, 1)", "broadcast"]),
    (lambda: (W1 * 2) * X0, ["(W1 * 2) * X", "(2, 5)"]),
    (lambda: np.ones((2, 2)) - X0, ["array(2, 2) - X", "broadcast"]),
    (lambda: ZERO.log(), ["log(zero)", "positive", "got 0"]),
    (lambda: graph.log(MINUS), ["log(minus)", "got -1"]),
    (lambda: W1 / ZERO, ["W1 / zero", "division by zero"]),
    (lambda: 1 / (ZERO * 2), ["1 / (zero * 2)", "division by zero"]),
    (lambda: W1 / np.array([1.0, 0, 2]), ["division by zero"]),
    (lambda: MINUS**0.5, ["minus ** 0.5", "not a finite number", "[-1, 2]"]),
    (lambda: ZERO**-1, ["zero ** -1", "not a finite number"]),
    (lambda: HUGE.exp(), ["exp(huge)", "not a finite number", "huge = 1000"]),
    (lambda: (1e200 * HUGE) * 1e200, ["not a finite number"]),
    (lambda: W1.sum(axis=2), ["sum of W1 of shape (4, 3)", "axis 2"]),
    (lambda: W1.mean(axis=(0, 0)), ["mean of W1", "(0, 0)"]),
    (lambda: W1.reshape(5, 2), ["W1 of shape (4, 3)", "(5, 2)"]),
    (lambda: (MINUS ** Node(2.0, "y")).sum().backward(), ["derivative of minus ** y by y", "not finite"]),
])
def test_errors_name_the_nodes(run, texts):
    with pytest.raises(ValueError) as error:
        run()
    for text in texts:
        assert text in str(error.value)


def test_numpy_functions_refuse_nodes():
    for run in (lambda: np.exp(W1), lambda: np.add(np.ones((4, 3)), W1)):
        with pytest.raises(TypeError, match="Node"):
            run()


def test_examples_in_docstrings():
    assert doctest.testmod(graph).failed == 0
