"""Networks whose every step is a module and so a site."""
