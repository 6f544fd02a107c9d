"""What the site does: one function per act, each checking the rights and holding one transaction."""
