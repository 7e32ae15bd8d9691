#!/usr/bin/env python3
"""queued: the direct way into mailboxes, and how a message leaves it for the queue."""
import os
import re
import signal
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from wire import *

USERS = ['u%d' % i for i in range(50)]
house = House(users=['%s:secret' % u for u in ['ann', 'bob'] + USERS], conf='retry_first = 5m\ndirect_timeout_ms = 300')
q = Queue(house)
s = q.submitter()
LOCAL = [('local', 'ann@example.org'), ('local', 'bob@example.org')]

# An agent played by hand.

a = q.agent('local')
m = s.submit(rcpts=LOCAL, wait=False)
job = a.hear('JOB')
is_((job.words[0], job.words[7], [l[1] for l in job.lines]), (m.id, 'local', ['ann@example.org', 'bob@example.org']),
    'a message for mailboxes goes to an agent at once')
is_(os.pread(job.fds[0], 100, 0), m.text, 'with its file')
is_(mode('/proc/self/fd/%d' % job.fds[0]) and os.fstat(job.fds[0]).st_mode & 0o777, 0o660, 'which the group may link')
if ROOT:
    import grp
    is_(grp.getgrgid(os.fstat(job.fds[0]).st_gid).gr_name, 'phmail', 'group phmail')
else:
    skip('group phmail', 'needs root')
is_((q.files('new'), q.files('env')), ([], []), 'nothing of it is named in the spool')
a.report(job, host='-')
s.linked(m)
is_((m.answer.words[:2]), [m.id, 'delivered'], 'LINKED: delivered')
is_((q.files('new'), q.files('env')), ([], []), 'still nothing')
is_(q.control('STATUS').lines[0], ['messages', '0'], 'and nothing is remembered')

# One recipient fails.

m = s.submit(rcpts=LOCAL, wait=False)
a.report(a.hear('JOB'), by_rcpt={'ann@example.org': ('sent', 250, '', ''), 'bob@example.org': ('retry', 452, '4.2.2', 'full')}, host='-')
s.linked(m)
is_(m.how, 'queued', 'one mailbox is full: the message is queued')
like(q.env(m.id), r'\nD 0000 local ann@.*\nT 0000 local bob@', 'the other one is marked done before the name is there')
s.say('SYNCED', m.id)
ok(wait_until(lambda: '452 4.2.2 full' in q.env(m.id)), 'after SYNCED the rest is deferred, with the reason')
ok(a.silent(0.2), 'nobody is tried twice')
q.control('FLUSH')
job = a.hear('JOB')
is_([l[1] for l in job.lines], ['bob@example.org'], 'later only the one that failed')
a.report(job, host='-')
ok(q.gone(m.id), 'done')

# The envelope comes with COMMIT: it is written when it is needed, and not before.

w = q.submitter()
m = w.submit(rcpts=LOCAL, wait=False, packed=True)
a.report(a.hear('JOB'), host='-')
w.linked(m)
is_((m.how, os.fstat(m.fds[1]).st_size), ('delivered', 0), 'an envelope in the packet: delivered, and never written')
m = w.submit(rcpts=LOCAL, wait=False, packed=True)
a.report(a.hear('JOB'), by_rcpt={'ann@example.org': ('sent', 250, '', ''), 'bob@example.org': ('retry', 452, '4.2.2', 'full')}, host='-')
w.linked(m)
is_((m.how, os.pread(m.fds[1], 9000, 0).decode()), ('queued', q.env(m.id)), 'queued: it is in the file that the client syncs')
like(q.env(m.id), r'\nD 0000 local ann@.*\nT 0000 local bob@.*\n$', 'the delivered one is marked in it')
w.say('SYNCED', m.id)
wait_until(lambda: '452 4.2.2 full' in q.env(m.id))
q.control('FLUSH')
a.report(a.hear('JOB'), host='-')
ok(q.gone(m.id), 'and done')
m = w.submit(rcpts=LOCAL, packed=True, env=b'nonsense\n')
is_(m.answer.words[:1], ['554'], 'one that does not parse is refused')
m = w.submit(rcpts=LOCAL, wait=False, text=b'Subject: y\n\nLong.\n')
a.report(a.hear('JOB'), host='-')
w.linked(m)
is_(m.how, 'delivered', 'behind them one by file, on the same connection')

# An agent that takes too long.

began = time.time()
m = s.submit(rcpts=LOCAL)
took = time.time() - began
job = a.hear('JOB')
ok(m.how == 'queued' and 0.25 < took < 3, 'after direct_timeout_ms the message is queued (%.2f s)' % took)
s.say('SYNCED', m.id)
b = q.agent('local')
ok(b.silent(0.3), 'what the slow agent has is not given to another')
a.report(job, host='-')
ok(q.gone(m.id), 'its late report counts: no duplicate')
b.close()

# It dies before and after that moment.

m = s.submit(rcpts=LOCAL, wait=False)
a.hear('JOB').close()
b = q.agent('local')
a.close()
job = b.hear('JOB')
is_(job.words[0], m.id, 'the agent dies: another one gets the message')
b.report(job, host='-')
s.linked(m)
is_(m.how, 'delivered', 'delivered')
m = s.submit(rcpts=LOCAL)
is_(m.how, 'queued', 'another slow one')
b.hear('JOB').close()
a = q.agent('local')
b.close()
s.say('SYNCED', m.id)
job = a.hear('JOB')
is_([l[1] for l in job.lines], ['ann@example.org', 'bob@example.org'], 'it dies while the message is linked: tried again after SYNCED')
a.report(job, host='-')
ok(q.gone(m.id), 'done')

# The submitter dies, nobody was told anything.

t = q.submitter()
m = t.submit(rcpts=LOCAL, wait=False)
job = a.hear('JOB')
t.close()
a.report(job, 'retry', 452, '4.2.2', 'full', host='-')
is_(dict(q.control('STATUS').lines)['messages'], '0', 'a message whose submitter has gone before LINKED is not queued')

# No agent at all; a mixture.

a.close()
m = s.submit(rcpts=LOCAL)
is_(m.how, 'queued', 'without local agents: queued at once')
s.say('SYNCED', m.id)
a, r = q.agent('local'), q.agent('remote')
a.report(a.hear('JOB'), host='-')
m = s.queue(rcpts=LOCAL + ['carl@far.example'])
is_(m.how, 'queued', 'a mixture is queued')
a.report(a.hear('JOB'), host='-')
job = r.hear('JOB')
is_([l[1] for l in job.lines], ['carl@far.example'], 'each agent gets its part')
r.report(job)
ok(q.gone(m.id), 'done')
a.close()
r.close()

# No space.

house.conf('queue_free_floor = 1000G', compile=True)
q.kill()
q.start()
s = q.submitter()
m = s.submit()
is_(m.answer.words[:2], ['452', '4.3.1'], 'below queue_free_floor: 452 4.3.1')
house.conf('queue_free_floor = 0\ndirect_timeout_ms = 10000')
q.kill()
q.start()

# Fifty mailboxes, the real agent: one inode, fifty links, one sync.

s = q.submitter()
local = house.spawn('local')
wait_until(lambda: dict(q.control('STATUS').lines).get('idle_local', '0') != '0')
rcpts = [('local', u + '@example.org') for u in USERS]
trace = house.path('log', 'strace')
tracer = None
if have('strace') and ROOT:
    pids = [p for base in (q.process.pid, local.pid) for p in [base] + children(base)]
    tracer = subprocess.Popen(['strace', '-f', '-y', '-o', str(trace), '-e', 'trace=fsync,fdatasync,syncfs,sync,linkat'] +
                              sum([['-p', str(p)] for p in pids], []), stderr=subprocess.DEVNULL)
    wait_until(lambda: all('TracerPid:\t%d' % tracer.pid in open('/proc/%d/status' % p).read() for p in pids))
m = s.submit(rcpts=rcpts)
is_(m.how, 'delivered', 'fifty mailboxes: delivered')
is_(m.nlink(), 50, 'one inode with fifty links')
ino = os.fstat(m.fds[0]).st_ino
is_({f.stat().st_ino for u in USERS for f in house.mail_files(u + '@example.org')}, {ino}, 'in every mailbox')
if tracer:
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    calls = trace.read_text()
    syncs = [c for c in calls.split('\n') if re.search(r'f(data)?sync\(|syncfs\(| sync\(', c)]
    files = [c for c in syncs if '/new>' not in c]
    is_(files, [], 'no sync of a file here: the one is the submitter\'s')
    is_(len(re.findall(r'linkat\(', calls)), 50, 'fifty links')
else:
    skip('no sync of a file here', 'needs root and strace')
    skip('fifty links', 'needs root and strace')

done()
