"""Greets whoever is named in the body: {"name": "Ada"}. Speaks Project Fn's `http-stream` without a kit."""

import http.server
import json
import os
import socketserver
import sys


class Function(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    # A unix socket has no address to be named in a log.
    def address_string(self):
        return "mu"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            name = json.loads(body)["name"]
        except (ValueError, KeyError, TypeError):
            name = "World"
        print("greeting", name, file=sys.stderr)

        answer = json.dumps({"message": f"Hello {name}"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, *_):
        pass


def listen(path):
    # Made under another name: once it has its own, everyone may connect.
    made = os.path.join(os.path.dirname(path), "made.sock")
    server = socketserver.UnixStreamServer(made, Function)
    os.chmod(made, 0o666)
    os.symlink(os.path.basename(made), path)
    server.serve_forever()


if __name__ == "__main__":
    listen(os.environ["FN_LISTENER"].removeprefix("unix:"))
