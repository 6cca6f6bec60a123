"""Any database, by a query per stream."""
