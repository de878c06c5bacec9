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
from urllib.parse import unquote, urlsplit

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
        return {**{commit: commit for commit in self.commits}, **self.branches, **self.tags}.get(revision)

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


def status(code: int) -> Callable[[Handler], None]:
    def act(handler: Handler) -> None:
        if handler.command in ("POST", "PUT"):
            handler.body()
        handler.send(code, {"error": "fault"}, {"Retry-After": "0"})

    return act


def truncated(length: int) -> Callable[[Handler], None]:
    """The right headers, and the connection is gone after so many bytes."""

    def act(handler: Handler) -> None:
        handler.cut = length
        handler.serve()

    return act


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
        self.path, self.cut = unquote(self.path), None
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

    def send(self, code: int, content: Any = b"", headers: dict[str, str] | None = None) -> None:
        """Bytes as they are; anything else as JSON."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for key, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data if self.cut is None else data[: self.cut])
            self.close_connection |= self.cut is not None

    def error(self, code: int, message: str, error_code: str = "") -> None:
        self.send(code, {"error": message}, {"X-Error-Message": message, "X-Error-Code": error_code})

    def body(self) -> bytes:
        length = int(self.headers["Content-Length"])
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionResetError
        return data

    @property
    def token(self) -> str | None:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def serve(self) -> None:
        path, query = urlsplit(self.path).path, urlsplit(self.path).query
        if match := re.fullmatch(r"/storage/(\w+)", path):
            return self.storage(match[1])
        data = self.body() if self.command == "POST" else b""
        if self.token and self.token not in (WRITER, READER):
            return self.error(401, "Invalid credentials in Authorization header")
        if path == "/api/validate-yaml":
            yaml.safe_load(json.loads(data)["content"].split("---\n")[1])
            return self.send(200, {"errors": [], "warnings": []})
        if self.command == "POST" and self.token != WRITER:
            return self.error(403 if self.token else 401, "You don't have the rights to write")
        if path == "/api/repos/create":
            return self.create(json.loads(data))
        parts = "revision|refs|preupload|commit|tag|variables"
        for pattern, answer in (
            (rf"/api/(models|spaces)/([^/]+/[^/]+)(?:/({parts})(?:/(.+))?)?", self.api),
            (r"/(spaces/)?([^/]+/[^/]+)\.git/info/lfs/objects/(batch)()", self.lfs),
            (r"/(spaces/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.file),
        ):
            if match := re.fullmatch(pattern, path):
                kind = "spaces" if (match[1] or "").startswith("spaces") else "models"
                repository = self.hub.repositories.get((kind, match[2]))
                if repository is None or (repository.private and not self.token):
                    return self.error(404 if self.token else 401, "Repository not found", "RepoNotFound")
                with self.hub.lock:
                    return answer(repository, match[2], match[3], match[4] or "", data or query.encode())
        return self.error(404, "No such page")

    def create(self, wanted: dict[str, Any]) -> None:
        key = (f"{wanted.get('type', 'model')}s", f"{wanted['organization']}/{wanted['name']}")
        with self.hub.lock:
            if key in self.hub.repositories:
                return self.error(409, "You already created this repo")
            made = self.hub.repositories[key] = Repository(wanted.get("visibility") == "private", wanted.get("sdk"))
            made.commit({".gitattributes": Blob(b"*.safetensors filter=lfs\n", False)}, "initial commit")
        return self.send(200, {"url": f"{self.hub.endpoint}/{'spaces/' if key[0] == 'spaces' else ''}{key[1]}"})

    def api(self, repo: Repository, name: str, part: str, rest: str, data: bytes) -> None:
        if part == "commit":
            return self.commit(repo, name, data)
        if part in (None, "revision"):
            commit = repo.resolve(rest or "main")
            if commit is None:
                return self.error(404, "Revision not found", "RevisionNotFound")
            siblings = [{"rfilename": path, "size": len(blob.content)} for path, blob in repo.commits[commit].items()]
            facts = {"id": name, "sha": commit, "private": repo.private, "siblings": siblings, "tags": []}
            return self.send(200, facts)
        if part == "refs":
            found = {
                key: [{"name": n, "ref": f"refs/{git}/{n}", "targetCommit": c} for n, c in names.items()]
                for key, git, names in (("branches", "heads", repo.branches), ("tags", "tags", repo.tags))
            }
            return self.send(200, {**found, "converts": []})
        wanted: dict[str, Any] = json.loads(data) if data else {}
        if part == "variables":
            repo.variables |= {wanted["key"]: wanted["value"]} if wanted else {}
            return self.send(200, {key: {"value": value} for key, value in repo.variables.items()})
        if part == "tag":
            if wanted["tag"] in repo.tags:
                return self.error(409, "Tag already exists")
            repo.tags[wanted["tag"]] = repo.resolve(rest) or ""
            return self.send(200, {})
        files, here = wanted["files"], repo.commits[repo.head]  # preupload
        for file in files:
            file["uploadMode"] = "lfs" if is_large(file["path"], bytes(file["size"])) else "regular"
            file |= {"shouldIgnore": False, "oid": here[file["path"]].oid if file["path"] in here else None}
        return self.send(200, {"files": files})

    def commit(self, repo: Repository, name: str, data: bytes) -> None:
        header, *rows = (json.loads(line) for line in data.splitlines())
        if header["value"].get("parentCommit", repo.head) != repo.head:
            return self.error(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repo.commits[repo.head])
        for key, value in ((row["key"], row["value"]) for row in rows):
            if key == "file":
                files[value["path"]] = Blob(base64.b64decode(value["content"]), False)
            elif key == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    return self.error(400, f"{value['path']} was not uploaded")
                files[value["path"]] = Blob(self.hub.objects[value["oid"]], True)
            elif key == "deletedFile":
                del files[value["path"]]
        made = repo.commit(files, header["value"]["summary"])
        prefix = "spaces/" if repo.sdk else ""
        return self.send(200, {"commitUrl": f"{self.hub.endpoint}/{prefix}{name}/commit/{made}", "commitOid": made})

    def lfs(self, repo: Repository, name: str, part: str, rest: str, data: bytes) -> None:
        rows = json.loads(data)["objects"]
        for row in rows:
            if row["oid"] not in self.hub.objects:
                row["actions"] = {"upload": {"href": f"{self.hub.storage}/storage/{row['oid']}"}}
        return self.send(200, {"transfer": "basic", "objects": rows})

    def file(self, repo: Repository, name: str, revision: str, path: str, data: bytes) -> None:
        commit = repo.resolve(revision)
        if commit is None:
            return self.error(404, "Revision not found", "RevisionNotFound")
        blob = repo.commits[commit].get(path)
        if blob is None:
            return self.error(404, "Entry not found", "EntryNotFound")
        headers = {"X-Repo-Commit": commit, "ETag": f'"{blob.oid}"', "Accept-Ranges": "bytes"}
        if not blob.large:
            return self.ranged(blob.content, headers)
        self.hub.objects[blob.oid] = blob.content
        linked = {"X-Linked-Size": str(len(blob.content)), "X-Linked-Etag": f'"{blob.oid}"'}
        return self.send(302, b"", {**headers, **linked, "Location": f"{self.hub.storage}/storage/{blob.oid}"})

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
        begin, end = int(match[1]), int(match[2] or len(content) - 1)
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
