#!/usr/bin/env python3
"""cargo, rustc, clippy and rustfmt on small crates: findings, and the ways a build can go wrong."""

import json
import os
import shutil
import tempfile
from pathlib import Path

from harness import CellTest, main

MANIFEST = '[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n'
BUILD_S = 240


class RustTest(CellTest):
    needs_toolchain = True
    name = "unit"
    lib = "pub fn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n"

    def setUp(self):
        super().setUp()
        self.write("Cargo.toml", MANIFEST.format(name=self.name))
        self.write("src/lib.rs", self.lib)
        self.rust = self.engine()

    def cargo(self, subcommand, *args):
        return self.rust.call("cargo", {"subcommand": subcommand, "args": list(args)}, BUILD_S)

    def only(self, result, code):
        found = [d for d in result["data"]["diagnostics"] if d["code"] == code]
        self.assertEqual(len(found), 1, json.dumps(result["data"])[:2000])
        return found[0]


class Cargo(RustTest):
    def test_check_of_a_good_crate_is_ok(self):
        result = self.cargo("check")
        self.assertOk(result)
        self.assertTrue(result["data"]["success"])
        self.assertEqual(result["data"]["diagnostics"], [])

    def test_compile_error_has_code_and_place(self):
        self.write("src/lib.rs", "pub fn f() -> i32 {\n    let mut v = vec![1];\n    let r = &v;\n    v.push(2);\n    r[0]\n}\n")
        result = self.cargo("check")
        self.assertEnded(result, "failed", "exit")
        self.assertEqual(result["ended"]["exit_code"], 101)
        found = self.only(result, "E0502")
        self.assertEqual((found["level"], found["file"], found["line"], found["column"]), ("error", "src/lib.rs", 4, 5))
        self.assertIn("cannot borrow `v`", found["message"])
        self.assertIn("src/lib.rs:4:5", found["rendered"])
        self.assertEqual(result["denials"], [])

    def test_warning_carries_a_suggestion(self):
        self.write("src/lib.rs", "pub fn f() {\n    let unused = 1;\n}\n")
        result = self.cargo("check")
        self.assertOk(result)
        found = self.only(result, "unused_variables")
        self.assertEqual(found["suggestions"][0]["replacement"], "_unused")
        self.assertIn(found["suggestions"][0]["applicability"], ("MachineApplicable", "MaybeIncorrect"))

    def test_tests_are_listed_one_by_one(self):
        self.write("src/lib.rs", self.lib + "#[test]\nfn good() {}\n#[test]\nfn bad() {\n    println!(\"said\");\n"
                   "    assert_eq!(super_add(), 5);\n}\nfn super_add() -> i32 {\n    add(1, 1)\n}\n"
                   "#[test]\n#[ignore]\nfn later() {}\n")
        result = self.cargo("test")
        self.assertEqual(result["status"], "failed")
        tests = result["data"]["tests"]
        outcomes = {t["name"]: t["outcome"] for t in tests["results"]}
        self.assertEqual(outcomes, {"good": "passed", "bad": "failed", "later": "ignored"})
        bad = next(t for t in tests["results"] if t["name"] == "bad")
        self.assertIn("said", bad["output"])
        self.assertEqual((tests["passed"], tests["failed"], tests["ignored"]), (1, 1, 1))
        self.assertFalse(result["data"]["build_failed"])

    def test_build_failure_of_tests_is_told_apart(self):
        self.write("src/lib.rs", "#[test]\nfn broken() { nonsense() }\n")
        result = self.cargo("test")
        self.assertEqual(result["status"], "failed")
        self.assertTrue(result["data"]["build_failed"])
        self.only(result, "E0425")

    def test_build_script_that_panics_is_a_finding(self):
        self.write("build.rs", "fn main() {\n    panic!(\"the script says no\");\n}\n")
        result = self.cargo("check")
        self.assertEqual(result["status"], "failed")
        self.assertIn("the script says no", json.dumps(result["data"]))

    def test_build_script_is_contained(self):
        home = os.environ.get("HOME", "/root")
        self.write("build.rs", "fn main() {\n"
                   f"    let key = std::fs::read_to_string(\"{home}/.ssh/id_ed25519\").is_ok();\n"
                   "    let shadow = std::fs::read(\"/etc/shadow\").is_ok();\n"
                   "    let net = std::net::TcpStream::connect(\"192.0.2.1:80\").is_ok();\n"
                   "    println!(\"cargo:warning=leak {key} {shadow} {net}\");\n}\n")
        result = self.cargo("check")
        self.assertOk(result)
        self.assertIn("leak false false false", json.dumps(result))

    def test_artifacts_name_the_program(self):
        self.write("src/main.rs", "fn main() {\n    println!(\"ran\");\n}\n")
        result = self.cargo("build")
        self.assertOk(result)
        programs = [a["executable"] for a in result["data"]["artifacts"] if a["executable"]]
        self.assertEqual(len(programs), 1)
        self.assertEqual(self.rust.bash(f"./{programs[0]} || {programs[0]}")["stdout"]["text"], "ran\n")
        self.assertIn("ran", self.cargo("run", "--quiet")["stdout"]["text"])

    def test_manifest_that_is_broken_is_explained(self):
        self.write("Cargo.toml", "[package\n")
        result = self.cargo("check")
        self.assertEqual(result["status"], "failed")
        self.assertIn("Cargo.toml", result["stderr"]["text"])

    def test_dependency_out_of_reach_fails_plainly(self):
        self.write("Cargo.toml", MANIFEST.format(name="unit") + "[dependencies]\nno-such-crate-e2e = \"1\"\n")
        result = self.cargo("check")
        self.assertEqual(result["status"], "failed")
        self.assertIn("no-such-crate-e2e", result["stderr"]["text"])

    def test_args_alone_are_enough(self):
        result = self.rust.call("cargo", {"args": ["check"]}, BUILD_S)
        self.assertOk(result)
        self.assertTrue(result["data"]["success"])

    def test_host_caches_stay_as_they_were(self):
        home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
        if not home.is_dir():
            self.skipTest("no CARGO_HOME on this machine")
        before = self.listing(home)
        self.assertOk(self.cargo("check"))
        self.assertOk(self.rust.bash("touch ${CARGO_HOME:-$HOME/.cargo}/registry/x 2>/dev/null; mkdir -p ${CARGO_HOME:-$HOME/.cargo}/git/y 2>/dev/null; true"))
        self.assertEqual(self.listing(home), before)

    def listing(self, folder):
        return sorted(str(p) for p in folder.glob("*")) + sorted(str(p) for p in folder.glob("*/*"))


class Clippy(RustTest):
    lib = "pub fn empty(v: &[i32]) -> bool {\n    v.len() == 0\n}\n"

    def test_finding_has_its_lint_and_fix(self):
        result = self.rust.call("clippy", {}, BUILD_S)
        found = self.only(result, "clippy::len_zero")
        self.assertEqual((found["file"], found["line"]), ("src/lib.rs", 2))
        self.assertEqual(found["lint"]["name"], "len_zero")
        self.assertIn("is_empty", found["suggestions"][0]["replacement"])


class Rustc(RustTest):
    def test_inline_source_is_compiled(self):
        result = self.rust.call("rustc", {"source": "fn main() { let x: i32 = \"no\"; }\n"}, BUILD_S)
        self.assertEqual(result["status"], "failed")
        self.only(result, "E0308")

    def test_file_is_compiled(self):
        self.write("one.rs", "fn main() {\n    let s = String::new();\n    drop(s);\n    drop(s);\n}\n")
        result = self.rust.call("rustc", {"path": "one.rs"}, BUILD_S)
        found = self.only(result, "E0382")
        self.assertEqual((found["file"], found["line"]), ("one.rs", 4))


class Rustfmt(RustTest):
    lib = "pub fn add(a:i32,b:i32)->i32{a+b}\n"

    def test_check_shows_hunks_and_changes_nothing(self):
        result = self.rust.call("rustfmt", {"check": True}, BUILD_S)
        self.assertFalse(result["data"]["formatted"])
        self.assertEqual(result["data"]["files"][0]["file"], "src/lib.rs")
        self.assertIn("a + b", json.dumps(result["data"]["files"][0]["hunks"]))
        self.assertEqual(self.rust.bash("cat src/lib.rs")["stdout"]["text"], self.lib)
        self.assertEqual(result["changes"]["files"], [])

    def test_write_formats_and_then_nothing_is_left(self):
        self.assertOk(self.rust.call("rustfmt", {}, BUILD_S))
        self.assertIn("a + b\n", self.rust.bash("cat src/lib.rs")["stdout"]["text"])
        self.assertEqual((self.workspace / "src/lib.rs").read_text(), self.lib, "before commit")
        result = self.rust.call("rustfmt", {"check": True}, BUILD_S)
        self.assertOk(result)
        self.assertTrue(result["data"]["formatted"])


class NoToolchain(CellTest):
    def test_missing_toolchain_is_a_precise_result(self):
        home = Path(tempfile.mkdtemp(prefix="home-"))
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        if shutil.which("cargo", path="/usr/local/bin:/usr/bin:/bin"):
            self.skipTest("the distribution's cargo is installed")
        env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "TOOLCELL_SESSIONS": str(self.sessions)}
        result = self.engine(env=env).call("cargo", {"subcommand": "check"})
        self.assertNotEqual(result["status"], "ok")
        self.assertEqual(result["ended"].get("exit_code"), 127)
        self.assertIn("cargo", result["stderr"]["text"] + json.dumps([result["denials"], result.get("error")]))


if __name__ == "__main__":
    main()
