#!/usr/bin/env python3
"""A question at a terminal whose shell has job control: what is typed to the shell is the shell's."""

import functools
import os
import pty
import select
import shlex
import signal
import time
from pathlib import Path

from asking import AskTest
from harness import SANITIZED, TOOLCELL, alive, engine_processes, eventually, main, process_command, process_name

WAIT_S = 60
PROMPT = "shell> "


class Shell:
    """An interactive bash(1) on a terminal of its own."""

    def __init__(self, cwd, editing):
        self.seen, self.mark = "", 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            for number in (signal.SIGINT, signal.SIGQUIT):  # ignored where tests are a job in the background
                signal.signal(number, signal.SIG_DFL)
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", *([] if editing else ["--noediting"]), "-i"],
                      {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "TERM": "dumb", "PS1": PROMPT,
                       **{k: v for k, v in os.environ.items() if k.startswith(("TOOLCELL", "XDG"))}})
        self.wait(PROMPT)
        # Without job control's echo of what runs where: a "y" that reaches the shell says so.
        self.line("y() { echo the-'shell'-has-y; }; n() { echo the-'shell'-has-n; }; set +H")
        self.wait(PROMPT)

    def type(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.type(text + "\n")

    def _read(self, seconds):
        if self.fd not in select.select([self.fd], [], [], seconds)[0]:
            return
        try:
            more = os.read(self.fd, 65536)
        except OSError:
            more = b""
        self.seen += more.decode("utf-8", "replace").replace("\r\n", "\n")

    def wait(self, *words, seconds=WAIT_S):
        """Until one of them is seen behind what was waited for before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [(at, w) for w in words if (at := self.seen.find(w, self.mark)) >= 0]
            if found:
                at, word = min(found)
                self.mark = at + len(word)
                return word
            self._read(0.1)
        raise AssertionError(f"none of {words} in {self.seen[self.mark:]!r} behind {self.seen[:self.mark]!r}")

    def settle(self, seconds=0.5):
        """What comes by itself."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read(0.05)

    def close(self):
        for pid in engine_processes(self.pid)[::-1]:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def each_way(case):
    """Below a shell that edits lines, and below one that takes them whole."""
    @functools.wraps(case)
    def run(self):
        for verb in ("run", "exec"):
            for editing in (True, False):
                with self.subTest(verb=verb, editing=editing):
                    (self.workspace / "ran").unlink(missing_ok=True)
                    case(self, self.command(verb), self.shell(editing))
    return run


class Jobs(AskTest):
    """`run` and `exec` in the foreground, in the background, stopped."""

    def shell(self, editing=True):
        shell = Shell(self.workspace, editing)
        self.addCleanup(shell.close)
        return shell

    def command(self, verb):
        """Makes "ran" when somebody has said yes."""
        if verb == "run":
            policy = self.policy(tools={"Bash": {"ask": True}})
            words = ["run", "--policy", policy, "--workspace", self.workspace, "Bash", "command=touch ran"]
        else:
            policy = self.policy(**self.data_policy())
            words = ["exec", "--policy", policy, "--workspace", self.workspace, "--", "touch", "ran", self.data]
        return shlex.join([os.path.abspath(TOOLCELL), *map(str, words)])

    def ask(self, shell, command):
        shell.line(command)
        shell.wait("[y/N] ")
        shell.settle(0.1)

    def supervisor(self, shell):
        """The first of them: a broker is its child."""
        name = os.path.basename(TOOLCELL)
        return next(p for p in engine_processes(shell.pid)
                    if process_name(p) == name and os.path.basename(process_command(p).split(" ")[0]) == name)

    def assertShellHasAll(self, shell):
        """One after the other, then many at once."""
        for word in ("y", "n", "y"):
            shell.line(word)
            shell.wait(f"the-shell-has-{word}")
        shell.type("y\n" * 20)
        for _ in range(20):
            shell.wait("the-shell-has-y")
        self.assertFalse((self.workspace / "ran").exists())

    def assertStillAsks(self, shell):
        """Back in the foreground it is the terminal's again, and asks anew."""
        shell.line("fg")
        shell.wait("[y/N] ")
        shell.settle(0.1)
        self.assertFalse((self.workspace / "ran").exists())
        shell.line("y")
        self.assertTrue(eventually((self.workspace / "ran").exists, WAIT_S), shell.seen)
        shell.wait(PROMPT)
        (self.workspace / "ran").unlink()

    @each_way
    def test_what_is_typed_to_the_shell_while_the_job_is_stopped_is_the_shells(self, command, shell):
        self.ask(shell, command)
        shell.type("\x1a")
        shell.wait("Stopped")
        self.assertShellHasAll(shell)
        self.assertStillAsks(shell)

    @each_way
    def test_a_line_that_comes_with_the_stop_is_no_answer(self, command, shell):
        for _ in range(5):
            self.ask(shell, command)
            shell.type("\x1ay\n")
            shell.wait("Stopped")
            shell.wait("the-shell-has-y")
            shell.line("kill -9 %%; wait %%")
            shell.wait(PROMPT)
            shell.settle()
        self.assertFalse((self.workspace / "ran").exists())

    @each_way
    def test_a_supervisor_that_alone_is_stopped_leaves_the_terminal_to_the_shell(self, command, shell):
        self.ask(shell, command)
        os.kill(self.supervisor(shell), signal.SIGSTOP)
        shell.wait("Stopped")
        self.assertShellHasAll(shell)
        self.assertStillAsks(shell)

    @each_way
    def test_below_a_script_that_is_stopped_it_reads_nothing(self, command, shell):
        script = f"bash -c {shlex.quote(command + '; true')}"
        for stop in (lambda s: s.type("\x1a"),
                     lambda s: os.kill(next(p for p in engine_processes(s.pid)[1:] if process_name(p) == "bash"),
                                       signal.SIGSTOP)):
            self.ask(shell, script)
            stop(shell)
            shell.wait("Stopped")
            self.assertShellHasAll(shell)
            self.assertStillAsks(shell)

    @each_way
    def test_a_job_that_is_sent_to_the_background_waits_there(self, command, shell):
        self.ask(shell, command)
        shell.type("\x1a")
        shell.wait("Stopped")
        shell.line("bg")
        shell.settle()
        self.assertShellHasAll(shell)
        self.assertStillAsks(shell)

    @each_way
    def test_an_interrupt_ends_it_without_an_answer(self, command, shell):
        self.ask(shell, command)
        family = engine_processes(self.supervisor(shell))
        shell.type("\x03")
        shell.wait(PROMPT)
        self.assertShellHasAll(shell)
        self.assertTrue(eventually(lambda: not [p for p in family if alive(p)], 10))

    @each_way
    def test_a_supervisor_that_is_killed_leaves_nobody_who_asks(self, command, shell):
        self.ask(shell, command)
        family = engine_processes(self.supervisor(shell))
        os.kill(family[0], signal.SIGKILL)
        shell.wait("Killed")
        self.assertTrue(eventually(lambda: not [p for p in family if alive(p)], 5),
                        [(p, process_name(p)) for p in family if alive(p)])
        self.assertShellHasAll(shell)

    def test_who_asks_for_a_broker_may_do_nothing_else(self):
        shell = self.shell()
        self.ask(shell, self.command("run"))
        family = engine_processes(self.supervisor(shell))
        asker = [p for p in family if process_name(p) == "toolcell-ask"]
        self.assertEqual(len(asker), 1, [process_name(p) for p in family])
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{asker[0]}/status").read_text().splitlines()
                      if ":\t" in line)
        self.assertEqual(int(status["CapPrm"], 16) | int(status["CapEff"], 16), 0)
        self.assertEqual(status["NoNewPrivs"], "1")
        if not SANITIZED:
            self.assertEqual(status["Seccomp"], "2")
        shell.line("n")
        shell.wait("has declined")
        shell.wait(PROMPT)
        self.assertFalse(alive(asker[0]))


if __name__ == "__main__":
    main()
