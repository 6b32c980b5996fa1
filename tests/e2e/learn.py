#!/usr/bin/env python3
"""`policy learn` and `policy suggest`: the smallest policy that lets a command pass, with its evidence."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import TOOLCELL, TOP, CellTest, eventually, main, sleepers, toolcell_temporaries

sys.path.insert(0, str(TOP / "tests" / "demo"))
import drive  # noqa: E402 (the repairs of the demo crate)


class Learn(CellTest):
    def setUp(self):
        super().setUp()
        # In the operator's home, of which a cell shows an empty one.
        self.home = Path(tempfile.mkdtemp(prefix="learn-", dir=os.environ["HOME"]))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)

    def place(self, name, text="", mode=0o644):
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def learn(self, *words, options=()):
        before = toolcell_temporaries()
        done = self.run_toolcell("policy", "learn", "--json", "--workspace", self.workspace, *options, "--", *words, seconds=120)
        self.assertEqual({t for t in toolcell_temporaries() - before if "learn" in t}, set(), "nothing is left behind")
        self.assertTrue(done.stdout, done.stderr)
        return done, json.loads(done.stdout)

    def reads(self, proposal):
        return proposal["policy"].get("filesystem", {}).get("read", [])

    def test_what_needs_nothing_gets_nothing(self):
        done, proposal = self.learn("true")
        self.assertEqual((done.returncode, proposal["passes"], proposal["grants"]), (0, True, []))
        self.assertEqual(proposal["policy"]["extends"], "base/build")
        self.assertEqual(proposal["policy"]["workspace"]["mode"], "overlay")

    def test_a_file_that_is_needed_is_granted_and_one_that_is_not_stays_hidden(self):
        needed, spare = self.place("needed", "x"), self.place("spare", "y")
        command = ("sh", "-c", f"cat {spare} 2>/dev/null; cat {needed} >out")
        done, proposal = self.learn(*command)
        self.assertEqual((done.returncode, self.reads(proposal)), (0, [str(needed)]), done.stderr)
        self.assertFalse((self.workspace / "out").exists(), "the workspace stays what it was")
        evidence = proposal["grants"][0]["evidence"][0]
        self.assertEqual((evidence["object"], evidence["process"]["name"]), (str(needed), "cat"))

    def test_the_policy_lets_the_command_pass_and_nothing_else(self):
        needed, other = self.place("needed", "x"), self.place("other", "secret")
        out = self.home / "learned.json"
        done = self.run_toolcell("policy", "learn", "--workspace", self.workspace, "--output", out, "--", "cat", needed)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertEqual(self.run_toolcell("policy", "check", out).returncode, 0)

        def run(path):
            return self.run_toolcell("exec", "--policy", out, "--workspace", self.workspace, "--", "cat", path)
        self.assertEqual((run(needed).returncode, run(needed).stdout), (0, "x"))
        self.assertEqual((run(other).returncode, run("/etc/shadow").returncode), (1, 1))

    def test_many_files_of_one_folder_become_the_folder(self):
        files = [self.place(f"data/{i}", str(i)) for i in range(6)]
        done, proposal = self.learn("sh", "-c", "cat " + " ".join(map(str, files)))
        self.assertEqual((done.returncode, self.reads(proposal)), (0, [str(self.home / "data")]), done.stderr)
        self.assertGreaterEqual(proposal["grants"][0]["count"], 6)

    def test_a_program_of_the_operators_path(self):
        self.place("bin/greet", "#!/bin/sh\necho hello\n", 0o755)
        os.environ["PATH"] = f"{self.home}/bin:{os.environ['PATH']}"
        self.addCleanup(os.environ.__setitem__, "PATH", os.environ["PATH"].split(":", 1)[1])
        done, proposal = self.learn("greet")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(proposal["policy"]["environment"]["set"]["PATH"].startswith(f"{self.home}/bin:"))
        self.assertEqual(self.reads(proposal), [f"{self.home}/bin/greet"])

    def test_a_system_call_that_is_needed(self):
        done, proposal = self.learn("python3", "-c", "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); "
                                    f"c.syscall({237 if os.uname().machine == 'x86_64' else 235}, 0, 0, 0, 0, 0, 0); "
                                    "os._exit(ctypes.get_errno() == 1)")
        self.assertEqual((done.returncode, proposal["policy"]["syscalls"]), (0, {"allow": ["mbind"]}), done.stderr)

    def test_risky_grants_are_set_apart_and_never_tried(self):
        secret = Path(os.environ["HOME"], ".ssh", f"learn-{os.getpid()}")
        made = not secret.parent.exists()
        secret.parent.mkdir(exist_ok=True)
        secret.write_text("key")
        self.addCleanup(lambda: made and secret.parent.rmdir())
        self.addCleanup(secret.unlink)
        done, proposal = self.learn("cat", str(secret))
        self.assertEqual((done.returncode, proposal["passes"], self.reads(proposal)), (1, False, []))
        self.assertEqual([g["risk"] for g in proposal["grants"]], ["holds private keys"])
        self.assertIn("set apart: it holds private keys", done.stderr)
        done, proposal = self.learn("cat", str(secret), options=("--risky",))
        self.assertEqual((done.returncode, self.reads(proposal)), (0, [str(secret)]))

    def test_what_no_policy_allows_is_said(self):
        done, proposal = self.learn("unshare", "-r", "true")
        self.assertEqual((done.returncode, proposal["passes"], proposal["closed"]), (1, False, 1))
        self.assertIn("1 denials that no policy on top of base/build could lift", done.stderr)

    def test_an_existing_file_is_left_alone(self):
        out = self.place("kept.json", "mine")
        done = self.run_toolcell("policy", "learn", "--workspace", self.workspace, "--output", out, "--", "true")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--force replaces it", done.stderr)
        self.assertNotIn("1: ok", done.stderr, "said before the command is run, not after")
        self.assertEqual(out.read_text(), "mine")
        out.unlink()
        target = self.place("target", "mine")
        out.symlink_to(target)
        self.run_toolcell("policy", "learn", "--workspace", self.workspace, "--force", "--output", out, "--", "true")
        self.assertEqual(target.read_text(), "mine", "nothing is written through a link")

    def interrupt(self, signum, whole_group):
        """A signal in the middle of a run that would last, and how `learn` ended of it."""
        before = toolcell_temporaries()
        command = ("sh", "-c", f"cat {self.place('needed')} && exec sleep 40")
        learn = subprocess.Popen([TOOLCELL, "policy", "learn", "--workspace", self.workspace, "--", *command],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                                 preexec_fn=lambda: signal.signal(signum, signal.SIG_DFL))
        self.addCleanup(learn.kill)
        self.assertTrue(eventually(lambda: sleepers(learn), seconds=20), "the command runs")
        (os.killpg if whole_group else os.kill)(learn.pid, signum)
        out, err = learn.communicate(timeout=20)
        self.assertEqual((learn.returncode, out), (-signum, ""), err)
        self.assertIn("stopped by a signal", err)
        self.assertEqual({t for t in toolcell_temporaries() - before if "learn" in t}, set(), "nothing is left behind")

    def test_ctrl_c_ends_the_run_and_leaves_nothing(self):
        self.interrupt(signal.SIGINT, True)

    def test_a_signal_to_learn_alone_ends_the_run_too(self):
        self.interrupt(signal.SIGTERM, False)

    def test_a_base_that_keeps_the_workspace_read_only(self):
        needed = self.place("needed", "x")
        done, proposal = self.learn("cat", str(needed), options=("--base", "strict"))
        self.assertEqual((done.returncode, self.reads(proposal)), (0, [str(needed)]), done.stderr)
        self.assertNotIn("workspace", proposal["policy"])
        done, proposal = self.learn("sh", "-c", "echo x >made", options=("--base", "strict"))
        self.assertEqual((done.returncode, proposal["closed"]), (1, 1), "what a parent made final stays")

    def test_the_folder_for_temporary_files_may_have_a_long_name(self):
        folder = self.home / ("t" * 200)
        folder.mkdir()
        done = self.run_toolcell("policy", "learn", "--json", "--workspace", self.workspace, "--", "true",
                                 env={**os.environ, "TMPDIR": str(folder)})
        self.assertEqual((done.returncode, list(folder.iterdir())), (0, []), done.stderr)
        done = self.run_toolcell("policy", "learn", "--", "true", env={**os.environ, "TMPDIR": str(self.home / "nonesuch")})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("TMPDIR names another place", done.stderr)

    def test_wrong_use(self):
        self.assertEqual(self.run_toolcell("policy", "learn").returncode, 2)
        self.assertEqual(self.run_toolcell("policy", "learn", "--nonesuch", "--", "true").returncode, 2)
        done = self.run_toolcell("policy", "learn", "--base", "nonesuch", "--", "true")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nonesuch", done.stderr)


class LearnCargo(CellTest):
    """The demo's crate, repaired, on a base that knows nothing of Rust."""

    needs_toolchain = True

    def setUp(self):
        super().setUp()
        shutil.copytree(TOP / "tests/demo/crate", self.workspace, dirs_exist_ok=True, ignore=shutil.ignore_patterns("target"))
        for repair in (drive.FIX_BORROW, drive.FIX_LINT, drive.FIX_RANK):
            path = self.workspace / repair["file_path"]
            text = path.read_text()
            for edit in repair["edits"]:
                text = text.replace(edit["old_string"], edit["new_string"])
            path.write_text(text)

    def test_cargo_test_passes_under_what_is_learnt_and_hostile_calls_do_not(self):
        out = self.sessions / "learned.json"
        done = self.run_toolcell("policy", "learn", "--workspace", self.workspace, "--output", out, "--", "cargo", "test",
                                 "--offline", seconds=300)
        self.assertEqual(done.returncode, 0, done.stderr)

        def run(*words):
            return self.run_toolcell("exec", "--policy", out, "--workspace", self.workspace, "--session", "new", "--", *words,
                                     seconds=120)
        self.assertEqual(run("cargo", "test", "--offline").returncode, 0)
        for hostile in (("cat", "/etc/shadow"), ("cat", str(Path(os.environ["HOME"], ".ssh/id_ed25519"))), ("unshare", "-r", "true"),
                        ("bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/443"), ("touch", "/usr/made")):
            with self.subTest(hostile=hostile):
                self.assertNotEqual(run(*hostile).returncode, 0)
        self.assertFalse((self.workspace / "target").exists(), "what was learnt left the workspace alone")


class Suggest(CellTest):
    def suggest(self, lines, *options):
        path = self.write("log", "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
        return self.run_toolcell("policy", "suggest", *options, path)

    def test_denials_of_results_become_a_policy(self):
        result = self.engine().bash("cat /etc/fstab /etc/shadow; true || false; false")
        done = self.suggest([result, "{\"broken\": \n", {"denials": "none"}], "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        proposal = json.loads(done.stdout)
        self.assertIsNone(proposal["passes"])
        risky = {g["fragment"]["filesystem"]["read"][0]: g["risk"] for g in proposal["grants"]}
        self.assertEqual(risky.get("/etc/shadow"), "holds password hashes")
        self.assertNotIn("/etc/shadow", json.dumps(proposal["policy"]))
        self.assertIn("2 of 3 lines tell of no call", done.stderr)
        if os.path.exists("/etc/fstab"):
            self.assertEqual(proposal["policy"]["filesystem"]["read"], ["/etc/fstab"])

    def test_hostile_lines_are_no_policy(self):
        deep = "[" * 100000 + "\n"
        denial = {"fragment": {"filesystem": {"read": ["/etc/\u001b[31mx"]}}, "open": True, "relevance": "possible",
                  "operation": "read\u001b[2J", "object": "\u001b[31m", "process": {"name": 7}}
        done = self.suggest([deep, "\x00\n", {"denials": [7, [], {}, denial, {**denial, "fragment": [1]},
                                                          {**denial, "open": "yes"}]}])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("\x1b", done.stderr + done.stdout)

    def test_hostile_fragments_are_no_grants(self):
        for fragment in ({"network": {"mode": 1}}, {"extends": "other"}, {"name": "x"}, {"filesystem": {"read": "/etc/shadow"}},
                         {"filesystem": []}):
            done = self.suggest([{"denials": [{"fragment": fragment, "open": True, "relevance": "possible"}]}])
            self.assertEqual(done.returncode, 0, (fragment, done.stderr))
            self.assertNotIn("other", done.stdout)
            self.assertNotIn("/etc/shadow", done.stdout)


if __name__ == "__main__":
    main()
