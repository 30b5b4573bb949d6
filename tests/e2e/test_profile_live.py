# SPDX-License-Identifier: Apache-2.0
"""`sonde profile` on a terminal: what it shows while it runs, and the terminal afterwards; and what is taken against what
was saved."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from xml.etree import ElementTree

import pytest

from test_profile import FRAME_POINTERS
from traced import SONDE, environment, run, wait_for

BURN = """
__attribute__((noinline)) void busy_function(void)
{
	for (volatile long i = 0;; i++)
		;
}

int main(void)
{
	busy_function();
}
"""
TAKEN, GIVEN = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture(scope="module")
def burner(tmp_path_factory):
    program = tmp_path_factory.mktemp("build") / "burner"
    subprocess.run(["gcc", *FRAME_POINTERS, "-o", program, "-xc", "-"], input=BURN, text=True, check=True)
    with subprocess.Popen([program]) as process:
        yield process.pid
        process.kill()


class Terminal:
    """sonde on a terminal of its own."""

    def __init__(self, *args, term="xterm"):
        self.output = b""
        self.master, slave = pty.openpty()
        self.resize(24, 100)
        self.before = termios.tcgetattr(self.master)
        self.process = subprocess.Popen(
            [SONDE, "profile", *map(str, args)], stdin=slave, stdout=slave, stderr=slave,
            env=environment(TERM=term, LC_ALL="C.UTF-8"), start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.rows, self.columns = rows, columns

    def text(self):
        while select.select([self.master], [], [], 0)[0]:
            try:
                self.output += os.read(self.master, 65536)
            except OSError:  # nobody has the other end any more
                break
        return self.output.decode(errors="replace")

    def screen(self):
        """The lines of the last whole frame."""
        frames = [frame for frame in self.text().split("\x1b[H")[1:] if "\x1b[J" in frame]
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", frames[-1]).replace("\r", "").split("\n") \
            if frames else []

    def wait_screen(self, condition, what):
        lines = []

        def fits():
            lines[:] = self.screen()
            return condition(lines)
        wait_for(fits, f"{what} in\n{self.text()}", timeout=20)
        assert len(lines) <= self.rows and max(map(len, lines)) < self.columns, lines
        return lines

    def press(self, key):
        os.write(self.master, key)

    def end(self):
        """What came after the screen was given back. The terminal is as it was."""
        wait_for(lambda: (self.text(), self.process.poll() is not None)[1], "sonde to end", 20)
        assert self.process.returncode == 0
        assert termios.tcgetattr(self.master) == self.before
        drawn, _, rest = self.text().partition(GIVEN)
        assert drawn.count(TAKEN) == 1 and drawn.endswith("\x1b[?25h")
        return rest


def has(*words):
    return lambda lines: all(any(word in line for line in lines) for word in words)


def test_shows_what_it_finds(burner):
    with Terminal("-p", burner, "--freq", 499) as terminal:
        lines = terminal.wait_screen(has("busy_function", "STACK"), "both parts")
        assert "samples in" in lines[0]
        functions = lines[lines.index(next(line for line in lines if "FUNCTION" in line)) + 1:]
        own, total = (float(word.rstrip("%")) for word in functions[0].split()[:2])
        assert "busy_function" in functions[0] and own > 50 and total > 50
        stacks = lines[lines.index(next(line for line in lines if "STACK" in line)) + 1:]
        assert any(re.search(r"\d+\.\d%  +\S.*busy_function", line) for line in stacks)
        assert not termios.tcgetattr(terminal.master)[3] & (termios.ECHO | termios.ICANON)
        terminal.press(b"t")
        terminal.wait_screen(lambda lines: has("FUNCTION")(lines) and not has("STACK")(lines),
                             "functions only")
        terminal.resize(9, 40)
        terminal.wait_screen(lambda lines: 0 < len(lines) <= 9 and max(map(len, lines)) < 40,
                             "a small screen")
        terminal.press(b"t")
        terminal.wait_screen(lambda lines: has("STACK")(lines) and not has("FUNCTION")(lines),
                             "stacks only")
        terminal.press(b"q")
        rest = terminal.end()
        assert "busy_function" in rest and "FUNCTION" in rest and "samples, none lost" in rest
        assert "draws a flame graph" in rest  # from standard error, which was kept back


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_gives_the_terminal_back(burner, sig):
    with Terminal("-p", burner) as terminal:
        terminal.wait_screen(has("busy_function"), "the function")
        terminal.process.send_signal(sig)
        assert "busy_function" in terminal.end()


@pytest.mark.parametrize("term, args", [("dumb", []), ("xterm", ["--json"])])
def test_draws_nowhere_else(burner, term, args):
    with Terminal("-p", burner, "--duration", "300ms", *args, term=term) as terminal:
        wait_for(lambda: (terminal.text(), terminal.process.poll() is not None)[1], "its end", 20)
        assert "busy_function" in terminal.text() and TAKEN not in terminal.text()


def test_against_what_was_saved(burner, tmp_path):
    """The same program: what it did then is there again, and nothing of weight has changed."""
    before, picture = tmp_path / "before.folded", tmp_path / "diff.svg"
    of = ["profile", "-p", burner, "--freq", "299", "--duration", "500ms"]
    assert run(*of, "-o", before).returncode == 0
    done = run(*of, "--diff", before, "-o", picture)
    assert done.returncode == 0, done.stderr
    svg = "{http://www.w3.org/2000/svg}"
    frames = ElementTree.parse(picture).getroot().find(f"{svg}g[@id='frames']")
    both = [(int(g.get("data-n")), int(g.get("data-n2")), g.find(f"{svg}rect").get("class"))
            for g in frames]
    now, then, _ = both[0]
    assert then == sum(int(line.rpartition(" ")[2]) for line in before.read_text().splitlines())
    assert min(now, then) > 30
    deep = both[3:]  # below "all", the process and its first function
    assert any(n > now / 2 and n2 > then / 2 and shade == "d0" for n, n2, shade in deep)
