"""The ERP's four pages (items, suppliers, purchase orders, stock movements) as their XSD declares them."""

from __future__ import annotations

from infra.sandbox.company.trade import FAMILIES
from infra.sandbox.erp.contract import Element, Entity, SimpleType

CODE10 = SimpleType("string", "Code10", True, max_length=10)
CODE20 = SimpleType("string", "Code20", True, max_length=20)
TEXT50 = SimpleType("string", "Text50", True, max_length=50)
TEXT100 = SimpleType("string", "Text100", True, max_length=100)
TEXT250 = SimpleType("string", "Text250", True, max_length=250)
LOGIN = SimpleType("string", "Login", True, max_length=80, pattern="[^@\\s]+@[^@\\s]+")
UNIT_PRICE = SimpleType("decimal", "UnitPrice", True, total_digits=15, fraction_digits=4)
AMOUNT = SimpleType("decimal", "Amount", True, total_digits=18, fraction_digits=4)
QUANTITY = SimpleType("decimal", "Quantity", True, total_digits=14, fraction_digits=3)
RESULT_CODE = SimpleType("string", "ResultCode", True, values=("OK", "FILTER_ERROR", "BOOKMARK_ERROR", "DB_ERROR"))
SHARED_TYPES = (CODE10, CODE20, TEXT50, TEXT100, TEXT250, LOGIN, UNIT_PRICE, AMOUNT, QUANTITY, RESULT_CODE)

STRING, INT, LONG, SHORT = SimpleType("string"), SimpleType("int"), SimpleType("long"), SimpleType("short")
BOOLEAN, DATE, DATE_TIME = SimpleType("boolean"), SimpleType("date"), SimpleType("dateTime")

KEY = Element("Key", STRING)
LAST_MODIFIED = Element("Last_Modified", DATE_TIME)

ITEMS = Entity(
    "items",
    "Items",
    "Item",
    "No",
    27,
    (
        KEY,
        Element("No", CODE20),
        Element("Description", TEXT100),
        Element("Description_EN", TEXT100, min_occurs=0),
        Element("Item_Category", SimpleType("string", "Item_Category", values=tuple(sorted(FAMILIES)))),
        Element("規格", TEXT100, min_occurs=0),
        Element("Base_Unit_of_Measure", CODE10),
        Element("Unit_Price", UNIT_PRICE),
        Element("Net_Weight", SimpleType("decimal", total_digits=9, fraction_digits=3), nillable=True),
        Element("JAN_Code", LONG, min_occurs=0),
        Element("Inventory", INT),
        Element("Safety_Stock", INT, nillable=True),
        Element("Lead_Time_Days", SHORT, nillable=True),
        Element("Shelf_No", CODE10, min_occurs=0),
        Element("Last_Counted", DATE, min_occurs=0),
        Element("Vendor_No", CODE20, min_occurs=0, nillable=True),
        Element("Purchased", BOOLEAN),
        Element("Blocked", BOOLEAN),
        Element(
            "Dimensions",
            min_occurs=0,
            type_name="Item_Dimensions",
            children=tuple(
                Element(side, SimpleType("decimal", total_digits=7, fraction_digits=1)) for side in ("Length_mm", "Width_mm", "Height_mm")
            ),
        ),
        Element("Drawing_Digest", SimpleType("base64Binary"), min_occurs=0),
        LAST_MODIFIED,
    ),
)

SUPPLIERS = Entity(
    "suppliers",
    "Suppliers",
    "Supplier",
    "No",
    23,
    (
        KEY,
        Element("No", CODE20),
        Element("Name", TEXT100),
        Element("Name_Kana", TEXT100),
        Element("Post_Code", SimpleType("string", "Post_Code", pattern="[0-9]{3}-[0-9]{4}")),
        Element("Prefecture", CODE10),
        Element("City", TEXT50),
        Element("Phone_No", CODE20, min_occurs=0),
        Element("Rank", SimpleType("string", "Supplier_Rank", values=("A", "B", "C"))),
        Element("Payment_Terms_Days", SHORT),
        Element("Credit_Limit", SimpleType("integer", total_digits=12), nillable=True),
        Element("Defect_Rate", SimpleType("double"), nillable=True),
        Element("Order_Cutoff", SimpleType("time"), min_occurs=0),
        Element("Purchaser", LOGIN),
        Element("Blocked", BOOLEAN),
        Element(
            "Certificates",
            min_occurs=0,
            type_name="Certificate_List",
            children=(
                Element(
                    "Certificate",
                    min_occurs=0,
                    many=True,
                    type_name="Certificate",
                    children=(Element("Name", TEXT50), Element("Valid_Until", DATE, nillable=True)),
                ),
            ),
        ),
        Element("備考", TEXT250, min_occurs=0),
        LAST_MODIFIED,
    ),
)

ORDER_STATUS = ("Open", "Released", "Partially_Received", "Closed", "Cancelled")
PURCHASE_ORDERS = Entity(
    "purchase_orders",
    "PurchaseOrders",
    "Purchase_Order",
    "No",
    38,
    (
        KEY,
        Element("No", CODE20),
        Element("Status", SimpleType("string", "Order_Status", values=ORDER_STATUS)),
        Element("Revision", SimpleType("unsignedShort")),
        Element("Buy_from_Vendor_No", CODE20),
        Element("Buy_from_Vendor_Name", TEXT100),
        Element("Order_Date", DATE),
        Element("Expected_Receipt_Date", DATE, min_occurs=0),
        Element("Purchaser", LOGIN),
        Element("Currency_Code", SimpleType("string", "Currency_Code", pattern="[A-Z]{3}")),
        Element("Amount", AMOUNT),
        Element("Urgent", BOOLEAN),
        Element("Approved_At", DATE_TIME, nillable=True),
        Element(
            "Ship_To",
            min_occurs=0,
            type_name="Ship_To",
            children=(
                Element("Name", TEXT100),
                Element("Post_Code", CODE10),
                Element("Address", TEXT100),
                Element("Address_2", TEXT100, min_occurs=0, nillable=True),
            ),
        ),
        Element("Note", TEXT250, min_occurs=0),
        Element(
            "Purch_Lines",
            min_occurs=0,
            type_name="Purch_Line_List",
            children=(
                Element(
                    "Purch_Line",
                    min_occurs=0,
                    many=True,
                    type_name="Purch_Line",
                    children=(
                        Element("Line_No", INT),
                        Element("Item_No", CODE20),
                        Element("Description", TEXT100),
                        Element("Quantity", QUANTITY),
                        Element("Unit_of_Measure", CODE10),
                        Element("Direct_Unit_Cost", UNIT_PRICE),
                        Element("Line_Amount", AMOUNT),
                        Element("Planned_Receipt_Date", DATE, nillable=True),
                        Element("Received", BOOLEAN),
                        Element("Line_Note", TEXT100, min_occurs=0),
                    ),
                ),
            ),
        ),
        LAST_MODIFIED,
    ),
    included=("Purch_Line", "Purch_Line_List"),
    include_file="purchase-lines.xsd",
)

MOVEMENT_TYPE = ("Purchase", "Sale", "Positive_Adjmt", "Negative_Adjmt", "Transfer", "Consumption", "Output")
STOCK_MOVEMENTS = Entity(
    "stock_movements",
    "StockMovements",
    "Stock_Movement",
    "Entry_No",
    32,
    (
        KEY,
        Element("Entry_No", LONG),
        Element("Posting_Date", DATE),
        Element("Occurred_At", DATE_TIME),
        Element("Entry_Type", SimpleType("string", "Movement_Type", values=MOVEMENT_TYPE)),
        Element("Item_No", CODE20),
        Element("Location", TEXT50),
        Element("Lot_No", CODE20, min_occurs=0),
        Element("Quantity", QUANTITY),
        Element("Cost_Amount", AMOUNT, nillable=True),
        Element("Document_No", CODE20, min_occurs=0),
        Element("Corrected", BOOLEAN),
        Element("Operator", LOGIN),
        Element("Note", TEXT100, min_occurs=0),
        LAST_MODIFIED,
    ),
)

ENTITIES: tuple[Entity, ...] = (ITEMS, SUPPLIERS, PURCHASE_ORDERS, STOCK_MOVEMENTS)
