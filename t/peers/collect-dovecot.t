#!/usr/bin/env python3
"""collect from a real Dovecot: more than 1,000 messages of varied shape, compared octet for octet; TLS; what is kept
upstream; PIPELINING."""
import hashlib
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from dovecot import Dovecot, DOVECOT
from letters import *

if not DOVECOT:
    skip_all('Dovecot is not installed (dovecot-core, dovecot-pop3d)')

house = House(users=['%s:secret' % p for p in PEOPLE])
letters = letters(1020)
provider = Dovecot(house.path('provider'))
for i, text in enumerate(letters):
    provider.put(i, text)


def words(port, tls, keep):
    return ('office kind=domain host=localhost port=%d tls=%s ca=%s login=office secret=office domain=example.org '
            'fallback=carol trusted=.isp.example keep=%s\n' % (port, tls, provider.dir / 'cert', keep))


house.map('secrets', 'office password=secret\n')
house.set_map('upstreams', words(provider.port, 'none', 'all'))
house.start()


def expected(text):
    """As Dovecot sends it, by RFC 1939 (CRLF line ends, one at the end), with LF line ends."""
    text = re.sub(rb'(?<!\r)\n', b'\r\n', text)
    if not text.endswith(b'\r\n'):
        text += b'\r\n'
    return text.replace(b'\r\n', b'\n')


p = house.ph('collect', bound=300)
like(p.stdout, r'^office: %d messages, \d+ MiB, ' % len(letters), 'all collected')
diag(p.stdout.strip())
found, above = received(house)
wrong = []
for n, text in enumerate(letters, 1):
    want = [(who, hashlib.sha256(expected(text)).digest()) for who in people_of(text)]
    got = [(who, hashlib.sha256(sent).digest()) for who, sent in found.get(n, [])]
    if got != want:
        wrong.append(n)
is_(wrong, [], 'every octet of every message, at the right person, once')
for n in wrong[:3]:
    is_(found.get(n, [(None, None)])[0][1], expected(letters[n - 1]), 'message %d' % n)
is_(sorted(found), list(range(1, len(letters) + 1)), 'no message that is none of them')
pattern = re.compile(rb'(Return-Path: <>\n)?Delivered-To: (\w+)@example\.org\nReceived: from localhost \(\[127\.0\.0\.1\]\)\n'
                     rb'\tby \S+ \(Posthouse\) with POP3S? id \w+;\n\t[^\n]+\nX-Collected-For: (\w+)@\S+\n')
is_([a for a in above if not (m := pattern.fullmatch(a[1])) or not a[0] == m[2].decode() == m[3].decode()], [],
    'what stands above each is right')
is_(provider.count(), len(letters), 'keep=all: all are still there')
p = house.ph('collect', bound=300)
like(p.stdout, '^office: 0 messages, 0 octets, ', 'again: nothing is new')

house.set_map('upstreams', words(provider.port, 'starttls', 'delete'))
provider.put(5000, letter(b'over STARTTLS\n', to='ann@example.org'))
p = house.ph('collect', bound=300)
like(p.stdout, '^office: 1 message, ', 'over STARTTLS: the new one')
is_(provider.count(), 0, 'keep=delete: the provider is empty')
house.set_map('upstreams', words(provider.tls_port, 'implicit', 'delete'))
for i in range(3):
    provider.put(6000 + i, letter(b'over TLS\n', to='bob@example.org'))
p = house.ph('collect', bound=300)
like(p.stdout, '^office: 3 messages, ', 'over TLS: three')
is_(provider.count(), 0, 'the provider is empty')
house.map('secrets', 'bad password=wrong\n')
house.set_map('upstreams', words(provider.port, 'none', 'delete').replace('secret=office', 'secret=bad'))
p = house.ph('collect', bound=300, check=False)
is_(p.returncode, 75, 'a wrong password: exit 75')
like(p.stderr, r'collect\.auth_failed account=office', '... in the log')
done()
