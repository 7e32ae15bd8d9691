#!/usr/bin/env python3
"""kill -9 at the n-th system call of collect --replay: every message is with the fallback or with those whose it is, at any
moment; the next run brings each to them once, and it is gone from the fallback's mailbox."""
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

# The calls by which the three processes change something or say so, and up to which n they are tried; strace counts for each
# process by itself.
CALLS = {'sendmsg': 12, 'recvmsg': 12, 'write': 4, 'fsync': 4, 'fdatasync': 3, 'pwrite64': 9, 'unlinkat': 3, 'close': 4}
number = 0


def entry(up, words):
    house.set_map('upstreams', 'office host=127.0.0.1 port=%d kind=domain tls=none login=office domain=example.org '
                               'users=ann,bob fallback=carol %s\n' % (up.port, words))


def letters():
    """Three messages for sales@, {token: octets}."""
    global number
    made = {}
    for _ in range(3):
        number += 1
        token = 'token%06d' % number
        made[token] = b'From: pat@sender.example\r\nTo: sales@example.org\r\nMessage-ID: <%s@sender.example>\r\n\r\n%s\r\n' % (
            token.encode(), token.encode() * 300)
    return made


def here(person, tokens):
    """Of these, what lies in the mailbox; a message that is not whole is an exception."""
    found = []
    for text in house.mail(person):
        for token in tokens:
            if b'<%s@' % token.encode() in text:
                if not text.endswith(b'\n\n' + token.encode() * 300 + b'\n'):
                    raise ValueError('%s has half a message' % person)
                found.append(token)
    return sorted(found)


def one(call, n):
    """What is wrong; whether anybody was killed."""
    mails = letters()
    up = Upstream(list(mails.values()))
    entry(up, '')
    house.ph('collect')
    entry(up, 'alias=ann:sales alias=bob:sales')
    wrong = []
    if here('carol', mails) != sorted(mails):
        wrong.append('not all went to the fallback')
    p = subprocess.run(['strace', '-f', '-o', '/dev/null', '-e', 'trace=' + call, '-e',
                        'inject=%s:signal=KILL:when=%d' % (call, n), str(LIBEXEC / 'collect'), '-C', str(house.dir),
                        '--replay', 'office'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for token in mails:
        if token not in here('carol', mails) and not all(token in here(who, mails) for who in ('ann', 'bob')):
            wrong.append('%s is lost' % token)
    again = house.ph('collect', '--replay', 'office', check=False)
    if again.returncode:
        wrong.append('the next run failed: ' + again.stdout + again.stderr)
    if here('carol', mails):
        wrong.append('something is left with the fallback')
    for who in ('ann', 'bob'):
        if here(who, mails) != sorted(mails):
            wrong.append('%s has %s' % (who, here(who, mails)))
    for who in ('ann', 'bob', 'carol'):
        for path in house.mail_files(who):
            path.unlink()
    up.close()
    return wrong, p.returncode != 0


for call, most in CALLS.items():
    wrong, killed = [], 0
    for n in range(1, most + 1):
        faults, dead = one(call, n)
        wrong += ['%s %d: %s' % (call, n, f) for f in faults]
        killed += dead
        if not dead:
            break
    is_(wrong, [], 'killed at %s, %d times: nothing lost, nothing twice' % (call, killed))
done()
