"""The simulations page: choose, send, see, in a browser; load runs to watch, and the results that are kept.

Decides what a page offers and shows. What is sent, judged and drawn comes from the same rooms as on the command line.
"""
