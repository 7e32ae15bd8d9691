#!/usr/bin/env python3
"""local puts messages into maildirs: by link, by copy, once, and says why not."""
import os, shutil, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import *

maps = {'users': '''dan@example.org maildir=other/place
eve@example.org disabled
''', 'domains': 'b.example alias-of=example.org\n'}
desk = Desk('local', maps=maps, n=2)
house = desk.house
text = b'Return-Path: <x@y.example>\nSubject: x\n\nhello\n'


def files(path):
    new = house.path('mail', path, 'new')
    return sorted(new.iterdir()) if new.exists() else []


def stats(path):
    return [f.stat() for f in files(path)]


fd = desk.message(text)
r = desk.job(['ann@example.org', 'bob@example.org', 'dan@example.org'], text, fd=fd, id='1abc')
is_([o[:3] for o in r.outcomes], [('sent', 250, '2.0.0')] * 3, 'three mailboxes')
is_((r.host, r.connected), ('-', '-'), 'nobody else had a part in it')
inode = os.fstat(fd)
is_([s.st_ino for p in ('example.org/ann', 'example.org/bob', 'other/place') for s in stats(p)], [inode.st_ino] * 3, 'the same inode in all')
is_(inode.st_nlink, 3, 'and nothing besides')
is_(files('example.org/ann')[0].read_bytes(), text, 'every octet')
like(files('example.org/ann')[0].name, r'^1795315490\.1abc\.[^,:/]+,S=%d,W=%d$' % (len(text), len(text) + 4), 'its name tells the sizes')
is_(sorted(p.name for p in house.path('mail', 'example.org', 'ann').iterdir()), ['cur', 'new', 'tmp'], 'the maildir was made')
is_(mode(house.path('mail', 'other', 'place')), 0o700, '... for its owner alone')

r = desk.job(['ann@example.org', 'bob@example.org'], text, fd=fd, id='1abc')
is_([o[0] for o in r.outcomes], ['sent', 'sent'], 'the same job again')
is_((len(files('example.org/ann')), os.fstat(fd).st_nlink), (1, 3), '... gives no second copy')
r = desk.job(['nobody@example.org', 'ann@example.org', 'eve@example.org', 'x@elsewhere.example'], text)
is_([o[:3] for o in r.outcomes], [('failed', 550, '5.1.1'), ('sent', 250, '2.0.0'), ('retry', 450, '4.2.1'), ('failed', 550, '5.1.1')],
    'unknown, known, disabled, foreign')
r = desk.job(['Ann@B.example'], text)
is_((r.outcomes[0][0], len(files('example.org/ann'))), ('sent', 3), 'an alias of the domain')

# Maps change under a running agent.
house.map('users', 'fay@example.org\n')
r = desk.job(['fay@example.org'], text)
is_((r.outcomes[0][0], len(files('example.org/fay'))), ('sent', 1), 'a new user at once')

# A mailbox goes away while it is held open.
for gone in ('example.org/ann', 'example.org/ann/new'):
    shutil.rmtree(house.path('mail', gone))
    r = desk.job(['ann@example.org'], text)
    is_((r.outcomes[0][0], len(files('example.org/ann'))), ('sent', 1), gone + ' was removed: made anew')

# What is in the way.
shutil.rmtree(house.path('mail', 'example.org', 'bob'))
house.path('mail', 'example.org', 'bob').write_text('')
r = desk.job(['bob@example.org', 'ann@example.org'], text)
is_([o[:3] for o in r.outcomes], [('retry', 451, '4.3.0'), ('sent', 250, '2.0.0')], 'a file is in the place of a maildir: later')
house.path('mail', 'example.org', 'bob').unlink()
outside = house.path('outside')
outside.mkdir()
house.path('mail', 'example.org', 'bob').symlink_to(outside)
r = desk.job(['bob@example.org'], text)
is_((r.outcomes[0][0], list(outside.iterdir())), ('retry', []), 'a symlink out of the mail root is not followed')
house.path('mail', 'example.org', 'bob').unlink()

# A mail root that came later, on another file system: by copy.
shm = None
if os.path.isdir('/dev/shm') and os.stat('/dev/shm').st_dev != os.stat(house.dir).st_dev:
    import tempfile
    shm = tempfile.mkdtemp(prefix='posthouse-', dir='/dev/shm')
    if ROOT:
        shutil.chown(shm, 'phmail', 'phmail')
    house.map('domains', 'far.example local postmaster=gus mail_root=%s\n' % shm, compile=False)
    house.map('users', 'gus@far.example\nhal@far.example\n')
    fd2 = desk.message(text)
    # The agent's sandbox does not hold this root: it lets a new process take the job.
    agent, id = desk.give(['gus@far.example', 'ann@example.org', 'hal@far.example'], text, fd=fd2, id='2far')
    r = desk.take(agent, id)
    tries = 0
    while r is None and tries < 5:
        agent, id = desk.give(['gus@far.example', 'ann@example.org', 'hal@far.example'], text, fd=fd2, id='2far')
        r = desk.take(agent, id)
        tries += 1
    is_([o[0] for o in r.outcomes], ['sent'] * 3, 'a new mail root on another file system')
    new = os.listdir(shm + '/far.example/gus/new')
    is_((len(new), open(shm + '/far.example/gus/new/' + new[0], 'rb').read()), (1, text), '... gets a copy')
    is_(os.listdir(shm + '/far.example/gus/tmp'), [], '... and nothing stays in tmp/')
    is_(os.fstat(fd2).st_nlink, 1, '... and the other one a link')
    shutil.rmtree(shm)
else:
    skip('another file system', 'no /dev/shm apart')

# A full disk.
small = house.path('small')
small.mkdir()
if ROOT and subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'posthouse-test', str(small)],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
    try:
        shutil.chown(small, 'phmail', 'phmail')
        house.map('domains', 'small.example local postmaster=ida mail_root=%s\n' % small, compile=False)
        house.map('users', 'ida@small.example\n')
        for octets, want in ((b'x' * 200000 + b'\n', ('retry', 452, '4.2.2')), (text, ('sent', 250, '2.0.0'))):
            for tries in range(5):
                agent, id = desk.give(['ida@small.example'], octets)
                r = desk.take(agent, id)
                if r:
                    break
            is_(r.outcomes[0][:3], want, 'a full disk' if want[1] == 452 else '... where a smaller message finds room')
        is_([len(os.listdir(small / 'small.example' / 'ida' / d)) for d in ('new', 'tmp')], [1, 0], '... and nothing half-made stays')
    finally:
        subprocess.run(['umount', '-l', str(small)])  # the agents still hold it open
else:
    skip('a full disk', 'takes root and mount(2)')

# Many.
house.map('users', ''.join('u%d@example.org\n' % i for i in range(400)))
fd3 = desk.message(text)
r = desk.job(['u%d@example.org' % i for i in range(400)], text, fd=fd3)
is_([o[0] for o in r.outcomes], ['sent'] * 400, '400 mailboxes')
is_(os.fstat(fd3).st_nlink, 400, 'one inode')

# queued goes and comes; two agents work side by side.
for a in desk.agents:
    a.close()
desk.agents = []
one, two = desk.give(['ann@example.org'], text), desk.give(['ann@example.org'], text)
is_([desk.take(*x).outcomes[0][0] for x in (two, one)], ['sent', 'sent'], 'two at once, after queued went away')
is_(house.path('log', 'local.log').read_text().count('program.sandbox'), 0, 'the sandbox is complete')
is_(end(desk.process), 0, 'it ends at SIGTERM')
done()
