#!/usr/bin/env python3
"""DNS lists of clients: scores, filters, sanity, silence; who does not wait for the banner."""
import os, resource, select, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from dns_server import *

LISTS = 'bl.test', 'dul.test', 'good.test'
dns = DnsServer({'2.0.0.127.' + l: ['127.0.0.2'] for l in LISTS})


def listed(address, **answers):
    """Which lists have it, with what answer."""
    name = '.'.join(reversed(address.split('.')))
    for l, a in answers.items():
        dns.names['%s.%s.test' % (name, l)] = a


listed('203.0.113.1', bl=['127.0.0.4'])
listed('203.0.113.2', dul=['127.0.0.10'])
listed('203.0.113.3', dul=['127.0.0.11'])
listed('203.0.113.4', bl=['127.0.0.2'], good=['127.0.0.3'])
listed('203.0.113.5', dul=['127.0.0.10'], bl=['127.0.0.9'])
listed('203.0.113.6', bl=['127.0.1.4'])
listed('203.0.113.7', bl=DROP)
listed('203.0.113.8', bl=DROP, dul=['127.0.0.10'])
listed('203.0.113.9', bl=DROP, dul=DROP, good=DROP)
listed('192.0.2.1', bl=['127.0.0.4'])
listed('203.0.113.20', bl=['127.0.0.4'])
dns.names['1.' + '0.' * 23 + '8.b.d.0.1.0.0.2.bl.test'] = ['127.0.0.2']

house = House(conf='''hostname = mx.example.org
proxy_from = 127.0.0.9
dnsbl = bl.test*3 https://bl.test/why, dul.test=127.0.0.[10;12..13]*2, good.test*-4
dnsbl_threshold = 2
dnsbl_timeout = 1s
dnsbl_probe = 1s
''' + dns.conf)
house.set_map('access', '192.0.2.0/24 trust\n')
house.start()


def come(address, port=None):
    s = Smtp(0, sock=socket.create_connection(('127.0.0.1', port or house.smtp_port), 15, ('127.0.0.9', 0)))
    s.send('PROXY %s %s %s 4711 25\r\n' % (('TCP6', address, '::1') if ':' in address else ('TCP4', address, '127.0.0.1')))
    return s


def rcpt(address, to='ann@example.org', port=None):
    with come(address, port) as s:
        s.hello()
        s.cmd('MAIL FROM:<bob@client.example>')
        return s.cmd('RCPT TO:<%s>' % to)


is_(rcpt('203.0.113.1'), '550 5.7.1 Client [203.0.113.1] is listed by bl.test, see https://bl.test/why', 'a listed client, at RCPT')
like(rcpt('203.0.113.1', 'postmaster@example.org'), '^250', 'who may write to the postmaster')
like(rcpt('203.0.113.1', 'POSTMASTER'), '^250', 'however he is spelled')
is_(rcpt('203.0.113.2'), '550 5.7.1 Client [203.0.113.2] is listed by dul.test, see https://dul.test/', 'an answer of the filter')
like(rcpt('203.0.113.3'), '^250', 'one beside it')
like(rcpt('203.0.113.4'), '^250', 'a good list weighs more')
like(rcpt('203.0.113.5'), 'by bl.test', 'the list that weighs most is named')
like(rcpt('203.0.113.6'), '^250', 'an answer that is not of a list without filter')
like(rcpt('2001:db8::1'), '^550 5.7.1 .*by bl.test', 'an IPv6 client')
like(rcpt('2001:db8::2'), '^250', 'another one')
like(rcpt('203.0.113.99'), '^250', 'nobody lists it')
ok(house.wait_event('smtpd.reject', client='[203.0.113.1]', command='RCPT', rcpt='ann@example.org'), 'the log has it')
n = len(dns.asked)
like(rcpt('192.0.2.1'), '^250', 'a trusted client')
is_([a for a in dns.asked[n:] if a.startswith('1.2.0.192')], [], 'about whom nobody is asked')
with come('203.0.113.20', house.submission_port) as s:
    s.hello()
    like(s.cmd('MAIL FROM:<ann@example.org>'), '^530', 'submission does not ask either')
is_(dns.count('20.113.0.203.bl.test'), 0, '... nobody')
is_(dns.count('1.113.0.203.bl.test'), 1, 'an answer is remembered')

# Silence.
began = time.monotonic()
like(rcpt('203.0.113.7'), '^250', 'a list that says nothing: accepted')
ok(time.monotonic() - began < 1.6 * PATIENCE, '... after dnsbl_timeout')
began = time.monotonic()
like(rcpt('203.0.113.9'), '^250', 'three that say nothing')
ok(0.9 < time.monotonic() - began < 1.8 * PATIENCE, '... cost as long as one: they are asked at the same time')
like(rcpt('203.0.113.8'), '^250', '... whatever the others say, for now')

# Sanity.
for reason, good, bad in (
        ('query-refused', ['127.0.0.2'], {'everything': ['127.255.255.254']}),
        ('answers-outside-127/8', ['127.0.0.2'], {'everything': ['192.0.2.80']}),
        ('127.0.0.1-is-listed', ['127.0.0.2'], {'everything': ['127.0.0.2']}),
        ('no-answer', ['127.0.0.2'], {'everything': DROP})):
    before = len(house.events('dnsbl.suspended'))
    resumed = len(house.events('dnsbl.resumed'))
    dns.everything = bad['everything']
    ok(wait_until(lambda: len(house.events('dnsbl.suspended')) >= before + 3, 15), reason + ': the lists are suspended')
    is_({(e['list'], e['reason']) for e in house.events('dnsbl.suspended')[before:]}, {(l, reason) for l in LISTS}, 'told')
    began = time.monotonic()
    like(rcpt('203.0.113.1'), '^250', '... and who was listed may send')
    like(rcpt('203.0.113.1%d' % len(reason)), '^250', '... and everybody else')
    ok(time.monotonic() - began < 0.5 * PATIENCE, '... at once')
    wait_until(lambda n=dns.count('2.0.0.127.bl.test'): dns.count('2.0.0.127.bl.test') > n + 1)
    is_(len(house.events('dnsbl.suspended')), before + 3, '... told once')
    dns.everything = None
    ok(wait_until(lambda: len(house.events('dnsbl.resumed')) == resumed + 3, 15), '... they come back by themselves')
    like(rcpt('203.0.113.1'), '^550', '... and count')
del dns.names['2.0.0.127.dul.test']
ok(house.wait_event('dnsbl.suspended', list='dul.test', reason='127.0.0.2-is-not-listed'), 'a list that is empty')
like(rcpt('203.0.113.1'), '^550', 'the others count still')

# A list that dies between two probes refuses nobody, however long the next is away.
dns.names['2.0.0.127.dul.test'] = ['127.0.0.2']
house.conf('dnsbl_probe = 1h\ndnsbl = bl.test*3, dul.test=127.0.0.[10;12..13]*2')
house.restart()
like(rcpt('203.0.113.1'), '^550', 'probed at the start, asked seldom: a listed client')
dns.everything = ['127.0.0.2']
suspended = len(house.events('dnsbl.suspended'))
began = time.monotonic()
while time.monotonic() - began < 5.5:  # for so long a probe is fresh
    time.sleep(0.1)
like(rcpt('203.0.113.30'), '^250', 'a list has everybody now: the first who is listed is taken')
is_([(e['list'], e['reason']) for e in house.events('dnsbl.suspended')[suspended:]], [('bl.test', '127.0.0.1-is-listed')],
    '... for it was probed, and is suspended')
like(rcpt('203.0.113.1'), '^250', '... and what it said before is forgotten')
dns.everything = None
house.restart()
like(rcpt('203.0.113.1'), '^550', 'mended')

# The banner.
house.conf('dnsbl =\nbanner_delay = 1s')
house.restart()
began = time.monotonic()
with come('203.0.113.1') as s:
    is_(s.reply()[0], 220, 'a stranger waits')
    ok(0.9 < time.monotonic() - began, '... for banner_delay')
with come('203.0.113.1') as s:
    s.send('EHLO client.example\r\n')
    s.talk('S: 554 5.5.1 You spoke before the greeting', 'who does not')
    ok(s.closed(), '... is sent away')
ok(house.wait_event('smtpd.refused', client='[203.0.113.1]', code=554, reason='pregreet'), 'logged')
began = time.monotonic()
with come('192.0.2.1') as s:
    is_(s.reply()[0], 220, 'a friend')
with come('203.0.113.1', house.submission_port) as s:
    is_(s.reply()[0], 220, 'submission')
ok(time.monotonic() - began < 0.8 * PATIENCE, 'at once')

# Many wait: they cost the gate little, and nobody is forgotten.
house.set_map('access', '127.0.0.1 trust\n192.0.2.0/24 trust\n')
house.conf('dnsbl = bl.test, dul.test, good.test\nbanner_delay = 3s\nsmtpd_connections = 4000')
house.restart()
gate = [p for p in house.pids('smtpd') if not any(p in children(q) for q in house.pids('smtpd'))][0]


def dirty():
    with open('/proc/%d/smaps_rollup' % gate) as f:
        return int(re.search(r'^Private_Dirty:\s+(\d+)', f.read(), re.M).group(1))


dns.names['*.test'] = DROP
MANY = 2000
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < MANY + 500 or PATIENCE > 1:
    skip('%d strangers wait' % MANY, 'too few descriptors, or an instrumented build')
else:
    before, crowd = dirty(), []
    for i in range(MANY):
        crowd.append(socket.create_connection(('127.0.0.1', house.smtp_port), 15, ('127.1.%d.%d' % (i // 250, 1 + i % 250), 0)))
    fds = '/proc/%d/fd' % gate
    ok(wait_until(lambda: len(os.listdir(fds)) > MANY), '%d strangers wait' % MANY)
    ok(dirty() - before < MANY * 1.2, '... for less than 1.2 kB each: %d kB' % (dirty() - before))
    poll = select.poll()  # select() has room for 1024
    for c in crowd:
        poll.register(c, select.POLLIN)
    first = dict(poll.poll(15000 * PATIENCE))
    is_({c.recv(4) for c in crowd if c.fileno() in first}, {b'220 '}, '... and the first are served')
    for c in crowd:
        c.close()
    ok(wait_until(lambda: len(os.listdir(fds)) < 200), '... all of them leave')
del dns.names['*.test']
house.set_map('access', '192.0.2.0/24 trust\n')
house.conf('dnsbl =\nbanner_delay = 1s')

# inetd: the same in one process.
listener = socket.create_server(('127.0.0.1', 0))


def inetd(address='127.0.0.1'):
    client = Smtp(0, sock=socket.create_connection(listener.getsockname(), 15, (address, 0)))
    server, _ = listener.accept()
    p = house.spawn('smtpd', stdin=server, stdout=server, stderr=server)
    server.close()
    return client, p


client, p = inetd()
client.talk('S: 220 *\nC: QUIT\nS: 221 *', 'inetd: it waits and is served')
is_(p.wait(10), 0, 'exit code 0')
client, p = inetd()
client.send('EHLO x\r\n')
client.talk('S: 554 5.5.1 *', 'inetd: who does not wait')
is_(p.wait(10), 0, 'exit code 0')
dns.names['77.0.0.127.bl.test'] = ['127.0.0.2']
house.conf('dnsbl = bl.test*3\nbanner_delay = 0')
for address, want in ('127.0.0.77', '^550 5.7.1 .* listed by bl.test'), ('127.0.0.78', '^250'):
    client, p = inetd(address)
    with client:
        client.hello()
        client.cmd('MAIL FROM:<bob@client.example>')
        like(client.cmd('RCPT TO:<ann@example.org>'), want, 'inetd: lists are asked: ' + address)
        client.cmd('QUIT')
    is_(p.wait(10), 0, 'exit code 0')
house.set_map('access', '127.0.0.79 reject text="Not you"\n')
client, p = inetd('127.0.0.79')
client.talk('S: 554 5.7.1 Not you', 'inetd: access is asked')
is_(p.wait(10), 0, 'exit code 0')
house.conf('proxy_from = 127.0.0.80\ndnsbl =')
for address, want in ('127.0.0.80', 'S: 220 *'), ('127.0.0.81', 'S: 220 *\nS: 554 5.7.1 No PROXY header *'):
    client, p = inetd(address)
    with client:
        client.send('PROXY TCP4 203.0.113.99 127.0.0.1 4711 25\r\n')
        client.talk(want, 'inetd: a PROXY header from ' + address)
    is_(p.wait(10), 0, 'exit code 0')
done()
