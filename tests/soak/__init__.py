"""A server under random faults for an hour, by which nothing may be lost and nothing may grow.

    make soak                               60 minutes
    make soak ARGS="--minutes 2 --seed 7"   a look, as continuous integration does it

`person.py` drives chats over HTTP and WebSocket, `vendor.py` answers with faults, `record.py` judges a chat
when it has come to rest, `gauge.py` judges the server's memory, files and tasks, `run.py` puts them together.
"""
