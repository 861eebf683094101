"""A JupyterHub whose users have the agent, on terms of their groups; docs/jupyterhub.md explains each part.

Goes into the hub's own configuration, beside its authenticator and spawner. Tests start a hub with this file.
"""

import os
import sys
from pathlib import Path

from jupyter_chatd.hub import by_group

c = get_config()  # noqa: F821 - the hub's

# Who gets the agent, and how much of it. Who is in none of these groups does not get it.
terms = by_group(
    {
        "staff": {},
        "students": {
            "policy": {"shell": "off", "mcp": "off", "providers": "off"},
            "allowed": {"models": ["openai:*", "demo:*"], "workspace_kinds": ["server"]},
        },
    }
)

# The key of the vendor is in the hub's environment, and goes to the gateway only.
c.JupyterHub.services = [
    {
        "name": "gateway",
        "url": "http://127.0.0.1:10101",
        "command": [sys.executable, str(Path(__file__).with_name("gateway.py"))],
        "environment": {
            "GATEWAY_KEY": os.environ.get("GATEWAY_KEY", ""),
            "GATEWAY_VENDOR": os.environ.get("GATEWAY_VENDOR", "https://api.openai.com/v1"),
        },
    },
]


# To the gateway each server proves itself with its own token of the hub.
def prepare(spawner):
    """Set the terms of the user's group, and where models are."""
    terms(spawner)
    spawner.environment["OPENAI_BASE_URL"] = "http://127.0.0.1:8000/services/gateway/v1"
    spawner.environment["OPENAI_API_KEY"] = spawner.api_token


c.Spawner.pre_spawn_hook = prepare

# Servers that nobody uses are stopped. What the proxy sees is not counted: it takes every open tab for use.
c.JupyterHub.last_activity_interval = 0
c.Spawner.environment = {"JUPYTERHUB_ACTIVITY_INTERVAL": "300"}
c.JupyterHub.services += [
    {
        "name": "culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600", "--cull-every=300"],
    },
]
c.JupyterHub.load_roles = [
    {
        "name": "culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["culler"],
    },
]

# Other servers of a user as workspaces: a server's token may start, stop and enter its user's servers.
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 3
c.Spawner.server_token_scopes = [
    "users:activity!user",
    "access:servers!server",
    "servers!user",
    "delete:servers!user",
    "read:servers!user",
    "access:servers!user",
]

# The address at which servers find each other.
c.JupyterHub.public_url = "http://127.0.0.1:8000/"
