#!/usr/bin/env python3
"""collect from a real Cyrus over IMAP: octet for octet, STARTTLS, two folders, deletion, what is left when all is kept."""
import imaplib
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from letters import *

LIB = '/usr/lib/cyrus/bin'
if not os.path.exists(LIB + '/master'):
    skip_all('Cyrus is not installed (cyrus-imapd)')
if not ROOT:
    skip_all('Cyrus becomes its own user: needs root')
if not have('saslpasswd2') or not have('openssl'):
    skip_all('no saslpasswd2 (sasl2-bin) or no openssl')

PORT = free_port()
house = House(users=['%s:secret' % p for p in PEOPLE]).start()
where = house.path('cyrus')
for name in ('', 'conf', 'spool'):
    (where / name).mkdir(exist_ok=True)
subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
                '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', where / 'key', '-out', where / 'cert'],
               check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
(where / 'imapd.conf').write_text('''configdirectory: {0}/conf
defaultpartition: default
partition-default: {0}/spool
admins: cyrus
servername: localhost
allowplaintext: yes
sasl_mech_list: PLAIN SCRAM-SHA-256
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {0}/sasldb2
tls_server_cert: {0}/cert
tls_server_key: {0}/key
maxmessagesize: 0
'''.format(where))
(where / 'cyrus.conf').write_text('''START {{
  recover cmd="{1}/ctl_cyrusdb -C {0}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{1}/imapd -C {0}/imapd.conf" listen="127.0.0.1:{2}" prefork=0
}}
EVENTS {{
}}
'''.format(where, LIB, PORT))
for user in ('cyrus', 'office'):
    subprocess.run(['saslpasswd2', '-p', '-c', '-f', where / 'sasldb2', '-u', 'localhost', user], input=b'secret\n', check=True)
subprocess.run(['chown', '-R', 'cyrus:mail', where], check=True)
cyrus = spawn([LIB + '/master', '-C', where / 'imapd.conf', '-M', where / 'cyrus.conf', '-p', where / 'pid'],
              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def login(user):
    try:
        conn = imaplib.IMAP4('127.0.0.1', PORT)
        conn.login(user, 'secret')
        return conn
    except (OSError, imaplib.IMAP4.error):
        return None


admin = wait_until(lambda: login('cyrus'), 20)
if not admin:
    skip_all('Cyrus does not start here')
for name in ('user/office', 'user/office/Lists'):
    if admin.create(name)[0] != 'OK':
        admin.create(name.replace('/', '.'))
office = login('office')
lists = next(name for name in ('INBOX/Lists', 'INBOX.Lists', 'Lists') if office.select(name)[0] == 'OK')


def put(folder, texts):
    for text in texts:
        answer = office.append(folder, None, None, text)
        assert answer[0] == 'OK', answer


# What Cyrus takes: CRLF line ends, no NUL (RFC 9051, 4.3.1).
sent = [re.sub(rb'\r*\n', b'\r\n', t).replace(b'\0', b'') for t in letters(240)]
sent = [re.sub(rb'\r(?!\n)', b'', t) for t in sent]
put('INBOX', sent[:-20])
put(lists, sent[-20:])


def words(keep, tls='tls=none', folders='folder=INBOX,' + lists):
    return 'office protocol=imap host=localhost port=%d %s ca=%s login=office secret=office kind=domain domain=example.org ' \
           'fallback=carol trusted=.isp.example keep=%s %s\n' % (PORT, tls, where / 'cert', keep, folders)


def left(folder):
    office.select(folder)
    return int(office.search(None, 'ALL')[1][0] != b'' and len(office.search(None, 'ALL')[1][0].split()))


house.map('secrets', 'office password=secret\n')
house.set_map('upstreams', words('all'))
p = house.ph('collect', bound=120)
like(p.stdout, r'^office: %d messages, ' % len(sent), 'all collected, from two folders')
is_(left('INBOX') + left(lists), len(sent), 'keep=all: all are there still')
found, above = received(house)
wrong = [n for n, text in enumerate(sent, 1)
         if found.get(n) != [(who, text.replace(b'\r\n', b'\n')) for who in people_of(text.replace(b'\r\n', b'\n'))]]
is_(wrong, [], 'every octet of every message, at the right person, once')
for n in wrong[:2]:
    is_(found.get(n, [(None, b'')])[0][1], sent[n - 1].replace(b'\r\n', b'\n'), 'message %d' % n)
like(house.ph('collect').stdout, r'^office: 0 messages, ', 'nothing is collected twice')
put('INBOX', [letter(b'over STARTTLS\n', to='ann@example.org').replace(b'\n', b'\r\n')])
house.set_map('upstreams', words('delete', 'tls=starttls'))
p = house.ph('collect', check=False)
like(p.stdout, r'^office: 1 message, ', 'over STARTTLS: the new one')
# Cyrus 3.6 offers SCRAM-SHA-256-PLUS, and has no tls-exporter (RFC 9266): the same without it is right, and remembered.
like(p.stderr, r'the server refuses our channel binding', '... though its channel binding is another')
p = house.ph('collect')
ok('channel binding' not in p.stderr, '... which is tried and told once')
house.set_map('secrets', 'office password=wrong\n')
like(house.ph('collect', check=False).stdout, r'^office: .*login refused', 'a wrong password is refused')
is_((left('INBOX'), left(lists)), (0, 0), 'keep=delete: what is safe here is gone there')
office.logout()
admin.logout()
done()
