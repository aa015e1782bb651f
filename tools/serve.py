"""Serve the built book on this machine, compressed as every web host does it.

python tools/serve.py [--port 8000] [--directory _build/html]
"""

import argparse
import functools
import gzip
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
TEXT = {".html", ".css", ".js", ".mjs", ".json", ".svg", ".txt", ".ipynb", ".xml"}


class Handler(SimpleHTTPRequestHandler):
    """Static files; texts gzipped where the browser takes it."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".ipynb": "application/x-ipynb+json"}

    def send_head(self) -> BytesIO | None:
        path = Path(self.translate_path(self.path))
        if path.is_dir() and urlsplit(self.path).path.endswith("/"):
            path = path / "index.html"
        if not path.is_file():
            return self.missing() if not path.is_dir() else super().send_head()
        if path.suffix not in TEXT or "gzip" not in self.headers.get("Accept-Encoding", ""):
            return super().send_head()
        return self.answer(200, compressed(path, path.stat().st_mtime_ns), self.guess_type(str(path)))

    def missing(self) -> BytesIO:
        """The book's own page for what is not there."""
        page = Path(self.directory, "404.html")
        if not page.is_file():
            return super().send_head()
        return self.answer(404, compressed(page, page.stat().st_mtime_ns), "text/html")

    def answer(self, status: int, body: bytes, kind: str) -> BytesIO:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return BytesIO(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Only what is missing is worth a line."""
        if len(arguments) > 1 and str(arguments[1]) == "404":
            sys.stderr.write(f"not found: {unquote(self.path)}\n")


@functools.lru_cache(maxsize=256)
def compressed(path: Path, changed: int) -> bytes:
    """A file's content, gzipped; `changed` makes a new version another entry of the cache."""
    return gzip.compress(path.read_bytes(), compresslevel=6, mtime=0)


class Server(ThreadingHTTPServer):
    """A browser that hangs up early is no error."""

    daemon_threads = True

    def handle_error(self, request: object, client: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client)


def server(directory: Path, port: int = 0) -> Server:
    """A server for `directory` on this machine alone; port 0 picks a free one.

    Raises:
        FileNotFoundError: there is no built book.
        OSError: the port is taken.
    """
    if not (directory / "index.html").is_file():
        raise FileNotFoundError(f"there is no book in {directory}: build it with `make book`")
    return Server(("127.0.0.1", port), functools.partial(Handler, directory=str(directory)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--directory", type=Path, default=ROOT / "_build/html")
    options = parser.parse_args()
    try:
        running = server(options.directory, options.port)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"port {options.port} cannot be used ({error.strerror}): choose another one", file=sys.stderr)
        return 1
    print(f"The book is at http://localhost:{running.server_port} -- stop with Ctrl-C", flush=True)
    try:
        running.serve_forever()
    except KeyboardInterrupt:
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
