#!/usr/bin/env python3
"""The dialogue with authd, packet by packet: who may ask what, tickets, the cache, delays, and that
nobody waits behind somebody else."""
import os, pwd, select, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *
from authing import *

N = 12
house = PopHouse(users=['ann:secret', 'bob:secret'] + ['u%d:secret' % i for i in range(N)])
house.programs = ('authd',)
house.started = {}
house.start_program('authd')
SOCKET = str(house.path('run', 'auth'))
wait_until(lambda: os.path.exists(SOCKET), 10, 'authd listens')


def as_user(name, *words):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        who = pwd.getpwnam(name)
        os.setgroups([])
        os.setgid(who.pw_gid)
        os.setuid(who.pw_uid)
        try:
            got = ' '.join(Auth(house).ask(*words))
        except OSError as e:
            got = str(e)
        os.write(w, got.encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        got = f.read()
    os.waitpid(pid, 0)
    return got


def redeem(ticket):
    """As who may; as root that is phmail alone."""
    return as_user('phmail', 'REDEEM', ticket).split(' ') if ROOT else a.ask('REDEEM', ticket)


NO = ['NO', 'wrong%20name%20or%20password']
a = Auth(house)
yes = a.check('ann')
is_(yes[:2], ['YES', 'ann@example.org'], 'YES names the mailbox')
like(yes[2], r'^[0-9a-f]{64}$', '... and a ticket of 256 bits')
is_(redeem(yes[2]), ['OWNER', 'ann@example.org', '%s/./example.org/ann' % house.path('mail')], 'REDEEM: the mailbox and its maildir')
is_(redeem(yes[2])[0], 'NO', '... once')
for bad in ('', '0' * 64, yes[2][:63], yes[2] + '0', yes[2].upper(), 'x' * 64, 'y' * 5000):
    is_(redeem(bad)[0], 'NO', 'no ticket: %.20s' % bad)
tickets = {a.check('ann')[2] for _ in range(50)}
is_(len(tickets), 50, 'every ticket is another one')

# What breaks the table ends the connection, and nothing else.
for what, packet in (('an unknown verb', b'HELLO x'), ('too few words', b'CHECK a b c'), ('too many', b'CHECK a b c d e'),
                     ('a server\'s word', b'YES a b'), ('NUL in a word', b'CHECK a%00 b c d'), ('not encoded', b'CHECK a%zz b c d'),
                     ('no words', b'CHECK')):
    b = Auth(house)
    b.s.send(packet)
    is_(b.s.recv(100), b'', what + ': closed')
b = Auth(house)
b.say('CHECK', 'bob', 'wrong', 'pop3', '192.0.2.2')
b.say('CHECK', 'bob', 'wrong', 'pop3', '192.0.2.2')
is_(b.hear(), [''], 'a second question before the answer: closed')
is_(a.check('ann')[0], 'YES', 'others are served on')
late = []
for what, words in (('an empty login', ('', 'secret')), ('an empty password', ('bob', '')), ('a long login', ('l' * 321, 'secret')),
                    ('a long password', ('bob', 'p' * 1025)), ('a kilobyte', ('bob', 'p' * 1024))):
    b = Auth(house)
    b.say('CHECK', *words, 'pop3', '192.0.2.%d' % (10 + len(what)))
    late.append((what, b))
for what, b in late:
    is_(b.hear(), NO, what)

# The cache: the second time costs no hash.
began = time.monotonic()
for _ in range(200):
    if a.check('ann')[0] != 'YES':
        break
each = (time.monotonic() - began) / 200
ok(each < 0.005 * PATIENCE, 'a known password takes %.2f ms' % (each * 1000))

# Slow hashes wait in line; what is cached does not.
others = [Auth(house) for _ in range(N)]
for i, o in enumerate(others):
    o.say('CHECK', 'u%d' % i, 'secret', 'pop3', '198.51.100.%d' % i)
is_(a.check('ann')[0], 'YES', 'a cached answer while %d hashes are computed' % N)
ok(len(select.select([o.s for o in others], [], [], 0)[0]) < N, '... does not wait for them')
is_([o.hear()[0] for o in others], ['YES'] * N, '... which all come')

# Delays: per account and address, one attempt after the other; never for others.
guess = [Auth(house) for _ in range(2)]
began = time.monotonic()
for i, g in enumerate(guess):
    g.say('CHECK', 'bob', 'guess%d' % i, ('pop3', 'submission')[i], '203.0.113.1')
elsewhere = Auth(house)
first = elsewhere.check('bob', client='203.0.113.2')
ok(first[0] == 'YES' and time.monotonic() - began < 1.5 * PATIENCE, 'guesses from one address do not delay the owner at another')
times = []
for g in guess:
    is_(g.hear(), NO, 'a wrong guess')
    times.append(time.monotonic() - began)
ok(times[0] >= 1.9 and times[1] >= 5.9, 'two at once, of different services, are answered one by one: %s' % ['%.1f' % t for t in times])

# Unknown and known cost the same, and get the same words.
took = {}


def wrong(login, client):
    began = time.monotonic()
    got = Auth(house).check(login, 'not this', client=client)
    took[login] = time.monotonic() - began, got


checks = counts(house)['checks']
threads = [threading.Thread(target=wrong, args=x) for x in (('ann', '203.0.113.31'), ('nosuch', '203.0.113.32'))]
for t in threads:
    t.start()
for t in threads:
    t.join()
is_((took['ann'][1], took['nosuch'][1]), (NO, NO), 'a wrong password and an unknown login: the same words')
is_(counts(house)['checks'] - checks, 2, '... each after one check')
ok(min(took['ann'][0], took['nosuch'][0]) >= 1.9, '... and both with the same delay: %.3f and %.3f s' % (took['ann'][0], took['nosuch'][0]))

# An address that fails on many accounts waits with all of them.
many = [Auth(house) for _ in range(6)]
for i, m in enumerate(many):
    m.say('CHECK', 'v%d' % i, 'guess', 'pop3', '2001:db8:1:2::%d' % i)  # one /64 is one client
for m in many:
    m.hear()
began = time.monotonic()
is_(Auth(house).check('u1', client='2001:db8:1:2::77')[0], 'YES', 'an address with many failures: what the cache knows is answered')
ok(time.monotonic() - began < 0.5 * PATIENCE, '... at once')
house.ph('user', 'passwd', 'u1', '--stdin', input='fresh\n')
began = time.monotonic()
is_(Auth(house).check('u1', 'fresh', client='2001:db8:1:2::77')[0], 'YES', '... what it does not know')
ok(time.monotonic() - began > 1.9, '... is not')
is_(Auth(house).check('u1', 'secret', client='2001:db8:9::1'), NO, 'the old password was in the cache, and is no good')

# As root: by uid.
if ROOT:
    ticket = a.check('ann')[2]
    is_(as_user('phpop3', 'REDEEM', ticket), '', 'phpop3 may not redeem')
    is_(as_user('phsmtpd', 'REDEEM', ticket), '', 'nor may phsmtpd')
    like(as_user('phmail', 'REDEEM', ticket), r'^OWNER ann@example\.org ', 'phmail may')
    like(as_user('phpop3', 'CHECK', 'ann', 'secret', 'pop3', '192.0.2.1'), '^YES ', 'phpop3 may check')
    got = as_user('nobody', 'CHECK', 'ann', 'secret', 'pop3', '192.0.2.1')
    ok(not got.startswith('YES') and not got.startswith('NO'), 'nobody may ask anything: %r' % got)
else:
    skip('uids', 'not root')

log = house.log()
ok('secret' not in log and 'guess' not in log and 'fresh' not in log, 'no password in the log')
ok(not any(t in log for t in tickets), 'no ticket in the log')
is_(house.stop(), {'authd': 0}, 'authd ends with exit code 0')
done()
