#!/usr/bin/env python3
"""queue_limit, queue_free_floor, message_size_limit: what a client is told, at once, and when it may come again."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

LIMIT = 50
FULL = '421 4.3.2 Service Unavailable'
house = House(conf='hostname = mx.example.org\nqueue_limit = %d\nretry_first = 1h\nretry_last = 4h\nmessage_size_limit = 2000' % LIMIT,
              smarthost='127.0.0.1:%d' % free_port())
house.set_map('access', '127.0.0.1 trust\n127.0.0.3 xclient\n')
house.start()
TEXT = b'Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@b>\r\n\r\nhello\r\n'


def client(last=1, port=None):
    return Smtp(0, sock=socket.create_connection(('127.0.0.1', port or house.smtp_port), 15, ('127.0.0.%d' % last, 0)))


def line(s):
    code, texts = s.reply()
    return '%d %s' % (code, texts[-1])


def refused(name, **kw):
    with client(**kw) as s:
        is_(line(s), FULL, name)
        ok(s.closed(), '... and good bye')


def count():
    return int(house.ph('queue', 'count').stdout.split()[0])


early, other = client(), client(last=2)
early.hello()
other.hello()
with client() as s:
    s.hello()
    replies = [s.message('ann@example.org', ['x@else.example'], TEXT) for i in range(LIMIT)]
    ok(all(re.match('250 .* queued$', r) for r in replies), 'so many messages as may wait are taken')
    is_(s.cmd('MAIL FROM:<ann@example.org>'), FULL, 'the next is not, in this session')
    ok(s.closed(), '... which is over')
refused('nor is a new connection')
refused('of a stranger neither', last=2)
refused('nor one for submission', port=house.submission_port)
ok(house.wait_event('smtpd.refused', code=421, reason='queue_limit', client='[127.0.0.2]'), 'logged')
is_(early.cmd('MAIL FROM:<ann@example.org>'), FULL, 'nor a session that was there before')
is_(other.cmd('MAIL FROM:<a@else.example>'), FULL, '... nor that of a stranger, whoever it is for')
is_(count(), LIMIT, 'no more are in the queue')
house.ph('queue', 'delete', replies[0].split()[2])
with client() as s:
    s.hello()
    like(s.message('ann@example.org', ['x@else.example'], TEXT), '^250 .* queued$', 'one less, and one is taken')
    is_(s.cmd('MAIL FROM:<ann@example.org>'), FULL, '... one')

p = house.run([BIN / 'sendmail', '-C', house.dir, '-f', 'ann@example.org', 'x@else.example'], input=b'Subject: x\n\ny\n')
is_(count(), LIMIT + 1, "what is on its way in the house is let through")
house.ph('queue', 'delete', replies[2].split()[2])

# The queue manager dies, and its successor counts.
before = house.pids('queued')
os.kill(before[0], signal.SIGKILL)
wait_until(lambda: len(house.events('queue.started')) == 2, what='the next queued')
refused('a new queue manager, and the queue is as full')
house.ph('queue', 'delete', replies[1].split()[2])
with client() as s:
    is_(line(s)[:3], '220', 'what it says is heard')
    s.cmd('EHLO c')
    like(s.message('ann@example.org', ['x@else.example'], TEXT), '^250 .* queued$', '... and one is taken')

# Mailboxes have room.
house.conf('queue_limit_local = no')
house.restart()
with client() as s:
    ok('PIPELINING' in s.hello(), 'queue_limit_local = no: whom we trust comes in')
    like(s.cmd('MAIL FROM:<a@else.example>'), '^250', '... and says MAIL')
    like(s.cmd('RCPT TO:<x@else.example>'), '^452 4.3.1 The queue is full', '... not to others')
    like(s.cmd('RCPT TO:<ann@example.org>'), '^250', '... but to mailboxes')
    s.cmd('DATA')
    s.send(TEXT + b'.\r\n')
    like(line(s), '^250 .* delivered$', '... which have it at once')
refused('a stranger does not', last=2)
with client(port=house.submission_port) as s:
    s.hello()
    s.cmd('AUTH PLAIN AGFubgBzZWNyZXQ=')
    like(s.message('ann@example.org', ['bob@example.org'], TEXT), '^250 .* delivered$', 'who has logged in does')
is_(count(), LIMIT, 'the queue is as full as it was')
house.ph('queue', 'delete', '--all', '--yes')
with client(last=2) as s:
    s.hello()
    like(s.message('a@else.example', ['ann@example.org'], TEXT), '^250 .* delivered$', 'an empty queue, and everybody comes in')

# Sizes: one text, and a new limit holds from the next connection on.
house.conf('queue_limit = 0')
house.restart()
BIG = '552 5.3.4 Too much mail data'
with client() as s:
    ok('SIZE 2000' in s.hello(), 'SIZE')
    is_(s.cmd('MAIL FROM:<a@else.example> SIZE=2001'), BIG, 'SIZE= beyond the limit')
    is_(s.cmd('MAIL FROM:<a@else.example> SIZE=99999999999999999999'), BIG, '... and any number')
    is_(s.message('a@else.example', ['ann@example.org'], b'x' * 2100 + b'\r\n'), BIG, 'DATA')
    s.cmd('MAIL FROM:<a@else.example> SIZE=2000')
    s.cmd('RCPT TO:<ann@example.org>')
    s.send(b'BDAT 1500\r\n' + b'x' * 1500)
    like(line(s), '^250', 'BDAT, the first chunk')
    s.send(b'BDAT 600 LAST\r\n' + b'x' * 600)
    is_(line(s), BIG, '... and one too many')
    house.conf('message_size_limit = 3000')
    is_(s.cmd('MAIL FROM:<a@else.example> SIZE=2500'), BIG, 'a new limit does not change a session')
with client() as s:
    ok('SIZE 3000' in s.hello(), '... but the next one')
    like(s.message('a@else.example', ['ann@example.org'], b'x' * 2100 + b'\r\n'), '^250', '... which may send more')
    is_(s.cmd('MAIL FROM:<a@else.example> SIZE=3001'), BIG, '... so much and no more')
for s in early, other:
    s.close()

# Space: on a file system of which nobody else takes much.
NONE = '452 4.3.1 No space to store the message: try again later'
WHERE = '/dev/shm'
free = (lambda v: v.f_bavail * v.f_frsize)(os.statvfs(WHERE)) if os.access(WHERE, os.W_OK) else 0
if free < 60 << 20:
    skip('queue_free_floor', 'no room in ' + WHERE)
    done()
house.stop()
house = House(where=WHERE, conf='queue_free_floor = %d' % (free - (20 << 20)))
house.start()
with client() as s:
    s.hello()
    like(s.message('a@else.example', ['ann@example.org'], TEXT), '^250', 'space above the floor')
    weight = house.path('weight')
    with open(weight, 'wb') as f:
        os.posix_fallocate(f.fileno(), 0, 40 << 20)
    wait_until(lambda: s.message('a@else.example', ['ann@example.org'], TEXT).startswith('452') or s.cmd('RSET') == '', what='no space')
    s.cmd('RSET')
    is_(s.cmd('MAIL FROM:<a@else.example>'), NONE, 'below it MAIL is put off')
    with client() as t:
        is_(line(t)[:3], '220', 'connections are taken')
    weight.unlink()
    ok(wait_until(lambda: s.cmd('MAIL FROM:<a@else.example>').startswith('250')), 'space again, and mail again, by itself')
done()
