"""The manual pages and the annotated config file: they know every command, option and setting, and render without a complaint."""

import re
import subprocess

import pytest
from conftest import BUILD, PATIENCE, ROOT, clean_environment, run_daemon
from test_completion import COMMANDS, offered

PAGES = ["latentctl.1", "latentd.1", "latentd.conf.5", "latentd-protocol.7"]
CONF = ROOT / "deploy" / "latentd.conf"


def page(name):
    """As a person reads it; warnings of groff fail it."""
    run = subprocess.run(["man", "--warnings", "--no-hyphenation", "--no-justification", "-l", BUILD / "docs" / "man" / name],
                         capture_output=True, text=True, timeout=PATIENCE, env=clean_environment(MANWIDTH="80", LANG="C.UTF-8", MANPAGER="cat"))
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return run.stdout


def section(text, title):
    return re.search(rf"^{title}\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)[1]


def options(text):
    return set(re.findall(r"--[a-z][a-z-]*", text))


@pytest.mark.parametrize("name", PAGES)
def test_page_renders_and_has_its_name(name):
    assert re.search(rf"NAME\n +{name.rsplit('.', 1)[0]} - \w", page(name))


def test_latentctl_has_every_command_and_each_its_options():
    """Both ways: what latentctl takes stands in the page, and what stands in the page it takes."""
    text = page("latentctl.1")
    parts = re.split(r"^   (\w+)$", section(text, "COMMANDS"), flags=re.MULTILINE)[1:]
    described = dict(zip(parts[::2], parts[1::2]))
    assert list(described) == COMMANDS
    everywhere = options(section(text, "OPTIONS OF EVERY COMMAND"))
    assert everywhere == set(offered("-"))
    for command, about in described.items():
        for other in re.findall(r"Options\s+are\s+those\s+of\s+(\w+)", about):
            about += described[other]
        assert options(about) | everywhere == set(offered(command, "-")), command


def test_latentd_has_every_option():
    listed = options(run_daemon(["--help"]).stdout)
    assert len(listed) > 10 and options(section(page("latentd.1"), "OPTIONS")) == listed


def test_settings_are_those_of_latentd():
    """In the config file and in its page: all, and no other."""
    wanted = {option.removeprefix("--").replace("-", "_") for option in options(run_daemon(["--help"]).stdout)}
    wanted -= {"help", "version", "config"}
    assert set(re.findall(r"^#?(\w+) = ", CONF.read_text(), re.MULTILINE)) == wanted
    assert set(re.findall(r"^ {7}(\w+) = ", section(page("latentd.conf.5"), "SETTINGS"), re.MULTILINE)) == wanted


@pytest.mark.parametrize("change", [r"\g<0>", r"\1"], ids=["as it is", "everything set"])
def test_config_file_is_right(tmp_path, change):
    config = tmp_path / "latentd.conf"
    config.write_text(re.sub(r"^#(\w+ = .*)$", change, CONF.read_text(), flags=re.MULTILINE))
    assert run_daemon(["--config", config, "--version"]).stdout.startswith("latentd ")
    config.write_text(config.read_text() + "unknown = 1\n")
    assert run_daemon(["--config", config, "--version"]).returncode == 2


def test_protocol_page_is_the_protocol():
    """Every word of the page in the tree, tables included, less marks."""
    def words(text):
        return re.findall(r"[A-Za-z_]{4,}", text)

    source = re.sub(r"^```.*$", "", (ROOT / "proto" / "PROTOCOL.md").read_text(), flags=re.MULTILINE)
    without_heads = re.sub(r"^\|.*\n\|[-|]+\|$", "", source, flags=re.MULTILINE)
    assert set(words(without_heads)) <= set(words(page("latentd-protocol.7")))
