"""Child chats that a root chat delegates to: what kinds there are, making them, waiting for them.

Not here: driving a child, which is a chat like any other (`loop/`), and who may stop whom (`store/`).
"""
