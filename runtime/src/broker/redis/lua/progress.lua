-- ARGV: uid. Returns the job's counters, ready chunks among the delayed ones not told apart, and
-- how many of those are due.
local counters = redis.call('HMGET', key('job', ARGV[1]),
    'state', 'published', 'chunks', 'chunks_completed', 'chunks_dead', 'settled', 'open',
    'in_flight', 'delayed', 'redelivered', 'duplicates', 'parameters', 'parameters_completed',
    'parameters_dead', 'last_commit')
if not counters[1] then return {} end
local due = 0
if tonumber(counters[9]) > 0 then
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', DELAYED, '-inf', time_ms(), 'LIMIT', 0, 10000)) do
        if string.sub(name, 1, 32) == ARGV[1] then due = due + 1 end
    end
end
counters[15] = counters[15] or ''
counters[16] = tostring(due)
return counters
