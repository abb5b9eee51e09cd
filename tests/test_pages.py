"""The notebook and the README as pages in a real browser, as GitHub shows them: without scripts.

Needs `.ci/requirements.txt`, and Chromium or Chrome with its chromedriver.
"""

import shutil

import cells
import pytest
import renew

nbconvert = pytest.importorskip(
    "nbconvert", reason="no nbconvert: pip install -r .ci/requirements.txt"
)
selenium = pytest.importorskip(
    "selenium.webdriver", reason="no selenium: pip install -r .ci/requirements.txt"
)
WebDriverWait = pytest.importorskip("selenium.webdriver.support.wait").WebDriverWait
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no browser: install chromium and chromium-driver"
)

DESKTOP, PHONE = 1280, 420
# The widths, fonts and overflows that decide what fits on GitHub's pages, and its two colours.
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 sans-serif; max-width: 1012px; margin: auto; padding: 32px;
       overflow-wrap: break-word; color: light-dark(#1f2328, #f0f6fc);
       background: light-dark(#fff, #0d1117); }
pre { font: 12px/1.45 monospace; padding: 8px 16px; overflow: auto;
      background: light-dark(#f6f8fa, #151b23); }
table { display: block; overflow: auto; border-collapse: collapse; font-size: 14px; }
td, th { border: 1px solid light-dark(#d1d9e0, #3d444d); padding: 6px 13px; }
img { max-width: 100%; }
.jp-Prompt, .prompt, .anchor-link { display: none; }
"""


def page(body):
    """Return a whole page around the HTML body."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width"><title>page</title>'
        f"<style>{STYLE}</style></head><body>{body}</body></html>"
    )


def render(folder):
    """Write the notebook and the README as pages into folder; return their files by name."""
    body, _ = nbconvert.HTMLExporter(template_name="basic").from_notebook_node(cells.read())
    readme = nbconvert.filters.markdown2html(renew.README.read_text())
    shutil.copytree(cells.ROOT / "images", folder / "images")
    files = {"notebook": folder / "notebook.html", "readme": folder / "readme.html"}
    files["notebook"].write_text(page(body))
    files["readme"].write_text(page(readme))
    return files


def start_browser(profile):
    """Return a headless browser that keeps its profile in the folder profile."""
    options = selenium.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return selenium.Chrome(options, selenium.ChromeService(DRIVER))


def wait_until(browser, condition):
    """Wait until condition, an expression of JavaScript, is true; a busy machine answers early."""
    WebDriverWait(browser, 60).until(
        lambda browser: browser.execute_script(f"return {condition}"), condition
    )


def open_page(browser, path):
    """Open the file at path and wait until all of it is there."""
    browser.get(path.as_uri())
    wait_until(browser, "location.protocol == 'file:' && document.readyState == 'complete'")


def set_width(browser, width):
    """Show the page as on a screen so wide, in pixels."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == PHONE},
    )
    wait_until(browser, f"matchMedia('(width: {width}px)').matches")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = start_browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return render(tmp_path_factory.mktemp("pages"))


@pytest.fixture(params=["notebook", "readme"])
def opened(request, browser, files):
    """The browser with one of the two pages open on a desktop."""
    set_width(browser, DESKTOP)
    browser.get_log("browser")  # forgets what other pages wrote
    open_page(browser, files[request.param])
    return browser


def images(browser):
    return browser.execute_script(
        "return [...document.images].map(i => [i.alt, i.naturalWidth, i.clientWidth])"
    )


def test_every_image_is_loaded_at_its_natural_size_with_alternative_text(opened):
    found = images(opened)
    assert len(found) >= 5
    for alternative, natural, shown in found:
        assert len(alternative) > 20 and natural == shown > 0, alternative


def test_no_output_is_wider_than_the_page(opened):
    wide = opened.execute_script(
        "return [...document.querySelectorAll('pre')]"
        ".filter(p => p.scrollWidth > p.clientWidth).map(p => p.innerText)"
    )
    assert wide == []


def test_nothing_sticks_out_on_a_phone(opened):
    set_width(opened, PHONE)
    width = opened.execute_script("return document.documentElement.scrollWidth")
    assert width <= PHONE


def test_headings_form_an_outline(opened):
    levels = opened.execute_script(
        "return [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 1 and levels.count(1) == 1 and len(levels) > 8
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))


def test_the_console_shows_no_error(opened):
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_missing_image_and_a_long_line_would_be_noticed(browser, tmp_path):
    path = tmp_path / "broken.html"
    path.write_text(page(f'<img src="missing.png" alt="a"><pre>{"wide " * 400}</pre>'))
    set_width(browser, DESKTOP)
    open_page(browser, path)
    assert images(browser)[0][1] == 0
    with pytest.raises(AssertionError):
        test_no_output_is_wider_than_the_page(browser)
    with pytest.raises(AssertionError):
        test_the_console_shows_no_error(browser)
