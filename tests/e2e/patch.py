#!/usr/bin/env python3
"""apply_patch, through the real engine: what diff(1) and git make of random edits gives the edited tree again, and
hostile patches change nothing."""

import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import CellTest, main

AGENT_TEXT = """---
name: patcher
description: Applies patches, for tests.
tools: apply_patch, Bash
policy: rust-engineer
---
You apply patches.
"""
BEGIN, END = "*** Begin Patch\n", "*** End Patch\n"
SEEDS = 60
NAMES = ["f%d", "d/f%d", "d e/x y%d", 'q"%d', "\u00e9%d", "tab\t%d", "nl\n%d", "-%d", "a/%d", "b/%d"]


def tree_of(folder):
    """Content and executable bits of every file."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, folder)] = (f.read(), os.stat(path).st_mode & 0o111)
    return found


def put(folder, name, content, executable):
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if executable else 0o644)


def random_lines(rnd):
    tails = [b"", b"", b" ", b" x", b"\tq"]
    words = rnd.choice([5, 40, 1000])
    return [str(rnd.randrange(words)).encode() + rnd.choice(tails) for _ in range(rnd.randrange(60))]


def random_edit(rnd, lines):
    rate, out = rnd.choice([0.02, 0.1, 0.3]), []
    for line in lines:
        x = rnd.random()
        if x < rate / 3:
            continue
        if rate / 3 <= x < rate * 2 / 3:
            out.append(b"new%d" % rnd.randrange(50))
            continue
        if x < rate:
            out.append(b"ins%d" % rnd.randrange(50))
        out.append(line)
    return out


def text_of(rnd, lines, end, bom):
    body = end.join(lines) + (end if lines and rnd.random() < 0.8 else b"")
    return b"\xef\xbb\xbf" + body if bom and body else body


def random_trees(rnd, old, new):
    for i in range(rnd.randrange(1, 8)):
        name, end, bom = rnd.choice(NAMES) % i, rnd.choice([b"\n", b"\n", b"\r\n"]), rnd.random() < 0.15
        lines = random_lines(rnd)
        before = text_of(rnd, lines, end, bom)
        after = text_of(rnd, random_edit(rnd, lines), end, bom)
        what = rnd.random()
        if what >= 0.1:
            put(old, name, before or b"x\n", rnd.random() < 0.2)
        if not 0.1 <= what < 0.2:
            put(new, name + ("-moved" if 0.2 <= what < 0.3 else ""), after or b"y\n", rnd.random() < 0.2)


def git_diff(rnd, top, old, new, options):
    def git(*args, tree):
        quote = rnd.choice(["true", "false"])
        return subprocess.run(
            ["git", f"--git-dir={top}/git", f"--work-tree={tree}", "-c", f"core.quotepath={quote}", "-c",
             "core.autocrlf=false", "-c", "user.name=x", "-c", "user.email=x@example.org", *args],
            cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout
    git("init", "-q", tree=old)
    git("add", "-A", tree=old)
    git("commit", "-q", "--allow-empty", "-m", "x", tree=old)
    git("add", "-A", tree=new)
    return git("diff", "--cached", "--no-color", "--no-ext-diff", "HEAD", *options, tree=new)


def plain_diff(top):
    return subprocess.run(["diff", "-urN", "old", "new"], cwd=top, stdout=subprocess.PIPE, check=False).stdout


class Patch(CellTest):
    def patcher(self, mode="direct"):
        place = Path(tempfile.mkdtemp(prefix="agent-"))
        self.addCleanup(self.remove, place)
        (place / "patcher.md").write_text(AGENT_TEXT)
        return self.engine(agent=str(place / "patcher.md"), policy=self.policy(workspace={"mode": mode}),
                           env={**os.environ, "TOOLCELL_SESSIONS": str(place / "sessions")})

    def remove(self, place):
        # The kernel's own work folder of an overlay is closed even to its owner.
        subprocess.run(["chmod", "-R", "u+rwX", str(place)], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(place, ignore_errors=True)

    def clear(self):
        for path in self.workspace.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def one_seed(self, engine, seed):
        rnd = random.Random(seed)
        top = Path(tempfile.mkdtemp(prefix="trees-"))
        self.addCleanup(shutil.rmtree, top, ignore_errors=True)
        old, new = top / "old", top / "new"
        old.mkdir()
        new.mkdir()
        random_trees(rnd, old, new)
        form = rnd.choice(["plain", "git", "narrow", "moves"])
        options = {"git": ["--no-renames"], "narrow": ["--no-renames", f"-U{rnd.randrange(2)}"],
                   "moves": ["-M40%", "-C40%", "--find-copies-harder"]}
        raw = plain_diff(top) if form == "plain" else git_diff(rnd, top, old, new, options[form])
        patch = raw.decode("utf-8")
        if "@@" not in patch:
            return False
        self.clear()
        for name, (content, executable) in tree_of(old).items():
            put(self.workspace, name, content, executable)
        result = engine.call("apply_patch", {"patch": patch})
        self.assertEqual(result["status"], "ok", f"seed {seed}: {result['data']}")
        want, got = tree_of(new), tree_of(self.workspace)
        if form == "plain":  # which knows no modes
            want, got = ({k: v[0] for k, v in tree.items()} for tree in (want, got))
        self.assertEqual(got, want, f"seed {seed} {form}")
        return True

    def test_random_edits_come_back_from_their_diffs(self):
        for program in ("diff", "git"):
            if not shutil.which(program):
                self.skipTest(f"{program} is not installed")
        engine = self.patcher()
        done = sum(self.one_seed(engine, seed) for seed in range(SEEDS))
        self.assertGreater(done, SEEDS // 2)

    def test_the_form_of_models_changes_several_files(self):
        self.write("a.rs", "fn a() {\n    one();\n}\n")
        self.write("b.rs", "old\n")
        engine = self.patcher()
        result = engine.call("apply_patch", {"input": BEGIN + "*** Update File: a.rs\n@@ fn a() {\n-    one();\n"
                                             "+    two();\n*** Delete File: b.rs\n*** Add File: c/d.rs\n+new\n" + END})
        self.assertOk(result)
        self.assertEqual([(f["path"], f["kind"]) for f in result["data"]["files"]],
                         [("a.rs", "modified"), ("b.rs", "deleted"), ("c/d.rs", "added")])
        self.assertEqual(tree_of(self.workspace),
                         {"a.rs": (b"fn a() {\n    two();\n}\n", 0), "c/d.rs": (b"new\n", 0)})

    def test_in_an_overlay_later_calls_see_it_and_the_workspace_does_not(self):
        for i in range(20):
            self.write(f"d{i % 3}/f{i}", f"old {i}\n")
        before = tree_of(self.workspace)
        engine = self.patcher("overlay")
        parts = [f"*** Update File: d{i % 3}/f{i}\n-old {i}\n+new {i}\n" for i in range(15)]
        parts += [f"*** Delete File: d{i % 3}/f{i}\n" for i in range(15, 18)]
        parts += [f"*** Update File: d{i % 3}/f{i}\n*** Move to: e/f{i}\n" for i in range(18, 20)]
        self.assertOk(engine.call("apply_patch", {"patch": BEGIN + "".join(parts) + END}))
        shown = engine.bash("find . -type f | sort | xargs cat")["stdout"]["text"]
        self.assertEqual(sorted(shown.splitlines()),
                         sorted([f"new {i}" for i in range(15)] + ["old 18", "old 19"]))
        left = engine.bash("find . -name '.*toolcell-*'")["stdout"]["text"]
        self.assertEqual(left, "")
        self.assertEqual(tree_of(self.workspace), before)

    def test_a_reject_names_hunk_and_lines_and_changes_nothing(self):
        self.write("a", "1\n2\n3\n")
        self.write("b", "x\n")
        before = tree_of(self.workspace)
        engine = self.patcher()
        result = engine.call("apply_patch", {"patch": "--- a/b\n+++ b/b\n@@ -1 +1 @@\n-x\n+y\n--- a/a\n+++ b/a\n"
                                             "@@ -1,3 +1,3 @@\n 1\n-two\n+2\n 3\n"})
        self.assertEqual(result["status"], "failed")
        reject = result["data"]["rejects"][0]
        self.assertEqual((reject["path"], reject["hunk"], reject["header"], reject["expected"][0],
                          reject["actual"][0]), ("a", 1, "@@ -1,3 +1,3 @@", "two", "2"))
        self.assertEqual(tree_of(self.workspace), before)

    def test_nothing_outside_of_the_workspace_is_touched(self):
        outside = Path(tempfile.mkdtemp(prefix="outside-"))
        self.addCleanup(shutil.rmtree, outside, ignore_errors=True)
        (outside / "f").write_text("host\n")
        self.write("f", "mine\n")
        (self.workspace / "out").symlink_to(outside)
        (self.workspace / "link").symlink_to(outside / "f")
        engine = self.patcher()
        for name in (str(outside / "f"), "out/f", "link", f"../{outside.name}/f"):
            for patch in (f"*** Update File: {name}\n-host\n+mine\n", f"*** Delete File: {name}\n",
                          f"*** Update File: f\n*** Move to: {name}\n", f"*** Add File: {name}2\n+x\n"):
                if name == "link" and "Add" in patch:
                    continue
                result = engine.call("apply_patch", {"patch": BEGIN + patch + END})
                self.assertEqual(result["status"], "failed", f"{name}: {result['data']}")
                if name != "link":
                    self.assertTrue(result["denials"], f"{name}: {result['data']}")
        self.assertEqual({p.name: p.read_text() for p in outside.iterdir()}, {"f": "host\n"})
        self.assertEqual((self.workspace / "f").read_text(), "mine\n")


if __name__ == "__main__":
    main()
