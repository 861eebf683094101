"""A service of a JupyterHub that knows the key of a vendor, so that the users' servers need none.

It passes requests on to a vendor that speaks the OpenAI protocol, for whoever has a token of the hub: a
server sends its own (`JUPYTERHUB_API_TOKEN`) where a key belongs. The hub starts it and says where it
listens; of its own it needs

    GATEWAY_KEY       the vendor's key
    GATEWAY_VENDOR    the vendor's address, such as https://api.openai.com/v1
"""

import asyncio
import os
from urllib.parse import urlsplit

from jupyterhub.services.auth import HubAuth
from tornado import httpclient, httpserver, web

KEY = os.environ["GATEWAY_KEY"]
VENDOR = os.environ["GATEWAY_VENDOR"].rstrip("/")
ANSWER_LIMIT = 3600.0  # seconds that one answer may take
BODY_LIMIT = 64 * 1024 * 1024  # bytes of a request: histories hold images
CALLS = 200  # calls of all users at once; others wait

HUB = HubAuth()


class Gateway(web.RequestHandler):
    """`/services/gateway/v1/…`."""

    async def prepare(self):
        """Refuse whom the hub does not know."""
        token = self.request.headers.get("Authorization", "").removeprefix("Bearer ")
        user = await HUB.user_for_token(token, sync=False) if token else None
        if user is None:
            raise web.HTTPError(401, "Expected a token of the hub in the header Authorization")

    async def get(self, path):
        """List the models."""
        await self.pass_on(path)

    async def post(self, path):
        """Generate."""
        await self.pass_on(path)

    async def pass_on(self, path):
        """Send the request with the vendor's key, and the answer back as it comes."""
        headers = {"Authorization": f"Bearer {KEY}"}
        if self.request.body:
            headers["Content-Type"] = self.request.headers.get("Content-Type", "application/json")
        request = httpclient.HTTPRequest(
            f"{VENDOR}/{path}",
            method=self.request.method,
            headers=headers,
            body=self.request.body or None,
            request_timeout=ANSWER_LIMIT,
            header_callback=self.take_header,
            streaming_callback=self.take_piece,
        )
        await httpclient.AsyncHTTPClient().fetch(request, raise_error=False)

    def take_header(self, line):
        """Take over the status and what the client must know of the body."""
        name, colon, value = line.strip().partition(":")
        if line.startswith("HTTP/"):
            self.set_status(int(line.split()[1]))
        elif colon and name.lower() in ("content-type", "retry-after"):
            self.set_header(name, value.strip())

    def take_piece(self, piece):
        """Send a piece on at once."""
        self.write(piece)
        self.flush()

    def write_error(self, status_code, **kwargs):
        """Refuse in the words of the protocol."""
        self.finish({"error": {"message": self._reason, "type": "gateway", "code": status_code}})


async def main():
    """Serve until the hub ends this process."""
    httpclient.AsyncHTTPClient.configure(None, max_clients=CALLS)
    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    place = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    app = web.Application([(rf"{prefix}v1/(.*)", Gateway)])
    httpserver.HTTPServer(app, max_buffer_size=BODY_LIMIT).listen(place.port, place.hostname)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
