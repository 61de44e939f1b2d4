"""Thin click commands, one file each: parse, compose, print, exit."""
