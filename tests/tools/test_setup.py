"""setup.py builds for the architecture that the compiler works for, whatever machine it runs on."""

import runpy
import sys
import sysconfig
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "setup.py"
setuptools = pytest.importorskip("setuptools")
cython_build = pytest.importorskip("Cython.Build")
pytestmark = pytest.mark.skipif(not SETUP.is_file() or sys.platform == "win32",
                                reason="reads setup.py of the checkout, and runs a shell script as compiler")
X86_ONLY = ("-mavx2", "-mfma", "-mavx512f")


@pytest.fixture
def build(monkeypatch, tmp_path):
    """Return a function that runs setup.py and returns the flags of each C library."""
    def run(macros, platform="linux", python_platform="linux-x86_64", **environment):
        compiler = tmp_path / "cc"
        compiler.write_text("#!/bin/sh\n" + "".join(f"echo '#define {macro} 1'\n" for macro in macros))
        compiler.chmod(0o755)
        found = {}
        monkeypatch.setattr(setuptools, "setup", lambda **arguments: found.update(arguments))
        monkeypatch.setattr(cython_build, "cythonize", lambda extensions, **_: extensions)
        monkeypatch.setattr(sysconfig, "get_platform", lambda: python_platform)
        monkeypatch.setattr(sys, "platform", platform)
        for name in ("ARCHFLAGS", "CFLAGS"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"CC": str(compiler), "FASTNN_OPENMP": "0", **environment}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(SETUP.parent)
        runpy.run_path(str(SETUP))
        return {name: library["cflags"] for name, library in found["libraries"]}

    return run


def test_an_x86_compiler_builds_all_levels(build):
    flags = build(["__GNUC__", "__x86_64__"])
    assert {"fastnn_baseline", "fastnn_avx2", "fastnn_avx512"} < set(flags)
    assert "-mavx2" in flags["fastnn_avx2"] and "-mavx2" not in flags["fastnn_baseline"]
    assert "-fno-schedule-insns" not in flags["fastnn_baseline"]


@pytest.mark.parametrize(("compiler", "unscheduled"), [((), True), (("__clang__",), False)])
def test_a_cross_compiler_for_arm64_builds_the_lowest_level_only(build, compiler, unscheduled):
    flags = build(["__GNUC__", "__aarch64__", *compiler])
    assert set(flags) == {"fastnn_baseline", "fastnn_dispatch"}
    assert not set(X86_ONLY) & {flag for each in flags.values() for flag in each}
    assert ("-fno-schedule-insns" in flags["fastnn_baseline"]) == unscheduled


@pytest.mark.parametrize(("platform", "x86"), [("linux-aarch64", False), ("linux-x86_64", True)])
def test_a_compiler_that_does_not_tell_builds_for_the_platform_of_python(build, platform, x86):
    assert ("fastnn_avx2" in build([], python_platform=platform)) == x86


@pytest.mark.parametrize(("architectures", "x86"), [("-arch arm64", False), ("-arch x86_64", True)])
def test_archflags_choose_the_architecture_on_macos(build, architectures, x86):
    flags = build(["__GNUC__", "__clang__"], "darwin", "macosx-11.0-universal2", ARCHFLAGS=architectures)
    assert ("fastnn_avx2" in flags) == x86
    assert "-Xarch_x86_64" not in str(flags)


@pytest.mark.parametrize("architectures", ["", "-arch arm64 -arch x86_64"])
def test_a_universal_build_has_the_x86_levels_in_its_x86_half(build, architectures):
    """-Xarch_x86_64 gives the next flag to that half only."""
    flags = build(["__GNUC__", "__clang__"], "darwin", "macosx-11.0-universal2", ARCHFLAGS=architectures)
    for level in ("fastnn_avx2", "fastnn_avx512"):
        for i, flag in enumerate(flags[level]):
            assert not flag.startswith("-mavx") or flags[level][i - 1] == "-Xarch_x86_64"
        assert "-mavx2" in flags[level]
