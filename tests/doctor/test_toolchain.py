"""Compiler, headers, C and C++ libraries, and settings others left."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.doctor.facts import Box, GpuFacts
from engine.doctor.host import Host, Python
from engine.doctor.platform import Platform
from engine.doctor.stack import read_stack
from engine.doctor.toolchain import (
    CHECKS,
    check_accelerate_config,
    check_compiler,
    check_cxx_library,
    check_glibc,
)
from tests.doctor.boxes import box, only, tree

HEADER = "usr/include/python3.12/Python.h"
COMPILED = {"usr/bin/gcc": "", HEADER: ""}
PATHS = ("/usr/lib/python312.zip", "/usr/lib/python3.12", "/usr/lib/python3/dist-packages")


def read(
    tmp_path: Path,
    files: dict[str, str],
    env: dict[str, str] | None = None,
    python: Python | None = None,
) -> Box:
    host = Host(
        {"PATH": "/usr/local/bin:/usr/bin", "HOME": "/root"} | (env or {}),
        root=tree(tmp_path, files),
        python=python or Python("/usr/bin/python3", (3, 12, 3), PATHS),
        probes={},
    )
    return box(stack=read_stack(host))


def test_a_usual_box_has_nothing_to_say(tmp_path: Path) -> None:
    here = read(tmp_path, COMPILED)
    assert [found for check in CHECKS for found in check(here)] == []


@pytest.mark.parametrize(
    ("files", "installer", "told", "fix"),
    [
        # https://github.com/apple/ml-cross-entropy/issues/5
        ({HEADER: ""}, "apt-get install -y", "no C compiler", "install -y build-essential"),
        ({"usr/bin/gcc": ""}, "apt-get install -y", HEADER, "install -y python3.12-dev"),
        ({}, "dnf install -y", "no Python.h", "dnf install -y gcc python3.12-devel"),
        ({}, "apk add", "no C compiler", "apk add build-base python3-dev"),
        ({}, "zypper install -y", "no C compiler", "zypper install -y gcc python312-devel"),
    ],
)
def test_what_triton_needs(
    tmp_path: Path, files: dict[str, str], installer: str, told: str, fix: str
) -> None:
    (tmp_path / "usr").mkdir()
    here = read(tmp_path, files)
    there = Box(
        here.gpu,
        here.stack,
        here.limits,
        here.storage,
        here.hub,
        here.terminal,
        Platform(installer=installer),
    )
    finding = only(check_compiler(there))
    assert finding.severity == "warn"
    assert told in finding.message
    assert finding.fix.endswith(fix)


@pytest.mark.parametrize(
    ("files", "env"),
    [
        ({HEADER: "", "opt/bin/clang": ""}, {"PATH": "/opt/bin"}),
        ({HEADER: "", "opt/tool": ""}, {"CC": "/opt/tool -pipe"}),
        ({HEADER: "", "usr/bin/gcc": ""}, {"PATH": ""}),
    ],
)
def test_compilers_found_another_way(
    tmp_path: Path, files: dict[str, str], env: dict[str, str]
) -> None:
    assert check_compiler(read(tmp_path, files, env)) == []


def test_headers_stand_where_the_interpreter_was_installed(tmp_path: Path) -> None:
    conda = Python("/venv/bin/python", (3, 11, 9), ("/opt/conda/lib/python3.11", "/venv/x"))
    files = {"usr/bin/gcc": "", "usr/include/python3.11/Python.h": ""}
    finding = only(check_compiler(read(tmp_path, files, python=conda)))
    assert "/opt/conda/include/python3.11/Python.h" in finding.message


def test_without_a_gpu_triton_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    here = read(tmp_path, {})
    assert (
        check_compiler(
            Box(GpuFacts(), here.stack, here.limits, here.storage, here.hub, here.terminal)
        )
        == []
    )


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"usr/lib/x86_64-linux-gnu/libc-2.27.so": ""}, "2.27"),
        ({"lib64/libc.so.6": "GNU C Library (GNU libc) stable release version 2.17, by"}, "2.17"),
        ({"usr/bin/ldd": 'echo "ldd (Ubuntu GLIBC 2.23-0ubuntu11) 2.23"'}, "2.23"),
        ({"usr/lib/x86_64-linux-gnu/libc-2.31.so": ""}, ""),
        ({"etc/hostname": "box"}, ""),
    ],
)
def test_the_c_library_of_a_recorded_box(
    tmp_path: Path, files: dict[str, str], version: str
) -> None:
    found = check_glibc(read(tmp_path, files))
    assert bool(found) == bool(version)
    if version:
        assert version in found[0].message
        assert found[0].severity == "fail"


SYSTEM = {"usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.33": ""}


@pytest.mark.parametrize(
    ("files", "env", "fix"),
    [
        # https://github.com/oobabooga/textgen/issues/4405
        (
            SYSTEM | {"opt/conda/lib/libstdc++.so.6.0.29": ""},
            {"LD_LIBRARY_PATH": "/opt/none:/opt/conda/lib"},
            "unset LD_LIBRARY_PATH",
        ),
        (
            SYSTEM | {"opt/conda/lib/libstdc++.so.6": "GLIBCXX_3.4.9\0GLIBCXX_3.4.26\0"},
            {"LD_LIBRARY_PATH": "/opt/conda/lib"},
            "unset LD_LIBRARY_PATH",
        ),
        (
            SYSTEM | {"opt/conda/lib/libstdc++.so.6.0.34": ""},
            {"LD_LIBRARY_PATH": "/opt/conda/lib"},
            "",
        ),
        (SYSTEM, {"LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu"}, ""),
        (SYSTEM | {"opt/conda/lib/libstdc++.so.6.0.29": ""}, {}, ""),
    ],
)
def test_an_older_libstdcxx_before_the_systems(
    tmp_path: Path, files: dict[str, str], env: dict[str, str], fix: str
) -> None:
    found = check_cxx_library(read(tmp_path, files, env))
    assert [finding.fix for finding in found] == ([fix] if fix else [])


def test_the_libstdcxx_of_a_conda_environment(tmp_path: Path) -> None:
    files = SYSTEM | {"opt/conda/lib/libstdc++.so.6.0.26": "", "opt/conda/conda-meta/history": ""}
    conda = Python("/opt/conda/bin/python", (3, 11, 9), ("/opt/conda/lib/python3.11",))
    finding = only(check_cxx_library(read(tmp_path, files, python=conda)))
    assert finding.fix == "conda install -y -p /opt/conda -c conda-forge libstdcxx-ng"


@pytest.mark.parametrize(
    ("file", "env"),
    [
        ("root/.cache/huggingface/accelerate/default_config.yaml", {}),
        ("hf/accelerate/default_config.yaml", {"HF_HOME": "/hf"}),
        ("c/huggingface/accelerate/default_config.json", {"XDG_CACHE_HOME": "/c"}),
    ],
)
def test_settings_of_other_work(tmp_path: Path, file: str, env: dict[str, str]) -> None:
    finding = only(check_accelerate_config(read(tmp_path, {file: ""}, env)))
    assert finding.where == f"/{file}"
    assert finding.severity == "warn"
