"""The functions of `unikl.compat` beside those of the libraries."""
