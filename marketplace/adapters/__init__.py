"""What talks to the outside: mail, geocoding, company register."""
