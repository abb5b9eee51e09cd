"""Fixtures of the study's tests."""

import pytest

from tests.study import recording, variants
from tests.study.made_up_records import CODE, MadeUpRecords, trained
from tests.tools import cells


@pytest.fixture
def records(monkeypatch, tmp_path):
    """Empty records in a folder of their own, in which every notebook has the same CODE."""
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    monkeypatch.setattr(cells, "fingerprint", lambda *_: CODE)
    monkeypatch.setattr(variants.Variant, "fingerprint", lambda variant, _: trained(variant))
    return MadeUpRecords(tmp_path)
