-- wrk sending requests that were signed before the run, one after the other and round again: no work per event.
-- Argument after --: a file of requests, each led by its length as eight digits.
local requests, count, last = {}, 0, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  while true do
    local size = file:read(8)
    if not size then break end
    count = count + 1
    requests[count] = file:read(tonumber(size))
  end
  file:close()
end

function request()
  last = last % count + 1
  return requests[last]
end
