"""What talks to the outside: mail, addresses, company register, ProConnect; http is how all are asked."""
