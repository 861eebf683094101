"""The store, compared with a model of it after every step."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.lockstep")
