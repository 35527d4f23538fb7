-- Posts the forms of a file, all of one size, one after the other.
--
--   wrk ... -s post.lua URL -- FILE SIZE [again]      again: from its beginning when it is at its end
--
-- Ends with one line of JSON: how many requests, in how many microseconds, how many answers were not 2xx,
-- how many errors, and whether the file was too short.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  file = assert(io.open(args[1], "rb"))
  size = tonumber(args[2])
  again = args[3] == "again"
  exhausted = 0
  head = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: localhost\r\n" ..
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " .. size .. "\r\n\r\n"
end

function request()
  local body = file:read(size)
  if body == nil then
    if not again then exhausted = 1 end
    file:seek("set")
    body = file:read(size)
  end
  return head .. body
end

function done(summary, latency)
  local errors = summary.errors
  local exhausted = 0
  for _, thread in ipairs(threads) do exhausted = exhausted + thread:get("exhausted") end
  io.write(string.format(
    'RESULT {"requests":%d,"us":%d,"not_2xx":%d,"errors":%d,"exhausted":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, exhausted,
    latency:percentile(50), latency:percentile(99)))
end
