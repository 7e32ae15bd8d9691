#!/usr/bin/env python3
"""posthouse link: mail for routes with on=link goes while the link is up, and only then."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream
from wire import *

house = House(conf='retry_first = 1h\n')
house.map('secrets', 'pop password=secret\n', compile=False)
house.set_map('routes', '''
* smarthost=mail.isp.example on=link
lan.example smarthost=[192.0.2.7]
vpn.example mx on=link
''')
up = Upstream([])
house.set_map('upstreams', 'pop kind=single tls=none host=127.0.0.1 port=%d login=office users=ann secret=pop\n' % up.port)
LINE = 'the link is down\n'


def link(*args):
    return house.ph('link', *args, check=False)


def sites():
    return {r[4]: r[5] for r in (l.split() for l in house.ph('queue', 'list').stdout.split('\n')[1:-1])}


is_(link('down').returncode, 69, 'no queued: exit code 69')
q = Queue(house)
s, a = q.submitter(), q.agent('remote')
is_(link().stdout, 'the link is up; 0 transfers are under way by it\n', 'at first it is up')
m = s.queue('ann@example.org', ['bob@far.example'])
job = a.hear('JOB')
is_(link('status').stdout, 'the link is up; 1 transfers are under way by it\n', 'a transfer is under way')

# Going down waits for what is under way, with a bound.

p = link('down', '--wait', '1s')
is_((p.returncode, p.stdout), (75, 'the link is down: transfers are under way still\n'), 'down, the transfer takes longer')
done_at = []
t = threading.Thread(target=lambda: done_at.append(link('down')))
t.start()
wait_until(lambda: len(house.events('queue.link', state='down')) == 2)
ok(t.is_alive(), 'it waits')
a.report(job)
t.join(20)
is_([(p.returncode, p.stdout) for p in done_at], [(0, LINE)], '... until that is over')
wait_until(lambda: q.gone(m.id))

# Down: the others go on.

m1 = s.queue('ann@example.org', ['bob@far.example', 'eve@lan.example', 'zoe@vpn.example'])
jobs = [a.hear('JOB')]
is_([l[1] for l in jobs[0].lines], ['eve@lan.example'], 'only what does not need the link is tried')
a.report(jobs[0])
wait_until(lambda: len(house.events('queue.deferred', id=m1.id)) == 2)
is_([(e['rcpt'], e['reply']) for e in house.events('queue.deferred', id=m1.id)],
    [('bob@far.example', '451 4.4.1 The link is down'), ('zoe@vpn.example', '451 4.4.1 The link is down')], 'the rest waits, and why')
q.control('RETRY', body=m1.id)
q.control('FLUSH')
ok(a.silent(), 'neither retry nor flush open it')
row = [l for l in house.ph('queue', 'list').stdout.split('\n') if 'bob@far.example' in l][0].split()
is_(row[6], '0', 'no attempt is counted')

# It stays down over a restart.

q.kill()
q.start()
s, a = q.submitter(), q.agent('remote')
like(link().stdout, '^the link is down;', 'still down after kill -9')
m2 = s.queue('ann@example.org', ['carl@far.example'])
ok(a.silent(), 'nothing is tried')
is_(sorted(sites()), ['bob@far.example', 'carl@far.example', 'zoe@vpn.example'], '... and all is there')

# Up.

p = link('up', '--no-collect')
is_(p.returncode, 0, 'up')
like(p.stdout, r'^the link is up: 2 messages to be tried now\n$', '... what waited is tried')
got = []
for i in range(3):
    job = a.hear('JOB')
    got += [l[1] for l in job.lines]
    a.report(job)
is_(sorted(got), ['bob@far.example', 'carl@far.example', 'zoe@vpn.example'], '... all of it')
ok(q.gone(m1.id) and q.gone(m2.id), '... and is gone')
ok(not q.spool('link-down').exists(), 'the mark is gone')

# What failed while nobody had told that the link is down goes at once when it comes up; the rest keeps its hour.

m3 = s.queue('ann@example.org', ['bob@far.example'])
a.report(a.hear('JOB'), 'retry', 0, '4.4.1', 'connect: Network is unreachable', connected='!')
m4 = s.queue('ann@example.org', ['eve@lan.example'])
a.report(a.hear('JOB'), 'retry', 450, '4.2.0', 'later')
wait_until(lambda: house.events('queue.deferred', id=m4.id))
like(link('up', '--no-collect').stdout, r': 1 message to be tried now\n$', 'only routes with on=link')
job = a.hear('JOB')
is_(job.words[0], m3.id, '... and a site that seemed down is tried')
a.report(job)
ok(a.silent(), '... and no other')

# Waiting for an agent while it goes down.

a.close()
wait_until(lambda: 'idle_remote 0' in house.ph('queue', 'status').stdout)
m5 = s.queue('ann@example.org', ['bob@far.example'])
link('down')
a = q.agent('remote')
ok(a.silent(), 'who waits for an agent')
like(house.events('queue.deferred', id=m5.id)[-1]['reply'], 'The link is down', '... waits for the link then')
link('up', '--no-collect')
a.report(a.hear('JOB'))
ok(q.gone(m5.id), '... and then goes')

# Collection.

up.messages['1'] = b'To: ann@example.org\r\nMessage-ID: <1@x.example>\r\n\r\nhello\r\n'
is_(link('sideways').returncode, 64, 'usage')
r = house.ph('queue', 'status', '--json').stdout
ok('"link_down":0' in r and '"link_busy":0' in r, 'status tells')
q.kill()
house.start()
p = link('up')
like(p.stdout, r'^the link is up: \d messages? to be tried now\npop: 1 message, ', 'up collects, too')
is_(len(house.wait_mail('ann', 1)), 1, '... indeed')
house.set_map('routes', '* smarthost=a.example on=call\n', compile=False)
like(house.compile(check=False).stderr, 'on=call: link is meant', 'another word')
done()
