#!/usr/bin/env python3
"""posthouse client-card: what it says is what the running listeners take."""
import os, re, socket, ssl, sys
import xml.etree.ElementTree as ET
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

smtps, pop3s = free_port(), free_port()
house = House(users=['ann:secret'], options=['--self-signed', '--submissions-port', smtps, '--pop3s-port', pop3s],
              conf='hostname = mail.example.org')
r = house.ph('client-card', 'ann', check=False)
is_((r.returncode, 'not running' in r.stderr), (69, True), 'the house does not run: no card')
house.start()
card = house.ph('client-card', 'ann@example.org').stdout
like(card, r'^Mail for ann@example\.org\n', 'whose card it is')
is_(re.findall(r'port +(\d+)\n  TLS +(\S+)', card), [(str(pop3s), 'from'), (str(house.pop3_port), 'STARTTLS'), (str(smtps), 'from'),
    (str(house.submission_port), 'STARTTLS')], 'ports and TLS, the better ones first')
is_(set(re.findall(r'server +(\S+)', card)), {'mail.example.org'}, 'the server')
is_(set(re.findall(r'login +(\S+),', card)), {'ann@example.org'}, 'the login')
is_(house.ph('client-card', 'ann').stdout, card, 'a bare name will do')

xml = ET.fromstring(house.ph('client-card', 'ann', '--xml').stdout)
is_((xml.tag, xml.get('version'), xml.find('emailProvider/domain').text), ('clientConfig', '1.1', 'example.org'), 'XML: the frame')
servers = [(s.tag, s.get('type'), s.find('hostname').text, int(s.find('port').text), s.find('socketType').text, s.find('username').text,
            s.find('authentication').text) for s in xml.find('emailProvider') if s.tag.endswith('Server')]
LOGIN = ('%EMAILADDRESS%', 'password-cleartext')
is_(servers, [('incomingServer', 'pop3', 'mail.example.org', pop3s, 'SSL') + LOGIN,
              ('incomingServer', 'pop3', 'mail.example.org', house.pop3_port, 'STARTTLS') + LOGIN,
              ('outgoingServer', 'smtp', 'mail.example.org', smtps, 'SSL') + LOGIN,
              ('outgoingServer', 'smtp', 'mail.example.org', house.submission_port, 'STARTTLS') + LOGIN], 'XML: the servers')

context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for tag, kind, host, port, how, *_ in servers:
    s = socket.create_connection(('127.0.0.1', port), 10)
    f = s.makefile('rb')
    if how == 'STARTTLS':
        f.readline()
        if kind == 'smtp':
            s.sendall(b'EHLO me.example\r\n')
            while f.readline()[3:4] == b'-':
                pass
        s.sendall(b'STLS\r\n' if kind == 'pop3' else b'STARTTLS\r\n')
        f.readline()
    with context.wrap_socket(s) as t:
        f = t.makefile('rb')
        if how == 'SSL':
            f.readline()
        if kind == 'smtp':
            t.sendall(b'EHLO me.example\r\n')
            while f.readline()[3:4] == b'-':
                pass
            t.sendall(b'AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBzZWNyZXQ=\r\n')  # \0ann@example.org\0secret
        else:
            t.sendall(b'USER ann@example.org\r\n')
            f.readline()
            t.sendall(b'PASS secret\r\n')
        like(f.readline().decode(), r'^(\+OK|235)', '%s, %s: a login as it says' % (kind, how))
is_(house.ph('client-card', 'nobody', check=False).returncode, 67, 'no such mailbox')
is_(house.ph('client-card', check=False).returncode, 64, 'no address')
house.stop()

# Without a certificate.
house = House(users=['ann:secret']).start()
card = house.ph('client-card', 'ann').stdout
is_(re.findall(r'port +(\d+)\n  TLS +(\S+)', card), [(str(house.pop3_port), 'none:'), (str(house.submission_port), 'none:')], 'no certificate: no TLS')
xml = ET.fromstring(house.ph('client-card', 'ann', '--xml').stdout)
is_([s.find('authentication').text for s in xml.find('emailProvider') if s.tag.endswith('Server')], ['password-cleartext', 'client-IP-address'],
    '... and none asks for a password under SMTP')
done()
