#!/usr/bin/env python3
"""The process behind a session waits for the next login to the same mailbox: what it may remember, and what not."""
import os, shutil, signal, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *

house = PopHouse(users=['ann:secret', 'bob:secret'], conf='pop3d_keep = 60s').start()
LETTER = b'Subject: %d\n\n%d\n'


def begun(user='ann'):
    """pid of the process that has the newest session."""
    return int(house.events('pop3d.login', mailbox='%s@example.org' % user)[-1]['pid'])


def session(user='ann', *commands):
    """(pid of its process, the answers); the process rests again when this returns."""
    with house.pop3(user) as p:
        pid = begun(user)
        answers = [p.cmd(c) for c in commands]
        p.cmd('QUIT')
    wait_until(lambda: resting(pid), 10, 'the process rests')
    return pid, answers


def resting(pid):
    """It has no connection: only its standard descriptors, its mailbox and its end of the pair are open."""
    try:
        links = [os.readlink('/proc/%d/fd/%s' % (pid, n)) for n in os.listdir('/proc/%d/fd' % pid)]
    except OSError:
        return True  # it has ended
    return sum(link.startswith('socket:') for link in links) <= 1


def old(box):
    """As if nothing had happened there for an hour."""
    for d in (box / 'cur', box / 'new', box):
        os.utime(d, (time.time() - 3600, time.time() - 3600))


box = house.maildir('ann')
for i in range(3):
    put(house, 'ann', LETTER % (i, i), sub='cur')
old(box)
first, answers = session('ann', 'STAT', 'DELE 1', 'RSET', 'DELE 2', 'NOOP')
is_(answers[0], '+OK 3 51', 'the first session')
put(house, 'bob', LETTER % (9, 9))
pid, answers = session('ann', 'STAT')
is_((pid, answers), (first, ['+OK 2 34']), 'the second is served by the same process, and the deleted message has gone')
old(box)
is_(session('ann', 'STAT', 'DELE 1', 'STAT')[1], ['+OK 2 34', '+OK marked to be deleted', '+OK 1 17'], 'a session marks a message')
put(house, 'ann', LETTER % (5, 5), sub='new')
pid, answers = session('ann', 'STAT', 'UIDL 2')
is_(pid, first, 'again the same process')
is_(answers[0], '+OK 2 34', '... which sees the message that has come')
old(box)
with house.pop3('ann') as p:
    p.cmd('DELE 1')
    p.sock.close()
wait_until(lambda: resting(first), 10, 'it rests')
is_(session('ann', 'STAT', 'RETR 1')[1][0], '+OK 2 34', 'marks of a connection that was lost do not live on')

# Changes right behind one another, within one tick of the file system's clock.
seen = []
for i in range(30):
    put(house, 'ann', LETTER % (i % 10, i % 10))
    seen.append(session('ann', 'STAT')[1][0].split()[1])
is_(seen, [str(i + 3) for i in range(30)], 'every message is there at the next login')
old(box)
session('ann')
name = sorted((box / 'new').iterdir())[0]
os.rename(name, box / 'cur' / (name.name + ':2,F'))
with house.pop3('ann') as p:
    is_(p.cmd('STAT'), '+OK 32 544', 'one that another program moved is there once')
    is_(begun('ann'), first, '... in the same process')
    is_(all(p.multi('RETR %d' % i)[0].startswith('+OK') for i in range(1, 33)), True, '... and all can be read')
wait_until(lambda: resting(first), 10, 'it rests')

# Others.
with house.pop3('bob') as p:
    ok(begun('bob') != first, 'another mailbox has another process')
    is_(p.cmd('STAT'), '+OK 1 17', '... and its own messages')
with house.pop3('ann') as p, house.pop3('ann') as q:
    ok(len({int(e['pid']) for e in house.events('pop3d.login', mailbox='ann@example.org')[-2:]}) == 2,
       'two sessions at once have two processes')
    is_(p.cmd('NOOP'), '+OK', '... both')
    is_(q.cmd('NOOP'), '+OK', '... work')

# Another maildir in the same place.
pid = session('ann')[0]
os.rename(box, str(box) + '.old')
put(house, 'ann', LETTER % (1, 1))
tries = []
for _ in range(5):  # at most two processes rest
    p = house.pop3()
    tries.append(p.login('ann', 'secret'))
    p.__exit__(None, None, None)
    if tries[-1].startswith('+OK'):
        break
is_(tries[-1], '+OK ann@example.org has 1 messages', 'another maildir in the place of the old one is opened')
ok(all(t == '-ERR [SYS/TEMP] mailbox cannot be opened now' for t in tries[:-1]), '... after who was shut into the old one has gone') or diag(tries)
shutil.rmtree(box / 'cur')
like(session('ann', 'STAT')[1][0], r'^\+OK 1 17', 'a directory of it that is not there any more is made again')

pid = session('ann')[0]
os.kill(pid, signal.SIGKILL)
wait_until(lambda: not alive(pid), 10, 'it is dead')
like(session('ann', 'STAT')[1][0], r'^\+OK 1 17', 'after a process was killed in its rest another one serves')
house.stop()

house = PopHouse(users=['ann:secret'], conf='pop3d_keep = 1s').start()
pid = session('ann')[0]
ok(wait_until(lambda: not alive(pid), 10), 'after pop3d_keep the process leaves')
house.stop()

# The last moment: a connection that came while the process slept through the end of its time.
house = PopHouse(users=['ann:secret'], conf='pop3d_keep = 1s').start()
pid = session('ann')[0]
os.kill(pid, signal.SIGSTOP)
p = house.pop3()
p.send(b'USER ann\r\nPASS secret\r\nSTAT\r\n')
wait_until(lambda: house.events('auth.ok')[1:], 10, 'the second login')
time.sleep(1.5)
os.kill(pid, signal.SIGCONT)
is_([(p.cmd() or '')[:3] for _ in range(4)], ['+OK'] * 4, 'a connection that comes at the last moment is not lost')
p.__exit__(None, None, None)
house.stop()

house = PopHouse(users=['ann:secret'], conf='pop3d_keep = 0').start()
ok(session('ann')[0] != session('ann')[0], 'pop3d_keep = 0: a process a session')
house.stop()
done()
