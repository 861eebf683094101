"""MCP servers: tools from elsewhere, as tools of a chat.

*Server*: a program or an address that speaks the Model Context Protocol. *Config*: how to reach it, and which
of its tools are offered. *Connection*: a live session with one. *Project file*: the `.mcp.json` of a folder.

Belongs here: connections and their lifetimes, names, schemas and results of their tools, trust in project
files; the servers that were set up, with their secrets. Does not: SQL (`store/mcp_servers.py`), approval
policy.

The SDK is the optional extra `mcp`; only `connection`, `stdio` and `http` import it, and only the manager
imports those, in a thread, with the first server that is used.
"""
