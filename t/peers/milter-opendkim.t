#!/usr/bin/env python3
"""opendkim as a filter: signs what our people submit, so that another verifier agrees wherever it arrives; verifies what comes."""
import os, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))
from posthouse import *
import base64
from agents import Server

PYTHON = '/usr/bin/python3'
if not have('opendkim') or not have('openssl'):
    skip_all('opendkim is not installed')
if subprocess.run([PYTHON, '-c', 'import dkim'], capture_output=True).returncode != 0:
    skip_all('python3-dkim is not installed')

# --- keys, opendkim, a house ------------------------------------------------------------------

smarthost = Server()
house = House(users=['ann:secret', 'bob:secret'], smarthost='127.0.0.1:%d' % smarthost.port,
              conf='hostname = mx.example.org\nplaintext_login = always')
home = house.path('opendkim')
home.mkdir(mode=0o755)


def make_key(name):
    """A private key's file, and what DNS would say."""
    subprocess.run(['openssl', 'genrsa', '-out', str(home / name), '2048'], check=True, capture_output=True)
    os.chmod(home / name, 0o600)
    der = subprocess.run(['openssl', 'rsa', '-in', str(home / name), '-pubout', '-outform', 'DER'], check=True, capture_output=True).stdout
    return 'v=DKIM1; k=rsa; p=' + base64.b64encode(der).decode()


dns = {'sel._domainkey.example.org': make_key('ours'), 's1._domainkey.far.example': make_key('theirs')}
(home / 'dns').write_text(''.join('%s %s\n' % x for x in dns.items()))
(home / 'conf').write_text('''
Socket inet:%d@127.0.0.1
Background no
RequireSafeKeys no
Syslog no
LogResults yes
Mode sv
Domain example.org
Selector sel
KeyFile %s
InternalHosts csl:192.0.2.1
Canonicalization relaxed/simple
OversignHeaders From
AuthservID mx.example.org
AlwaysAddARHeader yes
TestDNSData file:%s
''' % (free_port(), home / 'ours', home / 'dns'))
place = re.search(r'Socket (\S+)', (home / 'conf').read_text()).group(1)
port = int(place.split(':')[1].split('@')[0])


def listens(port):
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        return True
    except OSError:
        return False


opendkim = spawn([have('opendkim'), '-f', '-x', home / 'conf'], stdout=open(home / 'out', 'w'), stderr=subprocess.STDOUT)
if not wait_until(lambda: listens(port) or opendkim.poll() is not None, 15) or opendkim.poll() is not None:
    diag((home / 'out').read_text())
    raise RuntimeError('opendkim does not start')
house.conf('milters = ' + place)  # as opendkim's own manual writes it
house.start()


def verify(message):
    """What dkimpy says of it."""
    script = ('import sys, dkim\n'
              'dns = dict(line.rstrip().split(" ", 1) for line in open(sys.argv[1]))\n'
              'print(dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda name, timeout=5: dns[name.decode().rstrip(".")].encode()))')
    p = subprocess.run([PYTHON, '-c', script, str(home / 'dns')], input=message, capture_output=True)
    return p.stdout.decode().strip() or p.stderr.decode()


def sign(message):
    script = ('import sys, dkim\n'
              'sys.stdout.buffer.write(dkim.sign(sys.stdin.buffer.read(), b"s1", b"far.example", open(sys.argv[1], "rb").read(),'
              ' include_headers=[b"from", b"subject"]))')
    return subprocess.run([PYTHON, '-c', script, str(home / 'theirs')], input=message, capture_output=True, check=True).stdout + message


seen = {}


def newest(address):
    n = seen.get(address, 0)
    mail = house.wait_mail(address, n + 1)
    seen[address] = len(mail)
    return max(house.mail_files(address), key=lambda p: p.stat().st_mtime_ns).read_bytes() if len(mail) > n else b''


# --- signing ----------------------------------------------------------------------------------

BODY = (b'From: Ann <ann@example.org>\r\nTo: far@far.example\r\nSubject:   two  blanks\r\n  and a fold\r\nDate: Sun, 22 Nov 2026 03:00:00 +0000\r\n'
        b'Message-ID: <1@example.org>\r\n\r\nHello.\r\n..\r\n.dot\r\n\r\n  blanks  \r\nlast\r\n\r\n\r\n')


def submit(rcpts, body=BODY, login=True, chunks=False):
    with house.smtp(house.submission_port if login else None) as s:
        s.hello()
        if login:
            s.cmd('AUTH PLAIN ' + base64.b64encode(b'\0ann\0secret').decode())
        if not chunks:
            return s.message('ann@example.org', rcpts, body)
        s.cmd('MAIL FROM:<ann@example.org>')
        for rcpt in rcpts:
            s.cmd('RCPT TO:<%s>' % rcpt)
        for at in range(0, len(body), 77):
            s.send(b'BDAT %d%s\r\n' % (len(body[at:at + 77]), b' LAST' if at + 77 >= len(body) else b'') + body[at:at + 77])
            code, texts = s.reply()
        return '%d %s' % (code, texts[-1])


like(submit(['bob@example.org', 'far@far.example']), '^250', 'a submission')
got = newest('bob@example.org')
like(got, r'(?m)^DKIM-Signature: .*d=example\.org', 'is signed')
is_(verify(got), 'True', 'dkimpy agrees, in the mailbox')
wait_until(lambda: smarthost.messages, what='the smarthost')
like(smarthost.messages[0], r'(?m)^DKIM-Signature: ', 'what leaves the house is signed')
sent = re.sub(rb'(?m)^\.', b'', smarthost.messages[0])
is_(verify(sent), 'True', '... and dkimpy agrees, at the smarthost')
is_(verify(sent.replace(b'Hello', b'Hallo')), 'False', '... but not with another body')
like(submit(['bob@example.org'], chunks=True), '^250', 'in chunks (BDAT)')
is_(verify(newest('bob@example.org')), 'True', '... dkimpy agrees')
bare = b'Subject: no From, no Date, no Message-ID\r\n\r\nHello.\r\n'
like(submit(['bob@example.org'], bare), '^250', 'a message that we complete')
got = newest('bob@example.org')
is_(([h for h in (b'From', b'Date', b'Message-ID') if b'\n%s: ' % h in got], verify(got)), ([b'From', b'Date', b'Message-ID'], 'True'),
    '... is signed as completed')
like(submit(['bob@example.org'], BODY + (b'0123456789' * 7 + b'\r\n') * 20000), '^250', 'a long one')
is_(verify(newest('bob@example.org')), 'True', '... dkimpy agrees')
like(submit(['bob@example.org'], login=False), '^250', 'the same from a stranger')
ok(b'DKIM-Signature:' not in newest('bob@example.org'), '... is not signed')

# --- verifying --------------------------------------------------------------------------------

letter = sign(b'From: far@far.example\r\nTo: ann@example.org\r\nSubject: signed\r\n\r\nHello,\r\n.\r\nann\r\n')


def results(body):
    like(house.send('far@far.example', 'ann@example.org', body), '^250', 'a letter')
    got = newest('ann@example.org')
    return [v for k, v in headers(got) if k == b'Authentication-Results'], got


found, got = results(letter)
is_(len(found), 1, 'one field of results')
like(found[0], r'^mx\.example\.org;.*dkim=pass.*header\.d=far\.example', '... it is good')
is_(verify(got), 'True', 'and after that still is')
found, got = results(letter.replace(b'ann\r\n', b'bob\r\n'))
like(found[0], r'^mx\.example\.org;.*dkim=fail', 'changed on the way')
forged = b''.join(b'Authentication-Results: mx.example.org; dkim=pass header.d=bank%d.example\r\n' % i for i in range(3))
found, got = results(forged + b'Authentication-Results: else.example; dkim=pass header.d=kept.example\r\nFrom: far@far.example\r\n\r\nHello.\r\n')
ok(not any(b'bank' in v for v in found), 'results that somebody else wrote in our name are taken out, all of them') or diag(found)
ok(any(b'kept' in v for v in found), 'those in other names stay')
like(found[0], r'^mx\.example\.org;.*dkim=none', 'and ours stands above')
is_(house.events('milter.failed'), [], 'opendkim never failed us')
end(opendkim)
like(house.send('far@far.example', 'ann@example.org', letter), '^451 4.3.0', 'without it mail waits')
done()
