"""Videos of desktops: what is asked of `ffmpeg`, one recording, and all recordings of a server.

Why frames come over RFB and still times are shortened: ../DECISIONS.md, "recordings".
"""
