"""Notebook and README as pages in a browser, as GitHub shows them: Chromium or Chrome."""

import shutil

import cells
import pytest

WHY = "install .ci/requirements.txt"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
# The widths, fonts and overflows that decide what fits on GitHub's pages.
PAGE = """<!doctype html><meta name="viewport" content="width=device-width"><style>
body { font: 16px/1.5 sans-serif; max-width: 1012px; margin: auto; padding: 32px;
       overflow-wrap: break-word; }
pre { font: 12px/1.45 monospace; padding: 8px 16px; overflow: auto; }
table { display: block; overflow: auto; border-collapse: collapse; font-size: 14px; }
td, th { border: 1px solid; padding: 6px 13px; }
img { max-width: 100%; }
.jp-Prompt, .prompt, .anchor-link { display: none; }
</style>"""
FAULTS = """
const cut = [...document.querySelectorAll('pre, table')].filter(
    e => arguments[0] > 1000 && e.scrollWidth > e.clientWidth).map(e => 'cut: ' + e.innerText);
const images = [...document.images].filter(
    i => !i.naturalWidth || i.alt.length < 20).map(i => 'image: ' + i.src);
const levels = [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1]);
const outline = levels[0] == 1 && levels.every((h, i) => !i || h > 1 && h <= levels[i - 1] + 1);
return [...cut, ...images, ...(outline ? [] : ['headings: ' + levels]),
        ...(document.documentElement.scrollWidth > arguments[0] ? ['sticks out'] : []),
        ...(document.body.innerText.includes('<!--') ? ['a marker shows'] : [])]"""


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason=WHY)
    if not (BROWSER and DRIVER):
        pytest.skip("install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("headless", "no-sandbox", "disable-gpu"):
        options.add_argument(f"--{argument}")
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
        yield browser


@pytest.mark.parametrize("width", [1280, 420])  # pixels of a desktop and a phone
@pytest.mark.parametrize("name, pictures", [("notebook", 5), ("README", 4)])
def test_a_page_shows_everything(browser, tmp_path, name, pictures, width):
    nbconvert = pytest.importorskip("nbconvert", reason=WHY)
    wait = pytest.importorskip("selenium.webdriver.support.wait", reason=WHY)
    shutil.copytree(cells.ROOT / "images", tmp_path / "images")
    body = nbconvert.filters.markdown2html((cells.ROOT / "README.md").read_text())
    if name == "notebook":
        exporter = nbconvert.HTMLExporter(template_name="basic")
        body, _ = exporter.from_notebook_node(cells.read())
    (tmp_path / "page.html").write_text(PAGE + body)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get((tmp_path / "page.html").as_uri())
    fits = f"document.readyState == 'complete' && matchMedia('(width: {width}px)').matches"
    wait.WebDriverWait(browser, 60).until(lambda _: browser.execute_script(f"return {fits}"))
    assert browser.execute_script(FAULTS, width) == []
    assert len(browser.find_elements("tag name", "img")) == pictures
