"""Git over https: a server of this process with a certificate of its own, which may ask for a password and redirect."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pyfi.system.processes import run


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Files with a certificate that signs itself, and with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return paths


@dataclass
class Server:
    """port: where it listens. login: `user:password` that it asks for. redirect: where it sends everybody."""

    port: int
    ca: Path
    login: str = ""
    redirect: str = ""
    seen: list[str] = field(default_factory=list)


@contextmanager
def serving(repositories: Path, folder: Path, host: str) -> Iterator[Server]:
    """Serve the repositories below a folder, as `https://host:port/name/.git`."""
    cert, key = certificate(folder, host)
    told = Server(port=0, ca=cert)

    class Answer(BaseHTTPRequestHandler):
        def answer(self) -> None:
            told.seen.append(self.path)
            wanted = "Basic " + base64.b64encode(told.login.encode()).decode()
            if told.redirect:
                self._say(302, {"Location": told.redirect + self.path})
            elif told.login and self.headers.get("Authorization") != wanted:
                self._say(401, {"WWW-Authenticate": 'Basic realm="git"'})
            else:
                self._backend()

        do_GET = do_POST = answer  # noqa: N815 # the names that http.server calls

        def _backend(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            env = {
                "PATH": os.defpath,
                "GIT_PROJECT_ROOT": str(repositories),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "uploadpack.allowAnySHA1InWant",
                "GIT_CONFIG_VALUE_0": "true",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            if self.headers.get("Content-Encoding"):
                env["HTTP_CONTENT_ENCODING"] = self.headers["Content-Encoding"]
            done = run(
                ["git", "http-backend"], env=env, timeout_seconds=30, stdin_bytes=body, output_limit_bytes=1 << 24
            )
            head, _, rest = done.stdout.partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode().split("\r\n") if line]
            headers = {name: value for name, _, value in lines}
            self._say(int(headers.pop("Status", "200").split()[0]), headers, rest)

        def _say(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's name
            return

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        told.port = int(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
