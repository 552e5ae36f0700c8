"""Languages: the current one, the catalogue of sentences, and the formatting of figures and times."""
