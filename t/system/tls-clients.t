#!/usr/bin/env python3
"""Client certificates: known by fingerprint or by verified name, they open what access says, and Received and log tell."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from tls_pairs import *

if not have('openssl'):
    skip_all('no openssl to make certificates with')

smtps = free_port()
house = House(options=['--submissions-port', smtps, '--pop3s-port', free_port()],
              conf='hostname = mail.example.org\nlog_level = detail\ntls_client_certificates = yes')
house.set_map('access', '# nobody\n')
pairs = Certificates(house)
pairs.make('mail', ['mail.example.org'])
pairs.install('mail')
EC = ('-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1')


def authority(name):
    pairs.openssl('req', '-x509', *EC, '-days', 30, '-subj', '/CN=' + name, '-keyout', name + '.key', '-out', name + '.pem')


def client(name, subject, ca, san=None, days=30, usage='clientAuth'):
    """A certificate for a client; its SHA-256, with colons."""
    (pairs.work / (name + '.ext')).write_text('extendedKeyUsage=%s\n%s' % (usage, 'subjectAltName=%s\n' % san if san else ''))
    pairs.openssl('req', *EC, '-subj', subject, '-keyout', name + '.key', '-out', name + '.csr')
    pairs.openssl('x509', '-req', '-in', name + '.csr', '-CA', ca + '.pem', '-CAkey', ca + '.key', '-CAcreateserial', '-days', days,
                  '-extfile', name + '.ext', '-out', name + '.pem')
    return pairs.openssl('x509', '-noout', '-fingerprint', '-sha256', '-in', name + '.pem').strip().split('=')[1]


authority('Our CA')
authority('Their CA')
pins = {'gate': client('gate', '/CN=Gate.Branch.example', 'Our CA'),
        'mallory': client('mallory', '/CN=gate.branch.example', 'Their CA'),
        'mail': client('mail-address', '/CN=Somebody', 'Our CA', 'email:Postmaster@branch.example,DNS:x.example'),
        'odd': client('odd', '/CN=a(b)c\\\\d', 'Our CA'),
        'server': client('server', '/CN=gate.branch.example', 'Our CA', usage='serverAuth'),
        'blank': client('blank', '/CN=two words', 'Our CA'),
        'pinned': client('pinned', '/CN=nobody', 'Their CA')}
ca = house.path('etc', 'clients.pem')
ca.write_bytes((pairs.work / 'Our CA.pem').read_bytes())
house.conf('tls_client_ca = %s' % ca, compile=False)
house.map('access', '127.0.0.1 xclient\ncert-name:GATE.branch.example trust\ncert:%s trust\ncert-name:postmaster@branch.example no-local\n'
          'cert-name:a(b)c\\d trust' % pins['pinned'])
house.start()


def with_certificate(name, version=None):
    c = context(**({'maximum_version': version} if version else {}))
    if name:
        c.load_cert_chain(pairs.work / (name + '.pem'), pairs.work / (name + '.key'))
    return c


def starttls(name, **kw):
    s = house.smtp()
    s.hello()
    s.cmd('STARTTLS')
    wrap(s, c=with_certificate(name, **kw))
    s.send('EHLO client.example\r\n')
    s.reply()
    return s


def may_relay(s, rcpt='far@else.example'):
    s.cmd('MAIL FROM:<x@client.example>')
    reply = s.cmd('RCPT TO:<%s>' % rcpt)
    s.cmd('RSET')
    return reply[:9]


for version in (None, ssl.TLSVersion.TLSv1_2):
    what = 'TLS 1.2: ' if version else ''
    for name, may, why in ((None, False, 'without a certificate'), ('gate', True, 'a verified name that access trusts'),
                           ('mallory', False, 'the same name, from somebody else\'s authority'), ('pinned', True, 'a trusted fingerprint'),
                           ('server', False, 'the same name, but not a client\'s certificate'), ('blank', False, 'a name with a blank is none')):
        with starttls(name, version=version) as s:
            like(may_relay(s), r'^250' if may else r'^55', what + why)
with starttls('mail-address') as s:
    like(may_relay(s, 'ann@example.org'), '^55', 'a mail address in a certificate goes before its common name')
with starttls('gate') as s:
    like(s.cmd('XCLIENT ADDR=203.0.113.9'), '^220', 'XCLIENT')
    s.cmd('EHLO client.example')
    like(may_relay(s), '^55', '... a certificate vouches for who has shown it, not for whom he speaks')
with starttls('gate') as s:
    like(s.message('x@client.example', ['ann@example.org'], b'Subject: x\r\n\r\nx\r\n'), '^250', 'a message')
received = dict(headers(house.wait_mail('ann@example.org', 1)[0]))[b'Received']
like(received, r'with ESMTPS \(TLSv1\.3 TLS_\S+,\s+client certificate gate\.branch\.example verified\) id ', 'Received tells the verified name')
e = house.wait_event('smtpd.received', cert='gate.branch.example')
is_((e['tls'], e['cipher'][:4], e['cert']), ('TLSv1.3', 'TLS_', 'gate.branch.example'), 'and so does the log, with the cipher')
with starttls('odd') as s:
    like(may_relay(s), '^250', 'a name of odd characters')
    s.message('x@client.example', ['ann@example.org'], b'Subject: y\r\n\r\ny\r\n')
received = dict(headers(house.wait_mail('ann@example.org', 2)[1]))[b'Received']
like(received, r'client certificate a\\\(b\\\)c\\\\d verified\) id', '... is quoted in the comment')
with starttls('mallory') as s:
    s.message('x@client.example', ['ann@example.org'], b'Subject: z\r\n\r\nz\r\n')
ok(b'client certificate' not in dict(headers(house.wait_mail('ann@example.org', 3)[2]))[b'Received'], 'a name that nobody vouches for is not told')
ok(house.wait_event('smtpd.received', cert=pins['mallory'].replace(':', '').lower()), '... but the fingerprint is logged')

c = with_certificate('gate', version=ssl.TLSVersion.TLSv1_2)
with tls(smtps, Smtp, c=c) as s:
    s.hello()
    session = s.sock.session
    like(s.cmd('MAIL FROM:<x@client.example>'), '^250', 'submissions: a trusted certificate is enough')
    like(s.cmd('RCPT TO:<far@else.example>'), '^250', '... to write to everybody')
with tls(smtps, Smtp, c=c, session=session) as s:
    s.hello()
    ok(s.sock.session_reused, 'a session is resumed')
    like(s.cmd('MAIL FROM:<x@client.example>'), '^250', '... and knows who it was')
with tls(smtps, Smtp) as s:
    s.hello()
    like(s.cmd('MAIL FROM:<x@client.example>'), '^530', 'without one: login first')

# The authority goes: its names count no more, not even in sessions that are resumed.
ca.write_bytes((pairs.work / 'Their CA.pem').read_bytes())
pairs.make('mail', ['mail.example.org'])
pairs.install('mail')
ok(house.wait_event('tls.certificates', n=2), 'another authority')
with starttls('gate') as s:
    like(may_relay(s), '^55', 'the name counts no more')
with tls(smtps, Smtp, c=c, session=session) as s:
    s.hello()
    like(s.cmd('MAIL FROM:<x@client.example>'), '^530', '... nor in a session that was begun before')
with starttls('mallory') as s:
    like(may_relay(s), '^250', 'the other authority\'s does')
ca.write_text('no certificate\n')
pairs.make('mail', ['mail.example.org'])
pairs.install('mail')
ok(house.wait_event('tls.alarm', reason='%s: no PEM certificate' % ca), 'a file that is none: an alarm')
with starttls('mallory') as s:
    like(may_relay(s), '^55', '... and nobody\'s name counts')
with starttls('pinned') as s:
    like(may_relay(s), '^250', 'but fingerprints do')

for line, said in (('cert:12:34 trust', 'wants the SHA-256 fingerprint'), ('cert:%s reject' % pins['gate'], 'reject goes with addresses'),
                   ('cert-name:x.example device=x', 'device= goes with addresses')):
    house.set_map('access', line + '\n', compile=False)
    p = house.compile(check=False)
    ok(p.returncode != 0, 'compile refuses ' + line.split(':')[0] + ': ' + line.split(' ', 1)[1])
    like(p.stdout + p.stderr, r'access:1: .*' + said, '... and says why')
house.stop()
done()
