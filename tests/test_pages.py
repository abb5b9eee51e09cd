"""Notebook and README as pages in a browser, about as GitHub shows them."""

import itertools
import shutil

import cells
import nbconvert
import pytest
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
DESKTOP, PHONE = 1280, 420  # widths in pixels
# The widths, fonts and overflows that decide what fits on GitHub's pages.
STYLE = """<!doctype html><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><style>
body { font: 16px/1.5 sans-serif; max-width: 1012px; margin: auto; padding: 32px;
       overflow-wrap: break-word; }
pre { font: 12px/1.45 monospace; padding: 8px 16px; overflow: auto; }
table { display: block; overflow: auto; border-collapse: collapse; font-size: 14px; }
td, th { border: 1px solid; padding: 6px 13px; }
img { max-width: 100%; }
.jp-Prompt, .prompt, .anchor-link { display: none; }
</style>"""
# Each script returns a list of what is wrong.
CUT_OFF = """return [...document.querySelectorAll('pre, table')]
    .filter(element => element.scrollWidth > element.clientWidth)
    .map(element => element.innerText)"""
PICTURES_WITHOUT_TEXT = """return [...document.images]
    .filter(image => !image.naturalWidth || image.alt.length < 20)
    .map(image => image.src.slice(0, 80))"""
HEADINGS = "return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])"
PAGE_WIDTH = "return document.documentElement.scrollWidth"
TEXT = "return document.body.innerText"


def readme_page():
    """Return the body of the README's page."""
    return nbconvert.filters.markdown2html((cells.ROOT / "README.md").read_text(encoding="utf-8"))


def notebook_page():
    """Return the body of the notebook's page."""
    exporter = nbconvert.HTMLExporter(template_name="basic")
    body, _ = exporter.from_notebook_node(cells.read())
    return body


PAGES = {"README": readme_page, "notebook": notebook_page}


@pytest.fixture(scope="module")
def browser():
    if not (BROWSER and DRIVER):
        pytest.skip("install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("headless", "no-sandbox", "disable-gpu"):
        options.add_argument(f"--{argument}")
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with both pages and the README's pictures."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(cells.ROOT / "images", folder / "images")
    for name, make in PAGES.items():
        (folder / f"{name}.html").write_text(STYLE + make(), encoding="utf-8")
    return folder


@pytest.fixture
def show(browser, folder):
    """A function that opens the page of this name at this width, and returns the browser."""

    def show(name, width):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get((folder / f"{name}.html").as_uri())
        loaded = f"document.readyState == 'complete' && matchMedia('(width: {width}px)').matches"
        WebDriverWait(browser, 60).until(lambda _: browser.execute_script(f"return {loaded}"))
        return browser

    return show


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out_of_the_page(show, name, width):
    assert show(name, width).execute_script(PAGE_WIDTH) <= width


@pytest.mark.parametrize("name", PAGES)
def test_on_a_desktop_no_table_and_no_text_has_to_be_scrolled(show, name):
    assert show(name, DESKTOP).execute_script(CUT_OFF) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_is_there_and_has_an_alternative_text(show, name):
    browser = show(name, DESKTOP)
    assert browser.execute_script(PICTURES_WITHOUT_TEXT) == []
    assert len(browser.find_elements("tag name", "img")) >= 4


@pytest.mark.parametrize("name", PAGES)
def test_one_heading_of_the_first_level_and_no_level_is_left_out(show, name):
    levels = show(name, DESKTOP).execute_script(HEADINGS)
    assert levels.count(1) == 1 and levels[0] == 1
    for above, below in itertools.pairwise(levels):
        assert below <= above + 1


@pytest.mark.parametrize("name", PAGES)
def test_no_marker_of_generated_text_shows(show, name):
    assert "<!--" not in show(name, DESKTOP).execute_script(TEXT)
