"""The report and the comparison, opened and used in a real browser."""

from PIL import Image, ImageStat

from discogan.report import write_comparison
from tests.browser.conftest import show


def overflow(browser) -> int:
    return browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")


def brightness(file) -> float:
    with Image.open(file) as image:
        return ImageStat.Stat(image.convert("L")).median[0]


def test_the_report_on_a_desktop_in_the_dark_and_on_a_phone(browser, sampled_run, screenshots):
    browser.get((sampled_run / "report.html").as_uri())
    assert "sampled" in browser.title
    pictures = browser.find_elements("css selector", "img")
    assert all(picture.get_property("naturalWidth") > 0 for picture in pictures[:30])
    for name, width, dark in (("desktop", 1100, False), ("dark", 1100, True), ("phone", 390, False)):
        show(browser, width, dark)
        assert overflow(browser) <= 0, f"{name} scrolls sideways"
        browser.save_screenshot(str(screenshots / f"report-{name}.png"))
    assert brightness(screenshots / "report-desktop.png") > 200
    assert brightness(screenshots / "report-dark.png") < 60


def test_the_slider_shows_earlier_samples(browser, sampled_run):
    browser.get((sampled_run / "report.html").as_uri())
    sheet, slider = (browser.find_element("id", name) for name in ("sheet", "when"))
    last = sheet.get_attribute("src")
    assert browser.find_element("id", "step").text == "6"
    slider.send_keys("\ue012")  # The arrow to the left.
    assert browser.find_element("id", "step").text == "4"
    assert sheet.get_attribute("src") != last
    assert "step 4" in sheet.get_attribute("alt")


def test_settings_fold_out(browser, sampled_run):
    browser.get((sampled_run / "report.html").as_uri())
    cell = browser.find_element("xpath", "//th[text()='objective.gamma']")
    assert not cell.is_displayed()
    browser.find_element("xpath", "//summary[text()='All settings']").click()
    assert cell.is_displayed()


def test_the_comparison_fits_a_phone(browser, sampled_run, small_run, tmp_path, screenshots):
    page = write_comparison([sampled_run, small_run], tmp_path / "compare.html")
    browser.get(page.as_uri())
    for name, width in (("desktop", 1100), ("phone", 390)):
        show(browser, width)
        assert overflow(browser) <= 0
        browser.save_screenshot(str(screenshots / f"compare-{name}.png"))
