#!/usr/bin/env python3
"""queued after a crash: the spool alone says what is to be done."""
import os
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from wire import *

house = House(conf='retry_first = 5m')
q = Queue(house)
s = q.submitter()
a = q.agent('remote')

# Queued with nobody to deliver it, deferred, held, in the hands of an agent: killed.

m1 = s.queue(rcpts=['bob@far.example', 'eve@far.example'])
job = a.hear('JOB')
a.report(job, by_rcpt={'bob@far.example': ('sent', 250, '2.0.0', 'ok'), 'eve@far.example': ('retry', 450, '', 'later')})
wait_until(lambda: 'queue.deferred' in house.log())
due = os.stat(q.spool('env', m1.id)).st_mtime
m2 = s.queue(rcpts=['carl@far.example'])
a.hear('JOB')
m3 = s.submit(rcpts=['dora@far.example'])  # linked, never synced
m4 = s.queue(rcpts=['emil@far.example'])
is_(q.control('HOLD', 'by test', body=m4.id).words, ['1'], 'hold')
s.say('OPEN', 'test')
files = s.hear('FILES')
os.pwrite(files.fds[0], b'half a message', 0)
q.kill()
a.close()
s.close()

# Leftovers of every kind.

ids = ['%015d' % i for i in range(9)]
q.spool('tmp', 'leftover').write_bytes(b'x')
q.spool('new', ids[0]).write_bytes(b'a message without envelope: its submitter was never told yes')
q.spool('cur', ids[1]).write_bytes(b'a message whose envelope was removed: done')
q.spool('new', ids[2]).write_bytes(b'')
q.spool('env', ids[2]).write_bytes(b'')  # power went between link and sync
q.spool('new', ids[3]).write_bytes(b'Subject: x\n\nHello.\n')
q.spool('env', ids[3]).write_bytes(envelope(ids[3])[:-20])  # torn
q.spool('new', ids[4]).write_bytes(b'Subject: x\n\nHello.\n')
q.spool('env', ids[4]).write_bytes(envelope(ids[5]))  # of another message
q.spool('cur', ids[6]).write_bytes(b'Subject: y\n\nHello.\n')
q.spool('env', ids[6]).write_bytes(envelope(ids[6], rcpts=['fred@far.example', 'greta@far.example']).replace(
    b'T 0000 relay greta', b'D 0001 relay greta'))
os.utime(q.spool('env', ids[6]), (1, 1))
if ROOT:
    import pwd
    for d in ('tmp', 'new', 'cur', 'env'):
        for f in q.files(d):
            os.chown(q.spool(d, f), pwd.getpwnam('phqueue').pw_uid, -1)

q.start()
started = house.events('queue.started')[-1] if house.events('queue.started') else parse_event(
    [l for l in house.log().split('\n') if 'queue.started' in l][-1])
is_((started['messages'], started['held'], started['swept']), ('7', '1', '5'), 'seven messages, one of them held, five leftovers')
is_(q.files('tmp'), [], 'tmp is empty')
ok(not q.spool('new', ids[0]).exists() and not q.spool('cur', ids[1]).exists(), 'messages without envelope are gone')
ok(not q.spool('env', ids[2]).exists() and not q.spool('new', ids[2]).exists(), 'so is an envelope that never reached the disk')

a = q.agent('remote')
seen = {}
for i in range(3):
    job = a.hear('JOB')
    seen[job.words[0]] = [l[1] for l in job.lines]
    a.report(job)
is_(seen, {m2.id: ['carl@far.example'], m3.id: ['dora@far.example'], ids[6]: ['fred@far.example']},
    'what was with an agent, what was not synced, what is due: each tried once, done recipients not again')
ok(a.silent(0.2), 'what is deferred or held is not')
is_(os.stat(q.spool('env', m1.id)).st_mtime, due, 'its time has not changed')
is_(q.files('bad'), [ids[3], ids[3] + '.message', ids[4], ids[4] + '.message'], 'envelopes that do not parse are set aside')
like(house.log(), r'queue\.bad id=%s reason=' % ids[3], 'and told')
is_(q.control('RELEASE', 'by test', body=m4.id).words, ['1'], 'release')
job = a.hear('JOB')
is_(job.words[0], m4.id, 'then it goes')
a.report(job)
q.control('RETRY', body=m1.id)
job = a.hear('JOB')
is_([l[1] for l in job.lines], ['eve@far.example'], 'the deferred one, on demand')
a.report(job)
ok(all(q.gone(i) for i in (m1.id, m2.id, m3.id, m4.id, ids[6])), 'the queue is empty')

# Only one queued at a time.

import subprocess
if os.path.exists(q.spool()):
    p = house.spawn('queued', stderr=subprocess.PIPE)
    err = p.communicate(timeout=30 * PATIENCE)[1].decode()
    is_(p.returncode, 75, 'a second queued on the same spool ends')
    like(err, r'another queued has it', 'and says why')
q.kill()
q.start()

# A kill at every moment of a message's way: nothing that was promised is lost, and nothing stays.

s, a = q.submitter(), q.agent('remote')
lost, ids = [], []
for step in range(8):
    m = None
    try:
        m = s.submit(rcpts=['r%d@far.example' % step, 'q%d@far.example' % step]) if step > 0 else s.submit()
        ids.append(m.id)
        if step >= 2:
            s.say('SYNCED', m.id)
        if step >= 3:
            job = a.hear('JOB')
        if step >= 4:
            a.report(job, by_rcpt={'r%d@far.example' % step: ('sent', 250, '', ''), 'q%d@far.example' % step: ('retry', 450, '', '')})
        if step >= 5:
            wait_until(lambda: 'queue.deferred id=' + m.id in house.log())
        if step >= 6:
            q.control('RETRY', body=m.id)
            job = a.hear('JOB')
        if step >= 7:
            a.report(job)
            q.gone(m.id)
    finally:
        q.kill()
        q.start()
        s, a = q.submitter(), q.agent('remote')
    q.control('FLUSH')
    got = []
    while True:
        try:
            job = a.hear(bound=0.4)
        except OSError:
            break
        got += [l[1] for l in job.lines]
        a.report(job)
    want = {0: ['bob@far.example'], 7: []}.get(step, ['r%d@far.example' % step, 'q%d@far.example' % step])
    if step in (5, 6):
        want = ['q%d@far.example' % step]
    if step == 4:  # the report and the kill raced
        got = [r for r in got if r[0] != 'r']
        want = ['q4@far.example']
    is_(sorted(got), sorted(want), 'killed at step %d: every recipient that was not done is tried' % step)
is_((q.files('env'), q.files('new'), q.files('cur')), ([], [], []), 'nothing is left')

done()
