#!/usr/bin/env python3
"""Overlay sessions on the file systems that people have: workspace and sessions on ext4, xfs, btrfs, tmpfs, overlayfs.

As root, in a mount namespace of its own: no mount is seen outside, and all go with the program.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from harness import ROOT, TOOLCELL, TOP, CellTest, main

INSIDE = "TOOLCELL_FILESYSTEMS_INSIDE"
PLACE = "TOOLCELL_FILESYSTEMS_PLACE"  # a folder on overlayfs for the ordinary account
IMAGE_BYTES = 512 << 20
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"], "btrfs": ["mkfs.btrfs", "-q", "-f"]}


def run(*argv):
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False)


def kernel_has(kind):
    if kind in {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}:
        return True
    return run("modprobe", kind).returncode == 0


class Place(CellTest):
    """A folder on the file system under test, with a workspace and sessions where a case wants them."""

    files = {}

    def setUp(self):
        super().setUp()
        self.top = Path(tempfile.mkdtemp(prefix="place-"))
        self.top.chmod(0o755)
        self.mounted = []
        self.addCleanup(self.leave)

    def leave(self):
        for path in reversed(self.mounted):
            run("umount", "-l", path)
        shutil.rmtree(self.top, ignore_errors=True)

    def mount(self, path, *options):
        if INSIDE not in os.environ:
            self.skipTest("there is no unshare here, and global mounts are not ours to touch")
        path.mkdir()
        done = run("mount", *options, path)
        if done.returncode != 0:
            self.skipTest(f"cannot mount: {done.stderr.strip()[-200:]}")
        self.mounted.append(path)
        return path

    def mount_kind(self, kind):
        if not kernel_has(kind):
            self.skipTest(f"this kernel has no {kind}")
        if kind == "tmpfs":
            return self.mount(self.top / kind, "-t", kind, "-o", "size=256m,mode=755", kind)
        if kind == "overlay":
            for name in ("lower", "upper", "work"):
                (self.top / name).mkdir()
            (self.top / "lower/below").write_text("below\n")
            return self.mount(self.top / kind, "-t", kind, "-o", f"lowerdir={self.top}/lower,upperdir={self.top}/upper,"
                              f"workdir={self.top}/work", kind)
        if not shutil.which(MAKE[kind][0]):
            self.skipTest(f"there is no {MAKE[kind][0]} here")
        image = self.top / f"{kind}.image"
        with image.open("wb") as f:
            f.truncate(IMAGE_BYTES)
        done = run(*MAKE[kind], image)
        if done.returncode != 0:
            self.skipTest(f"{MAKE[kind][0]}: {done.stderr.strip()[-200:]}")
        return self.mount(self.top / kind, "-o", "loop", image)

    def use(self, workspace=None, sessions=None):
        """Puts either onto a folder; what is not named stays where it is."""
        if workspace:
            self.workspace = workspace / "workspace"
            self.workspace.mkdir()
        for name, text in {"kept": "kept\n", "gone": "gone\n", "folder/inner": "inner\n"}.items():
            self.write(name, text)
        if sessions:
            self.sessions = sessions / "sessions"
            self.sessions.mkdir(mode=0o700)
            os.environ["TOOLCELL_SESSIONS"] = str(self.sessions)

    def text(self, engine, command):
        result = engine.bash(command)
        self.assertOk(result)
        return result["stdout"]["text"]

    def kinds(self, engine):
        result = engine.call("changes", {"operation": "list"})
        self.assertOk(result)
        return {c["path"]: c["kind"] for c in result["data"]["changes"]}

    def change(self, engine):
        self.text(engine, "echo new >new; echo more >>kept; rm gone; rm -r folder; mkdir folder; echo x >folder/x; "
                  "ln -s kept link; chmod 600 kept")

    def untouched(self):
        self.assertEqual({p.name for p in self.workspace.iterdir()} - {"below"}, {"kept", "gone", "folder"})
        self.assertEqual((self.workspace / "kept").read_text(), "kept\n")

    def cycle(self, engine, how="overlay"):
        """All that a session is for."""
        result = engine.bash("echo one >one")
        self.assertOk(result)
        self.assertEqual(result["enforced"]["workspace"], how)
        self.assertEqual(self.kinds(engine), {"one": "added"})
        self.change(engine)
        self.assertEqual(self.text(engine, "cat new kept folder/*; ls"), "new\nkept\nmore\nx\n" + "\n".join(
            sorted(["one", "new", "kept", "folder", "link"] +
                   (["below"] if (self.workspace / "below").exists() else []))) + "\n")
        self.untouched()
        self.assertEqual(self.kinds(engine), {"one": "added", "new": "added", "kept": "modified", "gone": "deleted",
                                              "folder/inner": "deleted", "folder/x": "added", "link": "added"})
        snapshot = engine.call("session", {"operation": "snapshot"})
        self.assertOk(snapshot)
        self.text(engine, "rm new; echo worse >kept; echo late >late")
        self.assertOk(engine.call("session", {"operation": "rollback", "snapshot": snapshot["data"]["snapshot"]}))
        self.assertEqual(self.text(engine, "cat new kept; test ! -e late"), "new\nkept\nmore\n")
        self.assertOk(engine.call("changes_discard", {"paths": ["one"]}))
        self.untouched()
        result = engine.call("changes_commit", {})
        self.assertOk(result)
        self.assertEqual((result["data"]["held"], result["data"]["left"]), ([], 0))
        self.committed()
        self.text(engine, "rm kept; echo last >last")
        self.assertOk(engine.call("changes_discard", {}))
        self.assertEqual(self.text(engine, "cat kept; test ! -e last"), "kept\nmore\n")
        self.committed()

    def committed(self):
        self.assertEqual({p.name for p in self.workspace.iterdir()} - {"below"}, {"kept", "folder", "new", "link"})
        self.assertEqual((self.workspace / "kept").read_text(), "kept\nmore\n")
        self.assertEqual((self.workspace / "kept").stat().st_mode & 0o777, 0o600)
        self.assertEqual([p.name for p in (self.workspace / "folder").iterdir()], ["x"])
        self.assertEqual(os.readlink(self.workspace / "link"), "kept")

    def refused(self, engine, words):
        """The call does not start, and says why; nothing is written anywhere."""
        result = engine.bash("echo new >new")
        self.assertIn(result["status"], ("refused", "error"), result)
        told = str(result["error"]) + str(result["denials"])
        for word in words:
            self.assertIn(word, told)
        self.untouched()


@unittest.skipUnless(ROOT, "only root can mount")
class Root(Place):
    def everything_on(self, kind):
        place = self.mount_kind(kind)
        self.use(workspace=place, sessions=place)
        self.cycle(self.engine())

    def test_workspace_and_sessions_on_ext4(self):
        self.everything_on("ext4")

    def test_workspace_and_sessions_on_xfs(self):
        self.everything_on("xfs")

    def test_workspace_and_sessions_on_btrfs(self):
        self.everything_on("btrfs")

    def test_workspace_and_sessions_on_tmpfs(self):
        self.everything_on("tmpfs")

    def test_workspace_and_sessions_on_two_file_systems(self):
        for workspace, sessions in (("tmpfs", "ext4"), ("ext4", "btrfs"), ("btrfs", "xfs"), ("xfs", "tmpfs")):
            if all(k == "tmpfs" or shutil.which(MAKE[k][0]) for k in (workspace, sessions)):
                with self.subTest(workspace=workspace, sessions=sessions):
                    self.top = self.top / "next"
                    self.top.mkdir()
                    self.use(workspace=self.mount_kind(workspace), sessions=self.mount_kind(sessions))
                    self.cycle(self.engine())

    def test_a_workspace_that_cannot_be_idmapped_is_refused_with_words(self):
        self.use(workspace=self.mount_kind("overlay"))
        self.refused(self.engine(policy=self.policy(workspace={"fallback": "refuse"})),
                     ["workspace", "does not support id-mapped mounts", "ext4"])

    def test_and_no_fallback_makes_it_direct_unsaid(self):
        self.use(workspace=self.mount_kind("overlay"))
        for fallback in ("memory", "readonly", "direct"):
            with self.subTest(fallback=fallback):
                self.refused(self.engine(policy=self.policy(workspace={"fallback": fallback})), ["id-mapped mounts"])

    def test_sessions_that_cannot_hold_layers_are_refused_with_words(self):
        self.use(sessions=self.mount_kind("overlay"))
        self.refused(self.engine(policy=self.policy(workspace={"fallback": "refuse"})),
                     ["sessions folder", "overlay", "--sessions"])

    def test_or_lie_in_memory_when_the_policy_asks_for_it(self):
        self.use(sessions=self.mount_kind("overlay"))
        engine = self.engine(policy=self.policy(workspace={"fallback": "memory"}))
        self.cycle(engine, how="overlay in memory")
        result = engine.call("session", {"operation": "fork"})
        self.assertEqual(result["status"], "refused", "nobody could name the branch")
        self.assertIn("in memory", result["error"])

    def test_or_the_workspace_is_read_only_when_it_asks_for_that(self):
        self.use(sessions=self.mount_kind("overlay"))
        result = self.engine(policy=self.policy(workspace={"fallback": "readonly"})).bash("echo new >new")
        self.assertEqual(result["status"], "failed")
        self.assertEqual(result["enforced"]["workspace"], "readonly")
        self.untouched()

    def test_or_direct_when_it_asks_for_that_and_says_so(self):
        self.use(sessions=self.mount_kind("overlay"))
        result = self.engine(policy=self.policy(workspace={"fallback": "direct"})).bash("echo new >new")
        self.assertOk(result)
        self.assertEqual(result["enforced"]["workspace"], "direct")
        self.assertTrue((self.workspace / "new").exists())

    def test_an_ordinary_account_works_on_overlayfs(self):
        place = self.mount_kind("overlay")
        place.chmod(0o777)
        python = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable  # root's own is not theirs
        done = subprocess.run(
            [TOP / "tests/as-user", "env", f"TOOLCELL={TOOLCELL}", f"{PLACE}={place}", "PYTHONDONTWRITEBYTECODE=1",
             python, __file__, "Account."], capture_output=True, text=True, timeout=300, check=False)
        if " # SKIP" in done.stdout:
            self.skipTest(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("ok 1 - Account::a_session_on_a_workspace_on_overlayfs", done.stdout)


@unittest.skipUnless(PLACE in os.environ, "started by root's case an_ordinary_account_works_on_overlayfs")
class Account(Place):
    def test_a_session_on_a_workspace_on_overlayfs(self):
        self.use(workspace=Path(tempfile.mkdtemp(dir=os.environ[PLACE])))
        self.cycle(self.engine())


def enter():
    """On in a mount namespace of our own; a failure is told by each case that mounts."""
    if ROOT and INSIDE not in os.environ and shutil.which("unshare"):
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, __file__,
                              *sys.argv[1:]])


if __name__ == "__main__":
    enter()
    main()
