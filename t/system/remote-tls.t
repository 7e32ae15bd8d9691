#!/usr/bin/env python3
"""remote under TLS (RFC 3207): with every server that offers it; and how mail goes on where it comes to nothing."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import *
from certificates import Authority

ca = Authority()
desk = Desk('remote', 'remote_timeout = 2s\nremote_connect_timeout = 2s\nhelo_name = house.example\nremote_agents = 1')
BOB = ['bob@else.example']
MAIL = [b'MAIL FROM:<ann@example.org> SIZE=17', b'RCPT TO:<bob@else.example> ORCPT=rfc822;bob@else.example', b'DATA']


def job(server, *args, **kw):
    return desk.job(BOB, *args, nexthop=server.nexthop, **kw)


def fallbacks():
    return [(e['host'], e['so']) for e in desk.house.events('remote.tls')]


# --- it works

s = Server(tls=ca.server('whoever.example'))
r = job(s)
is_(r.outcomes, [('sent', 250, '2.0.0', 'taken')], 'a server with a certificate that nobody knows')
is_(s.sessions, [[b'EHLO house.example', b'STARTTLS', b'(TLS)', b'EHLO house.example'] + MAIL], 'all but EHLO under TLS')
is_((r.connected, s.names), (s.nexthop, [None]), 'the connection is kept; an address is no SNI')
is_(job(s).outcomes[0][0], 'sent', 'the next message')
is_(len(s.sessions), 1, '... takes it')
like(desk.house.log(), r'remote.connect id=\S+ host=127.0.0.1 address=127.0.0.1 tls="TLSv1.3 \S+" error=-', 'logged with log_level = detail')
big = (b'0123456789' * 7 + b'\n') * 15000
is_(job(s, big).outcomes[0][0], 'sent', '1 MB')
is_(s.messages[2] == big.replace(b'\n', b'\r\n'), True, '... octet by octet')

s = Server(tls=ca.server('x.example'), ehlo='PIPELINING\nSIZE 1000', say={'TLS EHLO': '250 peer.example\nDSN'})
r = job(s)
is_(s.sessions[0][4:], [b'MAIL FROM:<ann@example.org>', MAIL[1], b'DATA'], 'only what EHLO offers under TLS counts')
ok(not any(b'MAIL' in x and b'RCPT' in x for x in s.segments), '... pipelining neither')
s = Server(tls=ca.server('x.example'), say={'TLS EHLO': '502 what?'})
is_((job(s).outcomes[0][0], s.sessions[0][3:5]), ('relayed', [b'EHLO house.example', b'HELO house.example']), 'HELO under TLS')
s = Server(tls=ca.server('x.example'), say={'TLS EHLO': '521 5.7.1 not you'})
is_(job(s).outcomes[0], ('failed', 521, '5.7.1', 'not you'), 'a refusal under TLS is one')
is_((len(s.sessions), fallbacks()), (1, []), '... and nothing went in the clear')
s = Server(tls=ca.server('x.example'), say={'TLS EHLO': None})
is_((job(s).outcomes[0][:3], len(s.sessions)), (('retry', 0, '4.4.2'), 1), 'a server that goes under TLS')

# --- it does not

for name, say, sessions in (
        ('a server that has no certificate after all', {'STARTTLS': '454 4.7.0 not now'}, 1),
        ('... or does not know what it has offered', {'STARTTLS': '502 what?'}, 1),
        ('one that hangs up', {'STARTTLS': None}, 2),
        ('... or goes on otherwise', {'HANDSHAKE': b'250 2.0.0 ok\r\n' * 20}, 2),
        ('... or ends the handshake', {'HANDSHAKE': None}, 2),
        ('... or never begins it', {'HANDSHAKE': 'wait'}, 2),
        ('... or says more in the clear', {'STARTTLS': b'220 go\r\n250 injected\r\n'}, 2)):
    s = Server(tls=ca.server('x.example'), say=say)
    s.last = '220'
    before = len(fallbacks())
    is_(job(s).outcomes, [('sent', 250, '2.0.0', 'taken')], name + ': it has the message')
    is_(s.sessions[-1][-3:], MAIL, '... in the clear')
    is_((len(s.sessions), fallbacks()[before:]), (sessions, [('127.0.0.1', 'in the clear')]), '... on connection %d, and logged' % sessions)
    ok(b'(TLS)' not in s.sessions[-1], '... without TLS')

# --- REQUIRETLS (RFC 8689, 4.2.1)

desk.house.conf('remote_tls_ca = %s' % ca.pem)


def again():
    """remote anew, with the settings as they are now."""
    end(desk.process)
    desk.agents.clear()
    desk.process = desk.house.spawn('remote')


again()
OFFERS = 'PIPELINING\nSIZE 10000000\nREQUIRETLS\n8BITMIME\nSMTPUTF8'
good = ca.server('127.0.0.1')
s = Server(tls=good, ehlo=OFFERS)
r = job(s)
is_(s.sessions[0][4], MAIL[0], 'REQUIRETLS is not said where it is not asked for')
is_(job(s, flags='tls,8bit').outcomes[0][0], 'relayed', 'a server that is who it ought to be, and does REQUIRETLS')
is_(s.sessions[1][4], b'MAIL FROM:<ann@example.org> SIZE=17 BODY=8BITMIME REQUIRETLS', '... is told')
is_(len(s.sessions), 2, '... on a connection of its own, since who was at the other end of the first was not asked')
is_((job(s, flags='tls').outcomes[0][0], job(s).outcomes[0][0], len(s.sessions)), ('relayed', 'relayed', 2), '... which serves the next, too')
is_(s.sessions[1][-3], MAIL[0], '... and who does not ask for it does not say it')

short = {'not offered': Server(ehlo=OFFERS), 'the certificate is for another name': Server(tls=ca.server('127.0.0.2', 'x.example'), ehlo=OFFERS),
         'of another authority': Server(tls=Authority().server('127.0.0.1'), ehlo=OFFERS),
         'out of date': Server(tls=ca.server('127.0.0.1', days=0), ehlo=OFFERS),
         'no TLS on the other side': Server(tls=good, ehlo=OFFERS, say={'HANDSHAKE': b'250 2.0.0 ok\r\n' * 20})}
for name, s in short.items():
    r = job(s, flags='tls')
    is_(r.outcomes[0][:3], ('failed', 0, '5.7.10'), 'REQUIRETLS, and ' + name)
    ok(r.connected == '-' and s.messages == [], '... nothing went there, and the site is not to blame')
like(r.outcomes[0][3], 'TLS', '... and the reason is said')
s = Server(tls=good)
r = job(s, flags='tls')
is_(r.outcomes, [('failed', 0, '5.7.30', 'REQUIRETLS support required, which is not offered by 127.0.0.1')], 'a server that does not do REQUIRETLS')
ok(wait_until(lambda: s.sessions[0][-2:] == [b'EHLO house.example', b'QUIT']), '... is left politely')
s = Server(tls=good, ehlo=OFFERS, say={'TLS EHLO': '250 peer.example\nSIZE'})
is_(job(s, flags='tls').outcomes[0][:3], ('failed', 0, '5.7.30'), 'what was offered in the clear does not count')
for name, say, want in (('has no certificate now', {'STARTTLS': '454 4.7.0 not now'}, ('retry', 454, '4.7.0')),
                        ('goes in the handshake', {'HANDSHAKE': None}, ('retry', 0, '4.4.2')),
                        ('never begins it', {'HANDSHAKE': 'wait'}, ('retry', 0, '4.4.2')),
                        ('does not know what it has offered', {'STARTTLS': '502 5.5.1 what?'}, ('failed', 502, '5.5.1')),
                        ('goes then', {'TLS EHLO': None}, ('retry', 0, '4.4.2'))):
    s = Server(tls=good, ehlo=OFFERS, say=say)
    is_((job(s, flags='tls').outcomes[0][:3], len(s.sessions), s.messages), (want, 1, []), 'a server that ' + name)

s, t = Server(ehlo=OFFERS), Server(tls=good, ehlo=OFFERS)
r = desk.job(BOB, nexthop='smarthost:127.0.0.1:%d,127.0.0.1:%d' % (s.port, t.port), flags='tls')
is_((r.outcomes[0][0], len(s.sessions), len(t.messages)), ('relayed', 1, 1), 'a second host may do')
r = desk.job(BOB, nexthop='smarthost:127.0.0.1:%d,127.0.0.1:%d' % (s.port, free_port()), flags='tls')
is_(r.outcomes[0][0], 'retry', '... and one that is not there now may do later')
s = Server(tls=ca.server('x.example'))
is_((job(s, flags='tls', sender='').outcomes[0][0], len(s.sessions)), ('sent', 2), 'a report is not lost for it')
is_(s.sessions[1][-3:][0], b'MAIL FROM:<> SIZE=17', '... but goes as well as may be')
ok(b'(TLS)' in s.sessions[1], '... under TLS')
s = Server(tls=good, ehlo=OFFERS)
job(s, flags='tls', sender='')
is_(s.sessions[0][-3], b'MAIL FROM:<> SIZE=17 REQUIRETLS', '... or as it ought to be')

# By MX it is the host's name that counts, not the domain's.
zone = Zone('''
mx A 127.0.0.31
other A 127.0.0.32
away MX 10 mx
away MX 20 other
worse MX 10 other
''')
port = free_port()
desk.house.conf('%s\nremote_port = %d' % (zone.conf, port))
again()
mx = Server(host='127.0.0.31', port=port, tls=ca.server('mx.test'), ehlo=OFFERS)
other = Server(host='127.0.0.32', port=port, tls=ca.server('away.test', 'worse.test', 'mx.test'), ehlo=OFFERS)
is_(desk.job(['x@away.test'], nexthop='mx:away.test', flags='tls').outcomes[0][0], 'relayed', 'the MX has a certificate')
is_(mx.names, ['mx.test'], '... and was asked for it by name')
mx.say['TLS EHLO'] = '521 5.3.2 closed'
r = desk.job(['x@worse.test'], nexthop='mx:worse.test', flags='tls')
is_(r.outcomes[0][:3], ('failed', 0, '5.7.10'), 'one for the domain only is none')
like(r.outcomes[0][3], r"TLS with other\.test: the certificate is not to be trusted: hostname mismatch", '... and that is said')
is_(desk.job(['x@away.test'], nexthop='mx:away.test', flags='tls').outcomes[0][0], 'failed', 'nor is it better as the second')
is_((len(other.messages), [b'(TLS)' in s for s in other.sessions]), (0, [True, True]), '... it got nothing')
is_(desk.job(['x@worse.test'], nexthop='mx:worse.test').outcomes[0][0], 'relayed', 'without REQUIRETLS it will do')

desk.house.conf('remote_tls_ca = /nonexistent')
again()
s = Server(tls=good, ehlo=OFFERS)
r = job(s, flags='tls')
is_(r.outcomes[0][0], 'retry', 'a setting that is wrong costs nobody a message')
like(r.outcomes[0][3], 'cannot read certificates to trust from /nonexistent', '... and the reason is said')

desk.house.conf('remote_tls = no')
again()
s = Server(tls=ca.server('x.example'))
is_((job(s).outcomes[0][0], s.sessions[0]), ('sent', [b'EHLO house.example'] + MAIL), 'remote_tls = no')

# --- with our own server

house = House(conf='hostname = mx.example.org')
house.path('etc', 'tls').mkdir(exist_ok=True)
for source, name in zip(ca.pair('mx.example.org'), ('mx.key', 'mx.pem')):
    target = house.path('etc', 'tls', name)
    target.write_bytes(source.read_bytes())
    if ROOT:
        shutil.chown(target, 'phtls', 'phtls')
    target.chmod(0o600)
house.start()
sender = House(domains='sender.example', users=['pat:secret'], smarthost='127.0.0.1:%d' % house.smtp_port)
sender.set_map('access', '127.0.0.1 trust\n')
sender.start()
like(sender.send('pat@sender.example', ['ann@example.org'], 'Subject: x\r\n\r\nhello\r\n'), '^250', 'from house to house')
ok(house.wait_event('smtpd.received', sender='pat@sender.example', tls='TLSv1.3'), '... under TLS')
done()
