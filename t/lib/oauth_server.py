"""oauth_server: an authorization server for tests (RFC 6749, 7636, 8628), in threads; well-behaved until told otherwise.

    idp = AuthServer()                       # http on the loopback address; AuthServer(tls=context): https
    idp.provider('idp', 'young=8d ...')      # an entry for the map providers
    idp.approve = True                       # what the person does with the code: None (not yet), True, False
    idp.say('/token', 400, {'error': 'invalid_grant'}, times=1)
    idp.requests                             # [(path, {name: value}, headers)]
"""
import base64
import hashlib
import http.server
import json
import threading
import time
import urllib.parse


class AuthServer:
    def __init__(self, tls=None, host='127.0.0.1', life=3600, rotate=False, interval=1, secret=None):
        self.life, self.rotate, self.interval, self.secret = life, rotate, interval, secret
        self.approve, self.refresh_life, self.scope = None, None, 'mail'
        self.requests, self.scripts, self.valid, self.codes = [], {}, {}, {}
        self.access = []            # every access token ever given
        self.count = 0
        self.delay = 0              # seconds before each answer
        self.lock = threading.Lock()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                server.serve(self)

            def do_GET(self):
                self.send_error(404)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass

            def get_request(self):
                sock, address = self.socket.accept()
                if tls:
                    sock.settimeout(10)
                    sock = tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                return sock, address

        self.httpd = Server((host, 0), Handler)
        self.port = self.httpd.server_address[1]
        self.url = '%s://%s:%d' % ('https' if tls else 'http', 'localhost' if tls else '127.0.0.1', self.port)
        threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    def provider(self, name, extra='', device=True, authorize=True):
        words = ['token=%s/token' % self.url, 'app_scope=all', 'scope="mail offline"', extra]
        if device:
            words.append('device=%s/device' % self.url)
        if authorize:
            words.append('authorize=%s/authorize' % self.url)
        return '%s %s\n' % (name, ' '.join(words))

    def say(self, path, status, body, times=1, headers=()):
        """The next answers at path: body a dict (JSON), octets as they are, or a function(handler)."""
        with self.lock:
            self.scripts.setdefault(path, []).extend([(status, body, headers)] * times)

    def seen(self, path='/token', **params):
        with self.lock:
            return [p for where, p, _ in self.requests
                    if where == path and all(p.get(k) == v for k, v in params.items())]

    def serve(self, handler):
        n = int(handler.headers.get('Content-Length') or 0)
        params = dict(urllib.parse.parse_qsl(handler.rfile.read(n).decode(), keep_blank_values=True))
        basic = handler.headers.get('Authorization', '')
        if basic.startswith('Basic '):
            name, _, secret = base64.b64decode(basic[6:]).decode().partition(':')
            params['client_id'], params['basic_secret'] = map(urllib.parse.unquote_plus, (name, secret))
        with self.lock:
            self.requests.append((handler.path, params, dict(handler.headers)))
            script = self.scripts.get(handler.path)
            status, body, headers = script.pop(0) if script else self.answer(handler.path, params) + ((),)
        if self.delay:
            time.sleep(self.delay)
        if callable(body):
            return body(handler)
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header('Content-Type', 'application/json')
        handler.send_header('Content-Length', str(len(octets)))
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(octets)

    # What a good server does.

    def tokens(self, refresh=True):
        self.count += 1
        got = {'access_token': 'access-%d-%d' % (self.port, self.count), 'token_type': 'Bearer', 'expires_in': self.life,
               'scope': self.scope}
        self.access.append(got['access_token'])
        if refresh:
            got['refresh_token'] = 'refresh-%d-%d' % (self.port, self.count)
            self.valid[got['refresh_token']] = True
            if self.refresh_life:
                got['refresh_token_expires_in'] = self.refresh_life
        return got

    def answer(self, path, p):
        if self.secret and p.get('client_secret', p.get('basic_secret')) != self.secret:
            return 401, {'error': 'invalid_client', 'error_description': 'the secret is wrong'}
        if path == '/device':
            self.count += 1
            return 200, {'device_code': 'device-%d' % self.count, 'user_code': 'ABCD-EFGH',
                         'verification_uri': self.url + '/type', 'expires_in': 600, 'interval': self.interval,
                         'verification_uri_complete': self.url + '/type?code=ABCD-EFGH'}
        return {'urn:ietf:params:oauth:grant-type:device_code': self.device, 'refresh_token': self.renew,
                'authorization_code': self.trade, 'client_credentials': lambda p: (200, self.tokens(refresh=False)),
                }.get(p.get('grant_type'), lambda p: (400, {'error': 'unsupported_grant_type'}))(p)

    def device(self, p):
        if self.approve is None:
            return 400, {'error': 'authorization_pending'}
        return (200, self.tokens()) if self.approve else (400, {'error': 'access_denied'})

    def renew(self, p):
        if not self.valid.get(p.get('refresh_token')):
            return 400, {'error': 'invalid_grant', 'error_description': 'Token has been expired or revoked.'}
        if self.rotate:
            self.valid[p['refresh_token']] = False
        return 200, self.tokens(refresh=self.rotate)

    def trade(self, p):
        challenge, redirect = self.codes.pop(p.get('code'), (None, None))
        want = base64.urlsafe_b64encode(hashlib.sha256(p.get('code_verifier', '').encode()).digest()).rstrip(b'=').decode()
        if challenge != want or redirect != p.get('redirect_uri'):
            return 400, {'error': 'invalid_grant', 'error_description': 'wrong verifier or redirect'}
        return 200, self.tokens()

    def consent(self, url):
        """The person says yes in the browser: where it is sent back to."""
        q = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        self.count += 1
        code = 'code-%d' % self.count
        self.codes[code] = (q['code_challenge'] if q['code_challenge_method'] == 'S256' else None, q['redirect_uri'])
        return q['redirect_uri'] + '?' + urllib.parse.urlencode({'code': code, 'state': q['state']})
