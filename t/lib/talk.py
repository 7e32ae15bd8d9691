#!/usr/bin/env python3
"""talk: one SMTP or POP3 conversation, shown as it happens. For quickstart.

    talk.py smtp PORT SENDER RCPT ... < message     exit code 0 when it was taken
    talk.py pop3 PORT LOGIN PASSWORD [TEXT]         shows the newest message (that holds TEXT)
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import posthouse


def show(who, text):
    if isinstance(text, bytes):
        text = text.decode('utf-8', 'replace')
    print('    %s %s' % (who, text), flush=True)


def smtp(port, sender, rcpts):
    s = posthouse.Smtp(port)
    lines = sys.stdin.buffer.read().replace(b'\r\n', b'\n').split(b'\n')
    if lines[-1] == b'':
        lines.pop()

    def answer():
        code, texts = s.reply()
        for i, text in enumerate(texts):
            show('S:', '%d%s%s' % (code, ' ' if i == len(texts) - 1 else '-', text))
        return code

    def say(command):
        show('C:', command)
        s.send(command + '\r\n')
        return answer()

    answer()
    say('EHLO client.example')
    good = say('MAIL FROM:<%s>' % sender) == 250
    for rcpt in rcpts:
        good &= say('RCPT TO:<%s>' % rcpt) == 250
    if good and say('DATA') == 354:
        for line in lines:
            show('C:', line)
            s.send((b'.' if line.startswith(b'.') else b'') + line + b'\r\n')
        good = say('.') == 250
    say('QUIT')
    return 0 if good else 1


def pop3(port, login, password, text):
    p = posthouse.Pop3(port)
    show('S:', p.cmd())
    for command in ('USER ' + login, 'PASS ' + password, 'STAT'):
        show('C:', command if not command.startswith('PASS') else 'PASS ********')
        answer = p.cmd(command)
        show('S:', answer)
        if not answer.startswith('+OK'):
            return 1
    for n in range(int(answer.split()[1]), 0, -1):
        first, body = p.multi('RETR %d' % n)
        if text is None or text.encode() in body:
            show('C:', 'RETR %d' % n)
            show('S:', first)
            for line in body.split(b'\r\n')[:-1]:
                show('S:', line)
            show('S:', '.')
            break
    else:
        show('  ', '(no such message)')
        return 1
    show('C:', 'QUIT')
    show('S:', p.cmd('QUIT'))
    return 0


if sys.argv[1] == 'smtp':
    sys.exit(smtp(int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
sys.exit(pop3(int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5] if len(sys.argv) > 5 else None))
