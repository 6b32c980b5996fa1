"""A session's data folder (engine/workspace/stack.h), a workspace, and views of both, for tests."""
import json
import os
import stat
import struct
import subprocess
import time

LAYERS_MAX = 32
BRANCHES_MAX = 16


class Session:
    """top/base, top/data and top/rules; layers[0] of branch 1 is the lowest."""

    def __init__(self, top, program, rules=''):
        self.top = top
        self.program = program
        self.base = os.path.join(top, 'base')
        self.data = os.path.join(top, 'data')
        self.rules = os.path.join(top, 'rules')
        self.branches = {1: []}
        self.next_layer = 1
        for folder in (self.base, self.data, f'{self.data}/layers', f'{self.data}/branches',
                       f'{self.data}/trash'):
            os.makedirs(folder, exist_ok=True)
        with open(self.rules, 'w', encoding='utf-8') as out:
            out.write(rules)
        self.add_layer(1)
        self.begin(1)

    def upper(self, layer):
        return f'{self.data}/layers/{layer}/u'

    def add_layer(self, branch):
        layer = self.next_layer
        self.next_layer += 1
        os.makedirs(self.upper(layer))
        os.chmod(self.upper(layer), stat.S_IMODE(os.stat(self.base).st_mode))
        os.makedirs(f'{self.data}/layers/{layer}/w')
        self.branches[branch].append(layer)
        self.write_stack()

    def begin(self, branch):
        """As after the workspace was last changed by anybody."""
        os.makedirs(f'{self.data}/branches/{branch}', exist_ok=True)
        time.sleep(0.012)
        with open(f'{self.data}/branches/{branch}/begin', 'w', encoding='utf-8'):
            pass
        time.sleep(0.012)

    def write_stack(self):
        out = struct.pack('<8sIIQ', b'TCSTACK', 1, self.next_layer, 1)
        for number in range(1, BRANCHES_MAX + 1):
            layers = self.branches.get(number, [])
            padded = layers + [0] * (LAYERS_MAX - len(layers))
            out += struct.pack('<II32I', 1 if layers else 0, len(layers), *padded)
        with open(f'{self.data}/stack', 'wb') as file:
            file.write(out)

    def command(self, verb, branch=1):
        return [self.program, verb, '--branch', str(branch), '--session', 'k3f9abcd', '--data',
                self.data, '--base', self.base, '--rules', self.rules]

    def run(self, verb, branch=1, prefix=(), **arguments):
        """Return: exit status, the answer (None without one), standard error."""
        done = subprocess.run([*prefix, *self.command(verb, branch)], check=False,
                              input=json.dumps(arguments).encode(), capture_output=True,
                              timeout=300)
        answer = None
        if done.returncode in (0, 1) and done.stdout:
            answer = json.loads(done.stdout)
        return done.returncode, answer, done.stderr.decode(errors='replace')

    def left_over(self):
        """Temporaries, journals, and names in layers."""
        found = []
        for tree in (self.base, f'{self.data}/branches'):
            for folder, _, names in os.walk(tree):
                found += [os.path.join(folder, name) for name in names
                          if name.startswith('.toolcell-') or name.startswith('journal')
                          or name.endswith('.new')]
        return found

    def layer_names(self):
        found = []
        for layers in self.branches.values():
            for layer in layers:
                for folder, folders, names in os.walk(self.upper(layer)):
                    found += [os.path.join(folder, name) for name in folders + names]
        return found


def attributes(path):
    return {name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False)
            if name.startswith('user.') and not name.startswith('user.overlay.')}


def one(path, times=False):
    """What a path is, in a form that compares."""
    st = os.lstat(path)
    mode = stat.S_IMODE(st.st_mode) & 0o777
    if stat.S_ISLNK(st.st_mode):
        return ('link', os.readlink(path))
    if stat.S_ISDIR(st.st_mode):
        return ('folder', mode, attributes(path))
    if not stat.S_ISREG(st.st_mode):
        return ('special', st.st_mode, st.st_rdev)
    with open(path, 'rb') as file:
        content = file.read()
    found = ('file', mode, attributes(path), content)
    return found + ((st.st_mtime_ns,) if times else ())


def tree(top, times=False):
    """All of it: path to what is there."""
    found = {}
    for folder, folders, names in os.walk(top):
        for name in folders + names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, top)] = one(path, times)
    return found


def differences(a, b):
    return sorted(path for path in a.keys() | b.keys() if a.get(path) != b.get(path))
