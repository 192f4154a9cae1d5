-- ARGV: name, uid, record, chunks, parameters. Returns uid and record of the job of that name, if
-- there is one.
local name, uid, record, chunks, parameters = unpack(ARGV)
local taken = redis.call('HGET', JOBS, name)
if taken then return { taken, redis.call('HGET', key('job', taken), 'record') or '' } end
redis.call('HSET', JOBS, name, uid)
redis.call('HSET', key('job', uid),
    'name', name, 'record', record, 'state', 0, 'number', redis.call('HINCRBY', CONTROL, 'jobs', 1),
    'chunks', chunks, 'parameters', parameters, 'published', 0,
    'open', 0, 'delayed', 0, 'in_flight', 0, 'outcomes', 0, 'settled', 0,
    'chunks_completed', 0, 'chunks_dead', 0, 'parameters_completed', 0, 'parameters_dead', 0,
    'redelivered', 0, 'duplicates', 0)
return {}
