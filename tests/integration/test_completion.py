"""Completion of command lines: what latentctl offers, and that bash and zsh show it."""

import os
import re
import subprocess

import pytest
from conftest import BUILD, PATIENCE, ROOT, clean_environment, run_ctl, run_daemon
from terminal import Terminal

COMPLETIONS = ROOT / "deploy" / "completions"
PATH = f"{BUILD}/clients/ctl:{BUILD}/daemon:{os.environ['PATH']}"
EVERYWHERE = {"--help", "--version", "--json", "--socket", "--token-file", "--tls-ca"}


def offered(*words, socket=None):
    where = ["-s", socket] if socket else []
    run = run_ctl("complete", *where, *words)
    assert run.returncode == 0 and run.stderr == ""
    return dict(line.split("\t") for line in run.stdout.splitlines())


def listed_commands():
    """The commands of the overview; the words in front of the names of arguments."""
    text = re.search(r"Commands:\n(.*?)\n\n", run_ctl("--help").stdout, re.DOTALL)[1]
    return [word for line in text.splitlines() for word in re.match(r"  (\w+(?: \| \w+)*)", line)[1].split(" | ")]


def described_options(command):
    """Those on lines of their own and those in the lines of usage; where the text refers to another command, its options, too."""
    text = run_ctl("help", command).stdout
    found = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.MULTILINE))
    found |= {option for line in text.splitlines() if "latentctl" in line for option in re.findall(r"--[a-z-]+", line)}
    for other in re.findall(r"Options\s+are\s+those\s+of\s+(\w+)", text):
        found |= described_options(other)
    return found


COMMANDS = listed_commands()


def test_every_command_is_offered_and_described():
    commands = offered("")
    assert sorted(commands) == sorted(COMMANDS) and len(COMMANDS) > 9
    assert all(commands.values()), "each has its line in latentctl --help"


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_those_of_the_help(command):
    """Both ways: what the command takes is described, and what is described is taken."""
    assert set(offered(command, "--")) == described_options(command) | EVERYWHERE
    assert all(offered(command, "--").values()), "each option is described on a line of its own"


@pytest.mark.parametrize("words, candidates", [
    (["ge"], {"generate"}), (["stats", "--w"], {"--watch"}), (["--so"], {"--socket"}), (["--json", "sta"], {"stats"}),
    (["generate", "--format", ""], {"chat", "text"}), (["generate", "--format", "t"], {"text"}),
    (["generate", "--file", ""], {":file"}), (["-s", ""], {":file"}), (["-s", "x", "mod"], {"models"}),
    (["score", ""], {":file"}),
    (["help", "sh"], {"shutdown"}), (["ping", ""], set()), (["generate", ""], set()),
    (["doc", ""], {"put", "list", "show", "refine", "history", "rm"}), (["doc", "put", "notes", ""], {":file"}),
    (["doc", "list", ""], set()),
    (["generate", "--seed", ""], set()), (["nonsense", "--j"], {"--json"}), ([], set()),
], ids=str)
def test_candidates(words, candidates):
    assert set(offered(*words)) == candidates


def test_names_of_models_come_from_the_daemon(daemon, tmp_path):
    assert set(offered("generate", "--model", "", socket=daemon.socket)) == {"tiny"}
    assert offered("generate", "--model", "", socket=tmp_path / "nobody") == {}, "and without one nothing is said"


def test_names_of_documents_come_from_the_daemon(daemon):
    with daemon.connect() as connection:
        connection.doc_put("notes", "The king had golden hair.")
        connection.doc_put("letters", "The king wrote no letters.")
    for words in (["doc", "show", ""], ["doc", "show", "--doc-version", "1", ""], ["generate", "--doc", ""]):
        assert set(offered(*words, socket=daemon.socket)) == {"notes", "letters"}
    assert set(offered("doc", "rm", "no", socket=daemon.socket)) == {"notes"}


def complete_in_bash(folder, *words):
    script = f"""
        . /usr/share/bash-completion/bash_completion; . {COMPLETIONS}/latentctl.bash
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${{#COMP_LINE}}
        _$1 && printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    run = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=PATIENCE, cwd=folder,
                         env=clean_environment(PATH=PATH))
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return run.stdout.split()


@pytest.mark.parametrize("words, candidates", [
    (["latentctl", "ge"], ["generate"]), (["latentctl", "generate", "--temp"], ["--temperature"]),
    (["latentctl", "score", "no"], ["notes.txt"]), (["latentctl", "generate", "two words", "--format", "c"], ["chat"]),
    (["latentd", "--dur"], ["--durability"]), (["latentd", "--durability", "s"], ["sync"]), (["latentd", "--latent-type", "i"], ["i8"]),
    (["latentd", "--log-level", "w"], ["warning"]), (["latentd", "--model", "no"], ["notes.txt"]),
    (["latentd", "--store", ""], ["folder"]), (["latentd", "--budget", ""], []),
], ids=str)
def test_bash(tmp_path, words, candidates):
    (tmp_path / "notes.txt").write_text("Notes.")
    (tmp_path / "folder").mkdir()
    assert complete_in_bash(tmp_path, *words) == candidates


def test_bash_offers_what_latentd_takes(tmp_path):
    """Every option that takes one of a few words offers words, and latentd takes each."""
    listed = re.findall(r"^  (--[a-z-]+) (?:MODE|TYPE|LEVEL) ", run_daemon(["--help"]).stdout, re.MULTILINE)
    assert len(listed) > 3
    for option in listed:
        words = complete_in_bash(tmp_path, "latentd", option, "")
        assert len(words) > 1, option
        assert all(run_daemon([option, word, "--version"]).returncode == 0 for word in words), option


@pytest.mark.parametrize("typed, line", [("latentctl gen\t", "latentctl generate"), ("latentctl score no\t", "latentctl score notes.txt"),
                                         ("latentctl generate --form\tte\t", "latentctl generate --format text")],
                         ids=["command", "file", "option"])
def test_zsh(tmp_path, typed, line):
    (tmp_path / "notes.txt").write_text("Notes.")
    (tmp_path / ".zshrc").write_text(f"PS1='ready: '; fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D\n")
    shell = Terminal("zsh", folder=tmp_path, PATH=PATH, ZDOTDIR=str(tmp_path), HOME=str(tmp_path))
    try:
        shell.see("ready:")
        shell.type(typed)
        shell.see(f"ready: {line}")
    finally:
        shell.kill()
