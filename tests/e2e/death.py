#!/usr/bin/env python3
"""Whoever is killed, whenever: within a second no process, cgroup, mount or temporary file is left."""

import fcntl
import os
import shutil
import signal
import subprocess
import time

from harness import (CellTest, alive, engine_processes, eventually, main, process_command,
                     process_name, toolcell_cgroups, toolcell_mounts, toolcell_temporaries)

LEFT_S = 1.0


class Killed(CellTest):
    """Calls that write into a session, which outlives its engine: its folder is what is left, and free."""

    def setUp(self):
        super().setUp()
        self.cgroups = toolcell_cgroups()
        self.mounts = toolcell_mounts()
        self.temporaries = toolcell_temporaries()

    def busy(self):
        """An engine with a call that runs a small tree, and every process of it."""
        engine = self.engine()
        engine.start_call("Bash", {"command": "setsid sleep 984 & (sleep 984 &) ; touch started; sleep 984"})
        self.assertTrue(eventually(self.started, 20), engine.stderr())
        family = engine_processes(engine.pid)
        self.assertGreaterEqual(sum(process_name(p) == "sleep" for p in family), 2)
        return engine, family

    def started(self):
        """Where the tool's file is, seen from outside: in a layer of the session that is under way."""
        return any(self.sessions.glob("*/data/layers/*/u/started"))

    def stored(self):
        return [p for p in self.sessions.iterdir() if not p.name.startswith(".")]

    def forget(self):
        """Overlayfs leaves a closed folder in its work folder, which an ordinary account must open first."""
        for session in self.stored():
            subprocess.run(["chmod", "-R", "u+rwX", session], check=True)
            shutil.rmtree(session)

    def member(self, family, word):
        for pid in family:
            if word in (process_name(pid) or "") or word in process_command(pid).split(" ")[0]:
                return pid
        return self.fail(f"no process named {word} in {[process_name(p) for p in family]}")

    def assertNothingLeft(self, family):
        self.assertTrue(eventually(lambda: not [p for p in family if alive(p)], LEFT_S),
                        [(p, process_name(p)) for p in family if alive(p)])
        self.assertTrue(eventually(lambda: toolcell_cgroups() <= self.cgroups, LEFT_S),
                        toolcell_cgroups() - self.cgroups)
        self.assertEqual(toolcell_mounts() - self.mounts, set())
        self.assertEqual(toolcell_temporaries() - self.temporaries, set())

    def assertFilesKept(self):
        """The session is whole: nobody holds it, and the next engine finds in it what was written."""
        self.assertEqual([p.name for p in self.workspace.iterdir()], [])
        self.assertEqual(len(self.stored()), 1)
        session = self.stored()[0]
        for lock in (session / "lock", session / "data/gate"):
            with open(lock, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        again = self.engine()
        result = again.bash("ls")
        self.assertOk(result)
        self.assertEqual((result["stdout"]["text"], result["changes"]["session"]), ("started\n", session.name))
        family = engine_processes(again.pid)
        again.close()
        self.assertNothingLeft(family)

    def test_clean_end_leaves_nothing(self):
        engine = self.engine()
        self.assertOk(engine.bash("true"))
        family = engine_processes(engine.pid)
        engine.end_input()
        engine.wait(15)
        self.assertNothingLeft(family)

    def test_killed_supervisor_leaves_nothing(self):
        engine, family = self.busy()
        os.kill(engine.pid, signal.SIGKILL)
        self.assertNothingLeft(family)
        self.assertFilesKept()

    def test_killed_launcher_leaves_nothing(self):
        engine, family = self.busy()
        os.kill(self.member(family, "toolcell-launch"), signal.SIGKILL)
        self.assertNothingLeft(family)
        engine.wait(5)
        self.assertFilesKept()

    def test_killed_broker_leaves_nothing(self):
        engine, family = self.busy()
        brokers = [p for p in family if p != engine.pid and os.path.basename(
            process_command(p).split(" ")[0]) == "toolcell"]
        self.assertTrue(brokers, [process_command(p) for p in family])
        os.kill(brokers[0], signal.SIGKILL)
        self.assertNothingLeft(family)
        engine.wait(5)
        self.assertFilesKept()

    def test_terminated_engine_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signal=number.name):
                self.forget()
                engine, family = self.busy()
                os.kill(engine.pid, number)
                self.assertNothingLeft(family)
                engine.wait(5)
                self.assertFilesKept()

    def test_killed_digest_does_not_end_the_engine(self):
        engine = self.engine()
        self.assertOk(engine.bash("true"))
        os.kill(self.member(engine_processes(engine.pid), "toolcell-digest"), signal.SIGKILL)
        time.sleep(0.3)
        try:
            engine.bash("true", seconds=10)
        except AssertionError:
            self.assertIsNotNone(engine.child.poll(), "neither serving nor ended")

    def test_engine_killed_while_starting_leaves_nothing(self):
        for delay in (0.0, 0.01, 0.03, 0.1):
            with self.subTest(delay=delay):
                engine = self.engine(initialize=False)
                time.sleep(delay)
                family = engine_processes(engine.pid)
                os.kill(engine.pid, signal.SIGKILL)
                self.assertNothingLeft(family)


class KilledDirect(Killed):
    """The same, writing into the workspace itself: there is no session."""

    direct = True

    def started(self):
        return (self.workspace / "started").exists()

    def forget(self):
        (self.workspace / "started").unlink(missing_ok=True)

    def assertFilesKept(self):
        self.assertEqual([p.name for p in self.workspace.iterdir()], ["started"])
        self.assertEqual(self.stored(), [])


if __name__ == "__main__":
    main()
