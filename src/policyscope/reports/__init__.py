"""Reports: what several methods say about one thing, collected to be sent to somebody."""
