#!/usr/bin/env python3
"""At RCPT the server of a relayed domain is asked whether it has the recipient: its no is ours, its silence is not."""
import glob, os, socket, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import Server

# A real server behind us, and one that says what it is told to.
behind = House(domains=['firm.example'], users=['ann:secret'], conf='hostname = groupware.firm.example\n').start()
odd = Server()
dead = free_port()
CONF = 'hostname = mx.example.org\nhelo_name = mx.example.org\ncallout = relayed\ncallout_timeout = 2s\nretry_first = 1s\n'
house = House(domains=['example.org'], users=['joe@example.org:secret'], conf=CONF, maps={
    'domains': 'firm.example relay\nodd.example relay\nslow.example relay\n',
    'aliases': 'away@example.org nobody@firm.example\nboth@example.org joe, nobody@firm.example\n',
    'routes': 'firm.example smarthost=[127.0.0.1]:%d\nodd.example smarthost=[127.0.0.1]:%d\ndead.example smarthost=[127.0.0.1]:%d\n'
              % (behind.smtp_port, odd.port, dead)}).start()
services = house.ph('status', '--json').stdout
like(services, '"calloutd"', 'calloutd runs')


def rcpt(address, utf8=False):
    with house.smtp() as s:
        s.hello()
        s.cmd('MAIL FROM:<dave@elsewhere.example>' + (' SMTPUTF8' if utf8 else ''))
        return s.cmd('RCPT TO:<%s>' % address)


def verdict(address):
    house.wait_event('callout.answer', rcpt=address)
    return [e['answer'] for e in house.events('callout.answer', rcpt=address)]


def asked():
    return [e['rcpt'] for e in behind.events('smtpd.reject')]


like(rcpt('ann@firm.example'), '^250 ', 'who is there is taken')
like(rcpt('nobody@firm.example'), r'^550 5\.1\.1 The server for this address said: 550 5\.1\.1 No such user here', 'who is not is refused, in its words')
is_((verdict('nobody@firm.example'), verdict('ann@firm.example')), (['no'], ['yes']), 'the log has the answers')
like(rcpt('nobody@firm.example'), r'^550 5\.1\.1 ', '... again')
like(rcpt('Nobody@FIRM.example'), r'^550 5\.1\.1 ', '... the domain in capitals')
is_(asked().count('nobody@firm.example'), 1, 'the server was asked once')
like(rcpt('joe@example.org'), '^250 ', 'our own people are not asked about')
like(rcpt('other@elsewhere.example'), '^550 5.7.1', 'nor are those we do not relay for')
like(rcpt('both@example.org'), '^250 ', 'of a group the others get it')
like(house.send('x@y.example', 'ann@firm.example', b'Subject: hi\r\n\r\nhello\r\n'), '^250 ', 'mail goes through')
is_(len(behind.wait_mail('ann', 1, bound=20)), 1, '... and arrives')

# What is no answer.
for stage, reply, what in (('RCPT', '451 4.2.1 later', 'later'), ('MAIL', '550 5.7.1 we do not like you', 'a no to the null sender'),
                           ('greeting', '554 5.7.1 go away', 'a no to us'), ('greeting', None, 'a closed door'), ('RCPT', 'wait', 'silence'),
                           ('EHLO', b'\x00\xff' * 9000 + b'\r\n', 'garbage'), ('RCPT', None, 'a lost connection')):
    before = odd.say[stage]
    odd.say[stage] = reply
    address = '%s@odd.example' % what.replace(' ', '-')
    like(rcpt(address), '^250 ', what + ' is no answer: taken')
    is_(verdict(address), ['unknown'], '... and logged')
    odd.say[stage] = before
    n = len(odd.sessions)
    rcpt(address)
    is_(len(odd.sessions), n, '... nor asked again at once')
odd.say['RCPT'] = '550-5.7.1 no\n5.7.1 such \x01\x02 thing'
like(rcpt('policy@odd.example'), r'^550 5\.7\.1 The server for this address said: 550 5\.7\.1 no 5\.7\.1 such \?\? thing$', 'lines become one, printable; its enhanced code stays')
odd.say['RCPT'] = '250 fine'
session = [l for l in odd.sessions[-1]]
is_(session, [b'EHLO mx.example.org', b'MAIL FROM:<>', b'RCPT TO:<policy@odd.example>', b'QUIT'], 'no message is sent')
like(rcpt('j\u00fcrgen@odd.example', True), '^250 ', 'SMTPUTF8')
ok(b'MAIL FROM:<> SMTPUTF8' in odd.sessions[-1], '... is said')

# Many who want the same share one question.
odd.say['RCPT'] = lambda line: time.sleep(0.5) or '250 fine'
n = len(odd.sessions)
answers = []
threads = [threading.Thread(target=lambda: answers.append(rcpt('popular@odd.example')[:3])) for _ in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
is_((answers, len(odd.sessions) - n), (['250'] * 20, 1), 'twenty clients, one question')

# A dead server behind us does not keep others from being asked about.
odd.say['RCPT'] = 'wait'
threads = [threading.Thread(target=rcpt, args=('dead%d@odd.example' % i,)) for i in range(40)]
[t.start() for t in threads]
wait_until(lambda: len([x for x in odd.sessions if any(b'RCPT TO:<dead' in l for l in x)]) >= 15, what='fifteen questions')
like(rcpt('ann2@firm.example'), r'^550 5\.1\.1 ', 'while one server is silent another is asked')
[t.join() for t in threads]
is_(len([x for x in odd.sessions if any(b'RCPT TO:<dead' in l for l in x)]), 15, '... and the silent one has fifteen questions at once')
odd.say['RCPT'] = '250 fine'

# A client that goes while its question is open; calloutd that is stopped.
odd.say['RCPT'] = 'wait'
s = house.smtp()
s.hello()
s.cmd('MAIL FROM:<>')
s.send(b'RCPT TO:<gone@odd.example>\r\n')
wait_until(lambda: any(b'RCPT TO:<gone@odd.example>' in x for x in odd.sessions), what='the question')
held = {pid: {os.readlink(x) for x in glob.glob('/proc/%d/fd/*' % pid) if int(x.split('/')[-1]) > 2} for pid in house.pids('calloutd')}
sockets = [x for links in held.values() for x in links if x.startswith('socket:')]
is_((len(held), len(sockets) - len(set(sockets))), (2, 0), 'the process that asks has no socket of calloutd\'s')
s.close()
ok(house.wait_event('callout.answer', rcpt='gone@odd.example'), 'the question ends without its client')
odd.say['RCPT'] = '250 fine'
like(rcpt('after@odd.example'), '^250 ', '... and the next is answered')
for pid in house.pids('calloutd'):
    os.kill(pid, 9)
like(rcpt('ann@firm.example'), '^250 ', 'without calloutd mail is taken')
house.wait_event('master.died', service='calloutd')
wait_until(lambda: rcpt('fresh%d@firm.example' % time.monotonic_ns())[:3] == '550', what='calloutd is back')
ok(True, 'it comes back')

# A dead server behind us holds no worker that others wait for.
house.conf('smtpd_workers = 2\ncallout_timeout = 20s\n')
house.restart()
odd.say['RCPT'] = 'wait'
busy = [house.smtp(), Smtp(0, sock=socket.create_connection(('127.0.0.1', house.smtp_port), 30 * PATIENCE, ('127.2.0.1', 0)))]
for s in busy:
    s.hello()
    s.cmd('MAIL FROM:<dave@elsewhere.example>')
gate = house.pids('smtpd')[0]
before = len(os.listdir('/proc/%d/fd' % gate))
late = socket.create_connection(('127.0.0.1', house.smtp_port), 30 * PATIENCE, ('127.3.0.1', 0))
wait_until(lambda: len(os.listdir('/proc/%d/fd' % gate)) > before, what='somebody who waits for a worker')
began = time.monotonic()
like(busy[0].cmd('RCPT TO:<dead@odd.example>'), '^250 ', 'while somebody waits for a worker')
ok(time.monotonic() - began < 5 * PATIENCE, '... a silent server is not waited for: %.1f s' % (time.monotonic() - began))
for s in (*busy, late):
    s.close()
odd.say['RCPT'] = '250 fine'
house.conf('on_callout_error = defer\nsmtpd_workers = 50\ncallout_timeout = 2s\n')
house.restart()
odd.say['RCPT'] = '451 no'
like(rcpt('unsure@odd.example'), r'^450 4\.1\.1 ', 'on_callout_error = defer')
house.conf('callout = no\n')
house.restart()
like(rcpt('nobody@firm.example'), '^250 ', 'callout = no: nobody is asked')
is_(house.pids('calloutd'), [], '... and calloutd does not run')
done()
