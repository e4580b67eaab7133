"""The served page in a real browser."""

import base64
import re
import threading
import time

import pytest

from tests.browser.conftest import show

pytest.importorskip("fastapi", reason="the web extra is not installed (pip install '.[web]')")
pytest.importorskip("selenium", reason="selenium is not installed")

import uvicorn
from selenium.webdriver import ActionChains, Keys

from discogan.exporting import export
from discogan.web import Access, create_app, load_served

TOKEN = "token-of-the-browser-test"

SAVED_WIDTH = """
const done = arguments[arguments.length - 1];
const saved = new Image();
saved.onload = () => done(saved.naturalWidth);
saved.src = document.getElementById("save").href;
"""
DROP = """
const [target, data, name] = arguments;
const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], name, {type: "image/png"}));
const drop = new DragEvent("drop", {dataTransfer: transfer, bubbles: true});
if (target) document.getElementById(target).dispatchEvent(drop);
else window.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer}));
"""


@pytest.fixture(scope="session")
def address(small_run, best, domains, tmp_path_factory):
    """A server of two runs and an exported model on a free port."""
    exported = tmp_path_factory.mktemp("exported") / "oneway.onnx"
    export(small_run, "a_to_b", exported, images=domains[0])
    folders = {"small": domains[0], "best": domains[0]}, {"small": domains[1], "best": domains[1]}
    app = create_app(load_served([small_run, best, exported], *folders))
    yield from serve(app)


def serve(app):
    """Run an application in a thread on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def best(small_run):
    """The best checkpoint of the run, served under another name."""
    return small_run / "best"


@pytest.fixture(scope="module")
def guarded_address(small_run):
    """A server that needs a token."""
    app = create_app(load_served([small_run]), access=Access(token=TOKEN))
    yield from serve(app)


@pytest.fixture
def page(browser, address):
    show(browser, 1100)
    browser.get(address)
    wait(lambda: len(browser.find_elements("css selector", "#gallery .tile")) == 8)
    return browser


def wait(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened on the page"
        time.sleep(0.05)


def result(page):
    """Wait for the three pictures of the result and return their addresses."""
    pictures = [page.find_element("id", name) for name in ("input", "output", "round-trip")]
    wait(lambda: all(picture.get_property("naturalWidth") > 0 and picture.is_displayed() for picture in pictures))
    return [picture.get_attribute("src") for picture in pictures]


def test_a_file_is_picked_translated_and_matched(page, domains, screenshots):
    page.find_element("id", "file").send_keys(str(domains[0] / "003.png"))
    assert len(set(result(page))) == 3
    wait(lambda: len(page.find_elements("css selector", "#counterparts .tile")) == 5)
    assert re.fullmatch(r"-?\d\.\d\d · .+\.png", page.find_element("css selector", "#counterparts figcaption").text)
    assert page.find_element("id", "save").get_attribute("href").startswith("blob:")
    assert page.find_element("id", "output").get_property("naturalWidth") == 384
    assert page.execute_async_script(SAVED_WIDTH) == 32
    page.save_screenshot(str(screenshots / "app-desktop.png"))
    show(page, 390, dark=True)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    page.save_screenshot(str(screenshots / "app-phone-dark.png"))


@pytest.mark.parametrize("target", ["drop", ""], ids=["dropped", "pasted"])
def test_an_image_is_dropped_or_pasted(page, domains, target):
    page.execute_script(DROP, target, base64.b64encode((domains[0] / "001.png").read_bytes()).decode(), "x.png")
    assert len(set(result(page))) == 3


def test_an_example_is_chosen_and_the_direction_changed(page):
    page.find_elements("css selector", "#gallery button")[2].click()
    before = result(page)
    page.find_element("css selector", "[data-direction=b_to_a]").click()
    assert page.find_element("css selector", "[data-direction=b_to_a]").get_attribute("aria-checked") == "true"
    wait(lambda: page.find_element("id", "output").get_attribute("src") != before[1])
    assert page.find_element("id", "output-caption").text == "Translated to A"
    assert "direction=b_to_a" in page.find_element("id", "curl").text


def test_another_model_is_chosen(page):
    page.find_element("css selector", "#model option:nth-child(2)").click()
    assert "model=best" in page.find_element("id", "curl").text
    assert "modern, 32 px" in page.find_element("id", "about").text


def test_a_model_of_one_direction_has_no_round_trip(page, domains):
    page.find_element("css selector", "#model option:nth-child(3)").click()
    page.find_element("id", "file").send_keys(str(domains[0] / "004.png"))
    wait(lambda: page.find_element("id", "output").get_property("naturalWidth") > 0)
    assert not page.find_element("id", "round-trip").is_displayed()


def test_a_file_that_is_not_an_image_gives_an_error(page, tmp_path):
    (tmp_path / "x.png").write_bytes(b"not an image")
    page.find_element("id", "file").send_keys(str(tmp_path / "x.png"))
    error = page.find_element("id", "error")
    wait(lambda: error.text)
    assert "not an image" in error.text
    assert not page.find_element("id", "result").is_displayed()
    page.get_log("browser")  # The log contains the refused request, as expected.


def test_every_control_can_be_reached_by_keyboard(page):
    reached = set()
    for _ in range(12):
        ActionChains(page).send_keys(Keys.TAB).perform()
        active = page.switch_to.active_element
        reached.add(active.get_attribute("id") or active.get_attribute("data-direction") or active.tag_name)
    assert {"model", "a_to_b", "b_to_a", "file", "button"} <= reached


def test_the_page_asks_for_the_token(browser, guarded_address):
    browser.get(guarded_address)
    wait(lambda: browser.find_element("id", "login").is_displayed())
    for given in ("a-wrong-token-of-some-length", TOKEN):
        browser.find_element("id", "token").clear()
        browser.find_element("id", "token").send_keys(given, Keys.ENTER)
        if given != TOKEN:
            wait(lambda: "wrong" in browser.find_element("id", "refusal").text)
    wait(lambda: len(browser.find_elements("css selector", "#gallery .tile")) == 8)
    assert TOKEN not in browser.current_url
    browser.execute_script("sessionStorage.clear()")
    browser.get_log("browser")  # The log contains the refused requests, as expected.


def test_the_page_takes_the_token_from_the_fragment(browser, guarded_address):
    browser.get(f"{guarded_address}/#token={TOKEN}")
    wait(lambda: len(browser.find_elements("css selector", "#gallery .tile")) == 8)
    assert browser.current_url == f"{guarded_address}/"
    browser.execute_script("sessionStorage.clear()")
