#!/usr/bin/env python3
"""filters and attachments: what no message may hold."""
import base64
import email.message
import email.policy
import io
import os
import sys
import zipfile
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

lmtp_port = free_port()
house = House(conf='hostname = mx.example.org\nfilter_body_limit = 100k\n')
house.conf('listen_lmtp = 127.0.0.1:%d' % lmtp_port)
house.set_map('access', '127.0.0.1 trust\n')
house.start()
FILTERED = '550 5.7.1 Message could not be sent due to filtering restrictions'
ATTACHED = '550 5.7.1 Attachment type not accepted here: '


def send(data, sender='eve@client.example', rcpt='ann@example.org'):
    if isinstance(data, str):
        data = data.encode()
    return house.send(sender, rcpt, data.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n'))


def taken(data, name, **kw):
    like(send(data, **kw), r'^250 2\.0\.0 ', name)


def refused(data, name, reply=FILTERED, **kw):
    is_(send(data, **kw), reply, name)


taken('Subject: cheap pills\n\nx\n', 'without rules everything is taken')

# --- filters ---
house.set_map('filters', '''# ours
pills    string="cheap*pills"
Case     string=Viagra case=yes
lottery  string="Subject: you have won" text="No lotteries here"
word     string=geheimwort scope=body
both     string=everywhere scope=header,body
who      string=spammer@ scope=envelope
umlaut   string="b\u00e4r" scope=header,body
cyr      string="\u043a\u0430\u0437\u0438\u043d\u043e" scope=body
jp       string="\u62bd\u9078" scope=body
cn       string="\u62bd\u734e" scope=body
''')
refused('Subject: Cheap and good PILLS\n\nx\n', 'a string with a wildcard in the header, whatever the case')
e = house.wait_event('smtpd.content', by='filters:2')
ok(e and e['rule'] == 'pills' and e['client'] == '[127.0.0.1]' and e['sender'] == 'eve@client.example',
   'the log names map, line and rule')
ok(house.wait_event('smtpd.reject', command='DATA', reply=FILTERED), 'and the reply')
refused('Subject: you have won\n\nx\n', "a rule's own text", FILTERED + ': No lotteries here')
taken('Subject: VIAGRA, viagra\n\nx\n', 'case=yes: another case')
refused('Subject: Viagra\n\nx\n', 'case=yes: this case')
refused('Subject: =?utf-8?B?' + base64.b64encode(b'cheap pills').decode() + '?=\n\nx\n', 'an encoded word')
refused('X-Long: cheap\n  pills\n\nx\n', 'a folded field')
taken('X: cheap\nY: pills\n\nx\n', 'two fields are two texts')
taken('Subject: x\n\ncheap pills\n', 'scope=header: a body may say it')
taken('Subject: geheimwort\n\nx\n', 'scope=body: a header may say it')
refused('Subject: x\n\nDas Geheimwort.\n', 'in the body')
refused('Subject: x\n\neverywhere\n', 'two scopes: body')
refused('Subject: everywhere\n\nx\n', 'two scopes: header')
refused(b'Content-Transfer-Encoding: base64\n\n' + base64.encodebytes(b'x' * 100 + b'geheimwort' + b'y' * 100), 'base64')
refused(b'Content-Transfer-Encoding: quoted-printable\n\ngeheim=\nw=6Frt\n', 'quoted-printable')
refused('Subject: x\n\nein b\u00e4r\n', 'UTF-8 in the body')
refused(b'Content-Type: text/plain; charset=iso-8859-1\n\nein b\xe4r\n', 'the same in ISO 8859-1')
refused(b'Subject: =?iso-8859-1?q?ein_b=E4r?=\n\nx\n', 'and in a header')
refused(b'Content-Type: text/plain; charset=koi8-r\n\n' + '\u043a\u0430\u0437\u0438\u043d\u043e'.encode('koi8-r') + b'\n', 'KOI8-R')
refused(b'Content-Type: text/plain; charset=iso-2022-jp\n\n' + '\u62bd\u9078'.encode('iso-2022-jp') + b'\n', 'ISO 2022 JP')
refused(b'Content-Type: text/plain; charset=big5\n\n' + '\u62bd\u734e'.encode('big5') + b'\n', 'Big5')
refused('MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n'
        'Content-Type: text/html\nContent-Transfer-Encoding: base64\n\n'
        + base64.encodebytes(b'<p>geheimwort</p>').decode() + '--b--\n', 'in the second part')
refused('Subject: x\n\nx\n', 'the sender', sender='spammer@client.example')
taken(b'Subject: x\n\n' + b'a line of sixteen\n' * 8000 + b'geheimwort\n', 'behind filter_body_limit nobody looks')
refused(b'Subject: x\n\n' + b'a line of sixteen\n' * 5000 + b'geheimwort\n', 'before it somebody does')
with house.smtp() as s:
    s.hello()
    s.cmd('MAIL FROM:<eve@client.example>')
    s.cmd('RCPT TO:<ann@example.org>')
    chunks = [b'Subject: x\r\n\r\ngeh', b'eimwort\r\n']
    s.send(b'BDAT %d\r\n' % len(chunks[0]) + chunks[0])
    s.reply()
    s.send(b'BDAT %d LAST\r\n' % len(chunks[1]) + chunks[1])
    code, texts = s.reply()
    is_('%d %s' % (code, texts[0]), FILTERED, 'BDAT, the string in two chunks')
    is_(s.message('ann@example.org', ['ann@example.org'], b'Subject: y\r\n\r\nx\r\n')[:3], '250', 'the session goes on')
with house.smtp(house.submission_port) as s:
    s.hello()
    is_(s.message('ann@example.org', ['ann@example.org'], b'Subject: Viagra\r\n\r\nx\r\n'), FILTERED, 'submission, too')

# --- expressions ---
house.set_map('filters', '''casino  regex="\\b(casino|roulette)s?\\b" scope=header,body
Money   regex="^Subject: .*\\$ ?\\d{3,}" text="No money here"
Exact   regex=V1agra case=yes
bär     regex="großer BÄR" scope=body
lines   regex="(?s)^first.*^last$" scope=body
slow    regex="(a+)+b$" scope=body
''')
refused('Subject: The Casinos\n\nx\n', 'an expression in a header')
e = house.wait_event('smtpd.content', by='filters:1')
ok(e and e['rule'] == 'casino', 'the log names map, line and rule')
refused('Subject: x\n\nplay roulette now\n', 'in a body')
taken('Subject: occasinos\n\nx\n', 'a word is a word')
refused('Subject: win $ 5000\n\nx\n', "a rule's own text", FILTERED + ': No money here')
taken('X-Subject: win $5000\nTo: x\n\nSubject: win $5000\n', '^ is the beginning of a field')
refused('Subject: =?utf-8?Q?win_=24?=\n =?utf-8?Q?5000?=\n\nx\n', 'encoded words', FILTERED + ': No money here')
taken('Subject: v1agra\n\nx\n', 'case=yes: another case')
refused('Subject: V1agra\n\nx\n', 'case=yes: this case')
refused(b'Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: base64\n\n' +
        base64.encodebytes('ein großer bär'.encode('iso-8859-1')), 'cases and charsets beyond ASCII')
refused('Subject: x\n\nfirst line\nmore\nlast\n', 'over lines')
refused(b'Subject: x\n\n' + b'a line of sixteen\n' * 1819 + b'roulette\n', 'where one look at the text ends and the next begins')
taken(b'Subject: x\n\n' + (b'a' * 900 + b'\n') * 100, 'an expression that takes too long is left out')
e = house.wait_event('smtpd.content', reason='the expression takes too long')
ok(e and e['by'] == 'filters:6' and e['rule'] == 'slow', 'and the log says so')
refused(b'Subject: x\n\n' + (b'a' * 900 + b'\n') * 10 + b'roulette\n', 'the others are looked for all the same')
for wrong, why in (('regex="a(b"', r'etc/filters:2: regex=a\(b: missing closing parenthesis \(at character 4\)'),
                   ('regex="x*"', 'etc/filters:2: .*every text'), ('regex=a string=b2', 'etc/filters:2: .*two rules'),
                   ('regex="(?<=%s)b"' % ('a' * 101), 'etc/filters:2: .*looks back'),
                   ('regex="%s"' % ('a' * 1001), 'etc/filters:2: .*longer than 1000')):
    house.set_map('filters', '# one\nwrong  %s\n' % wrong, compile=False)
    like(house.compile(check=False).stderr, why, 'refused: ' + wrong[:20])
house.set_map('filters', '''who  regex="^.+@spam\\.example$" scope=envelope
any  string=everywhere scope=any
''')
refused('Subject: x\n\nx\n', 'an expression over the sender', sender='a@spam.example')
taken('From: a@spam.example\n\na@spam.example\n', 'scope=envelope: the header may say it')
refused('Subject: everywhere\n\nx\n', 'scope=any: header')
refused('Subject: x\n\neverywhere\n', 'scope=any: body')
taken('Subject: x\n\nx\n', 'scope=any: not the envelope', sender='everywhere@client.example')
house.path('spammers').write_text('cheap\ncasino\n')
house.set_map('filters', '!sed "s/.*/& string=& text=imported/" %s' % house.path('spammers'), compile=False)
is_(house.compile(check=False).returncode, 0, 'a list that a command gives')
refused('Subject: Casino\n\nx\n', 'what a command has imported', FILTERED + ': imported')
house.set_map('filters', '')
before = len(house.mail('ann@example.org'))
taken('Subject: cheap pills\n\nx\n', 'a change of the rules is in force for the next session')
is_(len(house.wait_mail('ann@example.org', before + 1)), before + 1, 'and only what was taken is delivered')

# --- attachments ---
house.set_map('attachments', '''good.exe      accept
*.exe         reject
*.scr         reject text="No screen savers"
"* list.doc?" reject
*.\u00e4x         reject
''')


def mail(disposition=None, ctype='application/octet-stream', body='eA=='):
    text = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=_b"\n\npreamble\n--=_b\n\nhello\n--=_b\n'
    text += 'Content-Type: %s\nContent-Transfer-Encoding: base64\n' % ctype
    if disposition:
        text += 'Content-Disposition: attachment; %s\n' % disposition
    return text + '\n' + body + '\n--=_b--\n'


refused(mail('filename=evil.exe'), 'a name', ATTACHED + '*.exe')
e = house.wait_event('smtpd.content', by='attachments:2')
ok(e and e['rule'] == '*.exe' and e['name'] == 'evil.exe', 'the log names map, line, mask and name')
refused(mail('filename="Evil.EXE"'), 'whatever the case', ATTACHED + '*.exe')
taken(mail('filename=good.exe'), 'the first mask that fits counts')
taken(mail('filename=evil.exe.txt'), 'the whole name must fit')
refused(mail('filename=a.scr'), "a rule's own text", ATTACHED + '*.scr: No screen savers')
refused(mail('filename="my list.docx"'), 'a mask with a blank', ATTACHED + '* list.doc?')
refused(mail("filename=\"a.\u00c4X\""), 'a mask that no reply can hold', ATTACHED + '(a name like this)')
refused(mail(ctype='application/x; name=evil.exe'), 'Content-Type', ATTACHED + '*.exe')
refused(mail("filename*=utf-8''evil%2Eexe"), 'RFC 2231', ATTACHED + '*.exe')
refused(mail('filename*0=ev;\n filename*1=il.e;\n filename*2=xe'), 'RFC 2231, in pieces', ATTACHED + '*.exe')
refused(mail('filename="=?iso-8859-1?Q?b=E4r=2Eexe?="'), 'RFC 2047', ATTACHED + '*.exe')
refused(mail('filename="=?utf-8?B?%s?="' % base64.b64encode(b'evil.exe').decode()), 'RFC 2047, base64', ATTACHED + '*.exe')
refused(mail('filename="evil.exe . "'), 'dots and blanks behind it', ATTACHED + '*.exe')
refused('Content-Type: application/x; name=evil.exe\n\nx\n', 'no multipart at all', ATTACHED + '*.exe')
refused('Subject: x\n\nbegin 644 evil.exe\nend\n', 'uuencode', ATTACHED + '*.exe')
evil = mail('filename=evil.exe').replace('\n', '\r\n').encode()
with house.smtp(house.submission_port) as s:
    s.hello()
    is_(s.message('ann@example.org', ['ann@example.org'], evil), ATTACHED + '*.exe', 'submission')
with house.smtp() as s:
    s.hello()
    s.cmd('MAIL FROM:<eve@client.example>')
    s.cmd('RCPT TO:<ann@example.org>')
    for i in range(0, len(evil), 7):
        s.send(b'BDAT %d%s\r\n' % (len(evil[i:i + 7]), b' LAST' if i + 7 >= len(evil) else b'') + evil[i:i + 7])
    answers = [s.reply() for i in range(0, len(evil), 7)]
    is_('%d %s' % (answers[-1][0], answers[-1][1][0]), ATTACHED + '*.exe', 'BDAT, in chunks of seven octets')
with Smtp(lmtp_port) as s:
    s.reply()
    for command in b'LHLO me', b'MAIL FROM:<eve@client.example>', b'RCPT TO:<ann@example.org>', b'RCPT TO:<bob@example.org>', b'DATA':
        s.send(command + b'\r\n')
        s.reply()
    s.send(evil + b'.\r\n')
    is_([s.line() for _ in range(2)], [(ATTACHED + '*.exe').encode()] * 2, 'LMTP: an answer for each recipient')


def archive(*names, **files):
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, 'w', zipfile.ZIP_DEFLATED) as z:
        for n in names:
            z.writestr(n, b'MZ' * 1000)
        for n, data in files.items():
            z.writestr(n + '.zip', data)
    return octets.getvalue()


def zipped(octets, name='letters.zip'):
    return mail('filename=' + name, ctype='application/zip', body=base64.encodebytes(octets).decode().strip())


refused(zipped(archive('a.txt', 'b/evil.exe')), 'in a zip archive', ATTACHED + '*.exe')
e = house.wait_event('smtpd.content', by='attachments:2', name='evil.exe')
ok(e, 'the log has its name')
refused(zipped(archive('a.txt', inner=archive('evil.exe'))), 'in an archive inside', ATTACHED + '*.exe')
refused(zipped(archive('a.txt', 'evil.scr'), 'letters.dat'), 'an archive under another name', ATTACHED + '*.scr: No screen savers')
refused(zipped(b'junk in front' + archive('evil.exe')), 'an archive that does not begin like one', ATTACHED + '*.exe')
taken(zipped(archive('a.txt', 'good.exe', inner=archive('b.txt'))), 'an archive of letters')
refused(zipped(archive('\u00e4rger.\u00c4x')), 'UTF-8 in an archive', ATTACHED + '(a name like this)')
taken(zipped(archive('a.txt', inner=archive(inner=archive(inner=archive('evil.exe'))))), 'archives too deep in one another go through')
e = house.wait_event('smtpd.content', reason='archives lie too deep in one another')
ok(e and e['client'] == '[127.0.0.1]', 'and the log says so')
nested = email.message.EmailMessage(policy=email.policy.SMTP)
nested['Subject'] = 'inner'
nested.set_content('hello')
nested.add_attachment(b'MZ', maintype='application', subtype='x', filename='b\u00e4r evil.exe')
outer = email.message.EmailMessage(policy=email.policy.SMTP)
outer['Subject'] = 'outer'
outer.set_content('see below')
outer.add_attachment(nested)
refused(outer.as_bytes(), 'in a message inside, as the standard library writes it', ATTACHED + '*.exe')

BROKEN = 'MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n--b\nContent-Type: x/y; name=evil.exe\n\nx\n--b--\n'
taken(BROKEN, 'broken MIME goes through')
e = house.wait_event('smtpd.content', reason='a multipart has no boundary')
ok(e and e['client'] == '[127.0.0.1]', 'and the log says so')
for how, reply in (('reject', '554 5.6.0 '), ('defer', '451 4.6.0 ')):
    house.conf('attachments_on_error = ' + how)
    house.restart()
    refused(BROKEN, 'attachments_on_error = ' + how,
            reply + 'The MIME parts of the message cannot be told apart: a multipart has no boundary')
taken(mail('filename=a.txt'), 'proper MIME is taken')
ok(not house.events('program.fatal'), 'nothing died')
done()
