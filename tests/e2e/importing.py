#!/usr/bin/env python3
"""policy import and policy export: what is said, what is written, and what then holds in a cell."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import ROOT, SANITIZED, TOOLCELL, TOP, WAIT_S, CellTest, main, user_namespaces_work

CORPUS = TOP / "tests" / "fuzz" / "corpus"
GOLDEN = TOP / "tests" / "golden" / "import"
WRITE_GOLDEN = bool(os.environ.get("TOOLCELL_GOLDEN_WRITE"))
FORMATS = ("claude", "srt", "codex", "seccomp")
# Over a base whose tools write to the workspace itself, built-in names below its top cannot be held.
SRT = {"network": {}, "filesystem": {"denyRead": [], "allowWrite": ["."], "denyWrite": []}, "mandatoryDenySearchDepth": 1}


class ImportCase(CellTest):
    needs_cells = False

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="import-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def source(self, text, name="source.json"):
        path = self.folder / name
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text if isinstance(text, str) else json.dumps(text))
        return path

    def do(self, *args, **options):
        return self.run_toolcell("policy", "import", "--workspace", self.workspace, *args, **options)

    def taken_over(self, form, source, *args):
        """The path of the policy that comes of it."""
        out = self.folder / "imported.json"
        done = self.do(form, self.source(source), "--output", out, "--force", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out


class Importing(ImportCase):
    def test_reports_are_as_recorded(self):
        env = {**os.environ, "HOME": "/nonexistent/home"}
        GOLDEN.mkdir(exist_ok=True)
        for form in FORMATS:
            folder = CORPUS / f"import-{form}"
            for path in sorted(folder.iterdir()):
                with self.subTest(path=path.name):
                    workspace = self.folder / "workspace"
                    workspace.mkdir(exist_ok=True)
                    done = self.run_toolcell("policy", "import", form, "--workspace", workspace, path.name,
                                             cwd=folder, env=env)
                    said = f"exit status {done.returncode}\n" + done.stderr.replace(str(self.folder), "FOLDER")
                    golden = GOLDEN / f"{form}-{path.stem}.report"
                    if WRITE_GOLDEN:
                        golden.write_text(said)
                    self.assertEqual(said, golden.read_text())

    def test_result_is_a_policy_and_says_where_it_comes_from(self):
        out = self.taken_over("srt", SRT)
        done = self.run_toolcell("policy", "check", out)
        self.assertEqual(done.returncode, 0, done.stdout)
        policy = json.loads(out.read_text())
        self.assertNotIn("extends", policy)
        self.assertIn("source.json", policy["description"])
        self.assertIn("base/build", policy["description"])

    def test_without_an_output_the_policy_alone_is_on_standard_output(self):
        done = self.do("srt", self.source(SRT), "--name", "mine")
        self.assertEqual(json.loads(done.stdout)["name"], "mine")
        done = self.do("--json", self.source(SRT))
        whole = json.loads(done.stdout)
        self.assertEqual((whole["ok"], whole["policy"]["name"], done.stderr), (True, "imported", ""))
        self.assertTrue(all(row["verdict"] and row["note"] and row["line"] for row in whole["rows"]))

    def test_nothing_is_written_over(self):
        out = self.source("precious", "out.json")
        source = self.source(SRT)
        done = self.do("srt", source, "--output", out)
        self.assertEqual((done.returncode, out.read_text()), (1, "precious"))
        self.assertIn("--force", done.stderr)
        self.assertEqual(self.do("srt", source, "--output", out, "--force").returncode, 0)
        self.assertEqual(json.loads(out.read_text())["name"], "imported")
        link = self.folder / "link.json"
        link.symlink_to(out)
        self.assertEqual(self.do("srt", source, "--output", link, "--force").returncode, 1)

    def test_nothing_is_written_while_something_cannot_be_said(self):
        out = self.folder / "out.json"
        source = self.source({"permissions": {"deny": ["Read(.env)", "Bash(rm:*)"]}})
        done = self.do("claude", source, "--output", out)
        self.assertEqual((done.returncode, done.stdout, out.exists()), (1, "", False))
        self.assertIn("source.json:1:27: /permissions/deny/0", done.stderr)
        self.assertIn("--accept '/permissions/deny/1'", done.stderr)
        done = self.do("claude", source, "--output", out, "--accept", "/permissions/deny/0", "--accept",
                       f"{source}#/permissions/deny/1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Accepted as not enforced", json.loads(out.read_text())["description"])

    def test_of_several_files_each_narrows(self):
        one = self.source({"permissions": {"deny": ["Bash"]}}, "one.json")
        two = self.source('sandbox_mode = "read-only"\n', "two.toml")
        done = self.do(one, two)
        policy = json.loads(done.stdout)
        self.assertFalse(policy["tools"]["Bash"])
        self.assertEqual(policy["workspace"]["mode"], "readonly")

    def test_the_sandbox_state_of_a_call_is_taken_over(self):
        place = {"type": "path", "path": str(self.workspace)}
        state = {"codex/sandbox-state": {
            "sandboxCwd": self.workspace.as_uri(),
            "permissionProfile": {"type": "managed", "network": "restricted", "file_system": {
                "type": "restricted", "entries": [
                    {"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"},
                    {"path": {"type": "path", "path": f"{self.workspace}/.git"}, "access": "read"},
                    {"path": place, "access": "write"}]}}}}
        policy = json.loads(self.do("codex", self.source(state)).stdout)
        self.assertEqual(policy["workspace"]["mode"], "direct")
        self.assertIn(".git", policy["workspace"]["protect"])
        state["codex/sandbox-state"]["permissionProfile"]["file_system"]["entries"][2]["access"] = "read"
        policy = json.loads(self.do(self.source(state)).stdout)
        self.assertEqual(policy["workspace"]["mode"], "readonly")

    def test_hostile_files_are_refused_in_one_line(self):
        deep = "[" * 100000
        rows = (b"\xff\xfe", b"\0", b"{", b"", b"{}" + b"\0", ('{"permissions":' + deep).encode(),
                b'{"permissions":{},"permissions":{}}', b" " * (300 << 10), b'{"a":"\x1b[31m"}')
        for i, data in enumerate(rows):
            for name in ("x.json", "x.toml"):
                with self.subTest(row=i, name=name):
                    done = self.do("claude" if name == "x.json" else "codex", self.source(data, name))
                    if data == b"" and name == "x.toml":
                        continue  # an empty config.toml is one
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1))
        for path in ("/dev/zero", self.folder, "/nonexistent"):
            self.assertEqual(self.do("srt", path).returncode, 1)

    def test_base_can_be_chosen_and_is_never_exceeded(self):
        source = self.source('sandbox_mode = "danger-full-access"\n', "config.toml")
        strict = json.loads(self.do(source, "--base", "strict").stdout)
        self.assertEqual(strict["workspace"]["mode"], "readonly")
        self.assertEqual(strict["limits"]["memory"], "512MiB")
        self.assertIn("/workspace", strict["final"])
        source = self.source({"permissions": {"deny": ["Edit(**/*.lock)"]}})
        self.assertEqual(self.do(source).returncode, 1)
        overlay = json.loads(self.do(source, "--base", "rust-engineer").stdout)
        self.assertIn("**/*.lock", overlay["workspace"]["protect"])


    def test_names_below_the_top_need_a_base_that_holds_them(self):
        source = self.source({k: v for k, v in SRT.items() if k != "mandatoryDenySearchDepth"})
        done = self.do(source)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("--accept '/mandatoryDenySearchDepth'", done.stderr)
        overlay = json.loads(self.do(source, "--base", "rust-engineer").stdout)
        self.assertIn("**/.git/hooks", overlay["workspace"]["protect"])
        accepted = json.loads(self.do(source, "--accept", "/mandatoryDenySearchDepth").stdout)
        self.assertIn("#/mandatoryDenySearchDepth", accepted["description"])


class Held(ImportCase):
    needs_cells = True

    def sh(self, policy, command):
        return self.run_toolcell("exec", "--policy", policy, "--workspace", self.workspace, "--", "/bin/sh", "-c",
                                 command)

    def test_what_is_refused_to_read_is_not_there(self):
        out = self.taken_over("srt", {**SRT, "filesystem": {"denyRead": ["/usr/share"], "allowWrite": ["."],
                                                            "allowRead": ["/usr/share/zoneinfo"]}})
        done = self.sh(out, "ls /usr/share; ls -d /usr/lib; touch written")
        self.assertEqual((done.returncode, done.stdout.split()), (0, ["zoneinfo", "/usr/lib"]), done.stderr)
        self.assertTrue((self.workspace / "written").exists())

    def test_a_workspace_that_is_not_writable_there_is_not_here(self):
        out = self.taken_over("srt", {**SRT, "filesystem": {"denyRead": [], "allowWrite": ["/nonexistent"]}})
        self.assertNotEqual(self.sh(out, "touch written").returncode, 0)
        self.assertFalse((self.workspace / "written").exists())

    def test_a_refused_place_in_a_writable_folder_is_read_only(self):
        (self.folder / "w" / "kept").mkdir(parents=True)
        os.chmod(self.folder, 0o755)
        for path in (self.folder / "w", self.folder / "w" / "kept"):
            os.chmod(path, 0o777)
        base = self.source({"name": "base", "extends": "base/build",
                            "filesystem": {"write": [str(self.folder / "w")]}}, "base.json")
        rules = {**SRT, "filesystem": {"allowWrite": [".", str(self.folder / "w")],
                                       "denyWrite": [str(self.folder / "w" / "kept")]}}
        out = self.taken_over("srt", rules, "--base", base)
        self.sh(out, f"touch {self.folder}/w/yes; touch {self.folder}/w/kept/no")
        self.assertTrue((self.folder / "w" / "yes").exists())
        self.assertFalse((self.folder / "w" / "kept" / "no").exists())

    def test_a_place_behind_a_link_is_held(self):
        real = self.workspace / "real"
        real.mkdir()
        (real / "kept").write_text("keep")
        os.chmod(real, 0o777)
        os.chmod(real / "kept", 0o666)
        (self.workspace / "link").symlink_to("real")
        out = self.taken_over("srt", {**SRT, "filesystem": {"allowWrite": ["."], "denyWrite": ["link/kept", "link/new"]}})
        self.assertIn("link/new", json.loads(out.read_text())["workspace"]["protect"])
        self.sh(out, "echo a > link/kept; echo b > link/new")
        self.assertEqual((real / "kept").read_text(), "keep")
        self.assertFalse((real / "new").exists())

    def test_a_refused_system_call_is_refused(self):
        out = self.taken_over("seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL"}]})
        done = self.sh(out, "mkdir x; echo $?; touch y")
        self.assertEqual(done.stdout, "1\n")
        self.assertIn("Operation not permitted", done.stderr)
        self.assertTrue((self.workspace / "y").exists())


class Exporting(CellTest):
    def export(self, form, policy="base/build"):
        done = self.run_toolcell("policy", "export", form, policy, "--workspace", self.workspace)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"not held by {form}: ", done.stderr)
        return done.stdout

    def bwrap(self, policy="base/build"):
        if not shutil.which("bwrap"):
            self.skipTest("bubblewrap is not installed: the exported command was not run")
        if not user_namespaces_work():
            self.skipTest("no user namespaces: the exported command was not run")
        script = self.sessions / "run.sh"
        script.write_text(self.export("bwrap", policy))
        return lambda command: subprocess.run(["/bin/bash", str(script), "/bin/sh", "-c", command], text=True,
                                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_S,
                                              stdin=subprocess.DEVNULL, check=False)

    def test_bwrap_sees_what_a_cell_sees(self):
        run = self.bwrap()
        command = ("for d in / /etc /etc/ssl /usr /usr/local /tmp /var /dev/shm; do echo $d: $(ls $d); done; "
                   "cat /etc/passwd /etc/hosts; readlink /bin /etc/mtab; env | sort | grep -v -e ^PWD -e ^_ -e ^OLDPWD; pwd")
        cell = self.run_toolcell("exec", "--policy", "base/build", "--workspace", self.workspace, "--", "/bin/sh",
                                 "-c", command)
        done = run(command)
        self.assertEqual(done.returncode, 0, done.stderr)
        names = [[line for line in text.splitlines() if "TOOLCELL" not in line]
                 for text in (cell.stdout, done.stdout)]
        self.assertEqual(*names)

    def test_bwrap_refuses_what_a_cell_refuses(self):
        (self.workspace / ".vscode").mkdir()
        run = self.bwrap()
        done = run("touch /x /usr/x .vscode/x; touch y; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; "
                   "unshare --user true; ls /sys /boot")
        self.assertEqual(done.stdout.split(), ["CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2"], done.stderr)
        self.assertIn("Operation not permitted", done.stderr)
        self.assertEqual(sorted(p.name for p in self.workspace.iterdir()), [".vscode", "y"])
        self.assertEqual(list((self.workspace / ".vscode").iterdir()), [])

    def test_bwrap_script_names_what_it_does_not_hold(self):
        text = self.export("bwrap", "rust-engineer")
        for word in ("not the same", "limits.memory", "Landlock", "overlay", "tools.Read"):
            self.assertIn(word, text)
        self.assertIn("--ro-bind", text)
        program = text.split("base64 -d <<< '")[1].split("'")[0]
        self.assertEqual(len(base64.b64decode(program)) % 8, 0)

    def test_oci_config_has_the_shape_and_the_filter(self):
        config = json.loads(self.export("oci"))
        process, box = config["process"], config["linux"]
        self.assertTrue(process["noNewPrivileges"])
        self.assertEqual({tuple(v) for v in process["capabilities"].values()}, {()})
        self.assertEqual({n["type"] for n in box["namespaces"]},
                         {"pid", "ipc", "uts", "mount", "network", "user", "cgroup"})
        self.assertEqual(box["resources"]["memory"]["limit"], 4 << 30)
        self.assertEqual(box["resources"]["pids"]["limit"], 512)
        self.assertIn("/proc/kcore", box["maskedPaths"])
        self.assertIn({"type": "RLIMIT_NOFILE", "hard": 4096, "soft": 4096}, process["rlimits"])
        mounts = {m["destination"]: m for m in config["mounts"]}
        self.assertIn("ro", mounts["/usr"]["options"])
        self.assertIn("rw", mounts[str(self.workspace)]["options"])
        self.assertIn("ro", json.loads(self.export("oci", "strict"))["mounts"][-1]["options"])
        self.assertTrue(any("Landlock" in v for v in config["annotations"].values()))
        self.check_filter(box["seccomp"])

    def check_filter(self, seccomp):
        def allowed(name, *args):
            for entry in seccomp["syscalls"]:
                if name in entry["names"] and all(
                        args[a["index"]] & a["value"] == a["valueTwo"] if a["op"] == "SCMP_CMP_MASKED_EQ"
                        else args[a["index"]] == a["value"] for a in entry.get("args", ())):
                    return entry["action"] == "SCMP_ACT_ALLOW"
            return False
        self.assertEqual(seccomp["defaultAction"], "SCMP_ACT_ERRNO")
        for request in (0x5411, 0x5413, 0x541b, 0x541d, 0x5422, 0x5424, 0, 0xffffffff, 0x80045430):
            self.assertTrue(allowed("ioctl", 0, request), hex(request))
        for request in (0x5412, 0x541c, 0x5423):
            self.assertFalse(allowed("ioctl", 0, request), hex(request))
        self.assertTrue(allowed("clone", 0x11))
        self.assertFalse(allowed("clone", 0x10000011))
        self.assertTrue(allowed("socket", 1, 1, 0))
        self.assertFalse(allowed("socket", 2, 1, 0))
        for name in ("clone3", "mount", "ptrace", "bpf"):
            self.assertFalse(allowed(name, 0))

    def test_exported_filter_comes_back_and_refuses_nothing_more(self):
        path = self.sessions / "config.json"
        path.write_text(self.export("oci"))
        command = ("policy", "import", "seccomp", path, "--workspace", self.workspace, "--json")
        open_rows = [r for r in json.loads(self.run_toolcell(*command).stdout)["rows"]
                     if r["verdict"] == "not expressible"]
        # "All but three requests" follows from many entries together, and each is looked at alone.
        self.assertEqual([r["rule"] for r in open_rows], ["ioctl with conditions"])
        report = json.loads(self.run_toolcell(*command, "--accept", open_rows[0]["pointer"]).stdout)
        self.assertEqual(report["policy"]["syscalls"]["deny"], [])

    def test_runc_runs_the_config(self):
        if not shutil.which("runc") or not ROOT or SANITIZED:
            self.skipTest("needs runc and root: the exported config.json was not run")
        bundle = Path(tempfile.mkdtemp(prefix="bundle-"))
        self.addCleanup(shutil.rmtree, bundle, ignore_errors=True)
        (bundle / "rootfs").mkdir()
        config = json.loads(self.export("oci"))
        config["process"]["args"] = ["/bin/sh", "-c", "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; "
                                     "touch /x; touch here"]
        (bundle / "config.json").write_text(json.dumps(config))
        done = subprocess.run(["runc", "run", "--bundle", str(bundle), f"toolcell-test-{os.getpid()}"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_S,
                              stdin=subprocess.DEVNULL, check=False)
        self.assertIn(f"CapEff:\t{'0' * 16}\nNoNewPrivs:\t1\nSeccomp:\t2\n", done.stdout, done.stderr)
        self.assertIn("Read-only file system", done.stderr)
        self.assertTrue((self.workspace / "here").exists())


if __name__ == "__main__":
    main()
