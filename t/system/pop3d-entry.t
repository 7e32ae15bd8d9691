#!/usr/bin/env python3
"""Who may open a mailbox once the password was right: sessions side by side, the lock, the pause between logins."""
import os, re, socket, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *

house = PopHouse(users=['ann:secret', 'bob:secret'], conf='pop3d_connections_per_user = 3').start()


def login(house, user='ann'):
    """The connection, and the answer to its login."""
    p = house.pop3()
    return p, p.login(user, 'secret')


def leave(*sessions):
    for p in sessions:
        p.cmd('QUIT')
        p.__exit__(None, None, None)


put(house, 'ann', b'Subject: 1\n\n1\n')
three = [login(house) for _ in range(3)]
is_([a for _, a in three], ['+OK ann@example.org has 1 messages'] * 3, 'three sessions in one mailbox')
p, answer = login(house)
is_(answer, '-ERR [IN-USE] too many sessions in this mailbox', 'not a fourth')
ok(p.closed(), '... and the connection ends')
ok(house.wait_event('pop3d.refused', mailbox='ann@example.org', client='127.0.0.1'), '... the log has it')
p, answer = login(house, 'bob')
like(answer, r'^\+OK', 'another mailbox has its own count')
leave(p)
is_([s.cmd('DELE 1') for s, _ in three[:2]], ['+OK marked to be deleted'] * 2, 'two of them delete the same message')
is_([s.cmd('QUIT') for s, _ in three[:2]], ['+OK 1 messages deleted'] * 2, '... and both succeed')
is_(three[2][0].cmd('RETR 1'), '-ERR message has been removed by another program', 'the third learns that it has gone')
ok(wait_until(lambda: login(house)[1].startswith('+OK'), 10), 'a place that is free again is given away')
leave(three[2][0])

# A mailbox that nobody can open by waiting.
box = house.maildir('bob')
for d in sorted(box.iterdir()):
    os.rename(d, house.path('mail', d.name + '.away')) if d.name == 'cur' else None
(box / 'cur').write_text('not a directory')
is_(login(house, 'bob')[1], '-ERR [SYS/PERM] mailbox cannot be opened: the postmaster has to mend it',
    'what waiting does not mend is SYS/PERM')
house.stop()

# How many connections there are: of an address and in all, before the login and after it, each.
house = PopHouse(users=['ann:secret'], conf='pop3d_connections = 3\npop3d_connections_per_address = 2\nplaintext_login = always').start()
TOO_MANY, SESSIONS = '-ERR [SYS/TEMP] too many connections, try again later', '-ERR [SYS/TEMP] too many sessions, try again later'


def come(address):
    """(connection, greeting) from one of our loopback addresses."""
    p = Pop3(0, sock=socket.create_connection(('127.0.0.1', house.pop3_port), 10, (address, 0)))
    return p, p.cmd()


def let_in(address):
    """The same, when those before have gone."""
    got = []
    wait_until(lambda: got.append(come(address)) or got[-1][1].startswith('+OK'), 10)
    return got[-1]


lines = [let_in('127.0.0.1'), let_in('127.0.0.1'), come('127.0.0.1'), let_in('127.0.0.2'), come('127.0.0.3')]
is_([said[:3] for _, said in lines], ['+OK', '+OK', '-ER', '+OK', '-ER'], 'two connections of an address, three in all')
is_({lines[2][1], lines[4][1]}, {TOO_MANY}, '... who is over hears SYS/TEMP')
ok(lines[2][0].closed() and lines[4][0].closed(), '... and that is all')
ok(house.wait_event('pop3d.refused', client='127.0.0.1', limit='connections_per_address'), 'the log has the one limit')
ok(house.wait_event('pop3d.refused', client='127.0.0.3', limit='connections'), '... and the other')


def enter(p):
    p.cmd('USER ann')
    return p.cmd('PASS secret')


two = [lines[0][0], lines[1][0]]
is_([enter(p)[:3] for p in two], ['+OK'] * 2, 'two sessions of that address')
is_(enter(let_in('127.0.0.1')[0]), SESSIONS, '... no third')
is_(enter(lines[3][0])[:3], '+OK', 'another address')
is_(enter(let_in('127.0.0.3')[0]), SESSIONS, '... but three in all')
is_([p.cmd('NOOP') for p in two], ['+OK'] * 2, 'those within go on')
two[0].cmd('QUIT')
ok(wait_until(lambda: enter(let_in('127.0.0.1')[0]).startswith('+OK'), 10), 'one leaves: there is room again')
house.stop()

# A login has a minute for each line and five in all; here it is a second.
house = PopHouse(users=['ann:secret'], conf='pop3d_timeout = 1s\nlog_level = detail').start()
with house.pop3() as p:
    p.cmd()
    p.cmd('USER ann')
    is_(p.rest(), b'', 'who says nothing is left without a word')
ok(house.wait_event('pop3d.disconnect', why='timeout'), '... the log says why')
with house.pop3() as p:
    p.cmd()
    began, said = time.monotonic(), 0
    try:
        while p.cmd('LANG en') is not None:
            said += 1
            time.sleep(0.1)
    except OSError:
        pass
    ok(said > 2 and 4.5 < time.monotonic() - began < 10 * PATIENCE, 'nor does talking keep the place for ever: %d commands' % said)
house.stop()

# The lock.
house = PopHouse(users=['ann:secret'], conf='pop3d_lock = yes').start()
put(house, 'ann', b'Subject: 1\n\n1\n')
p, answer = login(house)
like(answer, r'^\+OK', 'pop3d_lock: the first has the mailbox')
is_(login(house)[1], '-ERR [IN-USE] another session has this mailbox', '... who comes meanwhile has not')
for i in range(20):
    p.cmd('QUIT')
    p, answer = login(house)
    if not answer.startswith('+OK'):
        break
like(answer, r'^\+OK', "... and behind QUIT's answer it is free, twenty times")
p.sock.close()
ok(wait_until(lambda: login(house)[1].startswith('+OK'), 10), '... so it is after a connection that was lost')
house.stop()

# The pause between logins.
house = PopHouse(users=['ann:secret', 'bob:secret'], conf='pop3d_login_delay = 1h').start()
with house.pop3() as p:
    p.cmd()
    ok(b'LOGIN-DELAY 3600\r\n' in p.multi('CAPA')[1], 'CAPA tells of pop3d_login_delay')
p, answer = login(house)
like(answer, r'^\+OK', 'the first login')
ok(b'LOGIN-DELAY 3600\r\n' in p.multi('CAPA')[1], '... CAPA has it there, too')
leave(p)
like(login(house)[1], r'^-ERR \[LOGIN-DELAY\] too early: wait (3600|35\d\d) seconds more$', 'the second comes too early')
like(login(house, 'bob')[1], r'^\+OK', 'others have their own time')
stamp = house.maildir('ann') / 'pop3d-login'
os.utime(stamp, (time.time() - 3599, time.time() - 3599 - 1))
p, answer = login(house)
like(answer, r'^\+OK', 'an hour later it is time')
leave(p)
os.utime(stamp, (time.time() + 9999, time.time() + 9999))
like(login(house)[1], r'^\+OK', 'a login in the future is a clock that was wrong')
house.stop()

# Commands ahead of their answers: who does not read is not read from, and loses nothing.
house = PopHouse(users=['ann:secret']).start()
with house.pop3('ann') as p:
    p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sent, total = 0, 3000000
    octets = memoryview(b'NOOP\r\n' * total)
    p.sock.setblocking(False)
    blocked = 0
    while blocked < 20 and sent < len(octets):
        try:
            sent += p.sock.send(octets[sent:sent + 1048576])
            blocked = 0
        except BlockingIOError:
            blocked += 1
            time.sleep(0.01)
    ok(sent < len(octets), 'commands whose answers nobody reads are not taken without end') or diag('%d octets' % sent)
    p.sock.setblocking(True)
    whole = sent // 6
    p.sock.settimeout(20)
    rest = bytes(octets[sent:(whole + 1) * 6])
    got = b''
    while len(got) < 5 * whole:
        piece = p.sock.recv(1 << 20)
        if not piece:
            break
        got += piece
    p.send(rest + b'QUIT\r\n')
    got += p.rest()
    is_(got == b'+OK\r\n' * (whole + (1 if rest else 0) + 1), True, '... and each is answered in the end, once')
done()
