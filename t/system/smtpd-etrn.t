#!/usr/bin/env python3
"""ETRN (RFC 1985): a site asks for what waits for its domain, and gets that; who may not ask is told so."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import Server

ports = {name: free_port() for name in ('d', 'e')}
house = House(conf='hostname = mx.example.org\nretry_first = 1h\nretry_last = 4h', maps={
    'access': '127.0.0.1 trust etrn=self.example\n'
              '127.0.0.2 etrn=D.example,.d.example,xn--bcher-kva.example\n'
              '127.0.0.3 no-relay\n'
              '127.0.0.4 etrn=.d.example\n',
    'routes': 'd.example smarthost=[127.0.0.1]:%d\n.d.example smarthost=[127.0.0.1]:%d\n'
              'self.example smarthost=[127.0.0.1]:%d\n' % (ports['d'], ports['d'], ports['d'])}, smarthost='127.0.0.1:%d' % ports['e'])
house.start()
TEXT = b'Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@b>\r\n\r\nhello\r\n'


def client(last=2):
    return Smtp(0, sock=socket.create_connection(('127.0.0.1', house.smtp_port), 15, ('127.0.0.%d' % last, 0)))


def ask(node, last=2):
    with client(last) as s:
        s.hello()
        return s.cmd('ETRN ' + node)


def queued(*rcpts):
    reply = house.send('ann@example.org', list(rcpts), TEXT)
    ident = reply.split()[2]
    for r in rcpts:
        wait_until(lambda: house.events('queue.deferred', id=ident, rcpt=r), what=r)
    return ident


def came():
    return sum(m != b'' for m in d.messages)  # where nobody was taken, only the dot came


def waiting():
    return sorted(line.split()[4] for line in house.ph('queue', 'list').stdout.splitlines()[1:] if '@' in line)


with client() as s:
    ok('ETRN' in s.hello(), 'offered to whom access lets ask')
for last in 3, 5:
    with client(last) as s:
        ok('ETRN' not in s.hello(), '... and to nobody else')

is_(ask('d.example'), '251 2.0.0 No messages are waiting', 'an empty queue')
first = queued('x@d.example')
queued('y@e.example')
queued('z@d.example', 'z@e.example')
queued('w@sub.d.example')
held = queued('h@d.example')
house.ph('queue', 'hold', held)

like(ask('e.example'), '^459 4.7.1 ', "another's domain")
like(ask('@d.example', 4), '^459 4.7.1 ', 'with all below takes both words')
like(ask('d.example', 4), '^459 4.7.1 ', 'the domains below are not the domain')
like(ask('#d.example'), '^459 4.7.1 ', 'the name of a queue')
for last in 3, 5:
    like(ask('d.example', last), '^458 4.7.1 ', 'who may not ask at all')
for odd in 'd..example', '@', '[127.0.0.1]', 'd.example e.example', '-', 'x' * 300, 'd.example@':
    like(ask(odd), '^501 5.5.4 ', 'no domain: ' + odd[:20])
with client() as s:
    s.reply()
    like(s.cmd('ETRN d.example'), '^503 5.5.1 ', 'before EHLO')
    s.cmd('EHLO c')
    like(s.cmd('ETRN'), '^501 5.5.4 ', 'without a domain')
    s.cmd('MAIL FROM:<>')
    like(s.cmd('ETRN d.example'), '^503 5.5.1 ', 'in a transaction')
    like(s.cmd('RSET'), '^250', '... which goes on')
is_(house.events('queue.flush', messages=1), [], 'nothing was tried for all that')

d = Server(port=ports['d'])
e = Server(port=ports['e'])
is_(ask('D.Example.'), '250 2.0.0 Queuing started', 'the own domain')
ok(house.wait_event('smtpd.etrn', client='[127.0.0.2]', node='D.Example.', messages=2), 'logged by smtpd')
ok(house.wait_event('queue.flush', domain='d.example', messages=2), '... and by queued')
wait_until(lambda: came() == 2, what='both messages at d.example')
is_(sorted(line.split(b'<')[1].split(b'>')[0] for session in d.sessions for line in session if line[:4] == b'RCPT'),
    [b'x@d.example', b'z@d.example'], "what waited for it is there, though its host was left alone until then")
wait_until(lambda: waiting() == ['h@d.example', 'w@sub.d.example', 'y@e.example', 'z@e.example'], what='the queue')
is_(waiting(), ['h@d.example', 'w@sub.d.example', 'y@e.example', 'z@e.example'],
    'what waits for others waits, what is held is held')
is_(e.sessions, [], "nobody went to the other's host")
is_(ask('d.example'), '251 2.0.0 No messages are waiting', 'nothing more')
is_(ask('sub.d.example'), '250 2.0.0 Queuing started', 'a domain below')
wait_until(lambda: came() == 3, what='its message')
is_(ask('xn--bcher-kva.example'), '251 2.0.0 No messages are waiting', 'an internationalized domain')
is_(ask('b\u00fccher.example'), '251 2.0.0 No messages are waiting', '... in its other form')

# What queued finds in the spool at its start it has not read yet.
d.say['RCPT'] = '450 4.2.0 later'
queued('v@d.example')
queued('u@x.d.example')
queued('t@notd.example')
house.restart()
d.say['RCPT'] = '250 2.1.5 fine'
is_(ask('@d.example'), '250 2.0.0 Queuing started', 'with all below, after a restart')
wait_until(lambda: came() == 5, what='both')
is_(came(), 5, 'both come, once')
wait_until(lambda: waiting() == ['h@d.example', 't@notd.example', 'y@e.example', 'z@e.example'], what='the queue')
is_(waiting(), ['h@d.example', 't@notd.example', 'y@e.example', 'z@e.example'], 'and nothing else')

# Our own collect asks.
house.set_map('upstreams', 'self protocol=etrn tls=none host=127.0.0.1 port=%d domain=self.example\n' % house.smtp_port)
p = house.ph('collect', 'self', check=False)
like(p.stderr, 'collect.etrn .*domain=self.example result="nothing waits"', 'collect understands us')
d.say['RCPT'] = '450 4.2.0 later'
queued('a@self.example')
d.say['RCPT'] = '250 2.1.5 fine'
p = house.ph('collect', 'self', check=False)
like(p.stderr, 'collect.etrn .*domain=self.example result=started', '... and is told so')
ok(wait_until(lambda: came() == 6), 'which comes')

# Without a queue.
alone = House(maps={'access': '127.0.0.1 etrn=d.example\n'})
alone.spawn('smtpd')
wait_until(lambda: socket.socket().connect_ex(('127.0.0.1', alone.smtp_port)) == 0, what='smtpd')
with alone.smtp() as s:
    s.hello()
    like(s.cmd('ETRN d.example'), '^458 4.3.2 The queue does not answer', 'no queue')
    like(s.cmd('NOOP'), '^250', '... and the session goes on')
done()
