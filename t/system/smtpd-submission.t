#!/usr/bin/env python3
"""Submission: what is missing is added (RFC 6409, 8), where it came from is hidden if asked, messages an hour are counted;
blanks behind MAIL FROM: and RCPT TO:."""
import base64
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House(conf='hostname = mx.example.org\nlogin_rate = 6\nreceived_hide_client = yes\n')
house.set_map('access', '# nobody is trusted\n')
house.start()
LOGIN = 'AUTH PLAIN ' + base64.b64encode(b'\0ann\0secret').decode()


def submit(data, sender='ann@example.org', rcpts=('bob@example.org',), login=True):
    with house.smtp(house.submission_port if login else None) as s:
        s.hello()
        if login:
            s.cmd(LOGIN)
        return s.message(sender, list(rcpts), data)


def newest(n):
    return house.wait_mail('bob@example.org', n)[-1]


def parts(message):
    head, _, body = message.partition(b'\n\n')
    return re.sub(rb'\n[ \t]+', b' ', head).split(b'\n'), body


like(submit(b'Subject: x\r\n\r\nhello\r\n'), '^250 ', 'a message with hardly a header')
fields, body = parts(newest(1))
names = [f.split(b':')[0] for f in fields]
is_(names[-5:], [b'Received', b'Subject', b'Date', b'From', b'Message-ID'], 'gets Date, From and Message-ID')
is_(body, b'hello\n', 'its text is what it was')
ok(b'From: <ann@example.org>' in fields, 'From is the sender')
event = house.wait_event('smtpd.received')
ident = event['id']
ok(b'Message-ID: <%s@mx.example.org>' % ident.encode() in fields, 'Message-ID is made of the ID')
received = [f for f in fields if f.startswith(b'Received')][0]
like(received, r'^Received: by mx\.example\.org with ESMTPA id ', 'Received does not tell where it came from')
ok(b'127.0.0.1' not in received and b'client.example' not in received, 'not at all')
is_(int(event['octets']), len(newest(1)), 'what was added is counted')

whole = b'Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nFrom: a@b.example\r\nMessage-ID: <1@b>\r\n\r\nhello\r\n'
like(submit(whole), '^250 ', 'a whole message')
like(newest(2), r'\nDate: Thu, 01 Jan 1970 00:00:00 \+0000\nFrom: a@b\.example\nMessage-ID: <1@b>\n\nhello\n\Z', 'stays as it is')
like(submit(b'hello\r\n'), '^250 ', 'no header at all')
like(newest(3), r'\nDate: .*\nFrom: <ann@example.org>\nMessage-ID: <.*>\n\nhello\n\Z', 'gets one')
big = b''.join(b'X-%d: %s\r\n' % (i, b'y' * 60) for i in range(3000)) + b'\r\n' + b'z' * 70 + b'\r\n'
like(submit(big), '^250 ', 'a header of 200 kB')
like(newest(4), r'\nX-2999: y+\nDate: .*\nFrom: .*\nMessage-ID: .*\n\nz{70}\n\Z', 'gets them at its end')
is_(newest(4).split(b'\nX-0:')[1].replace(b'\n', b'\r\n').count(b'\r\n'), 2999 + 4 + 2, 'and nothing else')

with house.smtp(house.submission_port) as s:
    s.hello()
    s.cmd(LOGIN)
    s.cmd('MAIL FROM:<ann@example.org>')
    s.cmd('RCPT TO:<bob@example.org>')
    s.send(b'BDAT 10\r\nSubject: y')
    s.reply()
    s.send(b'BDAT 8 LAST\r\n\r\n\r\nhey.')
    ok(s.reply()[0] == 250, 'BDAT, an unfinished last line')
like(newest(5), r'\nSubject: y\nDate: .*\nFrom: .*\nMessage-ID: .*\n\nhey\.\n\Z', 'gets them, too')

like(submit(whole), '^250 ', 'the sixth message of the hour')
with house.smtp(house.submission_port) as s:
    s.hello()
    s.cmd(LOGIN)
    is_(s.cmd('MAIL FROM:<ann@example.org>'), '450 4.7.1 Too many messages in an hour: try again later', 'the seventh is put off')
like(submit(b'Subject: x\r\n\r\nhello\r\n', sender='c@else.example', login=False), '^250 ', 'others are not counted')
like(newest(7), r'\nReceived: from client\.example \(\[127\.0\.0\.1\]\)\n(.*\n)+Subject: x\n\nhello\n\Z',
     'a message from outside stays as it is, and says where it came from')

with house.smtp() as s:
    s.hello()
    is_(s.cmd('mail from: <c@else.example>')[:3], '250', 'a blank behind FROM:')
    is_(s.cmd('rcpt to: <ann@example.org>')[:3], '250', 'and behind TO:')
    ok(house.wait_event('smtpd.lenient', lenient='space', client='[127.0.0.1]'), 'is logged')
    is_(len(house.events('smtpd.lenient')), 1, 'once')
house.conf('strict_smtp = yes')
house.restart()
with house.smtp() as s:
    s.hello()
    like(s.cmd('MAIL FROM: <c@else.example>'), '^501 5.5.4 ', 'strict_smtp')
done()
