#!/usr/bin/env python3
"""posthouse queue: what people see of the queue, and do to it."""
import json
import os
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from wire import *

house = House(conf='retry_first = 1h')


def queue(*args, **kw):
    return house.ph('queue', *args, check=False, **kw)


r = queue('list')
is_(r.returncode, 69, 'no queued: exit code 69')
like(r.stderr, r'is it running\?', 'and a hint')

q = Queue(house)
r = queue('list')
is_((r.returncode, r.stdout, r.stderr), (0, 'the queue is empty\n', ''), 'an empty queue')
is_(queue('list', '--json').stdout, '', 'an empty queue in JSON: no line')

s, a = q.submitter(), q.agent('remote')
m1 = s.queue('ann@example.org', ['bob@far.example', 'eve@far.example', 'zoe@far.example'], text=b'Subject: one\n\nHello.\n')
a.report(a.hear('JOB'), by_rcpt={'bob@far.example': ('retry', 450, '4.2.0', 'busy \x1b[31m"quoted"'),
                                 'eve@far.example': ('retry', 451, '4.7.1', 'Gr\u00fc\u00dfe'),
                                 'zoe@far.example': ('sent', 250, '', 'ok')})
wait_until(lambda: 'queue.deferred id=' + m1.id in house.log())
m2 = s.queue('', ['carl@other.example'])
job2 = a.hear('JOB')
m3 = s.queue('x%y@else.example', ['bob@far.example'])
q.control('HOLD', 'test', body=m3.id)
wait_until(lambda: q.spool('hold', m3.id).exists())

# What is there.

r = queue()
lines = r.stdout.split('\n')
is_(r.returncode, 0, 'list is the default')
like(lines[0], r'^ID +AGE +SIZE +FROM +TO +STATE +TRIES +NEXT +LAST REPLY$', 'columns')
is_([l.split()[0] for l in lines[1:-1]], [m1.id, m1.id, m2.id, m3.id], 'a line a recipient, in order of arrival')
like(lines[1], r'^%s +\d+s +21 +ann@example\.org +bob@far\.example +deferred +1 +1h0\dm 450 4\.2\.0 host mx\.far\.example said: busy  \[31m"quoted"$'
     % m1.id, 'who, where, why, when; nothing that a terminal obeys')
like(lines[3], r' <> +carl@other\.example +active +0 +now +-$', 'an agent has it')
like(lines[4], r' held +0 +- +-$', 'held')
rows = [json.loads(l) for l in queue('list', '--json').stdout.split('\n') if l]
is_(sorted(rows[0]), ['age', 'arrived', 'attempts', 'from', 'id', 'last_reply', 'next_try', 'site', 'size', 'state', 'to'],
    'JSON: the same under the same names')
is_([(r['id'], r['from'], r['to'], r['state'], r['attempts'], r['site'], r['size']) for r in rows], [
    (m1.id, 'ann@example.org', 'bob@far.example', 'deferred', 1, 'mx:far.example', 21),
    (m1.id, 'ann@example.org', 'eve@far.example', 'deferred', 1, 'mx:far.example', 21),
    (m2.id, '', 'carl@other.example', 'active', 0, 'mx:other.example', 19),
    (m3.id, 'x%y@else.example', 'bob@far.example', 'held', 0, 'mx:far.example', 19)], 'JSON: the values')
ok(3500 < rows[0]['next_try'] - time.time() < 4000 and rows[3]['next_try'] is None, 'JSON: the next attempt')
is_(rows[1]['last_reply'], '451 4.7.1 host mx.far.example said: Gr\u00fc\u00dfe', 'JSON: UTF-8 as it is')
rows = [json.loads(l) for l in queue('list', '--json', '--done', m1.id).stdout.split('\n') if l]
is_([(r['to'], r['state']) for r in rows][2], ('zoe@far.example', 'done'), '--done shows who has it, too')
is_(queue('count').stdout, '3 messages, 4 recipients\n', 'count')
is_(json.loads(queue('status', '--json').stdout)['held'], 1, 'status')

# Choices.

for args, want in (
        (['--to', 'bob@far.example'], [m1.id, m3.id]), (['--to', 'BOB@FAR.example', '--from', 'ann@example.org'], [m1.id]),
        (['--to', '@far.example'], [m1.id, m1.id, m3.id]), (['--from', '<>'], [m2.id]), (['--from', '@else.example'], [m3.id]),
        (['--site', 'far.example'], [m1.id, m1.id, m3.id]), (['--site', 'mx:other.example'], [m2.id]), (['--older', '1h'], []),
        (['--older', '0s'], [m1.id, m1.id, m2.id, m3.id]), (['--state', 'held'], [m3.id]), ([m2.id], [m2.id]),
        ([m2.id, m3.id, '--to', 'bob@far.example'], [m3.id]), (['nonsense'], [])):
    is_([json.loads(l)['id'] for l in queue('list', '--json', *args).stdout.split('\n') if l], want, 'list ' + ' '.join(args))
is_(queue('list', '--older', '1h').stdout, 'nothing in the queue fits\n', 'nothing fits')
is_(queue('list', '--older', 'yesterday').returncode, 64, 'a bad choice: exit code 64')
is_(queue('dance').returncode, 64, 'a bad verb: exit code 64')
is_(queue('delete').returncode, 64, 'delete without a choice: exit code 64')

# One message.

r = queue('show', m1.id)
like(r.stdout, r'^state waiting, next attempt in 1h0\dm\nposthouse-envelope 1\nid %s\n' % m1.id, 'show: its state and envelope')
ok(r.stdout.endswith('\nSubject: one\n'), 'and its header')
is_(queue('show', '--message', m1.id).out, m1.text, 'show --message: its octets')
r = queue('show', 'nonsense')
is_((r.returncode, r.stderr), (1, 'nonsense: no such message in the queue\n'), 'show: no such message')

# Changes.

r = queue('release', '--state', 'held')
is_((r.returncode, r.stdout), (0, '1 message released\n'), 'release')
a.report(job2)
job = a.hear('JOB')
is_(job.words[0], m3.id, 'it is tried')
a.report(job, 'retry', 450, '', 'later')
wait_until(lambda: 'queue.deferred id=' + m3.id in house.log())
r = queue('hold', '--from', '@else.example')
is_((r.returncode, r.stdout), (0, '1 message held\n'), 'hold')
like(house.log(), r'queue\.held id=%s by="by \w+"' % m3.id, 'the log says by whom')
r = queue('retry', '--all')
is_(r.stdout, '1 message to be tried now\n', 'retry --all: not what is held')
a.report(a.hear('JOB'), 'retry', 450, '', 'later')
wait_until(lambda: 'T 0002' in q.env(m1.id))
is_(queue('flush', '--no-wait').stdout, '1 message to be tried now\n', 'flush --no-wait')
a.report(a.hear('JOB'), 'retry', 450, '', 'later')
wait_until(lambda: 'T 0003' in q.env(m1.id))
flush = spawn([BIN / 'posthouse', '-C', house.dir, 'queue', 'flush'], stdout=subprocess.PIPE)
job = a.hear('JOB')
ok(flush.poll() is None, 'flush waits')
a.report(job, 'retry', 450, '', 'later')
is_((flush.communicate(timeout=20)[0], flush.returncode), (b'1 message to be tried now\n0 done, 1 to be tried again later\n', 75),
    'until all is tried; exit code 75 when something stays')
m4 = s.queue(rcpts=['now@far.example'])
job = a.hear('JOB')
flush = spawn([BIN / 'posthouse', '-C', house.dir, 'queue', 'flush'], stdout=subprocess.PIPE)
is_(flush.stdout.readline(), b'1 message to be tried now\n', 'flush says at once what it starts')
a.report(job)
a.report(a.hear('JOB'), 'retry', 450, '', 'later')
is_((flush.communicate(timeout=20)[0], flush.returncode), (b'1 done, 1 to be tried again later\n', 75),
    'what is under way is waited for')
r = queue('delete', 'nonsense', m3.id)
is_((r.returncode, r.stdout), (1, '1 message deleted\n'), 'delete: not all of them were there')
like(house.log(), r'queue\.removed id=%s why="deleted by \w+"' % m3.id, 'the log says by whom')
r = queue('delete', '--yes', '--to', '@far.example')
is_((r.returncode, r.stdout), (0, '1 message deleted\n'), 'delete by choice')
ok(q.gone(m1.id) and q.gone(m3.id), 'they are gone')
r = queue('delete', '--all')
is_((r.returncode, r.stdout), (1, '0 messages deleted\n'), 'nothing to delete: exit code 1')

# Not for everybody.

if ROOT:
    p = subprocess.run([str(BIN / 'posthouse'), '-C', str(house.dir), 'queue'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       preexec_fn=lambda: os.setuid(65534))
    if p.returncode in (126, 127):
        skip('a stranger: exit code 77', 'the build tree is not for strangers')
    else:
        is_(p.returncode, 77, 'a stranger: exit code 77')
else:
    skip('a stranger: exit code 77', 'needs root')

# Many.

ids = [s.queue(rcpts=['n%d@many.example' % i]).id for i in range(300)]
a.close()
is_(queue('count').stdout, '300 messages, 300 recipients\n', 'three hundred')
got = [l.split()[0] for l in queue('list').stdout.split('\n')[1:-1]]
is_(got, ids, 'in order')
is_(queue('delete', '--all', '--yes').stdout, '300 messages deleted\n', 'away with them')
ok(wait_until(lambda: not q.files('env') and not q.files('new') and not q.files('cur')), 'the spool is empty')

done()
