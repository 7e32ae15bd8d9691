#!/usr/bin/env python3
"""A message of more than 2 GB, and a mailbox of 100,000 messages: all of it is there, and memory does not grow with it."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *

MOST_KB = 20 * 1024
house = PopHouse(users=['ann:secret', 'many:secret']).start()
plain = b'__asan_init' not in (LIBEXEC / 'pop3d').resolve().read_bytes()


def pid_of(user):
    """The newest session's process."""
    return int(house.events('pop3d.login', mailbox=user + '@example.org')[-1]['pid'])


def cpu_ms(pid):
    return int(open('/proc/%d/schedstat' % pid).read().split()[0]) / 1e6


def small(user, what):
    """It has never had more memory than it may have."""
    pid = pid_of(user)
    peak = int(open('/proc/%d/status' % pid).read().split('VmHWM:')[1].split()[0])
    ok(peak < MOST_KB or not plain, '%s: at most %d kB' % (what, peak))


# --- a large message: a hole between its first lines and its last one; 2^31 lies within it

HEAD, TAIL = b'Subject: large\n\nfirst\n', b'\n.end\n'
SIZE = (1 << 31) + 12345
WIRE = SIZE + HEAD.count(b'\n') + TAIL.count(b'\n')
first = put(house, 'ann', HEAD, '1700000001.a.house,S=%d,W=%d' % (SIZE, WIRE), sizes=False)
with open(first, 'r+b') as f:
    f.truncate(SIZE)
    f.seek(SIZE - len(TAIL))
    f.write(TAIL)
os.link(first, first.parent / '1700000002.b.house')
with house.pop3('ann') as p:
    is_(p.cmd('LIST 1'), '+OK 1 %d' % WIRE, 'its size, from its name')
    is_(p.cmd('LIST 2'), '+OK 2 %d' % WIRE, '... counted')
    is_(p.cmd('STAT'), '+OK 2 %d' % (2 * WIRE), '... twice that is more than 2^32')
    is_(p.multi('TOP 2 1')[1], HEAD.replace(b'\n', b'\r\n'), 'TOP is short')
    p.send('RETR 1\r\n')
    is_(p.line(), b'+OK %d octets' % WIRE, 'RETR')
    want = WIRE + len(b'.' b'.\r\n')  # the stuffed dot, the end
    begin = p.read(64)
    is_(begin, HEAD.replace(b'\n', b'\r\n') + bytes(64 - len(HEAD) - HEAD.count(b'\n')), '... its beginning')
    got, last, room = len(begin) + len(p.buf), b'', bytearray(1 << 20)
    p.buf = b''
    while got < want:
        n = p.sock.recv_into(room)
        if n == 0:
            break
        got += n
        last = (last + room[max(0, n - 16):n])[-16:]
    is_((got, bytes(last)), (want, bytes(4) + b'\r\n..end\r\n.\r\n'), '... all of it, and its end')
    is_(p.cmd('NOOP'), '+OK', 'the session goes on')
    small('ann', 'memory for 2 GB')
with house.pop3('ann') as p:
    p.send('RETR 2\r\n')
    p.line()
    with house.pop3('ann') as q:
        is_(q.multi('TOP 2 0')[1], HEAD[:-len('first\n')].replace(b'\n', b'\r\n'), 'somebody does not read on: others are served')
ok(house.wait_event('pop3d.logout', mailbox='ann@example.org', why='connection lost'), 'who leaves in the middle: the session ends')
is_(len(house.mail_files('ann')), 2, '... and nothing is gone')
for f in house.mail_files('ann'):
    f.unlink()

# --- many messages

N = 100000
source = put(house, 'many', b'Subject: x\n\nx\n', sub='tmp', sizes=False)
box = house.maildir('many')
for i in range(N):
    if i % 30000 == 0:  # file systems have a limit for links
        source = put(house, 'many', b'Subject: x\n\nx\n', 'source%d' % i, sub='tmp', sizes=False)
    os.link(source, box / 'cur' / ('%d.M%06dP4711.mail.house.example,S=14,W=17:2,S' % (1700000000 + i // 10, i)))
times, spent = [], {}
for _ in range(5):
    with house.pop3() as p:
        p.cmd()
        p.cmd('USER many')
        said = [p.cmd('PASS secret'), p.cmd('STAT')]
        listing = p.multi('LIST')[1]
        pid = pid_of('many')
        times.append(cpu_ms(pid) - spent.get(pid, 0))
        uids = p.multi('UIDL')[1]
        p.cmd('NOOP')
        spent[pid] = cpu_ms(pid)
        small('many', 'memory for %d messages' % N)
is_(said, ['+OK many@example.org has %d messages' % N, '+OK %d %d' % (N, 17 * N)], 'all of them')
is_(listing, b''.join(b'%d 17\r\n' % i for i in range(1, N + 1)), '... in LIST')
is_(len(set(line.split(b' ')[1] for line in uids.split(b'\r\n')[:-1])), N, '... in UIDL, each with its own')
# Of its own time, since other tests may run meanwhile; t/bench/pop3 measures by the clock.
ok(min(times) < 150 * PATIENCE or not plain, 'login, STAT and LIST in %s ms' % ', '.join('%.0f' % t for t in times))
house.stop()
done()
