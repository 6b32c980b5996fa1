#!/usr/bin/env python3
"""policy explain, diff, lint and test: what a person is told, and that it is true in a cell."""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from harness import AGENT, TOP, CellTest, main

SHIPPED = ("strict", "base/build", AGENT)
LEAST = {"syscalls": {"groups": ["base", "files", "processes"]}}
GOLDEN = TOP / "tests" / "golden" / "policy"


class PolicyTest(CellTest):
    needs_cells = False

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="policies-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.home = self.folder / "home"
        self.home.mkdir()
        self.env = {**os.environ, "HOME": str(self.home), "TMPDIR": str(self.folder)}
        for name in ("CARGO_HOME", "RUSTUP_HOME"):
            self.env.pop(name, None)

    def file(self, name="p", table=None, **sections):
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({"name": name, **sections}, indent=1))
        if table is not None:
            path.with_suffix(".verdicts").write_text(table)
        return path

    def ask(self, verb, *args, status=0):
        done = self.run_toolcell("policy", verb, *args, "--json", env=self.env)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout)


class Explain(PolicyTest):
    def answers(self, *args, status=0):
        return self.ask("explain", *args, status=status)["answers"]

    def test_status_is_that_of_grep(self):
        for args, status in ((("strict", "--path", "/usr/bin/env"), 0),
                             (("strict", "--path", "/etc/shadow"), 1),
                             (("strict", "--path", "write /usr"), 1),
                             (("strict", "--path", "write /tmp"), 0),
                             (("strict", "--syscall", "read"), 0),
                             (("strict", "--syscall", "mount"), 1),
                             (("strict", "--syscall", "@i386 read"), 1),
                             (("strict", "--host", "127.0.0.1"), 1),
                             (("strict", "--tool", "Bash"), 0),
                             (("strict", "--path", "/usr", "--syscall", "mount"), 1),
                             (("strict", "--syscall", "nonesuch"), 2),
                             (("strict", "--host", "a:b"), 2),
                             (("strict", "--tool", "nonesuch"), 2),
                             (("nonesuch", "--path", "/"), 2),
                             (("strict", "--path"), 2),
                             ((), 2)):
            with self.subTest(args=args):
                done = self.run_toolcell("policy", "explain", *args, env=self.env)
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                self.assertTrue((done.stdout if status < 2 else done.stderr).strip())

    def test_a_rule_is_named_by_file_line_pointer_and_the_way_it_came(self):
        answer = self.answers(AGENT, "--path", "read /usr/bin/env")[0]
        line = (TOP / "policies/base/build.json").read_text().splitlines()[answer["rule"]["line"] - 1]
        self.assertIn('"/usr"', line)
        self.assertEqual(answer["rule"]["file"], "policies/base/build.json")
        self.assertEqual(answer["rule"]["pointer"], "/filesystem/read/0")
        self.assertEqual(answer["rule"]["through"], ["policies/base/build.json", "policies/rust-engineer.json"])

    def test_protected_and_scratch_paths_of_the_workspace_are_told(self):
        by = {a["operation"]: a for a in self.answers(AGENT, "--workspace", self.workspace, "--path", ".git/config")}
        self.assertEqual((by["read"]["verdict"], by["write"]["verdict"]), ("allow", "protected"))
        self.assertRegex(by["write"]["rule"]["pointer"], "^/workspace/protect/")
        scratch = self.answers(AGENT, "--workspace", self.workspace, "--path", "create target/x")[0]
        self.assertIn("scratch", scratch["why"])
        self.assertIn("session", scratch["written"])

    def test_a_final_that_forbids_the_remedy_is_named(self):
        answer = self.answers("strict", "--path", "write /etc/shadow", status=1)[0]
        self.assertEqual(answer["final"]["pointer"], "/final/2")
        self.assertIn("filesystem", answer["remedy"])
        self.assertIsNone(self.answers("strict", "--path", "read /etc/shadow", status=1)[0]["final"])

    def test_calls_are_answered_for_every_architecture(self):
        for text, want in (("clone arg0=CLONE_NEWUSER", {"x86_64": "EPERM", "aarch64": "EPERM"}),
                           ("clone arg0=SIGCHLD", {"x86_64": "allow", "aarch64": "allow"}),
                           ("open", {"x86_64": "allow"}), ("#999", {"x86_64": "ENOSYS", "aarch64": "ENOSYS"})):
            with self.subTest(text=text):
                done = self.run_toolcell("policy", "explain", "strict", "--syscall", text, "--json", env=self.env)
                got = {a["operation"]: a["verdict"] for a in json.loads(done.stdout)["answers"]}
                for arch, verdict in want.items():
                    self.assertEqual(got[arch], verdict)
                self.assertEqual({got.get("i386", "kill"), got.get("x32", "kill")}, {"kill"})
                self.assertIs("aarch64" in got, "aarch64" in want)

    def test_a_tool_is_narrowed_taken_away_or_not_the_agents(self):
        path = self.file(extends="base/build", tools={"Bash": False, "cargo": {"limits": {"wall": "1min"}}})
        self.assertEqual(self.answers(path, "--tool", "Bash", status=1)[0]["verdict"], "taken away")
        cargo = self.answers(path, "--tool", "cargo")[0]
        self.assertEqual(cargo["limits"]["wall"]["value"], "1min")
        self.assertEqual(cargo["limits"]["wall"]["rule"]["pointer"], "/tools/cargo/limits/wall")
        self.assertEqual(cargo["limits"]["memory"]["rule"]["file"], "policies/base/build.json")
        self.assertEqual(self.answers(path, "--tool", "Read")[0]["workspace"]["value"], "readonly")
        agent = self.folder / "small.md"
        agent.write_text("---\nname: small\ndescription: x\ntools: Read\n---\nx\n")
        answer = self.answers(path, "--agent", agent, "--tool", "Write", status=1)[0]
        self.assertIn("small", answer["why"])
        self.answers(path, "--agent", agent, "--tool", "Read")

    def test_without_a_question_there_is_a_summary(self):
        summary = self.ask("explain", AGENT)["summary"]
        self.assertEqual([one["what"] for one in summary["network"]], ["none"])
        self.assertTrue(summary["written, and it stays"])
        text = self.run_toolcell("policy", "explain", "strict", env=self.env).stdout
        self.assertRegex(text, r"written, and it stays\n  nothing\n")


class Remedies(PolicyTest):
    needs_cells = True

    def test_a_pasted_remedy_lets_pass_what_was_refused_and_nothing_else(self):
        for name in ("asked", "other"):
            (self.home / name).write_text("text\n")
        script = f"cat {self.home}/asked; cat {self.home}/other; echo x > {self.home}/asked"
        before = self.file("before", extends="strict")
        answer = self.ask("explain", before, "--path", f"read {self.home}/asked", status=1)["answers"][0]
        self.assertEqual(answer["verdict"], "hidden")
        after = self.file("after", **{**answer["remedy"], "extends": "strict"})
        for policy, want in ((before, ""), (after, "text\n")):
            done = self.run_toolcell("exec", "--policy", policy, "--workspace", self.workspace, "--", "sh", "-c", script,
                                     env=self.env)
            self.assertEqual(done.stdout, want, done.stderr)
        self.assertEqual((self.home / "asked").read_text(), "text\n")


class Diff(PolicyTest):
    def changes(self, a, b, status=1):
        return self.ask("diff", a, b, status=status)["changes"]

    def test_the_same_written_otherwise_is_no_difference(self):
        one = self.file("one", **{**LEAST, "limits": {"wall": "60s"}, "filesystem": {"read": ["/usr", "/etc"]}})
        two = self.file("two", **{"syscalls": {"groups": ["files", "base", "processes"], "allow": ["read"]},
                                  "limits": {"wall": "1min"}, "filesystem": {"read": ["/etc", "/usr"]}})
        self.assertEqual(self.changes(one, two, status=0), [])
        self.assertEqual(self.run_toolcell("policy", "diff", one, two, env=self.env).stdout, "")

    def test_each_kind_of_change_has_its_direction(self):
        base = {**LEAST, "workspace": {"mode": "overlay", "protect": ["x"]}, "network": {"mode": "loopback"},
                "limits": {"memory": "1GiB"}, "environment": {"pass": ["A"]}, "final": ["/network"],
                "require": {"landlock_abi": 1}, "tools": {"Bash": False, "Read": {"limits": {"wall": "1s"}}},
                "filesystem": {"read": ["/usr"], "tmpfs": [{"path": "/mem", "size": "1MiB"}], "proc": "masked"}}
        for section, value, want in (
                ("filesystem", {"read": ["/usr", "/etc"], "tmpfs": base["filesystem"]["tmpfs"], "proc": "masked"},
                 [("wider", "/etc")]),
                ("filesystem", {"read": ["/usr"], "tmpfs": [{"path": "/mem", "size": "1MiB", "execute": False}],
                                "proc": "masked"}, [("narrower", "/mem")]),
                ("filesystem", {"read": ["/usr"], "tmpfs": [{"path": "/mem", "size": "2MiB"}], "proc": "pid"},
                 [("wider", "/mem"), ("narrower", "filesystem.proc")]),
                ("syscalls", {"groups": ["base", "files"]}, [("narrower", "execve")]),
                ("syscalls", {"groups": ["base", "files", "processes", "network-unix"], "sockets": ["inet"]},
                 [("wider", "socket arg0=AF_INET arg1=SOCK_STREAM"), ("wider", "connect")]),
                ("workspace", {"mode": "direct", "protect": []},
                 [("wider", "workspace.mode"), ("wider", "${WORKSPACE}"), ("wider", 'workspace.protect "x"')]),
                ("network", {"mode": "none"}, [("narrower", "network.mode")]),
                ("limits", {"memory": "2GiB", "cpu": "1s"}, [("wider", "memory"), ("narrower", "cpu")]),
                ("environment", {"set": {"B": "1"}, "pass": []},
                 [("changed", 'environment.set "B"'), ("narrower", 'environment.pass "A"')]),
                ("final", [], [("wider", 'final "/network"')]),
                ("require", {"landlock_abi": 0}, [("wider", "require.landlock_abi")]),
                ("tools", {"Bash": {}, "Read": False}, [("wider", "Bash"), ("narrower", "Read")])):
            with self.subTest(section=section, value=value):
                changes = self.changes(self.file("a", **base), self.file("b", **{**base, section: value}))
                got = [(c["direction"], c["object"]) for c in changes]
                for one in want:
                    self.assertIn(one, got)
                order = ("wider", "changed", "narrower")
                places = [order.index(d) for d, _ in got]
                self.assertEqual(places, sorted(places), "wider changes stand first")

    def test_turned_around_wider_is_narrower(self):
        there = self.ask("diff", "strict", "base/build", status=1)
        back = self.ask("diff", "base/build", "strict", status=1)
        for a, b in (("wider", "narrower"), ("narrower", "wider"), ("changed", "changed")):
            self.assertEqual(sorted(c["object"] for c in there["changes"] if c["direction"] == a),
                             sorted(c["object"] for c in back["changes"] if c["direction"] == b))
        self.assertGreater(there["wider"], 50)

    def test_a_policy_that_cannot_be_read_is_an_error(self):
        done = self.run_toolcell("policy", "diff", "strict", "nonesuch", env=self.env)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("nonesuch", done.stderr)


class Lint(PolicyTest):
    def findings(self, path, *args, status=None):
        done = self.run_toolcell("policy", "lint", path, *args, "--json", env=self.env)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout)
        return json.loads(done.stdout)["policies"][0]["findings"]

    def rows(self):
        """id -> sections that must have that finding, once each in a policy of their own"""
        for name in (".ssh", ".docker/run", "out/.git/hooks", "bin", ".config/fish"):
            (self.home / name).mkdir(parents=True)
        self.env["PATH"] += f":{self.home}/bin"
        write = lambda path: {"filesystem": {"write": [str(path)]}}  # noqa: E731
        overlay = {"workspace": {"mode": "overlay", "fallback": "direct"}}
        return (
            ("invalid", {"filesystem": {"read": ["/nonexistent/x"]}}),
            ("engine-socket", {"filesystem": {"read": ["${HOME}/.docker/run"]}}),
            ("home", {"filesystem": {"read": ["${HOME}"]}}),
            ("secrets", {"filesystem": {"read": ["${HOME}/.ssh"]}}),
            ("secrets", {"filesystem": {"read": ["/etc"]}}),
            ("system-tree", {"filesystem": {"read": ["/sys"]}}),
            ("writable-path", write("${HOME}/bin")),
            ("writable-startup", write("${HOME}/.config/fish")),
            ("writable-startup", write("${HOME}/out")),
            ("writable-toolcell", write(TOP / "policies")),
            ("unprotected", {"workspace": {"mode": "direct"}}),
            ("fallback-direct", overlay),
            ("set-id", {"syscalls": {"groups": ["base", "ids-write"]}}),
            ("environment-secret", {"environment": {"pass": ["GITHUB_TOKEN"]}}),
            ("environment-secret", {"environment": {"pass": ["SSH_AUTH_SOCK"]}}),
            ("environment-secret", {"environment": {"set": {"API_KEY": "x"}}}),
            ("environment-loader", {"environment": {"pass": ["LD_PRELOAD"]}}),
            ("limit-absent", {}),
            ("limit-above-machine", {"limits": {"cpus": 8000}}),
            ("no-effect", {"filesystem": {"read": ["/usr", "/usr/bin"]}}),
            ("no-effect", {"syscalls": {"groups": ["base"], "allow": ["shmget"], "deny": ["shmget"]}}),
            ("deny-nothing", {"syscalls": {"groups": ["base"], "deny": ["ptrace"]}}),
            ("allow-twice", {"syscalls": {"groups": ["base"], "allow": ["read"]}}),
            ("section-empty", {"tools": {"Bash": {}}}),
            ("needs-overlay", {"workspace": {"scratch": ["target"]}}),
        )

    def test_every_finding_is_found_and_points_at_its_line(self):
        seen = {"require-weaker"}  # a parent is found by name only: tests/unit/policyc/lint.c
        for name, sections in self.rows():
            with self.subTest(name=name, sections=sections):
                path = self.file(**{**LEAST, **sections})
                found = [f for f in self.findings(path) if f["id"] == name]
                self.assertTrue(found, sections)
                self.assertTrue(found[0]["remedy"])
                if name not in ("invalid", "limit-absent"):
                    value = json.loads(path.read_text())
                    for step in found[0]["pointer"].split("/")[1:]:
                        value = value[int(step)] if isinstance(value, list) else value[step]
                    line = path.read_text().splitlines()[found[0]["line"] - 1]
                    self.assertIn(value if isinstance(value, str) else step, line)
                    self.assertEqual(found[0]["file"], str(path))
                seen.add(name)
        table = (TOP / "engine/policyc/lint.c").read_text()
        self.assertEqual(set(re.findall(r'\[LINT_\w+\]\s*=\s*\{"([a-z-]+)"', table)), seen)

    def test_what_is_asked_for_in_small_is_no_finding(self):
        (self.home / ".ssh").mkdir()
        (self.home / "data").mkdir()
        path = self.file(extends="strict", filesystem={"read": ["${HOME}/data", "/etc/hostname"]},
                         environment={"pass": ["CARGO_BUILD_JOBS", "KEYBOARD"]})
        self.assertEqual(self.findings(path, "--strict", status=0), [])

    def test_status_counts_errors_and_with_strict_warnings(self):
        warning = self.file("warning", extends="strict", environment={"pass": ["GITHUB_TOKEN"]})
        error = self.file("error", extends="base/build", filesystem={"read": ["/sys"]})
        note = self.file("note", extends="base/build")
        for path, args, status in ((warning, (), 0), (warning, ("--strict",), 1), (error, (), 1), (note, ("--strict",), 0)):
            self.findings(path, *args, status=status)

    def test_shipped_policies_are_clean(self):
        done = self.ask("lint", *SHIPPED, "--strict")
        self.assertEqual((done["errors"], done["warnings"]), (0, 0), done)
        # make(1) has posix_spawn(3) reset its ids, to what they are already.
        notes = {f["pointer"] for p in done["policies"] for f in p["findings"] if f["id"] != "limit-above-machine"}
        self.assertEqual(notes, {"/syscalls/allow/0", "/syscalls/allow/1"})


class Tables(PolicyTest):
    def rows(self, *args, status):
        return self.ask("test", *args, status=status)["policies"]

    def digest(self, path):
        text = json.dumps(self.rows(path, status=1))
        return re.search(r"sha256:[0-9a-f]{64}", text).group(0)

    def test_shipped_tables_hold(self):
        for policy in self.rows(*SHIPPED, status=0):
            self.assertEqual(policy["failed"], 0, policy)
            self.assertGreater(policy["passed"], 200)

    def test_a_table_is_tied_to_its_policy(self):
        path = self.file(table="policy p\nread -> allow\n", **LEAST)
        digest = self.digest(path)
        path.with_suffix(".verdicts").write_text(f"policy p\ndigest {digest}\nread -> allow\n")
        self.rows(path, status=0)
        self.file(**{**LEAST, "description": "other"})
        self.assertIn("changed", self.rows(path, status=1)[0]["rows"][0]["text"])

    def test_a_table_that_is_missing_or_broken_fails(self):
        path = self.file(**LEAST)
        self.assertIn("no verdict table", self.rows(path, status=1)[0]["rows"][0]["text"])
        path.with_suffix(".verdicts").write_text("policy p\nraed -> allow\n")
        self.assertIn("p.verdicts:2: no system call", self.rows(path, status=1)[0]["rows"][0]["text"])

    def test_a_row_that_does_not_hold_says_what_holds(self):
        path = self.file(table="policy p\nmount -> allow\nread /etc/shadow -> allow\nlimit wall -> 1s\n", **LEAST)
        failed = {r["line"]: r["text"] for r in self.rows(path, status=1)[0]["rows"] if r["outcome"] == "failed"}
        self.assertIn("EPERM", failed[2])
        self.assertIn("hidden", failed[3])
        self.assertIn("2min", failed[4])


class Live(PolicyTest):
    needs_cells = True

    def live(self, *args, status):
        return self.ask("test", "--live", *args, status=status)["policies"]

    def test_shipped_tables_hold_in_cells_and_nothing_is_left(self):
        for name in SHIPPED:
            with self.subTest(name=name):
                policy = self.live(name, status=0)[0]
                tried = [r for r in policy["rows"] if r["against"] == "cell" and r["outcome"] == "passed"]
                self.assertEqual(policy["failed"], 0, policy)
                self.assertGreater(len(tried), 180)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["home"])

    def test_a_row_that_is_wrong_fails_in_the_cell_too(self):
        rows = ("write /tmp -> refused", "execute /tmp/x -> allow", "read /usr/bin/env -> hidden", "mount -> ENOSYS",
                "read -> kill", "env HOME -> absent", "create ${WORKSPACE}/x -> allow", "limit open_files -> 7",
                "network 127.0.0.1:80 -> allow", "@i386 write -> allow")
        path = self.file(extends="strict", table="policy p\n" + "\n".join(rows) + "\n")
        policy = self.live(path, status=1)[0]
        cell = {r["row"]: r["outcome"] for r in policy["rows"] if r["against"] == "cell"}
        self.assertEqual({row: cell[row] for row in rows if cell[row] == "passed"}, {})
        wrong = [row for row in rows if cell[row] == "failed"]
        self.assertGreaterEqual(len(wrong), len(rows) - 2, cell)

    def test_a_policy_without_the_probe_is_skipped_with_the_reason(self):
        path = self.file(table="policy p\nread -> allow\n", **LEAST)
        policy = self.live(path, status=1)[0]
        cell = [r for r in policy["rows"] if r["against"] == "cell"]
        self.assertEqual([r["outcome"] for r in cell], ["skipped"])
        self.assertIn("toolcell-probe", cell[0]["text"])


class Messages(PolicyTest):
    """What is said when something is wrong, word for word. TOOLCELL_GOLDEN=write records anew."""

    CASES = {
        "explain-call": ("explain", "strict", "--syscall", "mounnt"),
        "explain-constant": ("explain", "strict", "--syscall", "clone arg0=CLONE_NEWUSR"),
        "explain-host": ("explain", "strict", "--host", "[::1"),
        "explain-loop": ("explain", "DIR/loop.json", "--path", "/loop/x"),
        "explain-tool": ("explain", "strict", "--tool", "Bahs"),
        "explain-variable": ("explain", "strict", "--path", "${HOEM}/x"),
        "explain-refused": ("explain", "DIR/loop.json", "--path", "write /etc/shadow", "--host", "127.0.0.1:80"),
        "diff-missing": ("diff", "strict", "nonesuch"),
        "lint-grants": ("lint", "DIR/grants.json"),
        "test-digest": ("test", "DIR/loop.json"),
        "test-broken": ("test", "DIR/grants.json"),
    }

    def test_messages_are_those_that_were_recorded(self):
        (self.home / ".ssh").mkdir()
        self.file("loop", **LEAST, filesystem={"symlinks": [{"path": "/loop", "target": "loop"}]},
                  table="policy loop\nread -> allow\n")
        self.file("grants", extends="strict", filesystem={"read": ["${HOME}/.ssh"]},
                  environment={"pass": ["GITHUB_TOKEN"]}, table="policy grants\nread -> maybe\n")
        for name, args in self.CASES.items():
            with self.subTest(name=name):
                args = [a.replace("DIR", str(self.folder)) for a in args]
                done = self.run_toolcell("policy", *args, env=self.env)
                text = f"status {done.returncode}\n{done.stdout}{done.stderr}"
                text = text.replace(str(self.folder), "DIR").replace(str(TOP), "TOP")
                path = GOLDEN / f"{name}.txt"
                if os.environ.get("TOOLCELL_GOLDEN") == "write":
                    path.parent.mkdir(exist_ok=True)
                    path.write_text(text)
                self.assertEqual(text, path.read_text())


if __name__ == "__main__":
    main()
