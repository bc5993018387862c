"""The nginx of deploy/nginx.conf on this machine: ports, names and folders are ours, everything else is the file's."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.proof.server import HOST, ROOT, START_TIMEOUT_S, port_of, reserve_port, tree_cpu_s

CONF = ROOT / "deploy" / "nginx.conf"
AROUND = """
daemon off;
{user}
worker_processes {n_workers};
pid {folder}/pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{conf}
}}
"""


def configure(
    folder: Path, *, port: int, upstreams: Sequence[int], stimuli: Path, is_tls: bool, rate: str, n_workers: int
) -> str:
    """Write deploy/nginx.conf's text with our places; every line that we change must be there once."""
    servers = "\n".join(f"    server {HOST}:{each} max_fails=2 fail_timeout=5s;" for each in upstreams)
    changes = [
        ("    server 127.0.0.1:8000 max_fails=2 fail_timeout=5s;   # one line for each application host", servers),
        ("rate=50r/s", f"rate={rate}"),
        ("listen 443 ssl;", f"listen {HOST}:{port}{' ssl' if is_tls else ''} reuseport;"),
        ("/etc/letsencrypt/live/study.example.org/fullchain.pem", f"{folder}/certificate.pem"),
        ("/etc/letsencrypt/live/study.example.org/privkey.pem", f"{folder}/key.pem"),
        ("access_log /var/log/nginx/truehue.log truehue;", f"access_log {folder}/access.log truehue;"),
        ("error_log  /var/log/nginx/truehue-error.log crit;", f"error_log {folder}/error.log crit;"),
        ("alias /var/lib/truehue/stimuli/;", f"alias {stimuli.absolute()}/;"),
        ("listen 80;", f"listen unix:{folder}/plain.sock;"),
    ]
    if not is_tls:
        changes += [("    ssl_certificate     ", "    # "), ("    ssl_certificate_key ", "    # ")]
    conf = CONF.read_text(encoding="utf-8")
    for old, new in changes:
        if conf.count(old) != 1:
            raise RuntimeError(f"{CONF}: expected {old!r} once; tools/proof/nginx.py has to follow the file")
        conf = conf.replace(old, new)
    user = "user root;" if os.geteuid() == 0 else ""
    return AROUND.format(user=user, n_workers=n_workers, folder=folder, conf=conf)


class Nginx:
    """A running nginx in front of application processes."""

    def __init__(
        self, upstreams: Sequence[int], stimuli: Path, *, is_tls: bool = False, rate: str = "50r/s", n_workers: int = 1
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="truehue-nginx-"))
        self._holder = reserve_port()
        self.port = port_of(self._holder)
        if is_tls:
            self._make_certificate()
        conf = self.folder / "nginx.conf"
        conf.write_text(
            configure(
                self.folder, port=self.port, upstreams=upstreams, stimuli=stimuli, is_tls=is_tls, rate=rate,
                n_workers=n_workers,
            )
        )  # fmt: skip
        with (self.folder / "out").open("wb") as out:
            command = ["nginx", "-p", str(self.folder), "-c", str(conf)]
            path = f"{os.environ['PATH']}:/usr/sbin"
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"PATH": path})  # noqa: S603
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=5):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start: {(self.folder / 'out').read_text()[-2000:]}")
            time.sleep(0.02)

    def _make_certificate(self) -> None:
        command = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", "/CN=study.example.org", "-keyout", str(self.folder / "key.pem"),
            "-out", str(self.folder / "certificate.pem"),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words, no shell

    def cpu_s(self) -> float:
        """CPU seconds of the master and its workers."""
        return tree_cpu_s(self.process.pid)

    def stop(self) -> None:
        """End it and remove its folder."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._holder.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def fronting(upstreams: Sequence[int], stimuli: Path, **options: object) -> Iterator[Nginx]:
    """Give an nginx that is gone afterwards."""
    nginx = Nginx(upstreams, stimuli, **options)  # type: ignore[arg-type]
    try:
        yield nginx
    finally:
        nginx.stop()
