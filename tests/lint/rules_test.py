#!/usr/bin/env python3
"""Each rule is shown a small tree with one thing wrong, and must say so; and one that is right."""

import hashlib
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import rules  # noqa: E402

THEORY = "/* Theory of operation: none. */\n"
MARK = "TO" + "DO"


class RulesFind(unittest.TestCase):
    def problems(self, rule, files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                if text.startswith("#!"):
                    path.chmod(0o755)
            tree = rules.Tree(Path(folder), Path(folder) / "build")
            found = rule(tree)
            return found if isinstance(found, rules.Skip) else list(found)

    def check(self, rule, bad, good):
        self.assertTrue(self.problems(rule, bad), f"{rule.__name__} misses {bad}")
        self.assertFalse(self.problems(rule, good), f"{rule.__name__} complains of {good}")

    def test_floors(self):
        self.check(rules.floors, {"engine/wire/a.c": '#include "confine/x.h"\n'},
                   {"engine/confine/a.c": '#include "wire/x.h"\n#include "confine/y.h"\n#include <stdio.h>\n'})
        self.check(rules.floors, {"engine/init/a.c": '#include "cell/x.h"\n'}, {})
        self.check(rules.floors, {"engine/nowhere/a.c": "\n"}, {})

    def test_lengths(self):
        self.check(rules.file_length, {"engine/base/a.c": "\n" * 701}, {"engine/base/a.c": "\n" * 700})
        body = "int f(void)\n{\n" + "\tx();\n" * 61 + "}\n"
        self.check(rules.function_length, {"engine/base/a.c": body},
                   {"engine/base/a.c": "int f(void)\n{\n" + "\tx();\n" * 60 + "}\n"})
        self.check(rules.launch_budget, {f"engine/launch/{i}.c": "\n" * 601 for i in range(3)},
                   {f"engine/launch/{i}.c": "\n" * 500 for i in range(3)})

    def test_headers_alone(self):
        self.check(rules.headers_alone, {"engine/base/a.h": "size_t f(void);\n"},
                   {"engine/base/a.h": "#include <stddef.h>\nsize_t f(void);\n"})

    def test_banned_calls(self):
        for call in ("dup(1)", "sprintf(a, b)", "strcpy(a, b)", "system(a)", "popen(a, b)", "atoi(a)",
                     "strtoul(a, b, 0)", "signal(1, a)", "strncat(a, b, 1)"):
            self.check(rules.banned_calls, {"engine/wire/a.c": f"\tx = {call};\n"},
                       {"engine/wire/a.c": f"\t/* {call} */ puts(\"{call.replace(chr(34), '')}\");\n"})
        self.assertFalse(self.problems(rules.banned_calls, {"engine/wire/a.c": "snprintf(a); dup3(a); fd_dup(b); s->signal(1);\n"}))
        self.assertFalse(self.problems(rules.banned_calls, {"engine/base/a.c": "strtoul(a, b, 0);\n"}))

    def test_careful_calls(self):
        self.check(rules.careful_calls, {"engine/base/a.c": "n = recvmsg(s, &m, 0);\n"},
                   {"engine/base/a.c": "n = recvmsg(s, &m, MSG_CMSG_CLOEXEC);\n"})
        self.check(rules.careful_calls, {"engine/base/a.c": "\n" * 8 + "sigaction(1, &a, NULL);\n"},
                   {"engine/base/a.c": "/* only sets a flag */\nsigaction(1, &a, NULL);\n"})

    def test_words_and_paths(self):
        self.check(rules.unfinished_words, {"README.md": f"{MARK}: write\n"}, {"README.md": "mkdtemp XXXXXX\n"})
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a.md").write_text(f"see {folder}/x\n")
            self.assertTrue(list(rules.machine_paths(rules.Tree(Path(folder), Path(folder) / "build"))))

    def test_comments_and_white_space(self):
        self.check(rules.theory_of_operation, {"engine/base/a.c": "int x;\n"}, {"engine/base/a.c": THEORY})
        self.check(rules.white_space, {"a.c": "x \n"}, {"a.c": "x\n"})
        self.check(rules.white_space, {"a.c": "x"}, {"a.c": "x\n"})

    def test_top_level(self):
        whole = {(n if "." in n or n in ("LICENSE", "dev") else f"{n}/x"): "x\n" for n in rules.TOP_LEVEL}
        self.check(rules.top_level, {**whole, "stray.txt": "x\n"}, {**whole, ".ci/run": "x\n"})
        self.check(rules.top_level, {"dev": "x\n"}, whole)

    def test_verdict_tables(self):
        base, child = '{"name": "base"}', '{"name": "a/child", "extends": "base"}'
        rows = "read -> allow\n" * rules.VERDICT_ROWS_MIN
        alone = hashlib.sha256(b"16\n" + base.encode()).hexdigest()
        both = hashlib.sha256(b"16\n" + base.encode() + b"38\n" + child.encode()).hexdigest()
        good = {"policies/base.json": base, "policies/a/child.json": child, "policies/policy.schema.json": "{}",
                "policies/base.verdicts": f"policy base\ndigest sha256:{alone}\n{rows}",
                "policies/a/child.verdicts": f"policy a/child\ndigest sha256:{both}\n{rows}"}
        self.assertFalse(self.problems(rules.verdict_tables, good))
        for change, count in (({"policies/base.json": base + "\n"}, 2),  # a parent is its children's business
                              ({"policies/a/child.json": child + " "}, 1),
                              ({"policies/a/child.verdicts": good["policies/base.verdicts"]}, 2),
                              ({"policies/base.verdicts": f"policy base\n{rows}"}, 1),
                              ({"policies/base.verdicts": f"policy base\ndigest sha256:{alone}\n"}, 1),
                              ({"policies/base.verdicts": f"policy base\ndigest sha256:{alone}\n// {rows}"}, 1),
                              ({"policies/new.json": base}, 1),
                              ({"policies/a/child.json": child.replace("base", "gone")}, 1)):
            with self.subTest(change=list(change)):
                found = self.problems(rules.verdict_tables, {**good, **change})
                self.assertEqual(len(found), count, found)
        missing = {k: v for k, v in good.items() if k != "policies/base.verdicts"}
        self.assertEqual(len(self.problems(rules.verdict_tables, missing)), 1)

    def test_manual_pages(self):
        program = """#!/bin/sh
case $1 in
--help) printf 'Usage: x\\n\\nCommands:\\n  serve  answer\\n  audit  look\\n\\nOptions:\\n  --version  say\\n' ;;
*) printf 'Options:\\n  --only-%s  it\\n' "$1" ;;
esac
"""
        page = "*--version*\n\n## toolcell serve\n\n*--only-serve*\n\n## toolcell audit\n\n*--only-audit*\n"
        for change, count in (((), 0), (("--version", "--versions"), 1), (("--only-audit", "--only-audits"), 1),
                              (("--only-serve", "--not-only-serve"), 1), (("## toolcell audit", ""), 1)):
            with self.subTest(change=change):
                files = {"docs/toolcell.1.scd": page.replace(*change) if change else page, "build/toolcell": program}
                found = self.problems(rules.manual_pages, files)
                self.assertEqual(len(found), count, found)
        mute = {"docs/toolcell.1.scd": page, "build/toolcell": "#!/bin/sh\n"}
        self.assertEqual(len(self.problems(rules.manual_pages, mute)), 1)

    def test_programs_that_are_not_there_are_no_pass(self):
        self.assertIsInstance(self.problems(rules.lean_programs, {}), rules.Skip)
        self.assertIsInstance(self.problems(rules.manual_pages, {}), rules.Skip)


if __name__ == "__main__":
    unittest.main()
