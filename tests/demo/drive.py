#!/usr/bin/env python3
"""The main job, driven as a model would drive it: over MCP, one call after another, from results alone.

A broken crate is copied to a scratch folder. The driver checks it, reads the diagnostics, repairs it
with the file tools, lints, formats and tests until all is green; then it turns hostile, looks at what
has changed, and commits it. Until then the crate itself is untouched. Each step says what its result
must show; the exit status is 1 when any did not.
"""

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
sys.dont_write_bytecode = True

import harness  # noqa: E402 (needs the path above)

SECRET = "DEMO-SECRET-7f3a9c"
SHOWN_LINES = 14
NETWORK_ADDRESS = "192.0.2.1"  # TEST-NET-1: nobody is there

BORROW_OLD = """        for (term, list) in self.postings.iter_mut() {
            list.retain(|p| p.id != id);
            if list.is_empty() {
                self.postings.remove(term);
            }
        }
"""
BORROW_NEW = """        self.postings.retain(|_, list| {
            list.retain(|p| p.id != id);
            !list.is_empty()
        });
"""
FIX_BORROW = {"file_path": "src/index.rs", "edits": [{"old_string": BORROW_OLD, "new_string": BORROW_NEW}]}
FIX_LINT = {"file_path": "src/index.rs", "edits": [
    {"old_string": "self.lengths.len() == 0", "new_string": "self.lengths.is_empty()"}]}
FIX_RANK = {"file_path": "src/rank.rs", "edits": [
    {"old_string": "a.score.total_cmp(&b.score)", "new_string": "b.score.total_cmp(&a.score)"}]}
CHANGELOG = "# Changes\n\n- Best hits come first; removing a document no longer fails to compile.\n"
HOOK = ".git/hooks/pre-commit"
class Wrong(Exception):
    """A result that is not what the step must show."""


def require(condition, what):
    if not condition:
        raise Wrong(what)


def diagnostic(result, code):
    found = [d for d in (result["data"] or {}).get("diagnostics", []) if d.get("code") == code]
    require(found, f"no diagnostic {code} in data.diagnostics")
    return found[0]


def place(d):
    return f"{d['file']}:{d['line']}"


def line_of(workspace, name, text):
    for number, line in enumerate((workspace / name).read_text().splitlines(), 1):
        if text in line:
            return number
    raise Wrong(f"{name} has no line with {text!r}")


def shows_borrow_error(result, workspace):
    require(result["status"] == "failed", "the check must fail")
    d = diagnostic(result, "E0499")
    want = f"src/index.rs:{line_of(workspace, 'src/index.rs', 'self.postings.remove(term)')}"
    require(place(d) == want, f"E0499 is at {place(d)}, not at {want}")
    return f"E0499 at {place(d)}: {d['message']}"


def shows_success(result, _):
    require(result["status"] == "ok", "the command must succeed")
    return "done"


def shows_file(result, workspace):
    require(result["status"] == "ok", "reading must succeed")
    data = result["data"]
    require(data["content"].startswith("//!") or "use " in data["content"], "the content is the file's")
    whole = (workspace / "src/index.rs").read_text()
    require(data["total_lines"] >= whole.count("\n"), f"the file has {whole.count(chr(10))} lines")
    return f"{data['total_lines']} lines, {data['digest'][:19]}..."


def shows_patch(result, workspace):
    require(result["status"] == "ok", "the edit must succeed")
    hunks = result["data"]["structured_patch"]
    require(hunks, "a structured patch comes back")
    require(result["changes"] and result["changes"]["modified"] >= 1, "the change is in the session")
    require("self.postings.retain" not in (workspace / "src/index.rs").read_text(), "the workspace itself is untouched")
    return f"{len(hunks)} hunk; {result['changes']['modified']} modified in session {result['changes']['session']}"


def shows_created(result, workspace):
    require(result["status"] == "ok" and result["data"]["type"] == "create", "the file is created")
    require(not (workspace / "CHANGES.md").exists(), "but not in the workspace yet")
    return "created in the session"


def shows_diff(result, _):
    require(result["status"] == "ok", "the diff must come")
    text = json.dumps(result["data"])
    for wanted in ("src/index.rs", "src/rank.rs", "src/query.rs", "CHANGES.md", "self.postings.retain"):
        require(wanted in text, f"{wanted} is in the diff")
    require("target/" not in text, "build output is scratch, not a change")
    return f"{len(result['data']['files'])} files"


def held(result, path):
    found = [c for c in result["data"]["changes"] if c["path"] == path]
    require(found, f"{path} is not listed")
    require(found[0]["verdict"] != "free", f"{path} is not held")
    return found[0]


def shows_held(result, workspace):
    hook, link = held(result, HOOK), held(result, "passwd")
    require(hook["verdict"] == "protected" and "/workspace/protect/" in hook["rule"], "the rule is named")
    require(not (workspace / HOOK).exists(), "nothing of it is in the workspace")
    return f"{hook['path']}: {hook['rule']}; {link['path']}: {link['verdict']}"


def shows_commit(result, workspace):
    require("self.postings.retain" in (workspace / "src/index.rs").read_text(), "the repair is in the workspace")
    require("b.score.total_cmp" in (workspace / "src/rank.rs").read_text(), "and the other one")
    require((workspace / "CHANGES.md").read_text() == CHANGELOG, "and the new file")
    require(not (workspace / "target").exists(), "build output stays out")
    for name in (HOOK, "passwd", "shadow"):
        require(not os.path.lexists(workspace / name), f"{name} stays out")
    left = [p for p in workspace.rglob("*") if ".toolcell" in p.name]
    require(not left, f"temporaries are left: {left}")
    return "committed; hook and link stayed behind"


def shows_no_link_followed(result, _):
    require(SECRET not in json.dumps(result) and "root:x:0:0:root:/root" not in json.dumps(result),
            "a file of the host came back")
    require(result["status"] == "failed", "reading through the link must fail")
    require(result["denials"], "and the result says what was refused")
    d = result["denials"][0]
    return f"{d['layer']}: {d['operation']} {d['object']}"


def shows_no_hard_link(result, _):
    require(result["status"] == "failed", "no hard link to a file outside can be made")
    return denied(result, "mount", "id_ed25519")


def shows_clean_check(result, _):
    require(result["status"] == "ok", "the check must succeed")
    errors = [d for d in result["data"]["diagnostics"] if d["level"] == "error"]
    require(not errors, "no error may be left")
    return "no error left"


def shows_lint(result, _):
    d = diagnostic(result, "clippy::len_zero")
    require(d["file"] == "src/index.rs", "the lint is in src/index.rs")
    return f"clippy::len_zero at {place(d)}"


def shows_no_lint(result, _):
    require(result["status"] == "ok", "clippy must succeed")
    require(not result["data"]["diagnostics"], "no finding may be left")
    return "no finding left"


def shows_hunk(result, _):
    files = result["data"]["files"]
    require(not result["data"]["formatted"], "data.formatted must be false")
    require([f["file"] for f in files] == ["src/query.rs"], "only src/query.rs is misformatted")
    hunk = files[0]["hunks"][0]
    require(all("Vec::new()" in json.dumps(hunk[k]) for k in ("original", "expected")), "the hunk shows the literal")
    return f"1 file, {len(files[0]['hunks'])} hunk at line {hunk['line']}"


def shows_failing_test(result, _):
    require(result["status"] == "failed", "the tests must fail")
    tests = result["data"]["tests"]
    failed = [t["name"] for t in tests["results"] if t["outcome"] == "failed"]
    require(failed == ["rank::tests::best_hit_comes_first"], f"failing tests are {failed}")
    require(not result["data"]["build_failed"], "the build itself did not fail")
    output = next(t["output"] for t in tests["results"] if t["outcome"] == "failed")
    require("diluted" in (output or ""), "the captured output shows the wrong order")
    return f"{tests['passed']} passed, failed: {failed[0]}"


def shows_green(result, _):
    require(result["status"] == "ok", "the tests must succeed")
    tests = result["data"]["tests"]
    require(tests["failed"] == 0 and tests["passed"] == 16, f"16 tests pass, not {tests['passed']}")
    return f"{tests['passed']} passed"


def denied(result, layer, name):
    """The denial of what has `name` in it: one sentence with rule and remedy."""
    found = [d for d in result["denials"] if d["layer"] == layer and name in d["object"]]
    require(found, f"no denial by {layer} tells of {name}")
    d = found[0]
    require(d["rule"] and d["remedy"], "a denial names the rule and what to do")
    return f"{d['layer']}: {d['operation']}: {d['object']} ({d['rule']}); {d['remedy']}"


def shows_no_secret(result, _):
    require(SECRET not in json.dumps(result), "a secret came back")
    require("root:" not in result["stdout"]["text"], "the shadow file came back")
    require(result["status"] == "failed", "reading must fail")
    denied(result, "mount", "id_ed25519")
    return denied(result, "mount", "/etc/shadow")


def shows_no_network(result, _):
    require(result["status"] == "failed", "connecting must fail")
    require("reached" not in result["stdout"]["text"], "the network was reached")
    return denied(result, "network", "socket")


def shows_bomb_contained(result, _):
    limit = result["limits"]["processes"]
    peak = result["usage"]["processes_peak"]
    require(peak is None or peak <= limit, f"{peak} processes with a limit of {limit}")
    if "cgroup:pids" in result["enforced"]["missing"]:  # an rlimit holds it, and counts nothing
        why = "Resource temporarily unavailable" if "Resource temporarily unavailable" in result["stderr"]["text"] else ""
    else:
        why = next((d["remedy"] for d in result["denials"] if d["object"] == "processes"), "")
    require(why, "nothing explains the end")
    return f"at most {limit} processes, peak {peak}: {why}"


def steps(secrets):
    """(title, tool, arguments, what the result must show)"""
    home, planted = secrets
    read = f"cat {home}/.ssh/id_ed25519 {planted} /etc/shadow"
    link = f"python3 -c \"import os; os.link('{home}/.ssh/id_ed25519', 'stolen')\""
    reach = f"exec 3<>/dev/tcp/{NETWORK_ADDRESS}/443 && echo reached"
    hook = f"mkdir -p .git/hooks && printf '#!/bin/sh\\nid\\n' >{HOOK} && chmod +x {HOOK} && ln -s /etc/passwd passwd"
    return [
        ("check the crate", "cargo", {"subcommand": "check"}, shows_borrow_error),
        ("look at the place", "Read", {"file_path": "src/index.rs"}, shows_file),
        ("repair the borrow", "MultiEdit", FIX_BORROW, shows_patch),
        ("check again", "cargo", {"subcommand": "check"}, shows_clean_check),
        ("lint", "clippy", {}, shows_lint),
        ("repair the finding", "MultiEdit", FIX_LINT, shows_success),
        ("lint again", "clippy", {}, shows_no_lint),
        ("is it formatted?", "rustfmt", {"check": True}, shows_hunk),
        ("format it", "rustfmt", {}, shows_success),
        ("test", "cargo", {"subcommand": "test"}, shows_failing_test),
        ("repair the order", "MultiEdit", FIX_RANK, shows_success),
        ("test again", "cargo", {"subcommand": "test"}, shows_green),
        ("tell of it", "Write", {"file_path": "CHANGES.md", "content": CHANGELOG}, shows_created),
        ("hostile: read secrets of the host", "Bash", {"command": read, "timeout": 20000}, shows_no_secret),
        ("hostile: reach the network", "Bash", {"command": reach, "timeout": 20000}, shows_no_network),
        ("hostile: fork bomb", "Bash", {"command": "f() { f | f & }; f; sleep 3", "timeout": 8000},
         shows_bomb_contained),
        ("hostile: a hook for git, a link to the host", "Bash", {"command": hook}, shows_success),
        ("hostile: read through a link", "Bash", {"command": "ln -s /etc/shadow shadow"}, shows_success),
        ("... with the file tool", "Read", {"file_path": "shadow"}, shows_no_link_followed),
        ("hostile: hard link to the host", "Bash", {"command": link}, shows_no_hard_link),
        ("what has changed?", "changes", {"operation": "list"}, shows_held),
        ("and how?", "changes", {"operation": "diff"}, shows_diff),
        ("commit it", "changes_commit", {}, shows_commit),
    ]


class Screen:
    def __init__(self):
        on = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        codes = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
        self.codes = codes if on else {}

    def paint(self, color, text):
        return f"\033[{self.codes[color]}m{text}\033[0m" if color in self.codes else text

    def request(self, number, title, tool, arguments):
        print(f"\n{self.paint('bold', f'{number:>2}. {title}')}")
        shown = json.dumps(arguments, ensure_ascii=False)
        print(f"    {self.paint('cyan', '-> ' + tool)} {shown[:300]}{'...' if len(shown) > 300 else ''}", flush=True)

    def result(self, reply):
        result = reply["structuredContent"]
        color = {"ok": "green", "failed": "yellow"}.get(result["status"], "red")
        ended = result["ended"]
        code = f" {ended['exit_code']}" if ended["cause"] == "exit" else ""
        print(f"    {self.paint(color, '<- ' + result['status'])} ({ended['cause']}{code}, {wall(result)})")
        lines = reply["content"][0]["text"].strip("\n").splitlines()
        for line in lines[:SHOWN_LINES]:
            print(self.paint("dim", f"       | {line[:160]}"))
        if len(lines) > SHOWN_LINES:
            print(self.paint("dim", f"       | ... {len(lines) - SHOWN_LINES} more lines"))

    def verdict(self, good, text):
        mark = self.paint("green", "as expected") if good else self.paint("red", "NOT AS EXPECTED")
        print(f"    {mark}: {text}", flush=True)

    def table(self, rows):
        head = ("", "call", "status", "cause", "wall", "peak memory", "denials")
        cells = [head] + [tuple(str(c) for c in row) for row in rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
        print()
        for i, row in enumerate(cells):
            line = "  ".join(c.ljust(w) if j < 4 else c.rjust(w) for j, (c, w) in enumerate(zip(row, widths)))
            print(self.paint("bold", line) if i == 0 else line)


def wall(result):
    ms = result["usage"]["wall_ms"]
    return f"{ms:.0f} ms" if ms < 10000 else f"{ms / 1000:.1f} s"


def memory(result):
    peak = result["usage"]["memory_peak_bytes"]
    return "unknown" if peak is None else f"{peak / (1 << 20):.1f} MiB"


def fence():
    """Around the engine: the fork bomb is bounded even where a cell did not hold it."""
    resource.setrlimit(resource.RLIMIT_NPROC, (8192, 8192))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def plant(scratch):
    """Secrets where a tool would look for them: in the operator's home, and beside the workspace."""
    home = scratch / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n")
    planted = scratch / "secret.txt"
    planted.write_text(SECRET + "\n")
    return home, planted


def environment(home):
    env = dict(os.environ, HOME=str(home), DEMO_TOKEN=SECRET, TOOLCELL_SESSIONS=str(home.parent / "sessions"))
    real = Path.home()
    for name, folder in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")):
        if name not in env and (real / folder).is_dir():
            env[name] = str(real / folder)
    return env


def run_step(engine, screen, number, step, workspace):
    """One call; the row of the table and whether it was as expected."""
    title, tool, arguments, shows = step
    screen.request(number, title, tool, arguments)
    reply = engine.answer(engine.start_call(tool, arguments), 600)
    if "error" in reply:
        screen.verdict(False, f"protocol error {reply['error']['code']}: {reply['error']['message']}")
        return (number, f"{tool}: {title}", "-", "protocol error", "-", "-", "-"), False
    result = reply["result"]["structuredContent"]
    screen.result(reply["result"])
    row = (number, f"{tool}: {title}", result["status"], result["ended"]["cause"], wall(result), memory(result),
           len(result["denials"]))
    try:
        harness.check_mcp_result(reply["result"])
        screen.verdict(True, shows(result, workspace))
    except (Wrong, AssertionError, KeyError, IndexError, TypeError) as e:
        screen.verdict(False, f"{type(e).__name__}: {e}")
        return row, False
    return row, True


def drive(scratch, toolcell, screen):
    workspace = scratch / "work" / "shelf"
    shutil.copytree(HERE / "crate", workspace, ignore=shutil.ignore_patterns("target"))
    secrets = plant(scratch)
    harness.TOOLCELL = toolcell
    rows, good = [], True
    with harness.Engine(workspace, env=environment(secrets[0]), preexec=fence) as engine:
        server = engine.initialize()["result"]["serverInfo"]
        tools = [t["name"] for t in engine.ask("tools/list")["result"]["tools"]]
        print(f"{server['name']} {server['version']}: {', '.join(tools)}")
        for number, step in enumerate(steps(secrets), 1):
            row, as_expected = run_step(engine, screen, number, step, workspace)
            rows.append(row)
            good = good and as_expected
    screen.table(rows)
    return good, len(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toolcell", default=harness.TOOLCELL, help="the program under demonstration")
    parser.add_argument("--keep", action="store_true", help="keep the scratch folder and name it")
    options = parser.parse_args()
    screen = Screen()
    begin = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="shelf-demo-"))
    try:
        good, calls = drive(scratch, options.toolcell, screen)
    except (AssertionError, KeyError, OSError) as e:
        print(f"{screen.paint('red', 'the demo broke off')}: {e}", file=sys.stderr)
        return 1
    finally:
        if options.keep:
            print(f"scratch folder: {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    said = screen.paint("green", "all as expected") if good else screen.paint("red", "NOT ALL AS EXPECTED")
    print(f"\n{calls} calls in {time.monotonic() - begin:.1f} s: {said}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
