#!/usr/bin/env python3
"""Glob and Grep through the real engine: in a cell, with its filter, its limits and its view of the host."""

import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from harness import CellTest, main

AGENT_TEXT = """---
name: searcher
description: Searches files, for tests.
tools: Glob, Grep, Bash
policy: rust-engineer
---
You search files.
"""


class SearchTest(CellTest):
    files = {
        "src/main.rs": "fn main() {\n    needle();\n}\n",
        "src/lib.rs": "pub fn needle() {}\n",
        "docs/guide.md": "about the needle\n",
        "target/debug/out.rs": "needle\n",
        ".hidden": "needle\n",
        ".gitignore": "target/\n",
    }

    def setUp(self):
        super().setUp()
        self.place = Path(tempfile.mkdtemp(prefix="search-"))
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.agent_file = self.place / "agent.md"
        self.agent_file.write_text(AGENT_TEXT)
        self.limits = {}
        self.served = None

    def call(self, tool, **arguments):
        """(text for the model, the result object)"""
        if not self.served:
            policy = self.policy(workspace={"mode": "direct"}, **self.limits)
            self.served = self.engine(agent=str(self.agent_file), policy=policy)
        call_id = self.served.start_call(tool, arguments)
        result = self.served.finish_call(call_id)
        answer = self.served.answer(call_id)["result"]
        return "".join(part.get("text", "") for part in answer["content"]), result


class Glob(SearchTest):
    def test_finds_what_is_not_ignored_newest_first(self):
        os.utime(self.workspace / "src/main.rs", (1000, 1000))
        os.utime(self.workspace / "src/lib.rs", (2000, 2000))
        text, result = self.call("Glob", pattern="**/*.rs")
        self.assertOk(result)
        self.assertEqual(result["data"]["filenames"], ["src/lib.rs", "src/main.rs"])
        self.assertEqual(result["data"]["num_files"], 2)
        self.assertIs(result["data"]["truncated"], False)
        self.assertIn("src/lib.rs\nsrc/main.rs", text)

    def test_hidden_files_are_found_and_ignored_folders_by_name(self):
        self.assertEqual(self.call("Glob", pattern=".h*")[1]["data"]["filenames"], [".hidden"])
        _, result = self.call("Glob", pattern="*.rs", path="target")
        self.assertEqual(result["data"]["filenames"], ["target/debug/out.rs"])

    def test_a_bad_pattern_is_a_failure_with_words(self):
        text, result = self.call("Glob", pattern="{a,b")
        self.assertEqual(result["status"], "failed")
        self.assertEqual(result["data"]["error"], "pattern")
        self.assertIn("no partner", text)
        self.assertEqual(result["denials"], [])


class Grep(SearchTest):
    def test_modes(self):
        _, result = self.call("Grep", pattern="needle")
        self.assertOk(result)
        self.assertEqual(result["data"]["filenames"], [".hidden", "docs/guide.md", "src/lib.rs", "src/main.rs"])
        text, result = self.call("Grep", pattern=r"needle\(\)", output_mode="content", **{"-B": 1})
        self.assertIn("src/main.rs-1-fn main() {\nsrc/main.rs:2:    needle();", text)
        self.assertEqual(result["data"]["num_matches"], 2)
        self.assertIn("src/main.rs-1-fn main() {\nsrc/main.rs:2:    needle();", result["data"]["content"],
                      "a host that shows structuredContent only must see the lines, too")
        _, result = self.call("Grep", pattern="needle", output_mode="count", type="rust")
        self.assertEqual(result["data"]["counts"], [1, 1])
        self.assertIs(result["data"]["complete"], True)

    def test_pages_lead_on(self):
        _, result = self.call("Grep", pattern="needle", head_limit=3)
        self.assertEqual(result["data"]["next_offset"], 3)
        _, result = self.call("Grep", pattern="needle", head_limit=3, offset=3)
        self.assertEqual(result["data"]["filenames"], ["src/main.rs"])
        self.assertIs(result["data"]["truncated"], False)

    def test_arguments_that_are_not_known_are_refused(self):
        _, result = self.call("Grep", pattern="x", **{"-Z": True})
        self.assertIn(result["status"], ("refused", "error", "failed"))
        _, result = self.call("Grep", pattern="x", type="rs")
        self.assertIn('Did you mean "rust"?', result["data"]["message"])

    def test_a_bad_pattern_has_offset_and_hint(self):
        text, result = self.call("Grep", pattern="needle(")
        self.assertEqual(result["status"], "failed")
        self.assertEqual(result["data"]["offset"], 7)
        self.assertIn("backslash", text)

    def test_what_the_cell_does_not_show_is_a_denial(self):
        for path in ("/etc/shadow", "/root/.ssh", "../../../../etc/shadow"):
            with self.subTest(path=path):
                text, result = self.call("Grep", pattern="root", path=path)
                self.assertEqual(result["status"], "failed")
                self.assertEqual(len(result["denials"]), 1)
                self.assertIn("outside of the workspace", text)

    def test_a_missing_path_is_no_denial(self):
        text, result = self.call("Grep", pattern="x", path="src/mian.rs")
        self.assertEqual(result["status"], "failed")
        self.assertEqual(result["denials"], [])
        self.assertIn("Did you mean main.rs", text)

    def test_links_and_special_files_are_left_alone(self):
        (self.workspace / "shadow").symlink_to("/etc/shadow")
        (self.workspace / "root").symlink_to("/")
        os.mkfifo(self.workspace / "fifo")
        begin = time.monotonic()
        _, result = self.call("Grep", pattern="root:")
        self.assertOk(result)
        self.assertEqual(result["data"]["num_files"], 0)
        self.assertLess(time.monotonic() - begin, 10)

    def test_a_hostile_pattern_ends_with_file_and_line(self):
        self.write("evil", "a" * 100000 + "!\n")
        text, result = self.call("Grep", pattern="(a+)+$")
        self.assertOk(result)
        self.assertIs(result["data"]["complete"], False)
        self.assertIn("evil:1", text)

    def test_few_processes_are_enough(self):
        self.limits = {"limits": {"processes": 4}}
        _, result = self.call("Grep", pattern="needle")
        self.assertOk(result)
        self.assertEqual(result["data"]["num_files"], 4)

    def test_names_and_lines_are_made_safe(self):
        self.write("a\nb\x1b[31m", "needle \x1b]0;title\x07 end\n")
        text, result = self.call("Grep", pattern="needle.*end", output_mode="content")
        self.assertOk(result)
        self.assertNotIn("\x1b", text)
        self.assertNotIn("\\u001b", json.dumps(result["data"]["notes"]))
        self.assertIn('"a\\x0ab\\x1b[31m":1:needle ', text)


if __name__ == "__main__":
    main()
