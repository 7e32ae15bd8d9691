#!/usr/bin/env python3
"""pop3d from inetd (the connection on fd 0), with sockets handed over, and its processes' ends."""
import os, signal, socket, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *
import posthouse as _ph

house = PopHouse()
house.programs = ('authd',)
house.started = {}
house.start_program('authd')
wait_until(lambda: os.path.exists(house.path('run', 'auth')), 10, 'authd listens')
put(house, 'ann', b'Subject: one\n\n.dot\n')

listener = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
p = spawn([_ph.LIBEXEC / 'pop3d', '-C', house.dir], stdin=server, stdout=server, stderr=server)
server.close()
with Pop3(0, sock=client) as c:
    c.talk('''
        S: +OK *
        C: USER ann
        S: +OK
        C: PASS secret
        S: +OK ann@example.org has 1 messages
    ''')
    ok(c.quiet(0.6) and p.poll() is None, 'the session waits for its client, and the process with it')
    c.talk('''
        C: RETR 1
        S: +OK 22 octets
        S: Subject: one
        S:
        S: ..dot
        S: .
        C: DELE 1
        S: +OK *
        C: QUIT
        S: +OK 1 messages deleted
    ''', 'a whole session on fd 0')
    ok(c.closed(), 'the connection is closed, and no log line came over it')
is_(p.wait(10), 0, 'the process ends with it')
is_(house.mail('ann'), [], 'the message is deleted')

# Handed over by master or systemd: the first descriptor is 3.
env = {k: v for k, v in os.environ.items() if not k.startswith('LISTEN_')}
sock = socket.create_server(('127.0.0.1', 0))
err = open(house.path('log', 'pop3d.err'), 'ab')
p = spawn(['sh', '-c', 'exec 3<&%d; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=pop3 exec "$0" "$@"' % sock.fileno(),
           _ph.LIBEXEC / 'pop3d', '-C', house.dir], pass_fds=[sock.fileno()], env=env, stderr=err)
with Pop3(sock.getsockname()[1]) as c:
    is_(c.login('ann', 'secret'), '+OK ann@example.org has 0 messages', 'sockets that were handed over are served')
    # One of its processes dies: the whole program ends, for whoever restarts it.
    family = children(p.pid)
    ok(len(family) >= 3, 'gate, worker, spawner, session are processes of their own')


def parent(pid):
    try:
        return int(open('/proc/%d/stat' % pid).read().rpartition(')')[2].split()[1])
    except OSError:
        return None


direct = [k for k in family if parent(k) == p.pid]
is_(len(direct), 2, 'the first process has two children')
os.kill(direct[0], signal.SIGKILL)
is_(p.wait(10), 70, 'a child of the first process is killed: it ends too, with EX_SOFTWARE')
ok(wait_until(lambda: not any(alive(k) for k in family), 10), '... and all the others')

p = spawn([_ph.LIBEXEC / 'pop3d', '-C', house.dir], stderr=err)
wait_until(house._answers, 10, 'pop3d runs')
everybody = [p.pid] + children(p.pid) + [house.started['authd'].pid] + children(house.started['authd'].pid)
for number in (signal.SIGSTOP, signal.SIGCONT):
    for pid in everybody:
        os.kill(pid, number)
with house.pop3('ann') as c:
    ok(p.poll() is None and house.started['authd'].poll() is None, 'stopped and continued: all go on')
    family = children(p.pid)
    p.kill()
    ok(wait_until(lambda: not any(alive(k) for k in family), 10), 'the first process is killed: all the others end')
    ok(c.closed(), '... and the session')
p = spawn([_ph.LIBEXEC / 'authd', '-C', house.dir], stderr=err)
wait_until(lambda: len(children(p.pid)) >= 3, 10, 'a second authd runs')
family = children(p.pid)
p.kill()
ok(wait_until(lambda: not any(alive(k) for k in family), 10), 'authd is killed: its helpers end')
done()
