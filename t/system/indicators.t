#!/usr/bin/env python3
"""posthouse status: who is connected, what is unread, again and again, and for Prometheus."""
import json
import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream

house = House(users=['ann:secret', 'bob:secret'], conf='collect_serve = yes\n')
house.start()


def status():
    s = json.loads(house.ph('status', '--json').stdout)
    return dict(s['sessions'], unread=s['unread'])


is_(status(), dict(smtp_in=0, pop3=0, outgoing=0, collecting=0, unread=0), 'nobody is there')
for to in ('ann', 'ann', 'bob'):
    house.send('x@else.example', to + '@example.org', 'Subject: x\r\n\r\nx\r\n')
gate = threading.Event()
up = Upstream()
up.quirks['USER'] = lambda c, a: gate.wait(30) and None
house.map('secrets', 'office password=secret\n', compile=False)
house.map('upstreams', 'office host=127.0.0.1 port=%d kind=domain tls=none login=office domain=example.org fallback=bob\n' % up.port)
with house.smtp() as one, house.smtp() as two, house.pop3('ann'):
    one.reply(), two.reply()
    ok(wait_until(lambda: status() == dict(smtp_in=2, pop3=1, outgoing=0, collecting=1, unread=3), 10),
       'two send, one reads, one account is collected from, three messages are unread')
    diag(status())
    shown = house.ph('status').stdout
    like(shown, r'^sessions: 2 SMTP in, 1 POP3, 0 outgoing, 1 collecting\nmailboxes: 3 unread\nqueue: 0 messages', 'for people')
    metrics = house.ph('status', '--metrics').stdout
    for line in ('posthouse_up 1', 'posthouse_well 1', 'posthouse_sessions{direction="smtp_in"} 2',
                 'posthouse_sessions{direction="pop3"} 1', 'posthouse_sessions{direction="collecting"} 1',
                 'posthouse_unread_messages 3', 'posthouse_service_up{service="queued"} 1', 'posthouse_queue{what="messages"} 0'):
        ok(line + '\n' in metrics, 'metrics: ' + line)
gate.set()
is_([x for x in metrics.split('\n') if x and not re.match(
    r'# (HELP posthouse_\w+ \S.*|TYPE posthouse_\w+ (gauge|counter))$|posthouse_\w+(\{\w+="\w+"\})? \d+$', x)], [],
    'metrics: every line is of the exposition format')
ok(wait_until(lambda: status() == dict(smtp_in=0, pop3=0, outgoing=0, collecting=0, unread=3), 10), 'all have gone')
p = spawn([BIN / 'posthouse', '-C', house.dir, 'status', '--watch'], stdout=subprocess.PIPE)
seen = [p.stdout.readline() for _ in range(60)]
is_(end(p), -15, '--watch goes on until it is ended')
ok(sum(x.startswith(b'posthouse runs since') for x in seen) >= 2, '... and looks again')
house.stop()
p = house.ph('status', '--metrics', check=False)
is_(p.returncode, 3, 'stopped: exit 3')
like(p.stdout, '^posthouse_up 0$', '... and the metrics say so')
is_(house.ph('stop', '--watch', check=False).returncode, 64, 'only status can be watched')
done()
