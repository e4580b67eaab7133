"""As much of the Hugging Face Hub as pushing and loading a run asks for, in memory."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeHub:
    """Repositories by name, each with its files by path; ``address`` is for HF_ENDPOINT."""

    def __init__(self):
        self.repositories, self.asked = {}, []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                hub.answer(self)

            do_HEAD = do_POST = do_GET  # noqa: N815

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()

    def answer(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        path = request.path.partition("?")[0].strip("/")
        self.asked.append((request.command, path))
        if path == "api/repos/create":
            self.create(request, json.loads(body))
        elif path == "api/validate-yaml":
            reply(request, {"errors": [], "warnings": []})
        elif path.startswith("api/models/"):
            parts = path.removeprefix("api/models/").split("/")
            self.model(request, "/".join(parts[:2]), parts[2] if len(parts) > 2 else "", body)
        elif "/resolve/" in path:
            name, _, rest = path.partition("/resolve/")
            self.file(request, name, rest.partition("/")[2])
        else:
            reply(request, {"error": "not here"}, 404)

    def create(self, request, wanted):
        if request.headers.get("Authorization") != "Bearer hf_right":
            reply(request, {"error": "Invalid username or password."}, 401)
            return
        name = f"{wanted.get('organization') or 'user'}/{wanted['name']}"
        self.repositories.setdefault(name, {})
        reply(request, {"url": f"{self.address}/{name}", "id": name, "name": name})

    def model(self, request, name, what, body):
        if name not in self.repositories:
            reply(request, {"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif what == "preupload":
            files = json.loads(body)["files"]
            reply(
                request,
                {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]},
            )
        elif what == "commit":
            self.commit(name, body)
            reply(request, {"commitUrl": f"{self.address}/{name}/commit/{SHA}", "commitOid": SHA, "hookOutput": ""})
        elif what == "tree":
            files = self.repositories[name].items()
            reply(
                request, [{"type": "file", "path": path, "size": len(data), "oid": etag(data)} for path, data in files]
            )
        else:
            siblings = [{"rfilename": path} for path in self.repositories[name]]
            reply(request, {"id": name, "sha": SHA, "siblings": siblings, "private": False, "tags": [], "downloads": 0})

    def commit(self, name, body):
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                self.repositories[name][entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])

    def file(self, request, name, path):
        data = self.repositories.get(name, {}).get(path)
        if data is None:
            reply(request, {"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            return
        headers = {"ETag": f'"{etag(data)}"', "X-Repo-Commit": SHA, "Content-Type": "application/octet-stream"}
        reply(request, data, 200, headers)


SHA = "0123456789abcdef0123456789abcdef01234567"


def etag(data):
    return hashlib.sha1(data).hexdigest()


def reply(request, content, status=200, headers=None):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    request.send_response(status)
    for name, value in {
        "Content-Type": "application/json",
        **(headers or {}),
        "Content-Length": str(len(data)),
    }.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(data)
