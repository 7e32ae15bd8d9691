#!/usr/bin/env python3
"""Logging in with a token (OAUTHBEARER, XOAUTH2) at smtpd and pop3d: the exchange line by line, and other people's programs."""
import base64, os, ssl, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

submissions, pop3s = free_port(), free_port()
house = House(users=['ann:secret', 'bob:secret'], options=['--submissions-port', submissions, '--pop3s-port', pop3s, '--self-signed'],
              conf='plaintext_login = never\nrelay = trusted')
command = house.path('whose')
command.write_text('#!/bin/sh\nread -r token\ncase $token in\ngood.ann) echo ann@example.org ;;\ndown) exit 111 ;;\n*) exit 1 ;;\nesac\n')
os.chmod(command, 0o755)
house.conf('oauth_validate = %s' % command)
house.start()


def b64(text):
    return base64.b64encode(text.encode()).decode()


def oauth(token, user='ann@example.org'):
    return b64('n,a=%s,\1host=mail.example.org\1port=465\1auth=Bearer %s\1\1' % (user, token))


def xoauth2(token, user='ann@example.org'):
    return b64('user=%s\1auth=Bearer %s\1\1' % (user, token))


def tls(kind, port):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    s = kind(port)
    s.sock = c.wrap_socket(s.sock)
    s.sock.settimeout(15 * PATIENCE)
    return s


def smtp():
    s = tls(Smtp, submissions)
    ok('AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN OAUTHBEARER XOAUTH2' in s.hello(), 'EHLO offers tokens last')
    return s


def pop3():
    p = tls(Pop3, pop3s)
    p.cmd()
    return p


with smtp() as s:
    s.talk('''
        C: AUTH OAUTHBEARER %s
        S: 334 %s
        C: AQ==
        S: 535 5.7.8 wrong name or password
        C: AUTH XOAUTH2
        S: 334*
        C: %s
        S: 235 2.7.0 *
        C: MAIL FROM:<ann@example.org>
        S: 250 2.1.0 *
    ''' % (oauth('stolen'), b64('{"status":"invalid_token"}'), xoauth2('good.ann')), 'SMTP: a refusal in two steps, then a good one')
with smtp() as s:
    s.talk('''
        C: AUTH OAUTHBEARER %s
        S: 454 4.7.0 *
        C: AUTH OAUTHBEARER %s
        S: 501 5.5.2 *
        C: AUTH OAUTHBEARER
        S: 334*
        C: *
        S: 501 5.7.0 *
        C: AUTH OAUTHBEARER %s
        S: 235 2.7.0 *
    ''' % (oauth('down'), b64('nonsense'), oauth('good.ann')), 'trouble, nonsense, a change of mind')
with house.smtp(house.submission_port) as s:
    s.hello()
    like(s.cmd('AUTH OAUTHBEARER ' + oauth('good.ann')), r'^538 5\.7\.11 ', 'not in the clear')
house.ph('user', 'unlock', 'ann')
with pop3() as p:
    like(p.multi('CAPA')[1].decode(), r'(?m)^SASL .* OAUTHBEARER XOAUTH2\r$', 'CAPA, too')
    p.talk('''
        C: AUTH XOAUTH2 %s
        S: + %s
        C:
        S: -ERR [AUTH] wrong name or password
        C: AUTH OAUTHBEARER
        S: + *
        C: %s
        S: -ERR [SYS/TEMP] *
        C: AUTH OAUTHBEARER
        S: + *
        C: %s
        S: +OK ann@example.org has 0 messages
    ''' % (xoauth2('stolen'), b64('{"status":"401","schemes":"bearer"}'), oauth('down'), oauth('good.ann')), 'POP3: the same')

for mechanism in ('OAUTHBEARER', 'XOAUTH2'):
    if not have('curl'):
        skip('curl', 'not installed')
        continue
    house.path('letter').write_bytes(b'Subject: by token\r\n\r\nHi\r\n')
    for what, args in (('SMTP', ['smtps://127.0.0.1:%d' % submissions, '--mail-from', 'ann@example.org', '--mail-rcpt', 'bob@example.org', '-T', house.path('letter')]),
                       ('POP3', ['pop3s://127.0.0.1:%d' % pop3s])):
        for token, code in (('good.ann', 0), ('stolen', 67)):
            house.ph('user', 'unlock', 'ann')  # a first failure waits two seconds, a fourth sixteen
            r = house.run(['curl', '-sS', '-k', '--user', 'ann@example.org', '--oauth2-bearer', token, '--login-options', 'AUTH=' + mechanism, *args], check=False)
            is_(r.returncode, code, 'curl by %s over %s, %s' % (mechanism, what, token)) or diag(r.stderr)
is_(len(house.wait_mail('bob@example.org', 2)), 2, 'and what was sent arrived')
ok(house.events('auth.failed', reason='token refused'), 'the log says why')
ok('stolen' not in house.log() and 'good.ann' not in house.log(), '... and no token')
done()
