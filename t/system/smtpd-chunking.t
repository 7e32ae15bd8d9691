#!/usr/bin/env python3
"""smtpd: BDAT (RFC 3030): chunks of any size, octet for octet; what is refused is swallowed first."""
import os, random, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House(users=['ann:secret', 'bob:secret'], conf='message_size_limit = 1M').start()


def began(rcpts=('ann@example.org',)):
    s = house.smtp()
    s.hello()
    for line in ['MAIL FROM:<x@else.example>'] + ['RCPT TO:<%s>' % r for r in rcpts]:
        s.cmd(line)
    return s


def bdat(s, octets, last=False):
    s.send(b'BDAT %d%s\r\n' % (len(octets), b' LAST' if last else b'') + octets)
    code, texts = s.reply()
    return '%d %s' % (code, texts[-1] if texts else '')


count = 0


def arrived(message, name):
    """The newest mail of ann is this message, below what smtpd put above it."""
    global count
    count += 1
    got = house.wait_mail('ann@example.org', count)[-1]
    want = message.replace(b'\r\n', b'\n')
    ok(len(house.mail('ann@example.org')) == count and got.endswith(b'\n' + want), name)


with house.smtp() as s:
    ok('CHUNKING' in s.hello(), 'CHUNKING is announced')
    s.cmd('QUIT')

message = b'Subject: x\r\n\r\n' + b'.\r\n..\r\n.dot\r\n' + b''.join(b'line %d\r\n' % i for i in range(2000))
with began() as s:
    like(bdat(s, message, True), r'^250 2\.0\.0 \S+ delivered', 'one chunk')
    arrived(message, '... octet for octet, dots and all')
    s.cmd('MAIL FROM:<x@else.example>')
    s.cmd('RCPT TO:<ann@example.org>')
    random.seed(3030)
    at = 0
    replies = set()
    while at < len(message):
        n = random.choice((1, 2, 3, 100, 5000))
        replies.add(bdat(s, message[at:at + n])[:3])
        at += n
    is_(replies, {'250'}, 'chunks of any size, cut anywhere')
    like(bdat(s, b'', True), r'^250 2\.0\.0 \S+ delivered', '... ended by BDAT 0 LAST')
    arrived(message, '... octet for octet')
with began() as s:  # all in one segment (RFC 2920 does not mind)
    s.send(b'BDAT 20\r\n' + message[:20] + b'BDAT %d LAST\r\n' % (len(message) - 20) + message[20:] + b'NOOP\r\n')
    is_([s.reply()[0] for _ in range(3)], [250, 250, 250], 'pipelined')
    arrived(message, '... and whole')
with began() as s:
    like(bdat(s, b'Subject: no end\r\n\r\nlast line', True), r'^250', 'a last line without its end')
    arrived(b'Subject: no end\r\n\r\nlast line\r\n', '... gets one')
with began() as s:
    like(bdat(s, b'Subject: a\r\n\r\nbare\nlf\r\n', True), r'^5\d\d 5\.\d\.\d ', 'a bare LF is refused here, too')
    like(s.cmd('MAIL FROM:<x@else.example>'), r'^250', '... and the session goes on')
with began() as s:
    like(bdat(s, b'Subject: a\r\n\r\nhalf\r', True), r'^5\d\d 5\.\d\.\d ', 'so is a CR at the very end')
with began() as s:
    bdat(s, b'Subject: x\r\n\r\n')
    s.talk('''
        C: DATA
        S: 503 5.5.1 *
        C: RCPT TO:<bob@example.org>
        S: 503 5.5.1 *
        C: MAIL FROM:<y@else.example>
        S: 503 5.5.1 *
        C: NOOP
        S: 250 *
        C: RSET
        S: 250 *
        C: RCPT TO:<bob@example.org>
        S: 503 5.5.1 *
    ''', 'between two chunks: no DATA, no other recipient; RSET forgets them')
with house.smtp() as s:
    s.hello()
    like(bdat(s, b'QUIT\r\n' * 100), r'^503 5\.5\.1', 'BDAT without a transaction: its octets are no commands')
    like(s.cmd('NOOP'), r'^250', '...')
    s.cmd('MAIL FROM:<x@else.example>')
    s.cmd('RCPT TO:<nobody@example.org>')
    like(bdat(s, b'RSET\r\n'), r'^503 5\.5\.1', 'nor with nobody to take it')
    like(s.cmd('RCPT TO:<bob@example.org>'), r'^250', '... and the transaction goes on')
with house.smtp() as s:
    s.reply()
    like(bdat(s, b'RSET\r\n'), r'^503 5\.5\.1', 'nor before EHLO')
    like(s.cmd('MAIL FROM:<x@else.example>'), r'^503 5\.5\.1 Say EHLO', '... which is still to be said')
with began() as s:
    like(bdat(s, b'x' * 700000), r'^250', 'a message up to its limit')
    like(bdat(s, b'x' * 400000), r'^552 5\.3\.4', '... and beyond it')
    like(bdat(s, b'x' * 100, True), r'^503', 'what follows is swallowed')
    like(s.cmd('NOOP'), r'^250', '...')
for bad in ('BDAT', 'BDAT x', 'BDAT -1', 'BDAT 10 FIRST', 'BDAT 99999999999999999999', 'BDAT 10LAST'):
    with began() as s:
        like(s.cmd(bad), r'^501 5\.5\.4', bad + ': no size')
        ok(s.closed(), '... ends the session: what follows could be anything')
with began() as s:
    s.send(b'BDAT 1000 LAST\r\nSubject: cut\r\n\r\n')
with began(('ann@example.org', 'bob@example.org')) as s:
    like(bdat(s, message, True), r'^250', 'two recipients')
arrived(message, 'a message cut off was not delivered')
is_(len(house.wait_mail('bob@example.org', 1)), 1, '... and bob has his copy')
ok(wait_until(lambda: not list(house.path('spool', 'tmp').iterdir())), 'nothing is left in the spool')
done()
