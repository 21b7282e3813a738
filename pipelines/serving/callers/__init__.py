"""Who asks: tokens and the keys behind them, accounts and principals, and what each role may do."""
