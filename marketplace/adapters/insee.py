"""INSEE codes as outside services give them."""

# Paris, Lyon and Marseille: services answer the code of the arrondissement, the reference holds the city.
_ARRONDISSEMENTS = (("75101", "75120", "75056"), ("69381", "69389", "69123"), ("13201", "13216", "13055"))


def commune_of(code: str) -> str:
    """Return the commune's code: the city of an arrondissement, any other code as it is."""
    return next((city for first, last, city in _ARRONDISSEMENTS if first <= code <= last), code)
