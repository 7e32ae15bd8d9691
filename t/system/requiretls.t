#!/usr/bin/env python3
"""REQUIRETLS (RFC 8689) through the whole house: from who asks for it, under TLS, to who promises it; or back."""
import os, ssl, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import Server
from certificates import Authority

ca = Authority()
good = ca.server('127.0.0.1')
DOES = 'PIPELINING\nSIZE 10000000\nREQUIRETLS\nDSN'
does, plain = Server(tls=good, ehlo=DOES), Server(tls=good, ehlo='PIPELINING\nDSN')
refuses = Server(say={'RCPT': '550 5.1.1 nobody', 'DATA': '503 5.5.1 nobody'})
later = free_port()
house = House(conf='hostname = mx.example.org\nretry_first = 1h\nremote_tls_ca = %s' % ca.pem, smarthost='127.0.0.1:%d' % does.port,
              maps={'routes': 'plain.example smarthost=127.0.0.1:%d\nlater.example smarthost=127.0.0.1:%d\n'
              'refused.example smarthost=127.0.0.1:%d\n' % (plain.port, later, refuses.port)})
house.set_map('access', '127.0.0.1 trust\n')


def install(house, name):
    for source, file in zip(ca.pair(name, '127.0.0.1'), ('mx.key', 'mx.pem')):
        target = house.path('etc', 'tls', file)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
        if ROOT:
            shutil.chown(target, 'phtls', 'phtls')
        target.chmod(0o600)


install(house, 'mx.example.org')
house.start()
TEXT = b'Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@b>\r\nSubject: secret\r\n\r\nthe body\r\n'


def secure(house=house, name='mx.example.org'):
    """A session under TLS; its EHLO."""
    s = house.smtp()
    s.hello()
    like(s.cmd('STARTTLS'), '^220', 'STARTTLS') if failures() else s.cmd('STARTTLS')
    context = ssl.create_default_context(cafile=str(ca.pem))
    s.sock = context.wrap_socket(s.sock, server_hostname=name)
    s.send('EHLO client.example\r\n')
    return s, s.reply()[1]


def send(sender, rcpt, params=' REQUIRETLS'):
    s, _ = secure()
    with s:
        for command in 'MAIL FROM:<%s>%s' % (sender, params), 'RCPT TO:<%s>' % rcpt, 'DATA':
            reply = s.cmd(command)
            if reply[0] not in '23':
                return reply
        s.send(TEXT + b'.\r\n')
        return s.reply()[1][0]


with house.smtp() as s:
    ok('REQUIRETLS' not in s.hello(), 'not offered in the clear')
    like(s.cmd('MAIL FROM:<ann@example.org> REQUIRETLS'), '^530 5.7.10 ', '... nor taken')
    like(s.cmd('MAIL FROM:<ann@example.org>'), '^250', '... and the session goes on')
s, offers = secure()
with s:
    ok('REQUIRETLS' in offers, 'offered under TLS')
    like(s.cmd('MAIL FROM:<ann@example.org> REQUIRETLS=1'), '^501 5.5.4 ', 'it takes no value')

like(send('ann@example.org', 'bob@example.org'), 'delivered$', 'a mailbox here')
like(send('ann@example.org', 'x@else.example'), 'queued$', 'to a server that does it')
wait_until(lambda: does.messages, what='the message')
like(does.envelopes[0][0], r'^MAIL FROM:<ann@example.org> .*\bREQUIRETLS', '... which is told')
like(send('ann@example.org', 'x@plain.example', ' REQUIRETLS RET=FULL'), 'queued$', 'to one that does not')
back = house.wait_mail('ann@example.org', 1)[0]
like(back, r'\nStatus: 5\.7\.30\n', '... it comes back')
like(back, r'(?s)Content-Type: text/rfc822-headers.*Subject: secret', '... with its header')
ok(b'the body' not in back, '... and nothing else, whatever was asked for')
is_(plain.messages, [], 'nothing of it went there')
like(send('pat@away.example', 'x@plain.example'), 'queued$', "another's")
wait_until(lambda: len(does.messages) == 2, what='the report')
like(does.envelopes[-1][-2], r'^MAIL FROM:<> .*\bREQUIRETLS', '... the report requires TLS as well')
like(send('pat@plain.example', 'x@plain.example'), 'queued$', "... unless it can't")
wait_until(lambda: plain.messages, what='the report')
like(plain.envelopes[-1][0], r'^MAIL FROM:<>(?!.*REQUIRETLS)', '... then it goes as it may')
like(house.send('ann@example.org', 'x@plain.example', b'TLS-Required: No\r\n' + TEXT), 'queued$', 'TLS-Required: No')
wait_until(lambda: len(plain.messages) == 2, what='the message')
like(plain.messages[-1], '\nTLS-Required: No\r\n', '... goes everywhere')

like(house.send('ann@example.org', 'x@refused.example', b'TLS-Required: No\r\n' + TEXT), 'queued$', '... a report about it, too')
back = [m for m in house.wait_mail('ann@example.org', 2) if b'x@refused.example' in m][0]
like(back.partition(b'\n\n')[0], r'\nTLS-Required: No$', '... says so itself')

# What waits keeps it, over a restart.
ident = send('ann@example.org', 'x@later.example').split()[1]
wait_until(lambda: house.events('queue.deferred', id=ident), what='no server')
like(house.ph('queue', 'show', ident).stdout, r'\nrequiretls\n', 'the envelope says so')
house.restart()
s = Server(port=later, tls=good, ehlo=DOES)
house.ph('queue', 'retry', ident)
wait_until(lambda: s.messages, what='the message')
like(s.envelopes[0][0], 'REQUIRETLS', '... and so does remote, after a restart')

# From our own remote to our own smtpd.
peer = House(domains='peer.example', users=['pat:secret'], smarthost='127.0.0.1:%d' % house.smtp_port)
peer.conf('remote_tls_ca = %s\nhostname = mx.peer.example' % ca.pem)
peer.set_map('access', '127.0.0.1 trust\n')
install(peer, 'mx.peer.example')
peer.start()
s, _ = secure(peer, 'mx.peer.example')
with s:
    for command in 'MAIL FROM:<pat@peer.example> REQUIRETLS', 'RCPT TO:<bob@example.org>', 'DATA':
        s.cmd(command)
    s.send(TEXT + b'.\r\n')
    like(s.reply()[1][0], 'queued$', 'house to house')
got = house.wait_mail('bob@example.org', 2)[-1]
like(got, r'(?s)with ESMTPS .*with ESMTPS ', '... under TLS all the way')
done()
