#!/usr/bin/env python3
"""Sessions as the operator sees them: kept on disk, continued, looked at, committed, thrown away."""

import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from harness import AGENT, ROOT, TOOLCELL, WAIT_S, CellTest, check_result, eventually, main

ID = re.compile(r"^[a-z][a-z2-7]{7}$")
DAY_S = 86400
OVERLAY = {"mode": "overlay", "fallback": "refuse",
           "driver": ["list", "diff", "commit", "discard", "snapshot", "rollback", "fork"]}


class SessionTest(CellTest):
    """A store of its own for each test, and a policy whose tools work on an overlay."""

    files = {"kept.txt": "one\ntwo\nthree\n", "gone.txt": "gone\n", "dir/inner.txt": "inner\n"}

    def setUp(self):
        super().setUp()
        self.place = Path(tempfile.mkdtemp(prefix="sessions-"))
        self.addCleanup(self.remove_place)
        self.store = self.place / "store"
        self.env = {**os.environ, "TOOLCELL_SESSIONS": str(self.store), "PAGER": "cat"}
        self.env.pop("TOOLCELL_SESSIONS_KEEP", None)
        self.need_layers()
        self.overlay = self.policy(workspace=OVERLAY)

    def remove_place(self):
        subprocess.run(["chmod", "-R", "u+rwX", str(self.place)], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.place, ignore_errors=True)

    def need_layers(self):
        done = self.toolcell("doctor", "--json", "--workspace", self.workspace)
        checks = {c["id"]: c for c in json.loads(done.stdout)["checks"]}
        for name in ("session.store", "session.overlay"):
            if checks[name]["status"] != "ok":
                self.skipTest(f"no overlay can be kept here: {checks[name]['detail']}")

    def toolcell(self, *args, env=None, **options):
        return self.run_toolcell(*args, env={**self.env, **(env or {})}, **options)

    def exec(self, command, *args, env=None, code=0):
        done = self.toolcell("exec", "--policy", self.overlay, "--workspace", self.workspace, *args, "--",
                             "bash", "-c", command, env=env)
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def changes(self, *args, code=0, **options):
        done = self.toolcell("changes", *args, "--workspace", self.workspace, **options)
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def listed(self):
        done = self.toolcell("sessions", "list", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        listed = json.loads(done.stdout)
        self.assertEqual(listed["schema"], "toolcell.sessions/1")
        self.assertEqual(listed["store"], str(self.store))
        return listed["sessions"]

    def only(self):
        found = self.listed()
        self.assertEqual(len(found), 1, found)
        self.assertNotIn("error", found[0])
        return found[0]

    def serve(self, *args):
        return self.engine(agent=None, policy=self.overlay, args=args, env=self.env)

    def tree(self):
        return {str(p.relative_to(self.workspace)): p.read_text()
                for p in sorted(self.workspace.rglob("*")) if p.is_file()}

    def terminal(self, *args, answer=b""):
        """Runs with a terminal on all three streams. Returns what it showed, and the exit code."""
        pid, master = pty.fork()
        if pid == 0:
            env = {**self.env, "TERM": "xterm"}
            env.pop("NO_COLOR", None)
            os.execve(TOOLCELL, [TOOLCELL, *map(str, args)], env)
        self.addCleanup(os.close, master)
        shown, asked, end = b"", False, time.monotonic() + WAIT_S
        while time.monotonic() < end:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
            if b"[y/N]" in shown and not asked:
                asked = True
                os.write(master, answer + b"\n")
        else:
            os.kill(pid, signal.SIGKILL)
        return shown.decode("utf-8", "replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Keeping(SessionTest):
    def test_workspace_is_untouched_until_commit(self):
        before = self.tree()
        self.exec("echo new > new.txt; echo four >> kept.txt; rm gone.txt")
        self.assertEqual(self.tree(), before)
        session = self.only()
        self.assertRegex(session["id"], ID)
        self.assertEqual(session["workspace"], str(self.workspace))
        self.assertEqual(session["policy"], str(self.overlay))
        self.assertFalse(session["empty"] or session["in_use"])

    def test_the_next_engine_goes_on_in_it(self):
        self.exec("echo new > new.txt")
        done = self.exec("cat new.txt; echo more >> new.txt")
        self.assertEqual(done.stdout, "new\n")
        self.assertEqual(self.exec("cat new.txt").stdout, "new\nmore\n")
        self.only()

    def test_new_begins_another(self):
        self.exec("echo new > new.txt")
        self.exec("test ! -e new.txt && echo other > other.txt", "--session", "new")
        self.assertEqual(len(self.listed()), 2)

    def test_nothing_is_kept_of_a_call_that_changes_nothing(self):
        self.exec("cat kept.txt")
        self.assertEqual(self.listed(), [])
        self.assertEqual([p for p in self.store.iterdir() if p.name != ".swept"], [])

    def test_another_workspace_or_policy_has_another_session(self):
        self.exec("echo new > new.txt")
        other = Path(tempfile.mkdtemp(prefix="ws-"))
        self.addCleanup(shutil.rmtree, other, ignore_errors=True)
        done = self.toolcell("exec", "--policy", self.overlay, "--workspace", other, "--", "bash", "-c",
                             "ls; touch theirs")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.overlay = self.policy(workspace=OVERLAY, description="another")
        self.assertEqual(self.exec("ls new.txt", code=None).returncode, 2)

    def test_session_survives_a_killed_engine(self):
        engine = self.serve()
        engine.bash("echo survives > new.txt")
        engine.child.kill()
        engine.child.wait()
        self.assertTrue(eventually(lambda: not self.only()["in_use"], 5))
        self.assertEqual(self.exec("cat new.txt").stdout, "survives\n")

    def test_store_is_private_and_data_is_the_owners(self):
        self.exec("echo new > new.txt")
        folder = self.store / self.only()["id"]
        for path in (self.store, folder, folder / "data"):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o700, path)
        self.assertEqual((folder / "data").stat().st_uid, self.workspace.stat().st_uid)
        self.assertEqual(folder.stat().st_uid, os.geteuid())

    def test_cells_cannot_see_the_store(self):
        done = self.exec(f"ls {self.store} 2>&1; ls /var/lib/toolcell ~/.local/state/toolcell 2>&1; echo x > y")
        self.assertNotIn(self.only()["id"], done.stdout)

    def test_a_session_that_is_named_knows_its_policy_and_workspace(self):
        self.exec("echo new > new.txt")
        done = self.toolcell("exec", "--session", self.only()["id"], "--", "bash", "-c", "cat new.txt")
        self.assertEqual((done.returncode, done.stdout), (0, "new\n"), done.stderr)
        done = self.toolcell("exec", "--session", self.only()["id"], "--policy", "strict", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("it can be used with no other", done.stderr)

    def test_a_session_of_another_workspace_is_refused(self):
        self.exec("echo new > new.txt")
        other = Path(tempfile.mkdtemp(prefix="ws-"))
        self.addCleanup(shutil.rmtree, other, ignore_errors=True)
        done = self.toolcell("exec", "--session", self.only()["id"], "--workspace", other, "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("belongs to workspace", done.stderr)

    def test_session_needs_an_overlay(self):
        done = self.toolcell("exec", "--session", "new", "--workspace", self.workspace, "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("workspace.mode", done.stderr)

    def test_words_that_are_no_session_are_refused(self):
        for word in ("../../etc", "K3F7ABCD", "k3f7abcd.99", "k3f7abcd.0", "x"):
            with self.subTest(word=word):
                done = self.toolcell("exec", "--session", word, "--", "true")
                self.assertEqual(done.returncode, 125)
                self.assertIn("is no session", done.stderr)
        done = self.toolcell("exec", "--session", "k3f7abcd", "--", "true")
        self.assertEqual(done.returncode, 125)


class Place(SessionTest):
    def refused(self, word, **env):
        done = self.exec("true", env=env, code=None)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn(word, done.stderr)

    def test_store_in_the_workspace_is_refused(self):
        self.refused("lies in the workspace", TOOLCELL_SESSIONS=str(self.workspace / "sessions"))

    def test_store_behind_a_link_is_refused(self):
        self.store.mkdir(mode=0o700)
        (self.place / "link").symlink_to(self.store)
        self.refused("symbolic link", TOOLCELL_SESSIONS=str(self.place / "link"))

    def test_store_that_others_may_write_to_is_refused(self):
        self.store.mkdir()
        self.store.chmod(0o777)
        self.refused("written to by others")

    def test_store_of_somebody_else_is_refused(self):
        if not ROOT:
            self.skipTest("only root can make a folder of somebody else's")
        self.store.mkdir()
        os.chown(self.store, 12345, 12345)
        self.refused("belongs to uid 12345")

    def test_option_wins_over_environment(self):
        other = self.place / "other"
        self.exec("echo new > new.txt", "--sessions", other)
        self.assertEqual(self.listed(), [])
        self.assertEqual(len([p for p in other.iterdir() if ID.match(p.name)]), 1)

    def test_memory_is_used_where_the_policy_says_so(self):
        self.overlay = self.policy(workspace={**OVERLAY, "fallback": "memory"})
        self.store.mkdir()
        self.store.chmod(0o777)
        before = self.tree()
        done = self.exec("echo new > new.txt; cat new.txt")
        self.assertEqual(done.stdout, "new\n")
        self.assertIn("kept in memory", done.stderr)
        self.assertIn("written to by others", done.stderr)
        self.assertEqual(self.tree(), before)

    def test_direct_is_never_silent(self):
        self.overlay = self.policy(workspace={**OVERLAY, "fallback": "direct"})
        self.store.mkdir()
        self.store.chmod(0o777)
        done = self.exec("echo new > new.txt")
        self.assertIn("the workspace itself", done.stderr)
        self.assertEqual(self.tree()["new.txt"], "new\n")


class Changes(SessionTest):
    def work(self):
        self.exec("echo new > new.txt; echo four >> kept.txt; rm gone.txt")

    def test_list_has_a_line_for_each(self):
        self.work()
        lines = self.changes("list").stdout.splitlines()
        self.assertEqual({line.split("  ")[0] + " " + line.split()[1] for line in lines},
                         {"A new.txt", "M kept.txt", "D gone.txt"}, lines)

    def test_json_is_the_result_object(self):
        self.work()
        result = json.loads(self.changes("list", "--json").stdout)
        check_result(result)
        self.assertEqual((result["tool"], result["status"]), ("changes", "ok"))

    def test_diff_is_unified(self):
        self.work()
        diff = self.changes("diff").stdout
        self.assertIn("--- a/kept.txt\n+++ b/kept.txt\n", diff)
        self.assertIn("+four\n", diff)
        self.assertNotIn("\033", diff)
        self.assertIn("\033[32m+four", self.changes("diff", "--color=always").stdout)

    def test_diff_of_paths_has_only_those(self):
        self.work()
        diff = self.changes("diff", "kept.txt").stdout
        self.assertIn("kept.txt", diff)
        self.assertNotIn("new.txt", diff)

    def test_diff_can_be_applied_elsewhere(self):
        self.work()
        copy = self.place / "copy"
        shutil.copytree(self.workspace, copy)
        diff = self.changes("diff").stdout
        subprocess.run(["patch", "-p1", "-s"], input=diff, text=True, cwd=copy, check=True)
        self.changes("commit", "--yes")
        self.assertEqual(self.tree(), {str(p.relative_to(copy)): p.read_text()
                                       for p in sorted(copy.rglob("*")) if p.is_file()})

    def test_commit_brings_everything_and_ends_the_session(self):
        self.work()
        self.changes("commit")
        self.assertEqual(self.tree(), {"new.txt": "new\n", "kept.txt": "one\ntwo\nthree\nfour\n",
                                       "dir/inner.txt": "inner\n"})
        self.assertEqual((self.workspace / "new.txt").stat().st_uid, self.workspace.stat().st_uid)
        self.assertEqual(self.listed(), [])

    def test_commit_of_a_path_leaves_the_rest(self):
        self.work()
        self.changes("commit", "new.txt")
        self.assertEqual(self.tree()["new.txt"], "new\n")
        self.assertEqual(self.tree()["kept.txt"], "one\ntwo\nthree\n")
        self.assertNotIn("new.txt", self.changes("list").stdout)

    def test_discard_throws_away(self):
        self.work()
        before = self.tree()
        self.changes("discard", "new.txt")
        self.assertNotIn("new.txt", self.changes("list").stdout)
        self.assertEqual(self.changes("discard", code=None).returncode, 2)
        self.changes("discard", "--yes")
        self.assertEqual(self.tree(), before)
        self.assertEqual(self.listed(), [])

    def test_protected_paths_are_held_with_their_rule(self):
        self.overlay = self.policy(workspace={**OVERLAY, "protect": ["**/.git/hooks"]})
        self.exec("mkdir -p .git/hooks; echo evil > .git/hooks/pre-commit; echo fine > fine.txt")
        listed = self.changes("list").stdout
        self.assertRegex(listed, r"\.git/hooks/pre-commit.*held: .*#/workspace/protect/\d+")
        self.changes("commit", "--yes", code=1)
        self.assertTrue((self.workspace / "fine.txt").exists())
        self.assertFalse((self.workspace / ".git/hooks/pre-commit").exists())
        self.only()

    def test_conflict_is_not_overwritten_unless_told(self):
        self.exec("echo theirs > kept.txt")
        time.sleep(0.05)
        self.write("kept.txt", "mine\n")
        self.assertIn("conflict", self.changes("list").stdout)
        self.changes("commit", "--yes", code=1)
        self.assertEqual(self.tree()["kept.txt"], "mine\n")
        self.changes("commit", "--yes", "--overwrite", "kept.txt")
        self.assertEqual(self.tree()["kept.txt"], "theirs\n")

    def test_names_cannot_write_to_the_terminal(self):
        self.exec("echo x > $'\\e[2Jclear'; echo y > $'two\\nlines'")
        for done in (self.changes("list"), self.changes("diff")):
            self.assertNotIn("\033", done.stdout + done.stderr)
        self.assertFalse([line for line in self.changes("list").stdout.splitlines() if line.startswith("lines")])

    def test_without_a_session_it_says_so(self):
        done = self.changes("list", code=1)
        self.assertIn("has no session", done.stderr)

    def test_usage(self):
        for args in (("lst",), ("list", "--stat"), ("diff", "--overwrite", "x"), ("--session", "nonesuch!")):
            with self.subTest(args=args):
                self.assertEqual(self.changes(*args, code=None).returncode, 2)
        self.assertIn("did you mean \"list\"", self.changes("lst", code=None).stderr)


class Terminal(SessionTest):
    def test_commit_asks_and_no_is_no(self):
        self.exec("echo new > new.txt")
        shown, code = self.terminal("changes", "commit", "--workspace", self.workspace, answer=b"n")
        self.assertIn("1 added", shown)
        self.assertEqual(code, 1)
        self.assertNotIn("new.txt", self.tree())
        shown, code = self.terminal("changes", "commit", "--workspace", self.workspace, answer=b"y")
        self.assertEqual(code, 0, shown)
        self.assertEqual(self.tree()["new.txt"], "new\n")

    def test_exec_says_what_is_kept_only_where_a_person_reads_it(self):
        shown, _ = self.terminal("exec", "--policy", self.overlay, "--workspace", self.workspace, "--", "bash",
                                 "-c", "echo new > new.txt; echo x >> kept.txt")
        self.assertRegex(shown, r"1 added, 1 modified, kept in session [a-z2-7]{8}: toolcell changes diff")
        done = self.exec("echo y >> kept.txt")
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.assertIn("kept in session", self.exec("true", "--verbose").stderr)

    def test_diff_is_coloured_and_paged(self):
        self.exec("echo new > new.txt")
        pager = self.place / "pager"
        pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
        pager.chmod(0o755)
        self.env["PAGER"] = f"{pager} -R"
        shown, code = self.terminal("changes", "diff", "--workspace", self.workspace)
        self.assertEqual(code, 0, shown)
        self.assertIn("PAGED", shown)
        self.assertIn("\033[32m+new", shown)


class Live(SessionTest):
    """Beside an engine that uses the session."""

    def setUp(self):
        super().setUp()
        self.live = self.serve()
        self.live.bash("echo new > new.txt")

    def test_list_and_diff_work_beside_it(self):
        session = self.only()
        self.assertTrue(session["in_use"])
        self.assertEqual(session["process"], self.live.pid)
        self.assertIn("new.txt", self.changes("list").stdout)
        self.assertIn("+new", self.changes("diff").stdout)

    def test_commit_beside_it_is_seen_by_it(self):
        self.changes("commit", "--yes")
        self.assertEqual(self.tree()["new.txt"], "new\n")
        result = self.live.bash("cat new.txt; echo more >> new.txt")
        self.assertOk(result)
        self.assertEqual(self.tree()["new.txt"], "new\n")
        self.assertIn("new.txt", self.changes("list").stdout)

    def test_another_engine_gets_another_session(self):
        self.assertEqual(self.exec("ls new.txt", code=None).returncode, 2)
        done = self.exec("true", "--session", self.only()["id"], code=125)
        self.assertIn(f"in use by process {self.live.pid}", done.stderr)

    def test_it_is_not_discarded(self):
        session = self.only()["id"]
        done = self.toolcell("sessions", "discard", session, "--yes")
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use by process", done.stderr)
        self.assertOk(self.live.bash("cat new.txt"))

    def test_commit_waits_for_running_calls_and_says_whose_they_are(self):
        call = self.live.start_call("Bash", {"command": "sleep 30"})
        self.assertTrue(eventually(lambda: self.live.notes is not None, 1))
        time.sleep(0.5)
        begin = time.monotonic()
        done = self.changes("commit", "--yes", code=1)
        self.assertGreater(time.monotonic() - begin, 4)
        self.assertIn(f"process {self.live.pid}", done.stderr)
        self.assertEqual(self.tree().get("new.txt"), None)
        self.live.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}})

    def test_a_continued_session_is_announced(self):
        session = self.only()["id"]
        self.live.close()
        again = self.engine(agent=None, policy=self.overlay, env=self.env, initialize=False)
        text = json.dumps(again.initialize())
        self.assertIn(session, text)
        self.assertIn("continued", text)


class Layers(SessionTest):
    def layers(self, *args, code=0):
        done = self.toolcell("sessions", *args)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_snapshot_and_rollback(self):
        self.exec("echo one > new.txt")
        session = self.only()["id"]
        self.layers("snapshot", session)
        self.exec("echo two > new.txt; touch later")
        self.layers("rollback", session, "1")
        self.assertEqual(self.exec("cat new.txt; ls later 2>&1", code=None).stdout.splitlines()[0], "one")
        self.layers("rollback", session, "0")
        self.exec("test ! -e new.txt")

    def test_branches_side_by_side(self):
        self.exec("echo base > new.txt")
        session = self.only()["id"]
        self.assertIn(f"{session}.2", self.layers("fork", session).stdout)
        self.assertEqual(self.only()["branches"], 2)
        for branch, text in ((session, "a"), (f"{session}.2", "b")):
            done = self.toolcell("exec", "--session", branch, "--", "bash", "-c", f"echo {text} >> new.txt")
            self.assertEqual(done.returncode, 0, done.stderr)
        diff = self.toolcell("changes", "diff", "--session", f"{session}.2").stdout
        self.assertIn("+b", diff)
        self.assertNotIn("+a", diff)
        self.layers("drop", f"{session}.2")
        self.assertEqual(self.only()["branches"], 1)
        self.assertEqual(self.exec("cat new.txt").stdout, "base\na\n")

    def test_only_branches_are_dropped(self):
        self.exec("echo base > new.txt")
        done = self.layers("drop", self.only()["id"], code=2)
        self.assertIn("sessions discard", done.stderr)

    def test_resume_says_how_or_does_it(self):
        self.exec("echo base > new.txt")
        session = self.only()["id"]
        self.assertIn(f"toolcell serve --session {session}", self.layers("resume", session).stdout)
        self.assertEqual(self.layers("resume", session, "--", "cat", "new.txt").stdout, "base\n")

    def test_discard_needs_a_word_where_nobody_can_be_asked(self):
        self.exec("mkdir -p deep/er; chmod 0 deep; echo base > new.txt")
        session = self.only()["id"]
        self.assertIn("--yes", self.layers("discard", session, code=1).stderr)
        self.layers("discard", session, "--yes")
        self.assertEqual(self.listed(), [])
        self.assertEqual([p for p in self.store.iterdir() if p.name != ".swept"], [])


class Age(SessionTest):
    def age(self, days):
        lock = self.store / self.only()["id"] / "lock"
        then = time.time() - days * DAY_S
        os.utime(lock, (then, then))
        (self.store / ".swept").unlink()

    def pass_over(self, **env):
        # A pass runs beside an engine: one that lives long enough for it.
        self.exec("sleep 1", "--session", "new", env=env)

    def test_old_sessions_go(self):
        self.exec("mkdir -p a/b; echo x > a/b/c")
        self.age(31)
        self.pass_over()
        self.assertEqual(self.listed(), [])

    def test_younger_ones_stay_and_the_operator_decides(self):
        self.exec("echo x > new.txt")
        self.age(20)
        self.pass_over()
        self.only()
        self.age(400)
        self.pass_over(TOOLCELL_SESSIONS_KEEP="0")
        self.only()
        self.age(20)
        self.pass_over(TOOLCELL_SESSIONS_KEEP="10")
        self.assertEqual(self.listed(), [])


if __name__ == "__main__":
    main()
