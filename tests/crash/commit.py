#!/usr/bin/env python3
"""A commit killed at every system call that changes anything, then resumed, held against one that was not.

strace(1) kills the program as it enters the Nth call of a kind; so every state that a kill can leave is met.
In a second pass a person, or a tool of the session, writes between kill and resume: nothing of theirs may
be lost either.

usage: commit.py PROGRAM
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'property'))
from changes import Model  # noqa: E402
from changes_data import Session, tree  # noqa: E402

# What changes a file, a folder or a name. Opening and syncing only matter by what comes behind them.
CALLS = ['write', 'pwrite64', 'renameat', 'renameat2', 'unlinkat', 'mkdirat', 'mknodat', 'linkat', 'symlinkat',
         'fchmod', 'fchmodat', 'utimensat', 'fsetxattr', 'fremovexattr', 'ftruncate', 'copy_file_range',
         'syncfs']
RULES = 'P\tkeep/hook\tp.json#/0\n'
SYNCED = RULES + 'Y\tp.json#/1\n'  # files are made in batches, synced, then placed


def put(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    os.chmod(path, mode)


def make(top, program, rules=RULES):
    session = Session(top, program, rules)
    for path in ('src/lib.rs', 'src/old.rs', 'src/moved.rs', 'docs/a/b', 'docs/a/c', 'again/x', 'again/y',
                 'file', 'folder/in', 'gone'):
        put(os.path.join(session.base, path), f'{path} as it was\n' * 20)
    os.symlink('src', os.path.join(session.base, 'link'))
    os.mkdir(os.path.join(session.base, 'modes'))
    session.begin(1)
    view = Model(session)
    view.write('src/lib.rs', b'new content\n')
    view.make_folder('fresh')
    view.make_folder('fresh/deep')
    view.write('fresh/deep/one', b'1' * 9000)
    view.hard_link('fresh/deep/one', 'fresh/two')
    view.rename('src/moved.rs', 'src/name.rs')
    view.remove('gone')
    view.remove('docs')
    view.remove('file')
    view.make_folder('file')
    view.write('file/inside', b'was a file\n')
    view.remove('folder')
    view.write('folder', b'was a folder\n')
    view.remove('link')
    view.make_link('link', 'docs')
    view.set_mode('modes', 0o700)
    session.add_layer(1)
    view.remove('again')
    view.make_folder('again')
    view.write('again/x', b'again\n')
    view.write('src/lib.rs', b'newer content\n')
    view.make_folder('keep')
    view.write('keep/hook', b'not to be\n')
    view.write('keep/ok', b'to be\n')
    return session, view


def picture(session, view):
    return tree(session.base, times=False), view.look(times=False)


# Every call takes minutes: `commit.py PROGRAM 1` does it; the suite takes samples, other ones for an account.
STRIDE = int(sys.argv[2]) if len(sys.argv) > 2 else 3 if os.geteuid() == 0 else 7


def files_only(found):
    return {path: state for path, state in found.items() if state[0] != 'folder'}


def count_calls(program, arguments, rules=RULES):
    """How many calls of each kind an undisturbed commit makes, and what it leaves."""
    top = tempfile.mkdtemp(prefix='crash-')
    session, view = make(top, program, rules)
    log = os.path.join(top, 'log')
    status, answer, error = session.run(
        'commit', prefix=['strace', '-o', log, '-e', 'trace=' + ','.join(CALLS)], **arguments)
    assert status in (0, 1), (status, error)
    with open(log, encoding='utf-8', errors='replace') as file:
        names = re.findall(r'^(\w+)\(', file.read(), re.M)
    result = picture(session, view)
    assert not session.left_over(), session.left_over()
    shutil.rmtree(top)
    return {name: names.count(name) for name in CALLS}, result, answer


def crash(program, arguments, call, number, between=None, rules=RULES):
    top = tempfile.mkdtemp(prefix='crash-')
    session, view = make(top, program, rules)
    status, _, _ = session.run('commit', prefix=[
        'strace', '-o', '/dev/null', '-e', f'trace={call}', '-e', f'inject={call}:signal=KILL:when={number}'],
        **arguments)
    where = f'{call} {number}'
    assert status not in (0, 1, 2), f'{where}: was not killed ({status})'
    if between:
        between(session, view)
    status, answer, error = session.run('commit', **arguments)
    assert answer is not None, f'{where}: {error}'
    assert not session.left_over(), f'{where}: {session.left_over()}'
    found = picture(session, view)
    return where, top, session, found, answer


def check_same(program, arguments, calls, expected, rules=RULES):
    n = 0
    for call, count in calls.items():
        for number in range(1, count + 1, STRIDE):
            where, top, _, found, answer = crash(program, arguments, call, number, rules=rules)
            for name, got, want in zip(('workspace', 'session'), found, expected):
                wrong = sorted(p for p in got.keys() | want.keys() if got.get(p) != want.get(p))
                assert not wrong, f'{where}: {name} differs at ' + ', '.join(
                    f'{p}: {got.get(p)} for {want.get(p)}' for p in wrong[:4]) + str(answer['text'])
            shutil.rmtree(top)
            n += 1
    return n


def person_writes(session, _view):
    """Into files that the commit is about to replace, to delete, or has just replaced."""
    for path in ('src/lib.rs', 'gone', 'src/moved.rs', 'again/y', 'docs/a/b'):
        full = os.path.join(session.base, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.isdir(os.path.dirname(full)):
            with open(full, 'a', encoding='utf-8') as file:
                file.write('by a person\n')


def tool_writes(_session, view):
    view.write('src/lib.rs', b'newest content\n')
    view.write('fresh/two', b'2\n')


def check_nothing_lost(program, arguments, calls, between, wanted):
    n = 0
    for call in ('renameat2', 'unlinkat', 'write'):
        for number in range(1, calls[call] + 1, STRIDE):
            where, top, _, (base, view), answer = crash(program, arguments, call, number, between)
            for path, needle in wanted:
                there = [tree_[path] for tree_ in (base, view) if path in tree_]
                assert any(needle in state[-1] for state in there if state[0] == 'file'), \
                    f'{where}: {path} lost what was written: {there} {answer["text"]}'
            shutil.rmtree(top)
            n += 1
    return n


def race(program, path, call_number, write):
    """Somebody writes at the last moment: behind the last look, before the rename."""
    top = tempfile.mkdtemp(prefix='crash-')
    session, _ = make(top, program)
    prefix = ['strace', '-o', '/dev/null', '-e', 'trace=renameat2', '-e',
              f'inject=renameat2:delay_enter=1500000:when={call_number}']
    with subprocess.Popen([*prefix, *session.command('commit')], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdin.write(json.dumps({'paths': [path]}).encode())
        running.stdin.close()
        journal = os.path.join(session.data, 'branches/1/journal')
        deadline = time.monotonic() + 20
        while not os.path.exists(journal) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.5)
        write(os.path.join(session.base, path))
        said = running.stdout.read()
        assert said, f'{path}: no answer: {running.stderr.read()!r}, status {running.wait()}'
        answer = json.loads(said)
    with open(os.path.join(session.base, path), encoding='utf-8') as file:
        content = file.read()
    assert 'by a person' in content, f'{path}: lost: {content} {answer["text"]}'
    assert [entry['path'] for entry in answer['data']['held']] == [path], answer['text']
    assert not session.left_over(), session.left_over()
    shutil.rmtree(top)
    return 1


def append(path):
    with open(path, 'a', encoding='utf-8') as file:
        file.write('by a person\n')


def replace(path):
    with open(path + '.mine', 'w', encoding='utf-8') as file:
        file.write('by a person\n')
    os.rename(path + '.mine', path)


def check_races(program):
    return sum(race(program, path, number, write) for path, number in (('src/lib.rs', 2), ('gone', 1))
               for write in (append, replace))


def case(number, name, run):
    try:
        n = run()
        print(f'ok {number} - {name} # {n} kills')
        return True
    except AssertionError as failure:
        print(f'# {failure}'.replace('\n', '\n# '))
        print(f'not ok {number} - {name}')
        return False


def can_trace():
    if not shutil.which('strace'):
        return False
    return subprocess.run(['strace', '-o', '/dev/null', 'true'], check=False, capture_output=True).returncode == 0


def main():
    program = os.path.abspath(sys.argv[1])
    names = ['a_commit_of_everything_killed_anywhere_ends_as_if_it_had_not_been',
             'a_commit_of_some_paths_killed_anywhere_ends_as_if_it_had_not_been',
             'what_a_person_writes_between_kill_and_resume_is_not_lost',
             'what_a_tool_writes_between_kill_and_resume_is_not_lost',
             'what_is_written_at_the_last_moment_is_put_back',
             'a_synced_commit_killed_anywhere_ends_as_if_it_had_not_been']
    print(f'1..{len(names)}')
    if not can_trace():
        for number, name in enumerate(names, 1):
            print(f'ok {number} - {name} # SKIP strace is not here, or may not trace')
        return 0
    everything, some = {}, {'paths': ['src', 'fresh/two', 'again/x', 'docs', 'file', 'folder', 'modes']}
    calls, whole, _ = count_calls(program, everything)
    calls_some, part, _ = count_calls(program, some)
    calls_synced, synced, _ = count_calls(program, everything, SYNCED)
    person = [(p, b'by a person') for p in ('src/lib.rs', 'gone', 'src/moved.rs', 'again/y', 'docs/a/b')]
    tool = [('src/lib.rs', b'newest'), ('fresh/two', b'2')]
    good = [
        case(1, names[0], lambda: check_same(program, everything, calls, whole)),
        case(2, names[1], lambda: check_same(program, some, calls_some, part)),
        case(3, names[2], lambda: check_nothing_lost(program, everything, calls, person_writes, person)),
        case(4, names[3], lambda: check_nothing_lost(program, everything, calls, tool_writes, tool)),
        case(5, names[4], lambda: check_races(program)),
        case(6, names[5], lambda: check_same(program, everything, calls_synced, synced, SYNCED)),
    ]
    return 0 if all(good) else 1


if __name__ == '__main__':
    sys.exit(main())
