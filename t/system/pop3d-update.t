#!/usr/bin/env python3
"""Deletion happens at QUIT and nowhere else; other programs may be at the mailbox meanwhile."""
import os, re, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *

house = PopHouse(users=['ann:secret'], conf='pop3d_timeout = 2s').start()
box = house.maildir('ann')


def fill(n=3, **kw):
    for f in house.mail_files('ann'):
        f.unlink()
    return [put(house, 'ann', b'Subject: %d\n\n%d\n' % (i, i), '%d.m%d.house.example' % (1700000000 + i, i), **kw)
            for i in range(1, n + 1)]


def names():
    return [f.name.split(',')[0].split(':')[0] for f in house.mail_files('ann')]


ALL = ['1700000001.m1.house.example', '1700000002.m2.house.example', '1700000003.m3.house.example']

fill()
with house.pop3('ann') as p:
    p.cmd('DELE 1')
    p.cmd('DELE 3')
    is_(names(), ALL, 'DELE alone deletes nothing')
    is_(p.cmd('QUIT'), '+OK 2 messages deleted', 'QUIT says how many')
    ok(p.closed(), '... and closes')
is_(names(), [ALL[1]], 'exactly the marked ones are gone')
ok(house.wait_event('pop3d.logout', deleted=2, why='quit'), 'the log says so')

fill()
with house.pop3('ann') as p:
    p.cmd('DELE 1')
ok(house.wait_event('pop3d.logout', why='connection closed'), 'a dropped connection ends the session')
is_(names(), ALL, '... and deletes nothing')

fill()
with house.pop3('ann') as p:
    p.cmd('DELE 1')
    p.send(b'QUIT')
    p.sock.shutdown(1)
    is_(p.rest(), b'', 'QUIT without CRLF is no QUIT')
ok(house.wait_event('pop3d.logout', n=2, why='connection closed'), '... the session ended')
is_(names(), ALL, '... and deleted nothing')

with house.pop3('ann') as p:
    p.cmd('DELE 1')
    p.send(b'QUIT\n')
    is_(p.rest(), b'', 'a timeout has no answer (QUIT ended with LF only)')
ok(house.wait_event('pop3d.logout', why='timeout'), '... it was the timeout')
is_(names(), ALL, '... and deletes nothing')

# Messages read are marked as such at QUIT, and keep their unique-ids.
fill()
with house.pop3('ann') as p:
    before = p.multi('UIDL')[1]
    p.multi('RETR 2')
    p.multi('TOP 1 0')
    p.cmd('QUIT')
is_(sorted(f.name for f in (box / 'cur').iterdir()), ['1700000002.m2.house.example,S=14,W=17:2,S'], 'a message read is in cur/, seen')
with house.pop3('ann') as p:
    is_(p.multi('UIDL')[1], before, 'its unique-id is what it was')
    is_(p.multi('RETR 2')[1], b'Subject: 2\r\n\r\n2\r\n', '... and it can be read again')

# Another program moves, flags, removes.
files = fill()
with house.pop3('ann') as p:
    os.rename(files[0], box / 'cur' / (files[0].name + ':2,'))
    is_(p.multi('RETR 1')[1], b'Subject: 1\r\n\r\n1\r\n', 'moved to cur/ during the session: still read')
    os.rename(box / 'cur' / (files[0].name + ':2,'), box / 'cur' / (files[0].name + ':2,FRS'))
    is_(p.multi('RETR 1')[1], b'Subject: 1\r\n\r\n1\r\n', '... flagged: still read')
    files[1].unlink()
    is_(p.cmd('RETR 2'), '-ERR message has been removed by another program', 'removed: a clean -ERR')
    is_(p.cmd('TOP 2 1'), '-ERR message has been removed by another program', '... from TOP too')
    is_(p.cmd('LIST 2'), '+OK 2 17', '... and numbers stay what they were')
    is_(p.cmd('NOOP'), '+OK', '... and the session goes on')
    os.symlink('loop', files[1])
    is_(p.cmd('RETR 2'), '-ERR [SYS/TEMP] message cannot be read now', 'one that cannot be read: an -ERR of its own')
    files[1].unlink()
    put(house, 'ann', b'Subject: new\n\nx\n', '1700000009.m9.house.example')
    is_(p.cmd('STAT'), '+OK 3 51', 'what comes during a session is for the next one')
    for n in (1, 2, 3):
        p.cmd('DELE %d' % n)
    os.rename(files[2], box / 'cur' / (files[2].name + ':2,S'))
    is_(p.cmd('QUIT'), '+OK 3 messages deleted', 'moved and removed ones are deleted at QUIT')
is_(names(), ['1700000009.m9.house.example'], '... all of them, and only them')

# Unique-ids: of any name, 1 to 70 octets of 0x21-0x7e, each once, the same next time.
for f in house.mail_files('ann'):
    f.unlink()
odd = ['1700000001.plain', '1700000002.' + 'l' * 180, '1700000003.with blank', '1700000004.\u00fcml\u00e4ut',
       '1700000005.x', 'no-number', '1700000006.two', '1700000006.two.more', '1700000007.' + 'm' * 59, '1700000008.' + 'm' * 60]
for name in odd:
    put(house, 'ann', b'x\n', name, sizes=False)
put(house, 'ann', b'y\n', '1700000009.same', sub='cur', sizes=False, flags=':2,S')
put(house, 'ann', b'z\n', '1700000009.same', sub='cur', sizes=False, flags=':2,RS')


def uids():
    with house.pop3('ann') as p:
        return [line.split(b' ', 1)[1] for line in p.multi('UIDL')[1].split(b'\r\n')[:-1]]


first = uids()
is_(len(first), len(odd) + 2, 'all are listed')
is_(len(set(first)), len(first), 'each unique-id once')
ok(all(re.fullmatch(rb'[\x21-\x7e]{1,70}', u) for u in first), 'all within the grammar')
ok(b'1700000007.' + b'm' * 59 in first and b'1700000008.' + b'm' * 60 not in first, '70 octets are kept as they are, 71 are not')
is_(uids(), first, 'the same in the next session')
for f in list((box / 'new').iterdir()):
    os.rename(f, box / 'cur' / (f.name + ':2,S'))
is_(uids(), first, '... and after another program moved all to cur/')

# What is in the way of a deletion whoever one is: a directory that has the message's name.
files = fill()
with house.pop3('ann') as p:
    for n in (1, 2, 3):
        p.cmd('DELE %d' % n)
    files[1].unlink()
    files[1].mkdir()
    is_(p.cmd('QUIT'), '-ERR [SYS/TEMP] 2 messages deleted, 1 could not be: Is a directory', 'QUIT tells how many it could not delete, and why')
ok(house.wait_event('pop3d.logout', deleted=2, n=2), '... and the log of the others')
files[1].rmdir()
is_(names(), [], '... which are gone')

# QUIT that cannot delete counts it (only a directory that refuses can show that; root is never refused).
if ROOT:
    fill()
    with house.pop3('ann') as p:
        p.cmd('DELE 1')
        p.cmd('DELE 2')
        house.run(['chattr', '+i', house.mail_files('ann')[1]], check=False)
        refused = os.system('lsattr %s 2>/dev/null | grep -q -- "-i-"' % house.mail_files('ann')[1]) == 0
        answer = p.cmd('QUIT')
        if refused:
            like(answer, r'^-ERR \[SYS/TEMP\] 1 messages deleted, 1 could not be: ', 'each failure is counted')
            house.run(['chattr', '-i', house.mail_files('ann')[0]])
        else:
            skip('each failure is counted', 'no immutable files here')
    if refused:
        is_(names(), ALL[1:], '... and the others are gone')
else:
    fill()
    with house.pop3('ann') as p:
        p.cmd('DELE 1')
        os.chmod(box / 'new', 0o500)
        like(p.cmd('QUIT'), r'^-ERR \[SYS/TEMP\] 0 messages deleted, 1 could not be: ', 'each failure is counted')
        os.chmod(box / 'new', 0o700)
house.stop()

house = PopHouse(users=['ann:secret'], conf='pop3d_seen = no').start()
box = house.maildir('ann')
before = fill()
with house.pop3('ann') as p:
    p.multi('RETR 2')
    p.cmd('DELE 3')
    p.cmd('QUIT')
is_(house.mail_files('ann'), before[:2], 'pop3d_seen = no: what was read stays new')
done()
