"""csrc/registry.h is the only list of activations, losses, update rules and functions."""

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from helpers.activation_facts import FACTS, estimated

from fastnn import initializers, losses, optimizers, reference
from fastnn._core import registry

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc"
COMPILER = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
checkout = pytest.mark.skipif(not CSRC.is_dir(), reason="needs the sources")


def test_codes_are_positions():
    for names, code in ((registry.ACTIVATIONS, registry.activation_code), (registry.LOSSES, registry.loss_code),
                        (registry.RULES, registry.rule_code), (registry.FUNCTIONS, registry.function_code)):
        assert [code(name) for name in names] == list(range(len(names)))
        with pytest.raises(ValueError, match=re.escape(f"unknown name 'none': expected one of {', '.join(names)}")):
            code("none")


def test_every_name_has_a_reference_twin():
    assert set(reference.ACTIVATIONS) == set(registry.ACTIVATIONS)
    assert set(reference.LOSSES) == set(registry.LOSSES)
    assert set(reference.UPDATES) == set(registry.RULES)


def test_every_loss_and_rule_has_a_python_class():
    assert set(losses.BY_NAME) == set(registry.LOSSES)
    kinds = [kind for kind in optimizers.BY_NAME.values() if kind is not optimizers.LBFGS]
    momentum = [optimizers.RMSprop(momentum=0.9), optimizers.RMSprop(momentum=0.9, nesterov=True)]
    assert {optimizer.rule for optimizer in (*(kind() for kind in kinds), *momentum)} == set(registry.RULES)


def test_facts_of_the_present_rows():
    assert {"gelu", "silu", "softplus", "mish"} <= set(registry.KEEPS_Z) <= set(registry.BY_UNITS)
    assert {"relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "mish"} <= set(registry.RECTIFIERS)
    assert not {"softmax"} & set(registry.BY_UNITS)
    assert {"cross_entropy", "binary_cross_entropy", "poisson"} <= set(registry.FROM_Z)
    assert not {"squared_error", "absolute", "huber", "quantile", "gaussian"} & set(registry.FROM_Z)
    assert registry.STATES.items() >= {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "nadam": 2, "rmsprop": 1,
                                       "rmsprop_momentum": 2, "rmsprop_nesterov": 2}.items()
    assert all(initializers.resolve("auto", name) == "he_normal" for name in registry.RECTIFIERS)


@pytest.mark.parametrize("name", [name for name in FACTS if name != "exp"])
def test_estimated_error_facts_agree_with_the_table(name):
    """The table's suprema are rounded up, by at most a fifth."""
    known, found = FACTS[name], estimated(name)
    assert found.slope / 1.01 <= known.slope <= 1.2 * found.slope
    assert found.curvature / 1.01 <= known.curvature * 1.001 + 1e-12
    assert found.jump == pytest.approx(known.jump, abs=1e-3)


@checkout
def test_cython_has_no_names_of_its_own():
    names = {*registry.ACTIVATIONS, *registry.LOSSES, *registry.RULES, *registry.FUNCTIONS, *registry.ALL_LEVELS}
    source = (ROOT / "fastnn" / "_core" / "registry.pyx").read_text()
    assert not names & set(re.findall(r"[\"'](\w+)[\"']", source))


# ---- Adding one of each ---------------------------------------------------------------------------------------------

ROWS = {
    "FASTNN_FOR_EACH_ACTIVATION(UNITS, COLUMNS)": "UNITS(cube, CUBE, 1, 1)",
    "FASTNN_FOR_EACH_LOSS(UNITS, COLUMNS, TARGETS)": "UNITS(quartic, QUARTIC, 0)",
    "FASTNN_FOR_EACH_RULE(X)": "X(sign, SIGN, 1, 0, sign)",
}
FORMULAS = {  # file, the line before which they go, formulas
    "activations": ("/* The three loops", """
FASTNN_INLINE real FN(g_cube)(real z) { return z * z * z; }
FASTNN_INLINE real FN(d_cube)(real z) { return 3 * z * z; }
"""),
    "losses": ("#define LOSS_LOOP", """
FASTNN_INLINE FN(unit_loss) FN(l_quartic)(real a, real y, double factor)
{
    const real d = a - y;
    const FN(unit_loss) l = {R(factor) * d * d * d * d, 4 * R(factor) * d * d * d};
    return l;
}
"""),
    "optimizers": ("/* RMSprop", """
static void FN(sign)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta,
                     real *restrict v, real *restrict unused)
{
    (void)unused;
    for (ptrdiff_t i = 0; i < count; i++) {
        v[i] += 1;
        theta[i] -= R(u->rate) * (g[i] > 0 ? 1 : -1);
    }
}
"""),
}
PROGRAM = r"""
#include <math.h>
#include <stdio.h>
#include "fastnn.h"
int main(void)
{
    const fastnn_exports *c = &fastnn_csrc;
    const fastnn_ops *ops = c->table(FASTNN_BASELINE, FASTNN_FLOAT64);
    double Z[] = {-2, 0, 3}, A[3], dZ[] = {1, 1, 1}, Y[] = {1, 1, 1}, d[3], theta[] = {5, 5, 5}, v[3] = {0};
    const fastnn_loss loss = {.kind = FASTNN_QUARTIC, .parameter = 0.5, .ceiling = INFINITY, .factor = 1};
    fastnn_update u = {.rule = FASTNN_SIGN, .clip = 1, .size = 3, .n_shards = 1};
    c->prepare_update(&u, 1, 0.25);
    printf("%s %d %d %d\n", c->activations[FASTNN_CUBE].name, c->activations[FASTNN_CUBE].needs_z,
           c->activations[FASTNN_CUBE].rectifier, FASTNN_ACTIVATIONS);
    printf("%s %d %d\n", c->losses[FASTNN_QUARTIC].name, c->losses[FASTNN_QUARTIC].from_z, FASTNN_LOSSES);
    printf("%s %d %d\n", c->rules[FASTNN_SIGN].name, c->rules[FASTNN_SIGN].states, FASTNN_RULES);
    ops->activate(FASTNN_CUBE, 1, 3, NULL, Z, A, NULL, 0);
    ops->activate_backward(FASTNN_CUBE, 1, 3, Z, NULL, dZ, 1, NULL);
    printf("%g %g %g %g %g %g\n", A[0], A[1], A[2], dZ[0], dZ[1], dZ[2]);
    const double sum = ops->loss(&loss, 3, 1, Z, Y, NULL, d);
    printf("%g %g %g %g\n", sum, d[0], d[1], d[2]);
    ops->update(&u, 0, 3, Z, theta, v, NULL);
    printf("%g %g %g %g\n", theta[0], theta[1], theta[2], v[0]);
    return 0;
}
"""


def insert(path, at, text):
    """Put `text` before the first line that begins with `at`."""
    content = path.read_text()
    assert content.count("\n" + at) == 1, (path, at)
    path.write_text(content.replace("\n" + at, text + "\n" + at))


@checkout
@pytest.mark.skipif(not COMPILER or not shutil.which(COMPILER[0]), reason="needs a C compiler")
def test_a_row_and_a_formula_add_an_activation_a_loss_and_a_rule(tmp_path):
    """Two files of C each: registry.h and that of the formula."""
    csrc = tmp_path / "csrc"
    shutil.copytree(CSRC, csrc)
    content = (csrc / "registry.h").read_text()
    for macro, row in ROWS.items():
        content, count = re.subn(rf"(#define {re.escape(macro)}) +\\\n", rf"\1 \\\n    {row} \\\n", content)
        assert count == 1
    (csrc / "registry.h").write_text(content)
    for name, (at, text) in FORMULAS.items():
        insert(csrc / "elementwise" / f"{name}.inc.h", at, text)
    (csrc / "main.c").write_text(PROGRAM)
    sources = [str(csrc / name) for name in ("main.c", "dispatch.c", "levels/baseline.c")]
    command = [*COMPILER, "-std=gnu11", "-O0", f"-I{csrc}", *sources, "-o", str(tmp_path / "program"), "-lm"]
    subprocess.run(command, check=True, capture_output=True)
    result = subprocess.run([tmp_path / "program"], check=True, capture_output=True, text=True)
    n_activations, n_losses, n_rules = (len(names) + 1 for names in (
        registry.ACTIVATIONS, registry.LOSSES, registry.RULES))
    assert result.stdout.splitlines() == [
        f"cube 1 1 {n_activations}",
        f"quartic 0 {n_losses}",
        f"sign 1 {n_rules}",
        "-8 0 27 12 0 27",
        "49 -54 -2 16",  # 0.5 (81 + 1 + 16)
        "5.25 5.25 4.75 1",
    ]
