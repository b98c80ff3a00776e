"""The whole checklist, filled in from measurements: nothing in it is ticked by hand."""

from optiflow.checklist.signoff.document import Document, Section, write_text
from optiflow.checklist.signoff.sections import sign_off

__all__ = ["Document", "Section", "sign_off", "write_text"]
