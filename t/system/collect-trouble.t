#!/usr/bin/env python3
"""Accounts that cannot be collected from: they are left alone, the postmaster hears of it once, and once more when it is
over; nobody else waits."""
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream


def message(n, to='ann@example.org'):
    return b'From: pat@sender.example\r\nTo: %s\r\nMessage-ID: <%d@sender.example>\r\n\r\nno. %d\r\n' % (
        to.encode(), n, n)


house = House(users=['ann:secret', 'bob:secret'], postmaster='chief', conf='collect_timeout = 4s\ncollect_warn_after = 5s\n')
WORDS = 'host=127.0.0.1 port=%d kind=domain login=office domain=example.org fallback=bob %s'


def accounts(**entries):
    house.set_map('upstreams', ''.join('%s %s\n' % (n, WORDS % (port, words))
                                       for n, (port, words) in entries.items()))


def passwords(**words):
    house.set_map('secrets', ''.join('%s password=%s\n' % w for w in words.items()))


def notices(n):
    """What the postmaster got: subjects, in order; awaits n, for each is delivered at once or soon."""
    found = [dict(headers(m)) for m in house.wait_mail('chief', n)]
    return [h[b'Subject'].decode() for h in found]


def logins(up):
    return sum(c.startswith('PASS') for c in up.commands)


# --- a refused login

passwords(good='secret', bad='wrong')
house.start()
good, bad = Upstream([message(1)]), Upstream([message(2)])
accounts(good=(good.port, 'tls=none'), bad=(bad.port, 'tls=none'))
p = house.ph('collect', check=False)
is_(p.returncode, 75, 'a refused login: exit 75')
is_(len(house.wait_mail('ann', 1)), 1, '... the others are collected from') or diag(p.stdout, p.stderr)
is_(notices(1), ['no mail from account bad: its login is refused'], '... the postmaster hears of it')
told = house.mail('chief')[0]
h = dict(headers(told))
is_((h[b'Return-Path'], h[b'Auto-Submitted']), (b'<>', b'auto-generated'), 'the notice says that nobody wrote it, and wants no answer')
ok(b'Date' in h and re.match(rb'<[^<>@]+@[^<>@]+>$', h[b'Message-ID']), '... has a date and an identity')
like(told, r'account bad at 127\.0\.0\.1 since [\d: -]+:\n\n    login refused', '... names account, server and reason')
like(told, 'posthouse upstream test bad', '... says what to do')
ok(b'wrong' not in told, '... but no password')
like(p.stderr, 'collect.auth_failed account=bad', 'the log has it')
p = house.ph('collect', check=False)
is_((p.returncode, logins(bad)), (75, 1), 'the next run leaves the account alone')
like(p.stdout, r'^bad: not tried: the login was refused 1 time since .*; left alone until \d{4}-', '... and says until when')
like(p.stdout, r'^good: 0 messages', '... but not the others')
p = house.ph('collect', 'bad', check=False)
is_(logins(bad), 1, '... also when a script names it')
p = house.ph('collect', 'now', 'bad', check=False)
is_((p.returncode, logins(bad)), (75, 2), 'now: it is tried')
like(house.ph('collect', '--status').stdout, r'^bad: .*failed: login refused.*\n    the login was refused 2 times since .*; left alone until', '--status tells')
is_(notices(1), ['no mail from account bad: its login is refused'], 'he is told once')
passwords(good='secret', bad='secret')
is_(house.ph('collect').returncode, 0, 'a password that was mended is tried at once')
is_(len(house.wait_mail('ann', 2)), 2, '... with success')
is_(notices(2)[1:], ['mail comes from account bad again'], '... and he is told that it works')
house.ph('collect')
passwords(good='secret', bad='wrong')
house.ph('collect', check=False)
is_(notices(3)[2:], ['no mail from account bad: its login is refused'], 'the next time is a new one')
passwords(good='secret', bad='secret')
house.ph('collect')
is_(len(notices(4)), 4, '... with its own end')

# --- TLS, and a server that is not there

plain, port = Upstream([message(3)]), free_port()
accounts(bad=(plain.port, 'tls=implicit'), good=(port, 'tls=none'))
told_after = time.time() + 6.1
for i in range(3):
    p = house.ph('collect', check=False)
is_(sorted(notices(5)[4:]), ['no mail from account bad: its server cannot be trusted'], 'what is no TLS is told at the second time')
is_([c for c in plain.commands if re.match('(CAPA|USER|PASS|AUTH)', c)], [], '... and hears no command')
wait_until(lambda: time.time() > told_after, 10)
house.ph('collect', check=False)
is_(notices(6)[5:], ['no mail from account good: nothing comes from its server'], 'a server that is not there is told of after collect_warn_after')
house.ph('collect', check=False)
is_(len(notices(6)), 6, '... once')
accounts(bad=(bad.port, 'tls=none'), good=(good.port, 'tls=none'))
house.ph('collect')
is_(sorted(notices(8)[6:]), ['mail comes from account %s again' % a for a in ('bad', 'good')], 'both are well again')

# --- twenty accounts, three of them broken, served

garbage, hanging, full = Upstream(), Upstream(), Upstream([message(9)])
garbage.quirks['USER'] = lambda c, a: c.send(os.urandom(3000)) or True
hanging.quirks['USER'] = lambda c, a: time.sleep(600)
full.quirks['PASS'] = lambda c, a: c.send(b'-ERR [SYS/PERM] the mailbox is over its quota\r\n') or True
fine = [Upstream([message(100 + 10 * i + k) for k in range(3)]) for i in range(17)]
ups = fine[:5] + [garbage] + fine[5:10] + [hanging] + fine[10:15] + [full] + fine[15:]
before = len(house.mail('ann'))
passwords(good='secret', bad='secret', office='secret')
house.conf('collect_parallel = 3\ncollect_serve = yes', compile=False)
accounts(**{'a%02d' % i: (up.port, 'tls=none secret=office schedule="every 1h"') for i, up in enumerate(ups)})
begin = time.monotonic()
house.ph('reload')
ok(wait_until(lambda: len(house.mail('ann')) == before + 51, 15), 'seventeen of twenty are collected from')
diag('in %.1f s' % (time.monotonic() - begin))
wait_until(lambda: not any(u.messages for u in fine))
is_([u.messages for u in fine], [{}] * 17, '... and, once they are safe, deleted there')
for name, why in (('a05', '.'), ('a11', 'in time'), ('a17', 'over its quota')):
    e = house.wait_event('collect.done', account=name, bound=20)
    like(e['error'] if e else '', why, name + ' failed, and the log says why')
is_(len(full.messages), 1, 'what could not be fetched is where it was')
found = {a['account']: a for a in json.loads(house.ph('collect', '--status', '--json').stdout)}
is_(sorted(found), ['a%02d' % i for i in range(20)], '--status --json: all accounts')
t = found['a00']['totals']
is_((t['runs'], t['failed'], t['messages'], found['a00']['trouble'], found['a00']['last']['error']), (1, 0, 3, None, ''), '... what each has done')
ok(3500 < found['a00']['next'] - found['a00']['last']['started'] < 3700, '... when it is due')
is_((found['a17']['trouble']['failures'], found['a17']['totals']['good']), (1, None), '... what is wrong')
like(house.ph('collect', '--status', 'a00').stdout,
     r'^a00: 3 messages, \d+ octets, on .*: ok\n    next run: \d{4}-.*\n    since \d{4}-.*: 3 messages, \d+ octets in 1 run, 0 of them failed$',
     '... and the same for people')
ok('secret' not in house.log(), 'the log has no password')
done()
