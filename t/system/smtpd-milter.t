#!/usr/bin/env python3
"""Filters by the Milter protocol: every stage told, every answer heard, every change made; by libmilter's own octets."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
import urllib.parse

PYTHON = '/usr/bin/python3'
if not os.path.exists(PYTHON) or subprocess.run([PYTHON, '-c', 'import Milter'], capture_output=True).returncode != 0:
    skip_all('python3-milter is not installed')

house = House(users=['ann:secret', 'bob:secret', 'cid:secret'], maps={'aliases': 'both@example.org ann, bob\n'})
SOCKET, LOG, RULES = (str(house.path(n)) for n in ('peer.sock', 'peer.log', 'peer.rules'))
PEER = str(SRCDIR / 't' / 'lib' / 'milter_peer.py')


def rules(*lines):
    with open(RULES, 'w') as f:
        f.write(''.join(line + '\n' for line in lines))
    open(LOG, 'w').close()


def told(what=None):
    with open(LOG) as f:
        lines = [urllib.parse.unquote(line.rstrip('\n'), errors='surrogateescape') for line in f]
    return [line for line in lines if what is None or line.split(' ')[0] == what]


def start_peer():
    peer = spawn([PYTHON, PEER, SOCKET, LOG, RULES], stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(SOCKET), what='the filter')
    os.chmod(SOCKET, 0o777)
    return peer


def gone(peer):
    """At once: asked to, libmilter takes five seconds."""
    peer.kill()
    peer.wait()


def configure(**settings):
    text = house.path('etc', 'posthouse.conf').read_text()
    for name, value in settings.items():
        text = re.sub(r'(?m)^%s = .*\n' % name, '', text) + '%s = %s\n' % (name, value)
    house.path('etc', 'posthouse.conf').write_text(text)
    house.compile()
    house.restart()


rules()
peer = start_peer()
house.start()
configure(milters='unix:' + SOCKET)
BODY = (b'From: x@client.example\r\nSubject: hello\r\n  again\r\nX-Two: 1\r\nx-two:2\r\n\r\nHello.\r\n..\r\n.dot\r\n')
seen = {}


def newest(address='ann@example.org'):
    """The message that has come since the last call, else b''."""
    n = seen.get(address, 0)
    mail = house.wait_mail(address, n + 1, 5)
    seen[address] = len(mail)
    return max(house.mail_files(address), key=lambda p: p.stat().st_mtime_ns).read_bytes() if len(mail) > n else b''


def text_of(message):
    """Without what we put above it."""
    return re.sub(rb'\A((Return-Path|Delivered-To|X-Original-To): .*\n|Received: .*\n([ \t].*\n)*)*', b'', message)


# Everything is told, in its order.
rules()
like(house.send('x@client.example', 'ann@example.org', BODY), '^250 2.0.0 .* delivered', 'a message passes')
is_(text_of(newest()), BODY.replace(b'\r\n', b'\n'), 'as it was')
wait_until(lambda: 'close' in told())
got = [t for t in told() if not t.startswith('macros')]
is_(got, ['connect [127.0.0.1] 2 127.0.0.1', 'helo client.example', 'mail <x@client.example>', 'rcpt <ann@example.org>', 'data',
          'header From x@client.example', 'header Subject hello\n  again', 'header X-Two 1', 'header x-two 2', 'eoh',
          'body 18 1 Hello.\r\n..\r\n.dot\r\n', 'close'], 'what a filter is told')


def changed(lines, rcpts='ann@example.org', body=BODY):
    rules(*lines)
    return house.send('x@client.example', rcpts, body)


# Answers at each stage.
for stage, code in (('mail', '550 5.7.1'), ('rcpt', '550 5.7.1'), ('data', '550 5.7.1'), ('header', '550 5.7.1'),
                    ('eoh', '550 5.7.1'), ('body', '550 5.7.1'), ('end', '550 5.7.1')):
    like(changed([stage + ' reject']), '^' + code, 'reject at ' + stage)
    like(changed([stage + ' tempfail']), '^451 4.7.1 ', 'tempfail at ' + stage)
is_(changed(['end reply 554 5.7.9 Not%20like%20this']), '554 5.7.9 Not like this', 'its own words')
like(changed(['mail discard']), '^250 2.0.0 Accepted', 'discarded, and the client does not know')
rules('connect reject')
with house.smtp() as c:
    c.talk('S: 554 5.7.1 *', 'reject at the connection is the banner')
rules('helo reject')
with house.smtp() as c:
    c.talk('S: 220 *\nC: EHLO client.example\nS: 550 5.7.1 *', 'reject at EHLO')
is_(len(house.mail('ann@example.org')), 1, 'nothing of all that was delivered')

# Changes.
like(changed(['end addheader X-New one', 'end addheader X-Top two%0Athree 1', 'end chgheader X-Two 2 second',
              'end chgheader Subject 1']), '^250 .* delivered', 'fields are changed')
is_(text_of(newest()), b'X-Top: two\n\tthree\nFrom: x@client.example\nX-Two: 1\nX-Two: second\nX-New: one\n\n'
    b'Hello.\n..\n.dot\n', 'added, inserted, changed, deleted; none ends before its time')
like(changed(['end body new%20body%0D%0A 5000', 'end addheader X-New one']), '^250 ', 'a longer body')
is_(text_of(newest()).split(b'\n\n', 1)[1], b'new body\n' * 5000, 'all of it')
like(changed(['end body short%0D%0A'], body=BODY + b'long line\r\n' * 20000), '^250 ', 'a shorter body')
is_(text_of(newest()).split(b'\n\n', 1)[1], b'short\n', 'and nothing behind it')
big = BODY + b'0123456789\r\n' * 30000
like(changed(['end addheader X-Long ' + 'y' * 900], body=big), '^250 ', 'a field in front of a long body')
is_(text_of(newest()).split(b'\n\n', 1)[1], big.replace(b'\r\n', b'\n').split(b'\n\n', 1)[1], 'every octet of it')
like(changed(['end addrcpt bob@example.org', 'end delrcpt <ann@example.org>', 'end chgfrom <new@client.example>']), '^250 ',
     'recipients and sender')
like(newest('bob@example.org'), r'\AReturn-Path: <new@client\.example>\nX-Original-To: .*\nDelivered-To: bob@|'
     r'\AReturn-Path: <new@client\.example>\nDelivered-To: bob@', 'bob has it, from another sender')
is_(len(house.mail('ann@example.org')), seen['ann@example.org'], 'ann has not')
like(changed(['end quarantine looks%20odd']), '^250 2.0.0 .* queued', 'quarantine')
held = house.wait_event('queue.held', by='looks odd')
ok(held, 'is held, with its reason')
is_(len(house.mail('ann@example.org')), seen['ann@example.org'], 'and not delivered')
house.ph('queue', 'release', held['id'])
ok(newest(), 'until it is released')

# libmilter's other callbacks.
rules()
with house.smtp() as c:
    c.talk('''
        S: 220 *
        C: EHLO client.example
        S: 250-*
    ''')
    while (c.line() or b' ')[3:4] != b' ':
        pass
    c.talk('''
        C: FOO bar
        S: 500 *
        C: MAIL FROM:<x@client.example> SIZE=10
        S: 250 *
        C: RSET
        S: 250 *
        C: MAIL FROM:<y@client.example>
        S: 250 *
        C: QUIT
        S: 221 *
    ''')
wait_until(lambda: 'close' in told())
is_([t for t in told() if not t.startswith('macros')][2:],
    ['unknown FOO bar', 'mail <x@client.example> SIZE=10', 'abort', 'mail <y@client.example>', 'abort', 'close'], 'unknown, abort, close')
like(changed(['end progress', 'end progress', 'end addheader X-Slow yes']), '^250 ', 'progress')
like(newest(), '(?m)^X-Slow: yes$', 'and what it wanted is done')
id = re.search(rb'\tby \S+ with ESMTP id (\w+)', max(house.mail_files('ann@example.org'), key=lambda p: p.stat().st_mtime_ns).read_bytes()).group(1).decode()
macros = {t.split(' ')[1]: dict(m.split('=', 1) for m in t.split(' ')[2:]) for t in told('macros')}
is_((macros['connect']['{daemon_name}'], macros['connect']['{client_addr}'], macros['rcpt']['{rcpt_mailer}'], macros['end'].get('i')),
    ('smtp', '127.0.0.1', 'local', id), 'its macros')
is_(changed(['rcpt reply 550 5.7.1 50%25%25%20off next%20line']), '550 5.7.1 next line', 'a reply of several lines')
for stage in ('mail', 'rcpt', 'data', 'header', 'eoh', 'body', 'end'):
    rules(stage + ' die')
    like(house.send('x@client.example', 'ann@example.org', BODY), '^451 4.3.0', 'it dies at ' + stage)
    peer.wait()
    os.unlink(SOCKET)
    peer = start_peer()
is_(len(house.mail('ann@example.org')), seen['ann@example.org'], 'and nothing came')
configure(milters='unix:%s reuse=yes' % SOCKET, smtpd_workers='1')
rules()
for n in 1, 2, 3:
    like(house.send('x@client.example', 'ann@example.org', BODY), '^250', 'reuse=yes, client %d' % n)
    wait_until(lambda: told().count('close') == n)
is_([t for t in told() if t.split(' ')[0] in ('connect', 'close')], ['connect [127.0.0.1] 2 127.0.0.1', 'close'] * 3, 'libmilter takes one connection for three')
open_sockets = [os.readlink('/proc/%d/fd/%s' % (peer.pid, n)) for n in os.listdir('/proc/%d/fd' % peer.pid)]
is_(sum(s.startswith('socket:') for s in open_sockets), 2, '... which is still open, beside the one it listens at')
seen['ann@example.org'] += 3
configure(milters='unix:' + SOCKET)

# Not there.
gone(peer)
os.path.exists(SOCKET) and os.unlink(SOCKET)
like(changed([]), '^451 4.3.0 A filter', 'a filter that is not there: later')
ok(house.wait_event('milter.failed', so='tempfail'), 'and the log says so')
configure(milters='unix:%s default=accept' % SOCKET)
like(changed([]), '^250 ', 'default=accept')
rules()
peer = start_peer()
configure(milters='unix:' + SOCKET, milter_default='shutdown')
gone(peer)
with house.smtp() as c:
    c.talk('S: 421 4.3.0 *', 'milter_default = shutdown')
done()
