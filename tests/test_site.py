"""The pictures of the documentation site; building the site checks everything else."""

import netlib as nl
from docs.site.nodes import nodes


def test_every_public_layer_and_loss_has_a_node_for_its_reference_page():
    kinds = {thing for name in nl.__all__ if isinstance(thing := getattr(nl, name), type) and issubclass(thing, nl.Layer)}
    drawn = nodes()
    assert kinds - {nl.Layer, nl.Loss} == set(drawn)
    assert all(node.draw().picture.nodes for node in drawn.values())
