#!/usr/bin/env python3
"""What a scanner looks at, on the ports of a running house: versions, ciphers, renegotiation, compression, resumption,
stapling, application protocols, broken records. And other people's clients, on each port that speaks TLS."""
import os
import smtplib
import ssl
import subprocess
import sys
import threading
import warnings
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from tls_pairs import *

if not have('openssl'):
    skip_all('no openssl')
warnings.simplefilter('ignore', DeprecationWarning)

smtps, pop3s = free_port(), free_port()
house = House(options=['--submissions-port', smtps, '--pop3s-port', pop3s],
              conf='hostname = mail.example.org\nlog_level = detail\nplaintext_login = never\ntls_handshake_timeout = 5s\n'
                   'smtpd_connections_per_minute = 0\npop3d_connections_per_address = 200\nsmtpd_connections_per_address = 200')
pairs = Certificates(house)
for kind in ('ec', 'rsa'):
    pairs.make('mail-' + kind, ['mail.example.org'], kind)
    pairs.install('mail-' + kind)
pairs.make('other', ['other.example'])
pairs.install('other')
house.start()
# name → port, openssl's -starttls
ports = {'25': (house.smtp_port, 'smtp'), '587': (house.submission_port, 'smtp'), '465': (smtps, None),
         '110': (house.pop3_port, 'pop3'), '995': (pop3s, None)}


def s_client(name, *args, input=b'QUIT\r\n', legacy=False):
    """Everything openssl s_client says; legacy: it may use what is weak."""
    port, starttls = ports[name]
    p = subprocess.run(['openssl', 's_client', '-connect', '127.0.0.1:%d' % port, *(['-starttls', starttls] if starttls else []),
                        *(['-cipher', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0'] if legacy else []), *args],
                       input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30 * PATIENCE)
    return p.stdout.decode('utf-8', 'replace')


# --- every port: versions, names, secure renegotiation, no compression -------------------------

for name in ports:
    said = s_client(name, '-servername', 'mail.example.org')
    like(said, r'New, TLSv1\.3, Cipher is TLS_', name + ': TLS 1.3')
    like(said, r'subject=CN ?= ?mail\.example\.org', '... with our certificate')
    said = s_client(name, '-tls1_2', '-servername', 'other.example')
    like(said, r'(?s)subject=CN ?= ?other\.example.*New, TLSv1\.2', '... TLS 1.2, and the certificate that was asked for (SNI)')
    like(said, r'Secure Renegotiation IS supported', '... secure renegotiation is indicated (RFC 5746)')
    like(said, r'Compression: NONE', '... no compression')
    for version in ('-tls1_1', '-tls1'):
        like(s_client(name, version, legacy=True), r'Cipher is \(NONE\)', '... no TLS 1.%s' % version[-1].replace('s1', '0'))

# --- ciphers -------------------------------------------------------------------------------------


def legacy(ciphers, version=ssl.TLSVersion.TLSv1_2):
    c = context(maximum_version=version)
    c.set_ciphers(ciphers + ':@SECLEVEL=0')
    return c


def cipher(c, port=smtps):
    """The cipher that is taken; None: no handshake."""
    try:
        with tls(port, c=c) as l:
            return l.sock.cipher()[0]
    except (ssl.SSLError, OSError):
        return None


known = [line.split()[0] for line in pairs.openssl('ciphers', '-v', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0').split('\n')
         if ' TLSv1.3 ' not in line and 'PSK' not in line and 'SRP' not in line and line.strip()]
taken = {name for name in known if cipher(legacy(name)) is not None}
is_(sorted(taken), sorted(
    ['%s-%s' % (kx, bulk) for kx in ('ECDHE-ECDSA', 'ECDHE-RSA')
     for bulk in ('AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305')] +
    ['DHE-RSA-AES128-GCM-SHA256', 'DHE-RSA-AES256-GCM-SHA384']),
    'of %d ciphers of TLS 1.2 those with forward secrecy and authenticated encryption alone' % len(known))
ok(len(known) > 60, '... of enough')
a, b = 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES128-GCM-SHA256'
ok(cipher(legacy('%s:%s' % (a, b))) == cipher(legacy('%s:%s' % (b, a))) is not None, 'the server has the choice')
is_([cipher(legacy(x + '+AESGCM'))[:9] for x in ('ECDHE+aECDSA', 'ECDHE+aRSA')], ['ECDHE-ECD', 'ECDHE-RSA'],
    'ECDSA and RSA, by what the client can')
like(s_client('465', '-tls1_3', '-ciphersuites', 'TLS_AES_128_CCM_8_SHA256'), r'Cipher is \(NONE\)', 'TLS 1.3: no CCM_8')
like(s_client('465', '-tls1_2', '-curves', 'secp160r1:sect163k1', '-cipher', 'ECDHE:@SECLEVEL=0'), r'Cipher is \(NONE\)', 'no small curves')
like(s_client('465', '-tls1_2', '-sigalgs', 'RSA+SHA1', '-cipher', 'aRSA:@SECLEVEL=0'), r'Cipher is \(NONE\)', 'nothing signed with SHA-1')

# --- renegotiation, early data, resumption, stapling -----------------------------------------------

# Standard input stays open, so that s_client waits for the answer.
p = subprocess.Popen(['openssl', 's_client', '-connect', '127.0.0.1:%d' % smtps, '-tls1_2'], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
p.stdin.write(b'R\n')
p.stdin.flush()
bound = threading.Timer(15 * PATIENCE, p.kill)
bound.start()
said = p.stdout.read().decode('utf-8', 'replace')
bound.cancel()
p.stdin.close()
p.wait()
ok('RENEGOTIATING' in said and 'no renegotiation' in said, 'TLS 1.2: a client cannot renegotiate')
session = pairs.work / 'session'
for version in ('-tls1_2', '-tls1_3'):
    s_client('995', version, '-sess_out', session, '-ign_eof')
    like(s_client('995', version, '-sess_in', session), r'Reused, TLSv1', 'TLS 1.%s: a session is resumed' % version[-1])
said = s_client('995', '-tls1_3', '-sess_out', session, '-ign_eof')
ok('Max Early Data: 0' in said or 'Max Early Data' not in said, 'no early data (it could be replayed)')
for pid in [min(house.pids('tlsd'))]:
    os.kill(pid, signal.SIGTERM)
ok(wait_until(lambda: 'New, TLSv1' in s_client('995', '-tls1_3', '-sess_in', session), 20), 'a ticket from before a restart: a handshake like any')

# --- application protocols -------------------------------------------------------------------------


def alpn(port, *names):
    c = context()
    c.set_alpn_protocols(list(names))
    try:
        with tls(port, c=c) as l:
            return l.sock.selected_alpn_protocol()
    except (ssl.SSLError, OSError) as e:
        return type(e).__name__ + str(e)


for port, good, bad in ((smtps, 'smtp', 'pop3'), (pop3s, 'pop3', 'smtp')):
    is_(alpn(port, good), good, 'ALPN %s is taken' % good)
    is_(alpn(port, 'h2', good), good, '... also as one of several')
    for names in (('http/1.1',), ('h2', 'http/1.1'), (bad,)):
        like(str(alpn(port, *names)), 'NO_APPLICATION_PROTOCOL|no application protocol', '%s is sent away (RFC 7301, 3.2)' % ' '.join(names))

# --- what is no TLS --------------------------------------------------------------------------------


def hello():
    """The octets of a good ClientHello."""
    out = ssl.MemoryBIO()
    try:
        context().wrap_bio(ssl.MemoryBIO(), out, server_hostname='mail.example.org').do_handshake()
    except ssl.SSLWantReadError:
        return out.read()


def answers(*pieces):
    """All that comes back for these octets."""
    with Line(smtps) as l:
        try:
            for piece in pieces:
                l.send(piece)
            l.sock.shutdown(1)
            return l.rest()
        except OSError:
            return l.buf


good = hello()
heartbeat = bytes.fromhex('1803030003014000')
broken = {
    'plain text': b'EHLO client.example\r\n',
    'HTTP': b'GET / HTTP/1.1\r\nHost: mail.example.org\r\n\r\n',
    'SSL 2': bytes.fromhex('802e0100020015000000100100800200800300800400800500800600400700c0') + bytes(16),
    'SSL 3': bytes.fromhex('160300002f0100002b0300') + bytes(32) + bytes.fromhex('000004002f00350100'),
    'a heartbeat that lies about its length': heartbeat,
    'a length of 65535': good[:3] + b'\xff\xff' + good[5:],
    'an empty record': b'\x16\x03\x01\x00\x00' * 50,
    'a hello cut short': good[:len(good) // 2],
    'a hello that is longer than it says': good[:5] + b'\x01\x00\x00\x10' + good[9:],
    'a hello of 16 MB': good[:5] + b'\x01\xff\xff\xff' + good[9:],
    'a change of cipher first': bytes.fromhex('140303000101') + bytes.fromhex('1703030020') + bytes(32),
    'application data first': bytes.fromhex('1703030005') + b'EHLO ',
    'alerts': bytes.fromhex('15030300020100') * 100,
    'noise': bytes((i * 7919 + 13) % 256 for i in range(3000)),
}
for what, octets in broken.items():
    said = answers(octets)
    ok(b'220 ' not in said and said[:1] in (b'', b'\x15'), what + ': an alert or nothing')
said = answers(good, heartbeat)
ok(said[:1] == b'\x16' and b'\x18\x03' not in said[:5] and len(said) < 5000, 'a heartbeat inside a handshake is not answered')
for i in range(0, len(good), 7):
    answers(good[:i] + bytes([good[i] ^ 0x81]) + good[i + 1:])
is_([e for e in house.events('program.warning') if 'died' in e.get('text', '')], [], 'none of all this has killed a process')
with tls(smtps, Smtp) as s:
    is_(s.reply()[0], 220, 'and others are served')
with tls(pop3s, Pop3) as p:
    like(p.cmd(), r'^\+OK', '... on every port')
    socket.socket(fileno=os.dup(p.sock.fileno())).send(b'QUIT\r\nQUIT\r\n' * 20)
    try:
        rest = p.rest()
    except (ssl.SSLError, OSError):
        rest = b''
    ok(b'+OK' not in rest, 'plain text inside a session ends it')

# --- clients ---------------------------------------------------------------------------------------

letter = house.path('letter.eml')
letter.write_bytes(b'From: ann@example.org\r\nTo: bob@example.org\r\nSubject: peers\r\n\r\nhello\r\n')
expected = 0


def client(program, name, argv, wanted, input=None):
    global expected
    if not have(program):
        return skip('%s on %s' % (program, name), 'no ' + program)
    p = house.run(argv, check=False, input=input)
    if wanted == 'sent':
        expected += p.returncode == 0
        if not ok(p.returncode == 0 and len(house.wait_mail('bob@example.org', expected)) == expected, '%s on %s' % (program, name)):
            diag(p.stdout[-1000:], p.stderr[-1000:])
    else:
        like(p.stdout, wanted, '%s on %s' % (program, name)) or diag(p.stderr)


for name in ('25', '587', '465'):
    port, starttls = ports[name]
    login = name != '25'
    client('swaks', name, ['swaks', '--server', '127.0.0.1:%d' % port, '--tls' if starttls else '--tls-on-connect', '--from', 'ann@example.org',
                           '--to', 'bob@example.org', *(['--auth', 'PLAIN', '--auth-user', 'ann', '--auth-password', 'secret'] if login else [])], 'sent')
    client('curl', name, ['curl', '-sS', '-k', '--ssl-reqd', '%s://127.0.0.1:%d' % ('smtp' if starttls else 'smtps', port), '--mail-from',
                          'ann@example.org', '--mail-rcpt', 'bob@example.org', '-T', letter, *(['-u', 'ann:secret'] if login else [])], 'sent')
    client('msmtp', name, ['msmtp', '-C', '/dev/null', '--host=127.0.0.1', '--port=%d' % port, '--tls=on', '--tls-certcheck=off',
                           '--tls-starttls=' + ('on' if starttls else 'off'), '--from=ann@example.org',
                           *(['--auth=plain', '--user=ann', '--passwordeval=echo secret'] if login else ['--auth=off']), 'bob@example.org'],
           'sent', input=letter.read_bytes())
for name in ('25', '587', '465'):
    port, starttls = ports[name]
    what = 'smtplib on ' + name
    try:
        with (smtplib.SMTP('127.0.0.1', port, timeout=15) if starttls else smtplib.SMTP_SSL('127.0.0.1', port, timeout=15, context=context())) as s:
            if starttls:
                s.starttls(context=context())
            if name != '25':
                s.login('ann', 'secret')
            refused = s.sendmail('ann@example.org', ['bob@example.org', 'nobody@example.org'], letter.read_bytes(), ['BODY=8BITMIME'])
        expected += 1
        is_({k: v[0] for k, v in refused.items()}, {'nobody@example.org': 550}, what)
        is_(len(house.wait_mail('bob@example.org', expected)), expected, '... and it arrives')
    except (smtplib.SMTPException, OSError) as e:
        ok(False, what + ': %s' % e)
for name in ('110', '995'):
    port, starttls = ports[name]
    client('curl', name, ['curl', '-sS', '-k', '--ssl-reqd', '%s://127.0.0.1:%d/1' % ('pop3' if starttls else 'pop3s', port), '-u', 'bob:secret'],
           r'(?s)Received: .*\n\nhello|with ESMTPSA? ')
    client('openssl', name, ['openssl', 's_client', '-quiet', '-connect', '127.0.0.1:%d' % port, '-ign_eof',
                             *(['-starttls', 'pop3'] if starttls else [])], r'\+OK %d ' % expected, input=b'USER bob\r\nPASS secret\r\nSTAT\r\nQUIT\r\n')
house.stop()
done()
