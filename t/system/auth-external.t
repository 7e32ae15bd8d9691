#!/usr/bin/env python3
"""EXTERNAL at smtpd: who has shown a certificate with a verified mail address may send as that person, and no more."""
import base64, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from tls_pairs import *
from authing import Auth

if not have('openssl'):
    skip_all('no openssl to make certificates with')

smtps, pop3s = free_port(), free_port()
house = House(users=['ann:secret', 'bob:secret'], options=['--submissions-port', smtps, '--pop3s-port', pop3s],
              conf='hostname = mail.example.org\ntls_client_certificates = yes\nauth_external = yes\nplaintext_login = never')
pairs = Certificates(house)
pairs.make('mail', ['mail.example.org'])
pairs.install('mail')
EC = ('-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1')


def authority(name):
    pairs.openssl('req', '-x509', *EC, '-days', 30, '-subj', '/CN=' + name, '-keyout', name + '.key', '-out', name + '.pem')


def client(name, ca, san):
    (pairs.work / (name + '.ext')).write_text('extendedKeyUsage=clientAuth\nsubjectAltName=%s\n' % san)
    pairs.openssl('req', *EC, '-subj', '/CN=Somebody', '-keyout', name + '.key', '-out', name + '.csr')
    pairs.openssl('x509', '-req', '-in', name + '.csr', '-CA', ca + '.pem', '-CAkey', ca + '.key', '-CAcreateserial', '-days', 30,
                  '-extfile', name + '.ext', '-out', name + '.pem')


authority('Our CA')
authority('Their CA')
client('ann', 'Our CA', 'email:Ann@example.org')
client('zoe', 'Our CA', 'email:zoe@far.example')
client('machine', 'Our CA', 'DNS:gate.example.org')
client('mallory', 'Their CA', 'email:ann@example.org')
house.path('etc', 'clients.pem').write_bytes((pairs.work / 'Our CA.pem').read_bytes())
house.conf('tls_client_ca = %s' % house.path('etc', 'clients.pem'))
house.start()


def connected(kind, port, name):
    s = kind(port)
    c = context()
    if name:
        c.load_cert_chain(pairs.work / (name + '.pem'), pairs.work / (name + '.key'))
    s.sock = c.wrap_socket(s.sock, server_hostname='mail.example.org')
    s.sock.settimeout(15 * PATIENCE)
    return s


def smtp(name):
    s = connected(Smtp, smtps, name)
    return s, [x for x in s.hello() if x.startswith('AUTH ')][0]


def b64(text):
    return base64.b64encode(text.encode()).decode()


s, offered = smtp('ann')
ok(' EXTERNAL ' in offered, 'offered to who has shown a certificate with a mail address')
s.talk('''
    C: AUTH EXTERNAL %s
    S: 535 5.7.8 wrong name or password
    C: AUTH EXTERNAL ?
    S: 501 5.5.2 *
    C: AUTH EXTERNAL
    S: 334*
    C: *
    S: 501 5.7.0 *
    C: AUTH EXTERNAL =
    S: 235 2.7.0 *
    C: MAIL FROM:<bob@example.org>
    S: 553 5.7.1 *
    C: MAIL FROM:<ann@example.org>
    S: 250 2.1.0 *
''' % b64('bob'), 'not as another; as herself; and sending as herself')
s.close()
s, _ = smtp('ann')
s.talk('''
    C: AUTH EXTERNAL
    S: 334*
    C: %s
    S: 235 2.7.0 *
''' % b64('ann'), 'by another form of her name, behind an empty challenge')
s.close()
ok(house.wait_event('auth.ok', mailbox='ann@example.org', service='submissions'), 'the log tells')
like(house.ph('user', 'show', 'ann').stdout, r'(?m)^last .*submissions from 127\.0\.0\.1$', '... and so does user show')
for name, what in ((None, 'no certificate'), ('machine', "a machine's certificate"), ('mallory', "another authority's")):
    s, offered = smtp(name)
    ok('EXTERNAL' not in offered, what + ': not offered')
    like(s.cmd('AUTH EXTERNAL ='), r'^504 5\.5\.4', '... nor taken')
    s.close()
s, offered = smtp('zoe')
like(s.cmd('AUTH EXTERNAL ='), r'^535 5\.7\.8', 'a verified name of nobody here')
s.close()
house.ph('user', 'disable', 'ann')
s, _ = smtp('ann')
like(s.cmd('AUTH EXTERNAL ='), r'^535 5\.7\.8 account disabled', 'a disabled account')
s.close()
house.ph('user', 'enable', 'ann')
house.ph('user', 'set', 'ann', '--rights', 'pop3')
s, _ = smtp('ann')
like(s.cmd('AUTH EXTERNAL ='), r'^535 5\.7\.8 this account may not', 'rights count')
s.close()
house.ph('user', 'set', 'ann', '--rights', '')
p = connected(Pop3, pop3s, 'ann')
p.cmd()
ok('EXTERNAL' not in p.multi('CAPA')[1].decode(), 'POP3 does not offer it')
like(p.cmd('AUTH EXTERNAL ='), r'^-ERR no such mechanism', '... nor take it')
p.close()

# What authd makes of it: nothing that opens a mailbox.
a = Auth(house)
yes = a.ask('VOUCH', 'ann@example.org', '', 'submission', '192.0.2.1')
is_(yes, ['YES', 'ann@example.org', 'none'], 'no ticket comes with it')
is_(Auth(house).ask('VOUCH', 'ann@example.org', '', 'pop3', '192.0.2.1'), [''], 'for POP3 nobody is vouched for')
house.conf('auth_external = no')
house.restart()
is_(Auth(house).ask('VOUCH', 'ann@example.org', '', 'submission', '192.0.2.1'), [''], 'auth_external = no: nobody is')
s, offered = smtp('ann')
ok('EXTERNAL' not in offered, '... and it is not offered')
done()
