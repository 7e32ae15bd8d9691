#!/usr/bin/env python3
"""Many at once: a thousand sessions, ten thousand who wait, a flood, and those who come to hold workers."""
import os, resource, select, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
house = House(conf='hostname = mx.example.org\nsmtpd_workers = 1100\nsmtpd_connections = 20000\nsmtpd_connections_per_address = 20000\n'
                   'smtpd_connections_per_network = 20000\n')
house.set_map('access', '127.0.0.1 trust\n')
house.start()


def come(address='127.0.0.1'):
    return socket.create_connection(('127.0.0.1', house.smtp_port), 30 * PATIENCE, (address, 0))


def session(address='127.0.0.1'):
    return Smtp(0, sock=come(address))


def gate():
    smtpd = house.pids('smtpd')
    return next(p for p in smtpd if not any(p in children(q) for q in smtpd if q != p))


def memory(pid):
    """kB that are its alone or its share."""
    with open('/proc/%d/smaps_rollup' % pid) as f:
        return int(re.search(r'^Pss:\s+(\d+)', f.read(), re.M).group(1))


# --- a thousand sessions, each with a message, all at the same time --------------

MANY = 1000 if PATIENCE == 1 else 200


def text(i):
    return b'Subject: %d\r\nX-Number: %d\r\n\r\n' % (i, i) + b'line of %d\r\n' % i * (i % 97)


everybody = [session('127.1.%d.1' % (i % 40)) for i in range(MANY)]
steps = [(b'', b'220'), (b'EHLO client.example\r\n', b'250')] + [(c, b'250') for c in (
    b'MAIL FROM:<bob@client.example>\r\n', b'RCPT TO:<ann@example.org>\r\n')] + [(b'DATA\r\n', b'354')]
bad = []
for say, want in steps:
    for s in everybody:
        s.sock.sendall(say)
    for i, s in enumerate(everybody):
        code = s.reply()[0]
        if code != int(want):
            bad.append((i, say, code))
is_(bad, [], '%d sessions at once' % MANY)
ok(len(house.pids('smtpd')) > MANY, '... each has a process')
for i, s in enumerate(everybody):
    s.sock.sendall(text(i) + b'.\r\n')
is_(sum(s.reply()[0] == 250 for s in everybody), MANY, '... each is told that its message is there')
letters = {}
for octets in house.wait_mail('ann@example.org', MANY, 60):
    body = octets[octets.index(b'Subject: '):].replace(b'\n', b'\r\n')
    letters[int(re.search(rb'X-Number: (\d+)', body).group(1))] = body
is_([i for i in range(MANY) if letters.get(i) != text(i)], [], '... and each octet of it')
for s in everybody:
    s.send('QUIT\r\n')
ok(all(s.reply()[0] == 221 and s.closed() for s in everybody), '... and goodbye')

# --- ten thousand wait for their greeting, in one process ------------------------------

house.conf('smtpd_workers = 8\nbanner_delay = 60')
house.ph('restart', check=False)  # which looks for a greeting
MANY = 10000
if FILES < MANY + 500 or PATIENCE > 1:
    skip('%d wait' % MANY, 'too few descriptors, or an instrumented build')
else:
    ok(wait_until(lambda: house.pids('smtpd'), 10), 'restarted')
    with session() as s:
        is_(s.reply()[0], 220, 'a friend is served')
    before = memory(gate())
    crowd = [come('127.2.%d.%d' % (i // 250, 1 + i % 250)) for i in range(MANY)]
    ok(wait_until(lambda: len(os.listdir('/proc/%d/fd' % gate())) > MANY, 30), '%d wait in the gate' % MANY)
    ok(len(house.pids('smtpd')) <= 4, '... and have no process')
    cost = memory(gate()) - before
    ok(cost < 20000, '... for less than 20 MB: %d kB' % cost)
    began = time.monotonic()
    with session() as s:
        s.hello()
        like(s.message('bob@client.example', ['ann@example.org'], 'Subject: x\r\n'), '^250', 'a friend passes them')
    ok(time.monotonic() - began < 2 * PATIENCE, '... in %.2f s' % (time.monotonic() - began))
    for c in crowd[1:]:
        c.close()
    ok(wait_until(lambda: len(os.listdir('/proc/%d/fd' % gate())) < 100, 30), '... who goes is forgotten')
    crowd[0].close()

# --- a flood ------------------------------------------------------------------------------

house.conf('banner_delay = 0\nsmtpd_connections = 200\nsmtpd_connections_per_address = 20\nsmtpd_connections_per_network = 50')
house.restart()


def flood(addresses, n):
    """n connections, none of which waits for anything; how many could be begun, and in what time others were served."""
    waiting, began, slowest = [], time.monotonic(), 0
    for i in range(n):
        c = socket.socket()
        c.setblocking(False)
        c.bind((addresses[i % len(addresses)], 0))
        try:
            c.connect(('127.0.0.1', house.smtp_port))
        except BlockingIOError:
            pass
        waiting.append(c)
        if i % 500 == 499:
            one = time.monotonic()
            with session('127.9.9.9') as s:
                s.hello()
                if not s.cmd('MAIL FROM:<bob@client.example>').startswith('250'):
                    slowest = 1000
            slowest = max(slowest, time.monotonic() - one)
        if len(waiting) > 1000:
            waiting.pop(0).close()
    seconds = time.monotonic() - began
    for c in waiting:
        c.close()
    return slowest, n / seconds


for name, addresses in ('one address', ['127.5.5.5']), ('a network', ['127.5.6.%d' % i for i in range(1, 251)]):
    told = len(house.events('smtpd.refused'))
    slowest, rate = flood(addresses, 5000)
    ok(slowest < 5 * PATIENCE, 'a flood from %s, %d a second: others are served, the last after %.2f s' % (name, rate, slowest))
    refused = len(house.events('smtpd.refused')) - told
    ok(refused < 20 * (5000 / rate + 2), '... and the log is not flooded: %d lines' % refused)
ok(wait_until(lambda: flood(['127.5.5.5'], 50) and house.events('smtpd.refused', client='[127.5.5.5]', reason='connections_per_address')
              and [e for e in house.events('program.warning') if int(e.get('count', 0)) > 1000], 10), '... but it is told, with a number')
with session('127.5.5.5') as s:
    is_(s.reply()[0], 220, 'when it is over, it is over')

# --- who comes to hold workers ----------------------------------------------------------------

house.conf('smtpd_workers = 4')
house.restart()
held = [session('127.6.6.%d' % i) for i in range(1, 5)]
for s in held[:3]:
    s.reply()
ok(held[3].quiet(0.1), 'of four workers a network of strangers has three')
with session('127.7.7.7') as s:
    is_(s.reply()[0], 220, '... others the fourth')
    held.append(s)
    began = time.monotonic()
    with session('127.8.8.8') as late:
        # Somebody drips, somebody is silent in DATA, somebody says nothing at all.
        for c in 'HELO x', 'MAIL FROM:<>', 'RCPT TO:<ann@example.org>', 'DATA':
            held[0].cmd(c)
        while time.monotonic() - began < 30 and not select.select([late.sock], [], [], 0.5)[0]:
            for s, octet in (held[0], b'x'), (held[1], b'N'):
                try:
                    s.sock.sendall(octet)
                except OSError:
                    pass
        is_(late.reply()[0], 220, 'all are taken by people in no hurry: who comes is served')
        ok(time.monotonic() - began < 15 * PATIENCE, '... after %.1f s' % (time.monotonic() - began))
codes = [s.reply()[0] for s in held[:3]]
is_(codes, [421] * 3, '... whom they kept waiting are told to go')
for s in held:
    s.close()

# --- errors cost time, then the connection --------------------------------------------------------

house.conf('smtpd_errors = 4')
house.restart()


def errors(address):
    times, codes = [], []
    with session(address) as s:
        s.hello()
        while not codes or codes[-1] != '421':
            began = time.monotonic()
            codes.append(s.cmd('NONSENSE')[:3])
            times.append(time.monotonic() - began)
        ok(s.closed(), 'closed')
    return codes, times


codes, times = errors('127.0.0.2')
is_(codes, ['500'] * 4 + ['421'], 'a stranger makes four errors and not one more')
ok(max(times[:2]) < 0.5 * PATIENCE and min(times[2:4]) > 0.9, '... and waits, after two of them')
codes, times = errors('127.0.0.1')
is_(codes, ['500'] * 4 + ['421'], 'so does a friend')
ok(max(times) < 0.5 * PATIENCE, '... who does not wait')
done()
