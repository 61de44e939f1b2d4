"""Shards on the hosts of a Dask cluster: the one room that knows `distributed`.

`shards` is the launcher, `hosts` what it knows of each host, `link` how the cluster is spoken to, `worker` and
`scheduler` what is run there, `own` a cluster on this machine. A task holds each host's worker and runs nothing by
itself: the plan, the start and the stop come to it once, by direct calls that no scheduler keeps or repeats, so that a
task that Dask ran again would fire nothing. What the shards say comes back through Dask's events.
"""
