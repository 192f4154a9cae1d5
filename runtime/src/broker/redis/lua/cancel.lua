-- ARGV: uid. Returns whether the job is known. What it left in the stream goes by `sweep.lua`.
local name = key('job', ARGV[1])
if redis.call('EXISTS', name) == 0 then return 0 end
redis.call('HSET', name, 'state', 1, 'open', 0, 'delayed', 0, 'in_flight', 0)
return 1
