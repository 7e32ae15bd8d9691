#!/usr/bin/env python3
"""Every octet of odd messages, and every number said about them."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *

house = PopHouse(users=['ann:secret', 'bob:secret', 'carl:secret', 'dora:secret']).start()
odd = odd_messages()
big = b'Subject: big\n\n' + b''.join(b'%07d %s\n' % (i, b'.' * (i % 80)) for i in range(430000))
odd.append(('20 MB', big))


def wire(octets):
    """As our own store means it: each LF is a line end."""
    octets = octets.replace(b'\n', b'\r\n')
    return octets + (b'\r\n' if octets and not octets.endswith(b'\r\n') else b'')


def stuffed(octets):
    return (b'.' if octets.startswith(b'.') else b'') + octets.replace(b'\r\n.', b'\r\n..') + b'.\r\n'


def retr(p, n, octets, what):
    """RETR n gives exactly that; the size it says."""
    p.send('RETR %d\r\n' % n)
    first = p.line()
    want = stuffed(octets)
    got = p.read(len(want))
    is_(got, want, what)
    return first


for sizes, user, how in ((True, 'ann', 'sizes in the name'), (False, 'bob', 'counted')):
    for what, octets in odd:
        put(house, user, octets, sizes=sizes)
    with house.pop3(user) as p:
        listing = p.multi('LIST')[1].split(b'\r\n')
        total = 0
        for i, (what, octets) in enumerate(odd, 1):
            retr(p, i, wire(octets), '%s (%s)' % (what, how))
            said = int(listing[i - 1].split()[1])
            total += said
            # A name's W= is its writer's word: it knows nothing of a missing last line end.
            want = len(octets) + octets.count(b'\n') if sizes else len(wire(octets))
            is_(said, want, '... its size in LIST')
        is_(p.cmd('STAT'), '+OK %d %d' % (len(odd), total), 'STAT is the sum (%s)' % how)
        top = next(i for i, (what, _) in enumerate(odd, 1) if what == '20 MB')
        is_(p.multi('TOP %d 3' % top)[1], wire(b'\n'.join(big.split(b'\n')[:5]) + b'\n'), 'TOP of the large one')
        p.cmd('QUIT')

# Programs that store CRLF: their line ends are line ends.
foreign = [b'Subject: crlf\r\n\r\n.dot\r\nlast\r\n', b'Subject: mixed\r\n\none\ntwo\r\n', b'Subject: x\r\n\r\nopen', b'\r\n']
for octets in foreign:
    put(house, 'carl', octets, sizes=False)
with house.pop3('carl') as p:
    for i, octets in enumerate(foreign, 1):
        is_(p.cmd('LIST %d' % i), '+OK %d %d' % (i, len(crlf(octets))), 'stored with CRLF: counted as sent')
        retr(p, i, crlf(octets), '... and sent with one CR a line')
    is_(p.multi('TOP 1 1')[1], b'Subject: crlf\r\n\r\n.dot\r\n', 'TOP knows the empty line in CRLF')

# What is no message is not listed, and nothing in a maildir can hang a session.
put(house, 'dora', b'Subject: x\n\ny\n')
box = house.maildir('dora')
os.mkfifo(box / 'new' / '1600000000.fifo.house')
os.mkdir(box / 'cur' / '1600000001.dir.house')
os.symlink('/etc/passwd', box / 'new' / '1600000002.link.house')
(box / 'new' / '.hidden').write_bytes(b'x')
for extra in ('1600000000.fifo.house', '.hidden'):
    own(box / 'new' / extra, box / 'new')
with house.pop3('dora') as p:
    is_(p.cmd('STAT'), '+OK 1 %d' % len(crlf(b'Subject: x\n\ny\n')), 'no pipe, directory, link or hidden file is a message')

# All of it asked for at once, the answers read late: nothing is lost, nothing deadlocks.
with house.pop3('ann') as p:
    p.send(b''.join(b'RETR %d\r\n' % i for i in range(1, len(odd) + 1)) + b'QUIT\r\n')
    got = p.rest()
    want = b''
    for what, octets in odd:
        want += b'+OK %d octets\r\n' % (len(octets) + octets.count(b'\n')) + stuffed(wire(octets))
    is_(got, want + b'+OK\r\n', 'every message in one pipeline')
done()
