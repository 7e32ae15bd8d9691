#!/usr/bin/env python3
"""collect from Courier and from popa3d, compared octet for octet with what a simple client gets."""
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from collecting import lf
from letters import SHAPES, letter
from pop3_peers import *

PEERS = [(p.__name__, p) for p in (Courier, Popa3d)]
for name, peer in PEERS:
    if peer.missing:
        skip(name, peer.missing)
if all(peer.missing for _, peer in PEERS):
    done()
house = House(users=['ann:secret']).start()
house.map('secrets', 'office password=secret\n')


def taken():
    found = []
    for p in house.mail_files('ann'):
        found.append(p.read_bytes().partition(b'\nX-Posthouse-Sorted: ')[2].partition(b'\n')[2])
        p.unlink()
    return sorted(found)


for name, peer in PEERS:
    if peer.missing:
        continue
    letters = [SHAPES[i % len(SHAPES)]() for i in range(48)]
    # An mbox and its readers have their own ideas of NULs and lone CRs.
    letters = [x for x in letters if name == 'Courier' or (b'\0' not in x and b'\r' not in x)]
    server = peer(house.path(name))
    server.put(letters)
    held = retrieve(server.port)
    is_(len(held or []), len(letters), '%s serves %d messages' % (name, len(letters)))

    def collect(keep, bound=120):
        house.set_map('upstreams', '%s kind=single host=127.0.0.1 port=%d tls=none login=office secret=office users=ann keep=%s\n' % (
            name, server.port, keep))
        return house.ph('collect', check=False, bound=bound)

    p = collect('all')
    diag(p.stdout.strip())
    is_(p.returncode, 0, '... collected')
    is_(taken(), sorted(lf(x) for x in held), '... octet for octet')
    is_(len(retrieve(server.port)), len(letters), '... keep=all keeps')
    like(collect('all').stdout, r'^%s: 0 messages, 0 octets, ' % name, '... once')
    p = collect('delete')
    wait_until(lambda: retrieve(server.port) == [])  # Courier unlinks behind its answer to QUIT
    is_((p.returncode, retrieve(server.port), taken()), (0, [], []), '... and deletes when told to')
    with sqlite3.connect(house.path('state', 'collect', 'collect.db')) as db:
        facts = db.execute("SELECT value FROM fact WHERE name = 'pipelining'").fetchall()
    db.close()
    is_(facts, [] if name == 'Courier' else [('yes',)], '... several commands at a time, %s' % (
        'announced' if name == 'Courier' else 'tried'))
done()
