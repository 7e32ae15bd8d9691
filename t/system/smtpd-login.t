#!/usr/bin/env python3
"""smtpd: logging in for submission: when passwords are taken, who may send as whom."""
import base64, os, ssl, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

submissions = free_port()
house = House(users=['ann:s\u00e9cret pass', 'bob:secret'],
              options=['--submissions-port', submissions, '--pop3s-port', free_port(), '--self-signed'],
              conf='plaintext_login = never\nrelay = trusted',
              maps={'aliases': 'sales@example.org ann@example.org\nstaff@example.org ann@example.org, bob@example.org\n',
                    'access': 'sender:ann@example.org reject text="by the list"\n',
                    'routes': 'else.example smarthost=127.0.0.1:%d\n' % free_port()}).start()


def b64(*parts):
    return base64.b64encode(b'\0'.join(p.encode() for p in parts)).decode()


ANN, BOB = b64('', 'ann', 's\u00e9cret pass'), b64('', 'bob@example.org', 'secret')


def tls(port, name='mail.example.org'):
    s = Smtp(port)
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    s.sock = c.wrap_socket(s.sock, server_hostname=name)
    s.sock.settimeout(15 * PATIENCE)
    return s


def hello(s):
    s.reply()
    s.send('EHLO client.example\r\n')
    return s.reply()[1][1:]


# --- when ------------------------------------------------------------------------------------

with house.smtp(house.submission_port) as s:
    ok(not [x for x in s.hello() if x.startswith('AUTH')], 'no AUTH is offered in the clear')
    like(s.cmd('AUTH PLAIN ' + ANN), r'^538 5\.7\.11 ', '... nor taken (RFC 4954, 4)')
    like(s.cmd('MAIL FROM:<ann@example.org>'), r'^530 5\.7\.0 ', 'and without it nothing is sent')
with house.smtp() as s:
    s.hello()
    like(s.cmd('AUTH PLAIN ' + ANN), r'^502 ', 'other servers do not log in')
with tls(submissions) as s:
    ok('AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN' in hello(s), 'under TLS it is')
    s.talk('''
        C: AUTH
        S: 501 5.5.4 *
        C: AUTH CRAM-MD5
        S: 504 5.5.4 *
        C: AUTH PLAIN *
        S: 501 5.5.2 *
        C: AUTH PLAIN =
        S: 501 5.5.2 *
        C: AUTH PLAIN
        S: 334*
        C: *
        S: 501 5.7.0 *
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: Ym9i
        S: 334 UGFzc3dvcmQ6
        C: c2VjcmV0
        S: 235 2.7.0 *
        C: AUTH LOGIN
        S: 503 5.5.1 *
        C: RSET
        S: 250 *
        C: MAIL FROM:<bob@example.org>
        S: 250 2.1.0 *
        C: AUTH PLAIN
        S: 503 5.5.1 *
        C: QUIT
        S: 221 *
    ''', 'the dialogue of LOGIN, and its errors')
with tls(submissions) as s:
    hello(s)
    s.send('AUTH PLAIN\r\n')
    is_(s.line(), b'334 ', 'an empty challenge')
    like(s.cmd('A' * 12300), r'^500 5\.5\.2', 'a line over 12,288 octets')
    like(s.cmd('NOOP'), r'^250', '... ends the exchange, not the session')
    like(s.cmd('NOOP ' + 'x' * 2100), r'^500 5\.5\.2', 'other commands stay at 2,048')
with tls(submissions) as s:
    hello(s)
    wrong = [s.cmd('AUTH PLAIN ' + b64('', 'ann', 'wrong%d' % i)) for i in range(2)]
    unknown = s.cmd('AUTH PLAIN ' + b64('', 'nobody', 'secret'))
    like(wrong[0], r'^535 5\.7\.8 ', 'a wrong password')
    like(unknown, r'^421 4\.7\.0 ', 'the third failure ends it')
    ok(s.closed(), 'really')
with tls(submissions) as s:
    hello(s)
    is_(s.cmd('AUTH PLAIN ' + b64('', 'nobody', 'secret')), wrong[0], 'an unknown name is answered alike')
ok('wrong0' not in house.log() and 'cret pass' not in house.log(), 'no password in the log')

# --- what for ----------------------------------------------------------------------------------

with tls(submissions) as s:
    hello(s)
    like(s.cmd('AUTH PLAIN ' + ANN), r'^235 2\.7\.0', 'a password with a blank and in UTF-8')
    for sender, good in (('ann@example.org', True), ('ANN@Example.org', True), ('sales@example.org', True),
                         ('staff@example.org', True), ('', True), ('bob@example.org', False),
                         ('ann@else.example', False), ('nobody@example.org', False)):
        like(s.cmd('MAIL FROM:<%s>' % sender), r'^250' if good else r'^553 5\.7\.1',
             ('may' if good else 'may not') + ' send as <%s>' % sender)
        s.cmd('RSET')
    like(s.message('ann@example.org', ['bob@example.org', 'x@else.example'], b'Subject: hello\r\n\r\nHi\r\n'), r'^250 2\.0\.0',
         'mail for us and for others')
mail = house.wait_mail('bob@example.org', 1)[0]
like(dict(headers(mail))[b'Received'], r'with ESMTPSA \(TLSv1\.3 ', 'Received says that somebody had logged in (RFC 3848)')
ok(house.wait_event('smtpd.received', user='ann@example.org', service='submissions'), 'and the log says who')

house.conf('sender_rights = local\nplaintext_login = loopback')
house.restart()
with house.smtp(house.submission_port) as s:
    ok('AUTH SCRAM-SHA-256 PLAIN LOGIN' in s.hello(), 'plaintext_login = loopback: from here in the clear')
    like(s.cmd('AUTH PLAIN ' + BOB), r'^235', 'taken')
    like(s.cmd('MAIL FROM:<ann@example.org>'), r'^250', 'sender_rights = local: as anybody of ours')
    s.cmd('RSET')
    like(s.cmd('MAIL FROM:<nobody@example.org>'), r'^553', '... that there is')
for login in 'bob%example.org', 'bob#example.org', 'bob$example.org', 'bob@127.0.0.1', 'bob@[127.0.0.1]', 'BOB@Example.org':
    with house.smtp(house.submission_port) as s:
        s.hello()
        like(s.cmd('AUTH PLAIN ' + b64('', login, 'secret')), r'^235', 'bob says ' + login)
house.conf('plaintext_login = trusted')
old = house.path('etc', 'access').read_text()
house.set_map('access', '127.0.0.1 xclient\n192.0.2.7 trust\n')
house.restart()
for client, may in ('192.0.2.6', False), ('192.0.2.7', True):
    with house.smtp(house.submission_port) as s:
        s.reply()
        like(s.cmd('XCLIENT ADDR=' + client), r'^220', 'plaintext_login = trusted: ' + client)
        s.send('EHLO client.example\r\n')
        is_('AUTH SCRAM-SHA-256 PLAIN LOGIN' in s.reply()[1], may, '... is offered AUTH' if may else '... is not offered AUTH')
        like(s.cmd('AUTH PLAIN ' + BOB), r'^235' if may else r'^538', '... logs in' if may else '... nor let in')
house.set_map('access', old)
house.conf('sender_rights = any\nplaintext_login = loopback')
house.restart()
with tls(submissions) as s:
    hello(s)
    s.cmd('AUTH PLAIN ' + BOB)
    like(s.cmd('MAIL FROM:<bob@else.example>'), r'^250', 'sender_rights = any')
with house.smtp(house.submission_port) as s:
    s.hello()
    s.cmd('AUTH PLAIN ' + BOB)
    s.send('STARTTLS\r\n')
    s.reply()
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    s.sock = c.wrap_socket(s.sock)
    s.send('EHLO client.example\r\n')
    s.reply()
    like(s.cmd('MAIL FROM:<bob@example.org>'), r'^530', 'a login from before STARTTLS does not count')

# --- other people's programs --------------------------------------------------------------------

for program, argv in (
        ('curl', lambda: ['curl', '-sS', '-k', 'smtps://127.0.0.1:%d' % submissions, '--user', 'bob:secret', '--mail-from', 'bob@example.org',
                          '--mail-rcpt', 'ann@example.org', '-T', house.path('letter')]),
        ('swaks', lambda: ['swaks', '--server', '127.0.0.1', '--port', str(house.submission_port), '--auth', 'LOGIN', '--auth-user',
                           'bob', '--auth-password', 'secret', '-f', 'bob@example.org', '-t', 'ann@example.org']),
        ('msmtp', lambda: ['msmtp', '--host=127.0.0.1', '--port=%d' % house.submission_port, '--tls=on', '--tls-certcheck=off', '--auth=plain',
                           '--user=bob', '--passwordeval=echo secret', '--from=bob@example.org', 'ann@example.org'])):
    if not have(program):
        skip(program, 'not installed')
        continue
    house.path('letter').write_bytes(b'Subject: by program\r\n\r\nHi\r\n')
    before = len(house.mail('ann@example.org'))
    r = house.run(argv(), check=False, input=b'Subject: x\n\nHi\n')
    is_(r.returncode, 0, program + ' sends')
    is_(len(house.wait_mail('ann@example.org', before + 1)), before + 1, '... and it arrives')
done()
