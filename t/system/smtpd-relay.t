#!/usr/bin/env python3
"""Who may send where: relaying, the access map, submission."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House(conf='hostname = mx.example.org')
# Nobody is trusted, the loopback included.
house.set_map('access', '# nobody\n')
house.start()


def talk(name, script, port=None):
    with house.smtp(port) as s:
        s.talk(script, name)


def access(text):
    house.set_map('access', text)


open_relay_tries = ['bob@else.example', 'bob%else.example@relay.example', '@example.org:bob@else.example',
                    'else.example!bob@relay.example', 'bob@[192.0.2.1]', 'bob@[IPv6:2001:db8::1]', 'bob@localhost.else.example',
                    'bob@example.org.else.example', 'bob@sub.example.org', '"bob@example.org"@else.example']
script = 'S: 220 *\nC: HELO client.example\nS: 250 *\nC: MAIL FROM:<ann@example.org>\nS: 250 *\n'
for address in open_relay_tries:
    script += 'C: RCPT TO:<%s>\nS: 550 5.7.1 *\n' % address
talk('a stranger relays nowhere', script + 'C: QUIT\nS: 221 *')
ok(house.wait_event('smtpd.reject', command='RCPT', rcpt='bob@else.example', sender='ann@example.org',
                    client='[127.0.0.1]', helo='client.example'), 'the log names client, sender and recipient')

talk('submission is for our own people', '''
    S: 220 *
    C: EHLO client.example
    S: 250-*
    S: 250-*
    S: 250-*
    S: 250-*
    S: 250-*
    S: 250-SMTPUTF8
    S: 250-CHUNKING
    S: 250-DSN
    S: 250-LIMITS*
    S: 250 AUTH SCRAM-SHA-256 PLAIN LOGIN
    C: MAIL FROM:<ann@example.org>
    S: 530 5.7.0 Authentication required
    C: RCPT TO:<ann@example.org>
    S: 503 5.5.1 *
    C: QUIT
    S: 221 *
''', house.submission_port)

access('127.0.0.1 trust\n')
talk('a trusted client relays; a change of access is in force for the next session', '''
    S: 220 *
    C: HELO client.example
    S: 250 *
    C: MAIL FROM:<ann@example.org>
    S: 250 *
    C: RCPT TO:<bob@else.example>
    S: 250 2.1.5 *
    C: RCPT TO:<ann>
    S: 250 2.1.5 *
    C: QUIT
    S: 221 *
''')
talk('and may submit', '''
    S: 220 *
    C: HELO client.example
    S: 250 *
    C: MAIL FROM:<ann@example.org>
    S: 250 *
    C: RCPT TO:<bob@else.example>
    S: 250 2.1.5 *
    C: QUIT
    S: 221 *
''', house.submission_port)

LISTS = ('sender:@spam.example reject\nsender:eve@client.example reject text="Not you, Eve"\n'
         'helo:evil.example reject\nsender:local@client.example no-relay\nsender:away@client.example no-local\n'
         'helo:inside.example no-relay\n')
access(LISTS)
talk('senders and names', '''
    S: 220 *
    C: HELO evil.example
    S: 550 5.7.1 *
    C: MAIL FROM:<bob@client.example>
    S: 503 5.5.1 *
    C: HELO client.example
    S: 250 *
    C: MAIL FROM:<anybody@spam.example>
    S: 550 5.7.1 *
    C: MAIL FROM:<Eve@client.example>
    S: 550 5.7.1 Not you, Eve
    C: QUIT
    S: 221 *
''')
access('127.0.0.0/8 trust\n' + LISTS)
talk('trust counts for more than what refuses, and leaves what a sender may not do', '''
    S: 220 *
    C: HELO evil.example
    S: 250 *
    C: MAIL FROM:<Eve@client.example>
    S: 250 *
    C: RCPT TO:<bob@else.example>
    S: 250 *
    C: RSET
    S: 250 *
    C: MAIL FROM:<local@client.example>
    S: 250 *
    C: RCPT TO:<bob@else.example>
    S: 550 5.7.1 *
    C: RCPT TO:<ann@example.org>
    S: 250 *
    C: RSET
    S: 250 *
    C: MAIL FROM:<away@client.example>
    S: 250 *
    C: RCPT TO:<ann@example.org>
    S: 550 5.7.1 *
    C: RCPT TO:<bob@else.example>
    S: 250 *
    C: RSET
    S: 250 *
    C: MAIL FROM:<bob@client.example>
    S: 250 *
    C: RCPT TO:<ann@example.org>
    S: 250 *
    C: RCPT TO:<bob@else.example>
    S: 250 *
    C: HELO inside.example
    S: 250 *
    C: MAIL FROM:<bob@client.example>
    S: 250 *
    C: RCPT TO:<bob@else.example>
    S: 550 5.7.1 *
    C: QUIT
    S: 221 *
''')

access('127.0.0.1 reject text="Go away"\n')
with house.smtp() as s:
    s.talk('S: 554 5.7.1 Go away', 'a client that is not welcome hears why')
    ok(s.closed(), 'and no more')
ok(house.wait_event('smtpd.refused', client='[127.0.0.1]', code=554), 'the log says so')

access('127.0.0.1 trust\n')
house.conf('relay = none')
house.restart()
talk('relay = none: for nobody', '''
    S: 220 *
    C: HELO client.example
    S: 250 *
    C: MAIL FROM:<ann@example.org>
    S: 250 *
    C: RCPT TO:<bob@else.example>
    S: 550 5.7.1 Relaying to other domains is switched off here
    C: RCPT TO:<ann@example.org>
    S: 250 *
    C: QUIT
    S: 221 *
''')
is_(house.mail('ann@example.org'), [], 'nothing was sent in all this')
done()
