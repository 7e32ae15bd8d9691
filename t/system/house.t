#!/usr/bin/env python3
"""The house as a whole: start, stop, status, restart, reload; what is killed comes back."""
import json
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

MESSAGE = b'From: x@else.example\r\nSubject: hello\r\n\r\nHello.\r\n'

house = House(conf='collect_serve = yes\ncallout = relayed\n')
r = house.ph('status', check=False)
is_(r.returncode, 3, 'status before the start: exit code 3')
r = house.ph('check', check=False)
is_((r.returncode, r.stdout), (0, 'all is well\n'), 'check finds a fresh instance in order')

# A running house.

house.start()
status = json.loads(house.ph('status', '--json').stdout)
is_(status['well'], True, 'status: all is well')
services = {s['name']: s for s in status['services']}
is_(sorted(services), ['authd', 'bounce', 'calloutd', 'collect', 'local', 'pop3d', 'queued', 'remote', 'smtpd', 'tlsd', 'tokend'], 'all services are there')
is_([n for n, s in services.items() if s['state'] != 'running' or s['starts'] != 1 or s['rss_octets'] < 100000], [],
    'each runs, was started once, has memory')
is_(status['queue'].get('messages'), 0, 'nothing is queued')
like(house.ph('status').stdout, r'^posthouse runs since \d{4}-', 'status for people')
r = house.ph('start')
like(r.stdout, r'^runs already', 'a second start says so and is no error')
is_(house.send('x@else.example', 'ann@example.org', MESSAGE)[:3], '250', 'it takes a message')
is_(len(house.wait_mail('ann@example.org', 1)), 1, 'and delivers it')
with house.pop3('ann@example.org') as p:
    like(p.cmd('STAT'), r'^\+OK 1 ', 'which can be fetched')
r = house.ph('check', check=False)
is_((r.returncode, r.stdout), (0, 'all is well\n'), 'check finds the running house in order')

if ROOT:
    users = {'queued': 'phqueue', 'authd': 'phauth', 'local': 'phmail', 'remote': 'phremote', 'calloutd': 'phremote', 'bounce': 'phqueue',
             'smtpd': 'phsmtpd', 'pop3d': 'phpop3', 'tokend': 'phtoken', 'tlsd': 'phtls'}
    import pwd
    wrong = []
    others = {'pop3d': 'phmail', 'authd': 'phcheck'}  # of some of their processes
    for name, user in users.items():
        allowed = {pwd.getpwnam(u).pw_uid for u in (user, others.get(name, user))}
        main_pid = services[name]['pid']
        for pid in [main_pid] + children(main_pid):
            try:
                uid = os.stat('/proc/%d' % pid).st_uid
                with open('/proc/%d/status' % pid) as f:
                    real = [int(x) for x in f.read().split('Uid:')[1].split('\n')[0].split()]
            except FileNotFoundError:
                continue
            if not set(real) <= allowed:
                wrong.append((name, pid, real))
    is_(wrong, [], 'every program is its own user')
else:
    skip('every program is its own user', 'needs root')

# kill -9 of each program.

for name in sorted(services):
    before = {s['name']: s for s in json.loads(house.ph('status', '--json', check=False).stdout)['services']}[name]
    os.kill(before['pid'], 9)

    def back():
        now = {s['name']: s for s in json.loads(house.ph('status', '--json', check=False).stdout)['services']}[name]
        return now['state'] == 'running' and now['pid'] != before['pid'] and now['starts'] > before['starts']
    ok(wait_until(back, 15), '%s comes back after kill -9' % name)
ok(house.wait_event('master.died', service='queued'), 'the log says who died')
ok(wait_until(lambda: house.ph('status', check=False).returncode == 0, 15), 'and all is well again')
is_(house.send('x@else.example', 'bob@example.org', MESSAGE)[:3], '250', 'the mended house takes a message')
is_(len(house.wait_mail('bob@example.org', 1)), 1, 'and delivers it')
with house.pop3('ann@example.org') as p:
    like(p.cmd('STAT'), r'^\+OK 1 ', 'and hands out the old one')

# New settings.

port = free_port()
house.conf('listen_submission = 127.0.0.1:%d' % port)
r = house.ph('reload')
with house.smtp(port) as s:
    is_(s.reply()[0], 220, 'reload opens a new listener')
refused = False
try:
    house.smtp(house.submission_port).close()
except ConnectionRefusedError:
    refused = True
ok(refused, 'and closes the old one')

# kill -9 of master: nothing is left over after the next start.

house._learn()
old = set(house.leftovers())
master = house.master_pid()
os.kill(master, 9)
ok(wait_until(lambda: not alive(master), 5), 'master is killed')
ok(wait_until(lambda: not house.leftovers(), 10), 'its programs notice and end')
house.start()
is_([p for p in old if p in house.leftovers()], [], 'a new start leaves no process of the old house')
is_(house.send('x@else.example', 'bob@example.org', MESSAGE)[:3], '250', 'and the new house works')
house.restart()
is_(house.ph('status', check=False).returncode, 0, 'restart')

# A port that somebody else has.

house.stop()
is_(house.leftovers(), [], 'stop returns when every process is gone')
is_(house.ph('status', check=False).returncode, 3, 'status after the stop: exit code 3')
with socket.socket() as thief:
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    thief.bind(('127.0.0.1', house.pop3_port))
    thief.listen()
    r = house.ph('start', check=False)
    is_(r.returncode, 69, 'start fails when a port is taken')
    like(r.stderr, r'127\.0\.0\.1:%d: address in use by \S+ \(pid %d\)' % (house.pop3_port, os.getpid()),
         'and names address, port and holder')
    with house.smtp() as s:
        is_(s.reply()[0], 220, 'the other listeners are there')
    r = house.ph('status', check=False)
    is_(r.returncode, 1, 'status: exit code 1 while something is missing')
    r = house.ph('check', check=False)
    is_(r.returncode, 1, 'check finds it too')
house.ph('reload')
with house.pop3() as p:
    like(p.cmd(), r'^\+OK', 'reload opens it once it is free')
house.stop()

# What is coming while the house closes.

house.start()
before = len(house.mail_files('ann'))
coming, stuck = house.smtp(), house.smtp()
for s in coming, stuck:
    s.hello()
    for c in 'MAIL FROM:<x@else.example>', 'RCPT TO:<ann@example.org>', 'DATA':
        s.cmd(c)
    s.send('Subject: late\r\n\r\nhalf ')
house._learn()
began = time.monotonic()
stopping = spawn([BIN / 'posthouse', '-C', house.dir, 'stop'])
wait_until(lambda: house.events('master.stopped', service='pop3d')[-1:], 10)
coming.send('and half\r\n.\r\n')
is_(coming.reply()[0], 250, 'stop: a message that is coming is taken')
is_(stuck.reply()[0], 421, 'who sends no more is told to come again')
is_(stopping.wait(30), 0, 'then stop returns')
ok(time.monotonic() - began < 10 * PATIENCE, 'within 10 s')
is_((house.leftovers(), len(house.mail_files('ann')) - before), ([], 1), 'every process is gone, the one message is there')
house.running = False

# Old days are forgotten, other files stay.

log = house.path('log')
for name in ('2001-01-01.log', '2001-01-01.txt'):
    (log / name).write_text('old\n')
house.start()
house.stop()
is_(sorted(p.name for p in log.iterdir() if p.name.startswith('2001')), ['2001-01-01.txt'],
    'log: old days are deleted, other files are not')
like(house.ph('log').stdout, r'master\.started service=smtpd', 'posthouse log shows today')
is_([line for line in house.log().split('\n') if line and not parse_event(line)], [],
    'every line of the log is an event')
r = house.ph('log', '--day', '2001-01-02', check=False)
days = sorted(p.stem for p in log.glob('*-*-*.log'))
is_((r.returncode, r.stdout, r.stderr), (1, '', 'log: nothing was written on 2001-01-02; there is %s to %s\n' % (days[0], days[-1])),
    'a day without a log: which days there are')
is_(house.ph('log', '--day', 'nonsense', check=False).returncode, 64, 'posthouse log: a day that is none')
done()
