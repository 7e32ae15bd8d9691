#!/usr/bin/env python3
"""posthouse route: the answer, the exit code, and the line of each map that decides."""
import json
import os
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House(setup=False)
for name in ('etc', 'maps'):
    house.path(name).mkdir()
for name, text in {
    'posthouse.conf': 'hostname = mx.example.org\n',
    'domains': '# ours\nexample.org local postmaster=ann\nb.example alias-of=example.org\n',
    'users': 'ann name="Ann Archer" maildir=old/ann\nbob copy-to=ann\neve disabled\n',
    'aliases': 'sales ann, carl@else.example\nspam :discard:\n',
    'routes': 'else.example smarthost=mail.isp.example\n',
    'access': '192.0.2.0/24 trust\n198.51.100.1 reject text="Not you"\nsender:@bad.example reject\n',
}.items():
    house.set_map(name, text, compile=False)
p = house.program('route', 'ann', check=False)
is_(p.returncode, 78, 'before the first compile there is no answer')
like(p.stderr, 'posthouse compile', '... but a hint')
house.program('compile')


def route(*args):
    return house.program('route', *args, check=False)


p = route('Sales@b.example')
is_(p.returncode, 0, 'accepted: exit 0')
is_(p.stdout, '''Sales@b.example
    client one of our own people
    domains:2 example.org is local
    domains:3 b.example is example.org
    aliases:1 sales@example.org → ann, carl@else.example
    users:1 ann@example.org is a mailbox
    routes:1 else.example → smarthost=mail.isp.example
  ann@example.org by local in %s
  carl@else.example by smarthost:mail.isp.example:25
accepted: 250 2.1.5 Recipient ok
''' % house.path('mail', 'old', 'ann'), 'each step with its line')

p = route('--json', '--client', '192.0.2.9', 'bob@example.org')
is_(json.loads(p.stdout), {
    'address': 'bob@example.org', 'verdict': 'accepted', 'code': 250, 'enhanced': '2.1.5', 'text': 'Recipient ok',
    'steps': [
        {'map': 'access', 'line': 1, 'text': 'client 192.0.2.9 trust'},
        {'map': 'domains', 'line': 2, 'text': 'example.org is local'},
        {'map': 'users', 'line': 2, 'text': 'bob@example.org is a mailbox'},
        {'map': 'users', 'line': 2, 'text': 'bob@example.org copies to ann'},
        {'map': 'users', 'line': 1, 'text': 'ann@example.org is a mailbox'},
    ],
    'recipients': [
        {'address': 'bob@example.org', 'action': 'local', 'nexthop': 'local',
         'maildir': str(house.path('mail', 'example.org', 'bob'))},
        {'address': 'ann@example.org', 'action': 'local', 'nexthop': 'local',
         'maildir': str(house.path('mail', 'old', 'ann'))},
    ]}, 'the same for programs')

for args, code, last in [
    (('nobody@example.org',), 69, 'rejected: 550 5.1.1 No such user here'),
    (('eve',), 69, 'rejected: 550 5.2.1 Mailbox disabled'),
    (('spam',), 0, 'accepted: 250 2.1.5 Recipient ok (and discarded)'),
    (('postmaster',), 0, 'accepted: 250 2.1.5 Recipient ok'),
    (('x@far.example',), 0, 'accepted: 250 2.1.5 Recipient ok'),
    (('--client', '203.0.113.1', 'x@far.example'), 69, 'rejected: 550 5.7.1 Relaying denied'),
    (('--client', '203.0.113.1', 'ann'), 69, 'rejected: 550 5.1.3 The address needs a domain'),
    (('--client', '203.0.113.1', 'ann@example.org'), 0, 'accepted: 250 2.1.5 Recipient ok'),
    (('--client', '127.0.0.1', 'x@far.example'), 69, 'rejected: 550 5.7.1 Relaying denied'),
    (('--client', '198.51.100.1', 'ann@example.org'), 69, 'rejected: 554 5.7.1 Not you'),
    (('--client', '203.0.113.1', '--from', 'x@bad.example', 'ann@example.org'), 69,
     'rejected: 550 5.7.1 Access denied'),
    (('no address',), 69, 'rejected: 501 5.1.3 This is no address'),
]:
    p = route(*args)
    is_((p.returncode, p.stdout.split('\n')[-2]), (code, last), ' '.join(args))
# Over the quota: what smtpd says at RCPT, as long as it is believed.
house.set_map('users', 'ann quota=2G\nbob copy-to=ann\n', compile=False)
house.set_map('aliases', '', compile=False)
house.program('compile')
p = route('ann')
like(p.stdout, r'^    users:1 ann@example\.org is a mailbox with quota=2G$', 'the quota is named')
is_(p.returncode, 0, '... and there is room')
full = house.path('state', 'full')
full.mkdir(parents=True)
mark, now = full / 'ann@example.org', time.time()


def marked(first_s, last_s):
    mark.touch()
    os.utime(mark, (now - first_s, now - last_s))
    p = route('ann')
    return p.returncode, p.stdout.split('\n')[-2]


is_(marked(600, 10), (75, 'deferred: 452 4.2.2 The mailbox is full: try again later'), 'full')
like(route('ann').stdout, r'^    quota ann@example\.org is full, for 1\d minutes now$', '... for how long')
is_(marked(4 * 86400, 10), (69, 'rejected: 552 5.2.2 The mailbox is full'), 'full for longer than quota_grace')
is_(route('bob').returncode, 0, 'bob gets his, though ann does not get hers')
like(route('bob').stdout, 'ann@example.org is full', '... which is said')
is_(marked(600, 600)[0], 0, 'what was seen ten minutes ago is not believed')
is_(route().returncode, 64, 'an address is needed')
is_(route('--client', 'here', 'ann').returncode, 64, 'a client is an IP address')

house.conf('hostname = mx.example.org\nrelay = none', compile=False)
house.program('compile')
is_(route('x@far.example').stdout.split('\n')[-2],
    'rejected: 550 5.7.1 Relaying to other domains is switched off here', 'relay = none')
done()
