#!/usr/bin/env python3
"""collect --serve with idle=yes: what arrives upstream is here at once, for as long as the connection lasts, and again
when it was lost; servers without IDLE are asked by the schedule."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from imap_upstream import CAPABILITIES, Folder, ImapUpstream


def message(n, to='ann@example.org'):
    return b'From: pat@sender.example\r\nTo: %s\r\nMessage-ID: <%d@sender.example>\r\n\r\nno. %d\r\n' % (
        to.encode(), n, n)


house = House(users=['ann:secret', 'bob:secret'], conf='collect_serve = yes\ncollect_timeout = 3s\n')
house.map('secrets', 'office password=secret\n', compile=False)
WORDS = ('host=127.0.0.1 port=%d protocol=imap kind=domain tls=none login=office secret=office domain=example.org '
         'fallback=bob idle=yes')


def accounts(**entries):
    house.set_map('upstreams', ''.join('%s %s %s\n' % (n, WORDS % up.port, words) for n, (up, words) in entries.items()))


up = ImapUpstream([message(1)])
up.folders['Lists'] = Folder([message(2)])
old = ImapUpstream([message(3)], capa=[c for c in CAPABILITIES if c != 'IDLE'])
accounts(office=(up, 'folder=INBOX,Lists schedule="every 24h"'), old=(old, 'schedule="every 1s"'))
house.start()
is_(len(house.wait_mail('ann', 3)), 3, 'what is there is collected')
ok(wait_until(lambda: up.idlers, 10), 'then it waits')
for n in range(4, 7):
    begin = time.monotonic()
    up.arrive(message(n))
    is_(len(house.wait_mail('ann', n)), n, 'what arrives is here')
    ok(time.monotonic() - begin < 2, '... at once (%d ms)' % ((time.monotonic() - begin) * 1000))
    ok(wait_until(lambda: up.idlers and not up.inbox.messages, 10), '... deleted there, and it waits again')
is_(up.sessions, 1, 'all in one session')
up.idlers[0].send(b'* 1 RECENT\r\n* OK still here\r\n')
up.idlers[0].send(b'* 1 FETCH (FLAGS (\\Seen))\r\n')

# It comes while nobody listens: between the listing and IDLE.


def before_idle(conn, tag, arg):
    up.quirks.clear()
    up.arrive(message(7))
    conn.send(b'* 1 EXISTS\r\n')


up.quirks['IDLE'] = before_idle
up.arrive(message(8))
is_(len(house.wait_mail('ann', 8)), 8, 'what comes before IDLE is said is not missed')
ok(wait_until(lambda: up.idlers, 10), '... and it waits again')

# A lost connection
up.idlers[0].send(b'* BYE time to go\r\n')
up.idlers[0].sock.shutdown(2)
up.arrive(message(9))
is_(len(house.wait_mail('ann', 9, bound=30)), 9, 'the connection is lost: it is made anew')
ok(wait_until(lambda: up.idlers, 10), '... and it waits again')
ok(any(e.get('reply') == 'time to go' for e in house.events()), '... the log has its last words')
is_([e.get('error') for e in house.events() if e['event'] == 'collect.done' and e.get('error')], [],
    '... and no run has failed')

# Without IDLE
old.arrive(message(10))
is_(len(house.wait_mail('ann', 10)), 10, 'without IDLE: the schedule holds')
is_([e['account'] for e in house.events() if 'no IDLE' in e.get('text', '')], ['old'], '... which is said once')

# An end
ok(wait_until(lambda: up.idlers, 20), 'it waits')
begin = time.monotonic()
house.stop()
ok(time.monotonic() - begin < 5, 'it stops at once')
up.arrive(message(11))
house.start()
is_(len(house.wait_mail('ann', 11)), 11, 'started again it does not wait for the schedule')
done()
