"""Shards on the hosts of a Dask cluster: the only package that imports `distributed`.

`shards` is the launcher, `hosts` has the state of each host, `cluster_link` the connection to the cluster, `worker` and
`scheduler` the code that runs there, `own_cluster` a cluster on this machine. A task occupies each host's worker and
does nothing by itself. The plan, the start and the stop come by direct calls, which no scheduler stores or repeats: if
Dask ran the task again, it would send no events. Messages of the shards come back through Dask's events.
"""
