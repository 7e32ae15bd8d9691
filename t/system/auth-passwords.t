#!/usr/bin/env python3
"""Passwords that people bring along: every scheme logs in, is hashed anew when its password is said, and nobody's text is touched;
last logins."""
import json, os, re, sqlite3, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *
from authing import *

# As doveadm pw makes them, of "secret".
SCRAM = '4096,SB7yFpADBUjn08k2FDBQJg==,4Jhw2oA4EHOGHOV6L7SuhRlLPCI2iUOB3m4czaOZ+6c=,iwgzWiunhNsnFlF43KJOsg3Q0XhF1T3vCqZm+SRRl34='
HASHES = {
    'sha512': '{SHA512-CRYPT}$6$QNr1rzSEVJYzpCKC$0a0I6YDh96GRpgI3I3KmkqTzrD98tKW/O.gaGC36X/qpQLFfu9ZZ1K1gPGUJjxBkpCQbKBi8ASJRgKiN.ny5i.',
    'bare6': '$6$QNr1rzSEVJYzpCKC$0a0I6YDh96GRpgI3I3KmkqTzrD98tKW/O.gaGC36X/qpQLFfu9ZZ1K1gPGUJjxBkpCQbKBi8ASJRgKiN.ny5i.',
    'bcrypt': '{BLF-CRYPT}$2y$05$se0PDFUHbqLrdGxCz93ycuM.0Fg8DqJM4CJpugdxQUHJWLnbNEqrW',
    'ssha': '{SSHA512}HQDN8fY6ZyyDoq1qn4XpZaE43pvqEsP4Z4HFAPvTbPx9LEYz+c7rp67vUfLxyEzeNLPrjPv7tQLgkgm16HGWvVeQWzs=',
    'plain': '{PLAIN}secret',
    'scram': '{SCRAM-SHA-256}' + SCRAM,
}
if '-largon2' in (BUILDDIR / 'Makefile').read_text():
    HASHES['argon2'] = ('{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$znLeAyRV5Bx2csJplR8YtQ$'
                        'ZzSc/8f/U/UQCNjmEzbNQsET2Z7EFverBeOW6nzGxzY')
else:
    skip('Argon2', 'built without libargon2')

house = PopHouse(users=['ann:secret', 'cafe:secret'] + [u + ':secret' for u in HASHES])
TEXT = re.sub(r'(?m)^(%s)@example\.org .*' % '|'.join(HASHES), lambda m: '%s@example.org %s' % (m.group(1), HASHES[m.group(1)]),
              house.path('etc', 'passwd').read_text())
house.set_map('passwd', TEXT)
house.programs = ('authd',)
house.started = {}


def start():
    house.start_program('authd')
    wait_until(lambda: authd_answers(house), 10, 'authd answers')


def stop():
    is_(house.stop(), {'authd': 0}, 'authd ends well')


start()
a = Auth(house)
is_(a.ask('OFFER', 'any'), ['OFFERED', 'no', 'no'], 'somebody has no verifier: no SCRAM yet')
before = counts(house)
is_(a.check('sha512', 'Secret', client='192.0.2.99')[0], 'NO', 'a wrong password')
for user in HASHES:
    is_(a.check(user)[:2], ['YES', user + '@example.org'], user)
is_(a.check('ann')[0], 'YES', 'a hash of today')
renewed = {e['mailbox'] for e in house.events('auth.renewed')}
is_(renewed, {u + '@example.org' for u in HASHES}, 'each old entry was made anew, and only those')
is_(house.path('etc', 'passwd').read_text(), TEXT, "the administrator's text is as it was")
is_(a.ask('OFFER', 'any'), ['OFFERED', 'yes', 'no'], 'now all have verifiers: SCRAM is offered')
is_(counts(house)['checks'] - before['checks'], len(HASHES) + 2, 'one check for each of these')
stop()

db = sqlite3.connect('file:%s?mode=ro' % house.path('state', 'auth', 'auth.db'), uri=True)
made = dict(db.execute('SELECT address, value FROM made'))
db.close()
ok(set(made) == renewed and all(re.match(r'\$y\$j9T\$\S+ SCRAM-SHA-256\$32768:\S+$', v) for v in made.values()),
   'kept are yescrypt and a verifier') or diag(made)
is_(mode(house.path('state', 'auth', 'auth.db')) & 0o77, 0, '... for one uid alone')

# Killed at any time: what was made is there or is made again; the new hash counts.
start()
a = Auth(house)
n = len(house.events('auth.renewed'))
for user in HASHES:
    is_(a.check(user)[0], 'YES', user + ' with what was made')
is_(len(house.events('auth.renewed')), n, '... and nothing more is made')
os.kill(house.started['authd'].pid, 9)
house.started['authd'].wait()
start()
a = Auth(house)
is_(a.check('bcrypt')[0], 'YES', 'after SIGKILL, too')

# The map is the administrator's: what he changes goes first.
house.ph('user', 'passwd', 'plain', '--stdin', input='fresh\n')
is_(a.check('plain', 'secret', client='198.51.100.1')[0], 'NO', 'a new password in the map: the old one, made anew or not, is no good')
is_(a.check('plain', 'fresh', client='198.51.100.2')[0], 'YES', '... the new one is')
is_(len(house.events('auth.renewed')), n, '... and it is of today')
text = house.path('etc', 'passwd').read_text()
house.set_map('passwd', re.sub(r'(?m)^bcrypt@\S+ ', 'bcrypt@example.org *', text))
is_(a.check('bcrypt', client='198.51.100.3')[0], 'NO', 'a locked entry: nothing made earlier opens it')
house.set_map('passwd', text)
is_(a.check('bcrypt')[0], 'YES', '... unlocked again')

# Nobody and somebody cost one check each, whatever the hash.
was = counts(house)['checks']
for login, client in (('nosuch', '203.0.113.1'), ('ssha', '203.0.113.2')):
    is_(a.check(login, 'wrong', client=client), ['NO', 'wrong%20name%20or%20password'], 'the same words: ' + login)
    now = counts(house)['checks']
    is_(now - was, 1, '... after one check')
    was = now

# What people see of it.
shown = house.ph('status', '--auth').stdout
c = counts(house)
like(shown, r'(?m)^logins since 20\S+ \S+: %d good, %d of them known from the cache; %d refused; 0 put off$' % (c['passed'], c['cached'], c['failed']),
     'status --auth counts logins')
like(shown, r'(?m)^passwords checked: %d; waiting for it: 0; remembered: %d, of 16384 at most$' % (c['checks'], c['remembered']), '... and checks')
like(shown, r'(?m)^hashes made anew: %d$' % (len(HASHES)), '... and hashes')
like(shown, r'(?m)^  nosuch@example\.org from 203\.0\.113\.1: 1 failures$', '... and penalties, of anybody')
like(shown, r'(?m)^  whatever is tried from 203\.0\.113\.2: 1 failures$', '... and of addresses')
told = json.loads(house.ph('status', '--auth', '--json').stdout)
is_((told['failed'], {'account': 'ssha@example.org', 'client': '203.0.113.2', 'failures': 1} in told['delayed']), (c['failed'], True), '--json')
is_(house.ph('status', '--auth', '--watch', check=False).returncode, 64, 'no --watch')
ok(c['failed'] >= 4 and c['passed'] >= 3, 'they are numbers')

# Last logins.
shown = house.ph('user', 'show', 'bcrypt').stdout
like(shown, r'(?m)^last      20\d\d-\d\d-\d\d \d\d:\d\d, pop3 from 192\.0\.2\.1$', 'user show: the last login')
a.check('bcrypt', client='2001:db8::7', service='submission')
people = {p['address']: p for p in json.loads(house.ph('user', 'list', '--json').stdout)}
last = people['bcrypt@example.org']['last_login']
ok(last['service'] == 'submission' and last['client'] == '2001:db8::7' and abs(last['at'] - time.time()) < 60, 'a later one takes its place') or diag(last)
ok('last_login' not in people['cafe@example.org'], 'who never was there has none')
like(house.ph('user', 'list').stdout, r'(?m)^- +cafe@example\.org +0 .*  never$', 'user list says so')
stop()
like(house.ph('user', 'show', 'bcrypt').stdout, r'(?m)^messages ', 'without authd: the rest is shown')
r = house.ph('status', '--auth', check=False)
ok(r.returncode == 69 and 'cannot ask authd' in r.stderr, 'status --auth: says so')
start()
like(house.ph('user', 'show', 'bcrypt').stdout, r'submission from 2001:db8::7', 'kept over a restart')
house.ph('user', 'delete', 'argon2', check=False)
stop()
start()
db = sqlite3.connect('file:%s?mode=ro' % house.path('state', 'auth', 'auth.db'), uri=True)
is_(list(db.execute("SELECT address FROM made WHERE address LIKE 'argon2@%' UNION SELECT address FROM logins WHERE address LIKE 'argon2@%'")), [],
    'who was deleted is forgotten with the next start')
db.close()
stop()

# Not wanted.
house.conf('password_upgrade = no\nlogin_separators = +')
house.path('state', 'auth', 'auth.db').unlink()
start()
a = Auth(house)
is_(a.check('sha512')[0], 'YES', 'password_upgrade = no: a login')
is_(len(house.events('auth.renewed')), n, '... makes nothing')
is_(a.check('sha512+example.org')[:2], ['YES', 'sha512@example.org'], 'login_separators: the one that is set')
is_(a.check('sha512%example.org', client='203.0.113.77')[0], 'NO', '... and no other')
stop()

# A memory that cannot be used is no reason to keep people out.
house.path('state', 'auth', 'auth.db').write_bytes(b'not a database, and long enough to be looked at' * 100)
start()
is_(Auth(house).check('sha512')[0], 'YES', 'a broken file: logins go on')
like(house.log(), r'last logins are not remembered', '... and the log says what is missing')
like(house.ph('user', 'list').stdout, r'(?m)^- +sha512@example\.org +0 .*  \?$', '... and so does user list')
stop()
log = house.log()
ok('secret' not in log and 'fresh' not in log and '$y$' not in log, 'no password and no hash in the log')
done()
