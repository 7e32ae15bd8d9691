#!/usr/bin/env python3
"""Other people's clients put mail into smtpd: swaks, curl, msmtp, smtp-source; every octet arrives."""
import os, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', 'lib'), os.path.join(HERE, '..', 'bench')]
from posthouse import *

programs = [p for p in ('swaks', 'curl', 'msmtp') if have(p)]
if not programs:
    skip_all('none of swaks, curl, msmtp is installed')

house = House(users=['ann:secret', 'bob:secret', 'cid:secret', 'dan:secret'], conf='hostname = mx.example.org')
house.set_map('access', '# nobody\n')
house.start()
server = '127.0.0.1:%d' % house.smtp_port
body = (b'From: Bob <bob@client.example>\nTo: ann@example.org\nSubject: peers\nMessage-ID: <1@client.example>\n'
        b'Date: Sun, 22 Nov 2026 03:00:00 +0000\n'
        b'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n'
        b'.leading dot\n..two\n.\n\xc3\xa9t\xc3\xa9\n' + b'long ' * 300 + b'\nlast line\n')
path = house.path('message.eml')
path.write_bytes(body)
crlf = house.path('message-crlf.eml')
crlf.write_bytes(body.replace(b'\n', b'\r\n'))


def text(message):
    """Without what smtpd put above it."""
    return message[re.match(rb'(?:(?!Received:)[A-Z].*\n)*Received: .*\n(?:[ \t].*\n)*', message).end():]


def arrives(address, name, more=b''):
    mail = house.wait_mail(address, 1)
    is_([text(m) for m in mail], [body + more], name + ': every octet')


def run(*argv, input=None):
    p = house.run(argv, check=False, input=input)
    return p.returncode, p.stdout + p.stderr


if 'swaks' in programs:
    code, said = run('swaks', '--server', server, '--ehlo', 'client.example', '--from', 'bob@client.example',
                     '--to', 'ann@example.org,dan@example.org', '--data', '@%s' % path)
    is_(code, 0, 'swaks: exit code 0') or diag(said)
    like(said, r'<-  250 2\.0\.0 [0-9a-z]+ delivered', 'swaks: delivered')
    arrives('ann@example.org', 'swaks', b'\n')  # it ends every message with a line end of its own
    code, said = run('swaks', '--server', server, '--ehlo', 'client.example', '--from', 'bob@client.example',
                     '--to', 'dan@example.org', '--pipeline', '--body', 'pipelined')
    is_(code, 0, 'swaks with pipelining: exit code 0') or diag(said)
    is_(len(house.wait_mail('dan@example.org', 2)), 2, 'swaks with pipelining: delivered')
    code, said = run('swaks', '--server', server, '--from', 'bob@client.example', '--to', 'bob@else.example')
    is_(code, 24, 'swaks: relaying is refused at RCPT')
    like(said, r'<\*\* 550 5\.7\.1', 'swaks: with 550 5.7.1')

if 'curl' in programs:
    code, said = run('curl', '-sS', 'smtp://%s/client.example' % server, '--mail-from', 'bob@client.example',
                     '--mail-rcpt', 'bob@example.org', '-T', crlf)
    is_(code, 0, 'curl: exit code 0') or diag(said)
    arrives('bob@example.org', 'curl')
    code, said = run('curl', '-sS', 'smtp://%s' % server, '--mail-from', 'bob@client.example',
                     '--mail-rcpt', 'nobody@example.org', '-T', crlf)
    is_(code, 55, 'curl: an unknown user is refused')
    like(said, '550', 'curl: with 550')

if 'msmtp' in programs:
    code, said = run('msmtp', '-C', '/dev/null', '--host=127.0.0.1', '--port=%d' % house.smtp_port, '--tls=off',
                     '--auth=off', '--domain=client.example', '--from=bob@client.example', '--set-date-header=off',
                     '--set-msgid-header=off', 'cid@example.org', input=body)
    is_(code, 0, 'msmtp: exit code 0') or diag(said)
    arrives('cid@example.org', 'msmtp')
    code, said = run('msmtp', '-C', '/dev/null', '--host=127.0.0.1', '--port=%d' % house.smtp_port, '--serverinfo')
    for line in 'SIZE', 'PIPELINING':
        like(said, line, 'msmtp --serverinfo: ' + line)

try:
    import peers
    source = peers.postfix_tree() + '/usr/sbin/smtp-source'
except (OSError, subprocess.SubprocessError, IndexError) as e:
    skip('smtp-source', "Debian's postfix package cannot be had: %s" % e)
else:
    before = len(house.mail_files('cid@example.org'))
    code, said = run(source, '-s', '20', '-m', '200', '-l', '4096', '-f', 'bob@client.example', '-t',
                     'cid@example.org', 'inet:' + server)
    is_(code, 0, 'smtp-source: 200 messages over 20 connections') or diag(said)
    is_(len(house.wait_mail('cid@example.org', before + 200)), before + 200, 'smtp-source: all are there')
    code, said = run(source, '-d', '-s', '2', '-m', '100', '-l', '4096', '-f', 'bob@client.example', '-t',
                     'cid@example.org', 'inet:' + server)
    is_(code, 0, 'smtp-source: 100 messages over 2 connections kept open') or diag(said)
    is_(len(house.wait_mail('cid@example.org', before + 300)), before + 300, 'smtp-source: all are there')
done()
