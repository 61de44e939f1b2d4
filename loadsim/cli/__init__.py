"""The commands, one file each: parse the options, call the package that does the work, print, exit."""
