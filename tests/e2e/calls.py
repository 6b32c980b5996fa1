#!/usr/bin/env python3
"""Many calls on one engine: at once, cancelled, out of time, cut off by the end of input."""

import json
import time

from harness import CellTest, alive, engine_processes, eventually, main, sleepers


class Bash(CellTest):
    files = {"src/a.txt": "alpha\n"}

    def test_streams_are_kept_apart_and_in_order_together(self):
        engine = self.engine()
        result = engine.bash("echo one; echo two >&2; echo three")
        self.assertOk(result)
        self.assertEqual(result["stdout"]["text"], "one\nthree\n")
        self.assertEqual(result["stderr"]["text"], "two\n")
        self.assertEqual(result["data"]["output"], "one\ntwo\nthree\n")

    def test_exit_code_is_a_failure_and_not_an_error(self):
        engine = self.engine()
        result = engine.bash("exit 7")
        self.assertEnded(result, "failed", "exit")
        self.assertEqual(result["ended"]["exit_code"], 7)
        self.assertEqual(result["denials"], [])

    def test_signal_is_named(self):
        engine = self.engine()
        result = engine.bash("kill -SEGV $$")
        self.assertEqual(result["status"], "failed")
        self.assertIn("SEGV", json.dumps(result["ended"]))

    def test_command_starts_in_the_workspace(self):
        engine = self.engine()
        self.assertEqual(engine.bash("pwd")["stdout"]["text"].strip(), str(self.workspace.resolve()))
        self.assertEqual(engine.bash("cat src/a.txt")["stdout"]["text"], "alpha\n")

    def test_cwd_is_a_folder_of_the_workspace_or_refused(self):
        engine = self.engine()
        self.assertEqual(engine.bash("cat a.txt", cwd="src")["stdout"]["text"], "alpha\n")
        self.assertEqual(engine.bash("cat a.txt", cwd=str(self.workspace / "src"))["stdout"]["text"], "alpha\n")
        for cwd in ("/etc", "..", "src/../../..", "/", "nonesuch"):
            with self.subTest(cwd=cwd):
                self.assertIn(engine.bash("pwd", cwd=cwd)["status"], ("refused", "error", "failed"))

    def test_standard_input_is_empty(self):
        engine = self.engine()
        self.assertEqual(engine.bash("wc -c")["stdout"]["text"].strip(), "0")

    def test_what_a_call_writes_the_next_one_reads(self):
        for mode, there in (("overlay", False), ("direct", True)):
            with self.subTest(mode=mode):
                engine = self.engine(policy=self.policy(workspace={"mode": mode}))
                self.assertOk(engine.bash("echo kept > note"))
                self.assertEqual(engine.bash("cat note")["stdout"]["text"], "kept\n")
                self.assertEqual((self.workspace / "note").exists(), there)

    def test_command_with_quotes_and_newlines_arrives_whole(self):
        engine = self.engine()
        text = "a 'b' \"c\" $d `e` \\ é 😀"
        self.assertEqual(engine.bash(f"cat <<'END'\n{text}\nEND\n")["stdout"]["text"], text + "\n")

    def test_usage_and_limits_are_measured(self):
        engine = self.engine()
        result = engine.bash("head -c 30000000 /dev/zero | tail -c 1 >/dev/null; sleep 0.2")
        self.assertOk(result)
        self.assertGreater(result["usage"]["wall_ms"], 190)
        self.assertGreater(result["limits"]["memory_bytes"], 1 << 20)


class Time(CellTest):
    def test_timeout_stops_the_call_and_says_so(self):
        engine = self.engine()
        begin = time.monotonic()
        result = engine.bash("echo before; sleep 60", timeout=500)
        self.assertLess(time.monotonic() - begin, 20)
        self.assertEnded(result, "stopped", "wall_limit")
        self.assertEqual(result["stdout"]["text"], "before\n")
        self.assertEqual(result["limits"]["wall_ms"], 500)

    def test_timeout_cannot_be_ignored(self):
        engine = self.engine()
        result = engine.bash("trap '' TERM INT HUP; while :; do sleep 1; done", timeout=500)
        self.assertEnded(result, "stopped", "wall_limit")

    def test_driver_cannot_raise_the_time_limit(self):
        policy = self.policy(limits={"wall": "1s"})
        engine = self.engine(policy=policy)
        result = engine.bash("sleep 30", timeout=600000)
        self.assertEnded(result, "stopped", "wall_limit")
        self.assertEqual(result["limits"]["wall_ms"], 1000)

    def test_cpu_limit_is_its_own_cause(self):
        policy = self.policy(limits={"cpu": "1s"})
        engine = self.engine(policy=policy)
        result = engine.bash("while :; do :; done", timeout=50000)
        self.assertEnded(result, "stopped", "cpu_limit")


class Cancel(CellTest):
    def test_cancel_kills_the_tree_and_sends_nothing(self):
        engine = self.engine()
        call_id = engine.start_call("Bash", {"command": "sleep 987 & sleep 987"})
        self.assertTrue(eventually(lambda: len(sleepers(engine)) == 2, 20))
        engine.send({"jsonrpc": "2.0", "method": "notifications/cancelled",
                     "params": {"requestId": call_id, "reason": "changed my mind"}})
        self.assertTrue(eventually(lambda: not sleepers(engine), 5), "the tree lives on")
        self.assertOk(engine.bash("true"))
        self.assertNotIn(json.dumps(call_id), engine.answers)

    def test_cancel_of_a_queued_call_never_starts_it(self):
        engine = self.engine()
        running = [engine.start_call("Bash", {"command": "sleep 2"}) for _ in range(40)]
        last = engine.start_call("Bash", {"command": "touch never"})
        for call_id in [last] + running:
            engine.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call_id}})
        self.assertOk(engine.bash("sleep 0.5; test ! -e never"))


class Concurrency(CellTest):
    def test_eight_calls_run_at_once(self):
        engine = self.engine()
        for i in range(8):  # each waits for all the others: one after another would never end
            (self.workspace / f"wait{i}").mkdir()
        command = "touch here{0}; for i in 0 1 2 3 4 5 6 7; do until [ -e here$i ]; do sleep 0.05; done; done; echo {0}"
        ids = [engine.start_call("Bash", {"command": command.format(i), "timeout": 50000}) for i in range(8)]
        for i, call_id in enumerate(ids):
            result = engine.finish_call(call_id)
            self.assertOk(result)
            self.assertEqual(result["stdout"]["text"], f"{i}\n")

    def test_a_hundred_calls_all_come_back(self):
        engine = self.engine()
        ids = [engine.start_call("Bash", {"command": f"echo {i}"}) for i in range(100)]
        for i, call_id in enumerate(ids):
            self.assertEqual(engine.finish_call(call_id, 120)["stdout"]["text"], f"{i}\n")

    def test_ping_answers_during_a_call(self):
        engine = self.engine()
        call_id = engine.start_call("Bash", {"command": "sleep 3"})
        begin = time.monotonic()
        self.assertEqual(engine.ask("ping")["result"], {})
        self.assertLess(time.monotonic() - begin, 2)
        self.assertNotIn(json.dumps(call_id), engine.answers)
        self.assertOk(engine.finish_call(call_id))

    def test_progress_streams_and_strictly_increases(self):
        engine = self.engine()
        call_id = engine.start_call(
            "Bash", {"command": "for i in 1 2 3 4; do echo step $i; sleep 0.4; done"}, progress="tok")
        self.assertOk(engine.finish_call(call_id))
        notes = [n["params"] for n in engine.notes if n["method"] == "notifications/progress"]
        self.assertGreaterEqual(len(notes), 2)
        self.assertEqual({n["progressToken"] for n in notes}, {"tok"})
        numbers = [n["progress"] for n in notes]
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_no_progress_without_a_token(self):
        engine = self.engine()
        self.assertOk(engine.bash("for i in 1 2 3; do echo $i; sleep 0.3; done"))
        self.assertEqual([n for n in engine.notes if n["method"] == "notifications/progress"], [])


class EndOfInput(CellTest):
    def test_end_of_input_ends_idle_engine_with_success(self):
        engine = self.engine()
        engine.end_input()
        self.assertEqual(engine.wait(15), 0)

    def test_end_of_input_kills_what_runs(self):
        engine = self.engine()
        engine.start_call("Bash", {"command": "sleep 986"})
        self.assertTrue(eventually(lambda: sleepers(engine), 20))
        family = [p for p in engine_processes(engine.pid) if p != engine.pid]
        engine.end_input()
        engine.wait(15)
        self.assertTrue(eventually(lambda: not [p for p in family if alive(p)], 1))

    def test_last_line_without_newline_is_a_line(self):
        engine = self.engine()
        engine.send_raw(b'{"jsonrpc":"2.0","id":"last","method":"ping"}')
        engine.end_input()
        engine.wait(15)
        engine.reader.join(5)
        self.assertEqual(engine.answers['"last"']["result"], {})


if __name__ == "__main__":
    main()
