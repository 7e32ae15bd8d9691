#!/usr/bin/python3
"""milter_peer: a filter made with pymilter, for t/system/smtpd-milter.t. Debian's own interpreter has the module.

    milter_peer.py SOCKET LOG [RULES]     LOG gets a line an event; RULES is read anew for every connection:

    STAGE ACTION [ARGUMENTS]              connect reject | mail reply 451 4.7.1 text | end addheader Name Value ...

No rule for a stage: continue. Words are separated by blanks, with %20 and the like for what stands inside.
"""
import sys
import urllib.parse

import Milter

SOCKET, LOG = sys.argv[1:3]
RULES = sys.argv[3] if len(sys.argv) > 3 else None
ANSWERS = {'continue': Milter.CONTINUE, 'accept': Milter.ACCEPT, 'reject': Milter.REJECT, 'tempfail': Milter.TEMPFAIL,
           'discard': Milter.DISCARD, 'skip': Milter.SKIP}
MACROS = ('j', '_', 'i', '{daemon_name}', '{client_addr}', '{client_name}', '{tls_version}', '{cipher}', '{auth_authen}',
          '{auth_type}', '{mail_addr}', '{rcpt_addr}', '{rcpt_mailer}')


class Peer(Milter.Base):
    def note(self, *words):
        with open(LOG, 'a', encoding='utf-8', errors='surrogateescape') as f:
            f.write(' '.join(urllib.parse.quote(str(w), safe="<>@:;.,/[]={}()!*'+\"?&", errors='surrogateescape') for w in words)
                    + '\n')

    def macros(self, stage):
        self.note('macros', stage, *('%s=%s' % (m, v) for m in MACROS for v in [self.getsymval(m)] if v))

    def act(self, stage):
        answer = Milter.CONTINUE
        for rule in self.rules:
            if rule[0] != stage:
                continue
            action, args = rule[1], [urllib.parse.unquote(a) for a in rule[2:]]
            if action in ANSWERS:
                answer = ANSWERS[action]
            elif action == 'reply':
                self.setreply(args[0], args[1], *args[2:])
                answer = Milter.REJECT if args[0][0] == '5' else Milter.TEMPFAIL
            elif action == 'addheader':
                self.addheader(args[0], args[1], int(args[2]) if len(args) > 2 else -1)
            elif action == 'chgheader':
                self.chgheader(args[0], int(args[1]), args[2] if len(args) > 2 else '')
            elif action == 'addrcpt':
                self.addrcpt(args[0])
            elif action == 'delrcpt':
                self.delrcpt(args[0])
            elif action == 'chgfrom':
                self.chgfrom(args[0])
            elif action == 'body':
                for _ in range(int(args[1]) if len(args) > 1 else 1):
                    self.replacebody(args[0].encode())
            elif action == 'quarantine':
                self.quarantine(args[0])
            elif action == 'progress':
                self.progress()
            elif action == 'die':
                import os
                os._exit(1)
        return answer

    def connect(self, name, family, address):
        self.rules = []
        if RULES:
            with open(RULES) as f:
                self.rules = [line.split() for line in f if line.strip()]
        self.body_octets = 0
        self.note('connect', name, family, address[0] if isinstance(address, tuple) else address)
        self.macros('connect')
        return self.act('connect')

    def hello(self, name):
        self.note('helo', name)
        self.macros('helo')
        return self.act('helo')

    def envfrom(self, sender, *args):
        self.chunks = []
        self.note('mail', sender, *args)
        self.macros('mail')
        return self.act('mail')

    def envrcpt(self, rcpt, *args):
        self.note('rcpt', rcpt, *args)
        self.macros('rcpt')
        return self.act('rcpt')

    def data(self):
        self.note('data')
        return self.act('data')

    @Milter.decode('bytes')
    def header(self, name, value):
        self.note('header', name, value.decode('utf-8', 'surrogateescape'))
        return self.act('header')

    def eoh(self):
        self.note('eoh')
        return self.act('eoh')

    def body(self, chunk):
        self.chunks.append(chunk)
        return self.act('body')

    def eom(self):
        body = b''.join(self.chunks)
        self.note('body', len(body), len(self.chunks), body[:2000].decode('utf-8', 'surrogateescape'))
        self.macros('end')
        return self.act('end')

    def abort(self):
        self.note('abort')
        return Milter.CONTINUE

    def close(self):
        self.note('close')
        return Milter.CONTINUE

    def unknown(self, command):
        self.note('unknown', command)
        return self.act('unknown')


Milter.factory = Peer
Milter.set_flags(Milter.CHGBODY + Milter.CHGHDRS + Milter.ADDHDRS + Milter.ADDRCPT + Milter.DELRCPT + Milter.QUARANTINE
                 + Milter.CHGFROM)
Milter.runmilter('peer', SOCKET, 300)
