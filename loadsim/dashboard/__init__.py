"""The dashboard: web pages to send single simulations, to start and watch load runs, and to read stored results.

Sending, judging and reporting use the same packages as the command line.
"""
