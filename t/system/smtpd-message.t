#!/usr/bin/env python3
"""Messages as they are stored: every octet, and what is put above them."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House(conf='hostname = mx.example.org', users=['ann:secret', 'bob:secret', 'cid:secret'],
              maps={'aliases': 'sales@example.org ann\nboth@example.org ann, bob\nnowhere@example.org :discard:\n'})
house.start()
seen = {}


def new(address):
    """The newest message, when it has come: smtpd's 250 comes after it."""
    n = seen.get(address, 0) + 1
    mail = house.wait_mail(address, n)
    seen[address] = len(mail)
    is_(len(mail), n, 'one more message for %s' % address)
    files = house.mail_files(address)
    fresh = [f for f in files if f not in new.files.setdefault(address, set())]
    new.files[address].update(files)
    return fresh[0].read_bytes() if fresh else b''


new.files = {}


def parts(message):
    """The fields above the Received field, that field, the message."""
    m = re.match(rb'((?:[A-Z][A-Za-z-]*: .*\n)*?)(Received: .*\n(?:[ \t].*\n)*)', message)
    return (m.group(1), m.group(2), message[m.end():]) if m else (b'', b'', message)


RECEIVED = (r'^Received: from client\.example \(\[127\.0\.0\.1\]\)\n\tby mx\.example\.org with ESMTP id [0-9a-z]+\n'
            r'\tfor <%s>; \w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\n$')
body = b'From: bob@client.example\r\nTo: ann@example.org\r\nSubject: hello\r\n\r\nHello.\r\n'

like(house.send('bob@client.example', 'ann@example.org', body), r'^250 2\.0\.0 [0-9a-z]+ delivered$',
     'the answer names the ID and what became of it')
head, received, text = parts(new('ann@example.org'))
is_(head, b'Return-Path: <bob@client.example>\nDelivered-To: ann@example.org\n', 'what stands on top')
like(received, RECEIVED % r'ann@example\.org', 'Received (RFC 5321, 4.4)')
is_(text, body.replace(b'\r\n', b'\n'), 'the message, LF line ends')

name = house.mail_files('ann@example.org')[-1]
size = name.stat().st_size
lines = name.read_bytes().count(b'\n')
like(name.name, r',S=%d,W=%d' % (size, size + lines), 'sizes in the file name')

house.send('', 'sales@example.org', body)
head, received, text = parts(new('ann@example.org'))
is_(head, b'Return-Path: <>\nX-Original-To: sales@example.org\nDelivered-To: ann@example.org\n',
    'the null sender; an alias is the original recipient')
like(received, RECEIVED % r'sales@example\.org', 'for the address that was given')

house.send('bob@client.example', ['ann@example.org', 'sales@example.org', 'Ann@Example.org'], body)
head, received, text = parts(new('ann@example.org'))
is_(head, b'Return-Path: <bob@client.example>\nDelivered-To: ann@example.org\n', 'three ways to one mailbox: once')
ok(b'\tfor <' not in received, 'no "for" when there were several recipients')

house.send('bob@client.example', 'both@example.org', body)
for who in 'ann', 'bob':
    head, received, text = parts(new(who + '@example.org'))
    is_(head, b'Return-Path: <bob@client.example>\n', 'a group: nobody else is named to %s' % who)
like(received, RECEIVED % r'both@example\.org', 'for the group')

like(house.send('bob@client.example', 'nowhere@example.org', body), '^250 2.0.0 ', ':discard: is answered with 250')
ok(house.wait_event('smtpd.received', how='discarded'), 'and logged')

# Junk in HELO.
with house.smtp() as s:
    s.reply()
    s.cmd(b'HELO (\xffevil) <x>\tby mx.example.org;')
    s.message('bob@client.example', ['ann@example.org'], body)
like(parts(new('ann@example.org'))[1],
     r'^Received: from %28%FFevil%29%20%3Cx%3E%09by%20mx\.example\.org%3B \(\[127\.0\.0\.1\]\)\n'
     r'\tby mx\.example\.org with SMTP id', 'junk in HELO is escaped; HELO is SMTP')

# Octets.
bodies = {
    'nothing at all': b'',
    'one empty line': b'\r\n',
    'leading dots': b'.\r\n..\r\n...\r\n.a\r\n..b\r\n. \r\n',
    'no header': b'\r\n.leading dot\r\n',
    'eight bits and NUL': bytes(b for b in range(256) if b not in (10, 13)) + b'\r\n',
    'a line of 100000': b'S: x\r\n\r\n' + b'x' * 100000 + b'\r\n',
    'a header line of 20000': b'Subject: ' + b'y' * 20000 + b'\r\n\r\nx\r\n',
    'many short lines': b'S: x\r\n\r\n' + b'\r\n'.join(b'%d' % i for i in range(30000)) + b'\r\n',
    'two megabytes': b'S: x\r\n\r\n' + (b'0123456789abcdef' * 4 + b'\r\n.z\r\n') * 30000,
}
for what, data in bodies.items():
    with house.smtp() as s:
        s.hello()
        for c in 'MAIL FROM:<bob@client.example> BODY=8BITMIME', 'RCPT TO:<ann@example.org>', 'DATA':
            s.cmd(c)
        stuffed = re.sub(rb'(\A|(?<=\n))\.', b'..', data)
        s.send(stuffed + b'.\r\n')
        like(str(s.reply()), r'250.*delivered', what + ': taken')
    is_(parts(new('ann@example.org'))[2], data.replace(b'\r\n', b'\n'), what + ': every octet')

# Everything in one segment, and octet by octet.
script = (b'EHLO client.example\r\nMAIL FROM:<bob@client.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n'
          b'S: one\r\n\r\n..x\r\n.\r\nMAIL FROM:<bob@client.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n'
          b'S: two\r\n\r\n.\r\nQUIT\r\n')
for slowly in False, True:
    with house.smtp() as s:
        s.reply()
        s.send_slowly(script) if slowly else s.send(script)
        codes = re.findall(rb'(?m)^\d\d\d(?= |-P)', s.rest())
    is_(codes, b'250 250 250 250 354 250 250 250 354 250 221'.split(), 'two messages %s' % (
        'octet by octet' if slowly else 'in one segment'))
    house.wait_mail('ann@example.org', seen['ann@example.org'] + 2)
    fresh = sorted(f.read_bytes() for f in set(house.mail_files('ann@example.org')) - new.files['ann@example.org'])
    is_(sorted(parts(m)[2] for m in fresh), [b'S: one\n\n.x\n', b'S: two\n\n'], 'both as they were sent')
    new.files['ann@example.org'].update(house.mail_files('ann@example.org'))
    seen['ann@example.org'] += 2

# SMTPUTF8.
with house.smtp() as s:
    s.hello()
    for c in ('MAIL FROM:<josé@client.example> SMTPUTF8', 'RCPT TO:<ann@example.org>', 'DATA'):
        s.cmd(c)
    s.send('Subject: olé\r\n\r\nñ\r\n.\r\n')
    like(str(s.reply()), '250.*delivered', 'an address beyond ASCII')
head, received, text = parts(new('ann@example.org'))
is_(head, 'Return-Path: <josé@client.example>\nDelivered-To: ann@example.org\n'.encode(), 'is kept as it is')
like(received, r' with UTF8SMTP id ', 'and named in Received')

# Received fields: 50 pass, 51 are a loop.
for n, want in (50, '^250 2.0.0'), (51, '^554 5.4.6'):
    like(house.send('bob@client.example', 'cid@example.org', b'Received: x\r\n' * n + b'S: x\r\n\r\nx\r\n'), want,
         '%d Received fields' % n)
like(house.send('bob@client.example', 'cid@example.org', b'S: x\r\n\r\n' + b'Received: x\r\n' * 60), '^250 2.0.0',
     'in the body they are text')
is_(len(house.wait_mail('cid@example.org', 2)), 2, 'two of the three were stored')

# The client goes away inside DATA.
with house.smtp() as s:
    s.hello()
    for c in 'MAIL FROM:<bob@client.example>', 'RCPT TO:<cid@example.org>', 'DATA':
        s.cmd(c)
    s.send('S: half\r\n\r\nhalf\r\n.\r')
ok(house.wait_event('smtpd.disconnect', why='eof in data'), 'the client is gone inside DATA')
house.send('bob@client.example', 'cid@example.org', 'S: next\r\n\r\n')
is_(len(house.wait_mail('cid@example.org', 3)), 3, 'nothing of it is kept, the next is')
done()
