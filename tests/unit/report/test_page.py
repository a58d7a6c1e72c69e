"""The page as text: no name gets out of its data, and the policy fits the script."""

import base64
import hashlib
import json
import re
from typing import Any

from imgscore.report.page import page

HOSTILE = "</script><script>alert(1)</script><!--{{script}}\udcff"


def data(**more: Any) -> dict[str, Any]:
    return {"review": False, "images": [[HOSTILE]], **more}


def test_a_name_stays_in_the_data() -> None:
    text = page(data())
    assert text.count("<script") == text.count("</script>") == 2
    (held,) = re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(held)["images"] == [[HOSTILE]]
    text.encode()  # a name that is no UTF-8 does not keep the page from being written


def test_the_policy_lets_this_script_run_and_no_other() -> None:
    for review, talks in ((False, "connect-src 'none'"), (True, "connect-src 'self'")):
        text = page(data(review=review))
        (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', text)
        (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
        for part in (script, style):
            digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
            assert f"-src 'sha256-{digest}'" in policy
        assert "default-src 'none'" in policy and talks in policy and "unsafe" not in policy


def test_the_page_needs_no_network() -> None:
    text = page(data())
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", text)
    addresses = set(re.findall(r"https?://[^\s\"'`]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}
