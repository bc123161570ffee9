"""The package: its imports, its files, and the layers of its modules."""

import ast
import importlib
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

import fastnn

ROOT = Path(fastnn.__file__).parent
SOURCES = {
    ".".join(("fastnn", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
STDLIB = sys.stdlib_module_names
RUN_TIME = {"numpy", "scipy", "threadpoolctl"}  # what the wheel requires
NEED_SKLEARN = ("fastnn.estimators", "fastnn.preprocessing", "fastnn.tabular")
OPTIONAL = {"sklearn", "joblib", "matplotlib", "tqdm"}  # scikit-learn needs joblib
# A module imports lower layers and its own; above the network (layer 8), lower layers and its own folder only.
# The longest prefix that matches gives the layer.
LAYERS = {
    "fastnn._core": 1, "fastnn._version": 1,
    "fastnn._tuning": 2, "fastnn._threads": 2, "fastnn.runtime": 2, "fastnn._data.checks": 2, "fastnn._data.sparse": 2,
    "fastnn._data.arrays": 2, "fastnn._data.frames": 2, "fastnn._data.precision": 2, "fastnn._data.functions": 2,
    "fastnn._monitor": 3, "fastnn._schedule": 3,
    "fastnn.losses": 3, "fastnn.optimizers": 3, "fastnn.schedules": 3, "fastnn.initializers": 3,
    "fastnn.embeddings": 3,
    "fastnn._model": 4,
    "fastnn._data": 5,
    "fastnn._prediction": 6, "fastnn.metrics": 6, "fastnn.preprocessing": 6,
    "fastnn._training": 7, "fastnn.callbacks": 7, "fastnn.history": 7,
    "fastnn.network": 8, "fastnn._network": 8,
    "fastnn.datasets": 9, "fastnn.estimators": 9, "fastnn.functional": 9, "fastnn.gradcheck": 9, "fastnn.graph": 9,
    "fastnn.plot": 9, "fastnn.reference": 9, "fastnn.tabular": 10, "fastnn": 11, "fastnn._commands": 12,
    "fastnn._demo": 12, "fastnn.__main__": 13,
}
# Reads the functions that a pickle holds by value, while that pickle itself is loaded.
UNPICKLES = "fastnn.estimators._functions"
# Imports of the same or a higher layer, all inside functions: a plot of the history.
EXCEPTIONS = {("fastnn.history", "fastnn.plot")}
# Documented in docs/reference/api.md; every other module begins with an underscore.
PUBLIC = {"callbacks", "datasets", "embeddings", "estimators", "functional", "gradcheck", "graph", "history",
          "initializers", "losses", "metrics", "network", "optimizers", "plot", "preprocessing", "reference",
          "runtime", "schedules", "tabular"}
SCRIPT = ("fastnn.__main__", "fastnn._commands", "fastnn._demo")  # the console script, which uses the public names


def layer(module):
    """The number of a module's layer, and the prefix that gives it."""
    prefix = max((name for name in LAYERS if module == name or module.startswith(f"{name}.")), key=len)
    assert prefix != "fastnn" or module == "fastnn", f"{module} has no layer"
    return LAYERS[prefix], prefix


def python(code):
    """Run code in a fresh interpreter; return what it prints as JSON."""
    done = subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ---- what it loads


def test_import_loads_little():
    extra = python("""
import json, sys
import numpy, scipy.linalg
before = set(sys.modules)
import fastnn
print(json.dumps(sorted(set(sys.modules) - before)))
""")
    tops = {name.partition(".")[0] for name in extra}
    assert tops - STDLIB <= {"fastnn", "scipy", "numpy", "threadpoolctl", "__mp_main__"} | {
        name for name in tops if name.startswith("_cython") or name == "cython_runtime"}
    own = {name for name in extra if name.startswith("fastnn")}
    assert not own & {f"fastnn.{name}" for name in ("estimators", "functional", "gradcheck", "graph", "preprocessing",
                                                "reference", "tabular")}
    assert not any(name.startswith("fastnn.plot") for name in own)
    assert len(extra) <= len(own) + 40, sorted(set(extra) - own)


def test_import_has_no_side_effects():
    """No warning, no change of print options or floating-point state, nothing printed."""
    same = python("""
import json, sys, warnings
import numpy as np
before = np.geterr(), np.get_printoptions(), list(warnings.filters)
tiny = np.float32(1e-40)
import fastnn
after = np.geterr(), np.get_printoptions(), list(warnings.filters)
print(json.dumps([after == before, float(tiny * np.float32(1)) > 0]))
""")
    assert same == [True, True]  # the second: denormals are alive, which -ffast-math would have switched off


def test_public_names():
    for name in fastnn.__all__:
        assert getattr(fastnn, name) is not None
    namespace = {}
    exec("from fastnn import *", namespace)
    assert set(fastnn.__all__) <= set(namespace)
    assert sorted(fastnn.__all__) == sorted(set(fastnn.__all__))
    assert fastnn.__version__ == metadata.version("fastnn")


@pytest.mark.parametrize("module", [name for name in SOURCES if not name.endswith("__main__")])
def test_every_name_that_a_module_offers_exists(module):
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        if error.name and error.name.partition(".")[0] in OPTIONAL:
            pytest.skip(f"{error.name} is not installed")
        raise
    for name in getattr(loaded, "__all__", ()):
        assert hasattr(loaded, name), name


# ---- what it ships


def shipped():
    return [PurePosixPath(file) for file in metadata.files("fastnn") if PurePosixPath(file).parts[0] == "fastnn"]


def test_the_wheel_holds_no_sources_of_the_core():
    names = [file.name for file in shipped()]
    assert [name for name in names if name.endswith((".c", ".h", ".pyx", ".pxd", ".cpp", ".o", ".a"))] == []
    assert not any("test" in file.parts for file in shipped())


def test_the_wheel_is_typed():
    files = set(map(str, shipped()))
    assert "fastnn/py.typed" in files
    compiled = {file.name.partition(".")[0] for file in shipped() if file.suffix in (".so", ".pyd")}
    assert compiled
    public = {name for name in compiled if list(ROOT.glob(f"_core/{name}.*"))}
    assert public == compiled
    without_names = {"arrays", "forkguard", "network", "shard", "training_buffers", "training_stages",
                     "prediction_chunks"}
    for name in compiled - without_names:
        module = importlib.import_module(f"fastnn._core.{name}")
        if getattr(module, "__all__", None) or name in ("training_plan", "prediction_plan", "kernels", "registry"):
            assert f"fastnn/_core/{name}.pyi" in files


def test_run_time_needs():
    needs = [need for need in metadata.requires("fastnn") if "extra ==" not in need]
    assert {need.split(">")[0].strip() for need in needs} == RUN_TIME


# ---- who may import whom


def imports(module):
    """Return (target, line, at_top) for each import of a module, except those under TYPE_CHECKING."""
    tree = ast.parse(SOURCES[module].read_text(encoding="utf-8"))
    package = module if SOURCES[module].name == "__init__.py" else module.rpartition(".")[0]

    def visit(node, top):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, child.lineno, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    parts = package.split(".")
                    base = ".".join(parts[: len(parts) - child.level + 1] + ([base] if base else []))
                for alias in child.names:
                    full = f"{base}.{alias.name}"
                    yield full if full in SOURCES or compiled(full) else base, child.lineno, top
            else:
                yield from visit(child, top and not isinstance(child, (ast.FunctionDef, ast.Lambda)))

    return list(visit(tree, True))


def compiled(module):
    parts = module.split(".")
    return parts[:2] == ["fastnn", "_core"] and len(parts) == 3 and bool(list(ROOT.glob(f"_core/{parts[2]}.*.so"))
                                                                         or list(ROOT.glob(f"_core/{parts[2]}.*.pyd")))


def test_the_rules_see_the_imports():
    """Sanity check: the import scanner finds known imports."""
    found = {target for target, _, _ in imports("fastnn._network")}
    assert {"fastnn._data.checks", "fastnn._model.architecture", "numpy"} <= found
    found = {(target, top) for module in ("loop", "progress")
             for target, _, top in imports(f"fastnn._training.{module}")}
    assert {("fastnn._core.kernels", True), ("tqdm.auto", False)} <= found
    assert len(SOURCES) > 10


@pytest.mark.parametrize("module", SOURCES)
def test_third_party_imports(module):
    for target, line, top in imports(module):
        package = target.partition(".")[0]
        if package == "fastnn" or package in STDLIB:
            continue
        assert package in RUN_TIME | OPTIONAL, f"{module}:{line} imports {target}"
        if package in OPTIONAL and not module.startswith(NEED_SKLEARN):
            assert not top, f"{module}:{line} needs {target} at import"


@pytest.mark.parametrize("oracle", ["fastnn.reference", "fastnn.graph"])
def test_oracles_import_only_numpy(oracle):
    """And their own modules: they share no code with the core that they check."""
    def within(name):
        return name == oracle or name.startswith(f"{oracle}.")

    modules = list(filter(within, SOURCES))
    assert oracle in modules
    for module in modules:
        for target, line, _ in imports(module):
            assert within(target) or target.partition(".")[0] in STDLIB | {"numpy"}, f"{module}:{line} imports {target}"


def test_public_modules_are_the_documented_ones():
    names = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert {name for name in names if not name.startswith("_")} == PUBLIC


@pytest.mark.parametrize("module", SOURCES)
def test_modules_import_lower_layers(module):
    number, _ = layer(module)
    folder = module if SOURCES[module].name == "__init__.py" else module.rpartition(".")[0]
    for target, line, top in imports(module):
        if target.partition(".")[0] != "fastnn":
            continue
        its_number, its_prefix = layer(target)
        own = folder != "fastnn" and (target == folder or target.startswith(f"{folder}."))
        if own or its_number < number or its_number == number < 9:
            continue
        if (module, its_prefix) in EXCEPTIONS:
            assert not top, f"{module}:{line} imports {target}"
            continue
        raise AssertionError(f"{module}:{line} (layer {number}) imports {target} (layer {its_number})")


def test_plots_load_when_they_are_asked_for():
    """Only History.plot and the demo import them, inside functions; pyplot is imported in one place."""
    for module in SOURCES:
        for target, line, top in imports(module):
            if target.startswith("fastnn.plot") and not module.startswith("fastnn.plot"):
                known = module == "fastnn.history" or module.startswith(SCRIPT)
                assert known and not top, f"{module}:{line} imports {target}"
            if target.startswith("matplotlib.pyplot"):
                assert module == "fastnn.plot._axes", f"{module}:{line} imports {target}"


def test_no_cycles():
    """Including imports inside functions, except that of the package for its version."""
    edges = {module: {target for target, _, top in imports(module) if target in SOURCES and target != module
                      and not (target == "fastnn" and not top)} for module in SOURCES}
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module):], module])
        if module not in done:
            path.append(module)
            for target in sorted(edges[module]):
                visit(target)
            done.add(path.pop())

    for module in SOURCES:
        if module != "fastnn" and not module.startswith(SCRIPT):  # the package imports them, so they cannot import it
            assert "fastnn" not in edges[module], f"{module} imports the package itself"
            visit(module)


def test_the_core_imports_nothing_of_fastnn():
    loaded = python("""
import importlib.util, json, sys, types
spec = importlib.util.find_spec("fastnn")
package = types.ModuleType("fastnn")  # in place of fastnn/__init__.py, which would import everything
package.__path__ = list(spec.submodule_search_locations)
sys.modules["fastnn"] = package
import pkgutil, importlib
core = importlib.import_module("fastnn._core")
names = [module.name for module in pkgutil.iter_modules(core.__path__)]
for name in names:
    importlib.import_module(f"fastnn._core.{name}")
print(json.dumps([names, [name for name in sys.modules if name.startswith("fastnn")]]))
""")
    names, modules = loaded
    assert {"training_plan", "prediction_plan", "kernels", "registry"} <= set(names)
    assert set(modules) == {"fastnn", "fastnn._core", *(f"fastnn._core.{name}" for name in names)}


def code_lines(function):
    """The number of lines of a function's statements, docstring and comments excluded."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    statements = [node for child in body for node in ast.walk(child) if hasattr(node, "lineno")]
    spans = {line for node in statements for line in range(node.lineno, node.end_lineno + 1)}
    return len(spans)


def test_files_have_at_most_350_lines():
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
               for suffix in ("py", "pyx", "pxd") for path in ROOT.rglob(f"*.{suffix}")}
    assert {path: n for path, n in lengths.items() if n > 350} == {}


@pytest.mark.parametrize("module", SOURCES)
def test_functions_have_at_most_60_lines_of_code(module):
    for node in ast.walk(ast.parse(SOURCES[module].read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert code_lines(node) <= 60, f"{module}.{node.name} has {code_lines(node)} lines of code"


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_unpickles_or_evaluates(module):
    """Especially not the reader of model files."""
    for target, line, _ in imports(module) if module != UNPICKLES else ():
        assert target.partition(".")[0] not in ("pickle", "marshal", "shelve", "dill", "joblib"), f"{module}:{line}"
    for node in ast.walk(ast.parse(SOURCES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            assert name not in ("eval", "exec"), f"{module}:{node.lineno}"
            assert not any(keyword.arg == "allow_pickle" for keyword in node.keywords), f"{module}:{node.lineno}"
