"""A program at a terminal of 24 lines, and what a person sees there."""

import pexpect
import pyte
from conftest import PATIENCE, clean_environment, wait_until


class Terminal:
    def __init__(self, *command, columns=100, lines=24, folder=None, **environment):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.Stream(self.screen)
        self.received = ""
        program, *arguments = map(str, command)
        self.process = pexpect.spawn(program, arguments, encoding="utf-8", timeout=PATIENCE, dimensions=(lines, columns),
                                     cwd=folder, env=clean_environment(**{"TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}))

    def read(self):
        """Takes what has come. False when the program has ended and all it wrote was taken."""
        try:
            text = self.process.read_nonblocking(65536, timeout=0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.received += text
        self.stream.feed(text)
        return True

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def see(self, wanted):
        """Waits until the screen shows `wanted`, a text or a condition on the screen's text."""
        shows = wanted if callable(wanted) else lambda text: wanted in text
        assert wait_until(lambda: self.read() and shows(self.text()) or shows(self.text())), f"{wanted} is not on:\n{self.text()}"
        return self.text()

    def type(self, keys):
        self.process.send(keys)

    def resize(self, columns, lines):
        self.screen.resize(lines, columns)
        self.process.setwinsize(lines, columns)

    def end(self):
        """Waits for the program's end. Its exit status."""
        assert wait_until(lambda: not self.read()), f"it goes on:\n{self.text()}"
        self.process.close()
        return self.process.exitstatus

    def kill(self):
        self.process.close(force=True)
