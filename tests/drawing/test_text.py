"""The text for Graphviz and for Mermaid says what the picture shows, whatever the names are."""

import html
import re
import subprocess
import sys
from pathlib import Path

import gallery
import numpy as np
import pytest

import netlib as nl
from netlib.drawing import text
from netlib.drawing.flow import Flow
from netlib.drawing.picture import Picture

ROOT = Path(__file__).parents[2]
NASTY = [
    *["end", "graph", "subgraph", "node", "class", "click", "style", "o", "x", "1", "-", "+", "- item", "* item", "1) one", "# heading"],
    *['"quoted"', "it's", "[x]", "{y}", "(z)", "a|b", "a;b", "x --> y", "%% comment", "@{shape: x}", "`code`", "$$x^2$$", "_em_", "~~s~~"],
    *["<b>bold</b>", "</text>", "&amp;", "&lt;", "#35;", "back\\slash", "\\", "\\n", "\\N", 'a"];b', "new\nline", "tab\tbell\a", "ü×∂ᵀ…"],
]
PICTURES = ["chapter_graph", "xor_net", "residual", "shared_weights", "digits_net", "own_layer", "two_outputs"]


def nasty_graph():
    x = h = nl.Input(NASTY[0])
    for name in NASTY[1:]:
        h = nl.Tanh()(h, name=name)
    return nl.Graph([x], [h])


def picture_of(name, folded=False):
    if name == "nasty":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("netlib.drawing.parts.MOST_NODES", len(NASTY))
            return Picture(Flow(nasty_graph(), [[[0.5, -1.0]]]))
    model, *inputs = getattr(gallery, name)()
    return Picture(Flow(model, inputs), folded)


def labels(wire, picture):
    """Return the lines that should stand on a wire, in words of this test."""
    shape = "×".join(map(str, wire.value.shape)) or "scalar"
    return f"{wire.name} {shape}", f"∂L/∂{wire.name}{' not computed' if wire.grad is None else ''}"


def spaced(line):
    return " ".join("".join(c if c.isprintable() else " " for c in line).split())


def expected(picture):
    """Return the texts of the nodes, and for each wire its ends and two of its lines."""
    nodes = [spaced(node.symbol or node.title) for node in picture.nodes]
    wires = [(wire.source, wire.target, *map(spaced, labels(wire, picture))) for wire in picture.wires]
    return nodes, wires


# ---- Graphviz, read by the part of its grammar that is used --------------------------------------

STRING = r'"(?:[^"\\\n]|\\["\\n])*"'
"""A quoted string, with a backslash before nothing but what it is to escape."""
ATTRIBUTE = rf"\w+=(?:{STRING}|\w+)"
STATEMENT = re.compile(rf"  (n\d+)(?: -> (n\d+))? \[({ATTRIBUTE}(?:, {ATTRIBUTE})*)\];")


def attributes_in(written):
    return dict(attribute.split("=", 1) for attribute in re.findall(ATTRIBUTE, written))


def parsed(dot):
    """Return the attributes of the graph, and of each node and edge in order."""
    first, second, third, *statements, last = dot.removesuffix("\n").split("\n")
    assert (first, third, last) == ("digraph {", '  node [fontname="Courier"]; edge [fontname="Courier"];', "}")
    assert re.fullmatch(rf"  rankdir=LR; labelloc=t; label={STRING};", second)
    matches = [STATEMENT.fullmatch(statement) for statement in statements]
    assert all(matches)
    read = [(match[1], match[2], attributes_in(match[3])) for match in matches]
    nodes = {name: attributes for name, to, attributes in read if to is None}
    return attributes_in(second), nodes, [each for each in read if each[1] is not None]


def unquoted(string):
    """Return the lines of a label as Graphviz shows them: escapes first, then entities."""
    lines, line = [], ""
    for escape, letter in re.findall(r"(\\?)(.)", string[1:-1]):
        if escape and letter == "n":
            lines, line = [*lines, line], ""
        else:
            line += letter
    return [html.unescape(each) for each in [*lines, line]]


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("name", [*PICTURES, "nasty"])
def test_the_grammar_of_dot_reads_the_nodes_and_edges_of_the_picture(name, folded):
    picture = picture_of(name, folded)
    _, nodes, edges = parsed(text.to_dot(picture, "a title"))
    assert list(nodes) == [f"n{i}" for i in range(len(picture.nodes))]
    wanted_nodes, wanted_wires = expected(picture)
    assert [spaced(*unquoted(attributes["label"])) for attributes in nodes.values()] == wanted_nodes
    read = []
    for source, target, attributes in edges:
        lines = [spaced(line) for line in unquoted(attributes["label"])]
        gradient = next(line for line in lines if line.startswith("∂L/∂"))
        read.append((int(source[1:]), int(target[1:]), lines[0], gradient))
    assert read == wanted_wires


def test_nodes_of_different_kinds_have_different_shapes():
    x = nl.Input("X")
    h = nl.Tanh()(x, name="H")
    block = nl.Sequential(nl.Affine(2, 2, rng=0), nl.ReLU())
    picture = Picture(Flow(nl.Sequential(nl.Graph([x], [h * h + nl.Constant("C", 1.0)]), nl.Softmax(), block), [[1.0, 2.0]]), folded=True)
    picture_inside = Picture(Flow(nl.Graph([x], [h * h + nl.Constant("C", 1.0)]), [[1.0, 2.0]]))
    shapes = {}
    for each in (picture, picture_inside):
        _, nodes, _ = parsed(text.to_dot(each, ""))
        for node in each.nodes:
            shapes.setdefault((node.kind, bool(node.symbol)), set()).add(nodes[f"n{node.number}"]["shape"])
    assert shapes == {
        ("input", False): {"oval"},
        ("constant", False): {"oval"},
        ("group", False): {"folder"},
        ("operation", False): {"box"},
        ("operation", True): {"circle"},
        ("fan-out", True): {"circle"},
        ("output", False): {"doublecircle"},
    }


# ---- Mermaid, read by the few rules of its grammar that are used ---------------------------------

TEXT = r'"((?:[^"#&<>`$*_~|{}\[\]@;%\\\\]|#\d+;|<br/>)*)"'
"""Between quotes: numbered characters and line breaks, and no markup of any language."""
NODE = re.compile(rf"  n(\d+)(\(\[|\[\[|\(\(\(|\(\(|\[){TEXT}(\]\)|\]\]|\)\)\)|\)\)|\])")
EDGE = re.compile(rf"  n(\d+) -->\|{TEXT}\| n(\d+)")
TITLE = re.compile(r"  accTitle: (?:[^#;%{}<>]|#\d+;)+")
CLOSING = {"([": "])", "[[": "]]", "(((": ")))", "((": "))", "[": "]"}


def lines_of(label):
    return [re.sub(r"#(\d+);", lambda match: chr(int(match[1])), line) for line in label.split("<br/>")]


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("name", [*PICTURES, "nasty"])
def test_mermaids_grammar_reads_the_nodes_and_edges_of_the_picture(name, folded):
    picture = picture_of(name, folded)
    wanted_nodes, wanted_wires = expected(picture)
    header, _, *statements = text.to_mermaid(picture, "a title").splitlines()
    assert header == "flowchart LR"
    nodes = [NODE.fullmatch(line) for line in statements[: len(wanted_nodes)]]
    edges = [EDGE.fullmatch(line) for line in statements[len(wanted_nodes) :]]
    assert all(nodes)
    assert all(edges)
    assert [int(node[1]) for node in nodes] == list(range(len(nodes)))
    assert all(CLOSING[node[2]] == node[4] for node in nodes)
    assert ["".join(lines_of(node[3])) for node in nodes] == wanted_nodes
    read = []
    for edge in edges:
        lines = lines_of(edge[2])
        read.append((int(edge[1]), int(edge[3]), lines[0], next(line for line in lines if line.startswith("∂L/∂"))))
    assert read == wanted_wires


# ---- both ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", NASTY)
def test_any_title_is_taken_as_it_is(title):
    picture = Picture(Flow(nl.Tanh(), [0.0]))
    attributes, _, _ = parsed(text.to_dot(picture, title))
    assert spaced(*unquoted(attributes["label"])) == spaced(title)
    accessible = text.to_mermaid(picture, title).splitlines()[1]
    assert TITLE.fullmatch(accessible)
    assert lines_of(accessible.removeprefix("  accTitle: ")) == [spaced(title)]


WRITERS = [text.to_dot, text.to_mermaid]


def shown(write, model, *inputs):
    """Return the text with its line breaks broken, and without the spaces that align numbers."""
    return re.sub(" +", " ", re.sub(r"\\n|<br/>", "\n", write(Picture(Flow(model, inputs)), "")))


@pytest.mark.parametrize("write", WRITERS)
def test_small_arrays_stand_on_their_edges_and_large_ones_do_not(write):
    weight = np.array([[0.5, -2.0, 0.25], [1.0, 3.0, 4.0]])
    plain = shown(write, nl.Affine.from_arrays(weight), np.ones((50, 2)))
    assert "0.5 -2 0.25\n1.0 3 4.00\n∂L/∂W\n50 50 50\n50 50 50" in plain
    assert "X 50×2\n∂L/∂X" in plain
    assert "X 5×3\n∂L/∂X" in shown(write, nl.Tanh(), np.ones((5, 3)))


@pytest.mark.parametrize("write", WRITERS)
def test_not_computed_is_said_and_zero_is_a_number(write):
    written = shown(write, nl.MeanSquaredError(), [1.0], [1.0])
    assert "∂L/∂t not computed" in written
    assert re.search(r'∂L/∂y\n0"', written)


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_picture_is_the_same_text_in_another_process(write):
    program = f"""
import sys
sys.path.insert(0, "tests/drawing")
import gallery
from netlib.drawing import text
from netlib.drawing.flow import Flow
from netlib.drawing.picture import Picture
model, *inputs = gallery.two_outputs()
sys.stdout.buffer.write(text.{write.__name__}(Picture(Flow(model, inputs)), "title").encode())
"""
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT, env={"PYTHONHASHSEED": "1"})
    assert other.stdout.decode() == write(picture_of("two_outputs"), "title")


@pytest.mark.parametrize("write", WRITERS)
def test_what_is_drawn_of_a_thousand_layers_is_a_text_that_mermaid_still_takes(write):
    model = nl.Sequential(*[nl.Affine(3, 3, rng=i) if i % 2 else nl.Tanh() for i in range(1000)])
    written = write(Picture(Flow(model, [np.ones((2, 3))])), "deep")
    assert len(written) < 50_000  # the most characters that Mermaid takes
    assert written.count("->") < 500  # and edges


@pytest.mark.parametrize(
    ("grammar", "statement"),
    [
        (STATEMENT, '  n0 [shape=box, label="a"b"];'),
        (STATEMENT, '  n0 [shape=box, label="a\\"];'),
        (STATEMENT, '  n0 [shape=box, label="\\N"];'),
        (NODE, '  n0["a"b"]'),
        (NODE, '  n0["<b>"]'),
        (EDGE, '  n0 -->|"a|b"| n1'),
    ],
)
def test_the_grammars_used_here_refuse_what_is_not_escaped(grammar, statement):
    assert not grammar.fullmatch(statement)
