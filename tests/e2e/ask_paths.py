#!/usr/bin/env python3
"""Folders that are there once a person has said yes, and the person at a terminal."""

import json
import os
import pty
import select
import shutil
import tempfile
import time
from pathlib import Path

from asking import AskTest
from harness import MODERN, ROOT, TOOLCELL, check_result, main


class Paths(AskTest):
    """Folders that are not there until somebody has said yes."""

    def test_a_folder_is_absent_until_it_is_granted_once(self):
        engine = self.asking(**self.data_policy())
        self.assertEqual(engine.bash("ls /; true")["granted"], [])
        call = engine.start_call("Bash", {"command": f"cat {self.data}/secret.txt; echo new > {self.data}/new.txt"})
        question = self.question(engine)
        self.assertIn(f"Let it read and write below {self.data}?", question["params"]["message"])
        self.assertEqual(question["params"]["requestedSchema"]["required"], ["path1"])
        self.answer_form(engine, question, "once")
        result = engine.finish_call(call)
        self.assertOk(result)
        self.assertEqual(result["stdout"]["text"], "the data\n")
        self.assertEqual((self.data / "new.txt").read_text(), "new\n")
        self.assertEqual([(g["object"], g["for"]) for g in result["granted"]], [(str(self.data), "once")])
        hidden = engine.bash(f"d={str(self.data)[:-2]}; ls $d*; true")
        self.assertNotIn("secret", hidden["stdout"]["text"])

    def test_a_folder_granted_for_the_session_is_there_for_every_tool(self):
        engine = self.asking(**self.data_policy())
        call = engine.start_call("Read", {"file_path": str(self.data / "secret.txt")})
        self.answer_form(engine, self.question(engine), "session")
        self.assertOk(engine.finish_call(call))
        result = engine.bash(f"cat {self.data}/secret.txt")
        self.assertOk(result)
        self.assertEqual(result["granted"][0]["for"], "session")
        self.assertEqual(engine.questions, [])

    def test_a_declined_folder_refuses_the_call(self):
        engine = self.asking(**self.data_policy())
        call = engine.start_call("Bash", {"command": f"touch never; ls {self.data}"})
        self.answer(engine, self.question(engine), "decline")
        result = engine.finish_call(call)
        self.assertRefused(result, "#/filesystem/write/0", "has declined")
        self.assertEqual((result["denials"][0]["operation"], result["denials"][0]["object"]), ("write", str(self.data)))
        self.assertFalse((self.workspace / "never").exists())

    def test_nobody_to_ask_gives_the_fragment_that_grants_it(self):
        engine = self.asking(capabilities={}, **self.data_policy())
        result = engine.bash(f"ls {self.data}")
        self.assertRefused(result, "#/filesystem/write/0", "nobody can be asked here")
        remedy = result["denials"][0]["remedy"]
        fragment = json.loads(remedy[remedy.index("{"):])
        self.assertEqual(fragment, {"filesystem": {"write": [str(self.data)]}})
        self.assertEqual(result["denials"][0]["fragment"], fragment)
        granted = self.engine(policy=self.policy(**fragment))
        self.assertOk(granted.bash(f"cat {self.data}/secret.txt"))

    def test_words_that_name_the_folder_are_seen(self):
        engine = self.asking(**self.data_policy())
        near = os.path.relpath(self.data, self.workspace)
        for command in (f"ls {self.data}", f"ls '{self.data}/'", f"ls --dir={self.data}/x", f"cat<{self.data}/a",
                        f"ls {near}", f"ls /tmp/../{str(self.data)[1:]}"):
            with self.subTest(command=command):
                call = engine.start_call("Bash", {"command": command})
                self.answer(engine, self.question(engine), "decline")
                self.assertRefused(engine.finish_call(call), "#/filesystem/write/0", "has declined")
        for command in (f"echo {self.data}x; true", f"echo /other{self.data}", "echo data"):
            with self.subTest(command=command):
                self.assertOk(engine.bash(command))
        self.assertEqual(engine.questions, [])

    def test_reading_needs_no_word_where_only_writing_asks(self):
        engine = self.asking(tools={}, filesystem={"read": [str(self.data)],
                                                   "write": [{"path": str(self.data), "ask": True}]})
        self.assertOk(engine.call("Read", {"file_path": str(self.data / "secret.txt")}))
        self.assertEqual(engine.questions, [])
        call = engine.start_call("Bash", {"command": f"echo x > {self.data}/x"})
        self.answer_form(engine, self.question(engine), "once")
        self.assertOk(engine.finish_call(call))
        hidden = engine.bash(f"a={str(self.data)[:-2]}; echo y > $(echo $a*)/y")
        self.assertEqual(hidden["status"], "failed")
        self.assertFalse((self.data / "y").exists())

    def test_a_folder_that_is_granted_to_read_cannot_be_written(self):
        engine = self.asking(tools={}, filesystem={"read": [{"path": str(self.data), "ask": True}]})
        call = engine.start_call("Bash", {"command": f"cat {self.data}/secret.txt && echo x > {self.data}/x"})
        self.answer_form(engine, self.question(engine), "once")
        result = engine.finish_call(call)
        self.assertEqual(result["status"], "failed")
        self.assertEqual(result["stdout"]["text"], "the data\n")
        self.assertFalse((self.data / "x").exists())

    def test_a_tool_and_a_folder_are_asked_in_one_form(self):
        engine = self.asking(**self.data_policy(tools={"Bash": {"ask": True}}))
        call = engine.start_call("Bash", {"command": f"cat {self.data}/secret.txt"})
        question = self.question(engine)
        self.assertEqual(question["params"]["requestedSchema"]["required"], ["call", "path1"])
        self.answer(engine, question, "accept", {"call": "once", "path1": "session"})
        result = engine.finish_call(call)
        self.assertOk(result)
        self.assertEqual({g["object"]: g["for"] for g in result["granted"]},
                         {"Bash": "once", str(self.data): "session"})
        call = engine.start_call("Bash", {"command": f"cat {self.data}/secret.txt"})
        question = self.question(engine)
        self.assertEqual(question["params"]["requestedSchema"]["required"], ["call"])
        self.answer(engine, question, "accept", {"call": "decline"})
        self.assertRefused(engine.finish_call(call), "#/tools/Bash/ask", "has declined")

    def test_a_yes_to_one_of_two_grants_nothing(self):
        engine = self.asking(**self.data_policy(tools={"Bash": {"ask": True}}))
        call = engine.start_call("Bash", {"command": f"cat {self.data}/secret.txt"})
        self.answer(engine, self.question(engine), "accept", {"call": "decline", "path1": "session"})
        self.assertRefused(engine.finish_call(call), "#/tools/Bash/ask", "has declined")
        call = engine.start_call("Bash", {"command": f"cat {self.data}/secret.txt"})
        self.assertEqual(self.question(engine)["params"]["requestedSchema"]["required"], ["call", "path1"])
        engine.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}})

    def test_four_folders_are_granted_apart(self):
        folders = [self.data / str(n) for n in range(4)]
        for folder in folders:
            folder.mkdir()
            (folder / "f").write_text(folder.name)
        engine = self.asking(tools={}, filesystem={"read": [{"path": str(f), "ask": True} for f in folders]})
        tries = "for n in 0 1 2 3; do p=%s; cat $p/$n/f 2>/dev/null || echo -n -; done" % (
            f"$(echo {str(self.data)[:-1]}){str(self.data)[-1]}")
        seen = ["-"] * 4
        for n in (2, 0, 3, 1):
            call = engine.start_call("Bash", {"command": f"true {folders[n]}"})
            self.answer_form(engine, self.question(engine), "session")
            self.assertOk(engine.finish_call(call))
            seen[n] = str(n)
            result = engine.bash(f"# {n}\n{tries}")  # the same call again would be asked about
            self.assertEqual(result["stdout"]["text"], "".join(seen))

    def test_a_denial_says_to_call_again_and_that_call_is_asked_about(self):
        for era in (None, MODERN):
            with self.subTest(era=era):
                engine = self.asking(era, **self.data_policy())
                link = self.workspace / f"link{era}"
                link.symlink_to(self.data)
                arguments = {"file_path": f"{link.name}/secret.txt"}
                result = engine.call("Read", arguments)
                self.assertEqual(result["status"], "failed")
                denial = result["denials"][0]
                self.assertTrue(denial["rule"].endswith("#/filesystem/write/0"), denial)
                self.assertIn("call again with the same arguments", denial["remedy"])
                self.assertEqual(denial["fragment"], {"filesystem": {"write": [str(self.data)]}})
                call = engine.start_call("Read", arguments)
                if era == MODERN:
                    reply = engine.answer(call)["result"]
                    self.assertEqual(reply["resultType"], "input_required")
                    continue
                self.answer_form(engine, self.question(engine), "once")
                self.assertOk(engine.finish_call(call))

    def test_a_path_that_a_command_met_without_naming_it_is_asked_about_next(self):
        if not os.access("/srv", os.W_OK):
            self.skipTest("what lies below /tmp is no path that the cell hides, and this account may write nowhere else")
        data = Path(os.path.realpath(tempfile.mkdtemp(prefix="data-", dir="/srv")))
        self.addCleanup(shutil.rmtree, data, ignore_errors=True)
        data.chmod(0o755)
        (data / "secret.txt").write_text("the data\n")
        engine = self.asking(tools={}, filesystem={"read": [{"path": str(data), "ask": True}]})
        hidden = f"a={str(data)[:-3]}; b={str(data)[-3:]}; cat $a$b/secret.txt"
        result = engine.bash(hidden)
        self.assertEqual(result["status"], "failed")
        denial = next(d for d in result["denials"] if d["object"].startswith(str(data)))
        self.assertTrue(denial["rule"].endswith("#/filesystem/read/0"), denial)
        self.assertIn("call again with the same arguments", denial["remedy"])
        call = engine.start_call("Bash", {"command": hidden})
        self.answer_form(engine, self.question(engine), "once")
        result = engine.finish_call(call)
        self.assertOk(result)
        self.assertEqual(result["stdout"]["text"], "the data\n")
        self.assertEqual(result["denials"], [])

    def test_five_folders_are_one_too_many(self):
        folders = [self.data / str(n) for n in range(5)]
        for folder in folders:
            folder.mkdir()
        policy = self.policy(filesystem={"read": [{"path": str(f), "ask": True} for f in folders]})
        done = self.run_toolcell("policy", "check", policy)
        self.assertIn('more than 4 entries with "ask"', done.stdout + done.stderr)


class Terminal(AskTest):
    """`run` and `exec`, with somebody there and with nobody."""

    def at_terminal(self, *args, typed=b"", before=b"", seconds=30):
        """Runs it as the foreground of a terminal; types when the question is there."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(TOOLCELL, [TOOLCELL, *map(str, args)])
        seen, end, said = b"", time.monotonic() + seconds, not typed
        if before:
            os.write(fd, before)
        while time.monotonic() < end:
            if fd in select.select([fd], [], [], 0.2)[0]:
                try:
                    more = os.read(fd, 65536)
                except OSError:
                    break
                if not more:
                    break
                seen += more
            if not said and b"[y/N] " in seen:
                said = True
                os.write(fd, typed)
        _, status = os.waitpid(pid, 0)
        os.close(fd)
        return os.waitstatus_to_exitcode(status), seen.decode("utf-8", "replace").replace("\r\n", "\n")

    def run_args(self, command, **sections):
        sections.setdefault("tools", {"Bash": {"ask": True}})
        return ("run", "--policy", self.policy(**sections), "--workspace", self.workspace, "Bash",
                f"command={command}")

    def exec_args(self, *command, **sections):
        return ("exec", "--policy", self.policy(**self.data_policy(**sections)), "--workspace", self.workspace,
                "--", *command)

    def test_run_asks_at_the_terminal(self):
        code, seen = self.at_terminal(*self.run_args("echo r''an"), typed=b"y\n")
        self.assertEqual(code, 0, seen)
        self.assertIn('"echo r\'\'an"]', seen)
        self.assertIn("Run this call of Bash? [y/N]", seen)
        self.assertIn("\nran\n", seen)

    def test_run_takes_all_but_yes_for_no(self):
        for typed in (b"n\n", b"\n", b"ye\n", b"y" * 100 + b"\n", b"\x04"):
            with self.subTest(typed=typed):
                code, seen = self.at_terminal(*self.run_args("touch never"), typed=typed)
                self.assertNotEqual(code, 0, seen)
                self.assertIn("refused", seen)
        self.assertFalse((self.workspace / "never").exists())

    def test_what_was_typed_before_the_question_is_no_answer(self):
        code, seen = self.at_terminal(*self.run_args("touch never"), before=b"y\ny\n", typed=b"n\n")
        self.assertNotEqual(code, 0, seen)
        self.assertFalse((self.workspace / "never").exists())

    def test_a_word_typed_before_the_question_is_no_part_of_the_answer(self):
        code, seen = self.at_terminal(*self.run_args("touch never"), before=b"y", typed=b"\n")
        self.assertNotEqual(code, 0, seen)
        self.assertIn("has declined", seen)
        self.assertFalse((self.workspace / "never").exists())

    def test_nobody_answers_in_time(self):
        code, seen = self.at_terminal(*self.run_args("touch never", ask={"timeout": "1s"}))
        self.assertNotEqual(code, 0, seen)
        self.assertIn("did not answer in time", seen)

    def test_without_a_terminal_both_are_refused(self):
        for args in (self.run_args("touch never"), self.exec_args("touch", "never", self.data)):
            done = self.run_toolcell(*args, start_new_session=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("refused", done.stderr + done.stdout)
            self.assertIn("ask", done.stderr + done.stdout)
        self.assertFalse((self.workspace / "never").exists())

    def test_exec_asks_about_a_folder(self):
        result = self.sessions / "result.json"
        args = self.exec_args("cat", f"{self.data}/secret.txt")
        code, seen = self.at_terminal(*args[:1], "--result", result, *args[1:], typed=b"yes\n")
        self.assertEqual(code, 0, seen)
        self.assertIn(f"Let it read and write below {self.data}? [y/N]", seen)
        self.assertIn("\nthe data\n", seen)
        self.assertEqual([(g["object"], g["for"]) for g in json.loads(result.read_text())["granted"]],
                         [(str(self.data), "once")])
        code, seen = self.at_terminal(*args, typed=b"n\n")
        self.assertNotEqual(code, 0, seen)
        self.assertIn("you have declined", seen)
        self.assertNotIn("\nthe data\n", seen)

    def assertRefusalWritten(self, file, words):
        result = json.loads(file.read_text())
        check_result(result)
        self.assertRefused(result, "#/filesystem/write/0", words)
        denial = result["denials"][0]
        self.assertEqual((denial["operation"], denial["object"], denial["relevance"]), ("write", str(self.data), "cause"))
        self.assertEqual((denial["open"], denial["fragment"]), (True, {"filesystem": {"write": [str(self.data)]}}))
        self.assertGreater(result["limits"]["wall_ms"], 0)
        self.assertEqual((result["tool"], result["enforced"]["mode"]), ("touch", "root" if ROOT else "rootless"))

    def test_exec_that_is_refused_writes_a_result_that_says_so(self):
        file = self.sessions / "result.json"
        for typed, words, more in ((b"n\n", "has declined", {}), (b"", "did not answer in time", {"ask": {"timeout": "1s"}})):
            with self.subTest(typed=typed):
                args = self.exec_args("touch", "never", self.data, **more)
                code, seen = self.at_terminal(*args[:1], "--result", file, *args[1:], typed=typed)
                self.assertEqual(code, 125, seen)
                self.assertRefusalWritten(file, words)
        args = self.exec_args("touch", "never", self.data)
        done = self.run_toolcell(*args[:1], "--result", file, *args[1:], start_new_session=True)
        self.assertEqual(done.returncode, 125)
        self.assertRefusalWritten(file, "nobody can be asked here")
        self.assertFalse((self.workspace / "never").exists())

    def test_exec_that_is_refused_is_a_refused_call_in_the_audit_log(self):
        log = Path(tempfile.mkdtemp(prefix="audit-"))
        self.addCleanup(shutil.rmtree, log, ignore_errors=True)
        args = self.exec_args("touch", "never", self.data)
        done = self.run_toolcell(*args[:1], "--audit", log, *args[1:], start_new_session=True)
        self.assertEqual(done.returncode, 125)
        lines = [json.loads(x) for x in (log / "audit.jsonl").read_text().splitlines()]
        self.assertEqual([x["kind"] for x in lines if x["kind"] in ("call", "lost")], ["call"])
        self.assertEqual([x["record"]["status"] for x in lines if x["kind"] == "call"], ["refused"])

    def test_what_was_to_be_asked_about_is_no_grant_without_a_risk(self):
        """A path that a command reaches without naming it: its denial tells of the question, and so does a policy made of it."""
        file, path = self.sessions / "result.json", tempfile.mkdtemp(prefix="asked-", dir=os.environ["HOME"])
        self.addCleanup(os.rmdir, path)
        policy = self.policy(filesystem={"read": [{"path": path, "ask": True}]})
        self.run_toolcell("exec", "--policy", policy, "--workspace", self.workspace, "--result", file, "--", "sh", "-c",
                          f"cat $(printf %s {path[:4]} {path[4:]})/missing", start_new_session=True)
        denial = json.loads(file.read_text())["denials"][0]
        check_result(json.loads(file.read_text()))
        self.assertEqual((denial["asked"], denial["layer"], denial["fragment"]), (True, "mount", {"filesystem": {"read": [path]}}))
        self.assertIn("a person can grant it", denial["remedy"])
        proposal = json.loads(self.run_toolcell("policy", "suggest", "--json", file).stdout)
        self.assertEqual([g["risk"] for g in proposal["grants"]], ["takes a question away from a person"])
        self.assertNotIn("filesystem", proposal["policy"])

    def test_exec_that_names_nothing_is_not_asked(self):
        code, seen = self.at_terminal(*self.exec_args("echo", "hello"))
        self.assertEqual((code, seen), (0, "hello\n"))

    def test_a_person_commits_without_being_asked(self):
        """workspace.driver and "ask" are for drivers; this is a person's own command."""
        policy = self.policy(tools={"changes": {"ask": True}}, workspace={"mode": "overlay", "fallback": "memory"})
        done = self.run_toolcell("exec", "--policy", policy, "--workspace", self.workspace, "--", "touch", "new")
        self.assertEqual(done.returncode, 0, done.stderr)
        listed = self.run_toolcell("changes", "--workspace", self.workspace, start_new_session=True)
        if "no session" in listed.stderr + listed.stdout:
            self.skipTest("no session can be kept here")
        self.assertIn("new", listed.stdout, listed.stderr)


if __name__ == "__main__":
    main()
