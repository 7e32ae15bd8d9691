#!/usr/bin/env python3
"""remote speaks SMTP with servers of all kinds, and knows what each answer means for each recipient."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import *

desk = Desk('remote', 'remote_timeout = 2s\nremote_connect_timeout = 2s\nhelo_name = house.example\nremote_agents = 1')
BOB = ['bob@else.example']
TWO = BOB + ['cid@else.example']
THREE = TWO + ['dan@else.example']


def job(server, rcpts=BOB, *args, **kw):
    if server:
        kw['nexthop'] = server.nexthop
    return desk.job(rcpts, *args, **kw)


# --- the usual -----------------------------------------------------------------

s = Server()
r = job(s, TWO, b'Return-Path: <ann@example.org>\nDelivered-To: x\nSubject: x\n\n.\n..a\n.b\nlast', head=47)
is_(r.outcomes, [('sent', 250, '2.0.0', 'taken')] * 2, 'both recipients are sent')
is_(r.host, s.host, 'the report names the server')
is_(r.connected, s.nexthop, 'the connection is kept')
is_(s.sessions[0], [b'EHLO house.example', b'MAIL FROM:<ann@example.org> SIZE=32', b'RCPT TO:<bob@else.example> ORCPT=rfc822;bob@else.example',
                    b'RCPT TO:<cid@else.example> ORCPT=rfc822;cid@else.example', b'DATA'], 'what was said')
is_(s.messages[0], b'Subject: x\r\n\r\n..\r\n...a\r\n..b\r\nlast\r\n', 'head left out, dots stuffed, CRLF, the last line ended')
ok(any(x.startswith(b'MAIL') and x.endswith(b'DATA\r\n') for x in s.segments), 'MAIL to DATA in one segment')

r = job(s, BOB, sender='')
is_((r.outcomes[0][0], len(s.sessions)), ('sent', 1), 'the next message takes the same connection')
is_(s.sessions[0][-3], b'MAIL FROM:<> SIZE=17', 'the null sender')
t = Server()
job(t)
is_(s.sessions[0][-1], b'QUIT', 'QUIT before another next hop')
ok(wait_until(lambda: t.sessions[0][-1] == b'QUIT', 10), 'QUIT when nothing came for a while')

s = Server()
octets = b''.join(bytes([c]) for c in range(256) if c not in (10, 13))
long = b'x' * 70000
text = b'a\rb\n\rc\r\n' + octets + b'\n' + long + b'\n' + b'.' * 65536 + b'\n' * 3 + b'.\n' + b'end\r'
r = job(s, BOB, text)
is_(s.messages[0], b'a b\r\n c\r\n' + octets + b'\r\n' + long + b'\r\n.' + b'.' * 65536 + b'\r\n' * 3 + b'..\r\nend\r\n',
    'every octet, long lines, and never a bare CR or LF')
r = job(s, BOB, b'')
is_((r.outcomes[0][0], s.messages[1]), ('sent', b''), 'an empty message')
big = (b'0123456789' * 7 + b'\n') * 60000
r = job(s, BOB, big)
is_(s.messages[2] == big.replace(b'\n', b'\r\n'), True, '4 MB')

many = ['user%d@else.example' % i for i in range(450)]
s = Server({'RCPT': lambda line: '550 5.1.1 no' if 'user7@' in line or 'user444@' in line else '250 ok'})
r = job(s, many)
is_([o[0] for o in r.outcomes], ['failed' if i in (7, 444) else 'sent' for i in range(450)], '450 recipients, each with its own answer')
is_(len(s.messages), 1, '... and one message')

# --- extensions -------------------------------------------------------------------

s = Server()
r = job(s, BOB, ret='HDRS', envid='QQ=314 159', notify='SUCCESS,DELAY', orcpt='rfc822;Bob+x@else.example', flags='8bit,utf8')
is_(s.envelopes[0], [b'MAIL FROM:<ann@example.org> SIZE=17 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+3D314+20159',
                     b'RCPT TO:<bob@else.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@else.example'], 'parameters that were offered')
is_(r.outcomes[0][0], 'sent', '... and reports of success are that server\'s affair')
s = Server(ehlo='HELP')
r = job(s, TWO, ret='HDRS', envid='x', notify='NEVER', flags='8bit')
is_(r.outcomes[0][0], 'relayed', 'declared 8BITMIME, but 7 bits: goes to a server without it, nor DSN: relayed')
is_(s.envelopes[0], [b'MAIL FROM:<ann@example.org>', b'RCPT TO:<bob@else.example>', b'RCPT TO:<cid@else.example>'], 'no parameter that was not offered')
ok(not any(b'MAIL' in x and b'RCPT' in x for x in s.segments), 'no pipelining that was not offered')
r = job(s, BOB, b'\n\xe4\n', flags='8bit')
is_(r.outcomes[0][:3], ('failed', 0, '5.6.3'), 'declared 8-bit content does not go there')
r = job(s, BOB, b'\n\xe4\n')
is_(r.outcomes[0][0], 'relayed', 'undeclared it leaves as it came')
r = job(s, BOB, flags='utf8')
is_(r.outcomes[0][:3], ('failed', 0, '5.6.7'), 'internationalized addresses do not go there')
s = Server(ehlo='SIZE 1000')
r = job(s, BOB, b'x' * 1001)
is_(r.outcomes[0][:3], ('failed', 0, '5.3.4'), 'larger than the server said it takes')
is_(s.sessions[0][-1], b'EHLO house.example', '... and it was not asked')
s = Server(ehlo=None)
r = job(s)
is_((r.outcomes[0][0], s.sessions[0][1]), ('relayed', b'HELO house.example'), 'HELO where EHLO is not known')

# --- refusals ---------------------------------------------------------------------

s = Server({'RCPT': ['250 ok', '450 4.2.1 later', '550-5.1.1 no\n5.1.1 such', '250 ok']})
r = job(s, THREE)
is_(r.outcomes, [('sent', 250, '2.0.0', 'taken'), ('retry', 450, '4.2.1', 'later'), ('failed', 550, '5.1.1', 'no 5.1.1 such')],
    'each recipient has its own outcome')
r = job(s)
is_((r.outcomes[0][0], len(s.sessions)), ('sent', 1), '... and the connection goes on')

for ehlo, name in (('PIPELINING', 'pipelined'), ('HELP', 'step by step')):
    s = Server({'RCPT': ['550 5.1.1 no', '550 5.1.1 no', '250 ok'], 'DATA': ['354 go on', '354 go on']}, ehlo=ehlo)
    r = job(s, TWO)
    is_([o[0] for o in r.outcomes], ['failed'] * 2, name + ': nobody is known there')
    is_([m for m in s.messages if m], [], '... and nothing of the message went there')
    r = job(s)
    is_((r.outcomes[0][0], len(s.sessions), s.messages[-1]), ('relayed', 1, b'Subject: x\r\n\r\ny\r\n'), '... and the next message does')
    ok(ehlo == 'PIPELINING' or not any(b'RSET' in x and b'MAIL' in x for x in s.segments), '... RSET and MAIL in one segment only where that was offered')
    s = Server({'RCPT': ['550 5.1.1 no', '250 ok'], 'DATA': ['503 5.5.1 nobody', '354 go on']}, ehlo=ehlo)
    if ehlo == 'HELP':  # DATA is not said when there is nobody
        s.say['DATA'] = '354 go on'
    job(s)
    r = job(s)
    is_((r.outcomes[0][0], len(s.sessions)), ('relayed', 1), name + ': the same where DATA is refused then')
    s = Server({'MAIL': ['452 4.3.1 full', '250 ok'], 'RCPT': ['503 no', '250 ok'], 'DATA': ['503 no', '354 ok']}, ehlo=ehlo)
    if ehlo == 'HELP':
        s.say.update({'RCPT': '250 ok', 'DATA': '354 ok'})
    r = job(s, TWO)
    want = [('retry', 452, '4.3.1', 'full')] * 2
    is_(r.outcomes, want, name + ': the sender is not taken now')
    s = Server({'MAIL': '550 5.7.1 you?'}, ehlo=ehlo)
    s.say.update({'RCPT': '503 no', 'DATA': '503 no'} if ehlo == 'PIPELINING' else {})
    is_(job(s, TWO).outcomes, [('failed', 550, '5.7.1', 'you?')] * 2, name + ': the sender is not taken at all')
    s = Server({'DATA': '451 4.3.0 trouble'}, ehlo=ehlo)
    is_(job(s, TWO).outcomes, [('retry', 451, '4.3.0', 'trouble')] * 2, name + ': DATA is refused')
    s = Server({'.': '554 5.6.0 spam'}, ehlo=ehlo)
    is_(job(s, TWO).outcomes, [('failed', 554, '5.6.0', 'spam')] * 2, name + ': the message is refused')
    s = Server({'.': '451 later'}, ehlo=ehlo)
    is_(job(s, TWO).outcomes, [('retry', 451, '', 'later')] * 2, name + ': the message is not taken now')
    s = Server({'DATA': '250 delivered!'}, ehlo=ehlo)
    is_(job(s).outcomes[0][0], 'retry', name + ': a yes in the wrong place is not believed')
    s = Server({'.': '354 more'}, ehlo=ehlo)
    is_(job(s).outcomes[0][0], 'retry', name + ': 354 at the end is no yes')

# --- trouble ------------------------------------------------------------------------

for stage in ('greeting', 'EHLO', 'MAIL', 'RCPT', 'DATA', '.'):
    s = Server({stage: None})
    is_(job(s).outcomes[0][:3], ('retry', 0, '4.4.2'), 'hangs up at ' + stage)
    s = Server({stage: '421 4.3.2 closing'})
    is_(job(s).outcomes[0][:3], ('retry', 421, '4.3.2'), '421 at ' + stage)
    s = Server({stage: b'garbage\r\n'})
    is_(job(s).outcomes[0][0], 'retry', 'no SMTP at ' + stage)
for stage in ('greeting', 'MAIL', '.'):
    s = Server({stage: 'wait'})
    begun = time.monotonic()
    r = job(s)
    is_((r.outcomes[0][0], time.monotonic() - begun < 20 * PATIENCE), ('retry', True), 'silence at ' + stage)
s = Server({'greeting': '554 5.7.1 your address is not welcome'})
r = job(s)
is_(r.outcomes[0][:3], ('failed', 554, '5.7.1'), 'a server that wants nothing of us')
s = Server({'greeting': '450 4.7.1 not now'})
is_(job(s).outcomes[0][:3], ('retry', 450, '4.7.1'), '... or not now')

port = free_port()
r = job(None, nexthop='smarthost:127.0.0.1:%d' % port)
is_((r.outcomes[0][:3], r.connected, r.host), (('retry', 0, '4.4.1'), '!', '-'), 'nobody listens: the site is down')
like(r.outcomes[0][3], r'127\.0\.0\.1.*Connection refused', '... and the text says so')
s = Server()
r = job(None, nexthop='smarthost:127.0.0.1:%d,127.0.0.1:%d' % (port, s.port))
is_((r.outcomes[0][0], r.host), ('sent', '127.0.0.1'), 'the next smarthost of the list')
down = Server({'MAIL': '421 4.3.2 going down'})
r = job(None, TWO, nexthop='smarthost:127.0.0.1:%d,127.0.0.1:%d' % (down.port, s.port))
is_([o[0] for o in r.outcomes], ['sent'] * 2, '... also when the first goes away in the middle')
half = Server({'RCPT': ['550 5.1.1 no', '421 4.3.2 bye']})
r = job(None, TWO, nexthop='smarthost:127.0.0.1:%d,127.0.0.1:%d' % (half.port, s.port))
is_([o[0] for o in r.outcomes], ['failed', 'sent'], '... and what the first one decided stays')
is_(s.envelopes[-1][1:], [b'RCPT TO:<cid@else.example> ORCPT=rfc822;cid@else.example'], '... and is not asked again')

# A kept connection that went away while it was idle.
s = Server({'MAIL': ['250 ok', None, '250 ok'], 'RCPT': '250 ok'})
job(s)
r = job(s)
is_((r.outcomes[0][0], len(s.sessions)), ('sent', 2), 'a kept connection had gone: anew')

# Hostile words.
s = Server({'RCPT': b'550 5.1.1 \x1b[31mred\xff\0\x07 tab\there\r\n'})
is_(job(s).outcomes[0], ('failed', 550, '5.1.1', '?[31mred??? tab here'), 'words of a stranger are made harmless')
s = Server({'RCPT': b'550 ' + b'x' * 2000 + b'\r\n'})
is_(job(s).outcomes[0], ('failed', 550, '', 'x' * 1024), '... cut')
s = Server({'RCPT': b'550 ' + b'x' * 100000 + b'\r\n'})
is_(job(s).outcomes[0][0], 'retry', '... and bounded')
s = Server({'RCPT': b'550-x\r\n' * 100000})
is_(job(s).outcomes[0][0], 'retry', '... in lines, too')
s = Server({'RCPT': b'550 no\nQUIT\n'})
r = job(s)
is_(r.outcomes[0][:2], ('failed', 550), 'bare LF ends a line of a server')
r = job(Server({'RCPT': lambda line: '550 ' + 'x' * 2000}), many)
is_((len(r.outcomes), r.outcomes[449][:2]), (450, ('failed', 550)), 'a report on many with long answers')

# Early words: a server that refuses while the message is sent.
s = Server({'.': None})
s.say['DATA'] = b'354 go on\r\n552 5.3.4 too much\r\n'
r = job(s)
is_(r.outcomes[0][:3], ('failed', 552, '5.3.4'), 'an answer that comes too early is that answer')

r = job(None, nexthop='carrier-pigeon:x')
is_(r.outcomes[0][:3], ('retry', 451, '4.3.5'), 'a next hop that is none')
s6 = None
try:
    s6 = Server(host='::1')
except OSError:
    skip('IPv6 address', 'no IPv6')
if s6:
    is_(job(s6).outcomes[0][0], 'sent', 'IPv6 address')

# queued goes and comes.
for a in desk.agents:
    a.close()
desk.agents = []
s = Server()
is_(job(s).outcomes[0][0], 'sent', 'remote comes back when queued went away')

# SIGTERM: what is under way with the server is awaited, the rest is not begun.
s = Server({'.': lambda _: time.sleep(0.5) or '250 2.0.0 slow'})
agent, id = desk.give(BOB, nexthop=s.nexthop)
wait_until(lambda: s.messages, what='the message')
desk.process.terminate()
r = desk.take(agent, id)
is_(r.outcomes[0], ('sent', 250, '2.0.0', 'slow'), 'an answer that is owed is awaited at SIGTERM')
is_(end(desk.process), 0, 'and then it ends')
is_(desk.house.path('log', 'remote.log').read_text().count('program.sandbox'), 0, 'the sandbox was complete')
done()
