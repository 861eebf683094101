"""Models: the protocol, the bridge to the vendors, the `demo` model and the scripted twin.

Belongs here: everything that knows a vendor. Does not: history policy, choice of tools, retries.
"""
