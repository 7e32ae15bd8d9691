#!/usr/bin/env python3
"""Every ceiling of smtpd at n-1, n and n+1; every wait has its end."""
import os, select, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import Server

house = House(conf='hostname = mx.example.org\nmessage_size_limit = 2000\nrcpt_limit = 100\n'
                   'smtpd_workers = 3\nsmtpd_reuse = 5\nsmtpd_connections = 8\nsmtpd_connections_per_address = 6\n'
                   'smtpd_timeout = 30',
              maps={'aliases': '@example.org ann\n'})
house.set_map('access', '# nobody is trusted: they have no limits\n')
house.start()


def start_data(s, rcpts=('ann@example.org',), mail='MAIL FROM:<bob@client.example>'):
    s.hello()
    for c in [mail] + ['RCPT TO:<%s>' % r for r in rcpts] + ['DATA']:
        reply = s.cmd(c)
    return reply


# The size: octets of the message with CRLF, dots for transparency not counted (RFC 1870).
for n, want in (1999, '^250 2.0.0'), (2000, '^250 2.0.0'), (2001, '^552 5.3.4'), (200000, '^552 5.3.4'):
    for data in (b'x' * (n - 2) + b'\r\n', b'\r\n' * (n // 2 - 1) + (b'\r\n' if n % 2 == 0 else b'x\r\n'),
                 b'.\r\n' * (n // 3) + b'.' * (n % 3)):
        if not data.endswith(b'\r\n'):
            data = data[:-len(b'\r\n.' if n % 3 == 1 else b'\r\n..')] + b'.' * (n % 3) + b'\r\n'
        assert len(data) == n
        with house.smtp() as s:
            start_data(s)
            s.send(re.sub(rb'(\A|(?<=\n))\.', b'..', data) + b'.\r\nNOOP\r\n')
            like('%d %s' % ((lambda r: (r[0], r[1][0]))(s.reply())), want, '%d octets: %s' % (n, want))
            is_(s.reply()[0], 250, 'the session goes on')
with house.smtp() as s:
    start_data(s, mail='MAIL FROM:<bob@client.example> SIZE=10')
    s.send(b'x' * 3000 + b'\r\n.\r\n')
    is_(s.reply()[0], 552, 'what was declared counts for nothing: the octets do')

# Recipients.
with house.smtp() as s:
    s.hello()
    s.cmd('MAIL FROM:<bob@client.example>')
    codes = [s.cmd('RCPT TO:<u%d@example.org>' % i)[:9] for i in range(102)]
    is_(codes, ['250 2.1.5'] * 100 + ['452 4.5.3'] * 2, '100 recipients and not one more')
    s.cmd('DATA')
    s.send('S: x\r\n\r\n.\r\n')
    is_(s.reply()[0], 250, 'those that were taken get it')
    s.cmd('MAIL FROM:<bob@client.example>')
    like(s.cmd('RCPT TO:<u102@example.org>'), '^250', 'the next transaction counts anew')

# Connections: three are served, three more of this address wait, the seventh is told.
held = []
for i in range(6):
    held.append(house.smtp())
    if i < 3:
        is_(held[i].reply()[0], 220, 'connection %d is served' % (i + 1))
ok(held[3].quiet(0.1), 'the fourth waits')
with house.smtp() as s:
    s.talk('S: 421 4.7.0 *', 'the seventh is one too many')
    ok(s.closed(), 'and closed')
ok(house.wait_event('smtpd.refused', client='[127.0.0.1]', code=421, reason='connections_per_address'), 'logged')
others = [Smtp(0, sock=socket.create_connection(('127.0.0.1', house.smtp_port), 15, ('127.0.%d.2' % n, 0))) for n in (2, 3, 4)]
others[2].talk('S: 421 4.7.0 *', 'two more from elsewhere wait; the ninth of all is one too many, wherever it is from')
ok(house.wait_event('smtpd.refused', client='[127.0.4.2]', code=421, reason='connections'), 'logged')
ok(others[0].quiet(0.1) and others[1].quiet(0.1), 'those before it wait on')
for s in others:
    s.close()
for i in range(3):
    held[i].cmd('QUIT')
    is_(held[i + 3].reply()[0], 220, 'one leaves, connection %d is served' % (i + 4))
with house.smtp() as s:
    ok(s.quiet(0.1), 'and there is room to wait again')
    for h in held[3:]:
        h.close()
    is_(s.reply()[0], 220, 'until one leaves')

# One address does not get all workers.
house.conf('smtpd_workers = 4')
house.restart()
held = [house.smtp() for i in range(5)]
for s in held[:3]:
    s.reply()
ok(held[3].quiet(0.1), 'of four workers one address has three, its fourth connection waits')
with Smtp(0, sock=socket.create_connection(('127.0.0.1', house.smtp_port), 15, ('127.0.2.2', 0))) as s:
    is_(s.reply()[0], 220, 'and another network is served at once')
ok(held[3].quiet(0.1), 'that one waits still')
held[0].close()
is_(held[3].reply()[0], 220, 'until one of its own leaves')
for s in held:
    s.close()
house.conf('smtpd_workers = 3')
house.restart()

# Workers are used again and replaced: twice as many sessions as all of them may serve.
pids = set()
for i in range(40):
    with house.smtp() as s:
        is_(s.reply()[0], 220, 'session %d' % (i + 1)) if i % 10 == 9 else s.reply()
        pids.update(house.pids('smtpd'))
        s.cmd('QUIT')
ok(8 <= len(pids) <= 25, '40 sessions took %d processes, 5 sessions each at most' % len(pids))

# A process a connection, where that is wanted.
house.conf('smtpd_reuse = 1')
house.restart()
pids = set()


def workers():
    """smtpd's processes that have no children."""
    smtpd = house.pids('smtpd')
    return {p for p in smtpd if not any(q in smtpd for q in children(p))}


served = []
for i in range(6):
    with house.smtp() as s:
        s.reply()
        links = {p: sum(os.readlink('/proc/%d/fd/%s' % (p, f)).startswith('socket:') for f in os.listdir('/proc/%d/fd' % p))
                 for p in workers()}
        served.append(max(links, key=links.get))
        s.cmd('QUIT')
    ok(wait_until(lambda: served[-1] not in house.pids('smtpd')), 'smtpd_reuse = 1: a worker ends with its client')
is_(len(set(served)), 6, '... six clients had six')

# One worker for all: what it knew of the one before is forgotten.
house.conf('smtpd_reuse = 100\nsmtpd_workers = 1\nplaintext_login = always')
house.set_map('access', '127.0.0.1 xclient\n192.0.2.7 trust\n')
house.restart()
with house.smtp(house.submission_port) as s:
    s.hello()
    like(s.cmd('AUTH PLAIN AGFubgBzZWNyZXQ='), '^235', 'a login')
    like(s.cmd('MAIL FROM:<ann@example.org>'), '^250', '... may send')
    only = workers()
with house.smtp() as s:
    s.reply()
    like(s.cmd('XCLIENT ADDR=192.0.2.7 LOGIN=ann@example.org HELO=there.example'), '^220', 'the next, who speaks for one that we trust')
    like(s.cmd('EHLO x'), '^250', '...')
    s.cmd('MAIL FROM:<ann@example.org>')
    like(s.cmd('RCPT TO:<x@else.example>'), '^250', '... may relay')
with house.smtp(house.submission_port) as s:
    s.reply()
    like(s.cmd('MAIL FROM:<ann@example.org>'), '^503 5.5.1', 'the one behind them has said no name yet')
    s.cmd('EHLO x')
    like(s.cmd('MAIL FROM:<ann@example.org>'), '^530 5.7.0', '... and has not logged in')
    is_(workers(), only, '... at the same worker')
with house.smtp() as s:
    s.hello()
    s.cmd('MAIL FROM:<ann@example.org>')
    like(s.cmd('RCPT TO:<x@else.example>'), '^550 5.7.1', '... nor is it trusted')
house.conf('smtpd_workers = 3\nplaintext_login = loopback')
house.set_map('access', '# nobody\n')

# Fifty thousand recipients, where so many are allowed.
MANY = 50000
house.conf('rcpt_limit = %d\nsmtpd_session_timeout = 10m' % MANY)
house.set_map('access', '127.0.0.1 trust\n')
next_hop = Server()
house.set_map('routes', '* smarthost=[127.0.0.1]:%d\n' % next_hop.port)
house.restart()
with house.smtp() as s:
    ok('LIMITS RCPTMAX=%d' % MANY in s.hello(), '%d recipients are announced (RFC 9422)' % MANY)
    s.sock.settimeout(60 * PATIENCE)
    s.cmd('MAIL FROM:<ann@example.org>')
    codes = set()
    for i in range(0, MANY, 1000):
        s.send(b''.join(b'RCPT TO:<u%d@else.example>\r\n' % n for n in range(i, i + 1000)))
        codes.update((s.line() or b'')[:9] for _ in range(1000))
    is_(codes, {b'250 2.1.5'}, '... and taken')
    like(s.cmd('RCPT TO:<one@else.example>'), '^452 4.5.3', '... and not one more')
    s.cmd('DATA')
    s.send('Subject: x\r\n\r\nx\r\n.\r\n')
    code, texts = s.reply()
    like('%d %s' % (code, texts[0]), r'^250 2\.0\.0 \S+ queued$', 'their message is queued')
    ident = texts[0].split()[1]
wait_until(lambda: house.events('queue.removed', id=ident), 60, what='the end of that message')
told = sorted(l.split(b'>')[0] for e in next_hop.sessions for l in e if l[:4] == b'RCPT')
ok(told == sorted(b'RCPT TO:<u%d@else.example' % n for n in range(MANY)), '... and the next server has each of them, once') or diag(len(told))
house.conf('rcpt_limit = 100\nsmtpd_session_timeout = 1h')
house.set_map('access', '# nobody is trusted: they have no limits\n')

# A burst larger than the workers, each a message.
house.conf('smtpd_connections = 60\nsmtpd_connections_per_address = 60')
house.restart()
before = len(house.mail('ann@example.org'))
lines = [house.smtp() for i in range(40)]
for s in lines:
    s.send('EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nS: x\r\n\r\n.\r\nQUIT\r\n')
is_(sum(b'\r\n250 2.0.0 ' in s.rest() for s in lines), 40, '40 at once with 3 workers: all are served')
is_(len(house.wait_mail('ann@example.org', before + 40)), before + 40, 'and delivered')
for s in lines:
    s.close()

# A worker that is killed takes its own connection along, no other.
a, b = house.smtp(), house.smtp()
a.reply(), b.reply()
victims = set(house.pids('smtpd')) - {p for p in house.pids('smtpd') if any(c in house.pids('smtpd') for c in children(p))}
for pid in victims:
    os.kill(pid, signal.SIGKILL)
ok(a.closed() and b.closed(), 'killed workers: their connections end')
# An idle one that is dying could still be given a connection, and would take it along: the parent buries them first.
wait_until(lambda: not any(os.path.exists('/proc/%d' % pid) for pid in victims), what='killed workers are buried')
with house.smtp() as s:
    is_(s.reply()[0], 220, 'the next client gets a new one')
    like(s.message('bob@client.example', ['ann@example.org'], 'x') if s.cmd('HELO c') else '', '^250', 'that works')

# Time.
house.conf('smtpd_timeout = 1')
house.restart()


def ends(name, s, script, low, high):
    began = time.monotonic()
    s.talk(script, name)
    ok(s.closed(), name + ': closed')
    ok(low <= time.monotonic() - began <= high * PATIENCE, name + ': after %.1f s' % (time.monotonic() - began))


with house.smtp() as s:
    s.reply()
    ends('a silent client', s, 'S: 421 4.4.2 *', 0.7, 3)
with house.smtp() as s:
    start_data(s)
    ends('a silent client in DATA', s, 'S: 421 4.4.2 *', 0.7, 3)


def drip(s, octet, name):
    """An octet every fifth of a second: each wait is short, the whole is not."""
    began = time.monotonic()
    try:
        while not select.select([s.sock], [], [], 0.2)[0]:
            if time.monotonic() - began > 10:
                break
            s.sock.sendall(octet)
        s.talk('S: 421 4.4.2 *', name)
    except OSError as e:
        ok(False, name + ': %s' % e)
    ok(time.monotonic() - began < 4 * PATIENCE, name + ': in %.1f s' % (time.monotonic() - began))


with house.smtp() as s:
    s.reply()
    drip(s, b'x', 'a command that comes drop by drop')
with house.smtp() as s:
    start_data(s)
    drip(s, b'x', 'a message that comes drop by drop')
house.conf('smtpd_timeout = 30\nsmtpd_session_timeout = 2')
house.restart()
with house.smtp() as s:
    s.reply()
    began = time.monotonic()
    while time.monotonic() - began < 10 and s.cmd('NOOP').startswith('250'):
        time.sleep(0.1)
    ok(1.5 < time.monotonic() - began < 5 * PATIENCE, 'a session without end has one')
done()
