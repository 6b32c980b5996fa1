"""Drives the real programs as a host would: one engine on two pipes, and what its results promise.

A reader thread sorts what the engine says: answers by id, notifications in order. Every wait has an
end. `check_result` holds any result object against the shape that DESIGN.md promises for every path.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
TOOLCELL = os.environ.get("TOOLCELL", str(TOP / "build" / "toolcell"))
KIND = os.environ.get("TOOLCELL_TEST_KIND", "root" if os.geteuid() == 0 else "user")
SANITIZED = KIND.startswith("sanitize")
ROOT = os.geteuid() == 0
AGENT = "rust-engineer"
WAIT_S = 120 if SANITIZED else 60
LEGACY = "2025-06-18"
MODERN = "2026-07-28"

STATUSES = ("ok", "failed", "stopped", "refused", "error")
CAUSES = ("exit", "signal", "wall_limit", "cpu_limit", "memory_limit", "process_limit", "disk_limit",
          "output_limit", "cancelled", "policy", "launcher_error")
STATUS_OF_CAUSE = {
    "wall_limit": ("stopped",), "cpu_limit": ("stopped",), "memory_limit": ("stopped",),
    "process_limit": ("stopped",), "disk_limit": ("stopped",), "output_limit": ("stopped",),
    "cancelled": ("stopped",), "policy": ("refused",), "launcher_error": ("error",),
    "exit": ("ok", "failed"), "signal": ("failed",),
}
LAYERS = ("mount", "landlock", "seccomp", "network", "namespace", "limit", "policy", "protected")
NUMBER = (int, float)
MAYBE_NUMBER = (int, float, type(None))


def user_namespaces_work():
    return subprocess.run(["unshare", "--user", "--map-root-user", "true"], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def toolchain_works():
    return bool(shutil.which("cargo")) and subprocess.run(
        ["cargo", "--version"], check=False, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL).returncode == 0


class EngineError(AssertionError):
    """The engine did not answer as it must."""


class Engine:
    """`toolcell serve` with its pipes. Use as a context manager, or close() it."""

    def __init__(self, workspace, agent=AGENT, policy=None, args=(), env=None, preexec=None):
        argv = [TOOLCELL, "serve", "--workspace", str(workspace)]
        if agent:
            argv += ["--agent", agent]
        if policy:
            argv += ["--policy", str(policy)]
        self.stderr_file = tempfile.TemporaryFile()
        self.child = subprocess.Popen(argv + list(args), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.stderr_file, env=env, preexec_fn=preexec)
        self.pid = self.child.pid
        self.lock = threading.Condition()
        self.answers, self.notes, self.stray, self.ended = {}, [], [], False
        self.questions = []  # requests of the engine's own
        self.capabilities = {}
        self.next_id = 1
        self.era = None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self):
        for raw in self.child.stdout:
            try:
                message = json.loads(raw.decode("utf-8"))
            except (ValueError, UnicodeDecodeError) as e:
                message = {"not-json": repr(raw[:200]), "why": str(e)}
            with self.lock:
                self._sort(message)
                self.lock.notify_all()
        with self.lock:
            self.ended = True
            self.lock.notify_all()

    def _sort(self, message):
        if not isinstance(message, dict):
            self.stray.append(message)
        elif "method" in message and "id" not in message:
            self.notes.append(message)
        elif "method" in message:
            self.questions.append(message)
        elif message.get("id") is not None and "jsonrpc" in message:
            key = json.dumps(message["id"])
            if key in self.answers:
                self.stray.append(message)
            self.answers.setdefault(key, message)
        else:
            self.stray.append(message)

    def stderr(self):
        self.stderr_file.seek(0)
        return self.stderr_file.read().decode("utf-8", "replace")

    def send_raw(self, data):
        self.child.stdin.write(data)
        self.child.stdin.flush()

    def send(self, message):
        self.send_raw(json.dumps(message).encode() + b"\n")

    def wait_for(self, ready, what, seconds=WAIT_S):
        """Waits until ready() gives something but None; it runs with the lock held."""
        end = time.monotonic() + seconds
        with self.lock:
            while True:
                found = ready()
                if found is not None:
                    return found
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    why = "the engine ended" if self.ended else f"nothing for {seconds} s"
                    raise EngineError(f"waiting for {what}: {why}\nstrays: {self.stray[:3]}\n"
                                      f"stderr:\n{self.stderr()[-3000:]}")
                self.lock.wait(left)

    def answer(self, call_id, seconds=WAIT_S):
        return self.wait_for(lambda: self.answers.get(json.dumps(call_id)), f"answer {call_id}", seconds)

    def stray_line(self, match=lambda m: True, seconds=WAIT_S):
        """The next line that is no JSON-RPC answer (errors with id null, other dialects)."""
        def ready():
            for i, m in enumerate(self.stray):
                if match(m):
                    return self.stray.pop(i)
            return None
        return self.wait_for(ready, "a line", seconds)

    def new_id(self):
        self.next_id += 1
        return self.next_id

    def request(self, method, params=None, call_id=None):
        """Sends; returns the id."""
        call_id = self.new_id() if call_id is None else call_id
        message = {"jsonrpc": "2.0", "id": call_id, "method": method}
        if self.era == MODERN:
            params = dict(params or {})
            params["_meta"] = {"io.modelcontextprotocol/protocolVersion": MODERN,
                               "io.modelcontextprotocol/clientCapabilities": self.capabilities,
                               **params.get("_meta", {})}
        if params is not None:
            message["params"] = params
        self.send(message)
        return call_id

    def ask(self, method, params=None, seconds=WAIT_S):
        return self.answer(self.request(method, params), seconds)

    def initialize(self, version=LEGACY):
        reply = self.ask("initialize", {"protocolVersion": version, "capabilities": self.capabilities,
                                        "clientInfo": {"name": "tests", "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return reply

    def start_call(self, tool, arguments, progress=None):
        params = {"name": tool, "arguments": arguments}
        if progress is not None:
            params["_meta"] = {"progressToken": progress}
        return self.request("tools/call", params)

    def finish_call(self, call_id, seconds=WAIT_S):
        """The toolcell.result/1 object of a call that must have one."""
        reply = self.answer(call_id, seconds)
        if "error" in reply:
            raise EngineError(f"protocol error instead of a result: {reply['error']}")
        check_mcp_result(reply["result"])
        return reply["result"]["structuredContent"]

    def call(self, tool, arguments, seconds=WAIT_S):
        return self.finish_call(self.start_call(tool, arguments), seconds)

    def bash(self, command, seconds=WAIT_S, **more):
        return self.call("Bash", {"command": command, **more}, seconds)

    def end_input(self):
        self.child.stdin.close()

    def wait(self, seconds=WAIT_S):
        return self.child.wait(seconds)

    def close(self):
        """End of input; the engine must end by itself, without an error."""
        try:
            if not self.child.stdin.closed:
                try:
                    self.child.stdin.close()
                except BrokenPipeError:
                    pass
            try:
                return self.child.wait(30)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
                raise EngineError("the engine did not end at the end of its input") from None
        finally:
            self.reader.join(10)
            self.child.stdout.close()
            self.stderr_file.close()


def need(condition, what, shown):
    if not condition:
        raise AssertionError(f"{what}: {json.dumps(shown)[:3000]}")


def check_stream(stream, name):
    need(isinstance(stream, dict), f"{name} is an object", stream)
    need(isinstance(stream.get("text"), str), f"{name}.text", stream)
    need(isinstance(stream.get("bytes"), int) and stream["bytes"] >= 0, f"{name}.bytes", stream)
    need(isinstance(stream.get("truncated"), bool), f"{name}.truncated", stream)
    need(isinstance(stream.get("encoding"), str), f"{name}.encoding", stream)
    need(stream.get("resource") is None or isinstance(stream["resource"], str), f"{name}.resource", stream)
    bad = [c for c in stream["text"] if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0]
    need(not bad, f"{name}.text has control characters", stream)


def check_ended(result):
    ended = result["ended"]
    need(ended.get("cause") in CAUSES, "ended.cause", ended)
    not_started = ended["cause"] == "exit" and ended.get("exit_code") in (126, 127)
    not_started = not_started or "audit" in result["enforced"]["missing"]  # ... or ran, and is not recorded
    need(result["status"] in STATUS_OF_CAUSE[ended["cause"]] + (("error",) if not_started else ()),
         "status fits the cause", [result["status"], ended])
    if ended["cause"] == "exit":
        need(isinstance(ended.get("exit_code"), int), "exit has a code", ended)
        need(ended.get("signal") is None, "exit has no signal", ended)
    if result["status"] == "ok":
        need(ended["exit_code"] == 0, "ok means exit code 0", ended)


def check_result(result):
    """Every path, every tool: the whole of toolcell.result/1."""
    need(result.get("schema") == "toolcell.result/1", "schema", result)
    for key in ("call", "tool", "policy"):
        need(isinstance(result.get(key), str) and result[key], key, result)
    need(result.get("agent") is None or isinstance(result["agent"], str), "agent", result)
    need(result.get("status") in STATUSES, "status", result)
    check_ended(result)
    check_stream(result["stdout"], "stdout")
    check_stream(result["stderr"], "stderr")
    need("data" in result and isinstance(result["data"], (dict, type(None))), "data", result.get("data"))
    usage = result["usage"]
    for key in ("wall_ms", "user_ms", "system_ms"):
        need(isinstance(usage.get(key), NUMBER) and usage[key] >= 0, f"usage.{key}", usage)
    for key in ("memory_peak_bytes", "processes_peak", "read_bytes", "written_bytes"):
        need(key in usage and isinstance(usage[key], MAYBE_NUMBER), f"usage.{key}", usage)
    for key in ("wall_ms", "memory_bytes", "processes"):
        need(isinstance(result["limits"].get(key), int), f"limits.{key}", result["limits"])
    check_changes(result["changes"])
    need(isinstance(result.get("granted"), list), "granted", result.get("granted"))
    for one in result["granted"]:
        need(isinstance(one.get("object"), str) and one["object"], "what was granted", one)
        need(one.get("for") in ("once", "session"), "for how long", one)
        need(isinstance(one.get("rule"), str) and "#/" in one["rule"], "by which rule", one)
    need(isinstance(result.get("denials"), list), "denials", result.get("denials"))
    for denial in result["denials"]:
        check_denial(denial)
    check_enforced(result["enforced"])


def check_denial(denial):
    for key in ("operation", "object", "remedy"):
        need(isinstance(denial.get(key), str) and denial[key], f"denial {key}", denial)
    need(denial.get("layer") in LAYERS, "denial layer", denial)
    need(denial.get("relevance") in ("cause", "possible", "none"), "denial relevance", denial)
    for key in ("errno", "rule"):
        need(denial[key] is None or isinstance(denial[key], str) and denial[key], f"denial {key}", denial)
    need(isinstance(denial["open"], bool), "denial open", denial)
    need(denial["fragment"] is None or isinstance(denial["fragment"], dict), "denial fragment", denial)
    need(isinstance(denial["count"], int) and denial["count"] > 0, "denial count", denial)
    need(isinstance(denial["first_ms"], MAYBE_NUMBER), "denial first_ms", denial)
    need(denial.get("asked", True) is True, "denial asked", denial)
    process = denial["process"]
    need(process is None or isinstance(process["name"], str), "denial process", denial)


def check_changes(changes):
    """What the session holds; null where there is none."""
    if changes is None:
        return
    for key in ("added", "modified", "deleted", "renamed", "mode", "symlink", "type", "scratch", "held", "bytes"):
        need(isinstance(changes.get(key), int) and changes[key] >= 0, f"changes.{key}", changes)
    for key in ("truncated", "complete"):
        need(isinstance(changes.get(key), bool), f"changes.{key}", changes)
    named = f"toolcell://changes/{changes['session']}" if changes["session"] is not None else None  # in memory
    need(changes["resource"] == named, "changes.resource", changes)
    for one in changes["files"]:
        need(isinstance(one.get("path"), str) and one["path"], "a change has a path", one)
        need(one.get("kind") in ("added", "modified", "deleted", "renamed", "mode", "symlink", "type"), "and a kind", one)
        need(isinstance(one.get("verdict"), str), "and a verdict", one)


def check_enforced(enforced):
    need(enforced.get("mode") in ("root", "rootless"), "enforced.mode", enforced)
    need(isinstance(enforced.get("namespaces"), list), "enforced.namespaces", enforced)
    need(isinstance(enforced.get("seccomp"), bool), "enforced.seccomp", enforced)
    need(isinstance(enforced.get("landlock_abi"), int), "enforced.landlock_abi", enforced)
    need(isinstance(enforced.get("missing"), list), "enforced.missing", enforced)


def check_mcp_result(result):
    """Both halves of an MCP result: hosts show one or the other, so each must do alone."""
    content = result.get("content")
    need(isinstance(content, list) and content, "content", result)
    need(content[0].get("type") == "text" and content[0].get("text", "").strip(), "content[0].text", result)
    structured = result.get("structuredContent")
    need(isinstance(structured, dict), "structuredContent", result)
    check_result(structured)
    refused = structured["status"] in ("refused", "error", "stopped")
    need(result.get("isError", False) is refused, "isError is for what did not run to an end",
         [result.get("isError"), structured["status"]])


def output_of(result):
    """Both streams in the order in which they were written, where the tool keeps it."""
    data = result.get("data") or {}
    return result.get("output", data.get("output"))


def engine_processes(pid):
    """The engine and everything that it started, by parent links."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rsplit(")", 1)[1].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


def process_name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def process_command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def toolcell_cgroups():
    """Paths of cgroups that the engine made, in every hierarchy that is mounted."""
    found = set()
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind = line.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            for base, dirs, _ in os.walk(where):
                found.update(os.path.join(base, d) for d in dirs if d.startswith("toolcell"))
    return found


def toolcell_mounts():
    return {line for line in Path("/proc/self/mounts").read_text().splitlines() if "toolcell" in line}


def toolcell_temporaries():
    found = set()
    for folder in ("/tmp", "/dev/shm", "/run", "/var/tmp"):
        try:
            found.update(os.path.join(folder, n) for n in os.listdir(folder)
                         if n.startswith("toolcell") and not n.startswith("toolcell-user."))
        except OSError:
            pass
    return found


def sleepers(engine):
    """Processes of the engine's calls that run sleep(1)."""
    return [p for p in engine_processes(engine.pid) if process_name(p) == "sleep"]


def eventually(check, seconds=1.0, step=0.02):
    end = time.monotonic() + seconds
    while True:
        if check():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(step)


class CellTest(unittest.TestCase):
    """A workspace for each test; an engine on demand, closed behind it."""

    needs_cells = True
    needs_toolchain = False
    direct = False  # engines and policies write into the workspace itself, not into a session
    files = {}

    def setUp(self):
        if not os.access(TOOLCELL, os.X_OK):
            self.fail(f"{TOOLCELL} is not there: build first")
        if self.needs_cells and not ROOT and not user_namespaces_work():
            self.skipTest("this kernel gives an ordinary account no user namespaces")
        if self.needs_toolchain and not toolchain_works():
            self.skipTest("no Rust toolchain that this account can run")
        self.sessions = Path(tempfile.mkdtemp(prefix="sessions-"))
        self.addCleanup(self.remove_sessions)
        os.environ["TOOLCELL_SESSIONS"] = str(self.sessions)
        self.audit = Path(tempfile.mkdtemp(prefix="audit-"))
        self.addCleanup(shutil.rmtree, self.audit, ignore_errors=True)
        os.environ["TOOLCELL_AUDIT"] = str(self.audit)
        self.workspace = Path(tempfile.mkdtemp(prefix="ws-"))
        self.addCleanup(shutil.rmtree, self.workspace, ignore_errors=True)
        for name, text in self.files.items():
            self.write(name, text)

    def remove_sessions(self):
        """Overlayfs leaves a closed folder in its work folder, which an ordinary account must open first."""
        subprocess.run(["chmod", "-R", "u+rwX", str(self.sessions)], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.sessions, ignore_errors=True)

    def write(self, name, text):
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def engine(self, initialize=True, workspace=None, **options):
        if self.direct and "policy" not in options:
            options["policy"] = self.policy()
        engine = Engine(workspace or self.workspace, **options)
        self.addCleanup(engine.close)
        if initialize:
            engine.initialize()
        return engine

    def policy(self, **sections):
        """A policy file of the operator's that narrows the shipped one."""
        folder = Path(tempfile.mkdtemp(prefix="policy-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        path = folder / "test-policy.json"
        if self.direct:
            sections["workspace"] = {"mode": "direct", **sections.get("workspace", {})}
        path.write_text(json.dumps({"name": "test-policy", "extends": AGENT, **sections}))
        return path

    def run_toolcell(self, *args, seconds=WAIT_S, **options):
        return subprocess.run([TOOLCELL, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=options.pop("stdin", subprocess.DEVNULL), text=True, errors="replace",
                              timeout=seconds, check=False, **options)

    def assertOk(self, result):
        self.assertEqual(result["status"], "ok", json.dumps(result)[:3000])

    def assertEnded(self, result, status, cause):
        self.assertEqual((result["status"], result["ended"]["cause"]), (status, cause),
                         json.dumps(result)[:3000])


class TapResult(unittest.TestResult):
    """One TAP line for each case, at once."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.bad = 0

    def _say(self, test, good, note="", detail=""):
        self.number += 1
        self.bad += 0 if good else 1
        name = f"{type(test).__name__}::{getattr(test, '_testMethodName', str(test))}".replace("::test_", "::")
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}{note}")
        for line in detail.splitlines():
            print(f"  | {line}")
        sys.stdout.flush()

    def addSuccess(self, test):
        self._say(test, True)

    def addSkip(self, test, reason):
        self._say(test, True, f" # SKIP {reason}")

    def addFailure(self, test, err):
        self._say(test, False, detail=self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self._say(test, False, detail=self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._say(test, False, f" ({subtest.params})", self._exc_info_to_string(err, test))


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def main():
    """Runs the cases of the calling file; TOOLCELL_TEST_CASE or an argument picks some by name."""
    wanted = os.environ.get("TOOLCELL_TEST_CASE") or (sys.argv[1] if len(sys.argv) > 1 else "")
    cases = [c for c in flatten(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))
             if wanted in c.id()]
    print("TAP version 13")
    result = TapResult()
    for case in cases:
        before = result.number
        case.run(result)
        if result.number == before:  # every failure was in a subtest or in clean-up
            result.addSuccess(case)
    print(f"1..{result.number}")
    sys.exit(1 if result.bad else 0)
