"""The Debian packages: that they are clean (deploy/build-packages fails where lintian complains), complete, and work."""

import os
import re
import shlex
import subprocess
from urllib.request import urlopen

import pytest
from conftest import ROOT, run

PROMPT = "Explain why leaves change color in autumn."
NAMES = {"latentd", "latentd-models", "liblatent0", "liblatent-dev", "python3-latentd"}


def field(file, name):
    return run("dpkg-deb", "-f", file, name).strip()


def test_there_are_all_packages(packages):
    assert {name for name in packages if not name.endswith("-dbgsym")} == NAMES
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())[1]
    assert {field(file, "Version").rsplit("-", 1)[0] for file in packages.values()} == {version}


def test_libraries_are_those_of_the_list(packages):
    """What the programs were found to need is what deploy/packages calls the group run."""
    needed = {package.split()[0] for package in field(packages["latentd"], "Depends").split(", ")}
    listed = {line.split()[1] for line in (ROOT / "deploy" / "packages").read_text().splitlines() if line.startswith("run ")}
    assert {name for name in needed if name.startswith("lib")} - {"libc6"} == listed


def test_accounts_and_folders(system):
    if os.getuid() != 0:
        pytest.skip("only root may make accounts, also in a folder")
    run("systemd-sysusers", f"--root={system}", "latentd.conf")
    run("systemd-tmpfiles", f"--root={system}", "--create", "latentd.conf")
    [line] = [line for line in (system / "etc/passwd").read_text().splitlines() if line.startswith("latentd:")]
    user = int(line.split(":")[2])
    assert line.endswith(":/var/lib/latentd:/usr/sbin/nologin")
    for folder in ("run/latentd", "var/lib/latentd"):
        made = (system / folder).stat()
        assert (made.st_uid, oct(made.st_mode)[-3:]) == (user, "750")


def test_unit_is_right(system, tmp_path):
    """Directives that systemd knows, and a program that is there."""
    unit = (system / "lib/systemd/system/latentd.service").read_text()
    assert "ExecStart=/usr/bin/latentd --config /etc/latentd/latentd.conf\n" in unit
    (tmp_path / "latentd.service").write_text(unit.replace("=/usr/bin", f"={system}/usr/bin"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "latentd.service"], capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "latentd" in line] == []


@pytest.fixture(scope="module")
def daemon(system, tmp_path_factory):
    """latentd of the package with its own settings, less the places where only the system's may write."""
    folder = tmp_path_factory.mktemp("daemon")
    config = (system / "etc/latentd/latentd.conf").read_text().replace("= /usr/share", f"= {system}/usr/share")
    config = config.replace("= /var/lib/latentd/store", f"= {folder}/store").replace("= /run/latentd/latentd.sock", f"= {folder}/socket")
    (folder / "latentd.conf").write_text(config)
    process = subprocess.Popen([system / "usr/bin/latentd", "--config", folder / "latentd.conf"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("latentd ready: model islet-8-s ")
    yield str(folder / "socket")
    process.terminate()
    assert process.wait(30) == 0
    process.stdout.close()


def test_second_prompt_hits(system, daemon):
    receipts = []
    for _ in range(2):
        done = subprocess.run([system / "usr/bin/latentctl", "-s", daemon, "generate", "--temperature", "0", "--max-tokens", "16", PROMPT],
                              capture_output=True, text=True)
        assert done.returncode == 0 and len(done.stdout) > 10, done.stderr
        receipts.append(tuple(map(int, re.search(r"hits (\d+), misses (\d+)", done.stderr).groups())))
    (hits, misses), again = receipts
    assert misses > 0 and again == (hits + misses, 0)


def test_python_client(system, daemon):
    environment = {"PYTHONPATH": str(system / "usr/lib/python3/dist-packages"), "LATENTD_SOCKET": daemon}
    program = "import latentd; print(latentd.__file__); print(latentd.Client().generate('Hello.', max_tokens=8).finish_reason)"
    where, reason = run("/usr/bin/python3", "-c", program, env=environment, cwd="/").split()
    assert where.startswith(str(system)) and reason in ("length", "stop")


def test_examples_build_with_the_development_package(system, daemon, tmp_path):
    [pkgconfig] = system.glob("usr/lib/*/pkgconfig")
    environment = {**os.environ, "PKG_CONFIG_PATH": str(pkgconfig), "PKG_CONFIG_SYSROOT_DIR": str(system)}
    flags = shlex.split(run("pkg-config", "--cflags", "--libs", "latent", env=environment))
    example = system / "usr/share/doc/liblatent-dev/examples/encode.c"
    run("cc", example, "-o", tmp_path / "encode", *flags)
    lines = run(tmp_path / "encode", daemon, PROMPT, env={"LD_LIBRARY_PATH": str(pkgconfig.parent)}).splitlines()
    assert "".join(line[26:] for line in lines) == PROMPT


@pytest.mark.parametrize("page", ["man1/latentctl.1", "man1/latentd.1", "man5/latentd.conf.5", "man7/latentd-protocol.7"])
def test_manual_pages(system, page):
    name, number = page.split("/")[1].rsplit(".", 1)
    assert f"{name}({number})" in run("man", "-l", system / "usr/share/man" / f"{page}.gz", env={**os.environ, "MANPAGER": "cat"})


def allowed_calls(unit):
    """System calls that the unit's filters leave, by what systemd says is in their sets."""
    members = {}
    for line in run("systemd-analyze", "syscall-filter", "--no-pager").splitlines():
        if line.startswith("@"):
            name = line.strip()
            members[name] = set()
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members[name].add(line.strip())

    def calls(name):
        return {name} if not name.startswith("@") else set().union(*map(calls, members[name]))

    allowed = set()
    for forbids, names in re.findall(r"^SystemCallFilter=(~?)(.*)$", unit, re.MULTILINE):
        named = set().union(*map(calls, names.split()))
        allowed = allowed - named if forbids else allowed | named
    return allowed | calls("@default")


def test_unit_forbids_nothing_that_the_daemon_needs(system, tmp_path):
    """What it calls from start to stop, prompts over both kinds of sockets included, is allowed."""
    unit = (system / "lib/systemd/system/latentd.service").read_text()
    allowed = allowed_calls(unit)
    assert {"read", "mmap", "epoll_wait"} < allowed and not {"mount", "reboot", "sched_setaffinity"} & allowed
    socket, trace = tmp_path / "socket", tmp_path / "trace"
    process = subprocess.Popen(["strace", "-f", "-qq", "-o", trace, system / "usr/bin/latentd", "--model",
                                system / "usr/share/latentd/models/islet-8-s.gguf", "--store", tmp_path / "store", "--socket", socket,
                                "--http", "127.0.0.1:17412"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("latentd ready")
    run(system / "usr/bin/latentctl", "-s", socket, "generate", "--max-tokens", "8", PROMPT)
    with urlopen("http://127.0.0.1:17412/metrics", timeout=30) as page:
        assert page.status == 200
    run(system / "usr/bin/latentctl", "-s", socket, "shutdown")
    assert process.wait(60) == 0
    process.stdout.close()
    called = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE)) - {"execve"}
    assert len(called) > 20 and called <= allowed, called - allowed
