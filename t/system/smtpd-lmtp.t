#!/usr/bin/env python3
"""LMTP (RFC 2033) as a server: LHLO, an answer for each recipient, nothing else of its own."""
import os
import socket
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

port = free_port()
house = House(users=['ann:secret', 'bob:secret'], conf='hostname = mx.example.org\nmessage_size_limit = 10000')
house.conf('listen_lmtp = 127.0.0.1:%d' % port)
house.start()
BODY = b'From: x@far.example\r\n\r\nHello.\r\n'


def lmtp():
    s = Smtp(port)
    like(s.reply()[1][0], r'^mx\.example\.org LMTP ', 'the greeting')
    return s


with lmtp() as s:
    for verb in ('EHLO', 'HELO'):
        like(s.cmd(verb + ' me'), r'^500 5\.5\.2', verb + ' is not known (RFC 2033, 4.1)')
    like(s.cmd('MAIL FROM:<x@far.example>'), r'^503', 'LHLO comes first')
    s.send('LHLO me\r\n')
    code, lines = s.reply()
    ok(code == 250 and {'PIPELINING', 'ENHANCEDSTATUSCODES', 'CHUNKING', 'DSN'} <= set(lines), 'LHLO: the extensions')
    ok(not any(l.startswith('AUTH') for l in lines), 'nobody logs in')
    like(s.cmd('MAIL FROM:<x@far.example>'), r'^250', 'MAIL')
    like(s.cmd('DATA'), r'^503', 'DATA without a recipient')
    for rcpt, want in (('ann', '250'), ('nobody', '550'), ('bob', '250')):
        like(s.cmd('RCPT TO:<%s@example.org>' % rcpt), '^' + want, 'RCPT ' + rcpt)
    like(s.cmd('RCPT TO:<bob@else.example>'), r'^550 5\.7\.1', 'no relaying for strangers')
    like(s.cmd('DATA'), r'^354', 'DATA')
    s.send(BODY + b'.\r\nNOOP\r\n')
    answers = [s.line() for _ in range(3)]
    ok(answers[0].startswith(b'250 2.0.0 ') and answers[0] == answers[1] and answers[2].startswith(b'250 2.0.0 OK'),
       'two answers for two recipients')
    # in chunks: only the last has an answer for each
    s.cmd('MAIL FROM:<x@far.example>')
    s.cmd('RCPT TO:<ann@example.org>')
    s.cmd('RCPT TO:<bob@example.org>')
    s.send(b'BDAT %d\r\n' % len(BODY) + BODY + b'BDAT 5 LAST\r\nend\r\nNOOP\r\n')
    answers = [s.line()[:3] for _ in range(4)]
    is_(answers, [b'250'] * 4, 'BDAT: one, then two')
    ok(s.quiet(), 'and no more')
    # refused as a whole: each is told
    s.cmd('MAIL FROM:<x@far.example>')
    s.cmd('RCPT TO:<ann@example.org>')
    s.cmd('RCPT TO:<bob@example.org>')
    s.cmd('DATA')
    s.send(BODY + b'x' * 70 + b'\r\n' * 8000 + b'.\r\nNOOP\r\n')
    is_([s.line()[:9] for _ in range(3)], [b'552 5.3.4'] * 2 + [b'250 2.0.0'], 'too large: two refusals')
    like(s.cmd('QUIT'), r'^221', 'QUIT')
is_((len(house.wait_mail('ann@example.org', 2)), len(house.wait_mail('bob@example.org', 2))), (2, 2), 'both have both')
like(house.mail('ann@example.org')[0], r'with LMTP id', 'Received: with LMTP')
with house.smtp() as s:
    s.hello()
    like(s.cmd('LHLO me'), r'^500 5\.5\.2', 'LHLO is not known to SMTP')

# inetd
with socket.create_server(('127.0.0.1', 0)) as listener:
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
p = house.spawn('smtpd', '-s', 'lmtp', stdin=theirs, stdout=theirs)
theirs.close()
with Smtp(0, sock=ours) as s:
    like(s.reply()[1][0], r' LMTP ', 'by inetd')
    s.cmd('LHLO me')
    s.cmd('MAIL FROM:<x@far.example>')
    s.cmd('RCPT TO:<ann@example.org>')
    s.cmd('DATA')
    like(s.cmd(BODY + b'.'), r'^250 2\.0\.0 ', 'a message')
    s.cmd('QUIT')
is_(len(house.wait_mail('ann@example.org', 3)), 3, 'it is there')
house.stop()
done()
