#!/usr/bin/env python3
"""The commands of SMTP, their order, their grammar, and every reply to them."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House(conf='hostname = mx.example.org\nmessage_size_limit = 10000\nsmtpd_errors = 100')
house.start()


def talk(name, script):
    with house.smtp() as s:
        s.talk(script, name)


talk('EHLO names exactly the extensions that are there', '''
    S: 220 mx.example.org ESMTP Posthouse
    C: EHLO client.example
    S: 250-mx.example.org
    S: 250-PIPELINING
    S: 250-SIZE 10000
    S: 250-8BITMIME
    S: 250-ENHANCEDSTATUSCODES
    S: 250-SMTPUTF8
    S: 250-CHUNKING
    S: 250-DSN
    S: 250 LIMITS RCPTMAX=1000
    C: QUIT
    S: 221 2.0.0 *
''')
talk('HELO', '''
    S: 220 *
    C: helo client.example
    S: 250 mx.example.org
    C: quit
    S: 221 2.0.0 *
''')
talk('the order of commands', '''
    S: 220 *
    C: MAIL FROM:<>
    S: 503 5.5.1 *
    C: RCPT TO:<ann@example.org>
    S: 503 5.5.1 *
    C: DATA
    S: 503 5.5.1 *
    C: RSET
    S: 250 2.0.0 *
    C: MAIL FROM:<>
    S: 503 5.5.1 *
    C: EHLO client.example
    S: 250-*
    S: 250-*
    S: 250-*
    S: 250-*
    S: 250-*
    S: 250-*
    S: 250-*
    S: 250-*
    S: 250 *
    C: RCPT TO:<ann@example.org>
    S: 503 5.5.1 *
    C: DATA
    S: 503 5.5.1 *
    C: MAIL FROM:<>
    S: 250 2.1.0 *
    C: MAIL FROM:<>
    S: 503 5.5.1 *
    C: DATA
    S: 503 5.5.1 *
    C: RCPT TO:<nobody@example.org>
    S: 550 5.1.1 *
    C: DATA
    S: 554 5.5.1 *
    C: RCPT TO:<ann@example.org>
    S: 250 2.1.5 *
    C: RSET
    S: 250 2.0.0 *
    C: DATA
    S: 503 5.5.1 *
    C: MAIL FROM:<>
    S: 250 2.1.0 *
    C: HELO client.example
    S: 250 *
    C: RCPT TO:<ann@example.org>
    S: 503 5.5.1 *
    C: QUIT
    S: 221 2.0.0 *
''')
talk('NOOP, VRFY, HELP and what is not served here', '''
    S: 220 *
    C: NOOP
    S: 250 2.0.0 *
    C: NOOP anything
    S: 250 2.0.0 *
    C: VRFY ann
    S: 252 2.5.0 *
    C: VRFY
    S: 501 5.5.4 *
    C: HELP
    S: 214 2.0.0 *
    C: EXPN staff
    S: 502 5.5.1 *
    C- BDAT 4 LAST\\r\\nQUIT
    S: 503 5.5.1 *
    C: STARTTLS
    S: 454 4.7.0 *
    C: AUTH PLAIN AGEAYg==
    S: 503 5.5.1 *
    C: GET / HTTP/1.1
    S: 500 5.5.2 *
    C:
    S: 500 5.5.2 *
    C:  NOOP
    S: 500 5.5.2 *
    C: NOOPE
    S: 500 5.5.2 *
    C: QUIT
    S: 221 2.0.0 *
''')
talk('arguments that are missing or too many', '''
    S: 220 *
    C: EHLO
    S: 501 5.5.4 *
    C: HELO
    S: 501 5.5.4 *
    C: HELO client.example
    S: 250 *
    C: MAIL
    S: 501 5.5.4 *
    C: MAIL FROM
    S: 501 5.5.4 *
    C: MAIL TO:<ann@example.org>
    S: 501 5.5.4 *
    C: MAIL FROM:
    S: 501 5.1.7 *
    C: MAIL FROM:bob@client.example
    S: 501 5.1.7 *
    C: MAIL FROM:<bob@client.example
    S: 501 5.1.7 *
    C: MAIL FROM:<bob@a@b.example>
    S: 501 5.1.7 *
    C: MAIL FROM:<bob@client.example>>
    S: 501 5.5.4 *
    C: MAIL FROM:<bob@client.example>SIZE=9
    S: 501 5.5.4 *
    C: MAIL FROM: <bob@client.example>
    S: 250 2.1.0 *
    C: RCPT
    S: 501 5.5.4 *
    C: RCPT TO:
    S: 501 5.1.3 *
    C: RCPT TO:<>
    S: 501 5.1.3 *
    C: RCPT TO:<ann@example.org> SIZE=9
    S: 555 5.5.4 *
    C: RCPT TO:<ann@example.org> junk
    S: 555 5.5.4 *
    C: RCPT TO:<ann@example.org>\\x00 junk
    S: 500 5.5.2 *
    C: RCPT TO:<ann@example.org>
    S: 250 2.1.5 *
    C: DATA now
    S: 501 5.5.4 *
    C: RSET now
    S: 501 5.5.4 *
    C: QUIT now
    S: 501 5.5.4 *
    C: QUIT \\t
    S: 221 2.0.0 *
''')
talk('parameters of MAIL', '''
    S: 220 *
    C: HELO client.example
    S: 250 *
    C: MAIL FROM:<> SIZE=abc
    S: 501 5.5.4 *
    C: MAIL FROM:<> SIZE=
    S: 501 5.5.4 *
    C: MAIL FROM:<> SIZE
    S: 501 5.5.4 *
    C: MAIL FROM:<> SIZE=-1
    S: 501 5.5.4 *
    C: MAIL FROM:<> SIZE=+1
    S: 501 5.5.4 *
    C: MAIL FROM:<> SIZE=1x
    S: 501 5.5.4 *
    C: MAIL FROM:<> SIZE=0x10
    S: 501 5.5.4 *
    C: MAIL FROM:<> SIZE=1 SIZE=1
    S: 501 5.5.4 *
    C: MAIL FROM:<> SIZE=100000000000000000000
    S: 501 5.5.4 *
    C: MAIL FROM:<> SIZE=99999999999999999999
    S: 552 5.3.4 *
    C: MAIL FROM:<> SIZE=18446744073709551615
    S: 552 5.3.4 *
    C: MAIL FROM:<> SIZE=4294967297
    S: 552 5.3.4 *
    C: MAIL FROM:<> SIZE=10001
    S: 552 5.3.4 *
    C: MAIL FROM:<> SIZE=10000
    S: 250 2.1.0 *
    C: RSET
    S: 250 *
    C: MAIL FROM:<> SIZE=9999 BODY=8BITMIME
    S: 250 2.1.0 *
    C: RSET
    S: 250 *
    C: MAIL FROM:<> body=7bit size=0 smtputf8
    S: 250 2.1.0 *
    C: RSET
    S: 250 *
    C: MAIL FROM:<> BODY=BINARYMIME
    S: 501 5.5.4 *
    C: MAIL FROM:<> BODY
    S: 501 5.5.4 *
    C: MAIL FROM:<> SMTPUTF8=yes
    S: 501 5.5.4 *
    C: MAIL FROM:<> BY=120;R
    S: 555 5.5.4 *
    C: MAIL FROM:<> =5
    S: 501 5.5.4 *
    C: MAIL FROM:<> -X=5
    S: 501 5.5.4 *
    C: QUIT
    S: 221 *
''')
talk('addresses beyond ASCII take SMTPUTF8, and valid UTF-8', '''
    S: 220 *
    C: HELO client.example
    S: 250 *
    C: MAIL FROM:<jos\\xc3\\xa9@client.example>
    S: 553 5.6.7 *
    C: MAIL FROM:<jos\\xe9@client.example> SMTPUTF8
    S: 501 5.1.7 *
    C: MAIL FROM:<jos\\xc0\\xaf@client.example> SMTPUTF8
    S: 501 5.1.7 *
    C: MAIL FROM:<bob@client.example>
    S: 250 2.1.0 *
    C: RCPT TO:<jos\\xc3\\xa9@example.org>
    S: 553 5.6.7 *
    C: RSET
    S: 250 *
    C: MAIL FROM:<jos\\xc3\\xa9@client.example> SMTPUTF8
    S: 250 2.1.0 *
    C: RCPT TO:<jos\\xc3\\xa9@example.org>
    S: 550 5.1.1 *
    C: RCPT TO:<ann@example.org>
    S: 250 2.1.5 *
    C: QUIT
    S: 221 *
''')
talk('a line ends with CRLF and nothing else', '''
    S: 220 *
    C- NOOP\\nQUIT\\n
    C:
    S: 500 5.5.2 *
    C- NOOP\\rQUIT\\r
    C:
    S: 500 5.5.2 *
    C: NO\\x00OP
    S: 500 5.5.2 *
    C: NOOP
    S: 250 *
    C: QUIT
    S: 221 *
''')
talk('postmaster needs no domain; octets that are no address; limits of an address', '''
    S: 220 *
    C: HELO client.example
    S: 250 *
    C: MAIL FROM:<>
    S: 250 *
    C: RCPT TO:<postmaster>
    S: 250 2.1.5 *
    C: RCPT TO:<Postmaster@example.org>
    S: 250 2.1.5 *
    C: RCPT TO:<@relay.example:ann@example.org>
    S: 250 2.1.5 *
    C: RCPT TO:<"ann"@example.org>
    S: 250 2.1.5 *
    C: RCPT TO:<ANN@EXAMPLE.ORG.>
    S: 250 2.1.5 *
    C: RCPT TO:<ann%else.example@example.org>
    S: 550 5.1.1 *
    C: RCPT TO:<else.example!ann@example.org>
    S: 550 5.1.1 *
    C: RCPT TO:<"ann@else.example"@example.org>
    S: 550 5.1.1 *
    C: RCPT TO:<ann@else.example@example.org>
    S: 501 5.1.3 *
    C: RCPT TO:<ann @example.org>
    S: 501 5.1.3 *
    C: RCPT TO:<a(b)c@example.org>
    S: 501 5.1.3 *
    C: RCPT TO:<''' + 'a' * 65 + '''@example.org>
    S: 501 5.1.3 *
    C: RCPT TO:<''' + 'a' * 64 + '''@example.org>
    S: 550 5.1.1 *
    C: QUIT
    S: 221 *
''')

# Command lines: 2048 octets with CRLF are taken, one more is too long, and it is one error.
with house.smtp() as s:
    s.reply()
    for n, want in ((2047, '250'), (2048, '250'), (2049, '500 5.5.2'), (200000, '500 5.5.2')):
        like(s.cmd(b'NOOP ' + b'x' * (n - 7)), '^' + want, 'a line of %d octets: %s' % (n, want))
    like(s.cmd('NOOP'), '^250', 'and the next line is a line again')

# A name of 255 octets, and 256.
with house.smtp() as s:
    s.reply()
    like(s.cmd('HELO ' + 'a' * 255), '^250', 'HELO with 255 octets')
    like(s.cmd('HELO ' + 'a' * 256), '^501 5.5.4', 'HELO with 256 octets')

# The end of the connection ends no line.
with house.smtp() as s:
    s.hello()
    s.cmd('MAIL FROM:<bob@client.example>')
    s.cmd('RCPT TO:<ann@example.org>')
    s.send('DATA')
    s.sock.shutdown(socket.SHUT_WR)
    is_(s.rest(), b'', 'DATA without CRLF and the end: no answer')

# Pipelining: all in one segment, then octet by octet; the replies are the same.
script = (b'EHLO client.example\r\nMAIL FROM:<bob@client.example>\r\nRCPT TO:<ann@example.org>\r\n'
          b'RCPT TO:<nobody@example.org>\r\nRCPT TO:<bob@example.org>\r\nRSET\r\nNOOP\r\nFROB\r\nQUIT\r\n')
answers = []
for slowly in (False, True):
    with house.smtp() as s:
        s.reply()
        if slowly:
            s.send_slowly(script)
        else:
            s.send(script)
        answers.append(s.rest())
is_(re.findall(rb'(?m)^\d\d\d', answers[0]), [b'250'] * 9 + b'250 250 550 250 250 250 500 221'.split(),
    'pipelined commands are answered in order')
is_(answers[1], answers[0], 'octet by octet the same')

# Errors are counted.
house.conf('smtpd_errors = 5')
house.restart()
with house.smtp() as s:
    s.reply()
    for i in range(5):
        like(s.cmd('FROB'), '^500 5.5.2', 'error %d is answered' % (i + 1))
    like(s.cmd('FROB'), '^421 4.7.0', 'the sixth ends the session')
    ok(s.closed(), 'and the connection')
ok(house.wait_event('smtpd.disconnect', why='errors'), 'the log says why')
with house.smtp() as s:
    s.reply()
    codes = [s.cmd('NOOP')[:3] for i in range(106)]
    is_(codes, ['250'] * 105 + ['421'], 'so is idle talk beyond 100 commands')
done()
