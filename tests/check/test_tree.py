"""What the tree promises of itself: formatting, include directions, file sizes, nothing left over."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINES_MAX = 500
MAY_INCLUDE = {
    "proto": {"proto"},
    "storage": {"proto", "storage"},
    "kernels": {"proto", "kernels"},
    "daemon": {"proto", "storage", "kernels", "daemon"},
    "clients": {"proto", "clients"},
    "examples": set(),
}


def tracked(*patterns):
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT, text=True,
                           capture_output=True, check=True).stdout.splitlines()
    return [file for file in files if (ROOT / file).exists()]


C_FILES = tracked("*.c", "*.h")


def test_there_are_files():
    assert len(C_FILES) > 50


def test_formatting():
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", *C_FILES], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[:3000]


@pytest.mark.parametrize("folder", MAY_INCLUDE)
def test_include_directions(folder):
    for file in C_FILES:
        if file.split("/")[0] != folder:
            continue
        for included in re.findall(r'^#include "([^"]+)"', (ROOT / file).read_text(), re.MULTILINE):
            assert included.split("/")[0] in MAY_INCLUDE[folder], f"{file} includes {included}"


def test_files_are_short():
    long = [file for file in C_FILES + tracked("*.py") if len((ROOT / file).read_text().splitlines()) > LINES_MAX]
    assert long == []


def test_no_marks_are_left():
    marks = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
    for file in C_FILES + tracked("*.py", "*.md", "*.build", "deploy/*", "model/train", "tests/run"):
        assert not marks.search((ROOT / file).read_text()), file


def test_only_the_allocator_allocates():
    pattern = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|strdup|free)\(")
    for file in C_FILES:
        if file.split("/")[0] in ("proto", "storage", "kernels", "daemon") and not file.startswith("proto/alloc."):
            code = re.sub(r"/\*.*?\*/", "", (ROOT / file).read_text(), flags=re.DOTALL)
            assert not pattern.search(code), f"{file}: use lt_malloc and its like"


def test_every_package_of_the_list_is_known_to_the_build():
    lines = [line for line in (ROOT / "deploy" / "packages").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"(build|run|test|train|bench|package|fuzz|coverage|valgrind|soak)\s+\S+\s+\S", line) for line in lines)
    libraries = re.findall(r"dependency\('([a-z]+)'", "".join((ROOT / file).read_text() for file in tracked("*meson.build")))
    packages = " ".join(lines)
    for library in set(libraries) - {"threads"}:
        assert library.removeprefix("lib") in packages, f"deploy/packages lacks {library}"


def test_debian_packages_are_built_with_the_libraries_of_the_list():
    control = (ROOT / "deploy" / "debian" / "control").read_text()
    depends = set(re.findall(r"^ (lib\S+-dev)\b", control.split("\n\n")[0], re.MULTILINE))
    assert depends == set(re.findall(r"^build\s+(lib\S+-dev)\b", (ROOT / "deploy" / "packages").read_text(), re.MULTILINE))
