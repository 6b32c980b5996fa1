"""Runs the same programs in each place that an engine may find itself in on cgroup v2.

A pass is a place in the cgroup tree and an account. What each may expect there is told to the programs
by the environment: TOOLCELL_VM_LIMITS names the controllers whose limits must hold, and all others
must be named in `enforced.missing`.
"""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
HOME = Path("/opt/toolcell")
ACCOUNT = 1000
CONTROLLERS = ("cpu", "io", "memory", "pids")
LIMITS_ALL = "memory pids cpu io"
PROGRAM_S = 400
CLONE_NEWNS, CLONE_NEWCGROUP, MS_REC, MS_PRIVATE = 0x20000, 0x2000000, 0x4000, 1 << 18

# PROGRAM:TEXT runs the cases with TEXT in their names.
UNITS = ("unit-launch-frames", "unit-launch-launcher", "unit-launch-session")
END_TO_END = ("cells", "limits:thread_bomb", "death")
# Layers on a disk of this kernel, id-mapped for root.
SESSIONS = ("overlay:Sees", "overlay:Branches", "overlay:Direct", "sessions:Keeping")

libc = ctypes.CDLL(None, use_errno=True)


def call(function, *args):
    if function(*args) != 0:
        raise OSError(ctypes.get_errno(), function.__name__)


def write(path, text):
    Path(path).write_text(text)


def enable(group):
    """Controllers for the children of @group."""
    for name in CONTROLLERS:
        write(group / "cgroup.subtree_control", f"+{name}")


def give(group):
    """Delegation as systemd does it, cgroups(7)."""
    for path in (group, group / "cgroup.procs", group / "cgroup.subtree_control", group / "cgroup.threads"):
        os.chown(path, ACCOUNT, ACCOUNT)


def group(path):
    made = CGROUP / path
    made.mkdir(parents=True, exist_ok=True)
    return made


def at_the_top():
    return CGROUP


def in_a_session():
    """As a login shell of root's: a group with processes in it, which can have no limited children."""
    return group("session")


def in_a_container():
    """A cgroup namespace whose root is a group with processes in it and no group above it."""
    return group("container")


def enter_container():
    call(libc.unshare, CLONE_NEWNS | CLONE_NEWCGROUP)
    call(libc.mount, b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    call(libc.umount2, b"/sys/fs/cgroup", 2)
    call(libc.mount, b"cgroup", b"/sys/fs/cgroup", b"cgroup2", 0, None)


def in_a_foreign_group():
    """An account's shell where nothing is delegated."""
    return group("login")


def in_a_delegated_tree():
    """An account's shell in a scope below a group that is the account's own."""
    enable(CGROUP)
    top = group("user")
    scope = group("user/scope")
    give(top)
    give(scope)
    return scope


def in_the_delegated_group():
    """The shell sits in the one group that is delegated: it cannot have limited children either."""
    enable(CGROUP)
    alone = group("alone")
    give(alone)
    return alone


class Pass:
    def __init__(self, name, place, account=0, limits="", enter=None, programs=END_TO_END):
        self.name, self.place, self.account, self.limits = name, place, account, limits
        self.enter, self.programs = enter, programs


PASSES = (
    Pass("root", at_the_top, limits=LIMITS_ALL,
         programs=UNITS + END_TO_END + SESSIONS + ("overlay:Held", "overlay:Random", "overlay:Crash")),
    Pass("root in a session", in_a_session, limits=LIMITS_ALL,
         programs=("cells:Enforced", "cells:memory_bomb", "cells:fork_bomb")),
    Pass("root in a container", in_a_container, enter=enter_container, programs=("cells:Enforced",)),
    Pass("user", in_a_foreign_group, account=ACCOUNT,
         programs=UNITS + ("cells:Enforced", "cells:fork_bomb", "cells:Killed") + SESSIONS),
    Pass("user with a delegated tree", in_a_delegated_tree, account=ACCOUNT, limits=LIMITS_ALL,
         programs=UNITS + END_TO_END),
    Pass("user in a delegated group", in_the_delegated_group, account=ACCOUNT, programs=("cells:Enforced",)),
)


class Tap:
    def __init__(self):
        self.number = 0

    def say(self, good, name, note=""):
        self.number += 1
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}{note}", flush=True)

    def forward(self, prefix, text, status):
        """A program's own lines; a plan that was not kept, or none, is a failure."""
        cases, plan, bad = 0, None, 0
        for line in text.splitlines():
            planned = re.match(r"1\.\.(\d+)", line)
            found = re.match(r"(not ok|ok)\b\s*\d*\s*-?\s*(.*)", line)
            if planned:
                plan = int(planned.group(1))
            elif found:
                cases += 1
                bad += found.group(1) == "not ok"
                self.say(found.group(1) == "ok", f"{prefix}: {found.group(2)}")
            elif not line.startswith("TAP version"):
                print(f"  {line}", flush=True)
        if plan != cases or (status != 0) != (bad > 0):
            self.say(False, f"{prefix}: exit status {status}, {cases} cases of {plan}")


def command(program, case):
    if program.startswith("unit-"):
        return [str(HOME / "unit" / program), "--tap=-"]
    name, _, own_case = program.partition(":")
    case = case or own_case
    path = HOME / ("guest" if name == "cells" else "tests/e2e") / f"{name}.py"
    return [sys.executable, "-B", str(HOME / "guest/slow.py"), str(path), *([case] if case else [])]


def environment(this):
    home = "/root" if this.account == 0 else "/home/user"
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": home, "TMPDIR": "/tmp",
            "TOOLCELL": str(HOME / "build/toolcell"), "TOOLCELL_TEST_PROGRAMS": str(HOME / "build"),
            "TOOLCELL_VM_LIMITS": this.limits, "PYTHONPATH": str(HOME / "tests/e2e")}


def start(this, program, place, case):
    def enter():
        write(place / "cgroup.procs", "0")
        if this.enter:
            this.enter()
        if this.account:
            os.setgroups([])
            os.setresgid(*(this.account,) * 3)
            os.setresuid(*(this.account,) * 3)

    try:
        done = subprocess.run(command(program, case), env=environment(this), cwd="/tmp", preexec_fn=enter,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=PROGRAM_S, check=False)
        return done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as e:
        return (e.stdout or b"").decode("utf-8", "replace"), 124


def leftovers():
    return [str(p) for p in CGROUP.rglob("toolcell-*")]


def run(this, tap, words):
    place = this.place()
    # A second member: a group that only the engine is in would be a different case.
    company = subprocess.Popen(["sleep", "100000"], preexec_fn=lambda: write(place / "cgroup.procs", "0"))
    try:
        for program in this.programs:
            name = f"{this.name}: {program}"
            if words.get("toolcell.only", "") in name.replace(" ", "-"):
                tap.forward(name, *start(this, program, place, words.get("toolcell.case")))
                left = leftovers()
                tap.say(not left, f"{name}: nothing is left below {CGROUP}", f": {left}" if left else "")
    finally:
        company.kill()
        company.wait()


def main():
    words = dict(w.split("=", 1) for w in Path("/proc/cmdline").read_text().split() if "=" in w)
    call(libc.mount, b"cgroup", str(CGROUP).encode(), b"cgroup2", 0, None)
    have = (CGROUP / "cgroup.controllers").read_text().split()
    print(f"# {os.uname().release}; controllers: {' '.join(have)}", flush=True)
    tap = Tap()
    tap.say(set(CONTROLLERS) <= set(have), "the kernel has every controller that limits need")
    for this in PASSES:
        run(this, tap, words)
    print("# end of the machine's tests", flush=True)


main()
