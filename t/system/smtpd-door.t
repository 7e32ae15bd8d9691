#!/usr/bin/env python3
"""Who is at the door: PROXY headers, XCLIENT, limits by address and network."""
import os, struct, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'


def v2(peer, local='127.0.0.1', command=1, tlv=b''):
    v6 = ':' in peer
    family = socket.AF_INET6 if v6 else socket.AF_INET
    body = (socket.inet_pton(family, peer) + socket.inet_pton(family, local) + struct.pack('>HH', 4711, 25) if peer else b'') + tlv
    return SIGNATURE + struct.pack('>BBH', 0x20 | command, (0x21 if v6 else 0x11) if peer else 0, len(body)) + body


def v1(peer, local='127.0.0.1'):
    return b'PROXY %s %s %s 4711 25\r\n' % (b'TCP6' if ':' in peer else b'TCP4', peer.encode(), local.encode())


def come(address, port=None, cls=Smtp):
    """A connection from one of our loopback addresses."""
    return cls(0, sock=socket.create_connection(('127.0.0.1', port or house.smtp_port), 15, (address, 0)))


house = House(conf='hostname = mx.example.org\nproxy_from = 127.0.0.8/30\nproxy_timeout = 1s\nlog_level = detail\n'
                   'plaintext_login = trusted\n', setup=True)
house.set_map('access', '''
127.0.0.1     xclient
127.0.0.16    proxy
192.0.2.0/24  trust
198.51.100.7  reject text="Not you"
198.51.100.8  no-local no-relay
198.51.100.9  trust disabled
198.51.100.0/24 no-relay
203.0.113.5   xclient
''')
house.start()

# --- PROXY --------------------------------------------------------------------

for name, header in ('version 1', v1('192.0.2.7')), ('version 2', v2('192.0.2.7')), \
        ('version 2 with TLVs', v2('192.0.2.7', tlv=b'\x04\0\x05abcde')):
    with come('127.0.0.9') as s:
        s.send(header + b'EHLO client.example\r\n')
        s.talk('''
            S: 220 mx.example.org ESMTP Posthouse
            S: 250-mx.example.org
            S: 250-PIPELINING
        ''', name + ': the client\'s octets follow at once')
        while s.line()[3:4] == b'-':
            pass
        s.talk('''
            C: MAIL FROM:<bob@client.example>
            S: 250 *
            C: RCPT TO:<carol@elsewhere.example>
            S: 250 2.1.5 *
            C: RCPT TO:<ann@example.org>
            S: 250 2.1.5 *
            C: RSET
            S: 250 *
        ''', name + ': trust is the client\'s')
        for c in 'MAIL FROM:<bob@client.example>', 'RCPT TO:<ann@example.org>', 'DATA':
            s.cmd(c)
        s.send('Subject: %s\r\n\r\n.\r\n' % name)
        is_(s.reply()[0], 250, name + ': taken')
letters = house.wait_mail('ann@example.org', 3)
ok(all(b'Received: from client.example ([192.0.2.7])\n' in m for m in letters), 'Received names the client')
ok(house.wait_event('smtpd.received', client='[192.0.2.7]'), 'and the log')
ok(house.wait_event('smtpd.connect', client='[192.0.2.7]', via='[127.0.0.9]'), 'which tells through whom')
with come('127.0.0.9') as s:
    s.send_slowly(v2('2001:db8::7', '::1'))
    s.hello()
    s.cmd('MAIL FROM:<>')
    like(s.cmd('RCPT TO:<carol@elsewhere.example>'), '^550', 'octet by octet: an IPv6 client that nobody trusts')
ok(house.wait_event('smtpd.reject', client='[IPv6:2001:db8::7]'), 'an IPv6 client')
with come('127.0.0.16') as s:
    s.send(v1('198.51.100.7'))
    s.talk('S: 554 5.7.1 Not you', 'a balancer that access names; a client that it rejects')
with come('127.0.0.16') as s:
    s.send(v1('198.51.100.8'))
    is_(s.reply()[0], 554, 'neither local nor relay: told at once')
with come('127.0.0.16', house.submission_port) as s:
    s.send(v1('198.51.100.8'))
    is_(s.reply()[0], 220, '... but where it may log in')
with come('127.0.0.16') as s:
    s.send(v1('198.51.100.9'))
    s.hello()
    s.cmd('MAIL FROM:<>')
    like(s.cmd('RCPT TO:<carol@elsewhere.example>'), '^550', 'a disabled entry is none')
for header in b'PROXY UNKNOWN\r\n', v2('', command=0):
    with come('127.0.0.10') as s:
        s.send(header)
        is_(s.reply()[0], 220, 'the balancer\'s own connection: %r' % header[:8])
for what, header in ('no header', b'EHLO client.example\r\n'), ('a wrong one', b'PROXY TCP4 192.0.2.7 1 2 3\r\n'), \
        ('a long one', b'PROXY UNKNOWN ' + b'x' * 200), ('a long one of version 2', SIGNATURE + b'\x21\x11\xff\xff'), \
        ('a slow one', b'PROXY TCP4 '):
    with come('127.0.0.11') as s:
        s.send(header)
        ok(s.closed(), what + ': closed without a word')
for reason in 'this is none', 'it is too long', 'it took too long':
    ok(house.wait_event('smtpd.refused', client='[127.0.0.11]', reason='PROXY header: ' + reason), 'logged: ' + reason)
with come('127.0.0.11') as s:
    s.send(v1('192.0.2.7') + v1('192.0.2.8'))
    is_([s.reply()[0], s.reply()[0]], [220, 554], 'a second header')
    ok(s.closed(), 'is the client\'s')
for header in v1('192.0.2.7'), v2('192.0.2.7'):
    with come('127.0.0.1') as s:
        s.send(header)
        s.talk('''
            S: 220 *
            S: 554 5.7.1 No PROXY header is expected from this address
        ''', 'from a host that is not named: %r' % header[:8])
        ok(s.closed(), 'closed')
ok(house.wait_event('smtpd.refused', n=2, client='[127.0.0.1]', code=554), 'logged')

with come('127.0.0.9', house.pop3_port, Line) as s:
    s.send(v1('192.0.2.7') + b'USER ann@example.org\r\nPASS secret\r\nSTAT\r\n')
    s.talk('''
        S: +OK mx.example.org POP3
        S: +OK*
        S: +OK*
        S: +OK 3 *
    ''', 'pop3d: the client is trusted, so a password may come without TLS')
ok(house.wait_event('pop3d.login', client='192.0.2.7'), 'in its log too')
with come('127.0.0.9', house.pop3_port, Line) as s:
    s.send(b'USER ann@example.org\r\n')
    ok(s.closed(), 'pop3d: no header')
ok(house.wait_event('pop3d.refused', client='127.0.0.9', reason='this is none'), 'logged')

for header in v1('192.0.2.7'), v2('192.0.2.7'):
    with come('127.0.0.1', house.pop3_port, Line) as s:
        s.send(header)
        s.talk('''
            S: +OK *
            S: -ERR [SYS/PERM] no PROXY header is expected from this address
        ''', 'pop3d: from a host that is not named: %r' % header[:8])
        ok(s.closed(), 'closed')
ok(house.wait_event('pop3d.refused', n=2, client='127.0.0.1',
                    reason='a PROXY header from a host that neither proxy_from nor access names'), 'logged')

# --- XCLIENT, pop3d: as Dovecot's proxies say it ------------------------------------

with come('127.0.0.1', house.pop3_port, Line) as s:
    s.talk('''
        S: +OK [XCLIENT] mx.example.org POP3
        C: XCLIENT ADDR=203.0.113.77 PORT=4711 SESSION=abc TTL=5
        S: +OK
        C: USER ann
        S: -ERR [SYS/PERM] passwords are not taken over an unencrypted connection from your address
        C: XCLIENT ADDR=192.0.2
        S: -ERR syntax: XCLIENT ADDR=address PORT=port
        C: XCLIENT ADDR=192.0.2.77 PORT=4711
        S: +OK
        C: PASS secret
        S: -ERR USER comes first
        C: USER ann@example.org
        S: +OK
        C: PASS secret
        S: +OK*
        C: QUIT
        S: +OK*
    ''', 'pop3d: XCLIENT: the rules for the client hold')
ok(house.wait_event('pop3d.login', client='192.0.2.77'), '... and its address is in the log')
with come('127.0.0.2', house.pop3_port, Line) as s:
    s.talk('''
        S: +OK mx.example.org POP3
        C: XCLIENT ADDR=192.0.2.77
        S: -ERR [SYS/PERM] you may not say whom you speak for
    ''', 'pop3d: XCLIENT is for those whom access names')

# --- XCLIENT --------------------------------------------------------------------

with house.smtp() as s:
    s.reply()
    s.send('EHLO filter.example\r\n')
    ok('XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT' in s.reply()[1], 'offered to whom access names')
    s.talk('''
        C: XCLIENT NAME=spike.client.example ADDR=192.0.2.9 PORT=99
        S: 220 mx.example.org ESMTP Posthouse
        C: MAIL FROM:<bob@client.example>
        S: 503 5.5.1 Say EHLO or HELO first
        C: HELO spike.client.example
        S: 250 *
        C: MAIL FROM:<bob@client.example>
        S: 250 *
        C: XCLIENT ADDR=192.0.2.10
        S: 503 5.5.1 *
        C: RCPT TO:<carol@elsewhere.example>
        S: 250 *
        C: RSET
        S: 250 *
        C: XCLIENT ADDR=IPV6:2001:db8::9 HELO=a+2Bb PROTO=SMTP NAME=[UNAVAILABLE]
        S: 220 *
        C: MAIL FROM:<bob@client.example>
        S: 250 *
        C: RCPT TO:<carol@elsewhere.example>
        S: 550 *
        C: RSET
        S: 250 *
        C: XCLIENT
        S: 501 5.5.4 *
        C: XCLIENT ADDR=192.0.2
        S: 501 5.5.4 *
        C: XCLIENT COLOUR=red
        S: 501 5.5.4 *
        C: XCLIENT HELO=x+0Ay
        S: 501 5.5.4 *
        C: XCLIENT PORT=65536
        S: 501 5.5.4 *
        C: XCLIENT HELO=%s
        S: 501 5.5.4 *
        C: XCLIENT LOGIN=nobody@example.org
        S: 501 5.5.4 *
        C: XCLIENT LOGIN=ann@example.org ADDR=203.0.113.9
        S: 220 *
        C: EHLO x
    ''' % ('x' * 256), 'XCLIENT')
    while s.line()[3:4] == b'-':
        pass
    s.talk('''
        C: MAIL FROM:<ann@example.org>
        S: 250 *
        C: RCPT TO:<carol@elsewhere.example>
        S: 250 *
        C: RSET
        S: 250 *
        C: XCLIENT ADDR=198.51.100.7
        S: 554 5.7.1 Not you
    ''', 'a login, and a client that is refused')
    ok(s.closed(), 'ends')
ok(house.wait_event('smtpd.reject', client='[IPv6:2001:db8::9]', helo='a+b'), 'the log has what was told')
with come('127.0.0.9') as s:
    s.send(v1('203.0.113.6'))
    s.hello()
    like(s.cmd('XCLIENT ADDR=192.0.2.9'), '^550 5.7.0', 'XCLIENT is not for everybody')
with come('127.0.0.9') as s:
    s.send(v1('203.0.113.5'))
    s.hello()
    like(s.cmd('XCLIENT ADDR=192.0.2.9'), '^220', 'behind a balancer the client\'s entry counts')
# --- limits -----------------------------------------------------------------------

house.set_map('access', '203.0.113.200 trust\n')
house.conf('smtpd_connections_per_address = 2\nsmtpd_connections_per_network = 4\nsmtpd_connections_per_minute = 6')
house.restart()


def held(address):
    s = come('127.0.0.9')
    s.send(v1(address, '::1' if ':' in address else '127.0.0.1'))
    return s, s.reply()[0]


lines = [held(a) for a in ['203.0.113.1'] * 3 + ['203.0.113.2'] * 2 + ['203.0.113.3', '203.0.114.1'] + ['203.0.113.200'] * 7]
is_([code for _, code in lines], [220, 220, 421, 220, 220, 421, 220] + [220] * 7,
    'two of an address, four of a network; trusted clients are not counted')
for reason, client in ('connections_per_address', '[203.0.113.1]'), ('connections_per_network', '[203.0.113.3]'):
    ok(house.wait_event('smtpd.refused', client=client, code=421, reason=reason), reason)
lines6 = [held(a) for a in ['2001:db8:1:%d::1' % n for n in range(5)] + ['2001:db8:2::1', '2001:db8:2::2', '2001:db8:2::3']]
is_([code for _, code in lines6], [220] * 4 + [421, 220, 220, 421], 'of IPv6 a host has a /64, a network a /48')
for s, _ in lines + lines6:
    s.close()
house.conf('smtpd_connections_per_address = 50')
house.restart()
codes = []
for i in range(8):
    s, code = held('203.0.115.77')
    codes.append(code)
    if code == 220:
        s.cmd('QUIT')
    s.close()
is_(codes, [220] * 6 + [421] * 2, 'six in a minute')
ok(house.wait_event('smtpd.refused', client='[203.0.115.77]', reason='connections_per_minute'), 'logged')
done()
