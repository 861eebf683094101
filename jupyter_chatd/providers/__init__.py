"""Models: the protocol, the bridge to the vendors, the `demo` model and the scripted twin.

Belongs here: everything that knows a vendor. Does not: history policy, choice of tools, retries.

    catalog ── name ──► bridge ── protocol.Model ──► the loop
       │                  │
    sources            vendor_* ── prompt ──► pydantic-ai's model layer ── answer ──► events
    (addresses, keys)     │                        (imported at the first call)
                       endpoint, errors

`bridge.py` is the door to everything that imports the model library: `prompt.py`, `answer.py`, `vendor_*.py`
and `openai_client.py`. Nothing else here does, and the server starts without it.
"""
