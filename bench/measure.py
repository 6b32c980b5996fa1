"""What the benchmarks share: samples become records, two records a ratio, and each says where it was taken."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOP / "tests" / "demo"))

import drive  # noqa: E402 (the repairs of the demo crate)


def commit():
    done = subprocess.run(["git", "-C", str(TOP), "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() or None


def governor():
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return None


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def where():
    return {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit(),
            "kernel": platform.release(), "cpu": cpu_model(), "cpus": os.cpu_count(), "governor": governor(),
            "load": os.getloadavg()[0], "mode": "root" if os.geteuid() == 0 else "rootless"}


def quantile(ordered, q):
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def record(name, command, samples, place):
    ordered = sorted(samples)
    return {"bench": name, "command": command, **place, "samples": len(ordered), "unit": "us",
            "min": ordered[0], "median": quantile(ordered, 0.5), "p90": quantile(ordered, 0.9),
            "p99": quantile(ordered, 0.99)}


def show(rows):
    print(f"{'':<44}{'samples':>8}{'min':>12}{'median':>12}{'p90':>12}{'p99':>12}")
    for row in rows:
        numbers = "".join(f"{row[k] / 1000:>9.2f} ms" for k in ("min", "median", "p90", "p99"))
        print(f"{row['bench']:<44}{row['samples']:>8}{numbers}")


def verdict(title, values, goal, unit):
    met = None if goal is None else values["median"] <= goal
    told = "" if goal is None else f"   goal {goal:<5g} {'met' if met else 'NOT MET'}"
    print(f"{title:<56} {values['median']:7.2f}{unit} (of minima {values['min']:6.2f}{unit}){told}")
    return {"bench": "ratio" if not unit else "difference", "of": title, **values, "goal": goal, "met": met}


def compare(title, above, below, goal=None):
    """How many times as long."""
    return verdict(title, {k: above[k] / below[k] for k in ("min", "median")}, goal, "")


def subtract(title, above, below, goal_ms=None):
    """How many milliseconds more; without @below: how many."""
    values = {k: (above[k] - (below[k] if below else 0)) / 1000 for k in ("min", "median")}
    return verdict(title, values, goal_ms, " ms")


def write(path, rows, verdicts, place):
    if path:
        with open(path, "a", encoding="utf-8") as file:
            for row in rows + [{**v, **place} for v in verdicts]:
                file.write(json.dumps(row) + "\n")


def repaired_crate(target):
    """The demo crate as it is at the end of the demo."""
    shutil.copytree(TOP / "tests" / "demo" / "crate", target, ignore=shutil.ignore_patterns("target"))
    for repair in (drive.FIX_BORROW, drive.FIX_LINT, drive.FIX_RANK):
        path = target / repair["file_path"]
        text = path.read_text(encoding="utf-8")
        for edit in repair["edits"]:
            text = text.replace(edit["old_string"], edit["new_string"])
        path.write_text(text, encoding="utf-8")
