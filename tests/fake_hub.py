"""A local HTTP server that answers like the hub, and misbehaves on request.

It imitates what huggingface_hub relies on: the model listing, `resolve` with HEAD, GET and Range,
the X-Error-Code headers of missing, private and gated models, and the token question of xet. Used
through HF_ENDPOINT or the `hub` fixture; every request is noted with the body bytes it was sent.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

_URL_TEMPLATE = "/{repo_id}/resolve/{revision}/{filename}"
_LFS_SUFFIXES = (".safetensors", ".bin", ".gguf", ".model")


@dataclass
class Fault:
    """What goes wrong with the body of one file, the first `times` times it is asked for."""

    kind: str  # "drop" closes the connection, "stall" sends nothing more until `release`
    after_bytes: int
    times: int = 1


@dataclass
class FakeModel:
    name: str
    files: dict[str, bytes]
    gated: bool = False
    private: bool = False
    commit: str = ""
    xet: dict[str, str] = field(default_factory=dict)  # file name -> xet hash
    faults: dict[str, Fault] = field(default_factory=dict)
    ignores_range: bool = False
    has_sizes: bool = True


@dataclass
class Seen:
    method: str
    path: str
    range: str
    has_token: bool
    body_bytes: int = 0


class FakeHub:
    """The server; `url` is its HF_ENDPOINT."""

    def __init__(self) -> None:
        self.models: dict[str, FakeModel] = {}
        self.tokens: dict[str, set[str]] = {}  # token -> names of gated or private models it reads
        self.seen: list[Seen] = []
        self.status: int = 0  # answer everything with this status
        self.pause_s: float = 0.0  # wait this long before answering anything
        self.bytes_per_s: float = 0.0  # pace of bodies; 0 is at once
        self.gated_message = "Access to this model is restricted; visit its page to ask for access."
        self.xet_cas_url = ""
        self.release = threading.Event()
        self._lock = threading.Lock()
        hub = self

        class Handler(_Handler):
            fake = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, model: FakeModel) -> FakeModel:
        digest = hashlib.sha1(repr(sorted(model.files.items())).encode())
        model.commit = model.commit or digest.hexdigest()
        self.models[model.name] = model
        return model

    def body_bytes(self, file_name: str) -> int:
        """All bytes of a file's content that ever went over the wire."""
        with self._lock:
            return sum(s.body_bytes for s in self.seen if s.path.endswith("/" + file_name))

    def ranges(self, file_name: str) -> list[str]:
        with self._lock:
            gets = [s for s in self.seen if s.method == "GET" and s.path.endswith("/" + file_name)]
        return [s.range for s in gets]

    def note(self, seen: Seen) -> Seen:
        with self._lock:
            self.seen.append(seen)
        return seen

    def take_fault(self, model: FakeModel, file_name: str) -> Fault | None:
        with self._lock:
            fault = model.faults.get(file_name)
            if fault is None or fault.times <= 0:
                return None
            fault.times -= 1
            return fault

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    try:
        yield hub
    finally:
        hub.close()


def etag(model: FakeModel, file_name: str) -> str:
    """sha256 for large files, git's blob hash for small ones, as on the hub."""
    data = model.files[file_name]
    if file_name.endswith(_LFS_SUFFIXES):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    fake: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        if self.fake.pause_s:
            self.fake.release.wait(self.fake.pause_s)
        if self.fake.status:
            return self._error(self.fake.status, "", "The server is in trouble")
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        path = "/" + "/".join(parts)
        if path == "/api/models":
            author = query.get("author", [""])[0]
            names = [name for name in self.fake.models if name.startswith(f"{author}/")]
            return self._json([{"id": name, "modelId": name} for name in names])
        if match := re.fullmatch(r"/api/models/(.+)/xet-read-token/.+", path):
            return self._xet_token(match[1])
        if match := re.fullmatch(r"/api/models/(.+)/tree/(.+)", path):
            return self._tree(match[1], match[2])
        if match := re.fullmatch(r"/api/models/(.+?)(?:/revision/(.+))?", path):
            return self._info(match[1], match[2] or "main")
        if match := re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", path):
            return self._file(match[1], match[2], match[3])
        return self._error(404, "", "Not found")

    def _info(self, name: str, revision: str) -> None:
        model = self._reachable(name, revision)
        if model is None:
            return None
        siblings = []
        for file_name, data in model.files.items():
            sibling: dict[str, object] = {"rfilename": file_name}
            if model.has_sizes:
                sibling |= {"size": len(data), "blobId": hashlib.sha1(data).hexdigest()}
                if file_name.endswith(_LFS_SUFFIXES):
                    sha = etag(model, file_name)
                    sibling["lfs"] = {"size": len(data), "sha256": sha, "pointerSize": 130}
                else:
                    sibling["blobId"] = etag(model, file_name)
            siblings.append(sibling)
        return self._json(
            {"id": name, "modelId": name, "sha": model.commit, "siblings": siblings, "tags": []}
        )

    def _tree(self, name: str, revision: str) -> None:
        model = self._reachable(name, revision)
        if model is None:
            return None
        tree: list[dict[str, object]] = []
        for file_name, data in model.files.items():
            entry = {"type": "file", "path": file_name, "size": len(data)}
            tree.append({**entry, "oid": hashlib.sha1(data).hexdigest()})
        return self._json(tree)

    def _file(self, name: str, revision: str, file_name: str) -> None:
        model = self._reachable(name, revision)
        if model is None:
            return None
        if model.gated and not self._may_read(name):
            status = 403 if self._token() else 401
            return self._error(status, "GatedRepo", self.fake.gated_message)
        if file_name not in model.files:
            return self._error(404, "EntryNotFound", "Entry not found", commit=model.commit)
        return self._send(model, file_name)

    def _send(self, model: FakeModel, file_name: str) -> None:
        data = model.files[file_name]
        start = 0
        asked = self.headers.get("Range", "")
        if asked and not model.ignores_range:
            start = int(asked.removeprefix("bytes=").split("-")[0])
        body = data[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{etag(model, file_name)}"')
        self.send_header("X-Repo-Commit", model.commit)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if file_name in model.xet:
            self.send_header("X-Xet-Hash", model.xet[file_name])
            route = f"{self.fake.url}/api/models/{model.name}/xet-read-token/{model.commit}"
            self.send_header("X-Xet-Refresh-Route", route)
            self.send_header("X-Linked-Etag", f'"{etag(model, file_name)}"')
            self.send_header("X-Linked-Size", str(len(data)))
        self.end_headers()
        seen = self._note()
        if self.command == "GET":
            self._body(body, self.fake.take_fault(model, file_name), seen)

    def _body(self, body: bytes, fault: Fault | None, seen: Seen) -> None:
        limit = len(body) if fault is None else min(fault.after_bytes, len(body))
        with suppress(OSError):
            while seen.body_bytes < limit:
                piece = body[seen.body_bytes : min(seen.body_bytes + 16_384, limit)]
                self.wfile.write(piece)
                seen.body_bytes += len(piece)
                if self.fake.bytes_per_s:
                    time.sleep(len(piece) / self.fake.bytes_per_s)
            self.wfile.flush()
        if fault is not None:
            if fault.kind == "stall":
                self.fake.release.wait(30)
            self.close_connection = True

    def _xet_token(self, name: str) -> None:
        if self._reachable(name, "main") is None:
            return None
        answer = {"casUrl": self.fake.xet_cas_url, "exp": 4102444800, "accessToken": "cas"}
        return self._json(answer)

    def _reachable(self, name: str, revision: str) -> FakeModel | None:
        """The model where it may be listed; None after a refusal was sent."""
        model = self.fake.models.get(name)
        token = self._token()
        if token and token not in self.fake.tokens:
            self._error(401, "", "Invalid credentials in Authorization header")
            return None
        if model is None or (model.private and not self._may_read(name)):
            # The hub hides from strangers whether a model exists.
            self._error(404 if token else 401, "RepoNotFound", "Repository not found")
            return None
        if revision not in ("main", model.commit):
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return model

    def _may_read(self, name: str) -> bool:
        return name in self.fake.tokens.get(self._token(), set())

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ").strip()

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        self._note()

    def _error(self, status: int, code: str, message: str, commit: str = "") -> None:
        body = json.dumps({"error": message}).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        self._note()

    def _note(self) -> Seen:
        path = unquote(urlsplit(self.path).path)
        asked = self.headers.get("Range", "")
        return self.fake.note(Seen(self.command, path, asked, bool(self._token())))


def connect(patch: pytest.MonkeyPatch, url: str, home: Path) -> None:
    """Point huggingface_hub, which read its environment at import, at a hub and an empty cache."""
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        patch.delenv(name, raising=False)
    patch.setattr(constants, "ENDPOINT", url)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + _URL_TEMPLATE)
    patch.setattr(constants, "HF_URL_HOSTS", frozenset({"127.0.0.1"}))
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    patch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))


def tiny_files(weights: bytes | None = None) -> dict[str, bytes]:
    """A model's files with a true safetensors header, and files nobody needs beside them."""
    data = bytes(range(256)) * 4 if weights is None else weights
    return {
        "config.json": b'{"model_type": "llama"}',
        "generation_config.json": b"{}",
        "model.safetensors": safetensors(data),
        "tokenizer.json": b'{"version": "1.0"}',
        "tokenizer_config.json": b"{}",
        "README.md": b"# a model",
        "model.gguf": b"GGUF" * 100,
        "original/consolidated.00.pth": b"x" * 100,
    }


def safetensors(data: bytes) -> bytes:
    """One U8 tensor in the safetensors format."""
    tensor = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}
    header = json.dumps({"weight": tensor}).encode()
    return len(header).to_bytes(8, "little") + header + data
