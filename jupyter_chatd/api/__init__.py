"""Routes: authorize, parse, call one method, answer.

Belongs here: Tornado, HTTP statuses, framing of the stream. Does not: decisions, SQL.
Every method carries `web.authenticated`, then `authorized` with the action and resource spelled out on that
very method: the decorator keeps both in its closure, so an inherited method would be checked against its
first user.
"""
