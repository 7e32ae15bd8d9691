#!/usr/bin/env python3
"""Who may log in, from where, under which names; and what guessing costs."""
import os, re, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *

house = PopHouse(domains=['example.org'], users=['ann:secret', 'bob:pass word ', 'off:secret', 'x:secret', 'y:secret', 'z:secret'],
                 maps={'domains': 'alias.example alias-of=example.org\n'})
text = house.path('etc', 'users').read_text().replace('off@example.org', 'off@example.org disabled')
house.set_map('users', text + 'o%hara@example.org maildir=example.org/ohara\n', compile=False)
passwd = house.path('etc', 'passwd').read_text()
house.map('passwd', 'o%hara@example.org ' + re.search(r'(?m)^ann@\S+ (\S+)', passwd).group(1))
house.start()


def answer(user, password, host='127.0.0.1', port=None):
    with Pop3(port or house.pop3_port, host) as p:
        return p.login(user, password)


for login, what in (('ann', 'a bare name, in the only domain'), ('ann@example.org', 'the full address'),
                    ('ANN@Example.ORG', '... in any case'), ('ann%example.org', 'user%domain'), ('ann#example.org', 'user#domain'),
                    ('ann$example.org', 'user$domain'), ('ann%alias.example', '... with an alias domain'),
                    ('ann@127.0.0.1', 'user@address'), ('ann@[127.0.0.1]', 'user@[address]'), ('ann@[IPv6:::1]', 'user@[IPv6:address]'), ('ann@alias.example', '... by an alias domain')):
    is_(answer(login, 'secret'), '+OK ann@example.org has 0 messages', what)
is_(answer('o%hara', 'secret'), '+OK o%hara@example.org has 0 messages', 'a separator may stand in a name itself')
is_(answer('bob', 'pass word '), '+OK bob@example.org has 0 messages', 'blanks belong to a password')

# AUTH (RFC 5034). b64 of "\0ann\0secret", "ann", "secret".
with house.pop3() as p:
    p.talk('''
        S: +OK*
        C: AUTH
        S: -ERR wrong arguments
        C: AUTH GSSAPI
        S: -ERR no such mechanism here
        C: AUTH PLAIN
        S: + *
        C: *
        S: -ERR cancelled
        C: AUTH PLAIN no-base64
        S: -ERR not what this mechanism wants, in base64
        C: AUTH PLAIN
        S: + *
        C: AGFubgBzZWNyZXQ=
        S: +OK ann@example.org has 0 messages
        C: AUTH PLAIN
        S: -ERR unknown command
        C: QUIT
        S: +OK
    ''', 'AUTH PLAIN, and its errors')
with house.pop3() as p:
    p.talk('''
        S: +OK*
        C: AUTH LOGIN
        S: + VXNlcm5hbWU6
        C: YW5u
        S: + UGFzc3dvcmQ6
        C- c2VjcmV0\\r\\nSTAT\\r\\n
        S: +OK ann@example.org has 0 messages
        S: +OK 0 0
    ''', 'AUTH LOGIN, with a command pipelined behind it')
for initial, then in (('PLAIN AGFubgBzZWNyZXQ=', None), ('plain YW5uAGFubgBzZWNyZXQ=', None), ('LOGIN YW5u', 'c2VjcmV0')):
    with house.pop3() as p:
        p.cmd()
        said = p.cmd('AUTH ' + initial)
        if then:
            is_(said, '+ UGFzc3dvcmQ6', 'AUTH %s: the password is asked for' % initial)
            said = p.cmd(then)
        is_(said, '+OK ann@example.org has 0 messages', 'AUTH %s: an initial response' % initial)
with house.pop3() as p:
    p.cmd()
    is_(p.cmd('AUTH PLAIN ='), '-ERR not what this mechanism wants, in base64', 'an empty initial response')
with house.pop3() as p:
    p.cmd()
    p.cmd('AUTH PLAIN')
    like(p.cmd('A' * 12300), r'^-ERR line too long', 'a line over 12,288 octets')
    like(p.cmd('CAPA'), r'^\+OK', '... ends the exchange, not the session')

# Wrong ones, at the same time: each is answered late, none delays another.
results = {}


def attempt(key, login, password):
    began = time.monotonic()
    results[key] = (answer(login, password), time.monotonic() - began)


threads = [threading.Thread(target=attempt, args=a) for a in (
    ('wrong', 'x', 'guess'), ('nobody', 'nosuch', 'secret'), ('elsewhere', 'ann@else.example', 'secret'),
    ('no address', 'a b@c@d', 'secret'), ('disabled', 'off', 'secret'), ('disabled, wrong', 'off', 'guess'),
    ('blank', 'y', ' '), ('case', 'z', 'Secret'))]
for t in threads:
    t.start()
time.sleep(0.3)
began = time.monotonic()
is_(answer('ann', 'secret'), '+OK ann@example.org has 0 messages', 'others log in meanwhile')
ok(time.monotonic() - began < 1 * PATIENCE, '... at once')
for t in threads:
    t.join()
NO = '-ERR [AUTH] wrong name or password'
for key in ('wrong', 'nobody', 'elsewhere', 'no address', 'disabled, wrong', 'blank', 'case'):
    is_(results[key][0], NO, 'one answer: ' + key)
    ok(results[key][1] >= 1.9, '... late')
is_(results['disabled'][0], '-ERR [AUTH] account disabled', 'disabled, told to who knows the password')
ok(house.wait_event('auth.failed', login='nosuch', reason='no such login', client='127.0.0.1'), 'the log knows the reason')

# Three failures end the session; the delays grow.
with house.pop3() as p:
    p.cmd()
    for n in range(3):
        p.cmd('USER nosuch%d' % n)
        is_(p.cmd('PASS guess'), NO, 'failure %d' % (n + 1))
    ok(p.closed(), 'the third failure ends the session')

# Passwords in the clear: by plaintext_login.
def policy(value, maps=None):
    other = PopHouse(users=['ann:secret'], conf='plaintext_login = %s' % value, maps=maps)
    other.conf('listen_pop3 = *:%d' % other.pop3_port)
    return other.start()


REFUSED = '-ERR [SYS/PERM] passwords are not taken over an unencrypted connection from your address'


def from_address(house, source, user='ann', password='secret'):
    import socket
    s = socket.create_connection(('127.0.0.1', house.pop3_port), 10, (source, 0))
    with Pop3(0, sock=s) as p:
        p.cmd()
        p.send('CAPA\r\n')
        capa = []
        while True:
            line = p.cmd()
            if line == '.':
                break
            capa.append(line)
        return p.cmd('USER ' + user), 'USER' in capa, p.cmd('PASS ' + password)


GOOD = '+OK ann@example.org has 0 messages'
h = policy('loopback')
is_(from_address(h, '127.0.0.1'), ('+OK', True, GOOD), 'loopback: taken from 127.0.0.1')
is_(from_address(h, '127.0.0.2'), (REFUSED, False, REFUSED), '... not from 127.0.0.2, and CAPA offers no USER')
h.stop()
h = policy('never')
is_(from_address(h, '127.0.0.1'), (REFUSED, False, REFUSED), 'never')
h.stop()
h = policy('always')
is_(from_address(h, '127.0.0.2'), ('+OK', True, GOOD), 'always')
h.stop()
h = policy('trusted', {'access': '127.0.0.3 trust\n'})
is_(from_address(h, '127.0.0.3'), ('+OK', True, GOOD), 'trusted: by the access map')
is_(from_address(h, '127.0.0.2'), (REFUSED, False, REFUSED), '... and by nothing else')
h.map('access', '127.0.0.2 trust\n')
is_(from_address(h, '127.0.0.2'), ('+OK', True, GOOD), '... which counts from the next session on')
h.stop()

# Several domains and no default: bare names are nobody's.
h = PopHouse(domains=['a.example', 'b.example'], users=['joe@a.example:one', 'joe@b.example:two'])
h.set_map('posthouse.conf', ''.join(x + '\n' for x in h.path('etc', 'posthouse.conf').read_text().split('\n')
                                   if not x.startswith('default_domain')))
h.start()
with h.pop3() as p:
    is_(p.login('joe', 'one'), '-ERR [AUTH] full address needed: log in as name@domain', 'a bare name that is not clear')
with h.pop3() as p:
    is_(p.login('joe@a.example', 'one'), '+OK joe@a.example has 0 messages', 'each domain has its own people')
with h.pop3() as p:
    is_(p.login('joe@b.example', 'two'), '+OK joe@b.example has 0 messages', '... and passwords')
h.stop()

# authd away: temporary trouble, told as such; and back again.
end(house.started['authd'])
is_(answer('ann', 'secret'), '-ERR [SYS/TEMP] login not possible now, try again later', 'no authd: SYS/TEMP')
house.start_program('authd')
ok(wait_until(lambda: answer('ann', 'secret') == GOOD, 10), 'authd is back: so are logins')

# A changed password counts at once.
house.ph('user', 'passwd', 'ann', '--stdin', input='fresh\n')
is_(answer('ann', 'fresh'), GOOD, 'a new password counts at once')
is_(answer('ann', 'secret'), NO, '... and the old one no more')
house.ph('user', 'disable', 'ann')
is_(answer('ann', 'fresh'), '-ERR [AUTH] account disabled', 'so does disable, cache or not')
ok('secret' not in house.log() and 'fresh' not in house.log() and 'pass word' not in house.log(), 'no password in the log')
done()
