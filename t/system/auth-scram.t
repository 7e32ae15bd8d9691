#!/usr/bin/env python3
"""SCRAM-SHA-256 and -PLUS at smtpd and pop3d: the exchange octet by octet, strangers, penalties, real clients."""
import base64, hashlib, hmac, os, re, ssl, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

submissions, pop3s = free_port(), free_port()
house = House(users=['ann:s\u00e9cret pass', 'bob:secret', 'off:secret'],
              options=['--submissions-port', submissions, '--pop3s-port', pop3s, '--self-signed'],
              conf='plaintext_login = loopback\nrelay = trusted').start()
USERS = house.path('etc', 'users').read_text()


def b64(octets):
    return base64.b64encode(octets).decode()


class Scram:
    """A client that tells what it computes; binding: None, or the octets of tls-exporter."""

    def __init__(self, user, password, flag='n', binding=b'', nonce='fyko+d2lbbFgONRv9qkxdawL'):
        self.header, self.binding, self.password = flag + ',,', binding, password
        self.bare = 'n=%s,r=%s' % (user, nonce)

    def first(self):
        return b64((self.header + self.bare).encode())

    def final(self, challenge):
        said = base64.b64decode(challenge).decode()
        self.fields = dict(f.split('=', 1) for f in said.split(','))
        salted = hashlib.pbkdf2_hmac('sha256', self.password.encode(), base64.b64decode(self.fields['s']), int(self.fields['i']))
        key = hmac.digest(salted, b'Client Key', 'sha256')
        without = 'c=%s,r=%s' % (b64(self.header.encode() + self.binding), self.fields['r'])
        message = ','.join((self.bare, said, without)).encode()
        proof = bytes(a ^ b for a, b in zip(key, hmac.digest(hashlib.sha256(key).digest(), message, 'sha256')))
        self.signature = 'v=' + b64(hmac.digest(hmac.digest(salted, b'Server Key', 'sha256'), message, 'sha256'))
        return b64(('%s,p=%s' % (without, b64(proof))).encode())


def tls(port):
    s = Smtp(port)
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    s.sock = c.wrap_socket(s.sock, server_hostname='mail.example.org')
    s.sock.settimeout(15 * PATIENCE)
    s.reply()
    s.send('EHLO client.example\r\n')
    s.reply()
    return s


def clear():
    s = house.smtp(house.submission_port)
    s.hello()
    return s


def log_in(s, c, mechanism='SCRAM-SHA-256'):
    """The answer to the proof, and what followed it."""
    challenge = s.cmd('AUTH %s %s' % (mechanism, c.first()))
    if not challenge.startswith('334 '):
        return challenge, None
    return s.cmd(c.final(challenge[4:])), c.fields


# --- good ones

with clear() as s:
    c = Scram('bob', 'secret')
    said, fields = log_in(s, c)
    is_(base64.b64decode(said[4:]).decode(), c.signature, 'the server proves that it knows the password')
    is_((len(base64.b64decode(fields['s'])), fields['i']), (16, '32768'), 'salt and iterations')
    like(s.cmd(''), r'^235 2\.7\.0', '... and after an empty answer we are in')
    like(s.cmd('MAIL FROM:<bob@example.org>'), r'^250', '... as bob')
ok(house.wait_event('auth.ok', login='bob', mailbox='bob@example.org', service='submission'), 'the log says so')
with clear() as s:
    is_(s.cmd('AUTH SCRAM-SHA-256'), '334 ', 'without an initial response: an empty challenge')
    c = Scram('Ann@Example.ORG', 's\u00e9cret pass')
    said = s.cmd(c.final(s.cmd(c.first())[4:]))
    is_(base64.b64decode(said[4:]).decode(), c.signature, 'a password in UTF-8')
    like(s.cmd(''), r'^235', '... is in')
with house.pop3() as p:
    p.cmd()
    capa = p.multi('CAPA')[1].splitlines()
    c = Scram('ann', 's\u00e9cret pass')
    said = p.cmd(c.final(p.cmd('AUTH SCRAM-SHA-256 ' + c.first())[2:]))
    is_(base64.b64decode(said[2:]).decode(), c.signature, 'POP3')
    is_(p.cmd(''), '+OK ann@example.org has 0 messages', '... and her mailbox')
    ok(b'STLS' in capa, 'CAPA offers STLS')
    is_([line for line in p.multi('CAPA')[1].splitlines() if not line.startswith(b'IMPLEMENTATION ')], capa,
        '... and behind the login what it said before (RFC 2449, 5)')

# --- others

def refused(what, want, mechanism, client, step=None):
    with clear() as s:
        like(log_in(s, client, mechanism)[0] if step is None else step(s), want, what)
        like(s.cmd('NOOP'), r'^250', '... and the session goes on')


refused('-PLUS without TLS', r'^504 5\.5\.4', 'SCRAM-SHA-256-PLUS', Scram('bob', 'secret', 'p=tls-exporter'))
refused('a client that asks to be bound, without', r'^501 5\.5\.2', 'SCRAM-SHA-256', Scram('bob', 'secret', 'p=tls-exporter'))
refused('no base64', r'^501 5\.5\.2', None, None, lambda s: s.cmd('AUTH SCRAM-SHA-256 ?'))
refused('an empty first message', r'^501 5\.5\.2', None, None, lambda s: s.cmd('AUTH SCRAM-SHA-256 ='))
refused('cancelled at once', r'^501 5\.7\.0', None, None, lambda s: s.cmd('AUTH SCRAM-SHA-256') and s.cmd('*'))
refused('cancelled in the middle', r'^501 5\.7\.0', None, None, lambda s: s.cmd('AUTH SCRAM-SHA-256 ' + Scram('bob', 'x').first()) and s.cmd('*'))
refused('nonsense for a proof', r'^501 5\.5\.2', None, None,
        lambda s: s.cmd('AUTH SCRAM-SHA-256 ' + Scram('bob', 'x').first()) and s.cmd(b64(b'c=biws')))
refused('more than an empty answer in the end', r'^501 5\.5\.2', None, None,
        lambda s: log_in(s, Scram('bob', 'secret')) and s.cmd(b64(b'x')))
with clear() as s:
    s.cmd('AUTH SCRAM-SHA-256 ' + Scram('bob', 'secret').first())  # and goes away
with clear() as s:
    c = Scram('bob', 'secret')
    log_in(s, c)
    like(s.cmd(''), r'^235', 'a client that left in the middle disturbs nobody')

house.set_map('users', USERS.replace('off@example.org', 'off@example.org disabled'))
began = time.monotonic()
with clear() as s:
    wrong, real = log_in(s, Scram('bob', 'wrong'))
    took = time.monotonic() - began
    ok(took >= 1.9, 'a wrong password is answered late: %.1f s' % took)
with clear() as s:
    began = time.monotonic()
    unknown, decoy = log_in(s, Scram('nosuch', 'secret'))
    took = time.monotonic() - began
    is_((wrong, wrong[:9]), (unknown, '535 5.7.8'), 'an unknown name is answered alike')
    ok(took >= 1.9, '... as late')
    is_((len(decoy['s']), decoy['i']), (len(real['s']), real['i']), '... and asked alike')
    like(log_in(s, Scram('off', 'secret'))[0], r'^535 5\.7\.8 account disabled', 'a disabled account, to who knows its password')


# --- delays, seen and ended

p = house.ph('user', 'unlock').stdout
like(p, r'^bob@example\.org from 127\.0\.0\.1: 1 failures$', 'user unlock: whose login is delayed')
like(p, r'^nosuch@example\.org from 127\.0\.0\.1', '... strangers, too')
like(house.ph('user', 'unlock', 'BOB').stdout, r'^bob@example\.org: delays are over', '... and no longer')
ok('bob@' not in house.ph('user', 'unlock').stdout, '... really')
like(house.ph('user', 'unlock', '127.0.0.1').stdout, r'^127\.0\.0\.1: delays are over', 'a client, whatever it tried')
is_(house.ph('user', 'unlock').stdout, "nobody's login is delayed\n", '... nothing is left')
like(house.ph('user', 'unlock', 'bob').stdout, r'no login was delayed', 'nothing to end')

# --- salts

def salt(name):
    with clear() as s:
        challenge = s.cmd('AUTH SCRAM-SHA-256 ' + Scram(name, '').first())
        return re.search(r's=([^,]+)', base64.b64decode(challenge[4:]).decode()).group(1)


is_(salt('NOSUCH@example.org'), decoy['s'], 'the salt of nobody is always the same')
ok(salt('other') != decoy['s'], '... of another nobody another one')
house.restart()
is_(salt('nosuch'), decoy['s'], '... after a restart, too')

# --- rights

for rights, smtp, pop3 in (('smtp', r'^334 ', '-ERR [AUTH] this account may not log in here'), ('pop3', r'^535 5\.7\.8 this account may not log in here', '+ '),
                           ('smtp,pop3', r'^334 ', '+ ')):
    house.ph('user', 'set', 'ann', '--rights', rights)
    with clear() as s:
        like(log_in(s, Scram('ann', 's\u00e9cret pass'))[0], smtp, 'rights=%s: SMTP' % rights)
    with house.pop3() as p:
        p.cmd()
        c = Scram('ann', 's\u00e9cret pass')
        said = p.cmd(c.final(p.cmd('AUTH SCRAM-SHA-256 ' + c.first())[2:]))
        is_(said[:len(pop3)], pop3, '... POP3')
with clear() as s:
    house.ph('user', 'set', 'ann', '--rights', 'pop3')
    plain = b64('\0ann\0s\u00e9cret pass'.encode())
    is_([s.cmd('AUTH PLAIN ' + plain)[:9] for _ in range(2)], ['535 5.7.8'] * 2, '... PLAIN, fresh and from the cache')
p = house.ph('user', 'set', 'ann', '--rights', 'stmp', check=False)
ok(p.returncode == 65 and 'rights= is smtp, pop3' in p.stderr, 'a right that there is not')
house.ph('user', 'set', 'ann', '--rights', '')

# --- under TLS

with tls(submissions) as s:
    like(s.cmd('AUTH SCRAM-SHA-256 ' + Scram('bob', 'secret', 'y').first()), r'^535', 'somebody hid -PLUS from the client: refused')
with tls(submissions) as s:
    challenge = s.cmd('AUTH SCRAM-SHA-256-PLUS ' + Scram('bob', 'secret', 'p=tls-unique').first())
    like(challenge, r'^501 5\.5\.2', 'a binding that we have not')
    c = Scram('bob', 'secret', 'p=tls-exporter', bytes(32))
    like(log_in(s, c, 'SCRAM-SHA-256-PLUS')[0], r'^535 5\.7\.8', 'the right password in another TLS session: somebody is between')

with house.pop3() as p:
    p.cmd()
    p.cmd('USER bob')
    p.cmd('STLS')
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    p.sock = c.wrap_socket(p.sock)
    is_(p.cmd('PASS secret'), '-ERR USER comes first', 'STLS: what was said in the clear is forgotten (RFC 2595, 4)')

old, session = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), None
old.check_hostname, old.verify_mode, old.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
for what in 'TLS 1.2 is bound by tls-unique (RFC 5929)', '... a session that is resumed, too':
    with Smtp(submissions) as s:
        s.sock = old.wrap_socket(s.sock, session=session)
        s.hello()
        c = Scram('bob', 'secret', 'p=tls-unique', s.sock.get_channel_binding('tls-unique'))
        like(log_in(s, c, 'SCRAM-SHA-256-PLUS')[0], r'^334 ', what)
        session, reused = s.sock.session, s.sock.session_reused
ok(reused, '... it was resumed')
with Pop3(pop3s) as p:
    p.sock = old.wrap_socket(p.sock)
    p.cmd()
    c = Scram('bob', 'secret', 'p=tls-unique', p.sock.get_channel_binding('tls-unique'))
    said = p.cmd(c.final(p.cmd('AUTH SCRAM-SHA-256-PLUS ' + c.first())[2:]))
    is_(base64.b64decode(said[2:]).decode(), c.signature, 'POP3: bound, too')
    is_(p.cmd(''), '+OK bob@example.org has 0 messages', '... and his mailbox')
    ok(b'\r\nSASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\r\n' in p.multi('CAPA')[1], '... where CAPA knows what was offered')

# --- verifiers

line = re.search(r'(?m)^bob@example.org (\S+) (\S+)$', house.path('etc', 'passwd').read_text())
ok(line and line.group(1).startswith('$y$') and line.group(2).startswith('SCRAM-SHA-256$32768:'), 'setup writes hash and verifier')
house.conf('scram_iterations = 5000')
house.ph('user', 'passwd', 'bob', '--stdin', input='fresh\n')
like(house.path('etc', 'passwd').read_text(), r'(?m)^bob@example.org \$y\$\S+ SCRAM-SHA-256\$5000:\S+$', 'so does user passwd, as set')
with clear() as s:
    c = Scram('bob', 'fresh')
    said, fields = log_in(s, c)
    is_((base64.b64decode(said[4:]).decode(), fields['i']), (c.signature, '5000'), '... and it counts')
text = house.path('etc', 'passwd').read_text()
for bad in ('x', 'SCRAM-SHA-256$5000:a$b:c', 'SCRAM-SHA-1$5000:' + line.group(2)[20:]):
    p = house.set_map('passwd', re.sub(r'(?m)^(bob@\S+ \S+) \S+', lambda m: m.group(1) + ' ' + bad, text), compile=False)
    like(house.ph('compile', check=False).stderr, r'no verifier for SCRAM: set the password', 'compile refuses ' + bad[:13])
house.set_map('passwd', re.sub(r'(?m)^(bob@\S+ \S+) \S+', r'\1', text))
house.restart()
with house.smtp(house.submission_port) as s:
    ok('AUTH PLAIN LOGIN' in s.hello(), 'somebody has a hash only: SCRAM is not offered')
    like(s.cmd('AUTH SCRAM-SHA-256 ' + Scram('ann', 's').first()), r'^504', '... nor taken')
house.set_map('passwd', text)
house.restart()

# --- other people's programs

def program(name, argv):
    if not have(argv[0]):
        skip(name, 'not installed')
        return
    r = house.run(argv, check=False, input=b'Subject: x\n\nHi\n')
    ok(r.returncode == 0, name) or diag(r.stdout, r.stderr)


program('msmtp', ['msmtp', '--host=127.0.0.1', '--port=%d' % submissions, '--tls=on', '--tls-starttls=off', '--tls-certcheck=off',
        '--auth=scram-sha-256', '--user=bob', '--passwordeval=echo fresh', '--from=bob@example.org', 'ann@example.org'])
GSASL = ['gsasl', '--smtp', '--connect=127.0.0.1:%d' % house.submission_port, '-a', 'bob', '-p', 'fresh']
program('gsasl', GSASL + ['--no-starttls', '--no-cb', '-m', 'SCRAM-SHA-256'])
program('gsasl, bound to TLS', GSASL + ['--starttls', '--x509-ca-file=', '-m', 'SCRAM-SHA-256-PLUS'])
program('gsasl, bound to TLS 1.2', GSASL + ['--starttls', '--x509-ca-file=', '--priority=NORMAL:-VERS-TLS1.3', '-m', 'SCRAM-SHA-256-PLUS'])
ok('secret' not in house.log() and 'fresh' not in house.log() and 'cret pass' not in house.log(), 'no password in the log')
done()
