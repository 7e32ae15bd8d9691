#!/usr/bin/env python3
"""posthouse setup: an instance out of nothing; never a file overwritten."""
import os
import pty
import re
import select
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

MAPS = ['access', 'aliases', 'attachments', 'domains', 'filters', 'lists', 'passwd', 'posthouse.conf', 'providers',
        'routes',        'secrets', 'upstreams', 'users']


def lines(path):
    return [x for x in path.read_text().split('\n') if x and not x.startswith('#')]


house = House(setup=False)
r = house.ph('setup', '--batch', '--domain', 'Example.ORG', '--domain', 'b.example', '--user', 'Ann:s:e:c',
             '--user', 'bob@b.example:-', '--listen', '127.0.0.1', '--listen', '::1', '--smtp-port', '12025',
             '--submission-port', '12587', '--pop3-port', '12110', '--smarthost', 'mail.isp.example:26',
             '--pop3s-port', '12995', '--self-signed', input='from stdin\n')
like(r.stdout, r'^ready: posthouse -C \S+ start$', 'it says what to do next')
like(r.stdout, r'TLS: a certificate that nobody vouches for is in \S+/etc/tls', 'and where the certificate is')
etc = house.path('etc')
is_(sorted(p.name for p in etc.iterdir()), sorted(MAPS + ['tls']), 'all maps are there')
is_([n for n in MAPS if not (etc / n).read_text().startswith('# ' + n + ': ')], [], 'each says what it is')
is_(lines(etc / 'domains'), ['example.org local postmaster=ann@example.org', 'b.example local postmaster=bob@b.example'],
    'domains')
is_(lines(etc / 'users'), ['ann@example.org', 'bob@b.example'], 'users')
is_(lines(etc / 'routes'), ['* smarthost=mail.isp.example:26'], 'routes')
is_(lines(etc / 'posthouse.conf'), [
    'listen_smtp = 127.0.0.1:12025, [::1]:12025', 'listen_submission = 127.0.0.1:12587, [::1]:12587',
    'listen_pop3 = 127.0.0.1:12110, [::1]:12110',
    'listen_submissions = 127.0.0.1:%s, [::1]:%s' % (('465',) * 2 if ROOT else ('5465',) * 2),
    'listen_pop3s = 127.0.0.1:12995, [::1]:12995', 'default_domain = example.org'], 'posthouse.conf')
passwd = lines(etc / 'passwd')
is_([bool(re.fullmatch(r'(ann@example\.org|bob@b\.example) \$y\$[./A-Za-z0-9$]+ SCRAM-SHA-256\$\d+:[+/=A-Za-z0-9]+\$[+/=A-Za-z0-9]+:[+/=A-Za-z0-9]+', x)) for x in passwd], [True, True],
    'passwd: yescrypt, and a verifier for SCRAM (RFC 5803)')
is_([mode(etc / n) for n in ('passwd', 'secrets', 'users')], [0o600, 0o600, 0o644], 'secrets are for their owner')
is_([(p.name, mode(p)) for p in sorted((etc / 'tls').iterdir())],
    [('example.org.key', 0o600), ('example.org.pem', 0o600)], 'a key pair, readable by its owner')
if have('openssl'):
    r = house.run(['openssl', 'x509', '-in', etc / 'tls' / 'example.org.pem', '-noout', '-checkhost', 'example.org'])
    like(r.stdout, r'does match certificate', 'for the domain')
else:
    skip('for the domain', 'no openssl')
is_([oct(mode(house.path(d))) for d in ('etc', 'maps', 'mail', 'spool', 'state', 'run', 'log')],
    ['0o755', '0o755', '0o711', '0o2700', '0o755', '0o755', '0o750'], "the directories' modes")
if ROOT:
    import grp
    import pwd
    owners = [(pwd.getpwuid(os.stat(house.path(d)).st_uid).pw_name, grp.getgrgid(os.stat(house.path(d)).st_gid).gr_name)
              for d in ('etc', 'mail', 'spool', 'state/collect', 'state/token')]
    is_(owners, [('root', 'root'), ('phmail', 'phmail'), ('phqueue', 'phmail'), ('phcollect', 'phcollect'),
                 ('phtoken', 'phtoken')],
        'and owners')
else:
    skip('and owners', 'needs root')
ok(house.path('maps', 'current', 'users.cdb').exists(), 'the maps are compiled')

# Again, differently: nothing changes.

before = {p: p.read_bytes() for p in etc.rglob('*') if p.is_file()}
r = house.ph('setup', '--batch', '--domain', 'other.example', '--user', 'eve:secret')
house.ph('setup', '--batch', '--domain', 'example.org', '--self-signed')
after = {p: p.read_bytes() for p in etc.rglob('*') if p.is_file()}
is_([p.name for p in set(before) | set(after) if before.get(p) != after.get(p)], [], 'a second run changes no file')
like(r.stdout, r'^kept as they are in \S+: posthouse\.conf domains users ', 'and says what it kept')
(etc / 'aliases').unlink()
r = house.ph('setup', '--batch')
ok((etc / 'aliases').exists(), 'a missing file is made again')

# A place that the programs' users cannot reach.

if ROOT:
    closed = house.path('closed')
    closed.mkdir(mode=0o700)
    house.run([BIN / 'posthouse', '-C', closed / 'inner', 'setup', '--batch', '--domain', 'a.example', '--user', 'ann:x'])
    r = house.run([BIN / 'posthouse', '-C', closed / 'inner', 'check'], check=False)
    like(r.stdout, r'^%s: the programs, which are users of their own, may not enter; chmod o\+x' % closed,
         'check names a directory that keeps the programs out')
else:
    skip('check names a directory that keeps the programs out', 'needs root')

# Refusals: nothing is written.

for args, why in [
        (['--domain', '../etc'], 'the domain'), (['--domain', 'a.example', '--user', 'a/b:x'], 'the user'),
        (['--domain', 'a.example', '--user', 'ann@b.example:x'], '--domain b.example is not given'),
        (['--domain', 'a.example', '--user', 'ann:'], 'no password'), (['--smtp-port', '0'], 'not a port'),
        (['--smtp-port', '65536'], 'not a port'), (['--nonsense'], 'usage'), (['extra'], 'cannot understand')]:
    fresh = house.path('fresh')
    r = house.run([BIN / 'posthouse', '-C', fresh, 'setup', '--batch', *args], check=False)
    ok(r.returncode == 64 and why in r.stderr and not fresh.exists(), 'refused: ' + ' '.join(args))
file = house.path('people')
file.write_text('# people\nann:one\nbob@b.example:two:three\n')
r = house.run([BIN / 'posthouse', '-C', house.path('two'), 'setup', '--batch', '--domain', 'a.example', '--domain',
               'b.example', '--password-file', file])
is_(lines(house.path('two', 'etc', 'users')), ['ann@a.example', 'bob@b.example'], '--password-file')

# On a terminal it asks.


def dialogue(argv, answers):
    """Answers at each prompt; all that was shown."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    shown = b''
    answers = list(answers)
    while True:
        if not select.select([fd], [], [], 20 * PATIENCE)[0]:
            os.kill(pid, 9)
            break
        try:
            got = os.read(fd, 4096)
        except OSError:
            break
        if not got:
            break
        shown += got
        if answers and re.search(rb': $', shown):
            os.write(fd, answers.pop(0).encode() + b'\n')
            shown += b'\n'
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


asked = house.path('asked')
code, shown = dialogue([str(BIN / 'posthouse'), '-C', str(asked), 'setup'],
                       ['asked.example', 'ann', 'secret', 'secrex', 'secret', 'secret', '', '', '12026', '', '12111', ''])
is_(code, 0, 'the conversation ends well')
if code:
    diag(shown)
like(shown, r'passwords differ', 'a password mistyped is asked again')
ok('secret' not in shown, 'and never shown')
is_(lines(asked / 'etc' / 'users'), ['ann@asked.example'], 'the answers are in the maps')
like((asked / 'etc' / 'posthouse.conf').read_text(), r'^listen_smtp = 127\.0\.0\.1:12026, \[::1\]:12026$', 'and settings')
is_(lines(asked / 'etc' / 'routes'), ['* mx'], 'an empty answer is the default')
done()
