#!/usr/bin/env python3
"""Bombs. Each is bounded twice: by the policy under test, and by a limit of our own around the engine."""

import resource
import time

from harness import SANITIZED, CellTest, main


def fence():
    """In the engine, before it starts: if a cell failed to hold a bomb, this would."""
    resource.setrlimit(resource.RLIMIT_NPROC, (4096, 4096))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Bombs(CellTest):
    def bounded(self, **limits):
        return self.engine(policy=self.policy(limits=limits), preexec=fence)

    def needs(self, engine, layer):
        """An account without a delegated cgroup cannot bound a tree's memory; the result says so."""
        if layer in engine.bash("true")["enforced"]["missing"]:
            self.skipTest(f"{layer} is not to be had by this account (enforced.missing says so)")

    def assertLimitDenied(self, result, what, value):
        """Whether or not the call ended by it: the limit that was met is among the denials."""
        found = [d for d in result["denials"] if d["layer"] == "limit" and d["object"] == what]
        self.assertEqual([d["value"] for d in found], [value], result["denials"])
        self.assertGreater(found[0]["count"], 0)

    def still_serves(self, engine):
        self.assertOk(engine.bash("echo alive"))

    def test_fork_bomb_is_contained_and_explained(self):
        engine = self.bounded(processes=64, wall="8s")
        begin = time.monotonic()
        result = engine.bash("f() { f | f & }; f; sleep 5; echo over")
        self.assertLess(time.monotonic() - begin, 40)
        self.assertIn(result["ended"]["cause"], ("exit", "process_limit", "wall_limit", "signal"))
        self.assertLessEqual(result["usage"]["processes_peak"] or 0, 64)
        if "cgroup:pids" in result["enforced"]["missing"]:  # an rlimit holds it, and counts nothing
            self.assertIn("Resource temporarily unavailable", result["stderr"]["text"])
        else:
            self.assertLimitDenied(result, "processes", 64)
        self.assertEqual(result["limits"]["processes"], 64)
        self.still_serves(engine)

    def test_thread_bomb_counts_as_processes(self):
        engine = self.bounded(processes=64, wall="10s")
        result = engine.bash("python3 -c 'import threading,time\nn=0\ntry:\n"
                             " while n<500: threading.Thread(target=time.sleep,args=(5,),daemon=True).start(); n+=1\n"
                             "except RuntimeError: pass\nprint(n<64)'")
        self.assertIn("True", result["stdout"]["text"])
        if "cgroup:pids" not in result["enforced"]["missing"]:
            self.assertLimitDenied(result, "processes", 64)
        self.still_serves(engine)

    def test_memory_bomb_is_stopped_with_its_cause(self):
        engine = self.bounded(memory="128MiB", wall="30s")
        self.needs(engine, "cgroup:memory")
        result = engine.bash("x=$(head -c 100000000 /dev/zero | tr '\\0' x); y=$x$x$x$x; echo ${#y}")
        self.assertEnded(result, "stopped", "memory_limit")
        self.assertLimitDenied(result, "memory", 128 << 20)
        self.assertEqual(result["limits"]["memory_bytes"], 128 << 20)
        self.still_serves(engine)

    def test_memory_of_many_processes_counts_together(self):
        engine = self.bounded(memory="128MiB", wall="30s")
        self.needs(engine, "cgroup:memory")
        result = engine.bash("for i in 1 2 3 4 5 6; do (x=$(head -c 40000000 /dev/zero | tr '\\0' x); sleep 3; echo kept) & done; wait")
        self.assertLess(result["stdout"]["text"].count("kept"), 6)
        self.assertLimitDenied(result, "memory", 128 << 20)
        self.still_serves(engine)

    def test_memory_within_the_limit_is_fine_and_measured(self):
        engine = self.bounded(memory="512MiB", wall="30s")
        result = engine.bash("x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}")
        self.assertOk(result)
        if result["usage"]["memory_peak_bytes"] is not None:
            self.assertGreater(result["usage"]["memory_peak_bytes"], 50_000_000)

    def test_full_temporary_folder_stops_at_its_size(self):
        engine = self.engine(policy=self.policy(
            filesystem={"tmpfs": [{"path": "/tmp", "size": "16MiB"}]}, limits={"wall": "30s"}))
        result = engine.bash("head -c 64000000 /dev/zero > /tmp/fill; stat -c %s /tmp/fill")
        self.assertLessEqual(int(result["stdout"]["text"].split()[-1]), 16 << 20)
        self.assertIn("No space left", result["stderr"]["text"])
        self.still_serves(engine)

    def test_file_larger_than_allowed_is_cut_off(self):
        engine = self.bounded(file_size="1MiB", wall="30s")
        result = engine.bash("head -c 5000000 /dev/zero > big; echo code $?")
        self.assertNotIn("code 0", result["stdout"]["text"])
        self.assertLessEqual(int(engine.bash("stat -c %s big")["stdout"]["text"]), 1 << 20)
        result = engine.bash("exec head -c 5000000 /dev/zero > big")
        self.assertEnded(result, "stopped", "disk_limit")
        self.assertLimitDenied(result, "file size", 1 << 20)

    def test_a_child_of_a_shell_that_met_a_limit_is_told_of(self):
        """The shell ends by itself; its exit code says what its child died of."""
        engine = self.bounded(file_size="1MiB", wall="30s")
        result = engine.bash("head -c 5000000 /dev/zero > big; exit $?")
        self.assertEnded(result, "failed", "exit")
        self.assertLimitDenied(result, "file size", 1 << 20)
        self.assertEqual([d["relevance"] for d in result["denials"]], ["possible"])
        self.assertEqual(engine.bash("exit 150")["denials"], [])

    def test_open_files_are_bounded(self):
        engine = self.bounded(open_files=64, wall="30s")
        self.assertEqual(engine.bash("ulimit -Sn; ulimit -Hn")["stdout"]["text"].split(), ["64", "64"])

    def test_bombs_at_once_do_not_starve_a_good_call(self):
        if SANITIZED:
            self.skipTest("timing of sanitized programs says nothing")
        engine = self.bounded(processes=48, memory="128MiB", wall="6s")
        bombs = [engine.start_call("Bash", {"command": "f() { f | f & }; f; sleep 4"}) for _ in range(3)]
        self.assertOk(engine.bash("echo breathing", seconds=40))
        for call_id in bombs:
            engine.finish_call(call_id)

    def test_limits_do_not_add_up_between_calls(self):
        engine = self.bounded(memory="128MiB", cpu="2s", processes=32, wall="20s")
        for _ in range(4):
            self.assertOk(engine.bash("x=$(head -c 30000000 /dev/zero | tr '\\0' x); for i in $(seq 5); do sleep 0.01 & done; wait"))


if __name__ == "__main__":
    main()
