#!/usr/bin/env python3
"""Random work in a session, then random commits and discards, held against a plain picture of the tree.

The layers are made by overlayfs itself (userxattr, in namespaces of our own) and, so that it also runs
where no overlay can be mounted, by a model of it. Promises that are checked after every step:

 - a commit changes nothing about what the session sees, and puts exactly what was meant into the workspace;
 - a discard changes nothing in the workspace, and the session sees the workspace's own where it was meant;
 - with nothing left the layers are empty, and there is never a temporary or a journal.

usage: changes.py PROGRAM [ROUNDS [SEED]]
"""
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile

from changes_data import Session, attributes, differences, one, tree

RULES = ('P\t**/.git/hooks\tp.json#/0\nS\ttarget\tp.json#/1\nL\tinside\tp.json#/2\n')
SYNCED = 'Y\tp.json#/3\n'  # files are made in batches, synced, then placed
NAMES = ['a', 'b', 'c', 'd', 'a-b', 'e.txt']


class Mounted:
    """The session as overlayfs shows it."""

    name = 'overlayfs'

    def __init__(self, session):
        self.session = session
        self.view = os.path.join(session.top, 'view')
        os.makedirs(self.view, exist_ok=True)
        self.mount()

    def mount(self):
        layers = self.session.branches[1]
        lower = [self.session.upper(layer) for layer in reversed(layers[:-1])]
        work = f'{self.session.data}/layers/{layers[-1]}/w'
        subprocess.run(['mount', '-t', 'overlay', 'overlay', '-o',
                        'userxattr,lowerdir=' + ':'.join(lower + [self.session.base]) +
                        f',upperdir={self.session.upper(layers[-1])},workdir={work}', self.view],
                       check=True, capture_output=True)

    def unmount(self):
        subprocess.run(['umount', self.view], check=True)

    def look(self, times=False):
        return tree(self.view, times)

    def path(self, path):
        return os.path.join(self.view, path)

    def write(self, path, data, append=False):
        with open(self.path(path), 'ab' if append else 'wb') as file:
            file.write(data)

    def make_folder(self, path):
        os.mkdir(self.path(path))

    def make_link(self, path, target):
        os.symlink(target, self.path(path))

    def set_mode(self, path, mode):
        os.chmod(self.path(path), mode)

    def set_attribute(self, path, value):
        os.setxattr(self.path(path), 'user.note', value)

    def remove(self, path):
        if os.path.isdir(self.path(path)) and not os.path.islink(self.path(path)):
            shutil.rmtree(self.path(path))
        else:
            os.unlink(self.path(path))

    def rename(self, old, new):
        os.rename(self.path(old), self.path(new))

    def hard_link(self, old, new):
        os.link(self.path(old), self.path(new), follow_symlinks=False)


class Model:
    """The same by a small model of overlayfs: copies up, makes whiteouts and opaque folders."""

    name = 'model'

    def __init__(self, session):
        self.session = session

    def mount(self):
        pass

    def unmount(self):
        pass

    def trees(self):
        return [self.session.upper(layer) for layer in reversed(self.session.branches[1])] + \
               [self.session.base]

    @staticmethod
    def is_whiteout(path):
        st = os.lstat(path)
        return stat.S_ISCHR(st.st_mode) and st.st_rdev == 0

    @staticmethod
    def is_opaque(path):
        try:
            return os.getxattr(path, 'user.overlay.opaque') == b'y'
        except OSError:
            return False

    def stack(self, path):
        """Where the name is, from the top, as far as it shows."""
        found = self.trees()
        at = ''
        for part in path.split('/') if path else []:
            at = os.path.join(at, part)
            below = []
            for top in found:
                full = os.path.join(top, at)
                if not os.path.lexists(full):
                    continue
                if self.is_whiteout(full):
                    break
                if below and not (os.path.isdir(full) and not os.path.islink(full)):
                    break
                below.append(top)
                if os.path.islink(full) or not os.path.isdir(full) or self.is_opaque(full):
                    break
            found = below
        return [os.path.join(top, path) for top in found]

    def look(self, times=False):
        found = {}
        todo = ['']
        while todo:
            folder = todo.pop()
            names = {name for full in self.stack(folder) for name in os.listdir(full)}
            for name in names:
                path = os.path.join(folder, name)
                places = self.stack(path)
                if not places:
                    continue
                found[path] = one(places[0], times)
                if found[path][0] == 'folder':
                    todo.append(path)
        return found

    def upper(self, path):
        return os.path.join(self.trees()[0], path)

    def copy_up(self, path):
        """The name, and the folders above it, in the top layer."""
        parts = path.split('/')
        for i in range(1, len(parts) + 1):
            part = '/'.join(parts[:i])
            places = self.stack(part)
            if not places or places[0] == self.upper(part):
                continue
            if os.path.islink(places[0]):
                os.symlink(os.readlink(places[0]), self.upper(part))
            elif os.path.isdir(places[0]):
                os.mkdir(self.upper(part))
                shutil.copystat(places[0], self.upper(part))
                if 'user.overlay.opaque' in os.listxattr(self.upper(part)):
                    os.removexattr(self.upper(part), 'user.overlay.opaque')
            else:
                shutil.copy2(places[0], self.upper(part))

    def shows_below(self, path):
        """Whether anything would show if the top layer had nothing there."""
        parent = os.path.dirname(path)
        return any(os.path.lexists(os.path.join(place, os.path.basename(path)))
                   for place in self.stack(parent) if place != self.upper(parent))

    def make_room(self, path):
        self.copy_up(os.path.dirname(path)) if os.path.dirname(path) else None
        if os.path.lexists(self.upper(path)):
            os.unlink(self.upper(path))

    def write(self, path, data, append=False):
        if self.stack(path):
            self.copy_up(path)
        else:
            self.make_room(path)
        with open(self.upper(path), 'ab' if append else 'wb') as file:
            file.write(data)

    def make_folder(self, path):
        self.make_room(path)
        os.mkdir(self.upper(path))
        os.setxattr(self.upper(path), 'user.overlay.opaque', b'y')

    def make_link(self, path, target):
        self.make_room(path)
        os.symlink(target, self.upper(path))

    def set_mode(self, path, mode):
        self.copy_up(path)
        os.chmod(self.upper(path), mode)

    def set_attribute(self, path, value):
        self.copy_up(path)
        os.setxattr(self.upper(path), 'user.note', value)

    def remove(self, path):
        if os.path.dirname(path):
            self.copy_up(os.path.dirname(path))
        full = self.upper(path)
        if os.path.isdir(full) and not os.path.islink(full):
            shutil.rmtree(full)
        elif os.path.lexists(full):
            os.unlink(full)
        if self.shows_below(path):
            os.mknod(full, stat.S_IFCHR)

    def rename(self, old, new):
        if os.path.isdir(self.stack(old)[0]):
            raise OSError('folders are copied')
        if self.stack(new):
            self.remove(new)
        self.copy_up(old)
        self.make_room(new)
        os.rename(self.upper(old), self.upper(new))
        if self.shows_below(old):
            os.mknod(self.upper(old), stat.S_IFCHR)

    def hard_link(self, old, new):
        if os.path.isdir(self.stack(old)[0]):
            raise OSError('no links to folders')
        self.copy_up(old)
        self.make_room(new)
        os.link(self.upper(old), self.upper(new), follow_symlinks=False)


def some_path(rng, depth=4):
    return '/'.join(rng.choice(NAMES) for _ in range(rng.randint(1, depth)))


def fill_base(rng, base):
    for _ in range(rng.randint(5, 40)):
        path = os.path.join(base, some_path(rng))
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if rng.random() < 0.15:
                os.symlink(some_path(rng, 1), path)
            elif rng.random() < 0.2:
                os.mkdir(path)
            else:
                with open(path, 'wb') as file:
                    file.write(rng.randbytes(rng.randint(0, 30)))
        except OSError:
            pass


def work(rng, view, n):
    """Random operations; those that make no sense fail, as they do for anybody."""
    for _ in range(n):
        path = some_path(rng)
        if rng.random() < 0.05:
            path = rng.choice(['target', '.git/hooks', '.git/hooks/x', 'target/x', '.git'])
        have = list(view.look())
        known = rng.choice(have) if have else path
        try:
            choice = rng.randint(0, 11)
            if choice <= 1:
                view.write(path, rng.randbytes(rng.randint(0, 40)))
            elif choice == 2:
                view.write(known, b'more', append=True)
            elif choice <= 4:
                view.make_folder(path)
            elif choice == 5:
                view.make_link(path, some_path(rng, 1))
            elif choice == 6:
                view.set_mode(known, rng.choice([0o755, 0o700, 0o644, 0o640, 0o777]) | 0o600)
            elif choice <= 8:
                view.remove(known)
            elif choice == 9:
                view.rename(known, path)
            elif choice == 10:
                view.hard_link(known, path)
            else:
                view.set_attribute(known, rng.randbytes(3))
            make_passable(view, known)
        except OSError:
            pass


def make_passable(view, path):
    """An ordinary account must be able to look at what it has made."""
    state = view.look().get(path)
    if state and state[0] == 'folder' and not state[1] & 0o100:
        view.set_mode(path, state[1] | 0o700)


def is_covered(path, names):
    return any(path == name or path.startswith(name + '/') for name in names)


class Round:
    def __init__(self, rng, kind, program, top):
        self.rng = rng
        self.session = Session(top, program, RULES + rng.choice(('', SYNCED)))
        fill_base(rng, self.session.base)
        self.session.begin(1)
        self.view = kind(self.session)
        self.log = []

    def fail(self, what, paths):
        raise AssertionError(f'{what}: {paths[:8]}\n' + '\n'.join(self.log[-12:]))

    def run(self, verb, **arguments):
        status, answer, error = self.session.run(verb, **arguments)
        self.log.append(f'{verb} {arguments} -> {status} {answer and answer["text"]} {error}')
        if answer is None:
            self.fail('no answer', [error])
        return answer

    def means(self, names):
        """Paths that named ones stand for: also the other name of a renamed file."""
        listed = self.run('list', paths=['.', 'target'])['data']['changes']
        covered = set(names)
        for change in listed:
            if 'from' in change and (is_covered(change['path'], names) or
                                     is_covered(change['from'], names)):
                covered |= {change['path'], change['from']}
        return covered, listed

    def check_clean(self, left):
        if self.session.left_over():
            self.fail('left over', self.session.left_over())
        if left == 0 and self.session.layer_names():
            self.fail('layers are not empty', self.session.layer_names())

    def commit(self, names):
        seen = self.view.look(times=True)
        before = tree(self.session.base, times=True)
        covered, listed = self.means(names) if names else ({c['path'] for c in listed_all(self)},
                                                          listed_all(self))
        self.view.unmount()
        answer = self.run('commit', **({'paths': names} if names else {}))
        self.view.mount()
        after = tree(self.session.base, times=True)
        held = {entry['path'] for entry in answer['data']['held']} | \
               {entry.get('from') for entry in answer['data']['held']}
        done = {entry['path'] for entry in answer['data']['committed']} | \
               {entry.get('from') for entry in answer['data']['committed']}
        wrong = [p for p in differences(seen, self.view.look(times=True)) if not same_but_folder(
            seen.get(p), self.view.look(times=True).get(p))]
        if wrong:
            self.fail('the session sees something else after a commit',
                      [(p, seen.get(p), self.view.look(times=True).get(p)) for p in wrong])
        for path in differences(before, after):
            if path not in done:
                self.fail('the workspace changed elsewhere', [path])
        for path in done - {None}:
            if after.get(path) != seen.get(path):
                self.fail('not what was committed', [path, after.get(path), seen.get(path)])
        for entry in listed:
            path = entry['path']
            scratch = entry.get('scratch') and not is_covered(path, [
                n for n in names if n.startswith('target')])
            if is_covered(path, covered) and path not in done | held and not scratch:
                self.fail('neither committed nor held', [path])
        self.check_clean(answer['data']['left'])

    def discard(self, names):
        seen = self.view.look(times=True)
        before = tree(self.session.base, times=True)
        covered = self.means(names)[0] if names else None
        self.view.unmount()
        answer = self.run('discard', **({'paths': names} if names else {}))
        self.view.mount()
        if differences(before, tree(self.session.base, times=True)):
            self.fail('a discard changed the workspace', differences(
                before, tree(self.session.base, times=True)))
        now = self.view.look(times=True)
        held = {entry['path'] for entry in answer['data']['held']} | \
               {entry.get('from') for entry in answer['data']['held']}
        for path in now.keys() | seen.keys() | before.keys():
            dropped = covered is None or (is_covered(path, covered) and
                                          not is_covered(path, held - {None}))
            want = before.get(path) if dropped else seen.get(path)
            if now.get(path) != want:
                self.fail('not what a discard leaves', [path, now.get(path), want])
        self.check_clean(answer['data']['left'])

    def step(self):
        work(self.rng, self.view, self.rng.randint(1, 12))
        if self.rng.random() < 0.3 and len(self.session.branches[1]) < 5:
            self.view.unmount()
            self.session.add_layer(1)
            self.view.mount()
            work(self.rng, self.view, self.rng.randint(1, 8))
        names = []
        if self.rng.random() < 0.7:
            changes = [c['path'] for c in listed_all(self)] or ['a']
            for _ in range(self.rng.randint(1, 3)):
                path = self.rng.choice(changes)
                names.append(os.path.dirname(path) or path if self.rng.random() < 0.3 else path)
        self.commit(names) if self.rng.random() < 0.55 else self.discard(names)

    def play(self):
        try:
            for _ in range(4):
                self.step()
        finally:
            self.view.unmount()


def listed_all(playing):
    return playing.run('list', paths=['.', 'target'])['data']['changes']


def same_but_folder(a, b):
    """Permissions that are never committed are the only thing that may differ, and folders' none."""
    return a == b


def play_all(kind, program, rounds, seed):
    for number in range(rounds):
        rng = random.Random(seed + number)
        top = tempfile.mkdtemp(prefix='changes-')
        try:
            Round(rng, kind, program, top).play()
        except AssertionError as failure:
            print(f'# {kind.name} seed {seed + number}: ' + str(failure).replace('\n', '\n# '))
            return False
        finally:
            subprocess.run(['chmod', '-R', 'u+rwX', top], check=False, capture_output=True)
            shutil.rmtree(top, ignore_errors=True)
    return True


def can_mount():
    top = tempfile.mkdtemp(prefix='changes-')
    for name in ('l', 'u', 'w', 'm'):
        os.mkdir(f'{top}/{name}')
    done = subprocess.run(['mount', '-t', 'overlay', 'overlay', '-o',
                           f'userxattr,lowerdir={top}/l,upperdir={top}/u,workdir={top}/w', f'{top}/m'],
                          check=False, capture_output=True)
    if done.returncode == 0:
        subprocess.run(['umount', f'{top}/m'], check=True)
    shutil.rmtree(top, ignore_errors=True)
    return done.returncode == 0


def main():
    if 'CHANGES_INSIDE' not in os.environ:
        flags = ['-m'] if os.geteuid() == 0 else ['-Urm']
        inside = [*sys.argv]
        probe = subprocess.run(['unshare', *flags, 'true'], check=False, capture_output=True)
        os.environ['CHANGES_INSIDE'] = '1' if probe.returncode == 0 else '0'
        if probe.returncode == 0:
            os.execvp('unshare', ['unshare', *flags, sys.executable, *inside])
    program = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    print('1..2')
    good = play_all(Model, program, rounds, seed)
    print(('ok' if good else 'not ok') + ' 1 - commits_and_discards_over_layers_of_a_model')
    name = '2 - commits_and_discards_over_layers_of_overlayfs'
    if os.environ['CHANGES_INSIDE'] == '1' and can_mount():
        mounted = play_all(Mounted, program, rounds, seed)
        print(('ok ' if mounted else 'not ok ') + name)
        good = good and mounted
    else:
        print(f'ok {name} # SKIP no overlay with userxattr can be mounted here')
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
