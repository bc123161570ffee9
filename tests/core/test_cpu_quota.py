"""The CPU quota of control groups: read from trees of files as Linux writes them, and obeyed by default."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn import Network, runtime
from fastnn._threads import cpu_quota as quotas
from fastnn._threads.cpu_quota import read_cpu_quota
from fastnn._threads.policy import parallelism

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "33 32 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
V1_GROUPS = "5:memory:/else\n4:cpu,cpuacct:{}\n3:cpuset:/else\n"


@pytest.fixture
def tree(tmp_path):
    """A function that writes files, by name below the root, and returns the quota that it reads from them."""
    def read(files):
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return read_cpu_quota(tmp_path)

    return read


def v2(path, mount=V2_MOUNT, **limits):
    """Files of version 2: `limits` of groups below the mount, with __ for /."""
    groups = {f"sys/fs/cgroup/{name.replace('__', '/')}/cpu.max": text for name, text in limits.items()}
    return {"proc/self/cgroup": f"0::{path}\n", "proc/self/mountinfo": mount, **groups}


def v1(path, quota, period="100000", folder="", mount=V1_MOUNT):
    place = f"sys/fs/cgroup/cpu,cpuacct/{folder}"
    return {"proc/self/cgroup": V1_GROUPS.format(path), "proc/self/mountinfo": mount,
            f"{place}/cpu.cfs_quota_us": f"{quota}\n", f"{place}/cpu.cfs_period_us": f"{period}\n"}


def test_version_2_reads_the_group_of_the_process(tree):
    assert tree(v2("/a/b", a__b="150000 100000\n", a="max 100000\n", other="10000 100000\n")) == 1.5


def test_the_tightest_ancestor_wins(tree):
    assert tree(v2("/a/b", a__b="max 100000\n", a="50000 100000\n")) == 0.5


def test_a_container_sees_its_own_group_as_the_root(tree):
    assert tree({**v2("/"), "sys/fs/cgroup/cpu.max": "200000 100000\n"}) == 2


def test_a_mount_may_show_a_part_of_the_hierarchy(tree):
    """Containers without a namespace of control groups: the path and the mount's root are those of the host."""
    mount = V2_MOUNT.replace(" / /sys", " /docker/c0ffee /sys")
    files = {**v2("/docker/c0ffee/inner", mount, inner="400000 100000\n"), "sys/fs/cgroup/cpu.max": "300000 100000\n"}
    assert tree(files) == 3


@pytest.mark.parametrize("path", ["/elsewhere", "/../sibling", "/docker/c0ffee2", "/docker"])
def test_a_group_that_the_mount_does_not_show_has_the_limit_of_the_mount(tree, path):
    mount = V2_MOUNT.replace(" / /sys", " /docker/c0ffee /sys")
    assert tree({**v2(path, mount), "sys/fs/cgroup/cpu.max": "300000 100000\n"}) == 3
    assert tree({**v2("/../sibling"), "sys/fs/sibling/cpu.max": "1000 100000\n"}) == 3


def test_version_1_reads_quota_and_period(tree):
    assert tree(v1("/docker/a", 250000, folder="docker/a")) == 2.5
    assert tree(v1("/docker/a", 50000, folder="docker")) == 0.5  # and those of the parents


def test_a_hybrid_system_reads_both_versions(tree):
    unified = V2_MOUNT.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    files = v1("/a", 400000, folder="a", mount=V1_MOUNT + unified)
    files["proc/self/cgroup"] += "0::/b\n"
    assert tree(files) == 4
    assert tree({"sys/fs/cgroup/unified/b/cpu.max": "100000 100000\n"}) == 1


def test_other_controllers_do_not_count(tree):
    memory = V1_MOUNT.replace("rw,cpu,cpuacct", "rw,cpuset")
    assert tree(v1("/", 100000, mount=memory)) is None


def test_blanks_in_paths_are_understood(tree):
    mount = V2_MOUNT.replace("/sys/fs/cgroup", r"/sys/fs/c\040group")
    assert tree({**v2("/a b", mount), "sys/fs/c group/a b/cpu.max": "100000 100000\n"}) == 1


@pytest.mark.parametrize("text", ["max 100000", "max", "", "100000", "junk 100000", "100000 0", "-1 100000"])
def test_other_texts_are_no_limit(tree, text):
    assert tree(v2("/a", a=f"{text}\n")) is None
    quota, _, period = text.partition(" ")
    assert tree(v1("/", quota, period)) is None


def test_missing_and_malformed_files_are_no_limit(tree):
    assert tree({}) is None
    assert tree({"proc/self/cgroup": "0::/\n"}) is None
    assert tree({"proc/self/cgroup": "junk\n:\n\n0:\n", "proc/self/mountinfo": "junk\n\n - \n1 2 - cgroup2\n"}) is None
    assert tree({"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2_MOUNT, "sys/fs/cgroup/cpu.max/a": ""}) is None


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_content_raises(tmp_path_factory, group, mounts):
    root = tmp_path_factory.mktemp("root")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_bytes(b"0::/" + group)
    (root / "proc/self/mountinfo").write_bytes(V2_MOUNT.encode() + mounts)
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/cpu.max").write_bytes(b"100000 100000")
    assert read_cpu_quota(root) == 1


# ---- obeyed by default


@pytest.fixture
def quota(monkeypatch):
    """A function that sets the quota; the cores are 8, and no variable sets the threads."""
    for name in ("FASTNN_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(runtime, "cores", lambda: 8)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8, raising=False)
    return lambda value: monkeypatch.setattr(runtime, "cpu_quota", lambda: value)


@pytest.mark.parametrize(("value", "threads"), [(None, 8), (0.25, 1), (1, 1), (1.5, 2), (3, 3), (8.1, 8), (64, 8)])
def test_the_default_is_the_quota_rounded_up(quota, value, threads):
    quota(value)
    assert runtime.thread_count() == threads


def test_an_explicit_number_wins_over_the_quota(quota, monkeypatch):
    quota(1)
    assert runtime.thread_count(4) == 4
    assert parallelism([64, 128, 10], 256, 4).team == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert runtime.thread_count() == 5
    monkeypatch.setenv("FASTNN_NUM_THREADS", "6")
    assert runtime.thread_count() == 6


def test_pythons_own_count_of_cpus_is_obeyed(quota, monkeypatch):
    """PYTHON_CPU_COUNT overrides os.process_cpu_count from Python 3.13 on."""
    quota(None)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 3, raising=False)
    assert runtime.thread_count() == 3
    monkeypatch.setattr(os, "process_cpu_count", lambda: None, raising=False)
    assert runtime.thread_count() == 1
    monkeypatch.setattr(os, "process_cpu_count", lambda: 1000, raising=False)
    assert runtime.thread_count() == 64
    quota(2)
    assert runtime.thread_count() == 2


def test_without_a_quota_the_default_is_the_affinity_mask(quota, monkeypatch):
    quota(None)
    monkeypatch.undo()
    monkeypatch.setattr(runtime, "cpu_quota", lambda: None)
    for name in ("FASTNN_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert runtime.thread_count() == getattr(os, "process_cpu_count", lambda: cores)()


def test_the_files_are_read_again_after_a_while(tuning, monkeypatch):
    tuning(QUOTA_SECONDS=5.0)
    now, answers = [100.0], iter([4.0, 2.0, None])
    monkeypatch.setattr(quotas, "_latest", (-np.inf, None))
    monkeypatch.setattr(quotas.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(quotas, "read_cpu_quota", lambda: next(answers))
    read = []
    for seconds in (0, 4, 1, 4, 2):
        now[0] += seconds
        read.append(quotas.cpu_quota())
    assert read == [4, 4, 2, 2, None]


def test_a_prediction_of_one_row_reads_no_files(tuning, monkeypatch):
    tuning(QUOTA_SECONDS=0.0)
    net = Network([4, 3], random_state=0)
    expected = net.predict_proba(np.zeros((1, 4)))
    monkeypatch.setattr(quotas, "read_cpu_quota", lambda: pytest.fail("the files of the quota are read"))
    assert np.array_equal(net.predict_proba(np.zeros((1, 4))), expected)


def test_the_configuration_shows_the_quota(monkeypatch, capsys):
    monkeypatch.setattr(runtime, "cores", lambda: 8)
    monkeypatch.setattr(runtime, "cpu_quota", lambda: 1.5)
    assert runtime.config()["cpu_quota"] == 1.5
    runtime.show_config()
    monkeypatch.setattr(runtime, "cpu_quota", lambda: None)
    runtime.show_config()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("cores:")] == [
        "cores:           8, of which a CPU quota allows 1.5", "cores:           8"]
    assert not any(line.startswith("cpu_quota") for line in lines)


def test_a_real_control_group_limits_the_threads():
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    group = Path("/sys/fs/cgroup" if unified else "/sys/fs/cgroup/cpu", f"fastnn_test_{os.getpid()}")
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no right to make a control group")
    code = ("import os, sys; open(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid())); import fastnn; "
            "print(fastnn.runtime.cpu_quota(), fastnn.runtime.thread_count())")
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    try:
        try:
            if unified:
                (group / "cpu.max").write_text("50000 100000")
            else:
                (group / "cpu.cfs_quota_us").write_text("50000")
        except OSError:
            pytest.skip("no right to set a quota")
        result = subprocess.run([sys.executable, "-P", "-c", code, str(group)], env=environment, capture_output=True,
                                text=True, check=True)
    finally:
        group.rmdir()
    assert result.stdout == "0.5 1\n"
