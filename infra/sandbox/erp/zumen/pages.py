"""What the drawing office declares: drawings, with a document of an abstract type, and the approvals of their revisions."""

from __future__ import annotations

from infra.sandbox.erp.contract import Element, Shape, SimpleType

NAMESPACE = "urn:sakura-seiki.example:zumen"

STRING, INT, LONG = SimpleType("string"), SimpleType("int"), SimpleType("long")
DATE, DATE_TIME = SimpleType("date"), SimpleType("dateTime")
NUMBER = SimpleType("string", "Drawing_No", max_length=20)
TEXT100 = SimpleType("string", "Text100", max_length=100)
TEXT250 = SimpleType("string", "Text250", max_length=250)
LOGIN = SimpleType("string", "Login", max_length=80, pattern="[^@\\s]+@[^@\\s]+")
REVISION = SimpleType("string", "Revision", pattern="[A-Z]")
STATUS = SimpleType("string", "Drawing_Status", values=("Draft", "Released", "Obsolete"))
MATERIAL = SimpleType("string", "Material", values=("SS400", "S45C", "SCM435", "SUS304", "SUJ2", "A5052", "FC250", "C3604"))
SHEET_SIZE = SimpleType("string", "Sheet_Size", values=("A0", "A1", "A2", "A3", "A4"))
VERDICT = SimpleType("string", "Verdict", values=("Approved", "Returned"))
RESULT_CODE = SimpleType("string", "ResultCode", values=("OK", "NOT_FOUND", "BAD_PAGE", "DB_ERROR"))
NAMED_TYPES = (NUMBER, TEXT100, TEXT250, LOGIN, REVISION, STATUS, MATERIAL, SHEET_SIZE, VERDICT, RESULT_CODE)

DOCUMENT = Element(
    "Document",
    type_name="Drawing_Document",
    children=(Element("File_Name", TEXT100),),
    subtypes=(
        ("Paper_Sheet", (Element("Sheet_Size", SHEET_SIZE), Element("Cabinet", TEXT100), Element("Scanned_On", DATE, nillable=True))),
        ("Cad_Model", (Element("Cad_System", TEXT100), Element("Format", TEXT100), Element("Bodies", INT, min_occurs=0))),
    ),
)
DRAWINGS = Shape(
    "drawings",
    "Drawing_No",
    (
        Element("Drawing_No", NUMBER),
        Element("Title", TEXT100),
        Element("Revision", REVISION),
        Element("Status", STATUS),
        Element("Item_No", SimpleType("string", max_length=20), min_occurs=0),
        Element("Material", MATERIAL, nillable=True),
        Element("Mass_kg", SimpleType("decimal", total_digits=9, fraction_digits=3), nillable=True),
        Element("Sheets", INT),
        Element("Drawn_By", LOGIN),
        Element("Drawn_On", DATE),
        Element("Released_At", DATE_TIME, nillable=True),
        Element("Modified_At", DATE_TIME),
        Element(
            "Related",
            min_occurs=0,
            type_name="Drawing_No_List",
            children=(Element("Drawing_No", NUMBER, min_occurs=0, many=True),),
        ),
        DOCUMENT,
        Element("Remarks", TEXT250, min_occurs=0),
    ),
    frozenset(("Drawing_No", "Modified_At")),
)
APPROVALS = Shape(
    "approvals",
    "Approval_No",
    (
        Element("Approval_No", LONG),
        Element("Drawing_No", NUMBER),
        Element("Revision", REVISION),
        Element("Verdict", VERDICT),
        Element("Approver", LOGIN),
        Element("Approved_At", DATE_TIME),
        Element("Comment", TEXT250, min_occurs=0),
    ),
    frozenset(("Approval_No",)),
)
