"""SOAP 1.2 Faults of the drawing office: a code, nested subcodes with the namespaces of their standards, and a sentence."""

from __future__ import annotations

from xml.sax.saxutils import escape

from infra.sandbox.erp.parsing import SOAP12
from infra.sandbox.erp.zumen.pages import NAMESPACE

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
WSA = "http://www.w3.org/2005/08/addressing"
MEDIA_TYPE = "application/soap+xml; charset=utf-8"
FAULT_ACTION = f"{WSA}/fault"


class ZumenFaultError(Exception):
    """A request answered by a Fault. ``code`` is the SOAP 1.2 code's local name, ``subcodes`` go from the outer one inwards."""

    def __init__(self, message: str, *subcodes: str, code: str = "Sender") -> None:
        super().__init__(message)
        self.code = code
        self.subcodes = subcodes


def security(subcode: str, message: str) -> ZumenFaultError:
    """A refusal by the fault codes of WSS 1.1 §12."""
    return ZumenFaultError(message, f"wsse:{subcode}")


def addressing(message: str, *subcodes: str) -> ZumenFaultError:
    """A refusal by the fault codes of WS-Addressing 1.0 SOAP Binding §6.4."""
    return ZumenFaultError(message, *(f"wsa:{one}" for one in subcodes))


def fault(error: ZumenFaultError, header: str = "") -> bytes:
    inner = ""
    for subcode in reversed(error.subcodes):
        inner = f"<soap:Subcode><soap:Value>{subcode}</soap:Value>{inner}</soap:Subcode>"
    return (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{SOAP12}" xmlns:wsse="{WSSE}" xmlns:wsa="{WSA}" '
        f'xmlns:z="{NAMESPACE}">{header}<soap:Body><soap:Fault><soap:Code><soap:Value>soap:{error.code}</soap:Value>{inner}</soap:Code>'
        f'<soap:Reason><soap:Text xml:lang="ja">{escape(str(error))}</soap:Text></soap:Reason></soap:Fault></soap:Body></soap:Envelope>'
    ).encode()
