"""Where the outside world is read: `loadsim.toml`, environment variables, secret files."""
