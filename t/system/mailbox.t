#!/usr/bin/env python3
"""posthouse mailbox move: a mailbox gets another directory while mail comes in."""
import os
import subprocess
import sys
import threading
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House().start()
users = house.path('etc', 'users')
root = house.path('mail', 'example.org')


def uidls(p):
    return [line.split()[1] for line in p.multi('UIDL')[1].splitlines()]


def move(*args):
    p = house.ph('mailbox', 'move', *args, check=False)
    return p.returncode, p.stderr


def send(n, to='ann'):
    return house.send('x@y.example', to + '@example.org', 'Subject: %d\r\n\r\nx\r\n' % n)


for i in range(20):
    send(i)
send(0, 'bob')
with house.pop3('ann') as p:
    before = uidls(p)
    p.cmd('DELE 1')
    p.cmd('QUIT')
before = before[1:]
pids = house.pids()

# While mail comes in for both, and bob is logged in.
sent, stop = [], threading.Event()


def flow():
    n = 100
    while not stop.is_set():
        if send(n).startswith('250') and send(n, 'bob').startswith('250'):
            sent.append(n)
        n += 1


bob = house.pop3('bob')
thread = threading.Thread(target=flow)
thread.start()
wait_until(lambda: len(sent) > 3, 20)
code, said = move('ann', 'disk2/ann')
stop.set()
thread.join()
is_((code, said), (0, ''), 'a mailbox moves while mail comes in')
diag('%d messages meanwhile' % len(sent))
like(users.read_text(), r'^ann@example\.org maildir="disk2/ann"', 'the map says where')
new = house.path('mail', 'disk2', 'ann')
files = list(new.glob('[nc]*/*'))
got = sorted(int(re.search(rb'Subject: (\d+)', f.read_bytes()).group(1)) for f in files)
is_(got, list(range(1, 20)) + sent, 'every message is there, once; what was deleted is not')
ok(not (root / 'ann').exists(), 'nothing is left where it was')
with house.pop3('ann') as p:
    is_(set(before) - set(uidls(p)), set(), 'UIDs are the same')
like(bob.cmd('STAT'), r'^\+OK 1 ', 'who was logged in elsewhere notices nothing')
ok(pids[0] == house.pids()[0] and not house.events('master.died'), 'no service was restarted')
like(send(7), '^250 ', 'mail comes in')
is_(len(list(new.glob('[nc]*/*'))), len(files) + 1, 'at the new place')

# Another file system.
disk3 = house.path('mail', 'disk3')
disk3.mkdir()
if ROOT and subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', str(disk3)], stderr=subprocess.DEVNULL).returncode == 0:
    try:
        subprocess.run(['chown', 'phmail:phmail', str(disk3)], check=True)
        was = {f.name: (f.read_bytes(), int(f.stat().st_mtime)) for f in new.glob('[nc]*/*')}
        is_(move('ann', 'disk3/ann'), (0, ''), 'over to another file system')
        is_({f.name: (f.read_bytes(), int(f.stat().st_mtime)) for f in (disk3 / 'ann').glob('[nc]*/*')}, was,
            'every octet and every time')
        is_(move('ann', 'disk2/ann'), (0, ''), 'and back')
    finally:
        subprocess.run(['umount', '-l', str(disk3)], check=True)
else:
    skip('over to another file system', 'takes root and mounts')

# A large house.
text = users.read_bytes().decode()
house.set_map('users', text + ''.join('u%d@example.org\n' % i for i in range(10000)))
for i in range(0, 10000, 10):
    for sub in 'new', 'cur', 'tmp':
        (root / ('u%d' % i) / sub).mkdir(parents=True)
    (root / ('u%d' % i) / 'new' / ('1700000000.%d.x,S=100,W=110' % i)).write_bytes(b'')
if ROOT:
    subprocess.run(['chown', '-R', 'phmail:phmail', str(root)], check=True)
began = time.monotonic()
listed = house.ph('mailbox', 'list').stdout
took = time.monotonic() - began
is_((listed.count('\n'), len(re.findall(r'^u\d+@example\.org +1 +0 +100  2023-11-14$', listed, re.M))), (10003, 1000), 'ten thousand mailboxes are counted')
ok(took < 2 * PATIENCE, 'within 2 s') or diag('%.1f s' % took)
house.set_map('users', text)

# What is refused changes nothing.
for args, code, why in ((('ann', 'example.org/bob'), 73, 'not empty'), (('ann', '../x'), 73, 'below'),
                        (('ann', '/x'), 73, 'below'), (('ann', 'disk2/ann'), 73, 'no other'),
                        (('ann', 'disk2/ann/x'), 73, 'no other'), (('nobody', 'x'), 67, 'no such user')):
    got, said = move(*args)
    is_((got, why in said), (code, True), 'move %s %s: exit code %d' % (*args, code)) or diag(said)
house.map('aliases', 'x@example.org nosuchuser\n', compile=False)
is_(move('bob', 'disk2/bob')[0], 65, 'maps that do not compile: exit code 65')
is_(users.read_text(), text, 'the map is as it was')
ok(not house.path('mail', 'disk2', 'bob').exists() and (root / 'bob' / 'new').exists(), 'the mail too')
is_(house.ph('mailbox', 'move', 'ann', check=False).returncode, 64, 'no directory: exit code 64')
done()
