#!/usr/bin/env python3
"""The workspace as an overlay, through the real engine: what calls see, what is kept, what is committed."""

import fcntl
import json
import os
import random
import shutil
import signal
import socket
import stat
import struct
import subprocess
import time
import unittest
from pathlib import Path

from harness import CellTest, engine_processes, eventually, main


def git_works():
    return shutil.which("git") is not None


def snapshot_of(top):
    """Everything below a folder that a commit must bring over: kinds, modes, contents, targets."""
    found = {}
    for base, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(base, name)
            st = os.lstat(path)
            key = os.path.relpath(path, top)
            if stat.S_ISLNK(st.st_mode):
                found[key] = ("link", os.readlink(path))
            elif stat.S_ISDIR(st.st_mode):
                found[key] = ("folder", stat.S_IMODE(st.st_mode))
            else:
                found[key] = ("file", stat.S_IMODE(st.st_mode), Path(path).read_bytes())
    return found


def has_hard_links(top):
    return any(os.lstat(os.path.join(base, name)).st_nlink > 1 for base, _, files in os.walk(top) for name in files)


class Overlay(CellTest):
    def git(self, *args, cwd=None):
        env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null",
                   GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@example.org", GIT_COMMITTER_NAME="t",
                   GIT_COMMITTER_EMAIL="t@example.org")
        done = subprocess.run(["git", *args], cwd=cwd or self.workspace, env=env, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def ok(self, engine, command, **more):
        result = engine.bash(command, **more)
        self.assertOk(result)
        return result

    def commit(self, engine, **arguments):
        return engine.call("changes_commit", arguments)


class Sees(Overlay):
    files = {"kept": "kept\n", "folder/inner": "inner\n"}

    def test_the_workspace_is_untouched_until_commit(self):
        before = snapshot_of(self.workspace)
        engine = self.engine()
        result = self.ok(engine, "echo new >new; echo more >>kept; rm -r folder; mkdir folder; echo x >folder/x")
        self.assertEqual(result["enforced"]["workspace"], "overlay")
        self.assertEqual(snapshot_of(self.workspace), before)
        changes = result["changes"]
        self.assertEqual((changes["modified"], changes["deleted"]), (1, 1))
        self.assertEqual({c["path"] for c in changes["files"]}, {"new", "kept", "folder/inner", "folder/x"})
        self.assertTrue(all(c["by_call"] for c in changes["files"]))
        time.sleep(0.02)  # files are dated by ticks of the clock: within one tick both calls may be meant
        again = self.ok(engine, "cat new kept folder/x")
        self.assertEqual(again["stdout"]["text"], "new\nkept\nmore\nx\n")
        self.assertFalse(any(c["by_call"] for c in again["changes"]["files"]))
        self.assertOk(self.commit(engine))
        self.assertEqual((self.workspace / "kept").read_text(), "kept\nmore\n")
        self.assertEqual((self.workspace / "folder/x").read_text(), "x\n")
        self.assertFalse((self.workspace / "folder/inner").exists())

    def test_what_was_only_read_is_no_change(self):
        result = self.ok(self.engine(), "cat kept folder/inner; touch -r kept kept; chmod --reference=kept kept")
        self.assertEqual(result["changes"]["files"], [])

    def test_a_session_goes_on_in_the_next_engine(self):
        engine = self.engine()
        session = self.ok(engine, "echo one >one")["changes"]["session"]
        engine.close()
        again = self.engine()
        result = self.ok(again, "cat one")
        self.assertEqual(result["stdout"]["text"], "one\n")
        self.assertEqual(result["changes"]["session"], session)

    def test_a_session_survives_the_death_of_its_engine(self):
        engine = self.engine()
        self.ok(engine, "echo one >one")
        engine.child.kill()
        engine.child.wait()
        again = self.engine()
        self.assertEqual(self.ok(again, "cat one")["stdout"]["text"], "one\n")

    def test_two_engines_do_not_share_a_session(self):
        first, second = self.engine(), self.engine()
        self.ok(first, "echo one >one")
        self.ok(second, "echo two >two; test ! -e one")
        self.ok(first, "test ! -e two")

    def test_calls_at_once_see_one_state(self):
        engine = self.engine()
        self.ok(engine, "touch lock")
        calls = [engine.start_call("Bash", {"command": "for i in 1 2 3 4 5; do flock lock sh -c 'echo x >>sum'; done"})
                 for _ in range(4)]
        for call in calls:
            self.assertOk(engine.finish_call(call))
        self.assertEqual(self.ok(engine, "wc -l <sum")["stdout"]["text"].strip(), "20")

    def test_a_tool_that_only_reads_sees_the_session(self):
        engine = self.engine()
        self.ok(engine, "echo fresh >new")
        result = engine.call("Read", {"file_path": "new"})
        self.assertOk(result)
        self.assertEqual(result["data"]["content"], "fresh\n")

    @unittest.skipUnless(git_works(), "no git here")
    def test_a_diff_of_the_session_applies_elsewhere(self):
        copy = self.sessions / "copy"
        (self.workspace / "old").symlink_to("kept")
        shutil.copytree(self.workspace, copy, symlinks=True)
        engine = self.engine()
        self.ok(engine, "echo new >'new file'; : >empty; echo more >>kept; chmod 755 kept; mkdir d; echo x >d/x; "
                "ln -s kept link; ln -sfn folder old")
        result = engine.call("changes", {"operation": "diff"})
        self.assertOk(result)
        patch = self.sessions / "patch"
        patch.write_text("".join(one["diff"] for one in result["data"]["files"]))
        self.git("init", "-q", cwd=copy)
        self.git("apply", str(patch), cwd=copy)
        shutil.rmtree(copy / ".git")
        self.assertOk(self.commit(engine))
        self.assertEqual(snapshot_of(copy), snapshot_of(self.workspace))

    def test_a_socket_of_the_host_in_the_workspace_cannot_be_reached(self):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        path = str(self.workspace / "s")
        try:
            listener.bind(path)
        except OSError:
            self.skipTest("the path of the workspace is too long for a socket")
        os.chmod(path, 0o777)
        listener.listen()
        result = self.engine().bash("python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"s\"); print(\"in\")'")
        self.assertNotIn("in\n", result["stdout"]["text"])
        self.assertEqual(result["status"], "failed")


class Refused(Overlay):
    def test_an_overlay_that_cannot_be_had_is_refused_with_the_rule_that_wants_it(self):
        place = self.write("no-folder", "x")
        env = dict(os.environ, TOOLCELL_SESSIONS=str(place))
        result = self.engine(policy=self.policy(workspace={"fallback": "refuse"}), env=env).bash("echo x >made")
        self.assertEnded(result, "refused", "policy")
        self.assertIn("#/workspace/mode", result["denials"][0]["rule"])
        self.assertIn("workspace.fallback", result["denials"][0]["remedy"])
        self.assertFalse((self.workspace / "made").exists())


class Stopped(Overlay):
    def test_a_call_that_was_stopped_still_tells_what_it_changed(self):
        engine = self.engine()
        result = engine.bash("echo x >made; sleep 60", timeout=1000)
        self.assertEnded(result, "stopped", "wall_limit")
        self.assertEqual([c["path"] for c in result["changes"]["files"]], ["made"])
        self.assertLess(result["usage"]["wall_ms"], 2500)

    def test_a_bomb_is_stopped_in_time(self):
        engine = self.engine()
        result = engine.bash("f() { f | f & }; f; while :; do :; done", timeout=1500)
        self.assertEnded(result, "stopped", "wall_limit")
        self.assertLess(result["usage"]["wall_ms"], 4000)


class Held(Overlay):
    files = {"f": "f\n", ".mcp.json": "{}\n"}

    def test_protected_paths_and_links_that_lead_out_stay_behind(self):
        engine = self.engine()
        self.ok(engine, "mkdir -p .git/hooks sub; echo id >.git/hooks/pre-commit; echo evil >.mcp.json; echo 'gitdir: x' >sub/.git;"
                        "ln -s /etc/passwd out; ln -s ../../up up; ln -s f in; mkfifo fifo; echo good >good")
        listed = engine.call("changes", {"operation": "list"})["data"]["changes"]
        verdicts = {c["path"]: c["verdict"] for c in listed}
        for path, verdict in ((".git/hooks/pre-commit", "protected"), (".mcp.json", "protected"),
                              ("sub/.git", "protected"), ("out", "link_out"), ("up", "link_out"), ("in", "free"),
                              ("fifo", "special"), ("good", "free")):
            self.assertEqual(verdicts.get(path), verdict, json.dumps(listed))
        rules = {c["path"]: c.get("rule") for c in listed}
        self.assertIn("/workspace/protect/", rules[".mcp.json"])
        self.commit(engine)
        self.assertEqual((self.workspace / ".mcp.json").read_text(), "{}\n")
        self.assertEqual(sorted(p.name for p in self.workspace.iterdir() if p.name != ".git"),
                         [".mcp.json", "f", "good", "in", "sub"])
        self.assertFalse((self.workspace / ".git/hooks/pre-commit").exists())
        self.assertEqual(list((self.workspace / "sub").iterdir()), [])

    def test_set_id_bits_are_not_committed(self):
        engine = self.engine()
        self.ok(engine, "cp /usr/bin/true t; chmod 755 t")
        self.commit(engine)
        self.assertEqual(stat.S_IMODE((self.workspace / "t").stat().st_mode), 0o755)

    def test_an_edit_of_the_persons_own_is_a_conflict(self):
        engine = self.engine()
        self.ok(engine, "echo session >f; echo other >o")
        self.write("f", "person\n")
        result = self.commit(engine)
        self.assertEqual((self.workspace / "f").read_text(), "person\n")
        self.assertEqual((self.workspace / "o").read_text(), "other\n")
        self.assertIn("conflict", json.dumps(result["data"]))
        self.commit(engine, overwrite=["f"])
        self.assertEqual((self.workspace / "f").read_text(), "session\n")

    def test_discard_throws_away_what_is_named(self):
        engine = self.engine()
        self.ok(engine, "echo a >a; echo b >b; rm f")
        self.assertOk(engine.call("changes_discard", {"paths": ["a", "f"]}))
        result = self.ok(engine, "ls")
        self.assertEqual(result["stdout"]["text"], "b\nf\n")
        self.assertEqual([c["path"] for c in result["changes"]["files"]], ["b"])
        self.assertOk(engine.call("changes_discard", {}))
        self.assertEqual(self.ok(engine, "ls")["stdout"]["text"], "f\n")

    def test_the_owner_stays(self):
        engine = self.engine()
        self.ok(engine, "echo new >new; echo more >>f")
        self.commit(engine)
        owner = self.workspace.stat()
        for name in ("new", "f"):
            st = (self.workspace / name).stat()
            self.assertEqual((st.st_uid, st.st_gid), (owner.st_uid, owner.st_gid), name)

    def test_a_session_is_bounded(self):
        engine = self.engine(policy=self.policy(limits={"session_size": "8MiB", "session_files": 100}))
        result = engine.bash("head -c 64M /dev/zero >big; sleep 5; echo survived")
        self.assertEnded(result, "stopped", "disk_limit")
        self.assertEqual(engine.bash("true")["status"], "refused")
        self.assertOk(engine.call("changes_discard", {}))
        self.ok(engine, "true")
        result = engine.bash("i=0; while [ $i -lt 5000 ]; do : >f$i; i=$((i+1)); done; sleep 5")
        self.assertEnded(result, "stopped", "disk_limit")


class Branches(Overlay):
    files = {"f": "zero\n"}

    def session(self, engine, operation, **more):
        result = engine.call("session", {"operation": operation, **more})
        self.assertOk(result)
        return result["data"]

    def test_snapshot_and_rollback(self):
        engine = self.engine()
        self.ok(engine, "echo one >f")
        number = self.session(engine, "snapshot")["snapshot"]
        self.ok(engine, "echo two >f; echo g >g")
        self.session(engine, "rollback", snapshot=number)
        self.assertEqual(self.ok(engine, "cat f; ls")["stdout"]["text"], "one\nf\n")
        self.session(engine, "rollback", snapshot=0)
        result = self.ok(engine, "cat f")
        self.assertEqual(result["stdout"]["text"], "zero\n")
        self.assertEqual(result["changes"]["files"], [])

    def test_forks_are_worked_on_side_by_side_and_one_is_kept(self):
        engine = self.engine()
        self.ok(engine, "echo base >base")
        forks = [self.session(engine, "fork")["session"] for _ in range(3)]
        calls = []
        for i, fork in enumerate(forks):
            calls.append(engine.request("tools/call", {
                "name": "Bash", "arguments": {"command": f"sleep 0.2; cat base; echo {i} >try; cat try"},
                "_meta": {"toolcell/session": fork}}))
        for i, call in enumerate(calls):
            result = engine.finish_call(call)
            self.assertEqual(result["stdout"]["text"], f"base\n{i}\n")
            self.assertEqual(result["changes"]["session"], forks[i])
        self.ok(engine, "test ! -e try")
        self.assertOk(engine.call("changes_commit", {"session": forks[1]}))
        self.assertEqual((self.workspace / "try").read_text(), "1\n")
        for fork in forks:
            self.session(engine, "drop", session=fork)


@unittest.skipUnless(git_works(), "git is not installed")
class Git(Overlay):
    def setUp(self):
        super().setUp()
        self.write("a", "a\n")
        self.git("init", "-q", "-b", "main")
        self.git("add", "a")
        self.git("commit", "-qm", "first")

    def in_cell(self, engine, command):
        return self.ok(engine, "export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t "
                               f"GIT_COMMITTER_EMAIL=t@example.org; set -e; {command}")

    def test_a_commit_made_inside_appears_on_commit(self):
        engine = self.engine()
        self.in_cell(engine, "git status --short; echo b >b; git add b; git commit -qm second; git log --oneline | wc -l")
        self.assertEqual(self.git("log", "--format=%s").split(), ["first"])
        self.assertOk(self.commit(engine))
        self.assertEqual(self.git("log", "--format=%s").split(), ["second", "first"])
        self.assertEqual(self.git("status", "--short"), "")
        self.git("fsck", "--strict")

    def test_branches_worktrees_and_stash_work_inside(self):
        engine = self.engine()
        result = self.in_cell(engine, "git switch -qc topic; echo t >>a; git commit -qam topic; git worktree add -q wt main;"
                                      "cd wt; git status --short; echo w >w; git add w; git commit -qm worktree; cd ..;"
                                      "git log --format=%s main; echo dirty >>a; git stash -q; git stash pop -q")
        self.assertIn("worktree", result["stdout"]["text"])
        self.commit(engine)
        self.assertEqual(self.git("log", "--format=%s", "main").split(), ["worktree", "first"])

    def test_a_submodule_works_inside(self):
        self.git("init", "-q", "-b", "main", "lib")
        lib = self.workspace / "lib"
        (lib / "l").write_text("l\n")
        self.git("add", "l", cwd=lib)
        self.git("commit", "-qm", "lib", cwd=lib)
        engine = self.engine()
        result = self.in_cell(engine, "git -c protocol.file.allow=always submodule --quiet add file://$PWD/lib mod; cat mod/l; git submodule status")
        self.assertIn("l\n", result["stdout"]["text"])
        listed = {c["path"]: c["verdict"] for c in engine.call("changes", {"operation": "list"})["data"]["changes"]}
        self.assertEqual(listed[".gitmodules"], "protected")


OPERATIONS = (
    "echo {n} >{a}", "echo {n} >>{a}", "rm -rf {a}", "mkdir -p {a}", "mkdir -p {a} && echo {n} >{a}/x{n}",
    "mv {a} {b}", "cp -a {a} {b}", "chmod 700 {a}", "[ ! -f {a} ] || chmod 640 {a}", "ln -sfn {leaf} {a}", "truncate -s 10000 {a}",
    "rm -rf {a} && mkdir {a} && echo {n} >{a}/again", "touch {a}", "rmdir {a}", "rm -rf {a}; echo {n} >{a}",
    "ln {a} {b}",
)


# Kinds, modes, targets and contents.
LISTING = ("find . -mindepth 1 -printf '%P %y %m %l\\n' | LC_ALL=C sort; "
           "find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum")


def new_seed():
    return int(os.environ.get("TOOLCELL_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


def random_script(rng, lines):
    names = ["a", "b", "c", "d/a", "d/b", "d/e/a", "d/e/f", "g", "g/h"]
    out = []
    for n in range(lines):
        a, b = rng.choice(names), rng.choice(names)
        line = rng.choice(OPERATIONS).format(a=a, b=b, n=n, leaf=rng.choice(["a", "b", "none"]))
        # What cp makes of a folder in itself hangs on the order in which the folder is read.
        out.append("true" if line.startswith("cp") and f"{b}/".startswith(f"{a}/") else line)
    return "".join(f"({line}) 2>/dev/null\n" for line in out) + "true\n"


class Random(Overlay):
    """Random operations in a cell, held against the same operations on a plain copy."""

    files = {"a": "a\n", "b": "b\n", "d/a": "da\n", "d/e/a": "dea\n", "d/e/f": "def\n", "g/h": "gh\n"}

    def plain(self, top, script):
        subprocess.run(["bash", "-c", "umask 022\n" + script], cwd=top, check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def copy_of(self, name):
        copy = self.sessions.parent / f"{self.sessions.name}-{name}"
        self.addCleanup(shutil.rmtree, copy, ignore_errors=True)
        shutil.copytree(self.workspace, copy, symlinks=True)
        return copy

    FAILED = (526398734, 526818274, 1651954334, 1866632029, 1909823247, 3518996652, 3901122675, 4050993180)

    def test_commit_makes_the_workspace_what_the_session_saw(self):
        self.random_commits(new_seed())

    def test_seeds_that_once_failed(self):
        """Against a plain copy, where hard links and cp of a folder into itself told it from an overlay."""
        before = self.copy_of("before")
        for seed in self.FAILED:
            with self.subTest(seed=seed):
                shutil.rmtree(self.workspace)
                shutil.copytree(before, self.workspace, symlinks=True)
                self.random_commits(seed)

    def random_commits(self, seed):
        rng = random.Random(seed)
        engine = self.engine()
        for turn in range(6):
            copy, alike = self.copy_of(f"copy{seed}-{turn}"), turn == 0
            for part in range(parts := rng.randrange(1, 4)):
                script = random_script(rng, rng.randrange(1, 25))
                self.plain(copy, script)
                self.ok(engine, script)
                if rng.random() < 0.3:
                    self.assertOk(engine.call("session", {"operation": "snapshot"}))
                    alike = alike and (part == parts - 1 or not has_hard_links(copy))
            saw = engine.bash(LISTING)["stdout"]["text"]
            result = self.commit(engine)
            self.assertEqual(result["status"], "ok", f"seed {seed}, turn {turn}: {json.dumps(result)[:3000]}")
            kept = subprocess.run(["bash", "-c", LISTING], cwd=self.workspace, check=True, capture_output=True, text=True)
            self.assertEqual(kept.stdout, saw, f"seed {seed}, turn {turn}")
            # An overlay parts hard links of what lies below it: of the workspace, which has some from the first turn
            # on, and of a snapshot.
            if alike:
                self.assertEqual(snapshot_of(self.workspace), snapshot_of(copy), f"seed {seed}")
            result = self.ok(engine, "true")
            self.assertEqual(result["changes"]["files"], [], f"seed {seed}, turn {turn}")

    def test_discard_and_rollback_bring_back_what_was(self):
        seed = new_seed()
        rng = random.Random(seed)
        engine = self.engine()
        before = snapshot_of(self.workspace)
        copy = self.copy_of("copy")
        script = random_script(rng, 12)
        self.plain(copy, script)
        self.ok(engine, script)
        number = engine.call("session", {"operation": "snapshot"})["data"]["snapshot"]
        self.ok(engine, random_script(rng, 20))
        self.assertOk(engine.call("session", {"operation": "rollback", "snapshot": number}))
        seen = self.ok(engine, "tar cf - . | sha256sum; find . -printf '%P %y %m %l\\n' | sort")["stdout"]["text"]
        want = subprocess.run(["bash", "-c", "find . -printf '%P %y %m %l\\n' | sort"], cwd=copy, text=True,
                              capture_output=True, check=True).stdout
        self.assertEqual(seen.split("\n", 1)[1].split("\n", 1)[1], want.split("\n", 1)[1], f"seed {seed}")
        self.assertOk(engine.call("changes_discard", {}))
        self.assertEqual(snapshot_of(self.workspace), before, f"seed {seed}")
        self.assertEqual(self.ok(engine, "true")["changes"]["files"], [], f"seed {seed}")


class Crash(Overlay):
    """The engine dies in the middle of a commit; the next one finishes it, and nothing is lost."""

    COUNT = 400

    def make(self, engine):
        self.ok(engine, f"mkdir -p many; for i in $(seq {self.COUNT}); do echo $i >many/$i; done; rm f; echo new >g")

    def kill_everything(self, engine):
        for pid in engine_processes(engine.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        engine.child.wait()

    def test_a_commit_that_was_killed_is_finished_by_the_next(self):
        for part in (0, 1, self.COUNT // 3, self.COUNT - 1):
            with self.subTest(part=part):
                shutil.rmtree(self.workspace / "many", ignore_errors=True)
                self.write("f", "f\n")
                (self.workspace / "g").unlink(missing_ok=True)
                engine = self.engine()
                self.make(engine)
                engine.start_call("changes_commit", {})
                eventually(lambda n=part: len(list(self.workspace.glob("many/[0-9]*"))) >= n, 20, 0.001)
                self.kill_everything(engine)
                again = self.engine()
                seen = self.ok(again, "ls many | wc -l; test ! -e f; cat g")["stdout"]["text"].split()
                self.assertEqual(seen, [str(self.COUNT), "new"])
                self.assertOk(self.commit(again))
                self.assertEqual(sorted(p.name for p in (self.workspace / "many").iterdir()),
                                 sorted(str(i) for i in range(1, self.COUNT + 1)))
                self.assertFalse((self.workspace / "f").exists())
                self.assertEqual((self.workspace / "g").read_text(), "new\n")
                self.assertEqual([p for p in self.workspace.rglob("*") if ".toolcell" in p.name], [])
                again.close()

    files = {"f": "f\n"}


class Direct(Overlay):
    files = {".vscode/settings.json": "{}\n", ".git/config": "[core]\n", "f": "f\n"}

    def direct(self):
        return self.engine(policy=self.policy(workspace={
            "mode": "direct", "protect": [".vscode", ".git/config", ".git/hooks", ".mcp.json"]}))

    def test_protected_paths_that_exist_are_read_only(self):
        engine = self.direct()
        for command in ("echo evil >.vscode/settings.json", "echo evil >.vscode/tasks.json", "rm -r .vscode", "mv .vscode v",
                        "echo evil >.git/config"):
            with self.subTest(command=command):
                self.assertEqual(engine.bash(command)["status"], "failed")
        self.assertEqual((self.workspace / ".vscode/settings.json").read_text(), "{}\n")
        self.assertEqual((self.workspace / ".git/config").read_text(), "[core]\n")
        self.ok(engine, "echo more >>f")
        self.assertEqual((self.workspace / "f").read_text(), "f\nmore\n")

    def test_protected_paths_that_come_to_stand_are_moved_aside(self):
        result = self.direct().bash("echo '{}' >.mcp.json; mkdir -p .git/hooks; echo id >.git/hooks/pre-commit")
        self.assertFalse((self.workspace / ".mcp.json").exists())
        self.assertFalse((self.workspace / ".git/hooks").exists())
        self.assertTrue(any(d["layer"] == "protected" and ".mcp.json" in d["object"] for d in result["denials"]),
                        json.dumps(result["denials"]))

    def test_protection_does_not_hang_on_who_asks_or_how_a_call_ends(self):
        policy = self.policy(workspace={"mode": "direct", "protect": [".mcp.json"]})
        done = self.run_toolcell("exec", "--policy", policy, "--workspace", self.workspace, "--", "sh", "-c",
                                 "echo '{}' >.mcp.json")
        self.assertFalse((self.workspace / ".mcp.json").exists())
        self.assertIn("moved aside", done.stderr)
        engine = self.engine(policy=policy)
        result = engine.bash("echo '{}' >.mcp.json; sleep 60", timeout=1000)
        self.assertEnded(result, "stopped", "wall_limit")
        self.assertFalse((self.workspace / ".mcp.json").exists())

    def test_a_protected_path_cannot_be_gone_around_by_its_parent(self):
        self.direct().bash("mv .git g2; mkdir .git; echo evil >.git/config")
        config = self.workspace / ".git/config"
        self.assertTrue(not config.exists() or config.read_text() == "[core]\n", "an evil configuration is in place")


GIT = ["**/.git/hooks", "**/.git/config", ".mcp.json"]


class Escapes(Overlay):
    """What has been tried, and once went through."""

    files = {"f": "f\n", ".git/hooks/x.sample": "x\n", ".git/config": "[core]\n", ".git/HEAD": "ref: refs/heads/m\n"}

    def engine_of_direct(self, **sections):
        return self.engine(policy=self.policy(workspace={"mode": "direct", "protect": GIT}, **sections))

    def test_a_link_that_was_protected_is_not_taken_for_what_has_its_number_now(self):
        link = self.workspace / ".mcp.json"
        for _ in range(8):  # the file system gives a number that has become free to the next file, mostly
            link.symlink_to("elsewhere")
            self.engine_of_direct().bash("rm .mcp.json; echo '{}' >.mcp.json")
            self.assertFalse(link.exists(), "the tool's file is in place")
            for left in self.workspace.glob(".mcp.json*"):
                left.unlink()

    def test_a_pattern_for_any_depth_holds_what_exists_at_the_top(self):
        engine = self.engine_of_direct()
        for command in ("echo id >.git/hooks/pre-commit", "echo evil >>.git/config", "mv .git/hooks h", "rm .git/config"):
            with self.subTest(command=command):
                self.assertEqual(engine.bash(command)["status"], "failed")
        self.assertEqual(os.listdir(self.workspace / ".git/hooks"), ["x.sample"])
        self.assertEqual((self.workspace / ".git/config").read_text(), "[core]\n")

    def test_what_one_call_made_another_cannot_bring_back(self):
        engine = self.engine_of_direct()
        place = self.workspace / ".mcp.json"
        first = engine.start_call("Bash", {"command": "ln -s f .mcp.json; until [ -e seen ]; do sleep 0.02; done"})
        self.assertTrue(eventually(place.is_symlink, 10))
        second = engine.start_call("Bash", {"command": "touch seen; while [ -e .mcp.json ]; do sleep 0.02; done; "
                                                       "mv .mcp.json.refused-by-toolcell .mcp.json"})
        self.assertOk(engine.finish_call(first))
        result = engine.finish_call(second)
        self.assertOk(result)
        self.assertFalse(place.is_symlink())
        self.assertIn("protected", [d["layer"] for d in result["denials"]])

    def test_many_that_die_slowly_do_not_keep_what_is_protected(self):
        bomb = ("import os\nopen(\".mcp.json\", \"w\")\nwhile True:\n  try: os.fork()\n  except OSError: pass\n")
        result = self.engine_of_direct(limits={"wall": "1s", "processes": 400}).bash(f"exec python3 -c '{bomb}'")
        self.assertEnded(result, "stopped", "wall_limit")
        self.assertFalse((self.workspace / ".mcp.json").exists())

    def test_the_gate_stays_shut_while_a_commit_is_at_work_and_another_branch_goes_on(self):
        engine = self.engine()
        self.ok(engine, "seq 1 10000 | split -l 1 -a 4 - n")
        branch = engine.call("session", {"operation": "fork"})["data"]["session"]
        (gate,) = self.sessions.glob("*/data/gate")
        with gate.open("r+b") as file:
            def can_be_shared():
                lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
                try:
                    fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
                except OSError:
                    return False
                fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))
                return True

            commit = engine.start_call("changes_commit", {})
            self.assertTrue(eventually(lambda: not can_be_shared(), 10))
            other = engine.request("tools/call", {"name": "Bash", "arguments": {"command": "true"},
                                                  "_meta": {"toolcell/session": branch}})
            self.assertOk(engine.finish_call(other))
            shared = can_be_shared()
            time.sleep(0.2)  # the gate opens a little before the answer is here
            if json.dumps(commit) in engine.answers:
                self.skipTest("the commit was too quick")
            self.assertFalse(shared)
            self.assertOk(engine.finish_call(commit))

    @unittest.skipUnless(git_works(), "no git")
    def test_git_cannot_be_led_to_another_configuration(self):
        shutil.rmtree(self.workspace / ".git")
        self.git("init", "-q", ".")
        marker = self.workspace.parent / (self.workspace.name + ".ran")
        self.addCleanup(marker.unlink, missing_ok=True)
        engine = self.engine()
        self.ok(engine, "cp -r .git evil; printf '[core]\\n\\trepositoryformatversion = 0\\n\\tfsmonitor = \"touch %s;false\"\\n' "
                        f"{marker} >evil/config; echo ../evil >.git/commondir")
        held = {c["path"]: c["verdict"] for c in self.ok(engine, "true")["changes"]["files"]}
        self.assertEqual(held[".git/commondir"], "protected")
        self.assertOk(self.commit(engine))
        self.git("status")
        self.assertFalse(marker.exists(), "a configuration of the tool's was run")


if __name__ == "__main__":
    main()
