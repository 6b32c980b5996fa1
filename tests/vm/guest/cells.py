"""What an engine promises about limits, usage and places in the cgroup tree, on cgroup v2."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from harness import (AGENT, ROOT, TOOLCELL, CellTest, alive, check_result, engine_processes, eventually,
                     main, process_command, process_name, toolcell_cgroups)

LIMITS = os.environ.get("TOOLCELL_VM_LIMITS", "").split()
CONTROLLERS = ("memory", "pids", "cpu", "io")
MIB = 1 << 20
PATIENCE_S = 120
LEFT_S = 1
YOUNG_S = 11  # engines leave groups alone that are younger than ten seconds
CLEANED = "sleep 3"  # the end of a pid namespace kills a launcher that is still cleaning up
LANDLOCK_CREATE_RULESET, LANDLOCK_VERSION = 444, 1
SPIN = "while :; do :; done"
FILL = "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo ${#x}"


def members(group):
    try:
        return [int(p) for p in (Path(group) / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def group_of(pid):
    try:
        return Path(f"/proc/{pid}/cgroup").read_text().strip()
    except OSError:
        return None


def kernel_at_least(major, minor):
    return tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2]) >= (major, minor)


class Vm(CellTest):
    def run_bash(self, command, seconds=PATIENCE_S, policy=None, workspace=None, arguments=None):
        """One call by `toolcell run`; the result object and the exit status."""
        argv = ["run", "Bash", "--agent", AGENT, "--workspace", workspace or self.workspace, "--format", "json",
                "--json", json.dumps({"command": command, **(arguments or {})})]
        if policy:
            argv += ["--policy", policy]
        done = self.run_toolcell(*argv, seconds=seconds)
        try:
            result = json.loads(done.stdout)
        except ValueError:
            self.fail(f"exit status {done.returncode}, no result: {done.stdout[-500:]} {done.stderr[-2000:]}")
        check_result(result)
        return result

    def limited(self, command, **limits):
        return self.run_bash(command, policy=self.policy(limits=limits))

    def needs(self, controller):
        if controller not in LIMITS:
            self.skipTest(f"no {controller} controller in this place, as `missing` must say")

    def assertGone(self, before=frozenset()):
        self.assertTrue(eventually(lambda: toolcell_cgroups() <= before, LEFT_S), toolcell_cgroups() - before)


class Enforced(Vm):
    """Every layer is either there or named as missing."""

    def test_missing_names_exactly_the_limits_that_do_not_hold(self):
        result = self.limited("true", memory="256MiB", processes=64, cpus=1, io="50MB")
        self.assertOk(result)
        missing = [m.removeprefix("cgroup:") for m in result["enforced"]["missing"] if m.startswith("cgroup:")]
        self.assertEqual(sorted(missing), sorted(set(CONTROLLERS) - set(LIMITS)), result["enforced"])
        self.assertEqual(result["enforced"]["cgroup"], "v2" if LIMITS else None)

    def test_what_else_is_missing_is_the_accounts(self):
        result = self.run_bash("true")
        others = [m for m in result["enforced"]["missing"] if not m.startswith(("cgroup:", "denials:"))]
        self.assertEqual(others, [] if ROOT else ["private_uid"])
        self.assertEqual(len(result["enforced"]["namespaces"]), 8)
        self.assertEqual(result["enforced"]["mode"], "root" if ROOT else "rootless")

    def test_landlock_is_at_the_kernels_version(self):
        import ctypes
        abi = ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION)
        self.assertGreater(abi, 0)
        self.assertEqual(self.run_bash("true")["enforced"]["landlock_abi"], abi)

    def test_a_landlock_version_that_the_kernel_has_not_is_a_refusal(self):
        result = self.run_bash("true", policy=self.policy(require={"landlock_abi": 99}))
        self.assertEnded(result, "refused", "policy")
        self.assertIn("Landlock", result["error"])

    def test_required_controllers_run_or_refuse(self):
        for name in ("memory", "pids", "cpu"):
            with self.subTest(controller=name):
                result = self.run_bash("true", policy=self.policy(require={"cgroup": [name]}, limits={"cpus": 1}))
                if name in LIMITS:
                    self.assertOk(result)
                else:
                    self.assertEnded(result, "refused", "policy")
                    self.assertIn(f"cgroup:{name}", result["error"])

    def test_landlock_refuses_where_no_later_version_is_needed(self):
        result = self.run_bash("echo x > /usr/mine; echo $?; echo y > inside && cat inside")
        self.assertEqual(result["stdout"]["text"].split(), ["1", "y"])

    def test_exec_with_the_strict_policy(self):
        report = self.workspace / "result.json"
        done = self.run_toolcell("exec", "--policy", "strict", "--workspace", self.workspace, "--result", report,
                                 "--", "/bin/sh", "-c", "id -u; touch no 2>/dev/null || echo readonly; exit 7",
                                 seconds=PATIENCE_S)
        self.assertEqual((done.returncode, done.stdout.split()), (7, ["1000", "readonly"]), done.stderr)
        result = json.loads(report.read_text())
        self.assertEqual(result["enforced"]["cgroup"], "v2" if LIMITS else None)
        self.assertGone()


class Bombs(Vm):
    def test_memory_bomb_is_a_memory_limit(self):
        self.needs("memory")
        result = self.limited("x=$(head -c 90000000 /dev/zero | tr '\\0' x); y=$x$x; echo ${#y}", memory="64MiB")
        self.assertEnded(result, "stopped", "memory_limit")
        self.assertLessEqual(result["usage"]["memory_peak_bytes"] or 0, 65 * MIB)
        self.assertTrue([d for d in result["denials"] if d["object"] == "memory"], result["denials"])

    def test_memory_bomb_in_files_of_the_temporary_folder_is_a_memory_limit(self):
        self.needs("memory")
        result = self.limited("head -c 200000000 /dev/zero > /tmp/fill; sleep 60", memory="64MiB", wall="100s")
        self.assertEnded(result, "stopped", "memory_limit")

    def test_fork_bomb_is_held_and_explained(self):
        result = self.limited("f() { f | f & }; f; sleep 3; echo over", processes=40, wall="15s")
        if "pids" in LIMITS:
            self.assertTrue(result["ended"]["cause"] == "process_limit"
                            or [d for d in result["denials"] if d["object"] == "processes"], result)
            self.assertLessEqual(result["usage"]["processes_peak"] or 0, 40)
        else:
            self.assertIn(result["ended"]["cause"], ("exit", "wall_limit", "signal", "process_limit"))
            self.assertIn("Resource temporarily unavailable", result["stderr"]["text"])
        self.assertOk(self.run_bash("echo alive"))

    def test_processor_share_is_held(self):
        self.needs("cpu")
        result = self.limited(f"timeout 4 sh -c '{SPIN}' & timeout 4 sh -c '{SPIN}'; wait", cpus=0.25, wall="60s")
        usage = result["usage"]
        used = usage["user_ms"] + usage["system_ms"]
        self.assertGreater(used, 300, usage)
        self.assertLess(used, 0.25 * usage["wall_ms"] * 1.3 + 100, usage)

    def test_processor_time_of_the_tree_is_a_limit(self):
        self.needs("cpu")
        result = self.limited(f"for i in 1 2 3; do sh -c '{SPIN}' & done; wait", cpu="2s", wall="60s")
        self.assertEnded(result, "stopped", "cpu_limit")
        self.assertLess(result["usage"]["user_ms"] + result["usage"]["system_ms"], 4000)

    def test_processor_time_of_one_process_is_a_limit_everywhere(self):
        result = self.limited(SPIN, cpu="1s", wall="60s")
        self.assertEnded(result, "stopped", "cpu_limit")

    def test_input_and_output_are_slowed_on_a_disk(self):
        self.needs("io")
        result = self.limited("dd if=/dev/zero of=fill bs=256k count=16 oflag=direct", io="1MB", wall="100s")
        self.assertOk(result)
        self.assertGreater(result["usage"]["wall_ms"], 2500, result["usage"])

    def test_input_and_output_without_a_disk_are_named_missing(self):
        folder = Path("/mnt") / f"ws-{os.getpid()}"  # a tmpfs
        folder.mkdir()
        self.addCleanup(folder.rmdir)
        policy = self.policy(limits={"io": "1MB"})
        result = self.run_bash("true", policy=policy, workspace=folder)
        if ROOT and result["status"] != "ok":  # tmpfs has id-mapped mounts from Linux 6.3 on
            self.assertFalse(kernel_at_least(6, 3), result)
            self.assertIn("id-mapped", result["error"])
            return
        self.assertOk(result)
        self.assertIn("cgroup:io", result["enforced"]["missing"])

    def test_swap_is_no_way_around(self):
        self.needs("memory")
        engine = self.engine(policy=self.policy(workspace={"mode": "direct"}))
        engine.start_call("Bash", {"command": "touch started; sleep 300"})
        self.assertTrue(eventually((self.workspace / "started").exists, PATIENCE_S))
        leaves = [g for g in toolcell_cgroups() if members(g)]
        self.assertEqual(len(leaves), 1, leaves)
        self.assertEqual(Path(leaves[0], "memory.oom.group").read_text().strip(), "1")
        swap = Path(leaves[0], "memory.swap.max")
        if swap.exists():
            self.assertEqual(swap.read_text().strip(), "0")


class Usage(Vm):
    def test_memory_peak(self):
        result = self.run_bash(FILL)
        self.assertOk(result)
        peak = result["usage"]["memory_peak_bytes"]
        if "memory" in LIMITS and kernel_at_least(5, 19):
            self.assertGreater(peak, 50_000_000)
            self.assertLess(peak, 400_000_000)
        else:
            self.assertIsNone(peak)

    def test_processes_peak_is_right_or_not_told(self):
        result = self.run_bash("for i in 1 2 3 4 5 6; do sleep 2 & done; wait")
        self.assertOk(result)
        peak = result["usage"]["processes_peak"]
        if peak is not None:
            self.assertIn(peak, (7, 8))
        elif "pids" in LIMITS:
            self.assertFalse(kernel_at_least(6, 6))

    def test_processor_time_counts_the_whole_tree(self):
        result = self.run_bash(f"(timeout 1 sh -c '{SPIN}' &) ; timeout 1 sh -c '{SPIN}'; sleep 0.5")
        self.assertGreater(result["usage"]["user_ms"] + result["usage"]["system_ms"], 700 if LIMITS else 300)

    def test_one_calls_use_is_not_the_nexts(self):
        self.needs("memory")
        engine = self.engine()
        self.assertGreater(engine.bash(FILL)["usage"]["memory_peak_bytes"], 50_000_000)
        self.assertLess(engine.bash("true")["usage"]["memory_peak_bytes"], 30_000_000)


class Place(Vm):
    direct = True  # that a tool has started is seen in the workspace

    def busy(self, n=1):
        engine = self.engine()
        for i in range(n):
            engine.start_call("Bash", {"command": f"(setsid sleep 984 &); touch started-{i}; sleep 984"})
        for i in range(n):
            self.assertTrue(eventually((self.workspace / f"started-{i}").exists, PATIENCE_S), engine.stderr())
        return engine

    def names_in(self, leaf):
        return [process_name(p) for p in members(leaf)]

    def test_all_of_a_cell_is_in_its_group_and_nothing_of_the_engine(self):
        self.needs("memory")
        engine = self.busy()
        leaves = [g for g in toolcell_cgroups() if members(g)]
        self.assertEqual(len(leaves), 1, leaves)
        self.assertTrue(eventually(lambda: self.names_in(leaves[0]).count("sleep") == 2, LEFT_S))
        inside = members(leaves[0])
        self.assertIn("toolcell-init", self.names_in(leaves[0]))
        family = engine_processes(engine.pid)
        own = group_of(os.getpid())
        engine_own = [p for p in family if p not in inside]
        self.assertEqual({group_of(p) for p in engine_own}, {own}, [process_command(p) for p in engine_own])
        for name in ("toolcell", "toolcell-launch"):
            self.assertIn(name, {process_name(p) for p in engine_own})

    def test_calls_at_once_have_groups_of_their_own(self):
        self.needs("memory")
        self.busy(3)
        leaves = [g for g in toolcell_cgroups() if members(g)]
        self.assertEqual(len(leaves), 3, leaves)
        self.assertEqual(len({Path(g).parent for g in leaves}), 1)

    def test_the_cell_sees_no_group_above_its_own(self):
        result = self.run_bash("cat /proc/self/cgroup; ls /sys/fs/cgroup 2>&1 | head -1")
        text = result["stdout"]["text"].splitlines()
        self.assertEqual(text[0], "0::/")
        self.assertIn("No such file", text[1])

    def test_calls_leave_nothing(self):
        engine = self.engine()
        for _ in range(3):
            self.assertOk(engine.bash("(setsid sleep 984 &); true"))
        self.assertTrue(eventually(lambda: not [g for g in toolcell_cgroups() if members(g)], LEFT_S))
        self.assertLessEqual(len(toolcell_cgroups()), 1, "the engine's own group at most")
        engine.end_input()
        engine.wait(PATIENCE_S)
        self.assertGone()


class Killed(Vm):
    direct = True  # that a tool has started is seen in the workspace

    def exec_busy(self):
        child = subprocess.Popen([TOOLCELL, "exec", "--policy", self.policy(), "--workspace", self.workspace, "--",
                                  "/bin/sh", "-c", "(setsid sleep 984 &); touch started; sleep 984"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(child.communicate)
        self.addCleanup(child.kill)
        self.assertTrue(eventually((self.workspace / "started").exists, PATIENCE_S))
        family = engine_processes(child.pid)
        launcher = [p for p in family if process_name(p) == "toolcell-launch"]
        self.assertEqual(len(launcher), 1, [process_name(p) for p in family])
        return child, launcher[0], family

    def assertEnds(self, family):
        self.assertTrue(eventually(lambda: not [p for p in family if alive(p)], LEFT_S),
                        [process_command(p) for p in family if alive(p)])

    def test_killed_exec_leaves_nothing(self):
        child, _, family = self.exec_busy()
        child.kill()
        self.assertEnds(family)
        self.assertGone()

    def test_killed_launcher_of_an_exec_leaves_nothing(self):
        child, launcher, family = self.exec_busy()
        os.kill(launcher, signal.SIGKILL)
        self.assertEnds(family)
        self.assertEqual(child.wait(PATIENCE_S), 125)
        self.assertGone()

    def test_what_both_killed_at_once_leave_is_empty_and_goes_at_the_next_start(self):
        child, launcher, family = self.exec_busy()
        os.kill(child.pid, signal.SIGSTOP)
        os.kill(launcher, signal.SIGKILL)
        child.kill()
        self.assertEnds(family)
        child.wait(PATIENCE_S)
        self.assertTrue(eventually(lambda: not [g for g in toolcell_cgroups() if members(g)], LEFT_S))
        time.sleep(YOUNG_S)
        self.assertOk(self.run_bash("true"))
        self.assertGone()


class Neighbours(Vm):
    """Engines of several containers may share one cgroup, and each container counts pids from 1."""

    def setUp(self):
        super().setUp()
        self.needs("memory")
        if not ROOT:
            self.skipTest("an ordinary account cannot make a pid namespace by itself")

    def start(self, seconds, after):
        """An engine as the first child of a new pid namespace: its pid is the same in each."""
        command = (f"{TOOLCELL} exec --policy strict --workspace {self.workspace} -- /bin/sh -c "
                   f"'sleep {seconds}; echo whole'; echo status $?; {after}")
        argv = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", command]
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        self.addCleanup(child.communicate)
        self.addCleanup(child.kill)
        return child

    def assertWhole(self, child):
        self.assertIn("whole\nstatus 0", child.communicate(timeout=PATIENCE_S)[0])

    def test_an_idle_engine_keeps_its_group_when_one_of_another_pid_namespace_starts(self):
        engine = self.engine()
        self.assertOk(engine.bash("true"))
        time.sleep(YOUNG_S)
        self.assertWhole(self.start(0, CLEANED))
        self.assertOk(engine.bash("true"))

    def test_engines_with_the_same_pid_do_not_end_each_others_calls(self):
        first = self.start(12, CLEANED)
        self.assertTrue(eventually(lambda: [g for g in toolcell_cgroups() if members(g)], PATIENCE_S))
        self.assertWhole(self.start(0, CLEANED))
        self.assertWhole(first)

    def test_what_a_dead_pid_namespace_leaves_goes_at_the_next_start(self):
        child = self.start(100, "true")
        self.assertTrue(eventually(lambda: [g for g in toolcell_cgroups() if members(g)], PATIENCE_S))
        child.kill()
        self.assertTrue(eventually(lambda: not [g for g in toolcell_cgroups() if members(g)], LEFT_S))
        time.sleep(YOUNG_S)
        self.assertOk(self.run_bash("true"))
        self.assertGone()


class EnforcedDoctor(Vm):
    def test_doctor_says_what_calls_then_show(self):
        done = self.run_toolcell("doctor", "--json", "--workspace", self.workspace, seconds=PATIENCE_S)
        checks = {c["id"]: c for c in json.loads(done.stdout)["checks"]}
        for name in CONTROLLERS:
            check = checks[f"cgroup.{name}"]
            self.assertEqual(check["status"] == "ok", name in LIMITS, check)
            if name in LIMITS:
                self.assertIn("cgroup v2", check["detail"])
            else:
                self.assertTrue(check["remedy"], check)
        for name in ("kernel", "namespace.time", "mount.api", "seccomp", "landlock", "mount.overlay"):
            self.assertEqual(checks[name]["status"], "ok", checks[name])
        self.assertGone()

    def test_doctor_for_people_names_every_missing_limit(self):
        done = self.run_toolcell("doctor", "--workspace", self.workspace, seconds=PATIENCE_S)
        for name in set(CONTROLLERS) - set(LIMITS):
            self.assertIn(name, done.stdout)
        self.assertNotIn("\x1b", done.stdout)


if __name__ == "__main__":
    main()
