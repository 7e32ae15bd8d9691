#!/usr/bin/env python3
"""POP3 servers that are odd, each in its own way: what becomes of every message is defined, none is lost, none comes
twice, and none holds up those behind it."""
import os
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from collecting import *

c = Collecting(conf='message_size_limit = 200k\ncollect_timeout = 2s\n', postmaster='chief')
house = c.house


def fresh():
    """What was learned of the account is forgotten: the next server is another one."""
    with sqlite3.connect(house.path('state', 'collect', 'collect.db')) as db:
        db.execute('DELETE FROM fact')
        db.execute('DELETE FROM uid')
    db.close()


def days_pass(n):
    with sqlite3.connect(house.path('state', 'collect', 'collect.db')) as db:
        for table in ('uid', 'digest', 'fact'):
            db.execute('UPDATE %s SET since_s = since_s - ?' % table, (n * 86400,))
    db.close()


def letters():
    """What the postmaster was told; taken away."""
    found = []
    for p in house.mail_files('chief'):
        found.append(p.read_text('utf-8', 'replace'))
        p.unlink()
    return found


def mails(n, first, **kw):
    return [message(first + i, **kw) for i in range(n)]


def lfs(messages):
    return sorted(lf(m) for m in messages)


def retrs(up):
    return [x for x in up.commands if x.startswith('RETR')]


def run(up, code=0):
    """What came with one run."""
    up.commands.clear()
    p = c.collect()
    up.told = letters()
    is_(p.returncode, code, '... exit %d' % code)
    return c.all_taken(), p


# --- what stays upstream, and for how long

box = mails(3, 100)
up = c.office(box, 'secret=office keep=7')
is_((run(up)[0], len(up.messages)), (lfs(box), 3), 'keep=7: it comes, and stays')
days_pass(3)
up.messages['uid0099'] = message(199)
is_((run(up)[0], len(up.messages)), (lfs([message(199)]), 4), 'keep=7: after three days it is still there')
up.messages = {'new-%s' % u: m for u, m in up.messages.items()}
is_((run(up)[0], len(up.messages)), ([], 4), 'keep=7: the server gives other UIDs to all, and nothing comes twice')
days_pass(4)
is_((run(up)[0], sorted(up.messages)), ([], ['new-uid0099']), 'keep=7: deleted seven days after the first sight')
up.messages = {'newer-%s' % u: m for u, m in up.messages.items()}
days_pass(4)
is_((run(up)[0], sorted(up.messages)), ([], []), 'keep=7: also when the UID is new on the day')
house.restart()
is_(run(up)[0], [], '... and a restart changes nothing')

# --- without UIDL, or with UIDs that are no use

fresh()
box = mails(3, 200, body=b'line\r\n' * 400)
up = c.office(box, 'secret=office keep=all', uidl=False)
is_(run(up)[0], lfs(box), 'no UIDL, keep=all: all come')
is_((run(up)[0], retrs(up)), ([], []), '... once, and are not even fetched again')
up.messages['x'] = message(250)
is_((run(up)[0], retrs(up)), (lfs([message(250)]), ['RETR 4']), '... a new one is')
c.use(up, 'secret=office keep=7')
days_pass(7)
is_((run(up)[0], up.messages), ([], {}), 'no UIDL, keep=7: looked at once more, deleted on its day')
is_(len(retrs(up)), 4, '... for another message may have that header')

fresh()
up = c.office(mails(3, 260), 'secret=office keep=all', uidl=False, top=False)
is_(run(up)[0], lfs(mails(3, 260)), 'neither UIDL nor TOP: all come')
is_((run(up)[0], len(up.messages)), ([], 3), '... once')

fresh()
up = c.office(mails(4, 270), 'secret=office keep=all', uids={'uid0001': 'same', 'uid0002': 'same', 'uid0003': None})
is_(run(up)[0], lfs(mails(4, 270)), 'UIDs that are doubled and missing: all come')
is_((run(up)[0], retrs(up), len(up.messages)), ([], [], 4), '... once')

fresh()
twins = [message(280, more=b'X-Copy: %d\r\n' % i, body=b'text %d\r\n' % i) for i in (1, 2)] + [message(281), message(281)]
up = c.office(twins, 'secret=office keep=all', uids={u: 'same' for u in ('uid0001', 'uid0002', 'uid0003', 'uid0004')})
is_(run(up)[0], lfs(twins[:3]), 'the same header twice: told apart by what differs')

fresh()
up = c.office(mails(3, 290), 'secret=office', uidl=False)
up.quirks['TOP'] = lambda conn, a: False
is_((run(up)[0], up.messages), (lfs(mails(3, 290)), {}), 'keep=delete needs no TOP')
up.messages = {'a': message(295), 'b': message(296)}
c.use(up, 'secret=office keep=all')
is_((run(up, 75)[0], len(up.messages)), ([], 2), 'a server that breaks over TOP')
is_((run(up)[0], len(up.messages)), (lfs(mails(2, 295)), 2), '... is not asked so again')

# --- sizes that lie

for n, size in enumerate((0, 1, 10 ** 5)):
    for capa in (['UIDL'], ['UIDL', 'PIPELINING']):
        fresh()
        box = mails(3, 300 + 10 * n + len(capa) * 100)
        up = c.office(box, capa=capa, sizes={'uid0001': size, 'uid0002': size})
        is_((run(up)[0], up.messages), (lfs(box), {}), 'LIST says %d, %s' % (size, capa[-1]))

# --- a server that does not stuff dots

for capa in (['UIDL'], ['UIDL', 'PIPELINING']):
    fresh()
    number = 700 + 10 * len(capa)
    bad = message(number, body=b'first\r\n.\r\nsecond\r\n.\r\nthird\r\n')
    box = mails(2, number + 1) + [bad] + mails(3, number + 5)
    up = c.office(box, capa=capa, stuffing=False)
    taken, p = run(up, 75)
    like(p.stdout, 'does not stuff dots', 'no dots stuffed (%s): told' % capa[-1])
    is_(taken, lfs(box[:2]), '... what came before it is here, and nothing of the message that is cut')
    taken, p = run(up, 75)
    is_(taken, lfs(box[3:]), '... the next run brings those behind it first')
    like(p.stderr, 'a message fails again and stays upstream.* uid=uid0003', '... and reports it by its UID')
    taken, p = run(up)
    is_((taken, retrs(up)), ([], []), '... then it is left alone for a while')
    is_([x for x in up.messages.values()][-1:], [bad], '... upstream, whole')

# --- a message that fails

failing = (
    ('breaks the connection', lambda conn, n: False),
    ('is cut', lambda conn, n: conn.send(b'+OK\r\nSubject: cut\r\n') and None or False),
    ('is refused', lambda conn, n: conn.send(b'-ERR cannot open it\r\n') or True),
    ('makes the server stumble', lambda conn, n: conn.send(b'* BAD\r\n') or True),
    ('makes the server hang', lambda conn, n: time.sleep(3) or False))
for k, (name, quirk) in enumerate(failing + failing[:4]):
    fresh()
    uidl = k < len(failing)
    box = mails(5, 1000 + 10 * k)
    up = c.office(box, uidl=uidl, capa=['UIDL', 'TOP'])
    up.quirks['RETR'] = lambda conn, n: quirk(conn, n) if conn.box[int(n) - 1][1] == box[1] else None
    came, log, codes, needed, told = [], '', [], 0, []
    while len(codes) < 8:
        up.commands.clear()
        p = c.collect()
        told += letters()
        came += c.all_taken()
        log += p.stderr
        codes.append(p.returncode)
        needed = needed or (len(codes) if len(came) == 4 else 0)
        if not retrs(up):
            break
    is_((sorted(came), needed <= (2 if uidl else 3)), (lfs(box[:1] + box[2:]), True),
        'a message %s (%s): all others come' % (name, 'UIDL' if uidl else 'no UIDL'))
    is_(log.count('a message fails again and stays upstream'), 1, '... it is reported, once')
    like(' '.join(told), r'^Subject: .*account office: messages stay at the provider\n(?:.*\n)*UID \S.*: it fails again and again\n    \S',
         '... which the postmaster is told')
    is_(len(told), 1, '... in one letter')
    is_((codes[-1], list(up.messages.values()) == [box[1]]), (0, True), '... and left alone, upstream')
    ok(len(codes) <= (3 if uidl else 5), '... from run %d on' % len(codes))
    like(p.stdout, r'0 messages, .*1 left there', '... which is told')
    up.quirks.clear()
    is_(run(up)[0], [], '... for an hour')
    days_pass(1)
    is_((run(up)[0], up.messages), (lfs([box[1]]), {}), '... and comes when the server is mended')

fresh()
box = mails(4, 1900)
up = c.office(box, capa=['UIDL'])
up.quirks['RETR'] = lambda conn, n: False
for i in range(4):
    is_(run(up, 75)[0], [], 'a server that hands out nothing')
up.quirks.clear()
is_((run(up)[0], up.messages), (lfs(box), {}), '... is not blamed on the messages')

# --- too large

fresh()
big = message(2000, body=b'x' * 300000 + b'\r\n')
for uidl in (True, False):
    up = c.office([big, message(2001 + uidl)], uidl=uidl)
    taken, p = run(up)
    is_((taken, len(up.messages)), (lfs([message(2001 + uidl)]), 1), 'too large: it stays there')
    like(p.stderr, r'over the size limit stays upstream.*octets=%d limit=204800 message="From: pat@sender.example, Subject: no. 2000"'
         % len(big), '... and the log tells what it is')
    like(' '.join(up.told), r'UID (uid0001|top .*), %d octets: it is larger than may be\n    From: pat@sender.example, Subject: no. 2000\n'
         % len(big), '... and so does a letter')
    taken, p = run(up)
    ok('size limit' not in p.stderr and not up.told, '... once')
    like(p.stdout, '1 left there', '... but it is counted')
up = c.office([big] + mails(5, 2005), sizes={'uid0001': 100})
taken, p = run(up)
is_((taken, len(up.messages)), (lfs(mails(5, 2005)), 1), 'too large, though LIST said otherwise')
like(p.stderr, r'stays upstream.*uid=uid0001 .*message="From: pat@sender.example, Subject: no. 2000"', '... which the log tells')
is_((run(up)[0], retrs(up)), ([], []), '... is not fetched again')
days_pass(1)
taken, p = run(up)
is_((taken, retrs(up), 'size limit' in p.stderr), ([], ['RETR 1'], False), '... but once a day, for the limit may be another, without a word')
is_((run(up)[0], retrs(up)), ([], []), '... once')

# --- deleting

fresh()
up = c.office(mails(3, 2100))
up.quirks['DELE'] = lambda conn, n: conn.send(b'-ERR not now\r\n') or True if conn.box[int(n) - 1][0] == 'uid0002' else None
taken, p = run(up)
is_((taken, list(up.messages)), (lfs(mails(3, 2100)), ['uid0002']), 'DELE refused: it stays there')
like(p.stderr, 'does not delete a message.*uid=uid0002', '... the log tells')
is_((run(up)[0], list(up.messages)), ([], ['uid0002']), '... it does not come again')
up.quirks.clear()
is_((run(up)[0], up.messages, retrs(up)), ([], {}, []), '... the next run deletes it')
for k, (name, quirk) in enumerate((('QUIT refused', lambda conn, a: conn.send(b'-ERR some messages not removed\r\n') or True),
                                     ('gone at QUIT', lambda conn, a: False))):
    fresh()
    up = c.office(mails(3, 2120 + 10 * k))
    up.quirks['QUIT'] = quirk
    taken, p = run(up, 75)
    is_(len(up.messages), 3, name + ': nothing is deleted')
    up.quirks.clear()
    is_((run(up)[0], up.messages), ([], {}), '... nothing comes again, and the next run deletes all')
    is_(len(retrs(up)), 3 * k, '... %s being looked at' % ('after' if k else 'without'))
    up.messages['uid0001'] = message(2150 + k)
    is_(run(up)[0], lfs([message(2150 + k)]), '... a UID that is used again is new')

fresh()
up = c.office(mails(2, 2160))


def deletes_silently(conn, a):
    conn.up.budget = 0
    conn.do_QUIT(a)


up.quirks['QUIT'] = deletes_silently
taken, p = run(up, 75)
is_((taken, up.messages), (lfs(mails(2, 2160)), {}), 'the answer to QUIT is lost: all is deleted')
up.budget, up.quirks = None, {}
up.messages = {'uid0001': message(2170), 'uid0002': message(2171)}
is_((run(up)[0], up.messages), (lfs(mails(2, 2170)), {}), '... other messages of the same size under the same UIDs are new')

# --- several commands at a time

fresh()
up = c.office(mails(6, 2200), capa=['UIDL'])
is_((run(up)[0], up.messages), (lfs(mails(6, 2200)), {}), 'pipelining is tried')
ok('NOOP' in up.commands and up.commands.index('RETR 6') < up.commands.index('DELE 1'), '... and used')
up.messages = {'uid%d' % i: m for i, m in enumerate(mails(6, 2210))}
is_((run(up)[0], 'NOOP' in up.commands), (lfs(mails(6, 2210)), False), '... and remembered')

fresh()
up = c.office(mails(6, 2220), capa=['UIDL'], hasty=True)
start = time.monotonic()
is_((run(up)[0], up.messages, up.sessions), (lfs(mails(6, 2220)), {}, 2), 'a server that cannot: a second session, one by one')
ok(time.monotonic() - start < 8 * PATIENCE, '... without much delay')
up.messages = {'uid%d' % i: m for i, m in enumerate(mails(6, 2230))}
is_((run(up)[0], 'NOOP' in up.commands, up.sessions), (lfs(mails(6, 2230)), False, 3), '... and it is remembered')
fresh()
up = c.office(mails(6, 2240), 'secret=office pipelining=no', capa=['UIDL', 'PIPELINING'], hasty=True)
is_((run(up)[0], up.messages, 'NOOP' in up.commands), (lfs(mails(6, 2240)), {}, False), 'pipelining=no')
fresh()
up = c.office(mails(6, 2250), 'secret=office pipelining=yes', capa=None)
is_((run(up)[0], up.messages, 'NOOP' in up.commands), (lfs(mails(6, 2250)), {}, False), 'pipelining=yes')

# One that answers the trial and then loses commands.
fresh()
up = c.office(mails(8, 2260), capa=['UIDL'])


def loses(conn, n):
    conn.buf = b''


up.quirks['RETR'] = loses
came, runs = [], 0
while up.messages and runs < 4:
    up.commands.clear()
    c.collect()
    came += c.all_taken()
    runs += 1
is_((sorted(came), up.messages, runs), (lfs(mails(8, 2260)), {}, 3), 'one that loses commands: doubted, then asked one by one')
done()
