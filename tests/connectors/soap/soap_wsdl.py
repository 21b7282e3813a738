"""A document/literal WSDL written from its operations, for tests that need other ones than the tiny ERP has."""

from __future__ import annotations

XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'


def wsdl(namespace: str, schemas: str, **operations: tuple[str, str]) -> str:
    """A document/literal WSDL: each operation with its two global elements (``prefix:name``, prefix ``t`` is the namespace)."""
    messages = "".join(
        f'<message name="{name}{side}"><part name="parameters" element="{element}"/></message>'
        for name, pair in operations.items()
        for side, element in zip(("In", "Out"), pair, strict=True)
    )
    ports = "".join(f'<operation name="{n}"><input message="t:{n}In"/><output message="t:{n}Out"/></operation>' for n in operations)
    body = '<s:body use="literal"/>'
    bound = "".join(
        f'<operation name="{n}"><s:operation soapAction="{n}"/><input>{body}</input><output>{body}</output></operation>' for n in operations
    )
    return (
        f'<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="{namespace}" {XS} '
        f'targetNamespace="{namespace}"><types>{schemas}</types>{messages}<portType name="P">{ports}</portType><binding name="B" type="t:P">'
        f'<s:binding transport="http://schemas.xmlsoap.org/soap/http"/>{bound}</binding><service name="S"><port name="P" binding="t:B">'
        '<s:address location="https://erp.example/ws/Parts"/></port></service></definitions>'
    )
