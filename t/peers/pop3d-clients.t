#!/usr/bin/env python3
"""curl, mpop, fetchmail and Python's poplib fetch every odd message, octet by octet."""
import os, poplib, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *

house = PopHouse(users=['%s:secret' % u for u in ('curl', 'mpop', 'fetch', 'pop', 'leave')]).start()
big = b'Subject: big\n\n' + b''.join(b'%07d %s\n' % (i, b'.' * (i % 80)) for i in range(430000))
messages = odd_messages() + [('20 MB', big)]


def wire(octets):
    octets = octets.replace(b'\n', b'\r\n')
    return octets + (b'\r\n' if octets and not octets.endswith(b'\r\n') else b'')


def fill(user, which=messages):
    for what, octets in which:
        put(house, user, octets)


poplib._MAXLINE = 1000000  # its own limit is 2048, against RFC 5322, 2.1.1 it counts long lines an attack
fill('pop')
p = poplib.POP3('127.0.0.1', house.pop3_port)
p.user('pop')
p.pass_('secret')
is_(p.stat()[0], len(messages), 'poplib: STAT')
is_(p.capa().get('PIPELINING'), [], 'poplib: CAPA')
is_(len(p.uidl()[1]), len(messages), 'poplib: UIDL')
for i, (what, octets) in enumerate(messages, 1):
    lines = p.retr(i)[1]
    is_(b''.join(x + b'\r\n' for x in lines), wire(octets), 'poplib: ' + what)
    p.dele(i)
p.quit()
is_(house.mail('pop'), [], 'poplib: all are deleted')

if have('curl'):
    fill('curl')
    url = 'pop3://127.0.0.1:%d/' % house.pop3_port
    auth = ['--silent', '--show-error', '--user', 'curl:secret']
    listing = house.run(['curl', *auth, url]).out.decode().split()
    is_(listing[0::2], [str(i) for i in range(1, len(messages) + 1)], 'curl: LIST')
    for i, (what, octets) in enumerate(messages, 1):
        got = house.run(['curl', *auth, '--output', house.path('got'), url + str(i)], check=False)
        data = house.path('got').read_bytes() if house.path('got').exists() else b''
        house.path('got').unlink(missing_ok=True)
        # curl shows an answer without any line as one empty line.
        is_(data, wire(octets) or b'\r\n', 'curl: ' + what)
else:
    skip('curl', 'curl is not installed')

# mpop: pipelined; delivers into a maildir, octet by octet but for its own Received.
if have('mpop'):
    which = [m for m in messages if m[0] not in ('NUL', 'every octet but CR and LF', 'CR inside a line', 'empty', 'one newline',
                                                 'header without end', 'no body')]
    fill('mpop', which)
    box = house.path('mpop-box')
    for sub in ('tmp', 'new', 'cur'):
        (box / sub).mkdir(parents=True)
    rc = house.path('mpoprc')
    rc.write_text('defaults\naccount a\nhost 127.0.0.1\nport %d\nuser mpop\npassword secret\nauth user\ntls off\n'
                  'pipelining on\nkeep off\nreceived_header off\nuidls_file %s\ndelivery maildir %s\n'
                  % (house.pop3_port, house.path('uidls'), box))
    rc.chmod(0o600)
    p = house.run(['mpop', '-C', rc, 'a'], check=False, env={'HOME': str(house.dir)})
    is_(p.returncode, 0, 'mpop: exit code 0')
    got = sorted(f.read_bytes() for f in (box / 'new').iterdir())
    want = sorted(wire(octets).replace(b'\r\n', b'\n') for what, octets in which)
    is_(len(got), len(want), 'mpop: as many messages')
    is_(got, want, 'mpop: every octet')
    is_(house.mail('mpop'), [], 'mpop: all are deleted')
else:
    skip('mpop', 'mpop is not installed')

# fetchmail hands each message to a program of ours. It puts NULs of its own into lines over 8192 octets.
if have('fetchmail'):
    which = [m for m in messages if m[0] in ('plain', 'leading dots', 'a dot alone at the end', '8-bit', 'empty lines', '20 MB')]
    fill('fetch', which)
    store = house.path('store')
    store.write_text('#!/bin/sh\nexec cat > "%s/fetched.$$"\n' % house.dir)
    store.chmod(0o755)
    rc = house.path('fetchmailrc')
    rc.write_text('poll 127.0.0.1 protocol pop3 port %d auth password no dns uidl\n'
                  '  user "fetch" password "secret" sslproto "" mda "%s" no rewrite no keep\n' % (house.pop3_port, store))
    rc.chmod(0o600)
    p = house.run(['fetchmail', '-f', rc, '--pidfile', house.path('fetchmail.pid'), '--idfile', house.path('fetchids'), '--bad-header', 'accept',
                   '--fetchlimit', '0', '--nosyslog', '--invisible'], check=False,
                  env={'HOME': str(house.dir), 'FETCHMAILHOME': str(house.dir)})
    if not is_(p.returncode, 0, 'fetchmail: exit code 0'):
        diag(p.stdout + p.stderr)
    got = sorted(f.read_bytes().replace(b'\r\n', b'\n') for f in house.dir.glob('fetched.*'))
    want = sorted(octets for what, octets in which)
    for g, w in zip(got, want):
        is_(g, w, 'fetchmail: every octet')
    is_(house.mail('fetch'), [], 'fetchmail: all are deleted')
else:
    skip('fetchmail', 'fetchmail is not installed')

# Leave on server: who remembers unique-ids fetches nothing twice.
if have('mpop'):
    fill('leave', messages[:3])
    rc = house.path('mpoprc')
    rc.write_text(rc.read_text().replace('user mpop', 'user leave').replace('keep off', 'keep on'))
    before = len(list((box / 'new').iterdir()))
    for n in (1, 2):
        is_(house.run(['mpop', '-C', rc, 'a'], check=False, env={'HOME': str(house.dir)}).returncode, 0, 'mpop: keeps, run %d' % n)
        is_(len(list((box / 'new').iterdir())) - before, 3, '... has each once')
    is_(len(house.mail('leave')), 3, '... and all are still there')
done()
