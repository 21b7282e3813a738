"""桜精機株式会社 (Sakura Seiki), the fictional maker whose staff, items and partners the three systems share. Facts only: no protocol."""
