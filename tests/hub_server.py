"""A Hub on the loopback interface: the part of its protocol that ``huggingface_hub`` speaks, kept in memory.

Large files are redirected to another host name, as the Hub does it. Faults can be put in front of any request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

WRITER, READER = "hf_" + "w" * 34, "hf_" + "r" * 34


@dataclass(frozen=True)
class Blob:
    content: bytes
    large: bool

    @property
    def oid(self) -> str:
        """What the Hub gives as ETag: sha256 of large files, git's own hash of others."""
        if self.large:
            return hashlib.sha256(self.content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()


@dataclass
class Repository:
    private: bool
    sdk: str | None = None
    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return self.branches["main"]

    @property
    def files(self) -> dict[str, bytes]:
        return {path: blob.content for path, blob in self.commits[self.head].items()}

    def resolve(self, revision: str) -> str | None:
        known = {**{commit: commit for commit in self.commits}, **self.branches, **self.tags}
        return known.get(revision)

    def commit(self, files: dict[str, Blob], message: str) -> str:
        text = json.dumps([len(self.commits), message, sorted((path, blob.oid) for path, blob in files.items())])
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = files
        self.branches["main"] = commit
        self.messages.append(message)
        return commit


class Hub:
    """The server's state, and what tests do to it."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.faults: list[list[Any]] = []  # pattern of "METHOD /path", what happens in place of an answer, how often
        self.requests: list[str] = []
        self.tokens_elsewhere: list[str] = []  # tokens that arrived at the storage host
        self.endpoint = self.storage = ""
        self.lock = threading.RLock()

    def add(self, repo_id: str, files: dict[str, bytes], *, kind: str = "models", private: bool = False) -> str:
        """Commit ``files`` (all of a new commit) as another person would; returns the commit."""
        with self.lock:
            repository = self.repositories.setdefault((kind, repo_id), Repository(private))
            return repository.commit({path: Blob(data, is_large(path, data)) for path, data in files.items()}, "other")

    def model(self, repo_id: str) -> Repository:
        return self.repositories[("models", repo_id)]

    def fail(self, pattern: str, act: Callable[[Handler], None], times: float = float("inf")) -> None:
        self.faults.append([pattern, act, times])

    def asked(self, pattern: str) -> list[str]:
        return [request for request in self.requests if re.search(pattern, request)]


def is_large(path: str, content: bytes) -> bool:
    return path.endswith((".safetensors", ".bin", ".png")) or len(content) > 1_000_000


def status(code: int, **headers: str) -> Callable[[Handler], None]:
    """This status; underscores of header names are hyphens."""

    def act(handler: Handler) -> None:
        if handler.command in ("POST", "PUT"):
            handler.body()
        handler.send(code, b'{"error": "fault"}', {key.replace("_", "-"): value for key, value in headers.items()})

    return act


def truncated(length: int) -> Callable[[Handler], None]:
    """The right headers, and the connection is gone after so many bytes."""

    def act(handler: Handler) -> None:
        handler.cut = length
        handler.serve()

    return act


def endless(handler: Handler) -> None:
    """Zeros come until the client has had enough."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(10_000_000_000))
    handler.end_headers()
    handler.close_connection = True
    while True:  # until the connection breaks
        handler.wfile.write(bytes(1 << 16))


def stalled(begun: threading.Event | None = None, seconds: float = 30) -> Callable[[Handler], None]:
    """No answer for so long."""

    def act(handler: Handler) -> None:
        if begun:
            begun.set()
        handler.close_connection = True
        time.sleep(seconds)

    return act


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    cut: int | None = None

    def log_message(self, *_: Any) -> None:
        pass

    def handle_request(self) -> None:
        self.path = unquote(self.path)
        self.cut = None
        request = f"{self.command} {self.path}"
        with self.hub.lock:
            self.hub.requests.append(request)
            fault = next((f for f in self.hub.faults if f[2] > 0 and re.search(f[0], request)), None)
            if fault:
                fault[2] -= 1
        try:
            fault[1](self) if fault else self.serve()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = handle_request

    def send(self, code: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if self.cut is None else content[: self.cut])
            self.close_connection |= self.cut is not None

    def send_json(self, value: Any, code: int = 200, **headers: str) -> None:
        self.send(code, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})

    def error(self, code: int, message: str, error_code: str | None = None) -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": error_code} if error_code else {})}
        self.send_json({"error": message}, code, **headers)

    def body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        length = int(self.headers.get("Content-Length", 0))
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionResetError
        return data

    @property
    def token(self) -> str | None:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def serve(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if match := re.fullmatch(r"/storage/(\w+)", path):
            return self.storage(match[1])
        data = self.body() if self.command == "POST" else b""
        if self.token and self.token not in (WRITER, READER):
            return self.error(401, "Invalid credentials in Authorization header")
        if self.command == "POST" and not path.endswith("/validate-yaml"):
            if not self.token:
                return self.error(401, "Invalid username or password.")
            if self.token == READER:
                return self.error(403, "You don't have the rights to write")
        if path == "/api/repos/create":
            return self.create(json.loads(data))
        if path == "/api/validate-yaml":
            yaml.safe_load(json.loads(data)["content"].split("---\n")[1])
            return self.send_json({"errors": [], "warnings": []})
        parts = "revision|refs|preupload|commit|tag|variables"
        patterns = (
            (rf"/api/(models|spaces)/([^/]+/[^/]+)(?:/({parts})(?:/(.+))?)?", "api"),
            (r"/(spaces/)?([^/]+/[^/]+)\.git/info/lfs/objects/(batch)()", "lfs"),
            (r"/(spaces/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "file"),
        )
        for pattern, name in patterns:
            if match := re.fullmatch(pattern, path):
                kind = "spaces" if (match[1] or "").startswith("spaces") else "models"
                repository = self.hub.repositories.get((kind, match[2]))
                if repository is None or (repository.private and not self.token):
                    return self.error(404 if self.token else 401, "Repository not found", "RepoNotFound")
                with self.hub.lock:
                    return getattr(self, name)(kind, match[2], repository, match[3], match[4] or "", data, query)
        return self.error(404, "No such page")

    def create(self, wanted: dict[str, Any]) -> None:
        kind = f"{wanted.get('type', 'model')}s"
        key = (kind, f"{wanted['organization']}/{wanted['name']}")
        with self.hub.lock:
            url = f"{self.hub.endpoint}/{'spaces/' if kind == 'spaces' else ''}{key[1]}"
            if key in self.hub.repositories:
                return self.error(409, "You already created this repo")
            made = Repository(wanted.get("visibility") == "private", wanted.get("sdk"))
            made.commit({".gitattributes": Blob(b"*.safetensors filter=lfs\n", False)}, "initial commit")
            self.hub.repositories[key] = made
        return self.send_json({"url": url})

    def api(self, kind: str, name: str, repo: Repository, part: str, rest: str, data: bytes, query: Any) -> None:
        if part in (None, "revision"):
            commit = repo.resolve(rest or "main")
            if commit is None:
                return self.error(404, "Revision not found", "RevisionNotFound")
            siblings: list[dict[str, Any]] = [{"rfilename": path} for path in repo.commits[commit]]
            if "blobs" in query:
                for row, blob in zip(siblings, repo.commits[commit].values(), strict=True):
                    row |= {"size": len(blob.content), "blobId": blob.oid[:40]}
                    if blob.large:
                        row["lfs"] = {"sha256": blob.oid, "size": len(blob.content), "pointerSize": 130}
            facts = {"id": name, "sha": commit, "private": repo.private, "siblings": siblings, "tags": []}
            return self.send_json(facts)
        if part == "refs":
            found = {
                key: [{"name": n, "ref": f"refs/{git}/{n}", "targetCommit": c} for n, c in names.items()]
                for key, git, names in (("branches", "heads", repo.branches), ("tags", "tags", repo.tags))
            }
            return self.send_json({**found, "converts": []})
        wanted: dict[str, Any] = json.loads(data) if data and part != "commit" else {}
        if part == "variables":
            repo.variables |= {wanted["key"]: wanted["value"]} if wanted else {}
            return self.send_json({key: {"value": value} for key, value in repo.variables.items()})
        if part == "tag":
            if wanted["tag"] in repo.tags:
                return self.error(409, "Tag already exists")
            repo.tags[wanted["tag"]] = repo.resolve(rest) or ""
            return self.send_json({})
        if part == "preupload":
            files, here = [], repo.commits[repo.head]
            for file in wanted["files"]:
                mode = "lfs" if is_large(file["path"], bytes(file["size"])) else "regular"
                old = here.get(file["path"])
                row = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
                files.append({**row, "oid": old.oid if old else None})
            return self.send_json({"files": files})
        return self.commit(kind, name, repo, data)

    def commit(self, kind: str, name: str, repo: Repository, data: bytes) -> None:
        rows = [json.loads(line) for line in data.splitlines()]
        header = rows[0]["value"]
        if header.get("parentCommit", repo.head) != repo.head:
            return self.error(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repo.commits[repo.head])
        for row in rows[1:]:
            value = row["value"]
            if row["key"] == "file":
                files[value["path"]] = Blob(base64.b64decode(value["content"]), False)
            elif row["key"] == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    return self.error(400, f"{value['path']} was not uploaded")
                files[value["path"]] = Blob(self.hub.objects[value["oid"]], True)
            elif row["key"] == "deletedFile":
                del files[value["path"]]
        made = repo.commit(files, header["summary"])
        prefix = "spaces/" if kind == "spaces" else ""
        return self.send_json({"commitUrl": f"{self.hub.endpoint}/{prefix}{name}/commit/{made}", "commitOid": made})

    def lfs(self, kind: str, name: str, repo: Repository, part: str, rest: str, data: bytes, query: Any) -> None:
        rows = []
        for row in json.loads(data)["objects"]:
            upload = {"actions": {"upload": {"href": f"{self.hub.storage}/storage/{row['oid']}"}}}
            rows.append({**row, **({} if row["oid"] in self.hub.objects else upload)})
        return self.send_json({"transfer": "basic", "objects": rows})

    def file(self, kind: str, name: str, repo: Repository, revision: str, path: str, data: bytes, query: Any) -> None:
        commit = repo.resolve(revision)
        if commit is None:
            return self.error(404, "Revision not found", "RevisionNotFound")
        blob = repo.commits[commit].get(path)
        if blob is None:
            return self.error(404, "Entry not found", "EntryNotFound")
        headers = {"X-Repo-Commit": commit, "ETag": f'"{blob.oid}"', "Accept-Ranges": "bytes"}
        if blob.large:
            self.hub.objects[blob.oid] = blob.content
            linked = {"X-Linked-Size": str(len(blob.content)), "X-Linked-Etag": f'"{blob.oid}"'}
            return self.send(302, b"", {**headers, **linked, "Location": f"{self.hub.storage}/storage/{blob.oid}"})
        return self.ranged(blob.content, headers)

    def storage(self, oid: str) -> None:
        if self.token:
            self.hub.tokens_elsewhere.append(self.token)
        if self.command == "PUT":
            content = self.body()
            if hashlib.sha256(content).hexdigest() != oid:
                return self.send(400)
            self.hub.objects[oid] = content
            return self.send(200)
        if oid not in self.hub.objects:
            return self.send(404)
        return self.ranged(self.hub.objects[oid], {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"})

    def ranged(self, content: bytes, headers: dict[str, str]) -> None:
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return self.send(200, content, headers)
        begin = int(match[1])
        end = int(match[2]) if match[2] else len(content) - 1
        if begin >= len(content):
            return self.send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        headers["Content-Range"] = f"bytes {begin}-{end}/{len(content)}"
        return self.send(206, content[begin : end + 1], headers)


@contextmanager
def serving() -> Iterator[Hub]:
    hub = Hub()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    port = server.server_address[1]
    hub.endpoint, hub.storage = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
