#!/usr/bin/env python3
"""Upstreams that hang, babble or are cut off, at every step and every few octets: what was taken is whole and once, and
other accounts do not notice."""
import os
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from collecting import *

c = Collecting(conf='message_size_limit = 200k\ncollect_timeout = 1s\ncollect_parallel = 20\n')
house = c.house

# --- cut after so many octets, and again, and again

number = 10000
for capa, step in ((['UIDL', 'PIPELINING'], 23), (['UIDL'], 29)):
    up = c.office([], capa=capa)
    wrong, cuts, deleted = [], 0, 0
    for budget in range(1, 750, step):
        number += 10
        mails = [message(number + i, body=b'.line\r\n' * i) for i in range(4)]
        up.messages = dict(zip('wxyz', mails))
        up.budget = budget
        came = (c.collect(), c.all_taken())[1]
        cuts += up.budget == 0
        deleted += any(m not in up.messages.values() and lf(m) not in came for m in mails)
        up.budget = None
        c.collect()
        came += c.all_taken()
        if (sorted(came), up.messages) != (sorted(lf(m) for m in mails), {}):
            wrong.append((budget, came, up.messages))
    is_((wrong, deleted), ([], 0), 'cut %d times, %s: nothing is lost, nothing comes twice, nothing is deleted too early' % (
        cuts, capa[-1]))
    ok(cuts > 15, '... and it was cut indeed')

# --- at every step: silence, garbage, an endless line, NULs

STEPS = ['greeting', 'CAPA', 'USER', 'PASS', 'LIST', 'UIDL', 'RETR', 'DELE', 'QUIT']


def hang(conn, a):
    conn.up.let_go.wait(30)
    return False


def endless(conn, a):
    try:
        while not conn.up.let_go.is_set():
            conn.send(b'+OK' + b'z' * 65536)
    except OSError:
        pass
    return False


TROUBLE = {
    'silence': hang,
    'garbage': lambda conn, a: conn.send(b'\x80\xff\r\n\r\n220 smtp.example ESMTP\r\n') or True,
    'an endless line': endless,
    'NULs': lambda conn, a: conn.send(b'\0\0+OK\0\r\n') or True,
    'a hasty farewell': lambda conn, a: False,
}
ups, n = {}, 100
for step in STEPS:
    for k, (name, quirk) in enumerate(TROUBLE.items()):
        n += 10
        up = Upstream([message(n), message(n + 1)], capa=['UIDL', 'PIPELINING'] if k % 2 else ['UIDL'])
        up.let_go = threading.Event()
        up.quirks[step] = quirk
        ups['%s-%s' % (step, name.replace(' ', '-'))] = (up, n)
good = [Upstream([message(900 + i)]) for i in range(3)]
c.accounts(**{name: (up, DOMAIN + ' secret=office') for name, (up, n) in ups.items()},
           **{'good%d' % i: (up, DOMAIN + ' secret=office') for i, up in enumerate(good)})
p = c.collect(bound=60)
is_([len(u.messages) for u in good], [0, 0, 0], 'good accounts among bad ones are collected')
came = c.all_taken()
for name, (up, n) in ups.items():
    like(p.stdout, r'^%s: [0-9].*: failed: \S' % name, name + ': it fails, and says how')
    is_(len(up.messages), 2, '... and nothing is deleted')
    up.let_go.set()
    up.quirks.clear()
c.collect(check=True)
came += c.all_taken()
is_(sorted(came), sorted(lf(m) for _, n in ups.values() for m in (message(n), message(n + 1))) and
    sorted([lf(message(n + k)) for _, n in ups.values() for k in (0, 1)] + [lf(message(900 + i)) for i in range(3)]),
    'when they come to their senses, all is here, once')
is_([name for name, (up, n) in ups.items() if up.messages], [], '... and deleted there')

# --- one babbles, one is silent, one has a mailbox too full to open: 17 others finish on time

bad = [Upstream([message(1000 + i)]) for i in range(3)]
for up, quirk in zip(bad, (TROUBLE['garbage'], TROUBLE['silence'],
                           lambda conn, a: conn.send(b'-ERR [SYS/PERM] mailbox over quota, cannot open\r\n') or True)):
    up.let_go = threading.Event()
    up.quirks['LIST'] = quirk
good = [Upstream([message(1010 + i)]) for i in range(17)]
house.conf('collect_timeout = 8s')
c.accounts(**{'a%d' % i: (up, DOMAIN + ' secret=office') for i, up in enumerate(bad + good)})
run = spawn([BIN / 'posthouse', '-C', house.dir, 'collect'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
start, lines = time.monotonic(), []
while sum(b': 1 message' in x for x in lines) < 17 and time.monotonic() < start + 7 * PATIENCE:
    lines.append(run.stdout.readline())
ok(run.poll() is None and sum(b': 1 message' in x for x in lines) == 17, '17 of 20 are done while one still hangs')
bad[1].let_go.set()
run.communicate()
is_((run.returncode, len(c.all_taken()), [len(u.messages) for u in bad]), (75, 17, [1, 1, 1]), '... the three are not')
done()
