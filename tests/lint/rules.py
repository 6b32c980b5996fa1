"""The rules of the house that no tool knows: floors, budgets, banned calls, words, and what is linked.

Each rule is a function of the tree that returns problems as lines of text; RULES names them all. A
rule that has nothing to look at yet returns a `Skip`.
"""

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

FLOORS = {"base": 0, "wire": 1, "confine": 2, "audit": 3, "workspace": 3, "cell": 4, "init": 4, "policy": 4, "manifest": 4,
          "digest": 4, "egress": 4, "launch": 5, "import": 5, "rpc": 5, "policyc": 6, "broker": 6, "cli": 7}
FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 60
VERDICT_ROWS_MIN = 100
LAUNCH_LINES_MAX = 1800  # 1,400 until sessions came: launch/session.c, and calls that wait for one
TOP_LEVEL = {"meson.build", "engine", "policies", "tools", "agents", "tests", "bench", "docs", "README.md",
             "ARCHITECTURE.md", "SECURITY.md", "HACKING.md", "CHANGELOG.md", "LICENSE", "dev"}
# Call -> (where it is allowed, why not elsewhere)
BANNED = {
    r"dup": ((), "the copy would not be close-on-exec: fcntl(F_DUPFD_CLOEXEC)"),
    r"v?sprintf": ((), "has no bound: snprintf"),
    r"str(?:n?cpy|n?cat)": ((), "has no bound, or no NUL: memcpy with a checked length, or snprintf"),
    r"gets": ((), "has no bound"),
    r"strto(?:l|ll|ul|ull|d|f|imax|umax)": (("engine/base/",), "num.h is the only parser of numbers"),
    r"ato(?:i|l|ll|f)": ((), "cannot fail: num.h"),
    r"system|popen": ((), "starts a shell"),
    r"mktemp|tmpnam|tempnam": ((), "is a race: memfd_create, or mkdtemp"),
    r"alloca|strdupa": ((), "has no bound"),
    r"signal(?=\s*\((?![^)]*SIG_(?:IGN|DFL)))": ((), "has no defined flags: signalfd, or sigaction"),
}
# Written by us: what tools wrote (samples, corpora) keeps its bytes.
OURS = (".c", ".h", ".py", ".build", ".json", ".rs", ".scd", ".md", ".yml", ".in")
UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")


class Skip(str):
    """Why a rule had nothing to check."""


class Tree:
    """The files of the project: what git knows, or all but build folders where there is no git."""

    def __init__(self, top, build):
        self.top, self.build = top, build
        listed = subprocess.run(["git", "-C", str(top), "ls-files", "-co", "--exclude-standard"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        names = listed.stdout.splitlines() if listed.returncode == 0 else self.walk()
        self.files = sorted(n for n in names if (top / n).is_file())
        self.texts = {}

    def walk(self):
        for base, dirs, files in os.walk(self.top):
            dirs[:] = [d for d in dirs if d not in (".git", "target", "__pycache__") and not d.startswith("build")]
            for name in files:
                yield os.path.relpath(os.path.join(base, name), self.top)

    def text(self, name):
        if name not in self.texts:
            try:
                self.texts[name] = (self.top / name).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                self.texts[name] = None
        return self.texts[name]

    def code(self, *suffixes, under=("engine/", "tools/", "bench/", "tests/")):
        return [f for f in self.files if f.endswith(suffixes) and f.startswith(under)]

    def program(self, name):
        found = [p for p in Path(self.build).rglob(name) if p.is_file() and os.access(p, os.X_OK)]
        return found[0] if found else None


def strip_comments(text):
    """Comments and the inside of strings become blanks; lines stay where they are."""
    def blank(found):
        piece = found.group(0)
        if piece[0] in "\"'":
            return piece[0] * 2
        return re.sub(r"[^\n]", " ", piece)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def floors(tree):
    """engine/MOD includes only what stands on a lower floor, or itself."""
    for name in tree.code(".c", ".h", under=("engine/",)):
        module = name.split("/")[1]
        if module not in FLOORS:
            yield f"{name}: module {module} has no floor"
            continue
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            other = found.group(1).split("/")[0] if found else module
            if found and "/" not in found.group(1):
                if found.group(1) != "config.h":
                    yield f'{name}:{number}: include "{found.group(1)}" by its module: "{module}/{found.group(1)}"'
            elif other != module and FLOORS.get(other, 99) >= FLOORS[module]:
                yield f"{name}:{number}: {module} (floor {FLOORS[module]}) includes {other} (floor {FLOORS.get(other)})"


def file_length(tree):
    """No source file is longer than 700 lines."""
    for name in tree.code(".c", ".h", ".py") + [n for n in ("dev", "tests/run", "bench/run") if n in tree.files]:
        lines = tree.text(name).count("\n")
        if lines > FILE_LINES_MAX:
            yield f"{name}: {lines} lines; {FILE_LINES_MAX} are allowed"


def function_length(tree):
    """No C function is longer than 60 lines."""
    for name in tree.code(".c"):
        start = None
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            if line == "{":
                start = number
            elif line.startswith("}") and start:
                if number - start - 1 > FUNCTION_LINES_MAX:
                    yield f"{name}:{start}: a function of {number - start - 1} lines; {FUNCTION_LINES_MAX} are allowed"
                start = None


def launch_budget(tree):
    """engine/launch/*.c stays small enough to be read at one sitting."""
    lines = sum(tree.text(n).count("\n") for n in tree.code(".c", under=("engine/launch/",)))
    if lines > LAUNCH_LINES_MAX:
        yield f"engine/launch: {lines} lines; {LAUNCH_LINES_MAX} are allowed"


def headers_alone(tree):
    """Every header compiles by itself."""
    for name in tree.code(".h", under=("engine/", "tools/")):
        command = [os.environ.get("CC", "cc"), "-fsyntax-only", "-x", "c", "-std=gnu17", "-D_GNU_SOURCE", "-Wall",
                   "-Werror", "-Wno-unused-function", f"-I{tree.top}/engine", f"-I{tree.build}", f"-I{tree.top}", "-"]
        done = subprocess.run(command, input=f'#include "{tree.top / name}"\n', stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            yield f"{name}: does not compile alone:\n{done.stdout[:1000]}"


def banned_calls(tree):
    """Calls that are a trap; see BANNED."""
    for name in tree.code(".c", ".h", under=("engine/", "tools/", "bench/")):
        for number, line in enumerate(strip_comments(tree.text(name)).splitlines(), 1):
            for pattern, (allowed, why) in BANNED.items():
                found = re.search(rf"(?<![A-Za-z0-9_.>])({pattern})\s*\(", line)
                if found and not name.startswith(tuple(allowed) or ("\0",)):
                    yield f"{name}:{number}: {found.group(1)}(): {why}"


def careful_calls(tree):
    """recvmsg takes MSG_CMSG_CLOEXEC; sigaction says why there is a handler."""
    for name in tree.code(".c", under=("engine/", "tools/")):
        lines = tree.text(name).splitlines()
        plain = strip_comments(tree.text(name)).splitlines()
        for i, line in enumerate(plain):
            if re.search(r"(?<![A-Za-z0-9_])recvmsg\s*\(", line) and "MSG_CMSG_CLOEXEC" not in " ".join(plain[i:i + 3]):
                yield f"{name}:{i + 1}: recvmsg without MSG_CMSG_CLOEXEC"
            if re.search(r"(?<![A-Za-z0-9_])sigaction\s*\(", line) and not any(
                    "/*" in one or one.lstrip().startswith("*") for one in lines[max(0, i - 6):i + 1]):
                yield f"{name}:{i + 1}: sigaction without a comment that says why no signalfd"


def unfinished_words(tree):
    """Nothing in the tree is marked as unfinished."""
    for name in tree.files:
        text = tree.text(name)
        if text is None or name == "tests/run" or not (name.endswith(OURS) or text.startswith("#!")):
            continue  # tests/run reads TAP, which has a directive of that name
        for number, line in enumerate(text.splitlines(), 1):
            if UNFINISHED.search(line):
                yield f"{name}:{number}: {line.strip()[:100]}"


def machine_paths(tree):
    """No file names the place where this tree happens to lie, or the home of who works on it."""
    home = str(Path.home())
    places = [str(tree.top) + "/"] + ([home + "/"] if home.count("/") > 1 else [])
    for name in tree.files:
        for place in places:
            if place in (tree.text(name) or ""):
                yield f"{name}: names {place}"


def theory_of_operation(tree):
    """Every C source begins by saying how it works."""
    for name in tree.code(".c"):
        head = tree.text(name).split("*/", 1)[0]
        if not head.startswith("/*"):
            yield f"{name}: does not begin with a comment"
        elif "Theory of operation" not in head and not name.startswith("tests/"):
            yield f"{name}: does not begin with a \"Theory of operation\" comment"


def white_space(tree):
    """Lines end where their text ends, and files with a newline."""
    for name in tree.files:
        text = tree.text(name)
        if not text or not (name.endswith(OURS) or text.startswith("#!")):
            continue
        if not text.endswith("\n"):
            yield f"{name}: no newline at the end"
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip() and not name.endswith(".md"):
                yield f"{name}:{number}: white space at the end of the line"


def top_level(tree):
    """The top level holds what DESIGN names, and dot-files."""
    for name in sorted({f.split("/")[0] for f in tree.files}):
        if name not in TOP_LEVEL and not name.startswith("."):
            yield f"{name}: does not belong at the top level"
    for name in sorted(TOP_LEVEL - {f.split("/")[0] for f in tree.files}):
        yield f"{name}: is missing"


def lean_programs(tree):
    """What holds privilege, or runs in every cell, links neither a JSON parser nor a filter compiler."""
    programs = {n: tree.program(n) for n in ("toolcell-launcher", "toolcell-init")}
    if not all(programs.values()):
        return Skip("the programs are not built")
    problems = []
    for name, path in programs.items():
        symbols = subprocess.run(["nm", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                 check=False).stdout
        if not symbols:
            problems.append(f"{name}: nm shows no symbols, so nothing can be said")
        for found in sorted(set(re.findall(r"\b(json_\w+|seccomp_(?:init|load|rule|export)\w*|yaml_\w+)\b", symbols)))[:5]:
            problems.append(f"{name}: links {found}")
        needed = subprocess.run(["readelf", "-d", str(path)], stdout=subprocess.PIPE, text=True, check=False).stdout
        if "NEEDED" in needed:
            problems.append(f"{name}: is not static")
    return problems


def help_text(program, *command):
    return subprocess.run([str(program), *command, "--help"], stdout=subprocess.PIPE, text=True, check=False).stdout


def manual_pages(tree):
    """Every command that --help names has a section in the manual page, and every option of theirs is there."""
    page = next((f for f in tree.files if re.fullmatch(r"docs/toolcell\.1\.scd", f)), None)
    program = tree.program("toolcell")
    if not page or not program:
        return Skip("no manual page, or no program, yet")
    manual, problems = tree.text(page), []
    help_of = {"": help_text(program)}
    for command in re.findall(r"^  ([a-z]+)  ", help_of[""].partition("Commands:")[2].partition("\n\n")[0], re.M):
        help_of[command] = help_text(program, command)
        if f"\n## toolcell {command}\n" not in manual:
            problems.append(f"{page}: has no section of toolcell {command}")
    if len(help_of) == 1:
        problems.append(f"{page}: toolcell --help names no commands, so nothing can be said")
    for command, text in help_of.items():
        for option in sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))):
            if not re.search(rf"(?<![\w-]){option}(?![\w-])", manual):
                problems.append(f"{page}: {f'toolcell {command}'.strip()} has {option}, the page does not")
    return problems


def policy_digest(tree, name):
    """SHA-256 over a policy's chain, the root first, as policy_digest() of engine/policy has it; None: no such file."""
    chain = []
    while name:
        path = tree.top / "policies" / f"{name}.json"
        if not path.is_file() or path in chain:
            return None
        chain.append(path)
        name = json.loads(path.read_text(encoding="utf-8")).get("extends")
    whole = hashlib.sha256()
    for path in reversed(chain):
        data = path.read_bytes()
        whole.update(f"{len(data)}\n".encode() + data)
    return whole.hexdigest()


def verdict_tables(tree):
    """Every shipped policy has a verdict table, which was looked at since the policy changed."""
    for file in tree.files:
        found = re.fullmatch(r"policies/(.+)\.json", file)
        if not found or file.endswith(".schema.json"):
            continue
        name, table = found.group(1), f"policies/{found.group(1)}.verdicts"
        if table not in tree.files:
            yield f"{file}: has no verdict table {table}"
            continue
        lines = tree.text(table).splitlines()
        rows = [l for l in lines if "->" in l and not l.lstrip().startswith("//")]
        digest = policy_digest(tree, name)
        if f"policy {name}" not in lines:
            yield f"{table}: does not say \"policy {name}\""
        if len(rows) < VERDICT_ROWS_MIN:
            yield f"{table}: {len(rows)} rows; a table of less than {VERDICT_ROWS_MIN} shows nothing"
        if digest is None:
            yield f"{file}: extends what is not shipped"
        elif f"digest sha256:{digest}" not in lines:
            yield f"{table}: the policy has changed; look at the table, then write \"digest sha256:{digest}\""


RULES = (verdict_tables, floors, file_length, function_length, launch_budget, headers_alone, banned_calls, careful_calls,
         unfinished_words, machine_paths, theory_of_operation, white_space, top_level, lean_programs, manual_pages)
