#!/usr/bin/env python3
"""Holds Read, Write and Edit against the same tools of Claude Code, as `claude mcp serve` offers them.

    TOOLCELL=build/toolcell tests/differential/files.py [--show] [CASE...]

Each case is the same files and the same calls in two copies of a folder; files, success and the decisive
parts of the answers must be equal afterwards. A row with a reason is a difference that we want: it must
be there, or the row is out of date. Not in CI: it needs npm and, at the first run, its registry (CLAUDE
names a `claude` that is there already). Exit: 0; 1 something differs; 77 cannot be run here.
"""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
TOOLCELL = os.environ.get("TOOLCELL", str(TOP / "build" / "toolcell"))
PACKAGE = "@anthropic-ai/claude-code@2.1.330"
WAIT_S = 60
SKIP = 77
AGENT = "---\nname: editor\ndescription: Edits.\ntools: Read, Write, Edit\npolicy: rust-engineer\n---\nYou edit.\n"
POLICY = {"name": "editor", "extends": "rust-engineer", "workspace": {"mode": "direct"}}

LINES = "".join(f"l{i}\n" for i in range(1, 11))
# What an error is about, in the words of either.
ERRORS = (
    ("not_found_in_file", r"String to replace not found"),
    ("found_n", r"Found \d+ matches"),
    ("identical", r"exactly the same"),
    ("exists", r"already exists|but the file exists"),
    ("not_a_folder", r"ENOTDIR|not a (directory|folder)"),
    ("is_directory", r"EISDIR|is a (directory|folder)"),
    ("binary", r"binary|and not text"),
    ("not_found", r"does not exist|ENOENT|no such file"),
    ("denied", r"EACCES|permission"),
    ("special", r"FIFO|device|block or produce infinite"),
    ("arguments", r"invalid|required argument|expected"),
)


def png():
    """One black dot."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b""))


def read(**more):
    return ("Read", {"file_path": "f", **more})


def edit(old, new, path="f", **more):
    return ("Edit", {"file_path": path, "old_string": old, "new_string": new, **more})


def write(content, path="f"):
    return ("Write", {"file_path": path, "content": content})


# (name, files before, calls, None or why we differ)
CASES = [
    ("read", {"f": "a\nb\n"}, [read()], None),
    ("read_no_final_newline", {"f": "a\nb"}, [read()], None),
    ("read_one_line", {"f": "a"}, [read()], None),
    ("read_newline_only", {"f": "\n"}, [read()], None),
    ("read_empty", {"f": ""}, [read()],
     "an empty file has no line; Claude Code counts one"),
    ("read_offset", {"f": LINES}, [read(offset=4)], None),
    ("read_limit", {"f": LINES}, [read(limit=3)], None),
    ("read_offset_limit", {"f": LINES}, [read(offset=4, limit=2)], None),
    ("read_offset_zero", {"f": LINES}, [read(offset=0, limit=2)],
     "start_line is the number of the line that is shown, 1; Claude Code repeats the 0"),
    ("read_offset_one", {"f": LINES}, [read(offset=1, limit=2)], None),
    ("read_last_line", {"f": LINES}, [read(offset=10)], None),
    ("read_empty_last_line", {"f": LINES}, [read(offset=11)], None),
    ("read_beyond_the_end", {"f": "a\n"}, [read(offset=7)], None),
    ("read_limit_beyond_the_end", {"f": LINES}, [read(offset=9, limit=100)], None),
    ("read_limit_zero", {"f": LINES}, [read(limit=0)],
     "the schema asks for at least 1; Claude Code reads everything"),
    ("read_offset_negative", {"f": LINES}, [read(offset=-1)],
     "the schema asks for at least 0; Claude Code reads everything"),
    ("read_crlf", {"f": "a\r\nb\r\n"}, [read()], None),
    ("read_mixed_ends", {"f": "a\r\nb\nc\r\n"}, [read()], None),
    ("read_lone_cr", {"f": "a\rb\n"}, [read()], None),
    ("read_bom", {"f": b"\xef\xbb\xbfa\n"}, [read()], None),
    ("read_utf8", {"f": "é\n"}, [read()], None),
    ("read_utf16", {"f": "é\n".encode("utf-16")}, [read()], None),
    ("read_invalid_utf8", {"f": b"caf\xe9\n"}, [read()], None),
    ("read_nul", {"f": b"a\0b\n"}, [read()],
     "a file with NUL bytes is binary and said to be; Claude Code shows NUL bytes as text"),
    ("read_binary_name", {"f.zip": b"PK\3\4\0\0"}, [("Read", {"file_path": "f.zip"})], None),
    ("read_image", {"f.png": png()}, [("Read", {"file_path": "f.png"})],
     "a picture is named and not shown: cells answer with text"),
    ("read_missing", {}, [read()], None),
    ("read_folder", {"f/g": "a"}, [read()], None),
    ("read_below_a_file", {"f": "a"}, [("Read", {"file_path": "f/g"})], None),
    ("read_device", {}, [("Read", {"file_path": "/dev/zero"})], None),
    ("read_long_line", {"f": "x" * 3000 + "\n"}, [read()],
     "lines are cut at 2000 characters, with a note of what is left out"),
    ("edit", {"f": "one two\n"}, [edit("two", "2")], None),
    ("edit_lines", {"f": LINES}, [edit("l4\nl5\n", "four\n")], None),
    ("edit_to_nothing", {"f": "a\nb\nc\n"}, [edit("b\n", "")], None),
    ("edit_line_to_nothing", {"f": "a\nb\nc\n"}, [edit("b", "")],
     "exactly old_string goes; Claude Code takes the line end behind it, too"),
    ("edit_tail_to_nothing", {"f": "a b\nc\n"}, [edit(" b", "")],
     "exactly old_string goes; Claude Code takes the line end behind it, too"),
    ("edit_all_to_nothing", {"f": "a\n"}, [edit("a\n", "")], None),
    ("edit_not_found", {"f": "one\n"}, [edit("two", "2")], None),
    ("edit_white_space", {"f": "if a:\n\tb\n"}, [edit("if a:\n    b", "c")], None),
    ("edit_twice", {"f": "x\nx\n"}, [edit("x", "y")], None),
    ("edit_overlapping", {"f": "aaa\n"}, [edit("aa", "b")], None),
    ("edit_replace_all", {"f": "x\nx\n"}, [edit("x", "y", replace_all=True)], None),
    ("edit_replace_all_of_one", {"f": "x\n"}, [edit("x", "y", replace_all=True)], None),
    ("edit_replace_all_overlapping", {"f": "aaa\n"}, [edit("aa", "b", replace_all=True)], None),
    ("edit_replace_all_contains_itself", {"f": "a a\n"}, [edit("a", "aa", replace_all=True)], None),
    ("edit_identical", {"f": "x"}, [edit("x", "x")], None),
    ("edit_dollar", {"f": "x\n"}, [edit("x", "$& $1 $$ \\n")], None),
    ("edit_crlf", {"f": "a\r\nb\r\n"}, [edit("a\nb", "c\nd")], None),
    ("edit_crlf_by_crlf", {"f": "a\r\nb\r\n"}, [edit("a\r\nb", "c\r\nd")],
     "old_string may have the line ends of the file; Claude Code does not find it then"),
    ("edit_mixed_ends", {"f": "a\r\nb\nc\r\n"}, [edit("b", "x")],
     "line ends of other lines stay; Claude Code rewrites all of them"),
    ("edit_lone_cr", {"f": "a\rb\nc\n"}, [edit("c", "x")], None),
    ("edit_bom", {"f": b"\xef\xbb\xbfa\n"}, [edit("a", "b")], None),
    ("edit_utf16", {"f": "é\n".encode("utf-16")}, [edit("é", "e")], None),
    ("edit_invalid_utf8", {"f": b"caf\xe9\nx\n"}, [edit("x", "y")],
     "other bytes survive an edit; Claude Code refuses such files"),
    ("edit_no_final_newline", {"f": "a\nb"}, [edit("b", "c")], None),
    ("edit_curly_quotes", {"f": "say “hi”\n"}, [edit('say "hi"', "x")],
     "old_string is matched as it is; Claude Code takes straight quotes for curly ones"),
    ("edit_trailing_blanks_kept", {"f": "a\n"}, [edit("a", "b  ")], None),
    ("edit_missing", {}, [edit("a", "b")], None),
    ("edit_folder", {"f/g": "a"}, [edit("a", "b")], None),
    ("edit_creates", {}, [edit("", "x\n")], None),
    ("edit_creates_with_parents", {}, [edit("", "x\n", path="d/e/f")], None),
    ("edit_empty_old_on_text", {"f": "a\n"}, [edit("", "x\n")], None),
    ("edit_empty_old_on_empty", {"f": ""}, [edit("", "x\n")], None),
    ("edit_through_a_link", {"f": "a\n", "link": Path("f")}, [edit("a", "b", path="link")],
     "links within the workspace are followed and stay; Claude Code refuses"),
    ("edit_then_edit", {"f": "a\n"}, [edit("a", "b"), edit("b", "c")], None),
    ("write_creates", {}, [write("x\n")], None),
    ("write_creates_with_parents", {}, [write("x\n", path="a/b/c")], None),
    ("write_updates", {"f": "a\nb\n"}, [write("a\nc\n")], None),
    ("write_same", {"f": "a\n"}, [write("a\n")], None),
    ("write_empty", {"f": "a\n"}, [write("")], None),
    ("write_over_crlf", {"f": "a\r\nb\r\n"}, [write("a\nc\n")],
     "the patch shows that line ends change; Claude Code does not look at them"),
    ("write_crlf", {}, [write("a\r\n")], None),
    ("write_over_bom", {"f": b"\xef\xbb\xbfa\n"}, [write("b\n")], None),
    ("write_over_utf16", {"f": "é\n".encode("utf-16")}, [write("e\n")], None),
    ("write_over_binary", {"f": b"a\0b"}, [write("e\n")],
     "Write replaces what is there, and says that it was binary; Claude Code refuses"),
    ("write_folder", {"f/g": "a"}, [write("x")], None),
    ("write_below_a_file", {"f": "a"}, [write("x", path="f/g")], None),
    ("write_through_a_link", {"f": "a\n", "link": Path("f")}, [write("b\n", path="link")],
     "links within the workspace are followed and stay; Claude Code refuses"),
    ("write_keeps_mode", {"f": ("#!/bin/sh\n", 0o755)}, [write("#!/bin/sh\n:\n")], None),
    ("edit_keeps_mode", {"f": ("#!/bin/sh\n", 0o755)}, [edit("sh", "bash")], None),
]


class Server:
    """A program that speaks MCP on its standard streams."""

    def __init__(self, argv, folder, env=None):
        self.folder = folder
        self.errors = tempfile.TemporaryFile()
        self.child = subprocess.Popen(argv, cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.errors)
        self.n = 0
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {},
                                "clientInfo": {"name": "differential", "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, message):
        self.child.stdin.write(json.dumps(message).encode() + b"\n")
        self.child.stdin.flush()

    def ask(self, method, params):
        self.n += 1
        self.send({"jsonrpc": "2.0", "id": self.n, "method": method, "params": params})
        alarm = threading.Timer(WAIT_S, self.child.kill)
        alarm.start()
        try:
            for line in self.child.stdout:
                message = json.loads(line)
                if message.get("id") == self.n and "method" not in message:
                    return message
        finally:
            alarm.cancel()
        self.errors.seek(0)
        raise EOFError(f"{method}: no answer from {self.child.args[0]}: {self.errors.read()[-500:]!r}")

    def call(self, tool, arguments):
        return self.ask("tools/call", {"name": tool, "arguments": arguments})

    def close(self):
        self.child.stdin.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()
        self.errors.close()


def error_kind(text):
    return next((kind for kind, pattern in ERRORS if re.search(pattern, text, re.I)), f"other: {text[:200]}")


# What differs in every answer and is not held against either: Claude Code takes carriage returns and the
# line end before a cut away, numbers an empty side of a patch 1 and not 0 as diff(1), leaves the patch of a
# created file out and shows byte order marks in it.
def plain_content(content, cut):
    content = content.replace("\r\n", "\n")
    return content.removesuffix("\n") if cut else content


def plain_patch(patch):
    if len(patch) == 1 and patch[0]["oldLines"] == 0:
        return "all new"
    for hunk in patch:
        hunk["newStart"] = hunk["newStart"] if hunk["newLines"] else 0
        hunk["lines"] = [line.replace("\r", "").replace("\ufeff", "") for line in hunk["lines"]]
    return patch or "all new"


def of_claude(reply):
    """(success, decisive parts, all)"""
    if "error" in reply:
        return False, {"error": error_kind(reply["error"]["message"])}, reply["error"]["message"]
    result = reply["result"]
    text = "".join(block.get("text", "") for block in result["content"])
    if result.get("isError"):
        return False, {"error": error_kind(text)}, text
    data = json.loads(text)
    file = data.get("file")
    if file and data["type"] != "text":
        return True, {"type": data["type"]}, text[:300]
    if file:
        cut = file["startLine"] + file["numLines"] <= file["totalLines"]
        return True, {"content": plain_content(file["content"], cut), "start": file["startLine"], "lines": file["numLines"],
                      "total": file["totalLines"]}, text
    return True, {"patch": plain_patch(data["structuredPatch"])}, text


def of_toolcell(reply):
    if "error" in reply:
        return False, {"error": error_kind(reply["error"]["message"])}, reply["error"]["message"]
    result = reply["result"]["structuredContent"]
    data = result["data"] or {}
    text = "".join(block.get("text", "") for block in reply["result"]["content"])
    if result["status"] != "ok":
        return False, {"error": error_kind(text)}, text
    if "content" in data:
        cut = data["start_line"] + data["num_lines"] <= data["total_lines"]
        return True, {"content": plain_content(data["content"], cut), "start": data["start_line"], "lines": data["num_lines"],
                      "total": data["total_lines"]}, json.dumps(data)
    return True, {"patch": plain_patch(data["structured_patch"])}, json.dumps(data)


def make(folder, files):
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content, mode = content if isinstance(content, tuple) else (content, None)
        if isinstance(content, Path):
            path.symlink_to(content)
            continue
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if mode:
            path.chmod(mode)


def seen(folder):
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_file():
            found[name] = (repr(path.read_bytes()), oct(path.stat().st_mode & 0o777))
    return found


def run_case(server, take, number, files, calls):
    folder = server.folder / f"case{number}"
    make(folder, files)
    outcome = {"calls": []}
    shown = []
    for tool, arguments in calls:
        arguments = {**arguments, "file_path": os.path.join(folder, arguments["file_path"])}
        ok, parts, whole = take(server.call(tool, arguments))
        outcome["calls"].append({"ok": ok, **parts})
        shown.append(whole)
    outcome["files"] = seen(folder)
    return outcome, shown


def find_claude():
    if os.environ.get("CLAUDE"):
        return os.environ["CLAUDE"]
    place = Path(tempfile.gettempdir()) / f"toolcell-differential-{os.geteuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.geteuid():
        return None
    claude = place / "node_modules/.bin/claude"
    if not claude.exists():
        (place / "package.json").write_text('{"private": true}')
        try:
            done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", PACKAGE],
                                  cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        except FileNotFoundError:
            return None
        if done.returncode != 0:
            print(f"# npm: {done.stderr.decode('utf-8', 'replace')[-300:]}")
    return str(claude) if claude.exists() else None


def start_both(place, claude):
    for name in ("claude", "toolcell", "home"):
        (place / name).mkdir()
    (place / "agent.md").write_text(AGENT)
    (place / "policy.json").write_text(json.dumps(POLICY))
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1"}
    theirs = Server([claude, "mcp", "serve"], place / "claude",
                    {"PATH": os.environ["PATH"], "HOME": str(place / "home"), "LANG": "C.UTF-8", **quiet})
    ours = Server([TOOLCELL, "serve", "--workspace", str(place / "toolcell"), "--agent", str(place / "agent.md"),
                   "--policy", str(place / "policy.json")], place / "toolcell")
    return theirs, ours


def main():
    show = "--show" in sys.argv
    wanted = [name for name in sys.argv[1:] if name != "--show"]
    claude = find_claude()
    if not claude:
        print(f"SKIP: no `claude` here, and npm could not install {PACKAGE}")
        return SKIP
    bad, reasons, n = 0, [], 0
    with tempfile.TemporaryDirectory(prefix="differential-") as name:
        os.chmod(name, 0o755)
        theirs, ours = start_both(Path(os.path.realpath(name)), claude)
        for number, (case, files, calls, reason) in enumerate(CASES):
            if wanted and case not in wanted:
                continue
            n += 1
            his, his_text = run_case(theirs, of_claude, number, files, calls)
            mine, my_text = run_case(ours, of_toolcell, number, files, calls)
            wrong = (his == mine) == bool(reason)
            bad += wrong
            if reason and not wrong:
                reasons.append(f"{case}: {reason}")
            print(f"{'DIFFERS' if wrong and not reason else 'STALE' if wrong else 'ok'} {case}")
            if wrong or show:
                print(f"  claude   {json.dumps(his)}\n           {his_text}\n"
                      f"  toolcell {json.dumps(mine)}\n           {my_text}")
        theirs.close()
        ours.close()
    print("Differences that are meant:")
    for reason in reasons:
        print(f"  {reason}")
    print(f"{n} cases, {n - bad - len(reasons)} the same, {len(reasons)} meant to differ, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
