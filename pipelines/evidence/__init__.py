"""Evidence: claims, the calendar, seals, the ledger and the gate. It is handed facts and instants, and asks nobody for either."""
