#!/usr/bin/env python3
"""tlsd: many connections in few processes: they are spread, a process that crashes takes its own and no others,
those that wait cost no time, and new certificates come in between without a failed handshake."""
import collections
import os
import signal
import ssl
import subprocess
import sys
import threading
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from tls_pairs import *

if not have('openssl'):
    skip_all('no openssl to make certificates with')

pop3s, smtps = free_port(), free_port()
house = House(options=['--submissions-port', smtps, '--pop3s-port', pop3s],
              conf='hostname = mail.example.org\nlog_level = detail\ntls_processes = 8\ntls_connections = 48\n'
                   'pop3d_workers = 200\npop3d_connections_per_address = 200\nsmtpd_connections_per_address = 200\n'
                   'tls_handshake_timeout = 2s')
pairs = Certificates(house)
pairs.make('mail', ['mail.example.org'])
pairs.install('mail')
house.start()


def pop(n):
    lines = [tls(pop3s, Pop3) for _ in range(n)]
    for l in lines:
        l.cmd()
    return lines


def alive_line(l):
    try:
        return l.multi('CAPA')[0].startswith('+OK')
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def held():
    """pid of tlsd → TCP connections it holds: sockets besides the one that it listens at."""
    found = {}
    for pid in house.pids('tlsd'):
        try:
            links = [os.readlink('/proc/%d/fd/%s' % (pid, f)) for f in os.listdir('/proc/%d/fd' % pid)]
        except OSError:
            continue
        found[pid] = sum(l.startswith('socket:') for l in links)
    idle = min(found.values())
    return {pid: (n - idle) // 2 for pid, n in found.items()}


# --- spread ---------------------------------------------------------------------------------

lines = pop(4)
is_(sorted(held().values())[-4:], [1] * 4, 'four connections: each has a process of its own')
lines += pop(28)
ok(wait_until(lambda: sum(held().values()) == 32), 'thirty-two are held')
is_([n for n in held().values() if n > 5], [], 'by eight processes, as good as evenly')
is_(len([n for n in held().values() if n > 0]), 8, '... by all of them')
ok(all(alive_line(l) for l in lines), 'all are served')

# --- a crash --------------------------------------------------------------------------------

victim, its = max(held().items(), key=lambda x: x[1])
os.kill(victim, signal.SIGSEGV)
e = house.wait_event('program.warning', text='a process died; its connections are lost, no others')
is_(e and (e['pid'], int(e['connections'])), (str(victim), its), 'a process that crashes: the log says with how many connections')
is_(collections.Counter(alive_line(l) for l in lines), collections.Counter({True: 32 - its, False: its}),
    'they are lost, and no others')
lines = [l for l in lines if alive_line(l)]
more = pop(its)
ok(all(alive_line(l) for l in more), 'new ones are served in its place')
for l in lines + more:
    l.close()
ok(wait_until(lambda: sum(held().values()) == 0), 'all gone: nothing is held')


def each_its_own():
    lines = pop(6)
    most = max(held().values())
    for l in lines:
        l.close()
    return most == 1


ok(wait_until(each_its_own), 'and each has its own process again')

# --- those who wait -------------------------------------------------------------------------

silent = [Line(pop3s) for _ in range(20)]  # more than there are processes
started = time.monotonic()
with tls(pop3s, Pop3) as p:
    like(p.cmd(), r'^\+OK', 'silent clients, more than processes: others are served')
ok(time.monotonic() - started < 1.5 * PATIENCE, '... at once')
ok(all(l.closed() for l in silent), 'they are sent away when tls_handshake_timeout is over')
ok(house.wait_event('tls.failed', reason='no handshake in time', n=20), '... which the log says of each')

full = pop(48)
over = Line(pop3s)
ok(wait_until(lambda: 'all processes are busy' in house.log()), 'more than tls_connections: the log says that they wait')
for l in full[:8]:
    l.close()
over = wrap(over)
like(over.line() or b'', r'^\+OK', 'they are served when others have gone')
over.close()
for l in full:
    l.close()

# --- large ones beside small ones, in one process ------------------------------------------------

octets = b''.join(b'%07d ' % i + b'x' * 90 + b'\r\n' for i in range(60000))
house.stop()
house.conf('tls_processes = 1\nplaintext_login = always')
house.start()
with house.smtp() as s:
    s.hello()
    like(s.message('x@else.example', ['ann@example.org'], b'Subject: large\r\n\r\n' + octets), r'^250', 'a large message')
readers = [tls(pop3s, Pop3) for _ in range(6)]
for p in readers:
    p.login('ann', 'secret')
    p.send('RETR 1\r\n')
with tls(pop3s, Pop3) as p:
    started = time.monotonic()
    like(p.cmd(), r'^\+OK', 'six wait with full buffers in the only process: another is served')
good = []


def read(p):
    while not p.buf.endswith(b'\r\n.\r\n'):
        p._more()
    good.append(p.buf.startswith(b'+OK') and octets in p.buf)


for t in [threading.Thread(target=read, args=(p,)) for p in readers]:
    t.start()
    t.join()
is_(good, [True] * 6, 'and each gets every octet')
for p in readers:
    p.close()

# --- new certificates during handshakes ----------------------------------------------------------

house.stop()
house.conf('tls_processes = 16\ntls_handshake_timeout = 30s\ntls_connections = 400')
house.start()
stop, seen, failed = threading.Event(), collections.Counter(), []


def shake():
    while not stop.is_set():
        try:
            with tls(smtps) as l:
                seen[serial(l.sock.getpeercert(binary_form=True))] += 1
        except (OSError, ssl.SSLError) as error:
            failed.append(error)


threads = [threading.Thread(target=shake) for _ in range(4)]
for t in threads:
    t.start()
serials = []
for i in range(6):
    name = 'turn%d' % i
    serials.append(pairs.make(name, ['mail.example.org']))
    ends = ['.pem', '.key'][::1 if i % 2 else -1]
    for end in ends:  # in any order, with time for tlsd to see the half
        pairs.put(name + end, 'mail' + end)
        if i < 4:
            house.wait_event('tls.reload_rejected', n=len(house.events('tls.reload_rejected')) + 1, bound=2) if end == ends[0] else None
    ok(wait_until(lambda: seen[serials[-1]] > 0, 20), 'replaced, %s first: the new one is served' % ends[0])
stop.set()
for t in threads:
    t.join()
is_(failed, [], 'no handshake failed meanwhile, of %d' % sum(seen.values()))
ok(house.events('tls.reload_rejected'), 'a half was seen, and not taken')
is_(set(seen) - set(serials), {pairs.serials['mail']}, 'only whole pairs were served')
house.stop()
done()
