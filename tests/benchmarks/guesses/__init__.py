"""Sentences labelled with the level and the trade that a reader would guess: what guesses are held to."""
