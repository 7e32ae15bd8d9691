#!/usr/bin/env python3
"""collect --serve: accounts are collected from when they are due, a thousand of them, whatever some of them do."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream


def message(n, to='ann@example.org'):
    return b'From: pat@sender.example\r\nTo: %s\r\nMessage-ID: <%d@sender.example>\r\n\r\nno. %d\r\n' % (
        to.encode(), n, n)


house = House(users=['ann:secret', 'bob:secret'], conf='collect_serve = yes\ncollect_timeout = 2s\n')
house.map('secrets', 'office password=secret\n', compile=False)
WORDS = 'host=127.0.0.1 port=%d kind=domain tls=none login=office secret=office domain=example.org fallback=bob'


def accounts(**entries):
    house.set_map('upstreams', ''.join('%s %s %s\n' % (n, WORDS % up.port, words) for n, (up, words) in entries.items()))


def put(up, n):
    with up.lock:
        up.messages['more%d' % n] = message(n)


# Due, and due again; an account that comes, changes and goes while it runs.

often, never = Upstream([message(1)]), Upstream([message(2)])
accounts(often=(often, 'schedule="every 1s"'), never=(never, 'schedule=none'))
house.start()
ok(house.wait_event('collect.serving'), 'it serves')
is_(len(house.wait_mail('ann', 1)), 1, 'an account that is due is collected from')
put(often, 3)
is_(len(house.wait_mail('ann', 2)), 2, '... and again when it is due again')
added = Upstream([message(4)])
accounts(often=(often, 'schedule="every 24h"'), never=(never, 'schedule=none'), added=(added, 'schedule="every 1h"'))
is_(len(house.wait_mail('ann', 3)), 3, 'an account that was added is noticed')
sessions = often.sessions
put(often, 5)
accounts(often=(often, 'schedule="every 1s"'), never=(never, 'schedule=none'))
is_(len(house.wait_mail('ann', 4)), 4, 'a schedule that was changed is noticed')
accounts(never=(never, 'schedule=none'))
ok(wait_until(lambda: len({often.sessions, time.sleep(1.5) or often.sessions}) == 1, 10), 'one that was removed is left alone')
is_(never.sessions, 0, 'schedule=none: nobody asks')
house.ph('collect')
is_(never.sessions, 0, '... not by cron')
is_(house.ph('collect', 'never').returncode, 0, '... but a person')
is_(len(house.wait_mail('ann', 5)), 5, '... who gets it')
is_([e for e in house.events() if e['event'] in ('program.warning', 'master.died')], [], 'the log has no complaints')

# When messages wait for going out.

waiting = Upstream([message(6)])
accounts(waiting=(waiting, 'schedule="when-queued 2"'))
house.set_map('access', '127.0.0.1 trust\n', compile=False)
house.set_map('routes', '* smarthost=127.0.0.1:%d\n' % free_port())


def out():
    with house.smtp() as s:
        s.hello()
        return s.message('ann@example.org', ['x@else.example'], 'Subject: out\r\n\r\nx\r\n')


is_(out()[:3], '250', 'one message waits')
ok(not wait_until(lambda: waiting.sessions, 3 / PATIENCE), '... which is not enough')
is_(out()[:3], '250', 'another')
is_(len(house.wait_mail('ann', 6)), 6, '... and mail is collected')
ok(not wait_until(lambda: waiting.sessions > 1, 3 / PATIENCE), '... once')

# A thousand accounts, five of them with a server that never says a word.

accounts()
many, silent = Upstream(), Upstream()
most = [0, 0]  # sessions now, and at most
silent.quirks['USER'] = lambda c, a: time.sleep(1000)


def counted(conn, login):
    with many.lock:
        most[0] += 1
        most[1] = max(most)


def leaves(conn, arg):
    with many.lock:
        most[0] -= 1


many.quirks.update(USER=counted, QUIT=leaves)
begin = time.monotonic()
house.conf('collect_parallel = 10', compile=False)
accounts(**dict({'many%d' % i: (many, 'schedule="every 60s"') for i in range(1000)},
                **{'silent%d' % i: (silent, 'schedule="every 60s"') for i in range(5)}))
house.ph('reload')
ok(wait_until(lambda: len({e['account'] for e in house.events('collect.done', error='')
                           if e['account'].startswith('many')}) == 1000, 60), 'a thousand accounts are collected from')
diag('in %.1f s, %d at the same time' % (time.monotonic() - begin, most[1]))
ok(2 <= most[1] <= 50, 'several at a time, and no more than may be')
ok(wait_until(lambda: len(house.events('collect.done', account='silent4')) > 0, 30), 'silent ones are given up')
pid = house.pids('collect')[0]
rss = next(int(x.split()[1]) for x in open('/proc/%d/status' % pid) if x.startswith('VmRSS'))
diag('%d KiB' % rss)
ok(rss < 16384 * (20 if PATIENCE > 1 else 1), 'the memory of one that serves a thousand is small')

# It ends with work under way.

before = len(house.mail('ann'))
busy = Upstream([message(10 + i) for i in range(3)])
busy.quirks['RETR'] = lambda c, n: (c.send(b'+OK\r\n' + message(10)[:40]), time.sleep(30), False)[2] if n == '3' else None
accounts(busy=(busy, 'schedule="every 60s"'))
wait_until(lambda: any(c == 'RETR 3' for c in busy.commands), 20, 'it is at work')
house.stop()
is_(house.leftovers(), [], 'SIGTERM ends it, whatever it is waiting for')
is_(len(house.mail('ann')) - before, 2, '... with what came whole')
done()
