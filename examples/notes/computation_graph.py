"""Computation graphs: values forward, derivatives backward by the chain rule.

Note 001, "Computation graph": "J(a, b, c) = 3(a + bc); u = bc, v = a + u, J = 3v = 3(5 + 3 x 2) = 33". "one step of
backward prop. on computation graph yields derivative of final op variable": "dJ/dv = 3, dJ/da = dJ/dv dv/da = 3 (chain
rule)", and so dJ/du = 3, dJ/db = 6, dJ/dc = 9.

Note 001, "logistic regression Grad. Descent": "z = w^T x + b, a = sigma(z), L(a, y)"; going back gives da, "dz" = a
- y, "dw1" = x1 dz, "dw2" = x2 dz, "db" = dz. Notes 000 and 002 derive da = -y/a + (1 - y)/(1 - a) and dz = a - y.
"""

from pathlib import Path

from pictures import parser

from fastnn.graph import Node, log, sigmoid


def cost_of_three():
    """J = 3(a + bc) at a = 5, b = 3, c = 2, as in the course, after its backward pass."""
    a, b, c = Node(5, "a"), Node(3, "b"), Node(2, "c")
    u = b * c
    v = a + u
    J = 3 * v
    u.name, v.name, J.name = "u", "v", "J"
    J.backward()
    return {"a": a, "b": b, "c": c, "u": u, "v": v, "J": J}


def logistic_loss(y):
    """L of one example with two features, after its backward pass."""
    x1, x2 = 1.5, -2.0
    w1, w2, b = Node(0.4, "w1"), Node(-0.3, "w2"), Node(0.1, "b")
    z = w1 * x1 + w2 * x2 + b
    a = sigmoid(z)
    L = -(y * log(a) + (1 - y) * log(1 - a))
    z.name, a.name, L.name = "z", "a", "L"
    L.backward()
    return {"w1": w1, "w2": w2, "b": b, "z": z, "a": a, "L": L}, (x1, x2)


def main(out: Path | None = None) -> None:
    nodes = cost_of_three()
    print(nodes["J"].draw())
    loss, (x1, x2) = logistic_loss(1)
    a, dz = loss["a"].value, loss["z"].grad
    print(f"Logistic regression, one example, y = 1: a = {a:.6f}, L = {loss['L'].value:.6f}")
    print(f"  da = {loss['a'].grad:.6f}   -y/a + (1 - y)/(1 - a) = {-1 / a:.6f}")
    print(f"  dz = {dz:.6f}   a - y = {a - 1:.6f}")
    print(f"  dw1 = {loss['w1'].grad:.6f}   x1 dz = {x1 * dz:.6f}")
    print(f"  dw2 = {loss['w2'].grad:.6f}   x2 dz = {x2 * dz:.6f}")
    print(f"  db = {loss['b'].grad:.6f}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, node in (("graph_of_J.svg", nodes["J"]), ("graph_of_logistic_loss.svg", loss["L"])):
            node.draw(out / name)
            print(f"picture: {out / name}")


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
