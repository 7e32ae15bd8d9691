#!/usr/bin/env python3
"""The commands of POP3, their order and grammar, and every answer to them (RFC 1939, 2449, 3206)."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from popmail import *

house = PopHouse(conf='hostname = pop.example.org').start()
one, two = b'Subject: one\n\nhello\n', b'Subject: two\n\n.dot\nlast\n'


def fill():
    for f in house.mail_files('ann'):
        f.unlink()
    put(house, 'ann', one, '1700000001.first.house.example')
    put(house, 'ann', two, '1700000002.second.house.example')


def talk(name, script, login=True):
    with house.pop3() as p:
        if login:
            script = 'S: +OK*\nC: USER ann\nS: +OK\nC: PASS secret\nS: +OK ann@example.org has 2 messages\n' + script
        p.talk(script, name)
        return p


fill()
talk('the greeting, CAPA and QUIT before login', '''
    S: +OK pop.example.org POP3
    C: CAPA
    S: +OK
    S: TOP
    S: UIDL
    S: USER
    S: SASL SCRAM-SHA-256 PLAIN LOGIN
    S: PIPELINING
    S: RESP-CODES
    S: AUTH-RESP-CODE
    S: EXPIRE NEVER
    S: UTF8
    S: LANG
    S: .
    C: quit
    S: +OK
''', login=False)
talk('nothing of a mailbox before login', '''
    S: +OK*
    C: STAT
    S: -ERR unknown command
    C: RETR 1
    S: -ERR unknown command
    C: PASS secret
    S: -ERR USER comes first
    C: USER
    S: -ERR wrong arguments
    C: PASS
    S: -ERR wrong arguments
    C: LANG
    S: +OK*
    S: en English
    S: .
    C: LANG en
    S: +OK en *
    C: lang *
    S: +OK en *
    C: LANG tlh
    S: -ERR no such language here
    C: LANG en tlh
    S: -ERR wrong arguments
    C: UTF8
    S: +OK
    C: UTF8 x
    S: -ERR wrong arguments
    C: QUIT
    S: +OK
''', login=False)
talk('CAPA after login names the implementation', '''
    C: CAPA
    S: +OK
    S: TOP
    S: UIDL
    S: USER
    S: SASL SCRAM-SHA-256 PLAIN LOGIN
    S: PIPELINING
    S: RESP-CODES
    S: AUTH-RESP-CODE
    S: EXPIRE NEVER
    S: UTF8
    S: LANG
    S: IMPLEMENTATION Posthouse-*
    S: .
    C: LANG
    S: +OK*
    S: en English
    S: .
    C: LANG en
    S: +OK en *
    C: lang *
    S: +OK en *
    C: LANG tlh
    S: -ERR no such language here
    C: LANG en tlh
    S: -ERR wrong arguments
    C: UTF8
    S: -ERR unknown command
    C: USER ann
    S: -ERR unknown command
''')
talk('STAT, LIST, UIDL: sizes are octets on the wire', '''
    C: STAT
    S: +OK 2 %d
    C: LIST
    S: +OK
    S: 1 %d
    S: 2 %d
    S: .
    C: LIST 2
    S: +OK 2 %d
    C: UIDL
    S: +OK
    S: 1 1700000001.first.house.example
    S: 2 1700000002.second.house.example
    S: .
    C: UIDL 1
    S: +OK 1 1700000001.first.house.example
''' % (len(crlf(one)) + len(crlf(two)), len(crlf(one)), len(crlf(two)), len(crlf(two))))
talk('RETR and TOP', '''
    C: RETR 1
    S: +OK %d octets
    S: Subject: one
    S:
    S: hello
    S: .
    C: retr 2
    S: +OK %d octets
    S: Subject: two
    S:
    S: ..dot
    S: last
    S: .
    C: TOP 2 0
    S: +OK*
    S: Subject: two
    S:
    S: .
    C: TOP 2 1
    S: +OK*
    S: Subject: two
    S:
    S: ..dot
    S: .
    C: TOP 2 4294967296
    S: +OK*
    S: Subject: two
    S:
    S: ..dot
    S: last
    S: .
    C: NOOP
    S: +OK
''' % (len(crlf(one)), len(crlf(two))))
talk('numbers are numbers', '''
    C: LIST 4294967297
    S: -ERR no such message
    C: LIST 18446744073709551617
    S: -ERR wrong arguments
    C: LIST -1
    S: -ERR wrong arguments
    C: LIST 0
    S: -ERR no such message
    C: LIST 3
    S: -ERR no such message
    C: LIST 1x
    S: -ERR wrong arguments
    C: LIST 1.0
    S: -ERR wrong arguments
    C: RETR 1 2
    S: -ERR wrong arguments
    C: RETR
    S: -ERR wrong arguments
    C: TOP 1
    S: -ERR wrong arguments
    C: TOP 1 -1
    S: -ERR wrong arguments
    C: UIDL all
    S: -ERR wrong arguments
    C: UIDL 3
    S: -ERR no such message
    C: RETR 3
    S: -ERR no such message
    C: TOP 3 0
    S: -ERR no such message
    C: DELE 3
    S: -ERR no such message
    C: DELE
    S: -ERR wrong arguments
    C: STAT 1
    S: -ERR wrong arguments
    C: RSET 1
    S: -ERR wrong arguments
    C: NOOP now
    S: -ERR wrong arguments
    C: QUIT now
    S: -ERR wrong arguments
    C: CAPA all
    S: -ERR wrong arguments
    C: DELE 1\\x00 2
    S: -ERR a line ends with CRLF, and has no NUL
    C: LIST
    S: +OK
    S: 1 *
    S: 2 *
    S: .
''')
talk('deleted messages are not there until RSET', '''
    C: DELE 1
    S: +OK*
    C: DELE 1
    S: -ERR message is marked as deleted
    C: RETR 1
    S: -ERR message is marked as deleted
    C: LIST 1
    S: -ERR message is marked as deleted
    C: UIDL 1
    S: -ERR message is marked as deleted
    C: TOP 1 0
    S: -ERR message is marked as deleted
    C: STAT
    S: +OK 1 %d
    C: LIST
    S: +OK
    S: 2 *
    S: .
    C: UIDL
    S: +OK
    S: 2 *
    S: .
    C: DELE 2
    S: +OK*
    C: STAT
    S: +OK 0 0
    C: LIST
    S: +OK
    S: .
    C: UIDL
    S: +OK
    S: .
    C: RSET
    S: +OK 2 messages
    C: STAT
    S: +OK 2 %d
    C: QUIT
    S: +OK
''' % (len(crlf(two)), len(crlf(one)) + len(crlf(two))))
is_(len(house.mail_files('ann')), 2, 'RSET, then QUIT: nothing was deleted')
talk('unknown words and lines that are no lines', '''
    C: XYZZY
    S: -ERR unknown command
    C:
    S: -ERR unknown command
    C- NOOP\\nNOOP\\r\\n
    S: -ERR a line ends with CRLF, and has no NUL
    C: %s
    S: -ERR line too long
    C: NOOP
    S: +OK
''' % ('N' * 256))
talk('the longest line that is one', 'C: %s\nS: -ERR unknown command' % ('N' * 255))
with house.pop3('ann') as p:
    p.send('X\r\n' * 30)
    is_(p.rest(), b'-ERR unknown command\r\n' * 19 + b'-ERR too many errors\r\n', 'the 20th error ends the session')
with house.pop3() as p:
    p.cmd()
    p.send('X\r\n' * 30)
    is_(p.rest(), b'-ERR unknown command\r\n' * 19 + b'-ERR too many errors\r\n', '... before login too')

whole = (b'USER ann\r\nPASS secret\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 0\r\nNOOP\r\nRETR 9\r\nRSET\r\nQUIT\r\n')
total = len(crlf(one)) + len(crlf(two))
answer = (b'+OK pop.example.org POP3\r\n+OK\r\n+OK ann@example.org has 2 messages\r\n'
          b'+OK 2 %d\r\n+OK\r\n1 %d\r\n2 %d\r\n.\r\n'
          b'+OK\r\n1 1700000001.first.house.example\r\n2 1700000002.second.house.example\r\n.\r\n'
          b'+OK %d octets\r\nSubject: one\r\n\r\nhello\r\n.\r\n'
          b'+OK top of message follows\r\nSubject: two\r\n\r\n.\r\n'
          b'+OK\r\n-ERR no such message\r\n+OK 2 messages\r\n+OK\r\n'
          % (total, len(crlf(one)), len(crlf(two)), len(crlf(one))))
with house.pop3() as p:
    p.send(whole)
    is_(p.rest(), answer, 'a whole session in one segment: what was read ahead travels with the connection')
fill()
with house.pop3() as p:
    p.send_slowly(whole)
    is_(p.rest(), answer, '... and octet by octet')
fill()
for cut in (len(b'USER ann\r\nPASS secret\r\n') + d for d in (-1, 0, 1, 3)):
    with house.pop3() as p:
        p.send(whole[:cut])
        wait_until(lambda: p.buf.count(b'\r\n') >= 2 or not p._more(), 5)
        p.send(whole[cut:])
        is_(p.rest(), answer, '... and cut after octet %d' % cut)
    fill()

events = house.events('pop3d.logout', why='quit')
ok(events and events[-1]['mailbox'] == 'ann@example.org' and events[-1]['retrieved'] == '1', 'the log has the session')
ok('secret' not in house.log(), 'no password in the log')

with house.pop3('ann') as p:
    status = house.stop()
    is_(status, {'pop3d': 0, 'authd': 0}, 'both end with exit code 0, with a session open')
    ok(p.closed(), 'the session is closed')
done()
