"""provider: what servers of tests share: a free port on loopback, and a thread for each connection.

    class Upstream(Provider):
        def __init__(self):
            ...
            self.open(Session)      # Session(self, sock).run() for each; its .sock is the one in use then
"""
import socket
import threading


class Provider:
    tls, implicit = None, False  # an SSLContext; True: TLS from the first octet

    def open(self, session):
        self.session = session
        self.sock = socket.socket()
        self.sock.bind(('127.0.0.1', 0))
        self.sock.listen(20)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        session = None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.implicit:
                sock = self.tls.wrap_socket(sock, server_side=True)
            session = self.session(self, sock)
            session.run()
        except (OSError, ValueError, EOFError):
            pass
        finally:
            (session.sock if session else sock).close()

    def close(self):
        self.sock.close()
