#!/usr/bin/env python3
"""queued: from SYNCED to the last recipient: attempts, retries, sites, expiry. The test plays submitter and agent."""
import os
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from wire import *

house = House(conf='retry_first = 5m\nretry_last = 4h\nqueue_lifetime = 5d\nsite_concurrency = 2')
q = Queue(house)
s = q.submitter()
TEXT = b'Return-Path: <ann@else.example>\nSubject: x\n\nHello.\n'
HEAD = TEXT.index(b'Subject')

# Accepted, not yet synced.

a = q.agent('remote')
m = s.submit(rcpts=['bob@far.example', 'eve@far.example'], text=TEXT, head=HEAD, extra='ret HDRS\nenvid QQ1\n')
is_(m.how, 'queued', 'a message for elsewhere is queued')
is_(q.spool('new', m.id).read_bytes(), TEXT, 'the message lies in new/, octet by octet')
ok(q.env(m.id).startswith('posthouse-envelope 1\nid %s\n' % m.id), 'the envelope lies in env/')
is_(m.nlink(), 1, 'the message is linked once')
ok(a.silent(), 'no attempt before SYNCED')
s.say('SYNCED', m.id)

# The first attempt.

job = a.hear('JOB')
is_(job.words[0:2] + job.words[3:], [m.id, 'ann@else.example', str(len(TEXT)), str(len(TEXT) + 4), str(HEAD), '-',
                                     'mx:far.example', 'HDRS', 'QQ1'], 'the words of the job')
is_(job.lines, [['0', 'bob@far.example', 'rfc822;bob@far.example', '-'], ['1', 'eve@far.example', 'rfc822;eve@far.example', '-']],
    'its recipients')
is_(os.pread(job.fds[0], 1000, 0), TEXT, 'its message')
is_((q.files('new'), q.files('cur')), ([], [m.id]), 'what was attempted is in cur/')
a.report(job, by_rcpt={'bob@far.example': ('sent', 250, '2.0.0', 'ok'),
                       'eve@far.example': ('retry', 450, '4.2.0', 'busy\r\nnote 1 1 lie')}, host='mx.far.example')
ok(house_log := wait_until(lambda: 'queue.deferred' in house.log()), 'the rest is deferred')
env = q.env(m.id)
ok('\nD 0001 relay bob@far.example ' in env, 'who has it is marked D')
ok('\nT 0001 relay eve@far.example ' in env, 'who has not is T, with one attempt')
like(env, r'\nnote \d+ 2 450 4\.2\.0 host mx\.far\.example said: busy % note 1 1 lie\n$', 'the reply is one line of the envelope')
due = os.stat(q.spool('env', m.id)).st_mtime - time.time()
ok(295 < due < 335, 'the next attempt is the time of the file: retry_first (%d s)' % due)
ok(a.silent(0.2), 'and not before')

# An administrator is impatient.

items = q.control('LIST', 'open').items
is_([i[4:7] for i in items], [['eve@far.example', 'deferred', '1']], 'the list shows who is left')
is_(items[0][8:], ['mx:far.example', '450 4.2.0 host mx.far.example said: busy  note 1 1 lie'], 'where to, and why not yet')
is_(q.control('RETRY', body=m.id + '\nnonsense\n').words, ['1'], 'retry: one message')
job = a.hear('JOB')
is_([l[1] for l in job.lines], ['eve@far.example'], 'only who is left is tried again')
a.report(job, 'retry', 451, '4.0.0', 'later')
wait_until(lambda: 'T 0002' in q.env(m.id))
due = os.stat(q.spool('env', m.id)).st_mtime - time.time()
ok(590 < due < 665, 'waits grow (%d s)' % due)
q.control('FLUSH')
a.report(a.hear('JOB'))
ok(q.gone(m.id), 'all done: envelope and message are gone')
like(house.log(), r'queue\.removed id=%s why=done' % m.id, 'and the log says so')

# The end of a connection counts as SYNCED, FAILED takes the message back.

other = q.submitter()
m = other.submit(text=TEXT, head=HEAD)
ok(a.silent(0.2), 'not synced')
other.close()
job = a.hear('JOB')
is_(job.words[0], m.id, 'the submitter has gone: it may have answered, so the message goes out')
a.report(job)
ok(q.gone(m.id), 'it went')
m = s.submit()
m2 = s.submit(rcpts=['carl@far.example'])
s.say('FAILED', m.id)
ok(q.gone(m.id), 'FAILED: the message is taken back')
s.say('SYNCED', m2.id)
job = a.hear('JOB')
is_(job.words[0], m2.id, 'two awaited SYNCED at once; the other one goes its way')
a.report(job)
s.say('SYNCED', 'abcdefgh')
is_(s.queue().how, 'queued', 'SYNCED for a stranger does no harm')
a.report(a.hear('JOB'))

# A site that is down.

m1, m2 = s.queue(rcpts=['a@down.example']), s.queue(rcpts=['b@down.example', 'c@up.example'])
b = q.agent('remote')
first, second = a.hear('JOB'), b.hear('JOB')
is_([first.words[7], second.words[7]], ['mx:down.example', 'mx:up.example'], 'sites take turns')
b.report(second)
other = b.hear('JOB')
is_(other.words[7], 'mx:down.example', 'two connections to one site')
a.report(first, 'retry', 451, '4.4.1', 'connection refused', host='-', connected='!')
ok(a.silent(0.2) and 'queue.deferred id=%s' % m1.id not in house.log(), 'while one has a connection the other waits for it')
b.report(other, 'retry', 451, '4.4.1', 'connection refused', host='-', connected='!')
ok(wait_until(lambda: 'queue.deferred id=%s' % m1.id in house.log()), 'none has: the message is deferred')
ok(wait_until(lambda: 'queue.deferred id=%s' % m2.id in house.log()), 'so is the one behind it')
like(q.env(m2.id), r'\nT 000[01] relay b@down.example .*\n', 'its recipient there waits')
like(q.env(m2.id), r'\nD 0001 relay c@up.example ', 'its recipient elsewhere has it')
m3 = s.queue(rcpts=['d@down.example'])
ok(wait_until(lambda: 'queue.deferred id=%s' % m3.id in house.log()), 'a new message for the site is deferred')
ok('T 0000 relay d@down.example' in q.env(m3.id), 'without an attempt')
like(q.env(m3.id), r'451 4\.4\.1 connection refused', 'with the reason')
status = dict(l for l in q.control('STATUS').lines)
is_((status['messages'], status['sites_down']), ('3', '1'), 'status: three messages, a site that is down')
b.close()
q.control('FLUSH')
for i in range(3):
    a.report(a.hear('JOB'), connected='mx:down.example')
ok(all(q.gone(m.id) for m in (m1, m2, m3)), 'flush tries the site again')

# Bulk and a letter; at most 100 recipients a job.

bulk = s.submit(rcpts=['r%d@big.example' % i for i in range(250)])
letter = s.submit(rcpts=['one@big.example'])
s.say('SYNCED', bulk.id)
s.say('SYNCED', letter.id)
sizes = []
for i in range(4):
    job = a.hear('JOB')
    sizes.append((job.words[0] == letter.id, len(job.lines)))
    a.report(job, connected='mx:big.example')
is_(sizes, [(False, 100), (False, 100), (True, 1), (False, 50)], 'a letter does not wait for the whole mailing')
ok(q.gone(bulk.id) and q.gone(letter.id), 'both are done')

# Who has a connection open gets the next job for the place.

c = q.agent('remote')
m = s.queue(rcpts=['x@big.example'])
job = a.hear('JOB')
ok(True, 'the agent with the connection was preferred')
a.report(job, connected='-')
c.close()

# An agent that dies: once more at once, then it waits.

m = s.queue(rcpts=['x@grave.example'])
a.hear('JOB').close()
a.close()
a = q.agent('remote')
job = a.hear('JOB')
is_(job.words[0], m.id, 'the next agent gets it')
job.close()
a.close()
ok(wait_until(lambda: 'The delivery agent died' in q.env(m.id)), 'two deaths: deferred')
a = q.agent('remote')
ok(a.silent(0.2), 'not tried at once')
q.control('DELETE', 'by test', body=m.id)
ok(q.gone(m.id), 'deleted')

# Concurrency of a site.

ms = [s.queue(rcpts=['x%d@wide.example' % i]) for i in range(3)]
crowd = [a] + [q.agent('remote') for i in range(2)]
jobs = []
for w in crowd:
    try:
        jobs.append((w, w.hear(bound=0.7)))
    except OSError:
        pass
is_(len(jobs), 2, 'site_concurrency = 2: two at once')
jobs[0][0].report(jobs[0][1], connected='mx:wide.example')
third = jobs[0][0].hear('JOB')
jobs[0][0].report(third)
jobs[1][0].report(jobs[1][1])
ok(all(q.gone(m.id) for m in ms), 'the third when one is free')

# What is not believed: wrong packets, wrong kinds.

w = Wire(house.path('run', 'agents'))
w.say('HELLO', 'emperor')
is_(w.hear(), None, 'an agent of no kind is hung up on')
w = Wire(house.path('run', 'submit'))
w.say('COMMIT', 1, 1)
is_(w.hear(), None, 'COMMIT without OPEN: hung up on')

cases = [
    ('octets', lambda i: envelope(i).replace(b'octets 19', b'octets 18')),
    ('another ID', lambda i: envelope('0123456789abcde')),
    ('torn', lambda i: envelope(i)[:-30]),
    ('done already', lambda i: envelope(i).replace(b'T 0000', b'D 0000')),
    ('tried already', lambda i: envelope(i).replace(b'T 0000', b'T 0001')),
    ('the future', lambda i: envelope(i, arrived=time.time() + 100000)),
    ('no recipient', lambda i: envelope(i, rcpts=[])),
    ('huge envid', lambda i: envelope(i, extra='envid ' + 'x' * 200 + '\n')),
    ('head beyond the end', lambda i: envelope(i, head=1000)),
    ('empty', lambda i: b''),
    ('binary', lambda i: bytes(range(256))),
]
for name, make in cases:
    s.say('OPEN', 'test')
    files = s.hear('FILES')
    os.pwrite(files.fds[0], b'Subject: x\n\nHello.\n', 0)
    os.pwrite(files.fds[1], make(files.words[0]), 0)
    s.say('COMMIT', 19, 0 if name == 'no recipient' else 1)
    answer = s.hear()
    is_((answer.verb, answer.words[:2]), ('REFUSED', ['554', '5.6.0']), 'envelope refused: ' + name)
    files.close()
is_((q.files('env'), q.files('new')), ([], []), 'nothing of these is in the spool')

done()
