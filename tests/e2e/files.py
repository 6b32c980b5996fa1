#!/usr/bin/env python3
"""The file tools, through the real engine: what recorded hosts expect of Read, Write, Edit and MultiEdit."""

import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from harness import CellTest, main

AGENT_TEXT = """---
name: file-editor
description: Edits files, for tests.
tools: Read, Write, Edit, MultiEdit, Bash
policy: rust-engineer
---
You edit files.
"""
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"

# (name, files before, tool, arguments, status, parts of the text, parts of data, files after)
RECORDED = [
    ("read_numbers_lines_without_padding_and_a_last_newline_gives_an_empty_line",
     {"f": "a\nb\n"}, "Read", {"file_path": "f"}, "ok", ["1\ta\n2\tb\n3\t"],
     {"type": "text", "content": "a\nb\n", "start_line": 1, "num_lines": 3, "total_lines": 3}, {}),
    ("read_without_a_last_newline",
     {"f": "a\nb"}, "Read", {"file_path": "f"}, "ok", ["1\ta\n2\tb"], {"content": "a\nb", "total_lines": 2}, {}),
    ("read_from_an_offset",
     {"f": "".join(f"l{i}\n" for i in range(1, 10))}, "Read", {"file_path": "f", "offset": 4, "limit": 2}, "ok",
     ["4\tl4\n5\tl5\n", "Go on with offset 6"],
     {"content": "l4\nl5\n", "start_line": 4, "num_lines": 2, "truncated": True, "next_offset": 6}, {}),
    ("read_of_an_empty_file_says_so",
     {"f": ""}, "Read", {"file_path": "f"}, "ok", ["exists and is empty"], {"num_lines": 0, "content": ""}, {}),
    ("read_beyond_the_end_says_how_long_the_file_is",
     {"f": "a\n"}, "Read", {"file_path": "f", "offset": 7}, "ok", ["has 2 lines", "offset 7"], {"num_lines": 0}, {}),
    ("read_of_a_folder_is_eisdir",
     {"d/f": "a"}, "Read", {"file_path": "d"}, "failed", ["EISDIR", "Glob"], {"error": "is_directory"}, {}),
    ("read_of_binary_is_refused",
     {"f": b"a\0b"}, "Read", {"file_path": "f"}, "failed", ["binary file of 3 bytes"], {"error": "binary"}, {}),
    ("read_of_an_image_names_it",
     {"f.png": PNG}, "Read", {"file_path": "f.png"}, "failed", ["PNG image"], {"error": "image"}, {}),
    ("read_of_a_missing_name_suggests_one",
     {"src/main.rs": ""}, "Read", {"file_path": "src/mian.rs"}, "failed", ["does not exist", "Did you mean main.rs"],
     {"error": "not_found"}, {}),
    ("crlf_and_byte_order_mark_are_told",
     {"f": b"\xef\xbb\xbfa\r\nb\r\n"}, "Read", {"file_path": "f"}, "ok", ["1\ta\n2\tb\n"],
     {"encoding": "utf-8-bom", "line_ending": "crlf", "content": "a\r\nb\r\n"}, {}),
    ("utf16_is_decoded",
     {"f": "é\n".encode("utf-16")}, "Read", {"file_path": "f"}, "ok", ["1\té\n"], {"encoding": "utf-16le"}, {}),
    ("invalid_utf8_is_shown_and_said",
     {"f": b"caf\xe9\n"}, "Read", {"file_path": "f"}, "ok", ["1\tcaf\ufffd\n", "not UTF-8"],
     {"encoding": "binary-safe"}, {}),
    ("write_creates_with_parents",
     {}, "Write", {"file_path": "a/b/c.txt", "content": "x\n"}, "ok", ["Created a/b/c.txt"],
     {"type": "create", "structured_patch": [{"oldStart": 0, "oldLines": 0, "newStart": 1, "newLines": 1,
                                              "lines": ["+x"]}]}, {"a/b/c.txt": "x\n"}),
    ("write_updates",
     {"f": "a\nb\n"}, "Write", {"file_path": "f", "content": "a\nc\n"}, "ok", ["Updated f"],
     {"type": "update", "structured_patch": [{"oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2,
                                              "lines": [" a", "-b", "+c"]}]}, {"f": "a\nc\n"}),
    ("write_keeps_a_byte_order_mark",
     {"f": b"\xef\xbb\xbfa\n"}, "Write", {"file_path": "f", "content": "b\n"}, "ok", ["Updated f"],
     {"structured_patch": [{"oldStart": 1, "oldLines": 1, "newStart": 1, "newLines": 1, "lines": ["-a", "+b"]}],
      "size": 5}, {"f": b"\xef\xbb\xbfb\n"}),
    ("write_does_not_double_a_byte_order_mark",
     {"f": b"\xef\xbb\xbfa\n"}, "Write", {"file_path": "f", "content": "\ufeffb\n"}, "ok", [], {},
     {"f": b"\xef\xbb\xbfb\n"}),
    ("write_keeps_utf16",
     {"f": "é\n".encode("utf-16")}, "Write", {"file_path": "f", "content": "e\n"}, "ok", ["1 line."], {},
     {"f": "e\n".encode("utf-16")}),
    ("write_changes_line_ends_when_told_to_and_shows_it",
     {"f": b"a\r\nb\r\n"}, "Write", {"file_path": "f", "content": "a\nc\n"}, "ok", [],
     {"structured_patch": [{"oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2,
                            "lines": ["-a\r", "-b\r", "+a", "+c"]}]}, {"f": b"a\nc\n"}),
    ("edit_to_nothing_takes_what_was_named_and_no_more",
     {"f": "a b\nc\n"}, "Edit", {"file_path": "f", "old_string": " b", "new_string": ""}, "ok", [], {},
     {"f": "a\nc\n"}),
    ("edit_leaves_the_ends_of_other_lines",
     {"f": b"a\r\nb\nc\r\n"}, "Edit", {"file_path": "f", "old_string": "b", "new_string": "x"}, "ok", [], {},
     {"f": b"a\r\nx\nc\r\n"}),
    ("edit_takes_dollars_as_they_are",
     {"f": "x\n"}, "Edit", {"file_path": "f", "old_string": "x", "new_string": "$& $1 $$ \\n"}, "ok", [], {},
     {"f": "$& $1 $$ \\n\n"}),
    ("edit_counts_matches_that_do_not_overlap",
     {"f": "aaa\n"}, "Edit", {"file_path": "f", "old_string": "aa", "new_string": "b"}, "ok", [], {},
     {"f": "ba\n"}),
    ("edit_replaces_one",
     {"f": "one two\n"}, "Edit", {"file_path": "f", "old_string": "two", "new_string": "2"}, "ok",
     ["-one two\n+one 2"], {"type": "update", "replacements": 1, "diff": "--- a/f\n+++ b/f\n@@ -1 +1 @@\n"
                              "-one two\n+one 2\n"}, {"f": "one 2\n"}),
    ("edit_that_finds_nothing",
     {"f": "one\n"}, "Edit", {"file_path": "f", "old_string": "two", "new_string": "2"}, "failed",
     ["String to replace not found in file"], {"error": "not_found_in_file"}, {"f": "one\n"}),
    ("edit_that_differs_in_white_space_only_is_told",
     {"f": "if a:\n\tb\n"}, "Edit", {"file_path": "f", "old_string": "if a:\n    b", "new_string": "c"}, "failed",
     ["String to replace not found in file", "differs only in white space", '"\\tb"'], {}, {"f": "if a:\n\tb\n"}),
    ("edit_that_finds_two",
     {"f": "x\nx\n"}, "Edit", {"file_path": "f", "old_string": "x", "new_string": "y"}, "failed",
     ["Found 2 matches", "replace_all is false", "lines 1, 2"], {"matches": 2, "lines": [1, 2]}, {"f": "x\nx\n"}),
    ("edit_replaces_all",
     {"f": "x\nx\n"}, "Edit", {"file_path": "f", "old_string": "x", "new_string": "y", "replace_all": True}, "ok",
     ["2 replacements"], {"replacements": 2}, {"f": "y\ny\n"}),
    ("edit_with_the_same_strings",
     {"f": "x"}, "Edit", {"file_path": "f", "old_string": "x", "new_string": "x"}, "failed",
     ["old_string and new_string are exactly the same"], {"error": "no_change"}, {"f": "x"}),
    ("edit_keeps_crlf",
     {"f": b"a\r\nb\r\n"}, "Edit", {"file_path": "f", "old_string": "a\nb", "new_string": "c\nd"}, "ok", [], {},
     {"f": b"c\r\nd\r\n"}),
    ("edit_creates_with_an_empty_old_string",
     {}, "Edit", {"file_path": "f", "old_string": "", "new_string": "x\n"}, "ok", ["Created f"], {"type": "create"},
     {"f": "x\n"}),
    ("multiedit_applies_in_order",
     {"f": "a\n"}, "MultiEdit", {"file_path": "f", "edits": [{"old_string": "a", "new_string": "b"},
                                                             {"old_string": "b", "new_string": "c"}]}, "ok", [],
     {"edits": 2}, {"f": "c\n"}),
    ("multiedit_is_all_or_nothing",
     {"f": "a\n"}, "MultiEdit", {"file_path": "f", "edits": [{"old_string": "a", "new_string": "b"},
                                                             {"old_string": "z", "new_string": "c"}]}, "failed",
     ["Edit 2 of 2", "String to replace not found in file"], {"edit": 2}, {"f": "a\n"}),
    ("multiedit_creates_with_an_empty_first_old_string",
     {}, "MultiEdit", {"file_path": "d/f", "edits": [{"old_string": "", "new_string": "a\nb\n"},
                                                     {"old_string": "b", "new_string": "c"}]}, "ok", [],
     {"type": "create"}, {"d/f": "a\nc\n"}),
]


def text_of(reply):
    return "\n".join(block.get("text", "") for block in reply["content"])


class FilesTest(CellTest):
    """Direct, so that the workspace shows at once what a call did."""

    mode = "direct"

    def setUp(self):
        super().setUp()
        self.place = Path(tempfile.mkdtemp(prefix="files-"))
        self.addCleanup(self.remove_place)
        self.agent_file = self.place / "agent.md"
        self.agent_file.write_text(AGENT_TEXT)
        self.env = {**os.environ, "TOOLCELL_SESSIONS": str(self.place / "sessions")}
        self.served = None

    def remove_place(self):
        # The kernel's own work folder of an overlay is closed even to its owner.
        subprocess.run(["chmod", "-R", "u+rwX", str(self.place)], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.place, ignore_errors=True)

    def put(self, name, content):
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def call(self, tool, **arguments):
        """(text for the model, the result object); both halves say the same."""
        if not self.served:
            policy = self.policy(workspace={"mode": self.mode})
            self.served = self.engine(agent=str(self.agent_file), policy=policy, env=self.env)
        call_id = self.served.start_call(tool, arguments)
        result = self.served.finish_call(call_id)
        return text_of(self.served.answer(call_id)["result"]), result

    def expect_denial(self, result, **wanted):
        found = [d for d in result["denials"] if all(d.get(k) == v for k, v in wanted.items())]
        self.assertTrue(found, f"{wanted} is not among {result['denials']}")


class Recorded(FilesTest):
    def hold(self, row):
        _, before, tool, arguments, status, texts, data, after = row
        for name, content in before.items():
            self.put(name, content)
        text, result = self.call(tool, **arguments)
        self.assertEqual(result["status"], status, json.dumps(result)[:2000])
        for part in texts:
            self.assertIn(part, text)
        for key, value in data.items():
            self.assertEqual(result["data"].get(key), value, f"{key} of {result['data']}")
        if status == "failed":
            # A host that shows structuredContent only must see why, too.
            self.assertEqual(result["data"]["type"], "error")
            self.assertIn(texts[0], result["data"]["message"])
        self.assertEqual(result["denials"], [])
        for name, content in after.items():
            self.assertEqual((self.workspace / name).read_bytes(),
                             content.encode() if isinstance(content, str) else content)


def recorded_case(row):
    return lambda self: self.hold(row)


for recorded_row in RECORDED:
    setattr(Recorded, f"test_{recorded_row[0]}", recorded_case(recorded_row))


class Paths(FilesTest):
    def test_absolute_and_relative_paths_are_the_same_file(self):
        self.put("d/f", "x")
        root = os.path.realpath(self.workspace)
        for path in ("d/f", f"{root}/d/f", "./d/../d/f", f"{root}//d/./f"):
            with self.subTest(path=path):
                text, result = self.call("Read", file_path=path)
                self.assertOk(result)
                self.assertIn("1\tx", text)

    def test_what_the_cell_does_not_show_is_a_denial(self):
        for path in ("/etc/shadow", "/root/.ssh/id_rsa", "../../../../etc/shadow"):
            with self.subTest(path=path):
                text, result = self.call("Read", file_path=path)
                self.assertEqual(result["status"], "failed")
                self.assertEqual(result["data"]["error"], "denied")
                self.assertEqual(len(result["denials"]), 1)
                self.assertIn("outside of the workspace", text)

    def test_a_link_to_a_file_of_the_host_shows_nothing_of_it(self):
        (self.workspace / "link").symlink_to("/etc/shadow")
        _, result = self.call("Read", file_path="link")
        self.assertEqual(result["status"], "failed")
        self.expect_denial(result, object="/etc/shadow", operation="read")
        for tool, arguments in (("Write", {"content": "x"}), ("Edit", {"old_string": "root", "new_string": "x"})):
            with self.subTest(tool=tool):
                text, result = self.call(tool, file_path="link", **arguments)
                self.assertEqual(result["status"], "failed")
                self.expect_denial(result, object="/etc/shadow", operation="write")
                self.assertIn("a symbolic link leads out of the workspace", text)

    def test_a_link_within_the_workspace_is_followed(self):
        self.put("target", "old\n")
        (self.workspace / "link").symlink_to("target")
        _, result = self.call("Edit", file_path="link", old_string="old", new_string="new")
        self.assertOk(result)
        self.assertTrue((self.workspace / "link").is_symlink())
        self.assertEqual((self.workspace / "target").read_text(), "new\n")

    def test_special_files_do_not_hang_a_call(self):
        os.mkfifo(self.workspace / "fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            here = os.getcwd()
            os.chdir(self.workspace)
            listener.bind("socket")
            os.chdir(here)
            for name, word in (("fifo", "FIFO"), ("socket", "socket"), ("/dev/null", "character device")):
                with self.subTest(name=name):
                    begin = time.monotonic()
                    text, result = self.call("Read", file_path=name)
                    self.assertLess(time.monotonic() - begin, 10)
                    self.assertEqual(result["data"]["error"], "special")
                    self.assertIn(word, text)
                    _, result = self.call("Write", file_path=name, content="x")
                    self.assertEqual(result["data"]["error"], "special")

    def test_a_name_with_control_characters_is_quoted(self):
        text, result = self.call("Read", file_path="a\n\x1b[31mb")
        self.assertEqual(result["data"]["error"], "not_found")
        self.assertIn('"a\\x0a\\x1b[31mb"', text)

    def test_hard_links_lose_one_name(self):
        self.put("f", "old")
        os.link(self.workspace / "f", self.workspace / "g")
        text, result = self.call("Write", file_path="f", content="new")
        self.assertEqual(result["data"]["nlink"], 2)
        self.assertIn("hard links", text)
        self.assertEqual((self.workspace / "g").read_text(), "old")


class Content(FilesTest):
    def test_digest_is_what_sha256_says_and_guards_an_edit(self):
        self.put("f", "abc")
        _, result = self.call("Read", file_path="f")
        digest = "sha256:" + hashlib.sha256(b"abc").hexdigest()
        self.assertEqual(result["data"]["digest"], digest)
        self.put("f", "abd")
        for tool, more in (("Edit", {"old_string": "a", "new_string": "x"}), ("Write", {"content": "x"}),
                           ("MultiEdit", {"edits": [{"old_string": "a", "new_string": "x"}]})):
            with self.subTest(tool=tool):
                _, result = self.call(tool, file_path="f", expected_digest=digest, **more)
                self.assertEqual(result["data"]["error"], "changed")
        self.assertEqual((self.workspace / "f").read_text(), "abd")

    def test_a_digest_chains_from_edit_to_edit(self):
        self.put("f", "a")
        _, result = self.call("Edit", file_path="f", old_string="a", new_string="b")
        _, result = self.call("Edit", file_path="f", old_string="b", new_string="c",
                              expected_digest=result["data"]["digest"])
        self.assertOk(result)

    def test_mode_is_kept_and_no_leftover_stays(self):
        self.put("f", "a").chmod(0o755)
        self.assertOk(self.call("Write", file_path="f", content="b")[1])
        self.assertEqual(stat.S_IMODE((self.workspace / "f").stat().st_mode), 0o755)
        self.assertEqual([p.name for p in self.workspace.iterdir()], ["f"])

    def test_a_long_file_is_cut_with_counts_and_can_be_read_on(self):
        lines = [f"line {i} " + "x" * 100 for i in range(1, 5001)]
        self.put("f", "\n".join(lines))
        offset, seen = 1, []
        while offset:
            text, result = self.call("Read", file_path="f", offset=offset, limit=5000)
            self.assertOk(result)
            self.assertLessEqual(len(text), 100 << 10)
            seen += result["data"]["content"].splitlines()
            offset = result["data"]["next_offset"]
        self.assertEqual(seen, lines)

    def test_stdout_does_not_repeat_the_answer(self):
        self.put("f", "needle\n")
        _, result = self.call("Read", file_path="f")
        self.assertNotIn("needle", result["stdout"]["text"])

    def test_megabytes_of_content_arrive_whole(self):
        content = "0123456789abcdef\n" * (3 << 16)
        _, result = self.call("Write", file_path="f", content=content)
        self.assertOk(result)
        self.assertEqual((self.workspace / "f").read_text(), content)
        self.assertEqual(result["data"]["digest"], "sha256:" + hashlib.sha256(content.encode()).hexdigest())

    def test_arguments_beyond_the_schema_are_refused_before_anything_runs(self):
        for tool, arguments in (("Read", {}), ("Read", {"file_path": "f", "more": 1}),
                                ("MultiEdit", {"file_path": "f", "edits": [{"old_string": "a"}]})):
            with self.subTest(tool=tool, arguments=arguments):
                self.assertIn("error", self.refusal(tool, arguments))

    def refusal(self, tool, arguments):
        self.call("Write", file_path="seen", content="")
        reply = self.served.ask("tools/call", {"name": tool, "arguments": arguments})
        result = reply.get("result", {})
        if result.get("isError"):
            return {"error": result["structuredContent"]["status"]}
        return reply


class ReadOnly(FilesTest):
    mode = "readonly"

    def test_writing_is_a_denial_and_reading_works(self):
        self.put("f", "kept")
        self.assertOk(self.call("Read", file_path="f")[1])
        for tool, arguments in (("Write", {"file_path": "f", "content": "x"}),
                                ("Write", {"file_path": "new/x", "content": "x"}),
                                ("Edit", {"file_path": "f", "old_string": "kept", "new_string": "x"}),
                                ("MultiEdit", {"file_path": "f",
                                               "edits": [{"old_string": "kept", "new_string": "x"}]})):
            with self.subTest(tool=tool):
                text, result = self.call(tool, **arguments)
                self.assertEqual(result["status"], "failed")
                self.assertEqual(result["data"]["error"], "denied")
                self.expect_denial(result, operation="write")
                self.assertIn("may not be written", text)
        self.assertEqual((self.workspace / "f").read_text(), "kept")


class Overlay(FilesTest):
    mode = "overlay"

    def setUp(self):
        super().setUp()
        done = self.run_toolcell("doctor", "--json", "--workspace", self.workspace, env=self.env)
        checks = {c["id"]: c for c in json.loads(done.stdout)["checks"]}
        for name in ("session.store", "session.overlay"):
            if checks[name]["status"] != "ok":
                self.skipTest(f"no overlay can be kept here: {checks[name]['detail']}")

    def test_calls_see_what_the_last_one_wrote_and_the_workspace_does_not(self):
        self.put("f", "old\n")
        for tool, arguments in (("Edit", {"file_path": "f", "old_string": "old", "new_string": "new"}),
                                ("Write", {"file_path": "d/g", "content": "x\n"}),
                                ("Edit", {"file_path": "d/g", "old_string": "x", "new_string": "y"})):
            self.assertOk(self.call(tool, **arguments)[1])
        self.assertEqual(self.call("Read", file_path="f")[1]["data"]["content"], "new\n")
        self.assertEqual(self.call("Read", file_path="d/g")[1]["data"]["content"], "y\n")
        self.assertEqual((self.workspace / "f").read_text(), "old\n")
        self.assertFalse((self.workspace / "d").exists())

    def test_a_file_of_the_workspace_is_edited_many_times(self):
        self.put("f", "0\n").chmod(0o755)
        for i in range(20):
            self.assertOk(self.call("Edit", file_path="f", old_string=str(i), new_string=str(i + 1))[1])
        result = self.call("Read", file_path="f")[1]
        self.assertEqual((result["data"]["content"], result["data"]["mode"]), ("20\n", "0755"))


if __name__ == "__main__":
    main()
