"""The page has every message. The oracle looks for plain texts in the source by itself."""

import ast

from pages.messages import FOLDERS, PROGRAMS, ROOT, Code
from pages.troubleshooting import PAGE, page, shown


def test_the_page_is_up_to_date():
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run make docs"


def test_no_plain_text_of_an_error_is_missing():
    text, count = PAGE.read_text(encoding="utf-8"), 0
    files = [ROOT / name for name in PROGRAMS] + [p for name in FOLDERS for p in (ROOT / name).rglob("*.py")]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("InputError", "refuse"):
                for part in node.args[1:]:
                    if isinstance(part, ast.Constant):
                        assert shown(part.value) in text or part.value in text, (file, node.lineno)
                        count += 1
    assert count > 300


def test_words_are_chosen_and_bound():
    """One message for each choice of words; parameters have what callers give."""
    texts = {(m.where, m.fact, m.remedy) for m in Code().messages()}
    assert ("", "no such folder", "put exactly one CT file there") in texts
    assert ("--ce", "there is no --ct", "give both CTs") in texts
    assert any("two are needed, a plain and a contrast CT" in fact for _, fact, _ in texts)
