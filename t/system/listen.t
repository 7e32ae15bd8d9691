#!/usr/bin/env python3
"""Where the house listens: on what the settings name and nowhere else; ports by name and by number."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *


def answers(address, port):
    """Does somebody listen there?"""
    try:
        socket.create_connection((address, port), 5).close()
        return True
    except OSError:
        return False


def has(address):
    """Can one listen there at all?"""
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.bind((address, 0))
        return True
    except OSError:
        return False


# What setup writes: this machine only, until somebody says otherwise.
house = House(setup=False)
house.ph('setup', '--batch', '--domain', 'example.org', '--user', 'ann:secret')
shown = house.ph('conf').stdout
for service, port in ('smtp', 25), ('submission', 587), ('pop3', 110):
    like(shown, r'^listen_%s = 127\.0\.0\.1:%d, \[::1\]:%d$' % (service, port, port), '%s: the loopbacks only' % service)

# One address of several.
one, every, both = free_port(), free_port(), free_port()
house.conf('listen_smtp = 127.0.0.2:%d\nlisten_submission = %d\nlisten_pop3 = *:%d' % (one, every, both))
house.start()
is_([answers(a, one) for a in ('127.0.0.2', '127.0.0.1', '127.0.0.3')], [True, False, False], 'one address: there and nowhere else')
for port, how in (every, 'a port alone'), (both, '*'):
    ok(answers('127.0.0.1', port) and answers('127.0.0.9', port), how + ': every address')
    if has('::1'):
        ok(answers('::1', port), '... of IPv6, too')
    else:
        skip('... of IPv6, too', 'this machine has none')
house.stop()

# Ports by name; none; twice the same.
house.conf('listen_smtp = 127.0.0.1:smtp\nlisten_submission = 127.0.0.1:submission\nlisten_pop3 = 127.0.0.1:pop3')
is_(house.compile(check=False).returncode, 0, 'ports by name')
house.conf('listen_submission = 127.0.0.1:25', compile=False)
p = house.compile(check=False)
is_(p.returncode, 65, 'one port twice, by name and by number')
like(p.stderr, r'posthouse\.conf:\d+: listen_submission: port 25 is taken', '... the compiler says so')
house.conf('listen_submission = none\nlisten_smtp = 127.0.0.1:%d\nlisten_pop3 = none' % one)
house.start()
is_([answers('127.0.0.1', p) for p in (one, every, both)], [True, False, False], 'none: nowhere')
like(house.ph('status').stdout, r'^ +smtp +on 127\.0\.0\.1:%d$' % one, 'status tells where')
house.stop()

# All addresses of a port that somebody has: the others start, and it is said who is in the way.
with socket.socket() as thief:
    thief.bind(('0.0.0.0', 0))
    thief.listen()
    port = thief.getsockname()[1]
    house.conf('listen_smtp = 0.0.0.0:%d\nlisten_pop3 = 127.0.0.1:%d' % (port, both))
    p = house.ph('start', check=False)
    house.running = True
    is_(p.returncode, 69, 'a port that is taken: start fails')
    like(p.stderr, r'cannot listen on 0\.0\.0\.0:%d: address in use by \S+ \(pid %d\)' % (port, os.getpid()), '... names the holder')
    ok(answers('127.0.0.1', both), '... and opens the others')
    for args in (), ('ports',):
        p = house.ph('check', *args, check=False)
        is_(p.returncode, 1, ' '.join(['check', *args]) + ': exit code 1')
        like(p.stdout, r'0\.0\.0\.0:%d' % port, '... and the address')
done()
