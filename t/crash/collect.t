#!/usr/bin/env python3
"""kill -9 at the n-th system call of collect, between fetch, commit and delete: nothing is lost, nothing goes upstream
that is not here, and nothing comes twice."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream

if not have('strace'):
    skip_all('strace is not installed')
house = House(users=['ann:secret', 'bob:secret', 'carol:secret'])
house.map('secrets', 'office password=secret\n', compile=False)
house.start()
probe = subprocess.run(['strace', '-f', '-o', '/dev/null', '-e', 'inject=getppid:signal=KILL:when=1', 'true'],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
if probe.returncode:
    skip_all('strace cannot trace here')

# The calls by which the collector changes something or says so, and up to which n they are tried.
CALLS = {'sendmsg': 14, 'recvmsg': 8, 'write': 16, 'sync_file_range': 5, 'fsync': 5, 'fdatasync': 4, 'pwrite64': 24,
         'ftruncate': 2, 'copy_file_range': 1, 'recvfrom': 9, 'dup': 4, 'connect': 2, 'close': 12}
PEOPLE = (['ann'], ['ann', 'bob'], ['bob'], ['carol'])
number = 0


def letters():
    """Four messages, {token: people}."""
    global number
    made, want = [], {}
    for people in PEOPLE:
        number += 1
        token = 'token%06d' % number
        made.append(b'From: pat@sender.example\r\nTo: %s\r\nMessage-ID: <%s@sender.example>\r\n\r\n%s\r\n' % (
            ', '.join(p + '@example.org' for p in people).encode(), token.encode(), token.encode() * 300))
        want[token] = people
    return made, want


def here(want):
    """[(token, person)] of what lies in the mailboxes; a message that is not whole is an exception."""
    found = []
    for person in ('ann', 'bob', 'carol'):
        for text in house.mail(person):
            for token in want:
                if b'<%s@' % token.encode() in text:
                    if not text.endswith(b'\n\n' + token.encode() * 300 + b'\n'):
                        raise ValueError('%s has half a message' % person)
                    found.append((token, person))
    return found


def empty():
    for person in ('ann', 'bob', 'carol'):
        for p in house.mail_files(person):
            p.unlink()


def one(call, n, keep):
    """What is wrong; the number of copies that came twice; whether anybody was killed."""
    made, want = letters()
    up = Upstream()
    up.messages = {'uid-%s' % t: m for t, m in zip(want, made)}  # never given twice (RFC 1939, 7)
    house.set_map('upstreams', 'office host=127.0.0.1 port=%d kind=domain tls=none login=office domain=example.org '
                               'fallback=carol keep=%s\n' % (up.port, keep))
    before = up.messages.copy()
    p = subprocess.run(['strace', '-f', '-o', '/dev/null', '-e', 'trace=' + call, '-e',
                        'inject=%s:signal=KILL:when=%d' % (call, n), str(LIBEXEC / 'collect'), '-C', str(house.dir)],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    killed = p.returncode != 0
    wrong = []
    found = here(want)
    for uid in before.keys() - up.messages.keys():
        token = next(t for t in want if t.encode() in before[uid])
        if any((token, person) not in found for person in want[token]):
            wrong.append('%s is gone upstream and not here' % token)
    p = house.ph('collect', check=False)
    if p.returncode and 'being delivered at this moment' in p.stdout:  # on a slow machine; a later run hears that it is here
        wait_until(lambda: house.ph('collect', check=False).returncode == 0, 10)
        p.returncode = 0
    if p.returncode:
        wrong.append('the next run fails: %s' % p.stdout)
    found = here(want)
    lost = [(t, person) for t, people in want.items() for person in people if (t, person) not in found]
    foreign = [f for f in found if f[1] not in want[f[0]]]
    if lost or foreign:
        wrong.append('lost %s, at the wrong person %s' % (lost, foreign))
    if keep == 'delete' and up.messages:
        wrong.append('left upstream: %s' % sorted(up.messages))
    twice = len(found) - len(set(found))
    if twice:
        wrong.append('%d copies twice' % twice)
    up.close()
    empty()
    return wrong, twice, killed


cases = kills = doubled = 0
for call, most in CALLS.items():
    wrong, at = [], []
    for n in range(1, most + 1):
        faults, twice, killed = one(call, n, 'all' if n % 3 == 0 else 'delete')
        cases, kills, doubled = cases + 1, kills + killed, doubled + twice
        wrong += ['%s %d: %s' % (call, n, f) for f in faults]
        if twice:
            at.append(n)
    ok(not wrong, 'killed at %s 1 to %d' % (call, most))
    for w in wrong[:10]:
        diag(w)
    if at:
        diag('%s: a copy came twice at %s' % (call, at))
ok(kills > cases // 2, 'most of these kills hit')
diag('%d cases, %d kills, %d copies twice' % (cases, kills, doubled))
done()
