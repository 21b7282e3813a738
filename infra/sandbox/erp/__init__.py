"""The sandbox's ERP: an on-premise maker's system that speaks only SOAP, in the style of Dynamics NAV pages."""
