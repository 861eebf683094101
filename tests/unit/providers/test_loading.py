"""What loading vendors' code does to the process: it is the server of somebody's kernels."""

from __future__ import annotations

import json
import subprocess
import sys

from jupyter_chatd.providers.endpoint import Kind
from jupyter_chatd.providers.vendor import MODULES

PROGRAM = """
import gc, json, sys, time
from jupyter_chatd.providers.endpoint import Endpoint
from jupyter_chatd.providers.vendor import open_vendor

def collection():
    def once():
        began = time.perf_counter()
        gc.collect()
        return time.perf_counter() - began
    return min(once() for _ in range(3))

frozen = []
for kind in sys.argv[1:]:
    fields = {"provider": "p", "kind": kind, "base_url": "http://127.0.0.1:9", "label": "P"}
    open_vendor(Endpoint(**fields), "m")
    frozen.append(gc.get_freeze_count())
spared = collection()
gc.unfreeze()
print(json.dumps({"frozen": frozen, "spared": spared, "unspared": collection()}))
"""


def test_full_collections_stay_short_once_vendors_are_loaded() -> None:
    kinds = [Kind.ANTHROPIC, Kind.OPENAI, Kind.OPENAI]
    command = [sys.executable, "-c", PROGRAM, *kinds]
    measured = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    one, two, again = measured["frozen"]
    assert 50_000 < one < two, "what each vendor brought is out of the collector's way"
    assert again == two, "once: what a server makes later is collected"
    assert measured["spared"] < measured["unspared"] / 5


def test_every_kind_of_endpoint_has_its_code() -> None:
    assert set(MODULES) == set(Kind)
