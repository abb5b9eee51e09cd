"""The benchmark: the usual way and the notebook's own run."""

from unittest.mock import patch

import pytest
import torch

from tests.study import benchmark


@pytest.mark.parametrize("way", [benchmark.HERE, benchmark.USUAL])
def test_an_epoch_of_each_way_is_that_of_its_own_network(way):
    """The usual way has dropout of single numbers."""
    with patch.object(torch.nn.functional, "dropout", wraps=torch.nn.functional.dropout) as single:
        assert benchmark.measure(way, count=256) > 0
    assert single.called == (way == benchmark.USUAL)
