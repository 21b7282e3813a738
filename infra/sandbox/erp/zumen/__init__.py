"""図面管理 (zumen), the drawing office: SOAP 1.2 with WS-Security and WS-Addressing, paged by number, drawings as MTOM parts."""
