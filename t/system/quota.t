#!/usr/bin/env python3
"""A mailbox has a quota: its owner is warned, its senders wait, then hear no; POP3 makes room again."""
import os, re, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import Desk

LIMIT = 20 * 1024
house = House(conf='retry_first = 1s\nretry_last = 1s\nlog_level = detail\n')
house.set_map('users', 'ann@example.org quota=20k\nbob@example.org\ncat@example.org quota=2msgs\n')
house.start()
BODY = b'Subject: x\r\n\r\n' + b'y' * 72 + b'\r\n'
BODY += (b'z' * 70 + b'\r\n') * 40  # about 3,000 octets


def held(user='ann'):
    return sum(f.stat().st_size for f in house.mail_files(user))


def letters(user='ann'):
    return [m for m in house.mail(user) if b'\nSubject: Your mailbox is ' in m]


def summed(user='ann'):
    lines = (house.maildir(user) / 'maildirsize').read_text().splitlines()
    return lines[0], [sum(int(l.split()[i]) for l in lines[1:]) for i in (0, 1)]


def rcpt(*to):
    with house.smtp() as s:
        s.hello()
        s.cmd('MAIL FROM:<dave@elsewhere.example>')
        return [s.cmd('RCPT TO:<%s@example.org>' % t) for t in to]


def mark(user, first=None, last=None):
    """Move the two times of a mark back by so many seconds."""
    f = house.path('state', 'full', user + '@example.org')
    st = f.stat()
    os.utime(f, (st.st_atime - (first or 0), st.st_mtime - (last or 0)))


# Filled up, message by message.
passed = []
while held() + 3500 < LIMIT:
    before = held()
    like(house.send('x@y.example', 'ann@example.org', BODY), '^250 2.0.0 .*delivered', 'there is room at %d octets' % before)
    passed.append((before * 100 // LIMIT, len(letters())))
is_(summed(), ('%dS' % LIMIT, [held(), len(house.mail_files('ann'))]), 'maildirsize has every octet, letters too')
first = [p for p, n in passed if n == 0]
ok(first[-1] < 80, 'no letter is written below 80 %')
is_(len(letters()), 1, 'one is at 80 %')
letter = letters()[0]
h = dict(headers(letter))
is_((h[b'Delivered-To'], h[b'To'], h[b'Auto-Submitted']), (b'ann@example.org', b'ann@example.org', b'auto-generated'), '... to the owner')
like(h[b'Subject'].decode(), r'^Your mailbox is (8\d|9[0-4]) % full$', '... says how full')
like(letter.decode(), r'holds \d+\.\d of 0\.0 MiB', '... and of what')
ok(house.wait_event('quota.warned', mailbox='ann@example.org', percent='80'), 'the log says it was written')

# The last octets, in small steps.
while len(letters()) < 2 and held() < LIMIT - 1000:
    like(house.send('x@y.example', 'ann@example.org', b'Subject: s\r\n\r\n' + (b's' * 70 + b'\r\n') * 4), 'delivered', 'there is room at %d octets' % held())
is_([int(re.search(rb'\nSubject: Your mailbox is (\d+) %', m).group(1)) >= 95 for m in letters()], [False, True], 'another letter is at 95 %')
ok(house.wait_event('quota.warned', mailbox='ann@example.org', percent='95'), '... the log says so, too')

# It is full: this one came too late for RCPT and waits in the queue.
like(house.send('x@y.example', ['ann@example.org', 'bob@example.org'], BODY * 3), '^250 2.0.0 .*queued', 'one too many is queued')
ok(house.wait_event('queue.deferred', rcpt='ann@example.org', bound=20), 'it waits')
like(house.events('queue.deferred', rcpt='ann@example.org')[0]['reply'], r'^452 4\.2\.2 the mailbox is full: ', '... and says why')
is_(len(house.mail('bob')), 1, 'others have it')
like(rcpt('ann')[0], r'^452 4\.2\.2 ', 'the next sender hears it at RCPT')
house.map('aliases', 'both@example.org ann, bob\n')
like(rcpt('both')[0], '^250 ', 'a group is taken: the others get it')
mark('ann', last=400)
like(rcpt('ann')[0], '^250 ', 'what was seen five minutes ago is not believed')

# Room again by POP3: what waits arrives.
with house.pop3('ann') as p:
    n = int(p.cmd('STAT').split()[1])
    for i in range(n):
        p.cmd('DELE %d' % (i + 1))
    p.cmd('QUIT')
is_(summed()[1], [0, 0], 'QUIT takes off what it deleted')
house.ph('queue', 'retry', '--all', check=False)
house.wait_mail('ann', 1, bound=30)
ok(house.mail('ann')[0].count(b'z' * 70) == 120, 'the one that waited is there')
ok(not house.path('state', 'full', 'ann@example.org').exists(), 'no mark is left')
like(rcpt('ann')[0], '^250 ', 'senders are welcome')

# By number of messages; and for too long.
for i in range(2):
    like(house.send('x@y.example', 'cat@example.org', BODY), 'delivered', 'message %d of 2' % (i + 1))
is_(len(letters('cat')), 1, 'both marks passed at once: one letter')
house.send('ann@example.org', 'cat@example.org', BODY)
house.wait_event('queue.deferred', rcpt='cat@example.org', bound=20)
like(rcpt('cat')[0], r'^452 4\.2\.2 ', 'full by number')
mark('cat', first=4 * 86400)
like(rcpt('cat')[0], r'^552 5\.2\.2 ', 'full for longer than quota_grace: refused')
house.ph('queue', 'retry', '--all', check=False)
ok(house.wait_event('queue.failed', rcpt='cat@example.org', bound=30), 'what waited goes back')
like(house.events('queue.failed', rcpt='cat@example.org')[0]['reply'], r'^552 5\.2\.2 the mailbox is full: \d of 2 messages', '... and says why')
wait_until(lambda: any(b'5.2.2' in m for m in house.mail('ann')), what='the bounce')
like(house.send('x@y.example', 'ann@example.org', BODY * 8), 'queued', 'larger than the whole mailbox')
like(house.wait_event('queue.failed', rcpt='ann@example.org', bound=20) and house.events('queue.failed', rcpt='ann@example.org')[0]['reply'],
     r'^552 5\.2\.2 the message is larger', '... fails at once')

# A job that was cut off behind the link is done again: what is there has fitted, however full the mailbox is now.
desk = Desk('local', maps={'users': 'dan@example.org quota=1msgs\n'})
text = b'Return-Path: <x@y.example>\nSubject: x\n\nhello\n'
fd = desk.message(text)
is_([o[:3] for o in desk.job(['dan@example.org'], text, fd=fd, id='1quota').outcomes], [('sent', 250, '2.0.0')], 'the first fits')
is_([o[:3] for o in desk.job(['dan@example.org'], text, fd=fd, id='1quota').outcomes], [('sent', 250, '2.0.0')], '... and is found when the job is done again')
is_([o[:3] for o in desk.job(['dan@example.org'], text, id='2quota').outcomes], [('retry', 452, '4.2.2')], '... another one does not fit')
lines = (desk.house.maildir('dan') / 'maildirsize').read_text().splitlines()
is_(sum(int(l.split()[1]) for l in lines[1:]), 2, '... it is counted once, the letter too')

# Words.
for bad in ('quota=', 'quota=2X', 'quota=1G,2G', 'quota=-1'):
    house.set_map('users', 'ann@example.org %s\n' % bad, compile=False)
    r = house.ph('compile', check=False)
    ok(r.returncode != 0 and 'users:1' in r.stderr and 'quota=' in r.stderr, bad + ' is refused with its line')
done()
