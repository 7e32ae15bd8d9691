"""pop3_peers: Courier's and popa3d's POP3 servers on loopback, from packages that are unpacked, not installed
(t/peers/unpack). A connection is a process, as inetd would start it."""
import glob
import os
import shutil
import socket
import subprocess
import threading

from posthouse import *

ROOT_DIR = BUILDDIR / 'peers'


class Peer:
    """Accepts on self.port, and has serve(sock) for each connection."""

    def __init__(self, where):
        self.dir = where
        self.dir.mkdir()
        self.dir.chmod(0o755)
        self.prepare()
        self.sock = socket.socket()
        self.sock.bind(('127.0.0.1', 0))
        self.sock.listen(20)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            sock, _ = self.sock.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with sock:
            try:
                self.serve(sock)
            except OSError:
                pass

    def run(self, sock, argv, **env):
        subprocess.run([str(a) for a in argv], stdin=sock, stdout=sock, stderr=subprocess.DEVNULL, env=env)


class Courier(Peer):
    """courierpop3d itself; the login in front of it, which wants Courier's own databases, is done here."""
    PROGRAM = ROOT_DIR / 'usr/lib/courier/courier/courierpop3d'
    missing = None if PROGRAM.exists() else 'courier-pop is not unpacked (t/peers/unpack)'

    def prepare(self):
        for d in ('cur', 'new', 'tmp'):
            (self.dir / d).mkdir()

    def put(self, letters):
        for i, text in enumerate(letters):
            (self.dir / 'cur' / ('%d.%04d.provider:2,' % (1700000000 + i, i))).write_bytes(text)

    def serve(self, sock):
        sock.sendall(b'+OK Hello there.\r\n')
        while True:
            line = b''
            while not line.endswith(b'\n'):
                octet = sock.recv(1)
                if not octet:
                    return
                line += octet
            verb = line.strip().upper()
            if verb == b'CAPA':
                sock.sendall(b'+OK\r\nTOP\r\nUSER\r\nPIPELINING\r\nUIDL\r\n.\r\n')
            elif verb == b'PASS SECRET':
                libraries = sorted({os.path.dirname(p) for p in glob.glob(str(ROOT_DIR / 'usr/lib/**/libcourier*.so*'), recursive=True)} |
                                   {os.path.dirname(p) for p in glob.glob(str(ROOT_DIR / 'usr/lib/**/libidn.so*'), recursive=True)})
                return self.run(sock, [self.PROGRAM, self.dir], AUTHENTICATED='office', LD_LIBRARY_PATH=':'.join(libraries))
            elif verb.startswith(b'USER '):
                sock.sendall(b'+OK Password required.\r\n')
            else:
                sock.sendall(b'-ERR Invalid command.\r\n')


class Popa3d(Peer):
    """Wants users, PAM and /var/mail: they are put under it in a mount namespace."""
    PROGRAM = ROOT_DIR / 'usr/sbin/popa3d'
    missing = ('popa3d is not unpacked (t/peers/unpack)' if not PROGRAM.exists() else
               'popa3d needs root and mount namespaces' if not ROOT or not have('unshare') or
               subprocess.run(['unshare', '-m', 'true'], stderr=subprocess.DEVNULL).returncode else None)

    def prepare(self):
        for name, line in (('passwd', 'popa3d:x:64001:65534::/:/bin/false\noffice:x:64002:65534::/:/bin/false\n'),
                           ('shadow', 'popa3d:*:19000::::::\noffice:%s:19000::::::\n' % subprocess.run(
                               ['openssl', 'passwd', '-6', 'secret'], stdout=subprocess.PIPE, check=True).stdout.decode().strip())):
            (self.dir / name).write_text(open('/etc/' + name).read() + line)
        (self.dir / 'shadow').chmod(0o600)
        shutil.copytree('/etc/pam.d', self.dir / 'pam.d')
        (self.dir / 'pam.d' / 'popa3d').write_text('auth required pam_unix.so\naccount required pam_unix.so\n')
        (self.dir / 'mail').mkdir(mode=0o755)
        (self.dir / 'enter').write_text('''set -e
for f in passwd shadow pam.d; do mount --bind "$1/$f" "/etc/$f"; done
mount --bind "$1/mail" /var/mail
mount -t tmpfs none /var/lib
mkdir -m 755 /var/lib/popa3d
exec "$2"
''')

    def put(self, letters):
        box = self.dir / 'mail' / 'office'
        box.write_bytes(b''.join(b'From pat@sender.example Sun Nov 22 01:02:03 2026\n' + text +
                                 (b'' if text.endswith(b'\n') else b'\n') + b'\n' for text in letters))
        os.chown(box, 64002, 65534)
        box.chmod(0o600)

    def serve(self, sock):
        self.run(sock, ['unshare', '-m', '--propagation', 'private', 'sh', self.dir / 'enter', self.dir, self.PROGRAM],
                 PATH=os.environ['PATH'])


def retrieve(port):
    """What the server holds, by a client that asks one by one: list of octets, dots off."""
    with socket.create_connection(('127.0.0.1', port), 20) as sock:
        f = sock.makefile('rwb')

        def ask(command):
            f.write(command + b'\r\n')
            f.flush()
            return f.readline()

        def text():
            lines = []
            while (line := f.readline()) not in (b'.\r\n', b''):
                lines.append(line[1:] if line.startswith(b'.') else line)
            return b''.join(lines)

        f.readline()
        ask(b'USER office')
        if not ask(b'PASS secret').startswith(b'+OK'):
            return None
        ask(b'LIST')
        n = text().count(b'\n')
        found = [text() for i in range(1, n + 1) if ask(b'RETR %d' % i).startswith(b'+OK')]
        ask(b'QUIT')
        return found
