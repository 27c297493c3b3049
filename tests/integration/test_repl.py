"""latentctl repl: a command or a prompt a line, from a pipe and at a terminal."""

import re

import pytest
from conftest import BUILD, SHIPPED, run_ctl, wait_until
from terminal import Terminal

LATENTCTL = BUILD / "clients" / "ctl" / "latentctl"
PROMPT = "What is this about?"
ENDLESS = ["--temperature", "10", "--top-k", "0", "--top-p", "1"]  # then the token that ends an answer is as rare as any


def talk(daemon, *lines, options=()):
    run = run_ctl("repl", "--max-tokens", "4", *options, socket=daemon.socket, input="".join(line + "\n" for line in lines))
    assert run.returncode == 0
    return run


@pytest.fixture
def terminal(daemon, tmp_path):
    """At a prompt, with a history of its own."""
    made = []

    def make(*arguments, **environment):
        made.append(Terminal(LATENTCTL, "-s", daemon.socket, *arguments, folder=tmp_path, XDG_STATE_HOME=str(tmp_path / "state"), **environment))
        made[-1].see("\n>")
        return made[-1]

    yield make
    for one in made:
        one.kill()


def test_what_is_no_command_is_a_prompt(daemon):
    run = talk(daemon, PROMPT, PROMPT, "Isn't an apostrophe a quotation mark?")
    receipts = re.findall(r"(\d+) tokens in (\d+) spans, (\d+) reused; first token after", run.stderr)
    assert len(receipts) == 3 and receipts[0][2] == "0" and receipts[1][1] == receipts[1][2]
    assert daemon.stats()["requests"] >= 3


def test_commands(daemon):
    run = talk(daemon, "ping", 'encode "The King had golden hair."', "models --json", "help ping", "help", "stats nonsense", "encode 'open", "ping")
    assert run.stdout.count("latentd answers on") == 2, "a wrong line does not end the conversation"
    assert "The King had golden hair." in run.stdout and '{"models":[' in run.stdout
    assert "Exit with 0 if the daemon answers" in run.stdout and "Commands:" in run.stdout
    assert "nonsense" in run.stderr and "quotation mark" in run.stderr


def test_a_blank_in_front_makes_a_prompt_of_a_command(daemon):
    run = talk(daemon, " ping")
    assert "latentd answers" not in run.stdout and "reused" in run.stderr


def test_quit_ends_it(daemon):
    assert "answers" not in talk(daemon, "quit", "ping").stdout
    assert "answers" not in talk(daemon, "exit", "ping").stdout


def test_documents_stand_before_every_prompt(daemon, tmp_path):
    (tmp_path / "notes.txt").write_text("The king had golden hair.")
    run = talk(daemon, f"set --file {tmp_path}/notes.txt", PROMPT, PROMPT, "set", PROMPT, options=["--json"])
    spans = [re.findall(r'"text":"([^"]*)","tokens"', line) for line in run.stdout.splitlines() if '"type":"done"' in line]
    assert ["".join(texts).startswith("<|doc|>The king had golden hair.<|user|>") for texts in spans] == [True, True, False]
    assert "set for each prompt: --file" in run.stderr and "set for each prompt: nothing" in run.stderr


def test_options_of_the_command_line_go_with_each_prompt(daemon):
    def last(line):
        return re.findall(r'"completion_tokens":(\d+)', line)[0]

    run = talk(daemon, PROMPT, "set --max-tokens 7", PROMPT, "set --max-tokens none", PROMPT, "set", PROMPT, options=["--json", "--temperature", "3"])
    counts = [last(line) for line in run.stdout.splitlines() if '"type":"done"' in line]
    assert counts == ["4", "7", "7", "4"] and "--max-tokens takes an integer" in run.stderr


def test_it_survives_a_restart_of_the_daemon(daemon, terminal):
    screen = terminal()
    daemon.restart()
    screen.type("ping\r")
    screen.see("latentd answers on")


@pytest.mark.parametrize("line", ["repl", "complete x", "ping -s /tmp/elsewhere"])
def test_what_makes_no_sense_here(daemon, line):
    run = talk(daemon, line, "ping")
    assert "latentctl: " in run.stderr and run.stdout.count("latentd answers on") == 1


def test_without_a_command_at_a_terminal(terminal):
    screen = terminal()
    screen.type("ping\r")
    screen.see("latentd answers on")
    screen.type("\x04")
    assert screen.end() == 0


def test_completion(terminal):
    screen = terminal()
    screen.type("enc\t")
    screen.see("> encode")
    screen.type("\x15generate --temp\t")
    screen.see("> generate --temperature")
    screen.type("\x15set --form\t")
    screen.see("> set --format")
    screen.type("te\t")
    screen.see("> set --format text")
    screen.type("\x15qu\t")
    screen.see("> quit")


def test_history_outlives_the_conversation(terminal, tmp_path):
    first = terminal()
    first.type("ping\r")
    first.see("latentd answers on")
    first.type("\x04")
    assert first.end() == 0
    assert "ping" in (tmp_path / "state" / "latentctl" / "history").read_text()
    second = terminal()
    second.type("\x1b[A")
    second.see("> ping")


def test_interrupt_gives_up_a_line_and_an_answer(make_daemon, tmp_path):
    daemon = make_daemon(model=SHIPPED)
    screen = Terminal(LATENTCTL, "-s", daemon.socket, "repl", "--max-tokens", "8000", *ENDLESS, XDG_STATE_HOME=str(tmp_path))
    try:
        screen.see("\n>")
        screen.type("half a li")
        screen.see("half a li")
        screen.type("\x03")
        screen.see(lambda text: text.endswith("\n>"))
        screen.type("Tell me a long story.\r")
        assert wait_until(lambda: daemon.stats()["running"] == 1)
        screen.type("\x03")
        screen.see("interrupted")
        screen.type("ping\r")
        screen.see("latentd answers on")
    finally:
        screen.kill()


def test_colours_are_for_terminals_that_want_them(terminal):
    for environment, coloured in [({}, True), ({"NO_COLOR": "1"}, False)]:
        screen = terminal(**environment)
        screen.type("models\r")
        screen.see("tiny")
        assert ("\x1b[1m" in screen.received) == coloured


def test_no_daemon(tmp_path):
    run = run_ctl("repl", socket=tmp_path / "nobody", input="ping\n")
    assert run.returncode == 1 and "nobody" in run.stderr and "Is the daemon running?" in run.stderr
