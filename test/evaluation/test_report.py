"""The report in a real browser: it opens without network, its table sorts, its slices move."""

import base64
import json
import re
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from evaluate import main
from evaluation import plots, report
from evaluation.cases import find_cases
from evaluation.contours import readable
from model.errors import InputError

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium with its driver: apt-get install chromium chromium-driver"
)
NAME = "b <i>&\"'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Predictions of two teams and references of three cases, the middle one the worst, one without nodes, with CTs."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    for name, shift in (("a", 1), (NAME, 4), ("c", 0)):
        truth = np.zeros((12, 30, 36), np.uint8)
        truth[3:8, 6:16, 8:18] = 1
        if name != "c":
            truth[5:9, 18:24, 22:28] = 2
        predicted = np.roll(truth, shift, axis=2)
        if name == NAME:
            predicted[predicted == 2] = 0  # the node is missed
            predicted[1, 2:4, 30:33] = 2  # and another one false
        ct = (rng.normal(30, 20, truth.shape) + 40 * (truth > 0)).astype(np.int16)
        arrays = {f"r/{name}": truth, f"p/{name}": predicted, f"q/{name}": np.roll(truth, 2, axis=1)}
        for path, array in {**arrays, f"ct/{name}_0000": ct, f"ct/{name}_0001": ct + 30}.items():
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((1.0, 1.0, 3.0))
            (folder / path).parent.mkdir(exist_ok=True)
            sitk.WriteImage(image, str(folder / f"{path}.nii.gz"))
    return folder


@pytest.fixture(scope="module")
def page(folder):
    """Path of a report with a comparison and a ranking."""
    path, other = folder / "report.html", str(folder / "q")
    arguments = [str(folder / "p"), str(folder / "r"), "--report", str(path), "--image", str(folder / "ct")]
    assert main([*arguments, "--compare", other, "--rank", other]) == 0
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
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", button)
    button.click()


def test_the_report_needs_no_other_file_and_names_are_text(page):
    text = page.read_text(encoding="utf-8")
    assert "http:" not in text and "https:" not in text and "<link" not in text
    assert "b &lt;i&gt;&amp;" in text and "b <i>" not in text  # whatever they hold


def test_the_report_says_what_is_wrong(page):
    text = page.read_text(encoding="utf-8")
    assert "GTVnd: 1 of 2 lesions missed; it is below 1 cm³." in text
    assert "GTVnd: one false lesion in 1 case" in text and "GTVnd: missed, 0.43 cm³" in text
    for part in ("overview", "plots", "comparison", "ranking", "table", "pictures", "measures"):
        assert f'<section id="{part}">' in text


def test_without_references_there_is_a_page_to_look_at(folder, capsys):
    path = folder / "look.html"
    assert main([str(folder / "p"), "--image", str(folder / "ct"), "--report", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert text.count('class="slices"') == 3 and "nothing is scored" in text and "GTVnd: lesion" in text
    assert main([str(folder / "p"), "--report", str(path), "--csv", str(folder / "s.csv")]) == 2
    assert main([str(folder / "p")]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: REFERENCES")]
    assert len(errors) == 2


@pytest.fixture
def one_is_shown(monkeypatch):
    """Pages that have room for a single case."""
    for module in (report, plots):
        monkeypatch.setattr(module, "MOST_CASES", 1)


def rows_of_cases(text: str) -> list[str]:
    return re.findall(
        r'<tr><th scope="row" class="text">(.*)</tr>', text.split('id="cases"')[1].split("</table>")[0]
    )


def test_no_link_leads_to_a_case_that_is_not_shown(folder, one_is_shown):
    path = folder / "one.html"
    arguments = [str(folder / "p"), str(folder / "r"), "--report", str(path)]
    assert main([*arguments, "--compare", str(folder / "q")]) == 0
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r'id="(case-\d+)"', text)) == {"case-0"}
    assert set(re.findall(r'href="#(case-\d+)"', text)) == {"case-0"}
    for part in ("worst", "comparison", "cases"):  # their names are there all the same
        of = text.split(f'id="{part}"')[1]
        assert 'href="#case-0"' in of and re.search("<(li|th [^>]*)>a<", of), part
    assert "<a><title>a: GTVp" in text and text.count("</table>") > 2


def test_the_page_without_references_has_the_volumes_of_all_cases(folder, one_is_shown):
    path = folder / "one.html"
    assert main([str(folder / "p"), "--report", str(path)]) == 0
    rows = rows_of_cases(path.read_text(encoding="utf-8"))
    assert [bool(re.match('<a href="#case-0">a</a>', row)) for row in rows] == [True, False, False]
    volume = 5 * 10 * 10 * 3 / 1000
    assert all(f'<td data-value="{volume}">{volume:.2f}</td>' in row for row in rows)


def test_a_case_that_cannot_be_read_is_named_also_beyond_those_that_are_shown(folder, tmp_path, one_is_shown):
    shutil.copytree(folder / "p", tmp_path / "p")
    (tmp_path / "p" / "c.nii.gz").write_bytes(b"rubbish")
    text, problems = report.page_to_look_at(find_cases(tmp_path / "p"), ("GTVp",), None)
    (problem,) = problems
    assert problem.startswith("c: ") and '<td data-value="">–</td>' in rows_of_cases(text)[2]


def test_cases_that_were_not_scored_are_not_counted_as_cases_of_the_score(folder, tmp_path):
    shutil.copytree(folder / "r", tmp_path / "r")
    path = tmp_path / "s.html"
    for words in ("3 cases</p>", "2 cases; 1 not scored</p>"):
        assert main([str(folder / "p"), str(tmp_path / "r"), "--report", str(path)]) == int("not" in words)
        card = path.read_text(encoding="utf-8").split("AVG score</h3>")[1].split("</div>")[0]
        assert f"over the structures; {words}" in card
        (tmp_path / "r" / "c.nii.gz").write_bytes(b"rubbish")


def test_page_and_viewer_have_one_legend_and_a_colour_for_each_bin(folder):
    path = folder / "five.html"
    arguments = [str(folder / "p"), str(folder / "r"), "--report", str(path), "--tolerance-mm", "5"]
    assert main(arguments) == 0
    text = path.read_text(encoding="utf-8")
    settings = json.loads(re.search('id="settings">(.*?)</script>', text)[1])
    legend = [["#45c8ff", "to 5 mm"], ["#ff9a3c", "to 10 mm"], ["#ff3d5a", "beyond 10 mm"]]
    assert settings["legend"] == legend
    listed = re.findall('<li><span style="background: (#[0-9a-f]*)"></span>([^<]*)</li>', text)
    assert [list(item) for item in listed] == legend


@pytest.mark.skipif(not readable(), reason="the packages of dicom/ are not installed")
def test_contours_without_references_are_shown_on_the_slices_beside(save_head, tmp_path, monkeypatch):
    save_head(tmp_path / "a" / "rs.dcm", "481.3")
    save_head(tmp_path / "a" / "1.dcm", "2")
    asked = []

    def read(ct, *_):
        asked.append(ct)
        raise InputError("a", "not read", "mend it")

    monkeypatch.setattr(report, "read_scene", read)
    with pytest.raises(InputError, match="nothing to show"):
        report.page_to_look_at(find_cases(tmp_path), ("GTVp",), None)
    assert asked == [tmp_path / "a"]


@needs_browser
def test_worst_case_comes_first_and_columns_sort_both_ways(browser):
    assert column(browser, "case")[:2] == [NAME, NAME]
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
def test_pictures_show_dots_speak_and_nothing_is_fetched(browser):
    sizes = browser.execute_async_script(
        """const done = arguments[0], images = [...document.images];
        images.forEach(i => { i.loading = "eager"; });
        Promise.all(images.map(i => i.decode())).then(() => done(images.map(i => i.naturalWidth)));"""
    )
    assert len(sizes) >= 5 and min(sizes) > 600
    words = browser.execute_script(
        """const dot = document.querySelector(".chart a");
        dot.dispatchEvent(new PointerEvent("pointerenter"));
        return document.getElementById("tip").hidden ? "" : document.getElementById("tip").textContent;"""
    )
    assert ": GTVp " in words and words.endswith("%")
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
    assert not [line for line in browser.get_log("performance") if '"url":"http' in line["message"]]


OPEN = """const done = arguments[0];
document.querySelector("button.open").click();
const wait = () => viewer.open && viewer.querySelector("canvas") ? done(true) : setTimeout(wait, 20);
wait();"""
# Of the first canvas: how many pixels are gray, and how many coloured.
PIXELS = """const c = viewer.querySelector("canvas"), p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
let gray = 0, coloured = 0;
for (let i = 0; i < p.length; i += 4) {
  const spread = Math.max(p[i], p[i + 1], p[i + 2]) - Math.min(p[i], p[i + 1], p[i + 2]);
  if (spread > 60) coloured++; else if (p[i] > 40) gray++;
}
return [gray, coloured, c.width * c.height];"""


def press(browser, key: str) -> None:
    browser.execute_script(
        "viewer.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))", key
    )


@needs_browser
def test_slices_move_by_keys_slider_and_touch_and_jump_to_what_is_wrong(browser):
    browser.execute_async_script(OPEN)
    state = (
        "return [state.plane, state.ct, shown.names.length, shown.data.targets.map(t => t.words), shown.at]"
    )
    plane, ct, cts, targets, at = browser.execute_script(state)
    assert (plane, ct, cts) == ("all", "CT", 2)
    assert [words.split(",")[0] for words in targets] == [
        "GTVp: largest error", "GTVnd: missed", "GTVnd: false"
    ]  # fmt: skip
    gray, coloured, every = browser.execute_script(PIXELS)
    assert gray > every / 3 and coloured > 100
    press(browser, "o")
    assert browser.execute_script(PIXELS)[1] == 0
    press(browser, "o")
    press(browser, "n")
    node = browser.execute_script("return shown.at")
    assert 5 <= node[0] < 9 and 18 <= node[1] < 24 and 22 <= node[2] < 28  # in the node that was missed
    press(browser, "1")
    press(browser, "ArrowUp")
    assert browser.execute_script("return shown.at") == [node[0] + 1, *node[1:]]
    press(browser, "c")
    press(browser, "c")
    assert browser.execute_script("return [state.ct, viewer.querySelectorAll('canvas').length]") == [
        "both",
        2,
    ]
    moved = browser.execute_script(
        """const slider = viewer.querySelector("input[type=range]");
        slider.value = 2; slider.dispatchEvent(new Event("input"));
        const canvas = viewer.querySelector("canvas"), box = canvas.getBoundingClientRect();
        const event = (name, x) => canvas.dispatchEvent(new PointerEvent(name, {
          clientX: box.left + x, clientY: box.top + 5, buttons: 1, pointerId: 1, pointerType: "touch"}));
        const before = shown.at[0];
        canvas.setPointerCapture = () => {};
        event("pointerdown", 20); event("pointermove", 38); event("pointerup", 38);
        return [before, shown.at[0]];"""
    )
    assert moved == [2, 5]
    press(browser, "]")
    browser.execute_async_script(
        """const done = arguments[0], wait = () => shown.number === 1 ? done(true) : setTimeout(wait, 20);
        wait();"""
    )
    assert browser.execute_script("viewer.close(); return shown.data.name") == "a"


@needs_browser
def test_on_a_phone_only_the_tables_scroll_sideways_and_the_first_column_stays(browser):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True},
    )
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    left = browser.execute_script(
        """const box = document.querySelector("#table .scroll"), cell = box.querySelector("tbody th");
        box.scrollLeft = 300;
        return [box.scrollLeft, cell.getBoundingClientRect().left - box.getBoundingClientRect().left];"""
    )
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= 390 and left[0] == 300 and abs(left[1]) < 2


@needs_browser
def test_dark_is_dark_and_print_is_light(browser):
    paper = "return getComputedStyle(document.body).backgroundColor"
    colours = []
    for media in ("screen", "print"):
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        colours.append(browser.execute_script(paper))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert colours == ["rgb(20, 23, 27)", "rgb(255, 255, 255)"]
    printed = base64.b64decode(
        browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    )
    assert printed.startswith(b"%PDF") and len(printed) > 50_000
