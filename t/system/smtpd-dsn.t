#!/usr/bin/env python3
"""DSN (RFC 3461) through the whole house: what the client asks for reaches the reports and the next server."""
import email
import email.policy
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import Server

isp = Server()
plain = Server(ehlo='PIPELINING')
house = House(smarthost='127.0.0.1:%d' % isp.port, conf='hostname = mx.example.org\nretry_first = 1h')
house.map('access', '127.0.0.1 trust\n', compile=False)
house.map('aliases', 'both@example.org ann@example.org, bob@example.org\n', compile=False)
house.map('routes', 'plain.test smarthost=127.0.0.1:%d\n' % plain.port)
house.start()
TEXT = b'From: Ann <ann@example.org>\r\nSubject: x\r\n\r\nThe body.\r\n'


def send(mail, *rcpts):
    with house.smtp() as s:
        s.hello()
        for line in ['MAIL FROM:<ann@example.org>' + mail] + ['RCPT TO:' + r for r in rcpts] + ['DATA']:
            reply = s.cmd(line)
            if reply[0] not in '23':
                return reply
        return s.cmd(TEXT + b'.')


def report(n):
    octets = [m for m in house.wait_mail('ann@example.org', n) if b'multipart/report' in m][-1]
    dsn = email.message_from_bytes(octets, policy=email.policy.default)
    return [dict(b.items()) for b in list(dsn.iter_parts())[1].get_payload()]


with house.smtp() as s:
    ok('DSN' in s.hello(), 'EHLO: DSN')
like(send(' RET=HDRS ENVID=a+20b', '<bob@example.org> NOTIFY=SUCCESS ORCPT=rfc822;Old+2BBob@old.example'),
     r'^250 2\.0\.0 \S+ queued$', 'a mailbox here, with NOTIFY=SUCCESS: queued')
got = report(1)
is_(got[0]['Original-Envelope-Id'], 'a b', 'ENVID, decoded')
is_({k: v for k, v in got[1].items() if k != 'Last-Attempt-Date'}, {
    'Original-Recipient': 'rfc822;Old+Bob@old.example', 'Final-Recipient': 'rfc822; bob@example.org',
    'Action': 'delivered', 'Status': '2.0.0'}, 'ORCPT, decoded; delivered')
is_(len(house.wait_mail('bob@example.org', 1)), 1, 'Bob has it')
for notify in (' NOTIFY=NEVER', ' NOTIFY=FAILURE', ' NOTIFY=DELAY,FAILURE', ''):
    like(send('', '<bob@example.org>' + notify), r'delivered$', 'without SUCCESS: the direct way' + notify)

# To the next server.

like(send(' RET=FULL ENVID=QQ+2B1', '<Eve@far.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Eve+3D1@old.example'), r'queued$', 'relayed')
wait_until(lambda: isp.envelopes, what='the envelope at the next server')
is_([re.sub(rb' SIZE=\d+', b'', x) for x in isp.envelopes[0]],
    [b'MAIL FROM:<ann@example.org> RET=FULL ENVID=QQ+2B1',
     b'RCPT TO:<Eve@far.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Eve+3D1@old.example'], 'all of it is passed on')
like(send('', '<dan@far.example> NOTIFY=NEVER'), r'queued$', 'without ORCPT')
wait_until(lambda: any(b'dan@' in x for x in isp.envelopes[-1]), what='the second')
is_(isp.envelopes[-1][-1], b'RCPT TO:<dan@far.example> NOTIFY=NEVER ORCPT=rfc822;dan@far.example', 'it becomes the address of RCPT')
like(send('', '<eve@plain.test> NOTIFY=SUCCESS'), r'queued$', 'to a server without DSN')
got = report(2)
is_((got[1]['Action'], got[1]['Final-Recipient'], got[1]['Remote-MTA'], got[1]['Diagnostic-Code']),
    ('relayed', 'rfc822; eve@plain.test', 'dns; [127.0.0.1]', 'smtp; 250 2.0.0 taken'), 'then we tell')
is_(plain.envelopes[0], [b'MAIL FROM:<ann@example.org>', b'RCPT TO:<eve@plain.test>'], '... and it was asked nothing that it does not know')

# An alias: everybody behind it. Twice the same mailbox: one copy, one report.

like(send('', '<both@example.org> NOTIFY=SUCCESS', '<bob@example.org> NOTIFY=NEVER'), r'queued$', 'an alias of two')
got = report(4)  # Ann's own copy, too
is_(sorted((f['Original-Recipient'], f['Final-Recipient'], f['Action']) for f in got[1:]),
    [('rfc822;both@example.org', 'rfc822; ann@example.org', 'delivered'),
     ('rfc822;both@example.org', 'rfc822; bob@example.org', 'delivered')], 'each of them, as it was asked for')

# Nonsense.

for mail, rcpt in ((' RET=ALL', ''), (' ENVID=+0A', ''), (' ENVID=' + 'x' * 101, ''), ('', ' NOTIFY=NEVER,DELAY'),
                   ('', ' NOTIFY=MAYBE'), ('', ' ORCPT=bob'), ('', ' ORCPT=rfc822;a+0D+0Ab')):
    like(send(mail, '<bob@example.org>' + rcpt), r'^501 5\.5\.4 ', 'refused: %s%s' % (mail[:20], rcpt))
like(send(' NOTIFY=NEVER', '<bob@example.org>'), r'^555 5\.5\.4 ', 'NOTIFY belongs to RCPT')
like(send('', '<bob@example.org> RET=FULL'), r'^555 5\.5\.4 ', 'RET belongs to MAIL')
house.stop()
done()
