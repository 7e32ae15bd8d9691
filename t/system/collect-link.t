#!/usr/bin/env python3
"""posthouse link down: nothing is collected until the link is up, unless a person says so; it waits for what is under way."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from imap_upstream import ImapUpstream
from upstream import Upstream


def message(n):
    return b'From: pat@sender.example\r\nTo: ann@example.org\r\nMessage-ID: <%d@sender.example>\r\n\r\nno. %d\r\n' % (n, n)


house = House(users=['ann:secret'], conf='collect_serve = yes\ncollect_timeout = 20s\n')
house.map('secrets', 'office password=secret\n', compile=False)
pop, imap = Upstream([message(1)]), ImapUpstream([message(2)])
WORDS = 'host=127.0.0.1 port=%d kind=single users=ann tls=none login=office secret=office '
house.set_map('upstreams', 'often ' + WORDS % pop.port + 'schedule="every 1s"\n' +
              'stays ' + WORDS % imap.port + 'protocol=imap idle=yes schedule="every 24h"\n')
house.start()
is_(len(house.wait_mail('ann', 2)), 2, 'the link is up: mail is collected')
ok(wait_until(lambda: imap.idlers, 10), '... and one stays for more')

# Down, while a message is on its way.

begun, may_go_on = threading.Event(), threading.Event()
pop.quirks['RETR'] = lambda c, n: (begun.set(), may_go_on.wait(20)) and None
with pop.lock:
    pop.messages['more'] = message(3)
begun.wait(20)
p = house.ph('link', 'down', '--wait', '1s', check=False)
is_((p.returncode, p.stdout), (75, 'the link is down\noften: is being collected from still\n'), 'down: it waits no longer than it is told to')
ended = []
t = threading.Thread(target=lambda: ended.append(house.ph('link', 'down', check=False)))
t.start()
t.join(1)
ok(t.is_alive(), 'it waits for the collection')
may_go_on.set()
t.join(30)
is_([(p.returncode, p.stdout) for p in ended], [(0, 'the link is down\n')], '... to its end')
is_(len(house.wait_mail('ann', 3)), 3, '... and its mail is here')
ok(wait_until(lambda: not imap.idlers, 10), 'who stayed has gone')

sessions = pop.sessions, imap.sessions
with pop.lock:
    pop.messages['later'] = message(4)
imap.arrive(message(5))
ok(not wait_until(lambda: (pop.sessions, imap.sessions) != sessions, 4 / PATIENCE), 'nobody is asked while it is down')
p = house.ph('collect', check=False)
like(p.stdout, '^the link is down: nothing is collected', 'not by cron either, which is told')
is_((p.returncode, (pop.sessions, imap.sessions)), (0, sessions), '... and that is no failure')
is_(house.ph('collect', 'now', 'often').returncode, 0, 'a person who names an account')
is_((pop.sessions, len(house.wait_mail('ann', 4))), (sessions[0] + 1, 4), '... gets its mail')

# Up.

house.ph('link', 'up', '--no-collect')
is_(len(house.wait_mail('ann', 5)), 5, 'up: who stayed comes again at once')
ok(wait_until(lambda: imap.idlers, 10), '... and stays')
with pop.lock:
    pop.messages['last'] = message(6)
is_(len(house.wait_mail('ann', 6)), 6, '... and the others go by their schedule')
is_([e for e in house.events() if e['event'] in ('program.warning', 'master.died')], [], 'the log has no complaints')
done()
