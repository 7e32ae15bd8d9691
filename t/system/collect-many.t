#!/usr/bin/env python3
"""20 accounts of 64 users each: compiled, and all 1280 people receive, also when each delivery takes too long to be waited for."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from collecting import *

ACCOUNTS, USERS = 20, 64
house = House(users=['u0.0:secret'], conf='collect_parallel = 20\ndirect_timeout_ms = 1\n').start()
people = [['u%d.%d' % (a, u) for u in range(USERS)] for a in range(ACCOUNTS)]
house.map('users', ''.join('%s@example.org\n' % p for account in people for p in account if p != 'u0.0'))
house.map('secrets', 'office password=secret\n')
ups = [Upstream([message(a * 1000 + i, to='%s@example.org' % p) for i, p in enumerate(account)])
       for a, account in enumerate(people)]
entries = ''.join('a%d host=127.0.0.1 port=%d %s secret=office users=%s\n' % (
    a, up.port, 'kind=domain tls=none login=office domain=example.org fallback=%s trusted=.isp.example' % account[0], ','.join(account))
    for a, (up, account) in enumerate(zip(ups, people)))
house.set_map('upstreams', entries, compile=False)
start = time.monotonic()
house.compile()
took = time.monotonic() - start
diag('compiled in %.2f s' % took)
p = house.ph('collect', check=False)
if p.returncode: diag(p.stdout, p.stderr[-3000:])
is_((p.returncode, sum('64 messages' in line for line in p.stdout.splitlines())), (0, ACCOUNTS), 'collected: 64 messages each')
is_([up.messages for up in ups], [{}] * ACCOUNTS, '... and deleted there')


def number_of(person):
    return [lf(f.read_bytes()).partition(b'Message-ID: <')[2].partition(b'@')[0].decode() for f in house.mail_files(person)]


wait_until(lambda: sum(len(house.mail_files(p)) for account in people for p in account) >= ACCOUNTS * USERS)
is_([p for a, account in enumerate(people) for i, p in enumerate(account) if number_of(p) != [str(a * 1000 + i)]], [],
    'each of %d people has the one message that is theirs' % (ACCOUNTS * USERS))
done()
