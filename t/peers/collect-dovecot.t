#!/usr/bin/env python3
"""collect from a real Dovecot: more than 1,000 messages of varied shape, compared octet for octet; TLS; what is kept
upstream; PIPELINING."""
import hashlib
import os
import random
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from dovecot import Dovecot, DOVECOT

if not DOVECOT:
    skip_all('Dovecot is not installed (dovecot-core, dovecot-pop3d)')

PEOPLE = ('ann', 'bob', 'carol')
house = House(users=['%s:secret' % p for p in PEOPLE])


random.seed(20261122)
NUMBER = [0]


def letter(body, to=None, more=b''):
    NUMBER[0] += 1
    to = to or '%s@example.org' % PEOPLE[NUMBER[0] % 3]
    return (b'Received: from mx.isp.example (mx.isp.example [192.0.2.1])\n\tby pop.isp.example with LMTP id x;\n'
            b'\tSun, 22 Nov 2026 01:02:03 +0000\nFrom: pat@sender.example\nTo: %s\nMessage-ID: <%d@sender.example>\n'
            b'%sSubject: no. %d\n\n' % (to.encode(), NUMBER[0], more, NUMBER[0])) + body


def octets(n):
    return bytes(random.choice(b'abcdefghijklmnopqrstuvwxyz \xe9\xff.\t') for _ in range(n))


SHAPES = [
    lambda: letter(b'short\n'),
    lambda: letter(b''),
    lambda: letter(b'no final newline'),
    lambda: letter(b'.\n..\n...\n.x\n\n.'),
    lambda: letter(b'long ' + b'x' * random.randrange(998, 100000) + b'\n'),
    lambda: letter(octets(2000) + b'\n'),
    lambda: letter(b'a NUL: \0 and more\n'),
    lambda: letter(b'a CR \r in a line, and CR CR LF\r\r\n'),
    lambda: letter(b'.' * 3000 + b'\n' + b'\n' * 500 + b'.\n'),
    lambda: letter(b'in CRLF\r\n.\r\nline ends\r\n'),
    lambda: letter(b'a header line of 9000 octets\n', more=b'X-Long: ' + b'y' * 9000 + b'\n'),
    lambda: letter(b'two of us\n', to='ann@example.org, bob@example.org'),
]
letters = [SHAPES[i % len(SHAPES)]() for i in range(1020)]
letters.append(letter(b''.join(b'%06d ' % i + b'z' * 60 + b'\n' for i in range(300000))))  # 20 MB
letters.append(letter(b'to many\n', to=',\n '.join(
    ['member%03d@club.example' % i for i in range(150)] + ['carol@example.org'] +
    ['member%03d@club.example' % i for i in range(150, 299)])))
provider = Dovecot(house.path('provider'))
for i, text in enumerate(letters):
    provider.put(i, text)


def words(port, tls, keep):
    return ('office kind=domain host=localhost port=%d tls=%s ca=%s login=office secret=office domain=example.org '
            'fallback=carol trusted=.isp.example keep=%s\n' % (port, tls, provider.dir / 'cert', keep))


house.map('secrets', 'office password=secret\n')
house.set_map('upstreams', words(provider.port, 'none', 'all'))
house.start()


def received():
    """Number of the message → [(user, its octets as sent)], and those fields of ours that stood above."""
    found, above = {}, []
    for user in PEOPLE:
        for path in house.mail_files(user):
            text = path.read_bytes()
            head, _, rest = text.partition(b'\nX-Posthouse-Sorted: ')
            above.append((user, head + b'\n'))
            sent = rest.partition(b'\n')[2]
            number = re.search(rb'^Message-ID: <(\d+)@', sent, re.M)
            found.setdefault(int(number.group(1)) if number else 0, []).append((user, sent))
            name = re.search(r',S=(\d+),W=(\d+)', path.name)
            if (int(name.group(1)), int(name.group(2))) != (len(text), len(text) + text.count(b'\n')):
                above.append((user, b'wrong sizes in ' + path.name.encode()))
    return found, above


def expected(text):
    """As Dovecot sends it, by RFC 1939 (CRLF line ends, one at the end), with LF line ends."""
    text = re.sub(rb'(?<!\r)\n', b'\r\n', text)
    if not text.endswith(b'\r\n'):
        text += b'\r\n'
    return text.replace(b'\r\n', b'\n')


p = house.ph('collect', bound=300)
like(p.stdout, r'^office: %d messages, \d+ MiB, ' % len(letters), 'all collected')
diag(p.stdout.strip())
found, above = received()
wrong = []
for n, text in enumerate(letters, 1):
    people = [('ann', 'bob')] if b'To: ann@example.org, bob@' in text else [
        (m.decode(),) for m in re.findall(rb'\b(ann|bob|carol)@example\.org', text.split(b'\n\n')[0])]
    want = [(who, hashlib.sha256(expected(text)).digest()) for who in people[0]]
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
