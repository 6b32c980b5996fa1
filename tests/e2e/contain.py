#!/usr/bin/env python3
"""What a cell lets its tool see and do: the view from inside, asked of the kernel from inside."""

import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path

from harness import ROOT, CellTest, eventually, main

SECRET = "e2e-secret-that-must-not-leak"

# Asks for listeners of seccomp(2) with its flags as arguments, and prints what each got. "race SECONDS [sync]": in
# four processes that are there when init ends, against a thread that puts filters on all others or alone; what is no
# EBUSY is printed.
LISTENERS = r"""
import ctypes, errno, os, platform, sys, threading, time

class Insn(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32)]

class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_uint16), ("filter", ctypes.POINTER(Insn))]

allow = Program(1, ctypes.pointer(Insn(6, 0, 0, 0x7fff0000)))
libc = ctypes.CDLL(None, use_errno=True)
number = 317 if platform.machine() == "x86_64" else 277

def install(flags):
    r = libc.syscall(number, 1, flags, ctypes.byref(allow))
    return "open" if r >= 0 else errno.errorcode[ctypes.get_errno()]

def synchronise():
    for _ in range(1000):
        install(1)

def race():
    if sys.argv[3:]:
        threading.Thread(target=synchronise, daemon=True).start()
    while True:
        got = install(0x8)
        if got != "EBUSY":
            os.write(1, f"{got}\n".encode())

if sys.argv[1] == "race":
    if any(os.fork() == 0 for _ in range(4)):
        race()
    time.sleep(float(sys.argv[2]))
    os._exit(0)
print(*[install(int(flags, 16)) for flags in sys.argv[1:]])
"""


class Inside(CellTest):
    """One shell command each; what it prints is the verdict."""

    def out(self, command, engine=None, **more):
        result = (engine or self.engine()).bash(command, **more)
        return result["stdout"]["text"] + result["stderr"]["text"]

    def refused(self, command, words=("denied", "not permitted", "No such", "Read-only", "not found")):
        """The command must fail, with a plain reason."""
        engine = self.engine()
        result = engine.bash(command)
        self.assertEqual(result["status"], "failed", f"{command}: {json.dumps(result)[:1500]}")
        text = result["stdout"]["text"] + result["stderr"]["text"]
        self.assertTrue(any(w in text for w in words), f"{command}: {text}")
        self.assertNotIn(SECRET, text)
        return result


class Privilege(Inside):
    def status(self):
        lines = self.out("cat /proc/self/status").splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def test_no_capability_in_any_set(self):
        status = self.status()
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)

    def test_no_new_privileges_and_a_filter(self):
        status = self.status()
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")

    def listeners(self, *words, **sections):
        self.write("listeners.py", LISTENERS)
        result = self.engine(policy=self.policy(**sections)).bash("exec python3 listeners.py " + " ".join(words))
        self.assertOk(result)
        return result["stdout"]["text"].split()

    def test_nobody_listens_to_a_filter_but_init(self):
        for level in ("refused", "opens", "lookups"):
            with self.subTest(level=level):
                # alone, with TSYNC, without dying of a signal; behind a filter of its own, which it may have
                got = self.listeners("8", "19", "28", "0", "8", "1", "19", denials={"observe": level})
                self.assertEqual(got, ["EBUSY", "EBUSY", "EBUSY", "open", "EBUSY", "open", "EBUSY"])

    def test_where_nobody_observes_a_tool_may_listen_to_itself(self):
        self.assertEqual(self.listeners("8", "8", denials={"observe": "nothing"}), ["open", "EBUSY"])

    def test_nobody_listens_while_init_ends(self):
        """Its listener is closed before what it leaves behind is killed; without changes to look at it ends at once."""
        for words in (("0.1",), ("0.2",), ("0.3",), ("0.4", "sync")) * 3:
            with self.subTest(words=words):
                self.assertEqual(self.listeners("race", *words, workspace={"mode": "readonly"}), [])

    def test_no_supplementary_groups(self):
        groups = self.status()["Groups"].split()
        self.assertLessEqual(len(groups), 0 if ROOT else 20)
        if not ROOT:
            self.skipTest("an ordinary account cannot clear its supplementary groups; enforced.missing says so")

    def test_uid_outside_is_nobody_of_the_host(self):
        engine = self.engine()
        call_id = engine.start_call("Bash", {"command": "exec sleep 5.0451"})
        self.assertTrue(eventually(self.uids_of_sleep, 20))
        found = self.uids_of_sleep()
        engine.finish_call(call_id)
        self.assertTrue(found)
        if ROOT:
            self.assertNotIn(0, found)

    def uids_of_sleep(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x005.0451\0":
                    found.append(Path(f"/proc/{pid}").stat().st_uid)
            except OSError:
                pass
        return found

    def test_setuid_programs_give_nothing(self):
        self.assertIn("NoNewPrivs:\t1", self.out("grep NoNewPrivs /proc/self/status"))
        text = self.out("for p in /usr/bin/su /usr/bin/mount /usr/bin/passwd; do [ -u $p ] && findmnt -no OPTIONS -T $p; done; true")
        for line in text.splitlines():
            self.assertIn("nosuid", line)

    def test_mount_unshare_and_chroot_are_refused(self):
        for command in ("mount -t tmpfs none /tmp", "unshare --user --map-root-user true",
                        "unshare --mount true", "unshare --net true", "chroot / true", "pivot_root / /tmp"):
            with self.subTest(command=command):
                self.refused(command, ("denied", "not permitted", "must be superuser", "No such", "not found",
                                       "Function not implemented", "Invalid argument", "failed"))

    def test_trace_and_kill_reach_nothing_outside(self):
        outside = subprocess.Popen(["sleep", "300"])
        self.addCleanup(outside.wait)
        self.addCleanup(outside.kill)
        self.out(f"kill -9 {outside.pid}; kill -9 -1; true")
        self.assertIsNone(outside.poll())

    def test_kernel_interfaces_are_refused(self):
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/hostname",
                     "/proc/self/oom_score_adj"):
            with self.subTest(path=path):
                text = self.out(f"echo -1000 > {path} && echo WRITTEN")
                self.assertNotIn("WRITTEN", text)

    def test_terminal_injection_is_refused(self):
        text = self.out("python3 -c 'import fcntl,termios\ntry: fcntl.ioctl(0,termios.TIOCSTI,b\"x\")\n"
                        "except OSError as e: print(\"refused\",e.errno)' 2>/dev/null || echo no-python")
        self.assertRegex(text, "refused|no-python")


class View(Inside):
    def test_no_process_of_the_host_is_visible(self):
        pids = [int(p) for p in self.out("cd /proc; echo [0-9]*").split()]
        self.assertLess(len(pids), 8, pids)
        self.assertNotIn(str(os.getpid()), self.out("cat /proc/*/cmdline | tr '\\0' ' '"))
        self.assertNotIn("toolcell serve", self.out("cat /proc/*/cmdline | tr '\\0' ' '"))

    def test_secrets_of_the_host_are_not_there(self):
        for path in ("/etc/shadow", "/root/.ssh/id_ed25519", "/root/.bashrc", "/var/run/docker.sock"):
            with self.subTest(path=path):
                self.refused(f"cat {path}")

    def test_home_of_the_operator_is_empty(self):
        home = Path(tempfile.mkdtemp(prefix="home-"))
        self.addCleanup(subprocess.run, ["rm", "-rf", str(home)])
        (home / ".ssh").mkdir()
        (home / ".ssh" / "id_ed25519").write_text(SECRET)
        engine = self.engine(env=dict(os.environ, HOME=str(home)))
        text = self.out(f"ls -la $HOME {home} /home 2>&1; cat {home}/.ssh/id_ed25519; cat ~/.ssh/id_ed25519",
                        engine)
        self.assertNotIn(SECRET, text)
        self.assertNotIn("id_ed25519\n", text.replace("id_ed25519: ", ""))
        self.assertEqual((home / ".ssh" / "id_ed25519").read_text(), SECRET)

    def test_no_sysfs_no_run_no_host_sockets(self):
        text = self.out("ls /sys /run 2>&1; find / -xdev -type s 2>/dev/null; true")
        for word in ("kernel", "docker", "systemd", "dbus", "sock"):
            self.assertNotIn(word, text)

    def test_devices_are_the_few(self):
        found = set(self.out("ls /dev").split())
        allowed = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin",
                   "stdout", "stderr", "mqueue", "core"}
        self.assertLessEqual(found, allowed)
        self.assertLessEqual({"null", "zero", "urandom"}, found)

    def test_system_folders_are_read_only(self):
        for path in ("/usr/x", "/usr/bin/x", "/etc/x", "/bin/x", "/lib/x", "/x"):
            with self.subTest(path=path):
                self.refused(f"touch {path}")

    def test_host_name_is_the_cells_own(self):
        self.assertNotEqual(self.out("cat /proc/sys/kernel/hostname || hostname").strip(), socket.gethostname())

    def test_no_descriptor_but_the_three(self):
        self.assertEqual(self.out("ls /proc/self/fd").split(), ["0", "1", "2", "3"])  # 3 is ls's own
        self.assertNotIn("memfd", self.out("ls -l /proc/$$/fd"))

    def test_init_shows_nothing_of_the_engine(self):
        for what in ("environ", "maps", "fd", "cwd", "root", "exe", "mem"):
            with self.subTest(what=what):
                text = self.out(f"(ls -l /proc/1/{what}; cat /proc/1/{what} | tr '\\0' '\\n'; ls /proc/1/{what}/) 2>&1 | head -c 4000")
                self.assertNotIn("HOME=", text)
                self.assertNotIn("memfd", text)

    def test_pid_one_is_ours_or_out_of_sight(self):
        self.assertRegex(self.out("cat /proc/1/comm"), "toolcell|init|No such file")


class Environment(Inside):
    def test_environment_is_built_from_nothing(self):
        env = dict(os.environ, E2E_TOKEN=SECRET, ANTHROPIC_API_KEY=SECRET, LD_PRELOAD="", AWS_SECRET_ACCESS_KEY=SECRET)
        engine = self.engine(env=env)
        text = self.out("env; cat /proc/1/environ /proc/*/environ | tr '\\0' '\\n'", engine)
        self.assertNotIn(SECRET, text)
        self.assertIn("PATH=", text)

    def test_shell_start_files_of_the_workspace_do_not_run(self):
        self.write(".bashrc", "echo PWNED\n")
        self.write(".profile", "echo PWNED\n")
        self.assertNotIn("PWNED", self.out("echo fine"))


class Network(Inside):
    def test_loopback_of_the_host_is_out_of_reach(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            text = self.out(f"timeout 5 bash -c 'echo x > /dev/tcp/127.0.0.1/{port}' && echo REACHED")
            self.assertNotIn("REACHED", text)
            server.settimeout(0.2)
            with self.assertRaises(OSError):
                server.accept()

    def test_outside_addresses_are_refused_at_once(self):
        text = self.out("timeout 5 bash -c 'echo x > /dev/tcp/192.0.2.1/80'; echo code $?")
        self.assertNotIn("code 0", text)
        self.assertNotIn("code 124", text)

    def test_only_loopback_is_there_if_anything(self):
        names = set(self.out("cut -d: -f1 /proc/net/dev 2>/dev/null | tail -n +3").split())
        self.assertLessEqual(names, {"lo"})

    def test_abstract_sockets_of_the_host_are_out_of_reach(self):
        name = f"\0toolcell-e2e-{os.getpid()}"
        server = socket.socket(socket.AF_UNIX)
        server.bind(name)
        server.listen(1)
        self.addCleanup(server.close)
        text = self.out("python3 -c 'import socket\ns=socket.socket(socket.AF_UNIX)\n"
                        f"s.connect(\"\\0toolcell-e2e-{os.getpid()}\")\nprint(\"REACHED\")' 2>&1; true")
        self.assertNotIn("REACHED", text)

    def test_odd_socket_families_are_refused(self):
        text = self.out("python3 -c 'import socket\nfor f,t in ((16,3),(40,1),(17,3),(38,5),(2,3)):\n"
                        " try: socket.socket(f,t); print(\"OPEN\",f)\n except OSError: pass'; true")
        self.assertNotIn("OPEN", text)


class Residue(Inside):
    def test_temporary_files_do_not_survive_a_call(self):
        engine = self.engine()
        self.assertOk(engine.bash("touch /tmp/left /dev/shm/left $HOME/left"))
        text = self.out("ls /tmp /dev/shm $HOME", engine)
        self.assertNotIn("left", text)

    def test_two_calls_at_once_do_not_share_temporary_files(self):
        engine = self.engine()
        first = engine.start_call("Bash", {"command": "touch /tmp/mine on; while [ ! -e off ]; do sleep 0.05; done"})
        text = self.out("while [ ! -e on ]; do sleep 0.05; done; ls /tmp; touch off", engine)
        self.assertNotIn("mine", text)
        self.assertOk(engine.finish_call(first))

    def test_daemon_that_forked_twice_dies_with_the_call(self):
        engine = self.engine()
        result = engine.bash("(setsid bash -c 'while :; do date +%s%N > beat; sleep 0.05; done' </dev/null >/dev/null 2>&1 & disown) & wait; "
                             "while [ ! -s beat ]; do sleep 0.05; done")
        self.assertOk(result)
        beats = engine.bash("cat beat; sleep 0.5; cat beat")["stdout"]["text"].split()
        self.assertEqual(len(beats), 2)
        self.assertEqual(beats[0], beats[1])

    def test_daemon_that_holds_the_output_does_not_hold_the_call(self):
        engine = self.engine()
        result = engine.bash("sleep 985 & echo done", timeout=30000, seconds=25)
        self.assertOk(result)
        self.assertEqual(result["stdout"]["text"], "done\n")

    def test_files_in_the_workspace_belong_to_its_owner(self):
        owner = self.workspace.stat()
        if ROOT:
            os.chown(self.workspace, 12345, 12345)
            owner = self.workspace.stat()
        engine = self.engine(policy=self.policy(workspace={"mode": "direct"}))
        self.assertOk(engine.bash("umask; mkdir d; touch d/f; mkdir d/e; ln -s f d/l"))
        for name in ("d", "d/f", "d/e", "d/l"):
            st = os.lstat(self.workspace / name)
            self.assertEqual((st.st_uid, st.st_gid), (owner.st_uid, owner.st_gid), name)
        self.assertEqual((self.workspace / "d/f").stat().st_mode & 0o777, 0o644)

    def test_links_out_of_the_workspace_lead_nowhere(self):
        secret = Path(tempfile.mkdtemp(prefix="outside-")) / "secret"
        secret.write_text(SECRET)
        self.addCleanup(subprocess.run, ["rm", "-rf", str(secret.parent)])
        (self.workspace / "link").symlink_to(secret)
        self.refused("cat link")

    def test_hard_link_to_a_system_file_is_refused(self):
        self.refused("ln /usr/bin/env here", ("denied", "not permitted", "cross-device"))


class Policy(Inside):
    def test_read_only_workspace_cannot_be_written(self):
        engine = self.engine(policy=self.policy(workspace={"mode": "readonly"}))
        result = engine.bash("touch x")
        self.assertEqual(result["status"], "failed")
        self.assertFalse((self.workspace / "x").exists())

    def test_policy_in_the_workspace_is_never_read(self):
        self.write("policies/rust-engineer.json", "{ not json")
        self.write("rust-engineer.json", "{ not json")
        self.write(".toolcell/policies/rust-engineer.json", "{ not json")
        self.write("toolcell.tree", "/\n")
        self.assertOk(self.engine().bash("true"))

    def test_enforced_tells_every_layer(self):
        enforced = self.engine().bash("true")["enforced"]
        self.assertEqual(enforced["mode"], "root" if ROOT else "rootless")
        self.assertEqual(sorted(enforced["namespaces"]),
                         ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"])
        self.assertTrue(enforced["seccomp"])


if __name__ == "__main__":
    main()
