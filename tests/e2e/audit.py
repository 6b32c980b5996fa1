#!/usr/bin/env python3
"""The audit log through the real programs: what is recorded, what is masked, what a full disk, a kill and a hand do to it."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import time

from harness import ROOT, TOOLCELL, CellTest, alive, engine_processes, eventually, main, process_name, sleepers

TOKEN = "gh" "p_0123456789abcdefghijABCDEFGHIJ012345"


class AuditTest(CellTest):
    direct = True
    section = {"full": "stop"}

    def policy(self, **sections):
        sections["audit"] = {**self.section, **sections.get("audit", {})}
        return super().policy(**sections)

    def lines(self):
        found = []
        for path in sorted(self.audit.glob("audit.0*.jsonl")) + [self.audit / "audit.jsonl"]:
            found += [json.loads(line) for line in path.read_text().splitlines()]
        return found

    def records(self, *kinds):
        return [line["record"] for line in self.lines() if line["kind"] in kinds]

    def writer(self, engine):
        return [p for p in engine_processes(engine.pid) if process_name(p) == "toolcell-audit"][0]

    def verify(self, *args, code=0):
        done = self.run_toolcell("audit", "verify", *args)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def show(self, *args, code=0):
        done = self.run_toolcell("audit", "show", *args)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout


class Records(AuditTest):
    def test_a_call_is_recorded_before_it_is_answered(self):
        engine = self.engine()
        result = engine.bash("echo hello; exit 3")
        calls = self.records("call")
        self.assertEqual(len(calls), 1)
        call = calls[0]
        for key in ("call", "tool", "agent", "status", "ended", "usage", "limits", "denials", "enforced"):
            self.assertEqual(call[key], result[key], key)
        self.assertEqual(call["policy"]["name"], result["policy"])
        self.assertRegex(call["policy"]["digest"], "^[0-9a-f]{64}$")
        self.assertEqual(call["driver"], {"name": "tests", "version": "1"})
        self.assertEqual(call["output"], {"stdout": 6, "stderr": 0})
        self.assertEqual(call["by"], "driver")
        self.assertNotIn("hello", json.dumps(calls))

    def test_arguments_are_a_digest_unless_the_policy_wants_them(self):
        engine = self.engine()
        engine.bash("echo secretive")
        kept = self.records("call")[0]["arguments"]
        text = json.dumps({"command": "echo secretive"}, separators=(",", ":"))
        self.assertEqual(kept, {"sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text), "text": None})
        self.assertNotIn("secretive", json.dumps(self.lines()))

    def test_each_refusal_is_a_decision(self):
        engine = self.engine()
        engine.call("Bash", {"command": "true", "cwd": "/etc"})
        engine.call("Read", {"nonsense": 1})
        decisions = self.records("decision")
        self.assertEqual([d["decision"] for d in decisions], ["refused", "refused"])
        self.assertEqual(self.records("call"), [])
        self.assertTrue(all(d["denials"] for d in decisions))

    def test_a_cancel_is_a_decision_and_the_call_has_its_record(self):
        engine = self.engine()
        call = engine.start_call("Bash", {"command": "sleep 30"})
        self.assertTrue(eventually(lambda: sleepers(engine), 10))
        engine.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}})
        self.assertTrue(eventually(lambda: self.records("call"), 10))
        self.assertEqual(self.records("decision")[0]["decision"], "cancelled")
        self.assertEqual(self.records("call")[0]["ended"]["cause"], "cancelled")

    def test_what_is_done_to_a_session_is_a_decision(self):
        self.direct = False
        policy = self.policy(workspace={"driver": ["list", "commit", "snapshot"]})
        engine = self.engine(policy=policy)
        if not engine.bash("echo new > new.txt")["enforced"]["session"]:
            self.skipTest("no session can be kept here")
        engine.call("session", {"operation": "snapshot"})
        engine.call("session", {"operation": "list"})
        engine.call("changes", {"operation": "list"})
        engine.call("changes_commit", {})
        self.assertEqual([d["decision"] for d in self.records("decision")], ["snapshot", "changes_commit"])
        self.assertEqual(self.records("call")[0]["changes"]["added"], 1)
        self.assertNotIn("new.txt", json.dumps([c["changes"] for c in self.records("call")]))

    def test_engines_say_when_they_start_and_end(self):
        with self.engine() as engine:
            engine.bash("true")
        events = self.records("engine")
        self.assertEqual([e["event"] for e in events], ["start", "end"])
        self.assertEqual(events[0]["workspace"], str(self.workspace))
        self.assertIn("PATH", events[0]["environment"])
        self.verify()

    def test_exec_and_run_are_recorded_too(self):
        policy = self.policy(audit={"arguments": "text"})
        done = self.run_toolcell("exec", "-p", policy, "-w", self.workspace, "--", "sh", "-c", "exit 7")
        self.assertEqual(done.returncode, 7, done.stderr)
        done = self.run_toolcell("run", "-p", policy, "-w", self.workspace, "Bash", "command=true")
        self.assertEqual(done.returncode, 0, done.stderr)
        calls = self.records("call")
        self.assertEqual([c["by"] for c in calls], ["person", "person"])
        self.assertEqual(calls[0]["arguments"]["text"], {"argv": ["sh", "-c", "exit 7"]})
        self.assertEqual(calls[0]["ended"]["exit_code"], 7)
        self.verify()

    def test_a_driver_that_goes_away_leaves_a_record_of_each_call(self):
        engine = self.engine(initialize=False)
        engine.send_raw(b'{"id": 1, "tool": "Bash", "arguments": {"command": "sleep 30"}}\n')
        self.assertTrue(eventually(lambda: sleepers(engine), 10))
        engine.child.send_signal(signal.SIGTERM)
        engine.wait(20)
        kinds = [line["kind"] for line in self.lines()]
        self.assertEqual(kinds.count("call") + kinds.count("lost"), 1, kinds)
        self.verify()


class Secrets(AuditTest):
    section = {"full": "stop", "arguments": "text",
               "mask": {"names": ["badge"], "patterns": ["acme_[a-z]{6,}", "zeta_.{2}"]}}

    def test_nothing_secret_gets_into_the_log(self):
        os.environ["MY_API_TOKEN"] = "envsecret1"
        self.addCleanup(os.environ.pop, "MY_API_TOKEN")
        engine = self.engine(policy=self.policy(environment={"pass": ["MY_API_TOKEN"]}))
        for command in (f"echo {TOKEN}", "mysql --password hunter2", "PGPASSWORD=hunter2 true",
                        "curl -H 'Authorization: Bearer hunter2hunter2' x", "echo acme_zzhunter2",
                        "git clone https://me:hunter2@example.org/x", "BADGE=hunter2 true",
                        "echo '{\"password\": \"x\\\"hunter2\"}'", "TOKEN=x\\ hunter2 true"):
            engine.bash(command)
        engine.call("Bash", {"command": f"cd {TOKEN}", "cwd": f"/{TOKEN}"})
        text = (self.audit / "audit.jsonl").read_text()
        for secret in (TOKEN, "hunter2", "envsecret1"):
            self.assertNotIn(secret, text.replace("acme_zzhunter2", ""), secret)
        self.assertIn("[masked: 40 bytes]", text)
        self.assertIn('"MY_API_TOKEN":"[masked: 10 bytes]"', text)
        self.assertNotIn(TOKEN, self.show())

    def test_a_pattern_that_ends_within_a_character_loses_no_record(self):
        engine = self.engine()
        self.assertNotIn("audit", engine.bash("echo zeta_a\u00e9 end")["enforced"]["missing"])
        self.assertEqual(self.records("call")[0]["arguments"]["text"], {"command": "echo [masked: 8 bytes] end"})

    def test_a_hostile_argument_does_not_hang_it(self):
        engine = self.engine()
        begin = time.monotonic()
        result = engine.call("Bash", {"command": "true # " + "eyJ" * 60000 + "://" * 10000 + "a" * 100000})
        self.assertLess(time.monotonic() - begin, 10)
        self.assertIn(result["status"], ("ok", "refused"))
        self.verify()

    def test_control_bytes_never_reach_a_terminal(self):
        engine = self.engine()
        engine.bash("echo '\x1b]0;owned\x07\x1b[2J\u202e' \u009b31m")
        shown = self.show()
        self.assertNotIn("\x1b", shown)
        self.assertNotIn("\u202e", shown)
        self.assertNotIn("\u009b", shown)


class Place(AuditTest):
    def refused(self, word, *args, **env):
        done = self.run_toolcell("run", "-p", self.policy(), "-w", self.workspace, *args, "Bash", "command=true",
                                 env={**os.environ, **env})
        self.assertEqual(done.returncode, 125, done.stdout + done.stderr)
        self.assertIn(word, done.stderr)

    def test_off_is_off(self):
        done = self.run_toolcell("run", "-p", self.policy(), "-w", self.workspace, "--audit", "off", "Bash", "command=true")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(list(self.audit.iterdir()), [])

    def test_strict_which_exec_takes_by_itself_records_nothing(self):
        env = {k: v for k, v in os.environ.items() if k != "TOOLCELL_AUDIT"}
        env["XDG_STATE_HOME"] = str(self.audit)
        done = self.run_toolcell("exec", "-w", self.workspace, "--", "true", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(list(self.audit.iterdir()), [])

    def test_option_wins_over_environment(self):
        other = self.audit / "other"
        self.run_toolcell("run", "-p", self.policy(), "-w", self.workspace, "--audit", other, "Bash", "command=true")
        self.assertTrue((other / "audit.jsonl").exists())
        self.assertFalse((self.audit / "audit.jsonl").exists())

    def test_a_final_path_is_neither_moved_nor_switched_off(self):
        fixed = self.audit / "fixed"
        policy = self.policy(audit={"path": str(fixed)}, final=["/audit"])
        for word in ("off", str(self.audit / "x")):
            done = self.run_toolcell("run", "-p", policy, "-w", self.workspace, "--audit", word, "Bash", "command=true")
            self.assertEqual(done.returncode, 125)
            self.assertIn("fixed by the policy", done.stderr)
        env = {k: v for k, v in os.environ.items() if k != "TOOLCELL_AUDIT"}
        done = self.run_toolcell("run", "-p", policy, "-w", self.workspace, "Bash", "command=true", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((fixed / "audit.jsonl").exists())

    def test_a_log_in_the_workspace_is_refused(self):
        self.refused("lies in the workspace", "--audit", self.workspace / "log")

    def test_a_log_behind_a_link_is_refused(self):
        (self.audit / "link").symlink_to("/tmp")
        self.refused("symbolic link", "--audit", self.audit / "link")

    def test_a_folder_that_others_may_write_to_is_refused(self):
        (self.audit / "open").mkdir()
        (self.audit / "open").chmod(0o777)
        self.refused("written to by others", "--audit", self.audit / "open")

    def test_a_file_that_is_a_link_is_refused(self):
        (self.audit / "audit.jsonl").symlink_to("/etc/passwd")
        self.refused("audit.jsonl")

    def test_tools_cannot_reach_it(self):
        engine = self.engine()
        result = engine.bash(f"cat {self.audit}/audit.jsonl; ls {self.audit}; echo x >> {self.audit}/audit.jsonl; "
                             "ls /proc/*/fd 2>/dev/null | grep -c audit")
        self.assertNotIn("toolcell.audit", json.dumps(result))
        self.verify()


class Full(AuditTest):
    """A disk without room: as a limit on the size of files, which holds for an account and for root."""

    def limit(self, pid, room):
        """Lets the log that @pid writes grow by so many bytes; None: as it likes."""
        most = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        size = (self.audit / "audit.jsonl").stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most if room is None else size + room, most))

    def test_stop_answers_whole_then_refuses_then_goes_on(self):
        engine = self.engine(policy=self.policy(audit={"full": "stop"}))
        self.assertOk(engine.bash("true"))
        self.limit(self.writer(engine), 700)
        first = engine.answer(engine.start_call("Bash", {"command": "echo printed"}))["result"]
        self.assertTrue(first["isError"])
        self.assertIn("error: it ran, and is not in the audit log", first["content"][0]["text"])
        first = first["structuredContent"]
        self.assertEqual((first["status"], first["ended"]["exit_code"]), ("error", 0))
        self.assertIn("not in the audit log", first["error"])
        self.assertIn("File too large", first["error"])
        self.assertEqual(first["stdout"]["text"], "printed\n")
        self.assertIn("audit", first["enforced"]["missing"])
        then = engine.bash("touch ran")
        self.assertEqual(then["status"], "refused")
        self.assertEqual(then["denials"][0]["rule"], "policies/test-policy.json#/audit/full")
        self.assertFalse((self.workspace / "ran").exists())
        self.limit(self.writer(engine), None)
        self.assertOk(engine.bash("touch ran"))
        self.assertTrue((self.workspace / "ran").exists())
        gaps = self.records("gap")
        self.assertEqual((sum(g["lost"] for g in gaps), {g["errno"] for g in gaps}), (2, {"EFBIG"}))
        self.assertIn("2 records could not be written", self.verify().stderr)

    def test_continue_goes_on_and_says_so(self):
        engine = self.engine(policy=self.policy(audit={"full": "continue"}))
        self.limit(self.writer(engine), 0)
        result = engine.bash("echo printed")
        self.assertOk(result)
        self.assertIn("audit", result["enforced"]["missing"])
        reply = engine.answer(engine.start_call("Bash", {"command": "true"}))
        self.assertIn("note: this call is not in the audit log", reply["result"]["content"][0]["text"])
        self.limit(self.writer(engine), None)
        self.assertNotIn("audit", engine.bash("true")["enforced"]["missing"])
        self.assertEqual([g["lost"] for g in self.records("gap")], [2])
        self.verify()

    def test_an_engine_that_cannot_write_at_all_does_not_start_or_says_so(self):
        if ROOT:
            self.skipTest("root writes into every folder; a full file system is another case")
        self.audit.chmod(0o500)
        self.addCleanup(self.audit.chmod, 0o700)
        for full, code in (("stop", 125), ("continue", 0)):
            done = self.run_toolcell("run", "-p", self.policy(audit={"full": full}), "-w", self.workspace, "--format=json",
                                     "Bash", "command=true")
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn("Permission denied", done.stderr)
        self.assertIn("audit", json.loads(done.stdout)["enforced"]["missing"])

    def test_exec_says_so_and_by_its_exit_code_where_the_policy_says_stop(self):
        for _ in range(2):  # the limit holds for the result, too, which must be shorter than the log
            self.run_toolcell("exec", "-p", self.policy(), "-w", self.workspace, "--", "true")
        for full, code, status in (("stop", 125, "error"), ("continue", 0, "ok")):
            out = self.audit / "result.json"
            policy = self.policy(audit={"full": full})
            with subprocess.Popen([TOOLCELL, "exec", "-p", policy, "-w", self.workspace, "--result", out, "--", "sh", "-c",
                                   "sleep 1.5; echo printed"], text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as child:
                self.assertTrue(eventually(lambda: self.records("engine")[-1]["event"] == "start", 10))
                self.limit(child.pid, 100)
                words = child.communicate(timeout=60)
            self.assertEqual((child.returncode, words[0]), (code, "printed\n"), words)
            self.assertIn("not recorded", words[1])
            result = json.loads(out.read_text())
            self.assertIn("audit", result["enforced"]["missing"])
            self.assertEqual(result["status"], status)
            self.run_toolcell("exec", "-p", policy, "-w", self.workspace, "--", "true")
        self.verify()

    def test_a_file_system_that_is_full(self):
        if not ROOT:
            self.skipTest("only root can mount a file system")
        done = self.run_full(self.policy(audit={"full": "stop"}))
        answers = [json.loads(line)["result"] for line in done.stdout.splitlines() if '"result"' in line]
        self.assertEqual(len(answers), 20, done.stderr)
        statuses = [a["status"] for a in answers]
        self.assertIn("error", statuses)
        self.assertIn("refused", statuses)
        self.assertIn("No space left", json.dumps(answers))
        verdict = json.loads(done.stdout.splitlines()[-1])
        self.assertTrue(verdict["good"])
        told = [a for a in answers if "audit" in a["enforced"]["missing"]]
        self.assertLessEqual(verdict["lost_records"], len(told))  # the rest went with the engine, and each answer says so
        self.assertTrue(all(a["status"] in ("error", "refused") for a in told))

    def run_full(self, policy):
        script = '''
mount -t tmpfs -o size=64k,mode=0700 none "$AUDIT" || exit 9
dd if=/dev/zero of="$AUDIT/filler" bs=1k count=40 2>/dev/null
i=0
while [ $i -lt 20 ]; do
	i=$((i+1))
	echo "{\\"id\\": $i, \\"tool\\": \\"Bash\\", \\"arguments\\": {\\"command\\": \\"echo $i\\"}}"
	sleep 0.05
done | "$TOOLCELL" serve -p "$POLICY" -w "$WORKSPACE" --audit "$AUDIT"
rm "$AUDIT/filler"
"$TOOLCELL" run -p "$POLICY" -w "$WORKSPACE" --audit "$AUDIT" Bash command=true >/dev/null
"$TOOLCELL" audit verify "$AUDIT" --json
'''
        return subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False, timeout=60,
                              env={**os.environ, "AUDIT": str(self.audit), "POLICY": str(policy), "TOOLCELL": TOOLCELL,
                                   "WORKSPACE": str(self.workspace)})


class Death(AuditTest):
    def test_what_is_killed_leaves_a_log_that_verifies_and_says_which_call_ran(self):
        for victim in ("supervisor", "broker", "everything but the writer"):
            with self.subTest(victim=victim):
                engine = self.engine()
                engine.start_call("Bash", {"command": "sleep 30"})
                self.assertTrue(eventually(lambda: sleepers(engine), 10))
                before = self.told()
                children = engine_processes(engine.pid)
                if victim == "supervisor":
                    os.kill(engine.pid, signal.SIGKILL)
                else:
                    writer = self.writer(engine)
                    broker = self.broker(engine)
                    for pid in ([broker] if victim == "broker" else [c for c in children if c != writer]):
                        try:
                            os.kill(pid, signal.SIGKILL)
                        except ProcessLookupError:
                            pass
                engine.wait(20)
                self.assertTrue(eventually(lambda: self.told() == before + 1, 10), self.lines()[-3:])
                self.assertTrue(eventually(lambda: not any(alive(c) for c in children), 10))
                self.assertEqual(self.lines()[-1]["kind"], "engine")
                self.verify()

    def told(self):
        """Calls that began and were seen no more, and those whose end the broker lived to see."""
        cut = [c for c in self.records("call") if c["ended"]["cause"] in ("cancelled", "launcher_error")]
        return len(self.records("lost")) + len(cut)

    def broker(self, engine):
        """A copy of the supervisor, with its name."""
        return [p for p in engine_processes(engine.pid)[1:] if process_name(p) == "toolcell"][0]

    def test_a_log_that_was_cut_and_cut_again_while_that_was_told_goes_on(self):
        path = self.audit / "audit.jsonl"
        call = ("run", "-p", self.policy(), "-w", self.workspace, "Bash", "command=true")
        self.assertEqual(self.run_toolcell(*call).returncode, 0)
        path.write_bytes(path.read_bytes()[:-30])
        self.assertIn("is cut off", self.verify().stderr)
        self.assertEqual(self.run_toolcell(*call).returncode, 0)
        path.write_bytes(path.read_bytes().partition(b'"kind":"torn"')[0])
        self.assertIn("is cut off", self.verify().stderr)
        done = self.run_toolcell(*call)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 lines were cut off", self.verify().stderr)

    def test_a_writer_that_is_killed_stops_calls(self):
        engine = self.engine()
        self.assertOk(engine.bash("true"))
        os.kill(self.writer(engine), signal.SIGKILL)
        time.sleep(0.2)
        result = engine.bash("touch ran")
        self.assertEqual(result["status"], "refused", result)
        self.assertIn("is gone", result["error"])
        self.assertFalse((self.workspace / "ran").exists())
        self.verify()

    def test_the_writer_holds_next_to_nothing(self):
        if not ROOT:
            self.skipTest("an account cannot look at processes that hide themselves")
        engine = self.engine()
        engine.bash("true")
        pid = self.writer(engine)
        status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status", encoding="utf-8") if ":\t" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"].strip(), "1")
        self.assertIn(status["Seccomp"].strip(), "02")
        links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        self.assertEqual({l for l in links if not l.startswith(("socket:", "/dev/null", str(self.audit)))}, set())


class Reading(AuditTest):
    def setUp(self):
        super().setUp()
        with self.engine() as engine:
            engine.bash("true")
            engine.bash("false")
            engine.call("Bash", {"command": "true", "cwd": "/etc"})
        self.path = self.audit / "audit.jsonl"

    def test_verify_names_file_line_and_what_is_wrong(self):
        lines = self.path.read_text().splitlines(keepends=True)
        head = self.verify().stdout.split()[-1]
        for change, word in ((lines[:2] + lines[3:], ":3:"), (lines[:1] + [lines[2], lines[1]] + lines[3:], ":2:"),
                             ([l.replace('"status":"failed"', '"status":"ok"') for l in lines], "has been changed"),
                             (lines[1:], "does not begin"), ([], "no records")):
            self.path.write_text("".join(change))
            self.assertIn(word, self.verify(code=1).stderr)
        self.path.write_text("".join(lines[:-1]))
        self.verify()  # it cannot know
        self.assertIn("cut off", self.verify("--expect", head, code=1).stderr)
        self.path.write_text("".join(lines))
        self.verify("--expect", head)

    def test_show_picks(self):
        self.assertEqual(len(self.show("--last", 2).splitlines()), 4)  # the refusal has two lines more
        self.assertIn("refused", self.show("--denied"))
        self.assertNotIn("engine", self.show("--denied"))
        self.assertEqual(self.show("--since", "2999-01-01"), "")
        self.assertEqual(len(self.show("--since", "1h", "--json").splitlines()), len(self.lines()))
        self.assertEqual([json.loads(l) for l in self.show("--json").splitlines()], self.lines())
        call = self.records("call")[1]["call"]
        shown = self.show("--call", call)
        self.assertIn("failed", shown)
        self.assertEqual(self.show(self.path, "--last", 1), self.show("--last", 1))

    def test_show_says_what_is_no_record(self):
        with self.path.open("ab") as f:
            f.write(b"\x1b[2Jjunk\n")
        done = self.run_toolcell("audit", "show")
        self.assertEqual(done.returncode, 1)
        self.assertIn("audit.jsonl:", done.stderr)
        self.assertNotIn("\x1b", done.stderr + done.stdout)

    def test_a_log_that_gets_new_files_is_never_called_changed(self):
        policy = self.policy(audit={"rotate": {"size": "64KiB", "keep": 1000}})
        files = len(list(self.audit.glob("audit.0*.jsonl")))
        with self.engine(policy=policy) as engine:
            while len(list(self.audit.glob("audit.0*.jsonl"))) < files + 2:
                engine.start_call("Bash", {"command": "true"})
                engine.bash("true")
                self.verify()

    def test_wrong_words_are_usage(self):
        for words in ([], ["nonsense"], ["show", "--last", "x"], ["verify", "--expect", "abc"], ["show", "--since", "soon"],
                      ["show", "a", "b"]):
            self.assertEqual(self.run_toolcell("audit", *words).returncode, 2, words)
        self.assertEqual(self.run_toolcell("audit", "show", self.audit / "absent").returncode, 1)

    def test_follow_goes_across_rotation(self):
        policy = self.policy(audit={"rotate": {"size": "64KiB", "keep": 3}})
        follow = subprocess.Popen([TOOLCELL, "audit", "follow", "--json", "--last", "0"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(follow.stdout.close)
        self.addCleanup(follow.wait)
        self.addCleanup(follow.kill)
        time.sleep(0.5)
        before = self.lines()[-1]["seq"]
        with self.engine(policy=policy) as engine:
            for _ in range(60):
                engine.bash("true")
        last = self.lines()[-1]["seq"]
        self.assertTrue(list(self.audit.glob("audit.0*.jsonl")))
        seen = []
        while not seen or seen[-1] < last:
            seen.append(json.loads(follow.stdout.readline())["seq"])
        self.assertEqual(seen, list(range(before + 1, last + 1)))
        self.verify()


if __name__ == "__main__":
    main()
