"""What `meson install` puts where, and that a C program builds and runs with that alone."""

import json
import os
import re
import shlex
import subprocess

import pytest
from conftest import BUILD, PATIENCE, ROOT, clean_environment

pytestmark = pytest.mark.skipif(BUILD != ROOT / "build", reason="the release build is what is installed")
EXAMPLES = sorted((ROOT / "examples").glob("*.c"))
TEXT = "The King had golden hair. His daughter had brown hair."


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def destination(tmp_path_factory):
    folder = tmp_path_factory.mktemp("destination")
    run("meson", "install", "--no-rebuild", "--quiet", "-C", BUILD, "--destdir", folder)
    return folder


@pytest.fixture(scope="module")
def prefix(destination):
    options = json.loads(run("meson", "introspect", "--buildoptions", BUILD))
    return destination / next(option["value"] for option in options if option["name"] == "prefix").lstrip("/")


@pytest.fixture(scope="module")
def library(prefix):
    [folder] = [found.parent for found in prefix.glob("lib/**/liblatent.so")]
    return folder


@pytest.fixture(scope="module")
def compile_with(library, destination, tmp_path_factory):
    """Compiles a program as its author would: with pkg-config."""
    environment = {**os.environ, "PKG_CONFIG_PATH": str(library / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(destination)}
    flags = shlex.split(run("pkg-config", "--cflags", "--libs", "latent", env=environment))

    def compile(source, *command):
        program = tmp_path_factory.mktemp("program") / "program"
        run(*command, source, "-o", program, *flags)
        return program

    return compile


def test_files(prefix):
    for path in ("bin/latentd", "bin/latentctl", "include/latent.h", "share/latentd/models/islet-8-s.gguf"):
        assert (prefix / path).stat().st_size > 0, path


def test_library_has_its_soversion(library):
    assert (library / "liblatent.so").readlink().name == "liblatent.so.0"
    assert "[liblatent.so.0]" in run("readelf", "-d", library / "liblatent.so")


def test_library_shows_what_the_header_declares(library):
    header = re.sub(r"/\*.*?\*/", "", (ROOT / "clients/c/latent.h").read_text(), flags=re.DOTALL)
    declared = set(re.findall(r"\b(latent_\w+)\(", re.sub(r"^typedef[^;]*;", "", header, flags=re.MULTILINE)))
    assert len(declared) > 20
    symbols = run("nm", "-D", "--defined-only", "--format=posix", library / "liblatent.so").splitlines()
    names = {line.split()[0] for line in symbols}
    assert names - {"LATENT_0"} == {f"{name}@@LATENT_0" for name in declared}


@pytest.mark.parametrize("source", EXAMPLES, ids=lambda path: path.name)
def test_examples_build_outside_the_tree(compile_with, source):
    compile_with(source, "cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror")


@pytest.mark.parametrize("command", ["cc -std=c99 -pedantic -Werror", "c++ -x c++ -pedantic -Werror"])
def test_header_stands_alone(compile_with, library, tmp_path, command):
    source = tmp_path / "alone.c"
    source.write_text("#include <latent.h>\nint main(void) { latent_destroy(latent_create()); return 0; }\n")
    run(compile_with(source, *command.split()), env={"LD_LIBRARY_PATH": str(library)})


def test_example_of_the_header(compile_with, daemon, library, tmp_path):
    """The example in latent.h's first comment, as it stands there, less the address."""
    comment = re.search(r"/\*(.*?)\*/", (ROOT / "clients/c/latent.h").read_text(), re.DOTALL)[1]
    code = "\n".join(line[3:] for line in comment.splitlines() if line.startswith(" *     "))
    source = tmp_path / "example.c"
    source.write_text("#include <latent.h>\n#include <stdio.h>\nint main(void)\n{\n"
                      + code.replace("/run/latentd/latentd.sock", daemon.socket) + "\n    return 0;\n}\n")
    answer = run(compile_with(source, "cc", "-Wall", "-Werror"), env={"LD_LIBRARY_PATH": str(library)})
    assert len(answer) > 20


def run_example(name, *arguments):
    return subprocess.run([BUILD / "examples" / name, *arguments], capture_output=True, text=True, timeout=PATIENCE,
                          env=clean_environment())


def test_stream(daemon):
    first, second = (run_example("stream", daemon.socket, TEXT) for _ in range(2))
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout and len(first.stdout) > 20
    assert re.match(r"\n0 of (\d+) spans reused", first.stderr)
    assert re.match(r"\n(\d+) of \1 spans reused", second.stderr)


def test_encode(daemon):
    first, second = (run_example("encode", daemon.socket, TEXT) for _ in range(2))
    assert [line.split()[0] for line in first.stdout.splitlines()] == ["new"] * len(first.stdout.splitlines())
    assert {line.split()[0] for line in second.stdout.splitlines()} <= {"memory", "disk"}
    assert "".join(line[26:] for line in second.stdout.splitlines()) == TEXT


@pytest.mark.parametrize("example", ["encode", "stream"])
def test_examples_say_what_failed(example, tmp_path):
    run = run_example(example, tmp_path / "nobody", TEXT)
    assert run.returncode == 1 and run.stderr.startswith("connect: cannot connect to") and run.stdout == ""
    assert run_example(example).returncode == 2
