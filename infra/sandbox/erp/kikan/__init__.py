"""基幹システム (SakuraErp): items, suppliers, purchase orders and stock movements; document/literal, Basic, paged by bookmark like NAV pages."""
