#!/usr/bin/env python3
"""posthouse upstream: accounts come, are tried, and go; the maps keep what else stands in them."""
import os
import pty
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from upstream import Upstream

house = House(users=['ann:secret', 'bob:secret'])
up = Upstream([b'To: ann@example.org\r\n\r\nhello\r\n', b'To: ann@example.org\r\n\r\nhello again\r\n'])
WORDS = ['kind=domain', 'host=127.0.0.1', 'tls=none', 'login=office', 'domain=example.org', 'fallback=bob']
UPSTREAMS = '# providers\nold kind=single users=bob host=192.0.2.1 login=x # the last one\n  secret=!true\n'
SECRETS = '# secrets\nother password=x\n'
house.set_map('upstreams', UPSTREAMS, compile=False)
house.set_map('secrets', SECRETS)


def etc(name):
    return house.path('etc', name).read_text()


def upstream(*args, check=False, input=None):
    return house.ph('upstream', *args, check=check, input=input)


modes = [mode(house.path('etc', n)) for n in ('upstreams', 'secrets')]
p = upstream('add', 'office', *WORDS, 'port=%d' % up.port, 'schedule=mon-fri every 5m', '--stdin', input='sec"ret #\\\n')
is_((p.returncode, p.stderr), (0, ''), 'added')
is_(etc('upstreams'), UPSTREAMS + 'office ' + ' '.join(WORDS) + ' port=%d schedule="mon-fri every 5m"\n' % up.port,
    '... a line more, as a person would write it')
is_(etc('secrets'), SECRETS + 'office password="sec\\"ret #\\\\"\n', '... the password apart')
is_([mode(house.path('etc', n)) for n in ('upstreams', 'secrets')], modes, '... modes are kept')
like(upstream('list').stdout, r'^old +pop3  x at 192\.0\.2\.1\noffice +pop3  office at 127\.0\.0\.1\n$', 'list')
like(upstream('show', 'OFFICE').stdout, r'^account +office \(etc/upstreams:4\)\nkind +domain\n(.*\n)*schedule +mon-fri every 5m\n$', 'show')

# test

house.start()
p = upstream('test', 'office')
is_(p.returncode, 75, 'a wrong password: test fails')
like(p.stdout, r'^result +the login is refused\nreason +.*PASS', '... and says why')
ok('sec"ret' not in p.stdout + p.stderr, '... without the password')
is_(upstream('passwd', 'office', '--stdin', input='secret\n').returncode, 0, 'another password')
is_(etc('secrets'), SECRETS + 'office password=secret\n', '... in its place')
up.quirks['STAT'] = lambda c, a: c.send(b'+OK 2 68\r\n') or True
p = upstream('test', 'office')
is_((p.returncode, p.stdout), (0, 'server     127.0.0.1 port %d\ntls        none\nlogin      PASS\nmailbox    2 messages, 68 octets\n'
    'result     it works; nothing was fetched\n' % up.port), 'test: it works')
is_((len(up.messages), [c for c in up.commands if c[:4] in ('RETR', 'DELE', 'TOP ')]), (2, []), '... nothing was fetched')
is_(house.ph('collect', 'office').returncode, 0, 'and so does collect')
is_(upstream('test', 'nobody').returncode, 64, 'no such account')
up.quirks['STAT'] = lambda c, a: c.send(b'+OK many\r\n') or True
like(upstream('test', 'office').stdout, r'^reason +no answer to STAT: many', 'nonsense for an answer')

# what is refused changes nothing

before = etc('upstreams'), etc('secrets')
for name, args, code, text in (
        ('a name that is taken', ['add', 'Old', *WORDS, '--no-secret'], 65, r'Old is there already \(etc/upstreams:2\)'),
        ('a word that is none', ['add', 'new', *WORDS, 'hots=h', '--stdin'], 65, r'unknown word "hots"[^$]*nothing has changed'),
        ('an account without a secret', ['add', 'new', *WORDS, '--no-secret'], 65, 'there is no secret new'),
        ('a schedule that is none', ['add', 'new', *WORDS, 'schedule=5m', '--stdin'], 65, r'etc/upstreams:5: schedule: "5m"'),
        ('a password on the command line', ['add', 'new', *WORDS, 'password=x'], 64, 'can be seen by others'),
        ('a name that is none', ['add', 'a b', *WORDS, '--stdin'], 64, "an account's name has letters"),
        ('a word without =', ['add', 'new', 'kind'], 64, 'usage|name=value'),
        ('nobody', ['delete', 'nobody'], 67, 'no such account'),
        ('no password', ['add', 'new', *WORDS, '--stdin'], 65, 'the password is empty'),
        ('no verb', ['move', 'office'], 64, '^usage: ')):
    p = upstream(*args, input='\n' if name == 'no password' else 'secret\n')
    is_(p.returncode, code, name + ' is refused')
    like(p.stderr, text, '... and says why')
    is_((etc('upstreams'), etc('secrets')), before, '... and nothing has changed')

# a terminal is asked

master, slave = pty.openpty()
p = subprocess.Popen([BIN / 'posthouse', '-C', house.dir, 'upstream', 'passwd', 'office'], stdin=slave, stdout=subprocess.PIPE,
                     stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=lambda: __import__('fcntl').ioctl(0, 0x540e, 0))
os.close(slave)
shown = b''
while b'password' not in shown:
    shown += os.read(master, 1000)
os.write(master, b'typed\n')
is_(p.wait(20), 0, 'a terminal is asked for the password')
ok(b'typed' not in shown + p.stdout.read(), '... which is not shown')
is_(etc('secrets'), SECRETS + 'office password=typed\n', '... and set')

# and gone

p = upstream('delete', 'office')
is_((p.returncode, etc('upstreams'), etc('secrets')), (0, UPSTREAMS, SECRETS), 'deleted, with its password; the rest is as it was')
is_(upstream('del', 'nobody').returncode, 67, 'del is delete')
done()
