#!/usr/bin/env python3
"""Denials as data: what the cell refuses stands in the result, with object, rule and what would allow it."""

import json
import os
import platform
import textwrap
from pathlib import Path

from harness import CellTest, main

BUILD = "policies/base/build.json#"
RUST = "policies/rust-engineer.json#"
# Numbers of calls that libc has no functions for: x86_64, aarch64.
NUMBERS = {"ptrace": (101, 117), "bpf": (321, 280), "keyctl": (250, 219), "io_uring_setup": (425, 425),
           "perf_event_open": (298, 241), "userfaultfd": (323, 282), "mount": (165, 40), "unshare": (272, 97),
           "add_key": (248, 217), "process_vm_readv": (310, 270), "pivot_root": (155, 41), "setns": (308, 268),
           "chroot": (161, 51), "kexec_load": (246, 104), "init_module": (175, 105), "open_by_handle_at": (304, 265),
           "reboot": (169, 142), "swapon": (167, 224), "mbind": (237, 235), "personality": (135, 92)}


def number(name):
    return NUMBERS[name][0 if platform.machine() == "x86_64" else 1]


def raw(name, *args):
    """A command that makes one system call and fails when it was refused."""
    shown = ", ".join(map(str, args))
    return ("python3 -c 'import ctypes, os; c = ctypes.CDLL(None, use_errno=True); "
            f"r = c.syscall({number(name)}{', ' if args else ''}{shown}); "
            "e = ctypes.get_errno(); print(os.strerror(e)); os._exit(1 if r < 0 else 0)'")


def py(code):
    return f"python3 -c '{textwrap.dedent(code).strip()}'"


def kinds(result):
    return [(d["layer"], d["operation"], d["object"]) for d in result["denials"]]


class Denied(CellTest):
    """Each row: a command that fails by the policy, and the entry that has to tell of it."""

    def one(self, engine, command, **wanted):
        result = engine.bash(command)
        with self.subTest(command=command):
            self.assertEqual(result["status"], "failed", json.dumps(result)[:2000])
            found = [d for d in result["denials"] if all(d[k] == v for k, v in wanted.items() if k in d)]
            self.assertTrue(found, f"{wanted} is not among {json.dumps(result['denials'], indent=1)}")
            self.assertEqual(found[0]["relevance"], "possible")
            self.assertIn(found[0]["object"], engine_text(result), "the text half names the object")
            return found[0]
        return None


def engine_text(result):
    return result["_text"]


class Table(Denied):
    """One engine for each table."""

    def setUp(self):
        super().setUp()
        self.cell = self.engine()
        bash = self.cell.bash

        def with_text(command, **more):
            call = self.cell.start_call("Bash", {"command": command, **more})
            reply = self.cell.answer(call)["result"]
            result = reply["structuredContent"]
            result["_text"] = reply["content"][0]["text"]
            return result

        self.cell.bash = with_text
        self.plain = bash

    def rows(self, *rows):
        for command, wanted in rows:
            self.one(self.cell, command, **wanted)

    def test_writing_to_a_read_only_path(self):
        self.rows(
            ("touch /usr/made", dict(layer="mount", operation="open for writing", object="/usr/made", errno="EROFS",
                                     rule=f"{BUILD}/filesystem/read/0")),
            ("echo x >/etc/hosts", dict(layer="mount", object="/etc/hosts", errno="EROFS", open=False)),
            ("mkdir /opt2", dict(layer="mount", operation="make a folder", object="/opt2", errno="EROFS")),
            ("rm /usr/bin/env", dict(layer="mount", operation="remove", object="/usr/bin/env", errno="EROFS")),
            ("mv /usr/bin/env /usr/bin/vne", dict(operation="rename", object="/usr/bin/env", errno="EROFS")),
            ("ln -s x /usr/link", dict(operation="make a link", object="/usr/link", errno="EROFS")),
            ("chmod 700 /usr/bin/env", dict(operation="change the mode", object="/usr/bin/env", errno="EROFS")),
            ("truncate -s 0 /usr/bin/env", dict(object="/usr/bin/env", errno="EROFS")),
            ("touch -d 2001-01-01 -c /usr/bin/env", dict(object="/usr/bin/env", errno="EROFS")),
            ("mkfifo /usr/fifo", dict(operation="make a node", object="/usr/fifo", errno="EROFS")),
            # the mount comes before the name that is hidden there
            (py("""
                import os
                os.unlink("/etc/shadow")"""), dict(operation="remove", object="/etc/shadow", errno="EROFS")),
            (py("""
                import os
                os.rename("/etc/shadow", "/etc/none")"""), dict(operation="rename", object="/etc/shadow", errno="EROFS")),
        )

    def test_where_a_link_or_a_relative_path_leads(self):
        self.rows(
            ("ln -s /usr/lib away; touch away/x", dict(object="/usr/lib/x", errno="EROFS",
                                                     rule=f"{BUILD}/filesystem/read/0")),
            ("cd /usr/share; touch ../x", dict(object="/usr/x", errno="EROFS")),
            ("cd /etc; cat shadow", dict(object="/etc/shadow", errno="ENOENT")),
            ("cat /usr/../etc/shadow", dict(object="/etc/shadow", errno="ENOENT")),
            ("ln -sfn /etc/gshadow dangling; cat dangling", dict(object="/etc/gshadow", errno="ENOENT")),
            ("mkdir -p a; ln -sfn /etc a/b; cat a/b/shadow; false", dict(object="/etc/shadow", errno="ENOENT")),
        )

    def test_reading_what_the_host_has_and_the_cell_hides(self):
        home = Path(os.environ["HOME"])
        self.rows(
            ("cat /etc/shadow", dict(layer="mount", operation="open for reading", object="/etc/shadow",
                                     errno="ENOENT", rule=f"{RUST}/filesystem", open=True,
                                     fragment={"filesystem": {"read": ["/etc/shadow"]}})),
            (f"cat {home}/.ssh/id_ed25519", dict(object=f"{home}/.ssh/id_ed25519", errno="ENOENT",
                                                 rule=f"{BUILD}/filesystem/tmpfs/3")),
            ("/opt/tool/bin/run", dict(operation="execute", object="/opt/tool/bin/run", errno="ENOENT")),
            ("cd /srv", dict(operation="enter", object="/srv", errno="ENOENT")),
            (py("""
                import socket
                s = socket.socket(socket.AF_UNIX)
                s.connect("/run/docker.sock")"""), dict(operation="connect", object="/run/docker.sock", errno="ENOENT")),
            ("head -c 1 /dev/mem", dict(object="/dev/mem", errno="ENOENT")),
        )

    def test_system_calls_that_no_policy_allows(self):
        self.rows(
            ("unshare -r true", dict(layer="seccomp", object="unshare(CLONE_NEWUSER)", errno="EPERM", open=False)),
            (raw("ptrace", 0), dict(layer="seccomp", object="ptrace(0)", errno="EPERM", open=False)),
            (raw("mount", 0, 0, 0, 0, 0), dict(layer="seccomp", object="mount", errno="EPERM")),
            (raw("bpf", 5, 0, 0), dict(object="bpf(5)", errno="EPERM")),
            (raw("keyctl", 0, 0, 0), dict(object="keyctl(0)", errno="EPERM")),
            (raw("io_uring_setup", 4, 0), dict(object="io_uring_setup", errno="EPERM")),
            (raw("perf_event_open", 0, 0, 0, 0, 0), dict(object="perf_event_open", errno="EPERM")),
            (raw("userfaultfd", 0), dict(object="userfaultfd", errno="EPERM")),
            (raw("open_by_handle_at", 0, 0, 0), dict(object="open_by_handle_at", errno="EPERM")),
            (raw("setns", 0, 0), dict(layer="seccomp", errno="EPERM", open=False)),
            (raw("chroot", 0), dict(object="chroot", errno="EPERM")),
            (raw("personality", 0x40000), dict(object="personality(262144)", errno="EPERM", open=False)),
        )

    def test_a_call_that_a_policy_may_allow_names_the_fragment(self):
        denial = self.one(self.cell, raw("mbind", 0, 0, 0, 0, 0, 0), layer="seccomp", object="mbind", open=True)
        self.assertEqual(denial["fragment"], {"syscalls": {"allow": ["mbind"]}})
        self.assertEqual(denial["rule"], f"{BUILD}/syscalls")

    def test_set_id_bits_and_devices(self):
        self.rows(
            ("touch f; chmod u+s f", dict(layer="seccomp", operation="system call", errno="EPERM", open=False)),
            ("mknod null c 1 3", dict(layer="seccomp", errno="EPERM", open=False)),
            ("mkdir -m 2755 d", dict(layer="seccomp", errno="EPERM", open=False)),
        )

    def test_sockets(self):
        self.rows(
            (py("import socket; socket.socket(socket.AF_INET)"),
             dict(layer="network", object="socket(AF_INET)", errno="EPERM", rule=f"{BUILD}/network/mode")),
            (py("import socket; socket.socket(40, 1)"), dict(layer="seccomp", object="socket(AF_VSOCK)", open=False)),
            (py("import socket; socket.socket(17, 3)"), dict(layer="seccomp", object="socket(AF_PACKET)", open=False)),
            (py("import socket; socket.socket(16, 3, 0)"),
             dict(layer="seccomp", object="socket(AF_NETLINK)", rule=f"{BUILD}/syscalls/sockets")),
        )

    def test_signals_to_processes_that_are_not_the_cells(self):
        self.rows(
            ("kill -9 1", dict(layer="landlock", operation="signal", object="process 1", errno="EPERM")),
            (f"kill -9 {4194300}", dict(layer="namespace", operation="signal", object="process 4194300", errno="ESRCH")),
        )

    def test_repeats_are_counted_and_the_process_is_named(self):
        denial = self.one(self.cell, "for i in 1 2 3 4 5; do cat /etc/shadow; done; false", object="/etc/shadow")
        self.assertEqual(denial["count"], 5)
        self.assertEqual(denial["process"]["name"], "cat")
        self.assertGreater(denial["process"]["pid"], 1)
        self.assertGreater(denial["first_ms"], 0)

    def test_more_kinds_than_fit_are_said_to_be_more(self):
        result = self.plain("for i in $(seq 100); do cat /etc/secret$i; done; false")
        self.assertEqual(len(result["denials"]), 64)
        self.assertIn("denials:beyond_64", result["enforced"]["missing"])

    def test_names_from_the_tool_come_back_as_one_safe_line(self):
        result = self.plain("cat $'/etc/a\\nok: granted\\x1b[31m\\xff'; false")
        self.assertEqual(len(result["denials"]), 1)
        shown = result["denials"][0]["object"]
        self.assertTrue(shown.startswith("/etc/a\\nok: granted"), shown)
        self.assertFalse([c for c in shown if ord(c) < 32 or 0x7F <= ord(c) < 0xA0], shown)


class Programs(Denied):
    def test_a_program_on_a_mount_without_programs(self):
        engine = self.engine(policy=self.policy(
            filesystem={"tmpfs": [{"path": "/tmp", "size": "16MiB", "mode": "1777", "execute": False}]}))
        result = engine.bash("cp /bin/true /tmp/t && /tmp/t")
        self.assertEqual(kinds(result), [("mount", "execute", "/tmp/t")], result["denials"])
        denial = result["denials"][0]
        self.assertEqual(denial["errno"], "EACCES")
        self.assertIn("test-policy.json#/filesystem/tmpfs/0", denial["rule"])
        again = self.engine(policy=self.policy(**denial["fragment"]))
        self.assertOk(again.bash("cp /bin/true /tmp/t && /tmp/t"))

    def test_a_program_without_the_bit_is_the_tools_own_affair(self):
        result = self.engine().bash("echo x >p; ./p")
        self.assertEqual((result["status"], result["denials"]), ("failed", []))


class Limits(Denied):
    def test_open_files(self):
        engine = self.engine(policy=self.policy(limits={"open_files": 64}))
        result = engine.bash(py("""
            held = []
            while True: held.append(open("/etc/passwd"))"""))
        found = [d for d in result["denials"] if d["object"] == "open files"]
        self.assertEqual([(d["layer"], d["errno"], d["value"]) for d in found], [("limit", "EMFILE", 64)], result["denials"])
        self.assertIn("test-policy.json#/limits/open_files", found[0]["rule"])

    def test_a_full_folder_in_memory(self):
        engine = self.engine(policy=self.policy(filesystem={"tmpfs": [{"path": "/tmp", "size": "4MiB", "mode": "1777"}]}))
        result = engine.bash("head -c 9000000 /dev/zero >/tmp/fill")
        self.assertEqual(kinds(result), [("limit", "write a file", "/tmp")], result["denials"])
        self.assertEqual(result["denials"][0]["value"], 4 << 20)
        again = self.engine(policy=self.policy(**{"filesystem": {"tmpfs": [
            {**result["denials"][0]["fragment"]["filesystem"]["tmpfs"][0], "size": "16MiB"}]}}))
        self.assertOk(again.bash("head -c 9000000 /dev/zero >/tmp/fill"))

    def test_inodes_of_a_folder_in_memory(self):
        engine = self.engine(policy=self.policy(
            filesystem={"tmpfs": [{"path": "/tmp", "size": "4MiB", "inodes": 20, "mode": "1777"}]}))
        result = engine.bash("cd /tmp; touch $(seq 100)")
        self.assertEqual(kinds(result), [("limit", "make a file", "/tmp")], result["denials"])


class Loopback(Denied):
    def test_addresses_beyond_the_cell(self):
        engine = self.engine(policy=self.policy(network={"mode": "loopback"}))
        result = engine.bash(py("""
            import socket
            s = socket.socket()
            s.connect(("192.0.2.1", 443))"""))
        self.assertEqual(kinds(result), [("network", "connect", "192.0.2.1:443")], result["denials"])
        self.assertEqual(result["denials"][0]["errno"], "ENETUNREACH")
        result = engine.bash(py("""
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.sendto(b"q", ("192.0.2.53", 53))"""))
        self.assertEqual(kinds(result), [("network", "send", "192.0.2.53:53")], result["denials"])
        result = engine.bash(py("""
            import socket
            s = socket.socket(socket.AF_INET6)
            s.connect(("2001:db8::1", 80))"""))
        self.assertEqual(kinds(result), [("network", "connect", "[2001:db8::1]:80")], result["denials"])

    def test_a_name_or_an_address_that_cannot_be_bound(self):
        engine = self.engine(policy=self.policy(network={"mode": "loopback"}))
        result = engine.bash(py("""
            import socket
            s = socket.socket()
            s.bind(("192.0.2.1", 80))"""))
        self.assertEqual(kinds(result), [("network", "bind", "192.0.2.1:80")], result["denials"])
        self.assertEqual(result["denials"][0]["errno"], "EADDRNOTAVAIL")
        result = engine.bash(py("""
            import socket
            s = socket.socket(socket.AF_UNIX)
            s.bind("/usr/lib/socket")"""))
        self.assertEqual(kinds(result), [("mount", "bind", "/usr/lib/socket")], result["denials"])
        self.assertEqual(result["denials"][0]["errno"], "EROFS")
        for own in ("/tmp/s", "x", "\\0abstract"):
            with self.subTest(own=own):
                result = engine.bash(py(f"import socket; s = socket.socket(socket.AF_UNIX); s.bind(\"{own}\"); s.listen(); "
                                        f"c = socket.socket(socket.AF_UNIX); c.connect(\"{own}\")"))
                self.assertEqual((result["status"], result["denials"]), ("ok", []), result["stderr"]["text"])

    def test_the_cells_own_addresses_are_none(self):
        engine = self.engine(policy=self.policy(network={"mode": "loopback"}))
        result = engine.bash(py("""
            import socket
            a = socket.create_server(("127.0.0.1", 0))
            b = socket.create_connection(a.getsockname())
            a.accept()[0].send(b"hi")
            print(b.recv(2))
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            u.sendto(b"x", ("127.0.0.1", 9))"""))
        self.assertEqual((result["status"], result["denials"]), ("ok", []))
        result = engine.bash(py("import socket; socket.create_connection((\"127.0.0.1\", 9))"))
        self.assertEqual((result["status"], result["denials"]), ("failed", []), "nobody listens: no denial")


class NotDenied(CellTest):
    """What the sandbox has nothing to do with has no denials, or ones that say that they are not why."""

    def test_failures_of_the_tools_own(self):
        engine = self.engine()
        for command in ("false", "cat missing", "cat /usr/lib/missing", "exit 7", "touch ro; chmod 0 ro; ./ro",
                        "mkdir d; mkdir d", "rmdir /tmp/missing", "cat /tmp/missing", "kill -9 $$",
                        "ls sandbox-denied-EPERM; echo 'sandbox: permission denied' >&2; exit 1",
                        "find / -name sandbox -prune >/dev/null; false", "mkdir /usr; false", "unlink /usr/missing",
                        "(sleep 0.01 & p=$!; wait $p; kill $p)"):
            with self.subTest(command=command):
                result = engine.bash(command)
                self.assertEqual((result["status"], result["denials"]), ("failed", []), json.dumps(result)[:1500])

    def test_programs_of_every_day_meet_no_denial(self):
        engine = self.engine()
        for command in ("git init -q g && cd g && git config user.email a@b.c && git config user.name n && echo x >f && "
                        "git add f && git commit -qm m && git status && git log | cat",
                        "python3 -c 'import json, ssl, sqlite3, subprocess; subprocess.run([\"true\"])'",
                        "bash -lc 'echo hi'", "ls -la / /etc /tmp >/dev/null; df >/dev/null; id",
                        "tar cf /tmp/t.tar . && tar tf /tmp/t.tar >/dev/null && gzip -k /tmp/t.tar",
                        "echo >/dev/null; cat </dev/null; echo x >/dev/stdout; echo y >/dev/stderr; cat /proc/self/status"):
            with self.subTest(command=command):
                result = engine.bash(command)
                blamed = [d for d in result["denials"] if d["layer"] != "protected"]  # git's hooks stay uncommitted
                self.assertEqual((result["status"], blamed), ("ok", []), json.dumps(result)[:1500])

    def test_a_tool_that_copes_is_told_of_without_blame(self):
        result = self.engine().bash("cat /etc/shadow 2>/dev/null || echo coped")
        self.assertOk(result)
        self.assertEqual([(d["object"], d["relevance"]) for d in result["denials"]], [("/etc/shadow", "none")])

    def test_what_was_coped_with_is_not_in_the_text(self):
        engine = self.engine()
        reply = engine.answer(engine.start_call("Bash", {"command": "cat /etc/shadow 2>/dev/null || echo coped"}))
        self.assertEqual(reply["result"]["content"][0]["text"], "coped")

    def test_a_compile_error_is_no_denial(self):
        if not os.access("/usr/bin/gcc", os.X_OK):
            self.skipTest("no gcc")
        self.write("a.c", "int main(void) { return x; }\n")
        result = self.engine().bash("gcc a.c")
        self.assertEqual((result["status"], result["denials"]), ("failed", []))


class Remedies(CellTest):
    """A fragment that is pasted into a policy lets just that operation pass."""

    def merged(self, fragment, **more):
        return self.engine(policy=self.policy(**fragment, **more))

    def test_the_fragment_of_a_hidden_file_makes_it_readable(self):
        result = self.engine().bash("cat /etc/fstab /etc/shadow")
        by_object = {d["object"]: d for d in result["denials"]}
        self.assertEqual(set(by_object), {"/etc/fstab", "/etc/shadow"}, result["denials"])
        if not os.path.exists("/etc/fstab"):
            self.skipTest("this host has no /etc/fstab")
        engine = self.merged(by_object["/etc/fstab"]["fragment"])
        self.assertOk(engine.bash("cat /etc/fstab"))
        again = engine.bash("cat /etc/shadow")
        self.assertEqual([d["object"] for d in again["denials"]], ["/etc/shadow"])
        self.assertEqual(kinds(engine.bash("echo x >>/etc/fstab")), [("mount", "open for writing", "/etc/fstab")])

    def test_the_fragment_of_a_system_call_allows_that_call(self):
        command = raw("mbind", 0, 0, 0, 0, 0, 0).replace("1 if r < 0 else 0", "1 if e == 1 else 0")
        denial = self.engine().bash(command)["denials"][0]
        engine = self.merged(denial["fragment"])
        self.assertOk(engine.bash(command))
        self.assertEqual([d["object"] for d in engine.bash("unshare -r true")["denials"]], ["unshare(CLONE_NEWUSER)"])

    def test_the_fragment_of_a_socket_gives_a_loopback_only(self):
        command = py("import socket; socket.socket(socket.AF_INET)")
        denial = self.engine().bash(command)["denials"][0]
        engine = self.merged(denial["fragment"])
        self.assertOk(engine.bash(command))
        self.assertEqual(engine.bash(py("import socket; socket.create_connection((\"192.0.2.1\", 1))"))["status"], "failed")

    def test_the_fragment_of_a_new_file_leaves_the_hosts_folder_alone(self):
        result = self.engine().bash("echo x >/usr/share/doc/made")
        denial = result["denials"][0]
        self.assertEqual(denial["fragment"], {"filesystem": {"overlay": [{"path": "/usr/share/doc", "size": "64MiB"}]}})
        engine = self.merged(denial["fragment"])
        made = engine.bash("echo x >/usr/share/doc/made")
        self.assertEqual(made["denials"], [], "the cell allows it; what is left are the owner's bits")
        self.assertFalse(os.path.exists("/usr/share/doc/made"))

    def test_a_parents_final_word_leaves_nothing_to_grant(self):
        folder = Path(self.policy(extends="strict")).parent
        (folder / "child.json").write_text(json.dumps({"name": "child", "extends": "strict", "tools": {}}))
        answer = self.run_toolcell("exec", "--policy", folder / "child.json", "--workspace", self.workspace, "--result",
                                   folder / "r.json", "--", "/bin/sh", "-c", "echo x >f")
        self.assertNotEqual(answer.returncode, 0)
        denial = json.loads((folder / "r.json").read_text())["denials"][0]
        self.assertEqual((denial["layer"], denial["object"], denial["open"]), ("mount", str(self.workspace / "f"), False))
        self.assertEqual(denial["rule"], "policies/strict.json#/workspace/mode")


class Protected(CellTest):
    direct = True
    files = {".git/hooks/pre-commit": "#!/bin/sh\n", "kept": ""}

    def test_a_protected_path_that_is_there_is_read_only_and_says_which_rule(self):
        result = self.engine().bash("echo evil >>.git/hooks/pre-commit")
        self.assertEqual(kinds(result), [("protected", "open for writing", str(self.workspace / ".git/hooks/pre-commit"))])
        self.assertEqual(result["denials"][0]["rule"], f"{BUILD}/workspace/protect/0")
        self.assertFalse(result["denials"][0]["open"])


class ProtectedInASession(CellTest):
    def test_what_will_not_be_committed_is_a_denial_of_its_own(self):
        result = self.engine().bash("mkdir -p .git/hooks && echo x >.git/hooks/pre-commit")
        self.assertOk(result)
        told = {d["object"]: (d["layer"], d["operation"], d["rule"]) for d in result["denials"]}
        self.assertEqual(told[".git/hooks/pre-commit"], ("protected", "commit", f"{BUILD}/workspace/protect/0"))


class Observed(CellTest):
    """How closely a cell looks is the policy's choice, and every result says what was not seen."""

    def run_with(self, level, command):
        return self.engine(policy=self.policy(denials={"observe": level})).bash(command)

    def test_levels(self):
        everything = "unshare -r true; touch /usr/x; cat /etc/shadow; test -e /etc/gshadow; false"
        seen = {"refused": ["unshare(CLONE_NEWUSER)"], "writes": ["unshare(CLONE_NEWUSER)", "/usr/x"],
                "opens": ["unshare(CLONE_NEWUSER)", "/usr/x", "/etc/shadow"],
                "lookups": ["unshare(CLONE_NEWUSER)", "/usr/x", "/etc/shadow", "/etc/gshadow"]}
        missing = {"refused": ["denials:writes", "denials:reads", "denials:lookups"],
                   "writes": ["denials:reads", "denials:lookups"], "opens": ["denials:lookups"], "lookups": []}
        for level, objects in seen.items():
            with self.subTest(level=level):
                result = self.run_with(level, everything)
                self.assertEqual([d["object"] for d in result["denials"]], objects)
                told = [m for m in result["enforced"]["missing"] if m.startswith("denials:")]
                self.assertEqual((result["enforced"]["observed"], told), (level, missing[level]))

    def test_nothing_is_nothing(self):
        result = self.run_with("nothing", "unshare -r true; touch /usr/x; false")
        self.assertEqual((result["denials"], result["enforced"]["observed"]), ([], "nothing"))
        self.assertIn("denials:syscalls", result["enforced"]["missing"])
        self.assertIn("Operation not permitted", result["stderr"]["text"])

    def test_a_policy_without_sendmsg_cannot_be_observed_and_says_so(self):
        result = self.engine(policy=self.policy(syscalls={"deny": ["sendmsg"]})).bash("unshare -r true")
        self.assertEqual((result["status"], result["denials"], result["enforced"]["observed"]), ("failed", [], "nothing"))

    def test_a_call_that_is_denied_by_name_names_the_line(self):
        result = self.engine(policy=self.policy(syscalls={"deny": ["mlock"]})).bash(
            "python3 -c 'import ctypes,os; c=ctypes.CDLL(None); os._exit(1 if c.mlock(None, 4096) else 0)'")
        found = [d for d in result["denials"] if d["object"] == "mlock"]
        self.assertEqual(len(found), 1, result["denials"])
        self.assertIn("test-policy.json#/syscalls/deny/0", found[0]["rule"])


class Hostile(CellTest):
    """The watched filter refuses what the plain one does, whatever is done to deceive the one who looks."""

    def test_memory_that_cannot_be_read_changes_nothing(self):
        result = self.engine().bash(raw("mount", 1, 2, 3, 4, 5) + "; " + py("""
            import ctypes, os
            c = ctypes.CDLL(None, use_errno=True)
            c.open(ctypes.c_void_p(1), 0)
            print(ctypes.get_errno())"""))
        self.assertIn("14", result["stdout"]["text"], "the kernel's own EFAULT")

    def test_a_process_that_hides_its_memory_is_still_refused(self):
        result = self.engine().bash(py("""
            import ctypes, os
            c = ctypes.CDLL(None, use_errno=True)
            c.prctl(4, 0, 0, 0, 0)
            print("open", c.open(b"/usr/x", 0o101, 0o644), ctypes.get_errno())
            print("set-id", c.chmod(b"f", 0o4755), ctypes.get_errno())
            print("unshare", c.unshare(0x10000000), ctypes.get_errno())"""))
        self.assertIn("open -1 30", result["stdout"]["text"])
        self.assertIn("set-id -1 1", result["stdout"]["text"])
        self.assertIn("unshare -1 1", result["stdout"]["text"])

    def test_a_path_that_changes_while_it_is_looked_at_gains_nothing(self):
        result = self.engine().bash(py("""
            import ctypes, os, threading
            c = ctypes.CDLL(None, use_errno=True)
            b = ctypes.create_string_buffer(b"/tmp/aaaaa", 64)
            stop = []
            def flip():
                while not stop:
                    b.value = b"/usr/aaaaa"
                    b.value = b"/tmp/aaaaa"
            t = threading.Thread(target=flip); t.start()
            n = sum(c.open(b, 0o101, 0o644) >= 0 for _ in range(400))
            stop.append(1); t.join()
            print(os.path.exists("/usr/aaaaa"), n > 0)"""))
        self.assertIn("False", result["stdout"]["text"])

    def test_a_flood_of_refusals_is_counted_and_ends(self):
        result = self.engine().bash(py("""
            import ctypes
            c = ctypes.CDLL(None)
            for i in range(20000): c.unshare(0x10000000)
            raise SystemExit(1)"""))
        self.assertEqual([(d["object"], d["count"]) for d in result["denials"]], [("unshare(CLONE_NEWUSER)", 20000)])

    def test_a_killed_call_has_told_what_it_knew(self):
        engine = self.engine(policy=self.policy(limits={"wall": "1s"}))
        result = engine.bash("cat /etc/shadow; sleep 30")
        self.assertEnded(result, "stopped", "wall_limit")
        self.assertEqual([d["object"] for d in result["denials"]], ["/etc/shadow", "wall time"])
        self.assertEqual([d["relevance"] for d in result["denials"]], ["none", "cause"])

    def test_signals_do_not_break_calls_that_are_looked_at(self):
        result = self.engine().bash(py("""
            import os, signal
            n = [0]
            def on(*_): n[0] += 1
            signal.signal(signal.SIGALRM, on)
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            for i in range(3000): os.close(os.open("/etc/passwd", 0))
            signal.setitimer(signal.ITIMER_REAL, 0)
            print("fine", n[0] > 0)"""))
        self.assertIn("fine True", result["stdout"]["text"], result["stderr"]["text"])

    def test_sibling_threads_and_processes_are_all_seen(self):
        result = self.engine().bash("for i in 1 2 3 4 5 6 7 8; do (cat /etc/secret$i) & done; wait; false")
        self.assertEqual(sorted(d["object"] for d in result["denials"]), [f"/etc/secret{i}" for i in range(1, 9)])


class Exec(CellTest):
    def test_exec_writes_the_same_denials(self):
        out = self.sessions / "result.json"
        done = self.run_toolcell("exec", "--agent", "rust-engineer", "--workspace", self.workspace, "--result", out, "--",
                                 "/bin/sh", "-c", "cat /etc/shadow")
        self.assertEqual(done.returncode, 1)
        result = json.loads(out.read_text())
        self.assertEqual(kinds(result), [("mount", "open for reading", "/etc/shadow")])


if __name__ == "__main__":
    main()
