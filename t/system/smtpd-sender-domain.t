#!/usr/bin/env python3
"""Must a sender's domain exist; what DNS trouble does; what a client's address is called."""
import os, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from dns_server import *

dns = DnsServer({
    'mx.test': {'MX': [(10, 'mail.mx.test')]},
    'address.test': ['192.0.2.1'],
    'six.test': {'AAAA': ['2001:db8::1']},
    'null.test': {'MX': [(0, '')]},
    'nothing.test': {'PTR': ['x.test']},
    'broken.test': SERVFAIL,
    'silent.test': DROP,
    '9.0.0.127.in-addr.arpa': {'PTR': ['client.test']},
    'client.test': ['127.0.0.9'],
    '10.0.0.127.in-addr.arpa': {'PTR': ['liar.test']},
    'liar.test': ['192.0.2.1'],
})
house = House(conf='hostname = mx.example.org\nsender_domain_check = yes\nreverse_lookup = yes\n'
                   'null_sender_one_rcpt = yes\nsender_rights = any\n%s' % dns.conf.replace('2s', '1s'))
house.set_map('access', '127.0.0.7 trust\n')
house.start()


def come(address='127.0.0.1'):
    s = Smtp(0, sock=socket.create_connection(('127.0.0.1', house.smtp_port), 15, (address, 0)))
    s.hello()
    return s


def sender(domain, address='127.0.0.1'):
    with come(address) as s:
        return s.cmd('MAIL FROM:<%s>' % (domain and 'bob@' + domain))


NONE, LATER = '550 5.1.8 Sender domain does not exist', '451 4.4.3 Sender domain cannot be checked now'
for domain, want in (('mx.test', 250), ('address.test', 250), ('six.test', 250), ('', 250), ('[192.0.2.1]', 250),
                     ('null.test', NONE), ('nothing.test', NONE), ('missing.test', NONE), ('b.address.test', NONE),
                     ('broken.test', 250)):
    is_(sender(domain)[:3 if want == 250 else None], str(want), '%s: %s' % (domain or '<>', want))
like(sender('missing.test', '127.0.0.7'), '^250', 'a trusted client is not asked')
with house.smtp(house.submission_port) as s:
    s.hello()
    like(s.cmd('AUTH PLAIN AGFubgBzZWNyZXQ='), '^235', 'who has logged in')
    like(s.cmd('MAIL FROM:<bob@missing.test>'), '^250', '... is not asked either')
began = time.monotonic()
with come() as a, come() as b:
    a.send('MAIL FROM:<bob@silent.test>\r\n')
    like(b.cmd('MAIL FROM:<bob@address.test>'), '^250', 'one waits for DNS')
    ok(time.monotonic() - began < 0.9 * PATIENCE, '... the other does not')
    is_(a.reply()[0], 250, 'nobody answers: accepted')
    ok(0.9 < time.monotonic() - began < 3 * PATIENCE, '... after dns_timeout')

for address, rdns, fcrdns in ('127.0.0.9', 'client.test', 'yes'), ('127.0.0.10', 'liar.test', 'no'), ('127.0.0.11', '', 'no'), \
        ('127.0.0.7', '', ''):
    with come(address) as s:
        s.message('bob@mx.test', ['ann@example.org'], b'Subject: x\r\n\r\n')
    ok(house.wait_event('smtpd.received', client='[%s]' % address, rdns=rdns, fcrdns=fcrdns),
       '%s: rdns=%s fcrdns=%s' % (address, rdns, fcrdns))
with come() as s:
    s.cmd('MAIL FROM:<>')
    like(s.cmd('RCPT TO:<ann@example.org>'), '^250', 'the null sender')
    like(s.cmd('RCPT TO:<bob@example.org>'), '^550 5.7.1', '... to one recipient')

house.conf('on_dns_error = defer')
house.restart()
is_(sender('broken.test'), LATER, 'on_dns_error = defer')
is_(sender('silent.test'), LATER, '... in time')
is_(sender('missing.test'), NONE, '... what is sure is sure')

# Looking up a client's name keeps nobody from the greeting.
dns.everything = DROP
began = time.monotonic()
with Smtp(0, sock=socket.create_connection(('127.0.0.1', house.smtp_port), 15, ('127.0.0.55', 0))) as s:
    is_(s.reply()[0], 220, 'nobody answers for a client: it is greeted')
    like(s.cmd('EHLO x'), '^250', '... and heard')
ok(time.monotonic() - began < 0.9 * PATIENCE, '... at once')
dns.everything = None

# A dead resolver: who comes first waits, then nobody for long, and friends not at all.
house.conf('dns_timeout = 4s\nreverse_lookup = no')
house.restart()
dns.everything = DROP
people = [come() for i in range(5)]
for i, s in enumerate(people):
    s.send('MAIL FROM:<bob@d%d.test>\r\n' % i)
began = time.monotonic()
is_(sender('mx.test', '127.0.0.7')[:3], '250', 'nobody answers: a friend is served')
ok(time.monotonic() - began < 1 * PATIENCE, '... at once')
is_({s.reply()[0] for s in people}, {451}, 'strangers are asked to come again')
for s in people:
    s.close()
began = time.monotonic()
is_(sender('d6.test'), LATER, 'who comes now')
ok(0.9 < time.monotonic() - began < 2.5 * PATIENCE, '... hears it sooner: %.1f s' % (time.monotonic() - began))
dns.everything = None
is_(sender('mx.test')[:3], '250', 'the resolver is back')
is_(sender('missing.test'), NONE, '... and counts')
done()
