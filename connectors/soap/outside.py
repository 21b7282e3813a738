"""What a plan expects around the rows: scalars by path, pairs that hold them, and the fault that may come instead."""

from __future__ import annotations

from connectors.errors import ContractBroken, FixConfiguration
from connectors.soap.aside import Form
from connectors.soap.components import Contract, Element, Operation, UnknownPath
from connectors.soap.pairs import Around, Pair
from connectors.soap.steps import Kind, Step, below

ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")


def expect_scalar(contract: Contract, operation: Operation, answer: Step, path: str, form: Form | None = None) -> bool:
    """Expect the value at the path; whether it leads through a repeated element."""
    names, _, attribute = path.partition("@")
    trail = _walked(contract, operation, names, path)
    step = answer
    for element in trail:
        step = below(step, element)
    if attribute:
        step.scalars[attribute] = path
    else:
        step.kind, step.name, step.form = Kind.SCALAR, path, form
    return any(element.many for element in trail)


def _walked(contract: Contract, operation: Operation, names: str, path: str) -> tuple[Element, ...]:
    try:
        return contract.walk(operation.output, names)
    except UnknownPath as error:
        raise ContractBroken(
            "soap.column_gone", operation=operation.name, column=path, source=path, candidates=", ".join(error.have) or "-"
        ) from error


def expect_around(contract: Contract, operation: Operation, answer: Step, pair: Pair) -> Around:
    """The pair outside of the rows that these paths lead to."""
    step = answer
    for element in _walked(contract, operation, pair.path, pair.path):
        step = below(step, element)
    step.around = step.around or Around(pair.naming)
    if step.around.naming != pair.naming:
        raise FixConfiguration("soap.column_twice", operation=operation.name, column=pair.path, source=pair.naming)
    expect_scalar(contract, operation, answer, pair.naming)
    return step.around


#: How deep in a fault's detail its code is looked for. What lies deeper is passed over.
_DETAIL_DEPTH = 8


def _detail() -> Step:
    """The detail's first child names the fault, and what is in it often has a code: vendors agree on no more (SOAP 1.1 §4.4)."""
    step = Step(Kind.FAULT_DETAIL)
    for _ in range(_DETAIL_DEPTH):
        step = Step(Kind.FAULT_DETAIL, children={"*": step})
    return Step(children={"*": step})


def expect_fault(uri: str) -> Step:
    """SOAP 1.1 §4.4 has unqualified children; SOAP 1.2 part 1 §5.4 has qualified, nested ones."""
    if uri == ENVELOPES[0]:
        return Step(
            Kind.ANSWER,
            "Fault",
            children={"faultcode": Step(Kind.FAULT_TEXT, "code"), "faultstring": Step(Kind.FAULT_TEXT, "text"), "detail": _detail()},
        )
    value, text = Step(Kind.FAULT_TEXT, "code"), Step(Kind.FAULT_TEXT, "text")
    subcode = Step(children={f"{uri}}}Value": Step(Kind.FAULT_TEXT, "subcode")})
    code = Step(children={f"{uri}}}Value": value, f"{uri}}}Subcode": subcode})
    reason = Step(children={f"{uri}}}Text": text})
    return Step(Kind.ANSWER, "Fault", children={f"{uri}}}Code": code, f"{uri}}}Reason": reason, f"{uri}}}Detail": _detail()})
