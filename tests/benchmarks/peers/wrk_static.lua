-- wrk with one request that was made before the run, built once and sent over and over: no work per event at all.
-- Arguments after --: body, then header names and values in turn.
wrk.method = "POST"

function init(args)
  wrk.body = args[1]
  for i = 2, #args, 2 do wrk.headers[args[i]] = args[i + 1] end
end
