#!/usr/bin/env python3
"""What a small office expects of the whole house: who gets what, who may send where."""
import os
import pwd
import socket
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

TEXT = b'Subject: lunch\r\n\r\nAt noon.\r\n'

house = House(
    domains=['a.example', 'b.example', 'marketing'],
    users=['joe@a.example:secret-a', 'joe@b.example:secret-b', 'ann@a.example:secret', 'johnsmith@marketing:secret'],
    conf='default_domain = a.example\nlog_level = detail\n',
    maps={
        'domains': 'c.example alias-of=a.example\n',
        'aliases': ''.join('w%d@a.example ann\n' % i for i in range(10)) + 'all@a.example joe, ann@a.example, joe@b.example\n',
        'access': '127.0.0.1 trust\n127.0.0.2 no-relay\n',
    }).start()


def rcpt(address, source='127.0.0.1'):
    """The reply to RCPT TO:<address> from a client at source."""
    sock = socket.socket()
    sock.bind((source, 0))
    sock.connect(('127.0.0.1', house.smtp_port))
    with Smtp(house.smtp_port, sock=sock) as s:
        s.hello()
        s.cmd('MAIL FROM:<dave@elsewhere.example>')
        return s.cmd('RCPT TO:<%s>' % address)


# Several domains, the same name in each.
like(house.send('x@y.example', 'joe@a.example', TEXT), '^250 2.0.0 .*delivered', 'delivered before the 250')
is_((len(house.mail('joe@a.example')), len(house.mail('joe@b.example'))), (1, 0), 'joe of a.example has it, joe of b.example not')
for user, password, good in (('joe@a.example', 'secret-a', True), ('joe@b.example', 'secret-b', True),
                             ('joe@a.example', 'secret-b', False)):
    with house.pop3() as p:
        is_(p.login(user, password).startswith('+OK'), good, '%s with %s' % (user, password))
with house.pop3('joe', 'secret-a') as p:
    like(p.cmd('STAT'), r'^\+OK 1 ', 'a bare login name is one of default_domain')

# A domain that is another name for one.
house.send('x@y.example', 'joe@c.example', TEXT)
mail = [headers(m) for m in house.mail('joe@a.example')]
is_(len(mail), 2, 'mail to a domain alias is in the one mailbox')
is_([v for n, v in mail[1] if n == b'X-Original-To'], [b'joe@c.example'], 'X-Original-To keeps what was written')
is_([v for n, v in mail[1] if n == b'Delivered-To'], [b'joe@a.example'], 'Delivered-To tells the mailbox')

# Ten addresses, one mailbox, one copy.
house.send('x@y.example', ['w%d@a.example' % i for i in range(10)], TEXT)
is_(len(house.mail('ann@a.example')), 1, 'ten aliases of one mailbox: one copy')
house.wait_event('smtpd.alias', rcpt='ann@a.example', n=10)
is_(sorted(e['to'] for e in house.events('smtpd.alias', rcpt='ann@a.example')), ['w%d@a.example' % i for i in range(10)],
    'the log names all ten')

# A group reaches its members once, as one inode.
house.send('x@y.example', ['all@a.example', 'ann@a.example'], TEXT)
places = [house.mail_files(a)[-1] for a in ('joe@a.example', 'ann@a.example', 'joe@b.example')]
is_(len({p.stat().st_ino for p in places}), 1, 'three mailboxes, one file')
is_(places[0].stat().st_nlink, 3, 'linked three times')
is_(os.listdir(house.path('spool', 'env')), [], 'nothing was queued')

# Names without DNS.
like(rcpt('johnsmith@marketing'), '^250 ', 'an invented one-label domain is fine')
if have('strace') and ROOT:
    pids = house.pids()
    argv = ['strace', '-f', '-qq', '-e', 'trace=connect,sendto,sendmsg', '-o', house.path('trace')]
    for pid in pids:
        argv += ['-p', pid]
    tracer = spawn(argv, stderr=subprocess.PIPE)
    wait_until(lambda: all('TracerPid:\t0\n' not in open('/proc/%d/status' % p).read() for p in pids), 5, 'strace')
    like(house.send('x@y.example', 'johnsmith@marketing', TEXT), 'delivered', 'it gets mail')
    end(tracer)
    trace = house.path('trace').read_text()
    ok('sendmsg' in trace and 'htons(53)' not in trace, 'without a DNS packet')
else:
    skip('no DNS packet for local mail', 'strace as root is needed')

# Who may send where.
like(rcpt('bob@else.example'), '^250 ', 'a trusted address may relay')
like(rcpt('bob@else.example', '127.0.0.2'), '^550 5.7.1 ', 'one with no-relay may not')
like(rcpt('bob@else.example', '127.0.0.3'), '^550 5.7.1 Relaying denied', 'a stranger may not, loopback or not')
like(rcpt('joe@a.example', '127.0.0.3'), '^250 ', 'a stranger may write to us')
like(rcpt('nobody@a.example', '127.0.0.3'), '^550 5.1.1 ', 'but not to nobody')
like(rcpt('joe'), '^250 ', 'a bare name from a trusted address is one of default_domain')
like(rcpt('joe', '127.0.0.3'), '^550 5.1.3 ', 'from a stranger it is none')
like(rcpt('postmaster', '127.0.0.3'), '^250 ', 'bare postmaster always is (RFC 5321, 4.5.1)')

# Maps: a new alias within a second, no restart; a running session keeps its generation.
pids = house.pids('smtpd')
with house.smtp() as old:
    old.hello()
    old.cmd('MAIL FROM:<>')
    house.map('aliases', 'late@a.example joe\n')
    start = time.monotonic()
    like(rcpt('late@a.example'), '^250 ', 'a new alias works for the next session')
    ok(time.monotonic() - start < 1, 'within a second')
    like(old.cmd('RCPT TO:<late@a.example>'), '^550 5.1.1 ', 'a session under way keeps its maps')
ok(pids and pids[0] in house.pids('smtpd'), 'no process was restarted')
good = house.path('etc', 'aliases').read_text()
before = os.readlink(house.path('maps', 'current'))
house.map('aliases', 'broken@a.example nosuchuser@a.example\n', compile=False)
p = house.compile(check=False)
ok(p.returncode != 0, 'a broken map does not compile')
like(p.stderr, r'aliases:\d+: .*nosuchuser@a\.example', 'and names file, line and culprit')
is_(os.readlink(house.path('maps', 'current')), before, 'the old maps stay in force')
house.set_map('aliases', good, compile=False)
house.ph('rollback')
like(rcpt('late@a.example'), '^550 5.1.1 ', 'rollback goes back one generation')

# LAN only.
house.compile()
house.conf('relay = none\n')
house.restart()
like(rcpt('bob@else.example'), '^550 5.7.1 Relaying to other domains is switched off here',
     'relay = none, even for a trusted address')
like(house.send('x@y.example', 'ann@a.example', TEXT), 'delivered', 'local mail goes on')

# Secrets and logs.
with house.smtp() as s:
    s.hello()
    s.cmd('AUTH PLAIN AGpvZQBzZWNyZXQtYQ==')
    s.cmd('AUTH LOGIN c2VjcmV0LWE=')
with house.pop3() as p:
    p.login('joe@a.example', 'secret-wrong')
log = house.log()
ok('pop3d.' in log and 'smtpd.' in log and not re.search('secret|AGpvZQBzZWNyZXQtYQ|c2VjcmV0LWE', log),
   'no password in the log, however much is logged')
for table, owner in (('passwd', 'phauth'), ('secrets', 'phcollect')):
    if ROOT:
        st = (house.path('maps', 'current') / (table + '.cdb')).stat()
        is_((oct(st.st_mode & 0o7777), pwd.getpwuid(st.st_uid).pw_name), ('0o400', owner), '%s: %s alone reads it' % (table, owner))
    else:
        skip('%s: %s alone reads it' % (table, owner), 'takes root')
done()
