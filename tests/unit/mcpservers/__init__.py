"""Tests of `jupyter_chatd.mcp`. A folder named `mcp` would hide the SDK: tests/unit is on the path."""
