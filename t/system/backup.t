#!/usr/bin/env python3
"""posthouse backup: a copy made while mail flows is a working house with the same UIDLs."""
import os
import sys
import threading
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House(maps={'access': '127.0.0.1 trust\n'}, smarthost='127.0.0.1:%d' % free_port()).start()
sent = []


def flow(stop):
    n = 0
    while not stop.is_set():
        n += 1
        token = 'flow-%d' % n
        rcpts = ['ann@example.org'] if n % 3 else ['bob@example.org', 'far@else.example']
        if house.send('x@y.example', rcpts, 'Subject: %s\r\n\r\nbody\r\n' % token).startswith('250'):
            sent.append((token, rcpts[0]))


def uidls(h, user):
    with h.pop3(user) as p:
        return {line.split()[1] for line in p.multi('UIDL')[1].splitlines()}


for i in range(5):
    house.send('x@y.example', 'ann@example.org', 'Subject: early %d\r\n\r\nx\r\n' % i)
house.send('x@y.example', 'late@else.example', 'Subject: queued\r\n\r\nx\r\n')
early = uidls(house, 'ann')
stop = threading.Event()
thread = threading.Thread(target=flow, args=(stop,))
thread.start()
wait_until(lambda: len(sent) > 20, 20)
acknowledged = list(sent)
target = house.path('copy')
p = house.ph('backup', target, check=False)
stop.set()
thread.join()
is_(p.returncode, 0, 'backup while mail flows')
like(p.stdout, r'^spool +\d+ files', 'it tells what it copied')

copy = House(setup=False)
os.rmdir(copy.dir)
os.rename(target, copy.dir)
copy.smtp_port, copy.pop3_port = house.smtp_port, house.pop3_port
queued = len(os.listdir(copy.path('spool', 'env')))
house.stop()
p = copy.ph('check', check=False)
is_(p.returncode, 0, 'the copy passes posthouse check') or diag(p.stdout, p.stderr)
copy.start()
is_(early - uidls(copy, 'ann'), set(), 'UIDLs are kept')
missing = [t for t, a in acknowledged if not any(b'Subject: %s\n' % t.encode() in m for m in copy.mail(a))]
is_(missing, [], 'all that was acknowledged before is there (%d messages, %d queued)' % (len(acknowledged), queued))
ok('late@else.example' in copy.ph('queue', 'list').stdout, 'the queue came along')
again = copy.ph('backup', copy.path('etc'), check=False)
ok(again.returncode != 0 and 'File exists' in again.stderr, 'an existing target is refused')
done()
