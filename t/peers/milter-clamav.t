#!/usr/bin/env python3
"""clamav-milter and clamd, with a database of one signature: EICAR's test file is refused, or held; other mail bears a field."""
import os, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))
from posthouse import *
import base64

clamd, milter = have('clamd'), have('clamav-milter')
if not clamd or not milter:
    skip_all('clamd and clamav-milter are not installed')

# The test file, put together here so that no scanner takes this one for it.
EICAR = b'X5O!P%@AP[4\\PZX54(P^)7CC)7}$' + b'EICAR-STANDARD-ANTIVIRUS-TEST-FILE!' + b'$H+H*'
house = House(users=['ann:secret', 'bob:secret'], conf='hostname = mx.example.org')
home = house.path('clamav')
for d in home, home / 'db', home / 'tmp':
    d.mkdir(mode=0o777)
    os.chmod(d, 0o777)
# A name, any kind of file, anywhere, these octets.
(home / 'db' / 'eicar.ndb').write_text('Posthouse.Test.EICAR:0:*:' + EICAR[:40].hex() + '\n')
user = 'nobody' if ROOT else None


def configure(name, text):
    (home / name).write_text(text + ('User nobody\n' if ROOT else ''))


configure('clamd.conf', '''
Foreground yes
LocalSocket %(home)s/tmp/clamd
LocalSocketMode 666
DatabaseDirectory %(home)s/db
TemporaryDirectory %(home)s/tmp
MaxThreads 2
''' % {'home': home})


def start(program, name, there):
    p = spawn([program, '-c', str(home / name)], stdout=open(home / (name + '.out'), 'w'), stderr=subprocess.STDOUT)
    if not wait_until(lambda: there.exists() or p.poll() is not None, 30) or p.poll() is not None:
        diag((home / (name + '.out')).read_text())
        raise RuntimeError(name + ' does not start')
    return p


start(clamd, 'clamd.conf', home / 'tmp' / 'clamd')


def start_milter(what):
    socket_path = home / 'tmp' / what
    configure(what + '.conf', '''
Foreground yes
MilterSocket %(home)s/tmp/%(what)s
MilterSocketMode 666
ClamdSocket unix:%(home)s/tmp/clamd
TemporaryDirectory %(home)s/tmp
OnInfected %(what)s
RejectMsg Infected by %%v
OnFail Defer
AddHeader Replace
SupportMultipleRecipients yes
''' % {'home': home, 'what': what})
    return start(milter, what + '.conf', socket_path)


def letter(attachment):
    return (b'From: x@client.example\r\nTo: ann@example.org\r\nSubject: a letter\r\nX-Virus-Scanned: by somebody else\r\nMIME-Version: 1.0\r\n'
            b'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello.\r\n--b\r\n'
            b'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\n'
            + base64.encodebytes(attachment).replace(b'\n', b'\r\n') + b'--b--\r\n')


rejecting, quarantining = start_milter('Reject'), start_milter('Quarantine')
house.conf('milters = unix:%s' % (home / 'tmp' / 'Reject'))
house.start()
with house.smtp() as s:
    s.hello()
    like(s.message('x@client.example', ['ann@example.org', 'bob@example.org'], letter(b'nothing')), '^250', 'a letter')
    like(s.message('x@client.example', ['ann@example.org'], letter(EICAR)), r'^550 5\.7\.1 Infected by Posthouse\.Test\.EICAR', 'EICAR, in base64: refused')
    like(s.message('x@client.example', ['ann@example.org'], letter(os.urandom(300000))), '^250', 'a long letter')
mail = house.wait_mail('ann@example.org', 2)
is_(len(mail), 2, 'two have come')
is_([v[:13] for k, v in headers(mail[0]) if k == b'X-Virus-Scanned'], [b'clamav-milter'], "its field has taken another one's place") or diag(mail[0])
like(mail[0], '(?m)^X-Virus-Status: Clean$', 'and says that all is well')
house.conf('milters = unix:%s' % (home / 'tmp' / 'Quarantine'))
house.restart()
like(house.send('x@client.example', 'ann@example.org', letter(EICAR)), '^250 2.0.0 .* queued', 'another that quarantines')
held = house.wait_event('queue.held')
is_(held and held.get('by'), 'quarantined by clamav-milter', '... it is held, in its words')
like(house.ph('queue', 'show', held['id']).stdout, 'quarantined by clamav-milter', '... which posthouse queue show says')
is_(len(house.mail('ann@example.org')), 2, '... not delivered')
is_(house.events('milter.failed'), [], 'clamav-milter never failed us')
done()
