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
done()
