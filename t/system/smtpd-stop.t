#!/usr/bin/env python3
"""SIGTERM, inetd, handed-over sockets."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House(conf='hostname = mx.example.org')
house.start()


def gate():
    """smtpd's parent: the one whose children are smtpd too."""
    pids = house.pids('smtpd')
    return [p for p in pids if not any(p in children(q) for q in pids)][0]


idle, reading, early, half, stuck = [house.smtp() for i in range(5)]
half.reply()
half.send('EHLO cli')
stuck.hello()
stuck.cmd('MAIL FROM:<bob@client.example>')
idle.hello()
early.reply()
reading.hello()
for c in 'MAIL FROM:<bob@client.example>', 'RCPT TO:<ann@example.org>', 'DATA':
    reading.cmd(c)
reading.send('Subject: x\r\n\r\nfirst half, ')
os.kill(gate(), signal.SIGTERM)
idle.talk('S: 421 4.3.2 *', 'between transactions: told at once')
ok(idle.closed(), 'and closed')
early.talk('S: 421 4.3.2 *', 'before HELO the same')
half.talk('S: 421 4.3.2 *', 'half a command is not waited for')
reading.send('second half\r\n.\r\n')
like('%d %s' % (lambda r: (r[0], r[1][0]))(reading.reply()), '^250 2.0.0 ', 'a message that is coming is taken')
reading.talk('S: 421 4.3.2 *', 'then that client is told too')
is_(house.wait_mail('ann@example.org', 1)[0].split(b'\n\n', 1)[1], b'first half, second half\n', 'it is there')
stuck.talk('S: 421 4.3.2 *', 'who does not end a transaction is told in the end')
ok(wait_until(lambda: house.pids('smtpd') and Smtp(house.smtp_port).reply()[0] == 220, 10), 'master starts another')

# inetd: the connection on fd 0, 1 and 2.
listener = socket.create_server(('127.0.0.1', 0))
client = Smtp(0, sock=socket.create_connection(listener.getsockname()))
server, _ = listener.accept()
p = house.spawn('smtpd', stdin=server, stdout=server, stderr=server)
server.close()
client.talk('''
    S: 220 mx.example.org ESMTP Posthouse
    C: EHLO client.example
    S: 250-mx.example.org
    S: 250-PIPELINING
    S: 250-SIZE *
    S: 250-8BITMIME
    S: 250-ENHANCEDSTATUSCODES
    S: 250-SMTPUTF8
    S: 250-CHUNKING
    S: 250-DSN
    S: 250 LIMITS*
    C: MAIL FROM:<bob@client.example>
    S: 250 *
    C: RCPT TO:<ann@example.org>
    S: 250 *
    C: DATA
    S: 354 *
    C: Subject: inetd
    C:
    C: .
    S: 250 2.0.0 *
    C: QUIT
    S: 221 *
''', 'under inetd')
ok(client.closed(), 'nothing but SMTP was said, then it ended')
is_(p.wait(10), 0, 'exit code 0')
is_(len(house.wait_mail('ann@example.org', 2)), 2, 'delivered')

# Sockets by LISTEN_FDS, one of them submission.
try:
    b = socket.create_server(('::1', 0), family=socket.AF_INET6)
except OSError:
    b = socket.create_server(('127.0.0.1', 0))
a = socket.create_server(('127.0.0.1', 0))
hand_over = '''
import os, sys
a, b = int(sys.argv[1]), int(sys.argv[2])
os.dup2(os.dup(a), 33), os.dup2(os.dup(b), 34)
os.dup2(33, 3), os.dup2(34, 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='smtp:submission')
os.execv(sys.argv[3], sys.argv[3:])
'''
p = spawn([sys.executable, '-c', hand_over, a.fileno(), b.fileno(), LIBEXEC / 'smtpd', '-C', house.dir],
          pass_fds=(a.fileno(), b.fileno()), stderr=open(house.path('log', 'alone.log'), 'ab'))
house.set_map('access', '# nobody\n')
for s, want in (a, '250 2.1.0'), (b, '530 5.7.0'):
    with Smtp(s.getsockname()[1], host=s.getsockname()[0]) as line:
        line.hello()
        like(line.cmd('MAIL FROM:<bob@client.example>'), '^' + want, 'a socket handed over, by its name: ' + want)
if b.family == socket.AF_INET:
    skip('an IPv6 client in the log', 'no IPv6 here')
else:
    ok(wait_until(lambda: 'client=[IPv6:::1]' in house.path('log', 'alone.log').read_text()), 'an IPv6 client in the log')
is_(end(p), 0, 'SIGTERM: exit code 0')

# Mistakes of the command line.
for args in ['-x'], ['-s', 'nonsense'], ['rest']:
    is_(house.program('smtpd', *args, check=False).returncode, 64, 'smtpd %s: EX_USAGE' % ' '.join(args))
done()
