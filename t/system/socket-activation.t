#!/usr/bin/env python3
"""systemd: the units are sound, and a program takes its sockets from systemd as it does from master."""
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

if not have('systemd-socket-activate'):
    skip_all('systemd-socket-activate is not there')

# The units, as they are installed, with programs that exist.

house = House(setup=False)
units = house.path('units')
units.mkdir()
libexec = house.path('libexec')
libexec.symlink_to(LIBEXEC)
names = []
for path in sorted((SRCDIR / 'etc' / 'systemd').iterdir()):
    name = path.name[:-3] if path.name.endswith('.in') else path.name
    text = path.read_text().replace('@pkglibexecdir@', str(libexec))
    (units / name).write_text(text)
    names.append(name)
if have('systemd-analyze'):
    r = house.run(['systemd-analyze', '--man=no', 'verify', *[units / n for n in names]], check=False)
    is_((r.returncode, r.stdout + r.stderr), (0, ''), 'systemd-analyze verify has nothing to say')
else:
    skip('systemd-analyze verify has nothing to say', 'no systemd-analyze')
made = sorted(p.name for p in (BUILDDIR / 'etc' / 'systemd').glob('*.service'))
is_(made, sorted(n for n in names if n.endswith('.service')), 'make writes every service')
is_([n for n in made if '@' in (BUILDDIR / 'etc' / 'systemd' / n).read_text()], [], 'with all names filled in')

# The sockets of the units are those that master would open.

source = (SRCDIR / 'master' / 'services.c').read_text()
table = set(re.findall(r'^\t\{ "(\w+)", +SOCKET_', source, re.M))
fdnames = {re.search(r'FileDescriptorName=(\w+)', (units / n).read_text()).group(1)
           for n in names if n.endswith('.socket')}
is_(fdnames, table, "the units' sockets are those of master's table")
services = set(re.findall(r'^\t\{ "(\w+)", +USER_', source, re.M))
is_({n[len('posthouse-'):-len('.service')] for n in made}, services, 'and so are the services')

# smtpd, started by the first connection.

house = House()
house.spawn('queued')
house.spawn('local')
wait_until(lambda: house.path('run', 'submit').exists(), 10, 'queued listens')
log = open(house.path('log', 'smtpd.log'), 'ab')
p = spawn(['systemd-socket-activate', '-l', '127.0.0.1:%d' % house.smtp_port, '-l', '127.0.0.1:%d' % house.submission_port,
           '--fdname=smtp:submission', LIBEXEC / 'smtpd', '-C', house.dir], stderr=log)


def answers(port):
    try:
        with Smtp(port) as s:
            return s.reply()[0] == 220
    except OSError:
        return False


ok(wait_until(lambda: answers(house.smtp_port), 10), 'smtpd answers on the socket it was given')
ok(answers(house.submission_port), 'and on the second one')
is_(house.send('x@else.example', 'ann@example.org', b'Subject: a\r\n\r\nb\r\n')[:3], '250', 'it takes a message')
is_(len(house.wait_mail('ann@example.org', 1)), 1, 'which arrives')
end(p)
is_(p.returncode, 0, 'and ends when it is told')

# pop3d likewise.

house.spawn('authd')
wait_until(lambda: house.path('run', 'auth').exists(), 10, 'authd listens')
p = spawn(['systemd-socket-activate', '-l', '127.0.0.1:%d' % house.pop3_port, '--fdname=pop3', LIBEXEC / 'pop3d', '-C',
           house.dir], stderr=open(house.path('log', 'pop3d.log'), 'ab'))


def greets():
    try:
        with Pop3(house.pop3_port) as c:
            return (c.cmd() or '').startswith('+OK')
    except OSError:
        return False


ok(wait_until(greets, 10), 'pop3d answers on the socket it was given')
with house.pop3('ann@example.org') as c:
    like(c.cmd('STAT'), r'^\+OK 1 ', 'and serves the mailbox')
end(p)
is_(p.returncode, 0, 'and ends when it is told')

# Accept=yes: a process a connection, which it gets itself.

port = free_port()
spawn(['systemd-socket-activate', '--accept', '-l', '127.0.0.1:%d' % port, LIBEXEC / 'smtpd', '-C', house.dir], stderr=log)
ok(wait_until(lambda: answers(port), 10), 'Accept=yes: smtpd answers')
house.set_map('access', '127.0.0.9 reject text="Not you"\n')
with Smtp(0, sock=socket.create_connection(('127.0.0.1', port), 15, ('127.0.0.9', 0))) as s:
    s.talk('S: 554 5.7.1 Not you', '... knows whose the connection is')
    ok(s.closed(), '... and ends')
with Smtp(port) as s:
    s.hello()
    like(s.message('bob@client.example', ['ann@example.org'], 'Subject: x\r\n'), '^250', '... takes a message')
done()
