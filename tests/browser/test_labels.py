"""Where the letters really are: the boxes that Chromium gives each text of a picture."""

import pytest
from gallery import GALLERY, random_graph

import netlib as nl

OVERLAPPING = """() => {
  const boxes = [...document.querySelectorAll("svg text")].map(text => {
    const box = text.getBBox(), letters = text.textContent, blank = letters.length - letters.trimEnd().length;
    const lead = letters.length - letters.trimStart().length, one = box.width / Math.max(letters.length, 1);
    return {letters, x: box.x + lead * one, right: box.x + box.width - blank * one, y: box.y + 2, bottom: box.y + box.height - 2};
  });
  const found = [];
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => {
    if (Math.min(a.right, b.right) - Math.max(a.x, b.x) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.y, b.y) > 1)
      found.push([a.letters, b.letters]);
  }));
  return {found, count: boxes.length};
}"""


@pytest.fixture(scope="module")
def blank(browser):
    page = browser.new_page()
    yield page
    page.close()


def overlapping(page, svg):
    page.set_content(f"<!doctype html>{svg}")
    result = page.evaluate(OVERLAPPING)
    assert result["count"] > 5
    return result["found"]


@pytest.mark.parametrize("name", GALLERY)
@pytest.mark.parametrize("detail", ["layers", "folded", "nodes"])
def test_no_two_texts_of_the_gallery_overlap_in_chromium(blank, name, detail):
    assert overlapping(blank, nl.draw(*GALLERY[name](), detail=detail).svg) == []


@pytest.mark.parametrize("seed", range(50))
def test_no_two_texts_of_a_random_graph_overlap_in_chromium(blank, seed):
    assert overlapping(blank, nl.draw(*random_graph(seed)).svg) == []


def test_texts_on_top_of_each_other_are_found(blank):
    svg = nl.draw(*GALLERY["chapter"]()).svg
    assert ["one", "other"] in overlapping(
        blank, svg.replace("</svg>", '<text x="9" y="40">one</text><text x="12" y="42">other</text></svg>')
    )
