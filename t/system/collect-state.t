#!/usr/bin/env python3
"""collect: what it remembers, how people see it, and what becomes of it when the database is not as it should be."""
import os
import re
import shutil
import sqlite3
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream


def letter(i, to='ann'):
    return b'From: pat@sender.example\r\nTo: %s@example.org\r\nMessage-ID: <m%d@sender.example>\r\n\r\nLetter %d.\r\n' % (
        to.encode(), i, i)


house = House(users=['ann:secret', 'bob:secret'], conf='collect_serve = no\n')
house.map('secrets', 'office password=secret\n', compile=False)
up = Upstream([letter(i) for i in range(4)])
ACCOUNT = 'office host=127.0.0.1 port=%d kind=domain tls=none login=office domain=example.org fallback=bob keep=all%s\n'


def account(more=''):
    house.set_map('upstreams', ACCOUNT % (up.port, more))


def state(*args):
    return house.ph('collect', '--state', 'office', *args, check=False)


def collect():
    return house.ph('collect', check=False)


db = house.path('state', 'collect', 'collect.db')
account()
house.start()
p = state()
is_(p.returncode, 0, 'before the first run')
like(p.stdout, r'^last run +never$', 'nothing is known')
collect()
is_(len(house.mail('ann')), 4, 'four letters')
p = state()
like(p.stdout, r'\Aoffice\n', 'the account')
like(p.stdout, r'^last run +2\d\d\d-\S+ \S+: 4 messages, \d+ octets: ok$', 'its last run')
like(p.stdout, r'^last listing +2\d\d\d-\S+ \S+: 4 messages upstream$', 'its last listing')
like(p.stdout, r'^UIDs +4 taken, 0 left there; 0 of them missing upstream$', 'UIDs')
like(p.stdout, r'^digests +4 messages, the first of 2\d\d\d-', 'digests')
ok('in doubt' not in p.stdout, 'no doubt')
p = state('--uids')
is_(re.findall(r'^taken  \S+ \S+ +\d+  (\S+)$', p.stdout, re.M), ['uid0001', 'uid0002', 'uid0003', 'uid0004'], 'the list')
is_(house.ph('collect', '--state', 'nobody', check=False).returncode, 64, 'an account that is none')
is_(house.ph('collect', '--state', 'office', 'more', check=False).returncode, 64, 'a word too many')
is_(house.ph('collect', '--uids', check=False).returncode, 64, '--uids alone')

# Listings that come short.

everything = dict(up.messages)
up.messages = {}
is_(collect().returncode, 0, 'an empty listing')
like(state().stdout, r'^UIDs +4 taken.*; 4 of them missing', 'it forgets nothing')
up.messages = dict(list(everything.items())[2:])
collect()
up.messages = everything
collect()
is_(len(house.mail('ann')), 4, 'nothing comes again when it is whole again')
up.quirks['UIDL'] = lambda conn, arg: conn.send(b'+OK\r\n1 uid0001\r\n') or False
ok(collect().returncode != 0, 'a listing that breaks off')
up.quirks.clear()
collect()
is_(len(house.mail('ann')), 4, 'forgets nothing either')

# Other UIDs for the same messages.

up.messages = {'other-%d' % i: m for i, m in enumerate(everything.values())}
collect()
is_(len(house.mail('ann')), 4, 'a provider that renumbers brings nothing twice')
like(state().stdout, r'^UIDs +8 taken', 'both UIDs are known for the time being')

# Forgetting.

p = house.ph('collect', '--forget', 'office', 'other-1', check=False)
is_(p.returncode, 0, 'one UID is forgotten')
like(p.stdout, r'^office: forgotten: when other-1 is still upstream it comes again', 'which is said')
collect()
is_(len(house.mail('ann')), 5, 'and comes again')
p = house.ph('collect', '--forget', 'office', 'no-such', check=False)
is_((p.returncode, p.stdout), (64, 'office: nothing is known of no-such\n'), 'one that is not known')
p = house.ph('collect', '--forget', 'office', check=False)
is_(p.returncode, 64, 'all of it')
like(p.stdout, r'(?s)comes again.*--forget office --yes', 'is not forgotten without --yes')
is_(len(re.findall('taken', state('--uids').stdout)), 9, 'nothing was')
is_(house.ph('collect', '--forget', 'office', '--yes', check=False).returncode, 0, 'with it')
collect()
is_(len(house.mail('ann')), 9, 'all come again')
is_(house.ph('collect', '--forget', 'office', 'uid', '--yes', check=False).returncode, 64, 'not both')

# While another process is at it.

up.messages = {'slow-%d' % i: letter(100 + i) for i in range(3)}
up.quirks['RETR'] = lambda conn, arg: wait_until(lambda: not up.hold, 20) and None if arg == '3' else None
up.hold = True
p = house.spawn('collect', stdout=subprocess.DEVNULL)
wait_until(lambda: 'RETR 3' in up.commands[-3:], 10)
q = state()
is_(q.returncode, 0, 'shown while another process collects')
like(q.stdout, r'^last run ', 'with what is known')
up.hold = False
p.wait()
up.quirks.clear()
is_(len(house.mail('ann')), 12, 'which that does not disturb')

# What the database is not to be.

house.stop()
shutil.copy(db, str(db) + '.good')
for ext in ('-wal', '-shm'):
    if os.path.exists(str(db) + ext):
        os.unlink(str(db) + ext)
up.messages = {'new-%d' % i: letter(200 + i) for i in range(2)}
house.set_map('upstreams', (ACCOUNT % (up.port, '')).replace('keep=all', 'keep=delete'))
house.start()


def put_back():
    for ext in ('', '-wal', '-shm'):
        if os.path.exists(str(db) + ext):
            os.unlink(str(db) + ext)
    shutil.copy(str(db) + '.good', db)
    if ROOT:
        shutil.chown(db, 'phcollect', 'phcollect')


put_back()
con = sqlite3.connect(db)
con.execute('PRAGMA user_version = 99')
con.commit()
con.close()
commands = len(up.commands)
p = collect()
ok(p.returncode != 0, 'a database of a later form')
like(p.stdout + p.stderr, r'a newer Posthouse wrote it \(form 99, this one knows \d+\)', 'is refused, with what to do')
is_((len(up.messages), len(up.commands)), (2, commands), 'and nobody upstream hears of it')
like(state().stderr, r'a newer Posthouse wrote it', '--state says so, too')
put_back()
size = os.path.getsize(db)
with open(db, 'r+b') as f:
    for at in range(0, size, 4096):
        f.seek(at + 100 if at == 0 else at)
        f.write(b'\xff' * 2000)
p = collect()
ok(p.returncode != 0, 'a damaged database')
like(house.log() + p.stdout + p.stderr, r'put collect.db back from a backup, or move it away', 'is said to be damaged, with what to do')
is_((len(up.messages), len(house.mail('ann'))), (2, 12), 'nothing is fetched, nothing deleted')
with open(db, 'wb') as f:
    f.write(b'no database at all\n' * 300)
p = collect()
ok(p.returncode != 0, 'a file that is none')
like(p.stdout + p.stderr, r'it is damaged: put collect.db back from a backup, or move it away', 'likewise')
is_(len(up.messages), 2, 'nothing is deleted')
put_back()
p = collect()
is_((p.returncode, len(house.mail('ann')), len(up.messages)), (0, 14, 0), 'put back, all goes on')

# A database of an earlier form, as it was written then.

for ext in ('', '-wal', '-shm'):
    if os.path.exists(str(db) + ext):
        os.unlink(str(db) + ext)
con = sqlite3.connect(db)
con.executescript('''
CREATE TABLE uid (account TEXT NOT NULL, uid BLOB NOT NULL, octets INTEGER NOT NULL, state TEXT NOT NULL,
 since_s INTEGER NOT NULL, PRIMARY KEY (account, uid)) WITHOUT ROWID;
CREATE TABLE digest (account TEXT NOT NULL, digest BLOB NOT NULL, user TEXT NOT NULL, since_s INTEGER NOT NULL,
 PRIMARY KEY (account, digest, user)) WITHOUT ROWID;
CREATE TABLE run (account TEXT PRIMARY KEY, started_s INTEGER, ended_s INTEGER, messages INTEGER, octets INTEGER,
 left_there INTEGER, error TEXT) WITHOUT ROWID;
CREATE INDEX digest_age ON digest (account, since_s);
PRAGMA user_version = 1;''')
old, new = letter(300), letter(301)
con.execute("INSERT INTO uid VALUES ('office', ?, ?, 'taken', 1700000000)", (b'old', len(old)))
con.commit()
con.close()
if ROOT:
    shutil.chown(db, 'phcollect', 'phcollect')
up.messages = {'old': old, 'new': new}
is_(collect().returncode, 0, 'a database of an earlier form')
is_((len(house.mail('ann')), up.messages), (15, {}), 'what it knew is not fetched again, and deleted')

# Many UIDs: no more memory than they need, no more time.

MANY = 100000
up.messages = {('%024x' % (i * 7919)) + '-with-a-long-tail-as-some-servers-have': b'' for i in range(MANY)}
size = len(letter(0))
up.sizes = {u: size for u in up.messages}
account()
con = sqlite3.connect(db)
box = con.execute("SELECT b.id FROM box b JOIN account a ON a.id = b.account WHERE name = 'office'").fetchone()[0]
con.executemany("INSERT INTO uid VALUES (?, ?, ?, 'taken', 1700000000, 0, 0, NULL)",
                ((box, u.encode(), size) for u in up.messages))
con.commit()
con.close()
up.messages['one-more'] = letter(400)
up.sizes['one-more'] = len(up.messages['one-more'])
began = time.monotonic()
p = subprocess.Popen([str(LIBEXEC / 'collect'), '-C', str(house.dir)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(p.pid, 0)
p.returncode = status
took = time.monotonic() - began
is_(status, 0, '%d UIDs' % MANY)
ok(PATIENCE > 1 or usage.ru_maxrss < 48 * 1024, 'in less than 48 MiB of memory')
is_(len(house.mail('ann')), 16, 'the new one among them is here')
like(state().stdout, r'^last listing .*: %d messages upstream' % (MANY + 1), 'all were listed')
diag('%d UIDs: %.1f s, %.1f s of it at work, %d MiB' % (MANY, took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024))
done()
