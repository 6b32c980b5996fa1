#!/usr/bin/env python3
"""The command line: exec, run, doctor, policy, agent, tools; what is refused before anything runs."""

import json
import os
import pty
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from harness import AGENT, ROOT, TOOLCELL, WAIT_S, CellTest, check_result, eventually, main

COMMANDS = ("serve", "exec", "run", "changes", "sessions", "doctor", "policy", "agent", "tools")


class Exec(CellTest):
    def exec(self, *argv, args=(), **options):
        return self.run_toolcell("exec", "--workspace", self.workspace, *args, "--", *argv, **options)

    def test_streams_pass_through(self):
        done = subprocess.run([TOOLCELL, "exec", "--workspace", str(self.workspace), "--", "bash", "-c",
                               "cat; echo err >&2"], input="through\n", stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=WAIT_S, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "through\n"), done.stderr)
        self.assertIn("err\n", done.stderr)

    def test_exit_code_is_the_tools(self):
        for code in (0, 1, 7, 125, 255):
            self.assertEqual(self.exec("bash", "-c", f"exit {code}").returncode, code)

    def test_signal_is_128_and_its_number(self):
        self.assertEqual(self.exec("bash", "-c", "kill -TERM $$").returncode, 143)

    def test_command_that_is_not_there_is_127(self):
        done = self.exec("nonesuch-e2e")
        self.assertEqual(done.returncode, 127)
        self.assertIn("nonesuch-e2e", done.stderr)

    def test_command_that_cannot_run_is_126(self):
        self.write("plain.txt", "text\n")
        self.assertEqual(self.exec(f"{self.workspace}/plain.txt").returncode, 126)

    def test_result_file_has_the_whole_object(self):
        path = Path(tempfile.mkdtemp(prefix="result-")) / "result.json"
        self.addCleanup(shutil.rmtree, path.parent, ignore_errors=True)
        done = self.exec("bash", "-c", "exit 3", args=("--result", path))
        self.assertEqual(done.returncode, 3)
        result = json.loads(path.read_text())
        check_result(result)
        self.assertEqual(result["ended"]["exit_code"], 3)

    def test_output_is_not_held_back(self):
        child = subprocess.Popen([TOOLCELL, "exec", "--workspace", str(self.workspace), "--", "bash", "-c",
                                  "echo now; sleep 20"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.addCleanup(child.wait)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.kill)
        self.assertTrue(select.select([child.stdout], [], [], 15)[0])
        self.assertEqual(os.read(child.stdout.fileno(), 100), b"now\n")

    def test_interrupt_ends_the_tool(self):
        child = subprocess.Popen([TOOLCELL, "exec", "--agent", AGENT, "--workspace", str(self.workspace), "--",
                                  "bash", "-c", "echo started; sleep 983"], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE)
        self.addCleanup(child.wait)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.kill)
        self.assertEqual(child.stdout.readline(), b"started\n")
        child.terminate()
        begin = time.monotonic()
        self.assertNotEqual(child.wait(10), 0)
        self.assertLess(time.monotonic() - begin, 5)

    def test_terminal_of_the_operator_cannot_be_typed_into(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        child = subprocess.Popen([TOOLCELL, "exec", "--workspace", str(self.workspace), "--", "python3", "-c",
                                  "import fcntl,termios\ntry: fcntl.ioctl(0,termios.TIOCSTI,b'x');print('TYPED')\n"
                                  "except OSError: print('refused')"], stdin=slave, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        os.close(slave)
        out, _ = child.communicate(timeout=WAIT_S)
        self.assertNotIn("TYPED", out)

    def test_host_name_and_network_are_the_cells(self):
        done = self.exec("bash", "-c", "cat /proc/sys/kernel/hostname; tail -n +3 /proc/net/dev | wc -l")
        self.assertNotEqual(done.stdout.split()[0], os.uname().nodename)


class Run(CellTest):
    def run_tool(self, *args):
        return self.run_toolcell("run", "--workspace", self.workspace, "--agent", AGENT, *args)

    def test_one_call_prints_its_result(self):
        done = self.run_tool("Bash", "--json", json.dumps({"command": "echo once"}))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("once", done.stdout)

    def test_arguments_that_are_wrong_are_named(self):
        for text in ("{not json", "[]", json.dumps({"comand": 1})):
            with self.subTest(text=text):
                done = self.run_tool("Bash", "--json", text)
                self.assertNotEqual(done.returncode, 0)
                self.assertTrue((done.stdout + done.stderr).strip())


class Refusals(CellTest):
    def refused(self, *args, word=""):
        done = self.run_toolcell("serve", *args)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout, "")
        self.assertIn(word, done.stderr)
        self.assertTrue(done.stderr.strip())
        self.assertNotIn("Segmentation", done.stderr)

    def test_workspace_must_be_a_folder_of_its_own(self):
        self.write("file", "")
        for path in ("/nonexistent/x", str(self.workspace / "file"), "/", "/usr", "/etc", "/proc", "/dev", "/sys",
                     "/boot", "/usr/bin", "/var", "/bin", "/tmp/.."):
            with self.subTest(path=path):
                self.refused("--agent", AGENT, "--workspace", path, word=os.path.realpath(path))

    def test_unknown_agent_is_named(self):
        for name in ("nonesuch", "../rust-engineer", "/etc/passwd", ""):
            with self.subTest(name=name):
                self.refused("--agent", name, "--workspace", self.workspace)

    def test_unknown_policy_is_named(self):
        self.refused("--policy", "nonesuch", "--agent", AGENT, "--workspace", self.workspace, word="nonesuch")

    def test_policy_errors_name_file_line_and_key(self):
        rows = (
            ('{\n "name": "x",\n "filesytem": {}\n}', ("filesytem", "filesystem", ":3:")),
            ('{\n "name": "x",\n "limits": {"memory": 5}\n}', (":3:", "/limits/memory")),
            ('{\n "name": "x",\n "limits": {"memory": "5 potatoes"}\n}', (":3:", "/limits/memory", "GiB")),
            ('{\n "name": "x"\n', (":3:", "JSON")),
            ('{"name": "x", "extends": "nonesuch"}', ("nonesuch",)),
        )
        for text, words in rows:
            with self.subTest(text=text):
                path = self.policy()
                path.write_text(text)
                done = self.run_toolcell("policy", "check", path)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                for word in words:
                    self.assertIn(word, done.stdout + done.stderr)
                self.refused("--policy", path, "--agent", AGENT, "--workspace", self.workspace)

    def test_policy_cycle_is_found(self):
        path = self.policy()
        path.write_text(json.dumps({"name": "x", "extends": str(path)}))
        self.refused("--policy", path, "--agent", AGENT, "--workspace", self.workspace)

    def test_policy_may_not_loosen_what_its_parent_fixed(self):
        path = self.policy(network={"mode": "host"})
        self.assertEqual(self.run_toolcell("policy", "check", path).returncode, 1)

    def test_unreadable_policy_is_refused(self):
        path = self.policy()
        path.chmod(0)
        if ROOT:
            path.unlink()
            path.mkdir()
        self.refused("--policy", path, "--agent", AGENT, "--workspace", self.workspace)

    def test_unknown_option_and_command_are_usage_errors(self):
        self.assertEqual(self.run_toolcell("serve", "--no-sandbox").returncode, 2)
        self.assertEqual(self.run_toolcell("serf").returncode, 2)
        self.assertIn("serve", self.run_toolcell("serf").stderr)

    def test_requirement_that_the_kernel_cannot_meet_refuses(self):
        path = self.policy(require={"landlock_abi": 99})
        done = self.run_toolcell("exec", "--policy", path, "--workspace", self.workspace, "--", "true")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr.lower(), "landlock")


class Words(CellTest):
    needs_cells = False

    def test_version_and_help_everywhere(self):
        self.assertRegex(self.run_toolcell("--version").stdout, r"toolcell \d+\.\d+\.\d+")
        for command in ((),) + tuple((c,) for c in COMMANDS):
            done = self.run_toolcell(*command, "--help")
            self.assertEqual(done.returncode, 0, command)
            self.assertIn("toolcell", done.stdout)

    def test_doctor_speaks_json(self):
        done = self.run_toolcell("doctor", "--json")
        self.assertIsInstance(json.loads(done.stdout), dict)

    def test_shipped_policies_and_agents_are_good(self):
        listed = json.loads(self.run_toolcell("policy", "list", "--json").stdout)
        names = json.dumps(listed)
        for name in ("strict", "base/build", AGENT):
            self.assertIn(name, names)
            done = self.run_toolcell("policy", "check", name)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.run_toolcell("agent", "check", AGENT).returncode, 0)

    def test_schemas_come_in_three_shapes(self):
        for form, key in (("mcp", "inputSchema"), ("anthropic", "input_schema"), ("openai", "parameters")):
            done = self.run_toolcell("tools", "--agent", AGENT, "--format", form)
            tools = json.loads(done.stdout)
            tools = tools.get("tools", tools) if isinstance(tools, dict) else tools
            self.assertGreaterEqual(len(tools), 5)
            self.assertIn(key, json.dumps(tools[0]))

    def test_no_color_without_a_terminal(self):
        for command in (("doctor",), ("policy", "list"), ("policy", "show", AGENT), ("--help",)):
            self.assertNotIn("\033", self.run_toolcell(*command).stdout)


class OutOfReach(CellTest):
    """What decides over a cell, and what the caller holds, is kept away from it."""

    def exec(self, *argv, workspace=None, args=(), **options):
        return self.run_toolcell("exec", *args, "--workspace", workspace or self.workspace, "--", *argv, **options)

    def test_workspace_through_a_symbolic_link_is_refused(self):
        link = Path(tempfile.mkdtemp(prefix="link-")) / "link"
        self.addCleanup(shutil.rmtree, link.parent, ignore_errors=True)
        link.symlink_to(self.workspace)
        done = self.exec("true", workspace=link)
        self.assertEqual(done.returncode, 125)
        self.assertIn("symbolic link", done.stderr)
        self.assertIn(str(self.workspace), done.stderr)

    def test_policy_in_a_writable_workspace_is_refused(self):
        policy = Path(self.workspace) / "own.json"
        policy.write_text(json.dumps({"name": "own", "extends": "base/build"}))
        done = self.exec("true", args=("--policy", policy))
        self.assertEqual(done.returncode, 125)
        self.assertIn("own.json", done.stderr)
        policy.write_text(json.dumps({"name": "own", "extends": "base/build", "workspace": {"mode": "readonly"}}))
        self.assertEqual(self.exec("true", args=("--policy", policy)).returncode, 0)

    def test_nothing_is_cached_in_the_workspace(self):
        cache = Path(self.workspace) / "cache"
        cache.mkdir()
        done = subprocess.run([TOOLCELL, "exec", "--workspace", str(self.workspace), "--", "true"], timeout=WAIT_S,
                              env={**os.environ, "XDG_CACHE_HOME": str(cache)}, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(list(cache.rglob("*.image")), [])

    def test_descriptors_of_the_caller_are_let_go(self):
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        child = subprocess.Popen([TOOLCELL, "exec", "--workspace", str(self.workspace), "--", "sleep", "20"],
                                 stdin=subprocess.DEVNULL, pass_fds=(write_end,))
        self.addCleanup(child.wait)
        self.addCleanup(child.terminate)
        os.close(write_end)
        self.assertEqual(select.select([read_end], [], [], 10)[0], [read_end], "somebody still holds it")
        self.assertEqual(os.read(read_end, 1), b"")
        self.assertIsNone(child.poll(), "the call was to be running still")


if __name__ == "__main__":
    main()
