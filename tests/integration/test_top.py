"""latentctl top, on a screen: what it shows, and that it asks for nothing but stats."""

import re

import pytest
from conftest import BUILD, run_ctl
from terminal import Terminal

LATENTCTL = BUILD / "clients" / "ctl" / "latentctl"
TEXT = "The King had golden hair. His daughter had brown hair."
BLOCKS = set("▁▂▃▄▅▆▇█")


@pytest.fixture
def top(daemon):
    screens = []

    def start(**options):
        screens.append(Terminal(LATENTCTL, "-s", daemon.socket, "top", **options))
        screens[-1].see("q quits")
        return screens[-1]

    yield start
    for screen in screens:
        screen.kill()


def rate(text, title):
    return re.search(rf"^{title} +(\S+)", text, re.MULTILINE)[1]


def test_rates_and_hits(daemon, top):
    with daemon.connect() as connection:
        connection.encode(TEXT)
        screen = top()
        screen.see("first token: half within -")
        assert daemon.socket in screen.see("since the start 0.0 %")
        screen.see("now -")  # nothing is looked up
        connection.encode(TEXT)
        screen.see("now 100.0 %")
        screen.see(lambda text: "since the start 50.0 %" in text and set(text) & BLOCKS)
        screen.see(lambda text: rate(text, "spans looked up/s") == "0.0")
        connection.generate(TEXT, max_tokens=2)
        screen.see(lambda text: re.search(r"first token: half within [\d.]+ ms, 99 % within [\d.]+ ms", text))
    screen.type("q")
    assert screen.end() == 0


def test_it_asks_for_nothing_but_stats(daemon, top):
    """What is looked at stays as it is. Requests are counted, those of top itself, too, which it does not show."""
    before = daemon.stats()
    screen = top()
    screen.see(lambda text: rate(text, "requests/s") == "0.0")
    after = daemon.stats()
    moving = {"uptime_s", "connections", "lifetime", "requests", "store_bytes"}
    assert len(after) > len(moving) + 20
    assert all(after[name] == before[name] for name in set(after) - moving)


def test_it_follows_the_size_of_the_screen(top):
    screen = top(columns=100, lines=40)
    assert screen.see("store").count("\n") == 39
    screen.resize(50, 12)
    screen.see(lambda text: text.endswith("q quits") and text.count("\n") == 11)
    screen.resize(20, 3)
    screen.see(lambda text: text.endswith("q quits") and text.count("\n") == 2)
    screen.resize(120, 40)
    screen.see(lambda text: "store" in text and text.count("\n") == 39)


def test_without_utf8_and_without_colours(daemon, top):
    with daemon.connect() as connection:
        connection.encode(TEXT)
        screen = top(LANG="C", LC_ALL="C", NO_COLOR="1")
        screen.see("now -")
        connection.encode(TEXT)
        text = screen.see(lambda text: "now 100.0 %" in text and "#" in text)
    assert not set(text) & BLOCKS and not re.search(r"\x1b\[3[0-7]m", screen.received)


def test_it_ends_when_the_daemon_does(daemon, top):
    screen = top()
    assert daemon.stop() == 0
    screen.see("latentctl: ")
    assert screen.end() == 1


def test_interrupt_ends_it(top):
    screen = top()
    screen.type("\x03")
    assert screen.end() == 0


def test_it_wants_a_terminal(daemon):
    run = run_ctl("top", socket=daemon.socket)
    assert run.returncode == 1 and "terminal" in run.stderr and run.stdout == ""
