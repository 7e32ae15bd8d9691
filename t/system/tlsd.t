#!/usr/bin/env python3
"""tlsd: TLS for smtpd and pop3d: octets through it, certificates that change, who may read keys."""
import os, signal, ssl, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from tls_pairs import *
import pwd

if not have('openssl'):
    skip_all('no openssl to make certificates with')

smtps, pop3s = free_port(), free_port()
house = House(users=['ann:secret', 'bob:secret'], options=['--submissions-port', smtps, '--pop3s-port', pop3s],
              conf='plaintext_login = never\nhostname = mail.example.org\nlog_level = detail\ntls_connections = 40')
tls_dir = house.path('etc', 'tls')
pairs = Certificates(house)
work, make_pair, install = pairs.work, pairs.make, pairs.install


# --- without a certificate ---------------------------------------------------------------

r = house.ph('start', check=False)
house.running = True
like(r.stderr, r'not everything came up: submissions on .* TLS', 'no certificate: start says that the TLS ports do not serve')
with house.smtp() as s:
    ok('STARTTLS' not in s.hello(), 'no certificate: no STARTTLS is announced')
    like(s.cmd('STARTTLS'), r'^454 4\.7\.0 ', '... and it is refused (RFC 3207, 4)')
with house.pop3() as p:
    p.cmd()
    ok(b'STLS' not in p.multi('CAPA')[1], 'nor STLS')
    like(p.cmd('STLS'), r'^-ERR \[SYS/TEMP\]', '... which is refused')
ok(Line(smtps).closed(), 'a connection to 465 is closed')

# --- with one ----------------------------------------------------------------------------

first = make_pair('mail', ['mail.example.org', 'example.org'])
install('mail')
ok(house.wait_event('tls.certificates', pairs=1), 'a certificate that comes later is noticed')
ca = work / 'mail.pem'


def announced():
    with house.smtp() as s:
        return 'STARTTLS' in s.hello()


ok(wait_until(announced), 'and STARTTLS announced')
with house.smtp() as s:
    s.hello()
    s.send('MAIL FROM:<x@else.example>\r\n')
    s.reply()
    like(s.cmd('STARTTLS'), r'^503 ', 'not inside a transaction')
    s.cmd('RSET')
    like(s.cmd('STARTTLS now'), r'^501 5\.5\.4', 'no argument')
    like(s.cmd('STARTTLS'), r'^220 2\.0\.0', 'STARTTLS')
    wrap(s, c=context(ca))
    ok(s.sock.version() in ('TLSv1.2', 'TLSv1.3'), 'the handshake, verified for our name')
    like(s.cmd('MAIL FROM:<x@else.example>'), r'^503 5\.5\.1', 'what was said before is forgotten (RFC 3207, 4.2)')
    s.send('EHLO client.example\r\n')
    ok('STARTTLS' not in s.reply()[1], 'no STARTTLS inside TLS')
    like(s.cmd('STARTTLS'), r'^503 ', '... and none is taken')
    body = b'Subject: over TLS\r\n\r\n' + b'.dot\r\n' + bytes(range(32, 127)) * 1000 + b'\r\n'
    body = b'\r\n'.join(body[i:i + 900] for i in range(0, len(body), 900)) + b'\r\n'
    like(s.message('x@else.example', ['ann@example.org'], body), r'^250 2\.0\.0 \S+ delivered', 'a message')
    like(s.cmd('QUIT'), r'^221', 'QUIT')
    ok(s.closed(), 'and the end')
mail = house.wait_mail('ann@example.org', 1)[0]
ok(mail.endswith(b'\n' + body.replace(b'\r\n', b'\n')), 'it came octet for octet')
like(dict(headers(mail))[b'Received'], r'with ESMTPS \(TLSv1\.3 TLS_\S+\) id ', 'Received tells of TLS (RFC 3848)')
ok(house.wait_event('smtpd.received', tls='TLSv1.3'), 'and so does the log')

with house.smtp() as s:
    s.hello()
    s.send(b'STARTTLS\r\nNOOP\r\n')
    like('%d' % s.reply()[0], r'^554', 'a command pipelined behind STARTTLS')
    ok(s.closed(), 'ends the connection')
with house.pop3() as p:
    p.cmd()
    p.send(b'STLS\r\nCAPA\r\n')
    like(p.cmd(), r'^-ERR', 'likewise behind STLS')
    ok(p.closed(), 'which ends it, too')
with house.smtp() as s:
    s.hello()
    s.cmd('STARTTLS')
    s.send(b'NOOP\r\nNOOP\r\n')
    try:
        while s._more():
            pass
    except ConnectionResetError:
        pass
    ok(b'250' not in s.buf, 'plain text where a handshake is due is no command')
ok(house.wait_event('tls.failed', service='smtp'), '... and in the log')

with tls(smtps, Smtp, c=context(ca)) as s:
    code, text = s.reply()
    is_(code, 220, 'TLS at once on 465 (RFC 8314)')
    s.cmd('QUIT')
with tls(pop3s, Pop3, c=context(ca)) as p:
    p.cmd()
    ok(b'USER' in p.multi('CAPA')[1], 'TLS at once on 995: passwords are taken')
    like(p.cmd('USER ann'), r'^\+OK', 'USER')
    like(p.cmd('PASS secret'), r'^\+OK', 'PASS')
    first_line, got = p.multi('RETR 1')
    ok(got.endswith(b'\r\n' + body), 'RETR, octet for octet')
    p.cmd('QUIT')
with house.pop3() as p:
    p.cmd()
    capa = p.multi('CAPA')[1]
    ok(b'USER' not in capa and b'SASL' not in capa, 'in the clear they are not')
    ok(b'\r\nSTLS\r\n' in capa, 'CAPA offers STLS')
    is_(p.cmd('STLS now'), '-ERR wrong arguments', 'no argument')
    like(p.cmd('USER ann'), r'^-ERR', 'even when given')
    like(p.cmd('STLS'), r'^\+OK', 'STLS')
    wrap(p, c=context(ca))
    capa = p.multi('CAPA')[1]
    ok(b'STLS' not in capa and b'\r\nSASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\r\n' in capa, 'no STLS inside TLS; passwords are offered')
    is_(p.cmd('STLS'), '-ERR TLS is there already', '... and none is taken')
    like(p.cmd('USER ann'), r'^\+OK', 'then they are')
    like(p.cmd('PASS secret'), r'^\+OK', 'and right')
    ok(b'STLS' not in p.multi('CAPA')[1], 'no STLS after login')
    p.cmd('QUIT')

# --- versions, resumption, SNI, kinds of keys ----------------------------------------------

c = context(maximum_version=ssl.TLSVersion.TLSv1_2)
with tls(smtps, Smtp, c=c) as s:
    is_(s.sock.version(), 'TLSv1.2', 'TLS 1.2')
    like(s.sock.cipher()[0], r'^ECDHE-.*(GCM|CHACHA20)', '... with forward secrecy and AEAD')
    s.reply()
    session = s.sock.session
with tls(smtps, Smtp, c=c, session=session) as s:
    ok(s.sock.session_reused, 'a session is resumed by another process')
    s.reply()
try:
    c = context()
    c.set_ciphers('ALL:@SECLEVEL=0')
    c.minimum_version = ssl.TLSVersion.TLSv1
    c.maximum_version = ssl.TLSVersion.TLSv1_1
    tls(smtps, c=c)
    ok(False, 'TLS 1.1 is refused')
except (ssl.SSLError, ConnectionError):
    ok(True, 'TLS 1.1 is refused')
other = make_pair('other', ['other.example', '*.wild.example'])
install('other')
ok(house.wait_event('tls.certificates', pairs=2), 'a second pair')
is_([shown(smtps, name=n) for n in ('mail.example.org', 'other.example', 'a.wild.example', 'nobody.example')],
    [first, other, other, first], 'each name gets its certificate; an unknown one ours')
is_(shown(smtps, name=None), first, 'and so do those who name none')
rsa = make_pair('mail-rsa', ['mail.example.org', 'example.org'], 'rsa')
install('mail-rsa')
ok(house.wait_event('tls.certificates', pairs=3), 'an RSA pair for the same names')
c = context(maximum_version=ssl.TLSVersion.TLSv1_2)
c.set_ciphers('ECDHE+aRSA')
is_(shown(smtps, c=c), rsa, 'who wants RSA gets it')
c = context(maximum_version=ssl.TLSVersion.TLSv1_2)
c.set_ciphers('ECDHE+aECDSA')
is_(shown(smtps, c=c), first, 'who wants ECDSA gets that')

# --- renewal -------------------------------------------------------------------------------

with tls(pop3s, Pop3) as standing:
    standing.cmd()
    renewed = make_pair('mail', ['mail.example.org', 'example.org'])
    install('mail')
    ok(wait_until(lambda: shown(smtps) == renewed), 'a renewed certificate serves the next handshake')
    like(standing.cmd('USER ann'), r'^\+OK', 'connections from before live on')
    standing.cmd('QUIT')
before = len(house.events('tls.reload_rejected'))
make_pair('wrong', ['mail.example.org', 'example.org'])
install('mail', key='wrong')
ok(wait_until(lambda: len(house.events('tls.reload_rejected')) > before), 'a key that is not the certificate\'s is told')
like(house.events('tls.reload_rejected')[-1]['reason'], r'mail\.pem: the key is not this certificate', '... which names the file')
is_(shown(smtps), renewed, 'the old pair stays in use')
install('mail')
make_pair('strange', ['strange.example'])
before = len(house.events('tls.reload_rejected'))
install('strange', 'mail')
install('strange', 'mail-rsa')
ok(wait_until(lambda: any('no certificate is for this name any more' in e['reason'] for e in house.events('tls.reload_rejected')[before:])),
   'pairs that are for other names than ours: told')
is_(shown(smtps), renewed, '... and not taken')
install('mail')
install('mail-rsa')
pairs.over('mail', 'over')
install('over', 'mail', key='mail')
ok(wait_until(lambda: any('mail.pem: expired' in e['reason'] for e in house.events('tls.reload_rejected'))), 'one that has expired: told')
is_(shown(smtps), renewed, '... and not taken')
install('mail')
(tls_dir / 'broken.pem').write_text('no certificate')
(tls_dir / 'broken.key').write_text('no key')
for f in ('broken.pem', 'broken.key'):
    give(tls_dir / f)
ok(wait_until(lambda: 'broken.pem: no PEM certificate' in house.log()), 'a file that is none: an alarm')
(tls_dir / 'broken.pem').unlink()
(tls_dir / 'broken.key').unlink()
os.mkdir(tls_dir / 'acme.example')
make_pair('acme', ['acme.example'])
for name, source in (('fullchain.pem', 'acme.pem'), ('privkey.pem', 'acme.key')):
    (tls_dir / 'acme.example' / name).write_bytes((work / source).read_bytes())
    give(tls_dir / 'acme.example' / name)
if ROOT:
    os.chown(tls_dir / 'acme.example', pwd.getpwnam('phtls').pw_uid, 0)
os.chmod(tls_dir / 'acme.example', 0o700)
ok(house.wait_event('tls.certificates', pairs=4), 'NAME/fullchain.pem with NAME/privkey.pem')

# --- OCSP: a response beside the certificate is stapled ---------------------


openssl = pairs.openssl


def put_response(der):
    new = tls_dir / '.new.ocsp'
    new.write_bytes(der)
    give(new)
    new.rename(tls_dir / 'leaf.ocsp')


def stapled():
    return 'OCSP Response Status: successful' in openssl('s_client', '-connect', '127.0.0.1:%d' % smtps, '-servername',
                                                         'stapled.example', '-status')


openssl('req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days', '30', '-subj', '/CN=CA',
        '-keyout', 'ca.key', '-out', 'ca.pem')
openssl('req', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-subj', '/CN=stapled.example', '-addext',
        'subjectAltName=DNS:stapled.example', '-keyout', 'leaf.key', '-out', 'leaf.csr')
openssl('x509', '-req', '-in', 'leaf.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', '4660', '-days', '30', '-copy_extensions',
        'copy', '-out', 'leaf.pem')
(work / 'index.txt').write_text('V\t491231235959Z\t\t1234\tunknown\t/CN=stapled.example\n')
install('leaf')
ok(house.wait_event('tls.certificates', pairs=5), 'a certificate without a response')
ok(not stapled(), '... has none stapled')
openssl('ocsp', '-index', 'index.txt', '-CA', 'ca.pem', '-rsigner', 'ca.pem', '-rkey', 'ca.key', '-issuer', 'ca.pem',
        '-cert', 'leaf.pem', '-respout', 'leaf.der', '-ndays', '3')
put_response((work / 'leaf.der').read_bytes())
ok(wait_until(stapled), 'a response that is put beside it is stapled (RFC 6066, 8)')
put_response((work / 'leaf.der').read_bytes()[:-40])
ok(wait_until(lambda: not stapled()), 'one that is cut short is not')
like(house.log(), r'leaf\.ocsp: no OCSP response, or one that has run out', '... and somebody is told')

# --- many, and those that misbehave ----------------------------------------------------------

lines = [tls(smtps, Smtp) for _ in range(20)]
is_([l.reply()[0] for l in lines], [220] * 20, 'twenty at once')
pids = [p for p in house.pids('tlsd')]
victim = None
for pid in pids:  # one that holds a TCP connection
    try:
        links = [os.readlink('/proc/%d/fd/%s' % (pid, f)) for f in os.listdir('/proc/%d/fd' % pid)]
    except OSError:
        continue
    if victim is None and pid != min(pids) and sum(l.startswith('socket:') for l in links) >= 3:
        victim = pid
os.kill(victim, signal.SIGKILL)


def answers(l):
    try:
        return l.cmd('NOOP').startswith('250')
    except (OSError, ValueError, TypeError):
        return False


is_(sorted(answers(l) for l in lines), [False] + [True] * 19, 'a process that dies takes one connection with it')
for l in lines:
    l.close()
silent = [Line(smtps) for _ in range(8)]  # they never say a word
is_(shown(smtps), renewed, 'silent ones hold nobody up')
for l in silent:
    l.close()

# Large and slow: the other side's buffers fill up, nothing is lost.
big = b''.join(b'%06d ' % i + b'x' * 900 + b'\r\n' for i in range(4000))
with tls(smtps, Smtp) as s:
    s.hello()
    reply = s.cmd('MAIL FROM:<x@else.example>')
    like(reply, r'^530 |^250 ', 'submission wants more than TLS' if reply[0] == '5' else 'MAIL')
with house.smtp() as s:
    s.hello()
    s.cmd('STARTTLS')
    wrap(s)
    s.send('EHLO client.example\r\n')
    s.reply()
    like(s.message('x@else.example', ['bob@example.org'], b'Subject: big\r\n\r\n' + big), r'^250', 'a large message in')
with tls(pop3s, Pop3) as p:
    p.login('bob', 'secret')
    p.send('RETR 1\r\n')
    time.sleep(0.3)  # it waits with full buffers meanwhile
    p.send('QUIT\r\n')
    got = p.rest()
    like(got[:40], r'^\+OK', 'and out, to a slow reader')
    ok(got.endswith(big + b'.\r\n+OK\r\n'), 'octet for octet, to its end, and the answer to QUIT')

# --- who may do what ---------------------------------------------------------------------------

if ROOT:
    for user in ('phsmtpd', 'phpop3', 'phmail', 'phcollect'):
        u = pwd.getpwnam(user)
        r = subprocess.run(['cat', tls_dir / 'mail.key'], user=u.pw_uid, group=u.pw_gid, extra_groups=os.getgrouplist(user, u.pw_gid),
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        is_((r.returncode != 0, r.stdout), (True, b''), user + ' cannot read a key')
    is_(pwd.getpwuid(os.stat('/proc/%d' % min(house.pids('tlsd'))).st_uid).pw_name, 'phtls', 'tlsd is phtls')
else:
    skip('keys are readable by phtls alone', 'needs root')
if have('readelf'):
    for program, wanted in (('tlsd', True), ('smtpd', False), ('pop3d', False)):
        needed = subprocess.run(['readelf', '-d', (LIBEXEC / program).resolve()], stdout=subprocess.PIPE).stdout
        if b'libasan' in needed:  # these link whatever is named
            skip(program + ': a TLS library', 'instrumented')
            continue
        is_(b'libssl' in needed, wanted, program + (' links' if wanted else ' does not link') + ' a TLS library')
else:
    skip('who links a TLS library', 'no readelf')
ok(house.ph('status').returncode == 0, 'status: all is well')
like(house.ph('status').stdout, r'submissions', '... the TLS ports included')
house.stop()
done()
