"""How well a release answers, asked as its readers: questions, figures with their intervals, comparison, tuning. It asks through a protocol."""
