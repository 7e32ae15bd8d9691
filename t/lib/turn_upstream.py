"""turn_upstream: a provider with a queue for us, in threads: an SMTP server that knows ETRN (RFC 1985) and ATRN (RFC
2645); well-behaved until it is told otherwise.

    p = TurnUpstream(mails=[(sender, [rcpt, ...], octets)])
    p.port, p.commands, p.sent, p.replies
    p.quirks['ATRN'] = lambda session, argument: ...   # answers instead; returns False to hang up
"""
import base64
import hmac

from provider import Provider

CHALLENGE = b'<1896.697170952@provider.example>'


class TurnUpstream(Provider):
    def __init__(self, mails=(), login='office', password='secret', auth='CRAM-MD5 PLAIN', tls=None, implicit=False,
                 offers=('PIPELINING', 'ETRN', 'ATRN'), pipelined=False, chunks=0):
        self.mails = list(mails)      # what waits; sent ones leave
        self.login, self.password, self.auth, self.offers = login, password, auth, list(offers)
        self.tls, self.implicit, self.pipelined = tls, implicit, pipelined
        self.chunks = chunks          # octets a BDAT; 0: DATA
        self.hello = []               # what our smtpd offers
        self.answers = {}             # domain → what ETRN is answered
        self.quirks = {}              # verb → function(session, argument); True: answered, None: as usual, False: hang up
        self.commands, self.sent, self.replies, self.over_tls = [], [], [], []
        self.open(Session)


class Session:
    def __init__(self, p, sock):
        self.p, self.sock, self.buf = p, sock, b''
        self.encrypted, self.known = p.implicit, False
        sock.settimeout(20)

    def send(self, octets):
        self.sock.sendall(octets)

    def say(self, text):
        self.send(text.encode() + b'\r\n')

    def line(self):
        while b'\n' not in self.buf:
            got = self.sock.recv(65536)
            if not got:
                return None
            self.buf += got
        line, self.buf = self.buf.split(b'\n', 1)
        return line.rstrip(b'\r').decode('utf-8', 'surrogateescape')

    # The server.

    def run(self):
        self.say('220 provider.example ESMTP')
        while True:
            line = self.line()
            if line is None:
                return
            self.p.commands.append(line)
            verb, _, arg = line.partition(' ')
            verb = verb.upper()
            if verb == 'ATRN':
                self.p.over_tls.append(self.encrypted)
            quirk = self.p.quirks.get(verb)
            answered = quirk(self, arg) if quirk else None
            if answered is None:
                answered = getattr(self, 'do_' + verb, self.unknown)(arg)
            if answered is False:
                return

    def unknown(self, arg):
        self.say('502 what?')

    def do_EHLO(self, arg):
        lines = ['provider.example greets ' + arg] + self.p.offers
        if self.p.tls and not self.encrypted:
            lines.append('STARTTLS')
        elif self.p.auth:
            lines.append('AUTH ' + self.p.auth)
        for l in lines[:-1]:
            self.say('250-' + l)
        self.say('250 ' + lines[-1])

    def do_STARTTLS(self, arg):
        self.say('220 go ahead')
        self.sock = self.p.tls.wrap_socket(self.sock, server_side=True)
        self.buf, self.encrypted = b'', True

    def do_AUTH(self, arg):
        mechanism, _, first = arg.partition(' ')
        if mechanism.upper() == 'PLAIN':
            good = base64.b64decode(first) == b'\0%s\0%s' % (self.p.login.encode(), self.p.password.encode())
        else:
            self.say('334 ' + base64.b64encode(CHALLENGE).decode())
            name, _, digest = base64.b64decode(self.line()).decode().partition(' ')
            good = name == self.p.login and digest == hmac.new(self.p.password.encode(), CHALLENGE, 'md5').hexdigest()
        self.known = good
        self.say('235 in' if good else '535 5.7.8 no')

    def do_QUIT(self, arg):
        self.say('221 bye')
        return False

    def do_ETRN(self, arg):
        self.say(self.p.answers.get(arg, '250 OK, queuing for node %s started' % arg))

    def do_ATRN(self, arg):
        if not self.known:
            return self.say('530 Authentication required')
        if not self.p.mails:
            return self.say('453 You have no mail')
        self.say('250 OK now reversing the connection')
        self.deliver()
        return False

    # The client, once the connection has turned round.

    def reply(self):
        lines = []
        while True:
            line = self.line()
            if line is None:
                raise OSError('hung up')
            lines.append(line)
            if line[3:4] != '-':
                break
        self.p.replies.append(lines[-1])
        self.lines = lines
        return lines[-1]

    def deliver(self):
        self.reply()
        self.say('EHLO provider.example')
        self.reply()
        self.p.hello = [l[4:] for l in self.lines]
        for mail in list(self.p.mails):
            sender, rcpts, octets = mail
            commands = ['MAIL FROM:<%s>' % sender] + ['RCPT TO:<%s>' % r for r in rcpts] + ['DATA']
            if self.p.chunks:
                answers = []
                for c in commands[:-1]:
                    self.say(c)
                    answers.append(self.reply())
                for at in range(0, len(octets), self.p.chunks):
                    piece = octets[at:at + self.p.chunks]
                    last = at + len(piece) == len(octets)
                    self.send(b'BDAT %d%s\r\n' % (len(piece), b' LAST' if last else b'') + piece)
                    answers.append(self.reply())
            elif self.p.pipelined:
                self.send(''.join(c + '\r\n' for c in commands).encode())
                answers = [self.reply() for c in commands]
            else:
                answers = []
                for c in commands:
                    self.say(c)
                    answers.append(self.reply())
            if answers[-1].startswith('354'):
                self.send(octets.replace(b'\r\n.', b'\r\n..') + b'.\r\n')
                answers.append(self.reply())
            if answers[-1].startswith('250'):
                self.p.sent.append(mail)
                self.p.mails.remove(mail)
            else:
                self.say('RSET')
                self.reply()
        self.say('QUIT')
        self.reply()
