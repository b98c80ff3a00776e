"""How good an answer is: facts against the truth, texts against a reference, and the grade for both."""

from optiflow.quality.grade import GRADES, Grade, grade_position
from optiflow.quality.measure import Quality, measure

__all__ = ["GRADES", "Grade", "Quality", "grade_position", "measure"]
