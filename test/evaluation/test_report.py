"""The report in a real browser: it opens without network, its tables sort, its pictures show."""

import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from evaluate import main

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium with its driver: apt-get install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Path of a report on three cases, the middle one the worst, one of them without nodes, with CTs."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    for name, shift in (("a", 1), ("b <i>", 4), ("c", 0)):
        truth = np.zeros((12, 30, 36), np.uint8)
        truth[3:8, 6:16, 8:18] = 1
        if name != "c":
            truth[5:9, 18:24, 22:28] = 2
        ct = (rng.normal(30, 20, truth.shape) + 40 * (truth > 0)).astype(np.int16)
        for kind, array in (("r", truth), ("p", np.roll(truth, shift, axis=2)), ("ct", ct)):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((1.0, 1.0, 3.0))
            (folder / kind).mkdir(exist_ok=True)
            sitk.WriteImage(image, str(folder / kind / f"{name}.nii.gz"))
    path = folder / "report.html"
    arguments = [str(folder / "p"), str(folder / "r"), "--report", str(path), "--image", str(folder / "ct")]
    assert main(arguments) == 0
    return path


@pytest.fixture(scope="module")
def browser(page):
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.get(page.as_uri())
    yield driver
    driver.quit()


def column(browser, title: str) -> list[str]:
    """Texts of a column of the table of cases, by its title."""
    return browser.execute_script(
        """const table = document.getElementById("cases");
        const i = [...table.tHead.rows[0].cells].findIndex(c => c.textContent === arguments[0]);
        return [...table.tBodies[0].rows].map(r => r.cells[i].textContent);""",
        title,
    )


def click(browser, title: str) -> None:
    (button,) = [b for b in browser.find_elements("css selector", "#cases th button") if b.text == title]
    button.click()


def test_the_report_needs_no_other_file(page):
    text = page.read_text(encoding="utf-8")
    assert "http:" not in text and "https:" not in text and "<link" not in text
    assert "b &lt;i&gt;" in text and "b <i>" not in text  # a name is text, whatever it holds


@needs_browser
def test_worst_case_comes_first_and_columns_sort_both_ways(browser):
    assert column(browser, "case")[:2] == ["b <i>", "b <i>"]
    click(browser, "dsc")
    rising = [float(v) for v in column(browser, "dsc")]
    click(browser, "dsc")
    falling = [float(v) for v in column(browser, "dsc")]
    assert len(rising) == 6 and rising == sorted(rising) and rising[0] < rising[-1]
    assert falling == sorted(falling, reverse=True)
    click(browser, "case")
    assert column(browser, "case") == sorted(column(browser, "case"))
    click(browser, "hd95_mm")  # not defined where a mask is empty: last, whichever the direction
    click(browser, "hd95_mm")
    assert column(browser, "hd95_mm")[-1] == "–" and "–" not in column(browser, "hd95_mm")[:-1]


@needs_browser
def test_pictures_show_and_nothing_is_fetched(browser):
    sizes = browser.execute_script("return [...document.images].map(i => [i.className, i.naturalWidth])")
    assert [kind for kind, _ in sizes] == ["", "case", "case", "case"]
    assert all(width > 300 for _, width in sizes)
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
    assert not [line for line in browser.get_log("performance") if '"url":"http' in line["message"]]


@needs_browser
def test_on_a_phone_only_the_tables_scroll_sideways(browser):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True},
    )
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= 390
