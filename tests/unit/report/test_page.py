"""The page as text: no name escapes its data, and the policy fits the script."""

import base64
import hashlib
import json
import re

from imgscore.report.data import PageData
from imgscore.report.page import page, page_data
from tests.unit.report.samples import report_data

HOSTILE = "</script><script>alert(1)</script><!--{{script}}\udcff"


def data(*, review: bool = False) -> PageData:
    return page_data(report_data(HOSTILE), [], "thumbnails", review=review)


def test_page_with_markup_in_a_name_keeps_it_in_the_data() -> None:
    text = page(data())
    assert text.count("<script") == text.count("</script>") == 2
    (held,) = re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(held)["images"]["names"] == HOSTILE
    text.encode()  # the page can be written although the name is not UTF-8


def test_policy_allows_the_script_of_the_page_only() -> None:
    for review, talks in ((False, "connect-src 'none'"), (True, "connect-src 'self'")):
        text = page(data(review=review))
        (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
        (script,) = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
        (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
        for part in (script, style):
            digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
            assert f"-src 'sha256-{digest}'" in policy
        assert "default-src 'none'" in policy and talks in policy and "unsafe" not in policy


def test_page_refers_to_no_network_address() -> None:
    text = page(data())
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", text)
    addresses = set(re.findall(r"https?://[^\s\"'`]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}
