"""One module per benchmark: ``python bench NAME`` runs ``suites.NAME``."""
