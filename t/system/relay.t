#!/usr/bin/env python3
"""The whole house relays: smtpd, queued and remote, by a smarthost and by MX; retry, bounce, order."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import Server, Zone

zone = Zone('''
mx A 127.0.0.31
away MX 10 mx
gone MX 0 .
''')
isp = Server({'RCPT': lambda line: '550 5.1.1 <nobody> is unknown' if 'nobody' in line else
              '450 4.2.0 greylisted' if 'grey' in line and grey else '250 2.1.5 ok'})
grey = True
house = House(smarthost='127.0.0.1:%d' % isp.port, conf='''
hostname = house.example
%s
remote_agents = 3
remote_timeout = 5s
retry_first = 1h
''' % zone.conf)
port = free_port()
mx = Server(host='127.0.0.31', port=port)
house.map('access', '127.0.0.1 trust\n', compile=False)
house.map('routes', 'away.test mx\ngone.test mx\n', compile=False)
house.conf('remote_port = %d' % port)
house.start()
WHOLE = b'Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@house.example>\r\n'  # nothing is added
text = WHOLE + b'From: Ann <ann@example.org>\r\nTo: x\r\nSubject: relay\r\n\r\n.dot\r\nd\xc3\xa9j\xc3\xa0 vu\r\nend\r\n'


def own(octets):
    """Without our Received."""
    m = re.match(rb'Received: .*\r\n(?:[ \t].*\r\n)*', octets)
    return octets[m.end():] if m else octets


like(house.send('ann@example.org', ['bob@else.example'], text), r'250 2\.0\.0 \S+ queued', 'taken')
wait_until(lambda: isp.messages, what='the message at the smarthost')
like(isp.messages[0], r'^Received: ', 'Received stands first: Return-Path is for mailboxes')
is_(own(isp.messages[0]), text.replace(b'\r\n.dot', b'\r\n..dot'), 'every octet, dot-stuffed')
is_([x.split(b' SIZE')[0].split(b' ORCPT')[0] for x in isp.envelopes[0]], [b'MAIL FROM:<ann@example.org>', b'RCPT TO:<bob@else.example>'], 'the envelope')
e = house.wait_event('queue.delivered', rcpt='bob@else.example')
ok(e, 'logged as delivered')
wait_until(lambda: house.events('queue.removed'), what='the end of the message in the queue')

house.send('ann@example.org', ['cid@away.test'], text)
wait_until(lambda: mx.messages, what='the message at the MX')
is_(len(mx.messages), 1, 'by MX where the routes say so')

# Two in-house, two outside, one of them unknown: everyone once.
house.send('ann@example.org', ['ann@example.org', 'bob@example.org', 'nobody@else.example', 'dan@else.example'], text)
ok(house.wait_mail('bob@example.org', 1), 'the people here have it')
wait_until(lambda: len(isp.messages) == 2, what='the second message')
bounce = [m for m in house.wait_mail('ann@example.org', 2) if b'multipart/report' in m]
is_(len(bounce), 1, 'the sender is told of the unknown one')
like(bounce[0], r'(?i)Final-Recipient: rfc822; ?nobody@else\.example', '... by name')
like(bounce[0], r'5\.1\.1', '... with the status')
like(bounce[0], r'<nobody> is unknown', '... and the words of the server')
ok(b'dan@else' not in bounce[0].split(b'Original', 1)[0] or b'Final-Recipient: rfc822; dan' not in bounce[0], '... and not of the other')

house.send('ann@example.org', ['x@gone.test'], text)
bounces = wait_until(lambda: [m for m in house.mail('ann@example.org') if b'x@gone.test' in m], what='the bounce')
like(bounces[0], r'5\.1\.10', 'null MX: told at once')

# Later means later, and "now" means now.
house.send('ann@example.org', ['grey@else.example'], text)
e = house.wait_event('queue.deferred', rcpt='grey@else.example')
like(str(e), r'450 4\.2\.0 host \[127\.0\.0\.1\] said: greylisted', 'deferred with the words of the server')
grey = False
house.ph('queue', 'retry', '--all')
ok(wait_until(lambda: house.events('queue.delivered', rcpt='grey@else.example'), 15), 'delivered when asked to try again')

# Many at once: connections are kept, nothing is lost or doubled.
before = len(isp.messages), len(isp.sessions)
with house.smtp() as s:
    s.hello()
    for i in range(60):
        s.message('ann@example.org', ['u%d@else.example' % i], b'Subject: %d\r\n\r\nx\r\n' % i)
wait_until(lambda: len(isp.messages) - before[0] >= 60, 30, what='60 messages')
subjects = sorted(int(re.search(rb'Subject: (\d+)', m).group(1)) for m in isp.messages[before[0]:])
is_(subjects, list(range(60)), '60 messages, each once')
ok(len(isp.sessions) - before[1] <= 10, '... over few connections (%d)' % (len(isp.sessions) - before[1]))
house.stop()

# UTF-8 in addresses and header, 8 bits in the body: all as it came.
house.start()
before = len(isp.messages)
with house.smtp() as s:
    s.hello()
    for c in 'MAIL FROM:<jos\u00e9@else.example> BODY=8BITMIME SMTPUTF8', 'RCPT TO:<\u7528\u6237@else.example>', 'DATA':
        s.cmd(c)
    utf8 = WHOLE + 'From: jos\u00e9@else.example\r\nSubject: ol\u00e9\r\n\r\n'.encode() + b'\xff\x80\r\n'
    s.send(utf8 + b'.\r\n')
    is_(s.reply()[0], 250, 'SMTPUTF8 and 8BITMIME: taken')
wait_until(lambda: len(isp.messages) > before, what='the message')
is_(own(isp.messages[before]), utf8, '... every octet goes on')
like(isp.envelopes[before][0], r'^MAIL FROM:<jos\u00e9@else\.example> .*BODY=8BITMIME SMTPUTF8', '... declared')
like(isp.envelopes[before][1], r'^RCPT TO:<\u7528\u6237@else\.example>', '... to the same address')
house.stop()

# Without a full name of our own strangers would not believe us: only the smarthost is asked.
before, direct = len(isp.messages), len(mx.messages)
house.conf('helo_name = house')
house.restart()
house.send('bob@example.org', ['dan@away.test', 'eve@else.example'], text)
wait_until(lambda: len(isp.messages) > before, what='the smarthost')
ok(house.wait_event('queue.deferred', rcpt='dan@away.test'), 'helo_name without a dot: nothing is sent by MX')
like(house.ph('queue', 'list', '--to', 'dan@away.test').stdout, r'451 4\.3\.5 house is no full host name: set helo_name',
     '... and the queue tells what to mend')
is_((len(isp.messages) - before, len(mx.messages) - direct), (1, 0), '... the smarthost goes on')
done()
