"""An outcome as a file: JSON, JUnit, a page, a picture.

>>> from unikl.agreement import reports
>>> from unikl.agreement.outcome import Outcome, Row
>>> row = Row("input 0", "torch", "eager", "float32", "value", "agrees", 0.5, 1.0)
>>> outcome = Outcome("loss", (row,), "given", 8.0, {"torch": "2.13"}, {}, (), None, 0, 0.1)
>>> "<testcase" in reports.to_junit(outcome), "<html" in reports.to_html(outcome)
(True, True)
"""

from unikl.agreement.reports.page import to_html
from unikl.agreement.reports.picture import to_png
from unikl.agreement.reports.suite import from_suite
from unikl.agreement.reports.text import to_json, to_junit

__all__ = ["from_suite", "to_html", "to_json", "to_junit", "to_png"]
